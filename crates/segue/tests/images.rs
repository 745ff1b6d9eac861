//! Images of a step: what a file value of a run shows to a model, and what is said where it cannot be shown.

use segue::file::load_text;
use segue::model::{Image, Message};
use segue::store::MemoryStore;
use segue::{
    Error, ErrorKind, Failure, Models, Pipeline, Registry, Result, Rule, Runner, Scripted, ToolCx, tool,
};
use serde_json::{Value as Json, json};

/// Saves a picture and gives it as a file.
#[tool]
async fn draw(cx: ToolCx) -> Result<Json> {
    let saved = cx.artifacts().save_bytes("art.png", b"drawn").await?;
    Ok(json!({"name": "art.png", "media_type": "image/png", "bytes": 5, "artifact": saved.id, "text": null}))
}

/// Saves a picture that is too large for models.
#[tool]
async fn draw_large(cx: ToolCx) -> Result<Json> {
    let saved = cx
        .artifacts()
        .save_bytes("art.png", vec![0; (5 << 20) + 1])
        .await?;
    Ok(
        json!({"name": "art.png", "media_type": "image/png", "bytes": saved.bytes, "artifact": saved.id, "text": null}),
    )
}

const FILE: &str = "
version: 1
name: test
inputs: { photos: any }
agents: { a: { model: m, instructions: Look. } }
models: { m: sim/schema }
steps:
";

/// What the model was told in a run of these steps, or why there is none; and everything on record.
async fn shown(steps: &str, photos: Json) -> (Result<Vec<Message>, Failure>, String) {
    let registry = Registry::new().tool(draw {}).tool(draw_large {});
    let text = format!("{FILE}{steps}");
    let loaded = load_text(&text, "test.yaml", &registry).unwrap_or_else(|rejected| panic!("{rejected}"));
    let pipeline: Pipeline<Json, Json> = Pipeline::from_plan(&loaded.plan, &registry).expect("all is there");
    let model = Scripted::new().rule(Rule::reply("a cat"));
    let runner = Runner::builder()
        .store(MemoryStore::new())
        .registry(registry)
        .models(Models::offline().with("sim/schema", model.clone()))
        .build()
        .expect("nothing is registered twice");
    let run = runner
        .start(&pipeline, json!({"photos": photos}))
        .await
        .expect("it starts");
    let log = run.log();
    let ended: Result<(), Error> = run.done().await.map(drop);
    let record = log
        .events()
        .iter()
        .map(|event| serde_json::to_string(event).expect("events are JSON"))
        .collect();
    let told = ended.map_err(|error| error.failure().failed_steps[0].error.as_ref().clone());
    (told.map(|()| model.requests()[0].messages.clone()), record)
}

fn file(name: &str, media_type: &str, artifact: Json) -> Json {
    json!({"name": name, "media_type": media_type, "bytes": 5, "artifact": artifact, "text": null})
}

const LOOK: &str = "  look: { agent: a, prompt: 'What is it?', images: inputs.photos }\n";

#[tokio::test(start_paused = true)]
async fn uploaded_images_reach_the_model_and_requests_keep_only_their_hashes() {
    let cat = Image::new("cat.png", "image/png", *b"a cat");
    let dog = Image::new("dog.webp", "image/webp", *b"a dog");
    let both = json!([
        file("cat.png", "image/png", json!(cat.to_data_url())),
        file("dog.webp", "image/webp", json!(dog.to_data_url())),
    ]);
    let (told, record) = shown(LOOK, both).await;
    let told = told.expect("it runs");
    assert_eq!(told[1].text, "What is it?");
    assert_eq!(told[1].images, [cat.clone(), dog]);
    let request = record.split("call.started").nth(1).expect("a call was made");
    assert!(
        request.contains(&cat.sha256) && !request.contains("base64"),
        "{request}"
    );

    let (told, _) = shown(LOOK, Json::Null).await;
    assert_eq!(told.expect("none is no image")[1].images, []);
}

#[tokio::test(start_paused = true)]
async fn an_artifact_of_the_run_is_shown_too() {
    let steps =
        "  draw: { tool: draw }\n  look: { agent: a, prompt: 'What is it?', images: steps.draw.output }\n";
    let (told, _) = shown(steps, Json::Null).await;
    let images = &told.expect("it runs")[1].images;
    assert_eq!(*images, [Image::new("art.png", "image/png", *b"drawn")]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_shown_says_why() {
    let gone = "art_00000000000000000000000000";
    for (photos, kind, said) in [
        (
            json!("cat.png"),
            ErrorKind::KindMismatch,
            "takes a file or a list of files, and got text",
        ),
        (
            json!({"name": "x"}),
            ErrorKind::KindMismatch,
            "got a map that is no file",
        ),
        (json!(7), ErrorKind::KindMismatch, "got no file"),
        (
            file("a.pdf", "application/pdf", Json::Null),
            ErrorKind::KindMismatch,
            "`a.pdf` is application/pdf",
        ),
        (
            file("a.png", "image/png", Json::Null),
            ErrorKind::KindMismatch,
            "`a.png` has no bytes to show",
        ),
        (
            file("a.png", "image/png", json!(gone)),
            ErrorKind::KindMismatch,
            "`a.png` has no bytes to show",
        ),
        (
            file("a.png", "image/png", json!("data:image/png;base64,%%")),
            ErrorKind::KindMismatch,
            "has no bytes to show",
        ),
        (
            json!(vec![file("a.png", "image/png", Json::Null); 21]),
            ErrorKind::TooLarge,
            "gives 21 files, and at most 20",
        ),
    ] {
        let (told, _) = shown(LOOK, photos).await;
        let failure = told.expect_err("it cannot be shown");
        assert_eq!((failure.kind, failure.retryable), (kind, false), "{failure}");
        assert!(failure.message.contains(said), "{failure}");
    }
    let steps = "  draw: { tool: draw_large }\n  look: { agent: a, prompt: x, images: steps.draw.output }\n";
    let (told, _) = shown(steps, Json::Null).await;
    let failure = told.expect_err("it is too large");
    assert_eq!(failure.kind, ErrorKind::TooLarge);
    assert!(
        failure.message.contains("`art.png` has more than 5242880 bytes"),
        "{failure}"
    );
}
