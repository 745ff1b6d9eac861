//! The same small pipeline, unchanged, against every protocol: an agent with a tool and a typed answer, through a runner.

use std::time::UNIX_EPOCH;

use schemars::JsonSchema;
use segue::plan::ModelSettings;
use segue::price::{Price, PriceBook};
use segue::{
    Agent, Backoff, Done, Error, Heard, IntoStep, Model, Models, Out, Pipeline, Result, RetryLayer, Runner,
    Settings, StepStatus, ToolCx, tool, usd,
};
use segue_models::{Api, Limited, Limiter, Limits};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::say::{Said, events, pieces, text};
use crate::server::{Act, Server, Turn};

/// What the pipeline gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct Sum {
    pub(crate) total: i64,
    pub(crate) how: String,
}

/// Adds two numbers.
#[tool(class = read_only)]
async fn add(_cx: ToolCx, a: i64, b: i64) -> Result<i64> {
    Ok(a + b)
}

/// Asks an agent what to add up.
pub(crate) fn pipeline() -> Pipeline<String, Sum> {
    Pipeline::define("sums", |p, task: Out<String>| {
        let adder = Agent::<Sum>::new("adder")
            .instructions("You add numbers.")
            .model("m")
            .tool(add {})
            .max_tokens(500);
        p.step(
            "sum",
            adder.as_step(|task: String| task).settings(once_more()),
            task,
        )
    })
    .expect("one step is a pipeline")
}

/// Another attempt, at once where the provider asks for nothing else.
fn once_more() -> Settings {
    Settings::new().retry(RetryLayer {
        max_attempts: Some(2),
        backoff: Some(Backoff::None),
        ..RetryLayer::default()
    })
}

/// Runs it with a model.
pub(crate) async fn run(model: impl Model) -> Result<Done<Sum>, Error> {
    let price = Price::per_million(usd(1.0), usd(10.0));
    let name = model.name().to_owned();
    let runner = Runner::builder()
        .models(Models::offline().with("m", model))
        .prices(PriceBook::new(UNIX_EPOCH).with_override(name, price))
        .build()
        .expect("nothing is registered twice");
    let run = runner.start(&pipeline(), "What is 2 and 3?".to_owned()).await?;
    run.done().await
}

#[tokio::test]
async fn the_same_pipeline_runs_against_every_protocol() {
    for api in Api::ALL {
        let answer = r#"{"total": 5, "how": "2 + 3"}"#;
        let asks = Said {
            calls: vec![("id-1", "add", json!({"a": 2, "b": 3}))],
            ..Said::default()
        };
        let answers = match api {
            Api::Anthropic => Said {
                calls: vec![("id-2", "answer", serde_json::from_str(answer).unwrap())],
                ..Said::default()
            },
            _ => text(answer),
        };
        let stream = |said: &Said| Turn::stream(api, &pieces(api, &events(api, said)));
        let busy = Turn::status("429 Too Many Requests", &["retry-after-ms: 1"], "busy");
        let server = Server::new([busy, stream(&asks), stream(&answers)]);
        let done = run(server.model(api))
            .await
            .unwrap_or_else(|error| panic!("{api}: {error}"));
        let expected = Sum {
            total: 5,
            how: "2 + 3".to_owned(),
        };
        assert_eq!(done.output, expected, "{api}");

        let seen = server.seen();
        assert_eq!(seen.len(), 3, "{api}");
        let last = seen[2].body.to_string();
        assert!(
            last.contains("What is 2 and 3?") && last.contains("You add numbers."),
            "{api}: {last}"
        );
        // Two answers of 30 tokens in and 9 out each; what was turned away cost nothing.
        assert_eq!(
            (
                done.usage.input_tokens,
                done.usage.output_tokens,
                done.usage.requests
            ),
            (60, 18, 3),
            "{api}"
        );
        assert_eq!(
            (done.cost.nanousd.nanos(), done.cost.estimated_calls),
            (60 * 1_000 + 18 * 10_000, 0),
            "{api}"
        );

        let view = done.view();
        let step = view.step("sum").expect("it ran");
        assert_eq!(
            (step.status, step.attempts.len()),
            (StepStatus::Succeeded, 2),
            "{api}"
        );
        let models: Vec<_> = view.calls().filter(|call| call.model.is_some()).collect();
        let pieces: Vec<bool> = models.iter().map(|call| call.first_token_ms.is_some()).collect();
        assert_eq!(pieces, [false, true, true], "{api}");
        let busy = models[0].error.as_ref().expect("it was turned away");
        assert_eq!(
            (busy.retry_after_ms, busy.spent.is_some()),
            (Some(1), true),
            "{api}"
        );
        if matches!(api, Api::Chat | Api::Responses) {
            // The request that was turned away is made again under its key.
            let counts: Vec<usize> = server.ledger().into_values().collect();
            assert_eq!((counts.iter().sum::<usize>(), counts.len()), (3, 2), "{api}");
        }
        // The record has the whole conversation, and no key.
        let log: String = done
            .log()
            .events()
            .iter()
            .map(|event| serde_json::to_string(event).unwrap())
            .collect();
        assert!(
            log.contains("What is 2 and 3?") && !log.contains(crate::server::KEY),
            "{api}"
        );
    }
}

#[tokio::test]
async fn a_setting_that_a_model_has_no_place_for_is_noted_in_the_run_once() {
    let api = Api::Responses;
    let answers = [
        Said {
            calls: vec![("id-1", "add", json!({"a": 2, "b": 3}))],
            ..Said::default()
        },
        text("5"),
    ];
    let server = Server::new(answers.map(|said| Turn::stream(api, &pieces(api, &events(api, &said)))));
    let seeded = Pipeline::define("sums", |p, task: Out<String>| {
        let adder = Agent::<String>::new("adder").model("m").tool(add {});
        let adder = adder.model_settings(ModelSettings {
            seed: Some(7),
            ..ModelSettings::default()
        });
        p.step("sum", adder.as_step(|task: String| task), task)
    })
    .unwrap();
    let limited = Limited::new(server.model(api), Limiter::new("openai", Limits::default()));
    let models = Models::offline().with("m", limited);
    let runner = Runner::builder().models(models).build().unwrap();
    let run = runner
        .start(&seeded, "What is 2 and 3?".to_owned())
        .await
        .unwrap();
    let done = run.done().await.unwrap();
    let notes: Vec<String> = done
        .log()
        .events()
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .filter(|event| event.contains("left out"))
        .collect();
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert!(
        notes[0].contains("`openai/m-1`: `seed` is left out: OpenAI's responses have none"),
        "{notes:?}"
    );
}

#[tokio::test]
async fn what_a_provider_writes_is_heard_before_it_is_over() {
    for api in Api::ALL {
        let said = pieces(api, &events(api, &text("Dear Ada, hello.")));
        let first = said.iter().position(|piece| piece.contains("Dear"));
        let first = first.expect("it begins with that");
        // It says half of it, and then nothing more.
        let server = Server::new([Turn::cut(api, &said[..=first]).then(Act::Stall)]);
        let models = Models::offline().with("m", server.model(api));
        let runner = Runner::builder().models(models).build().expect("it is right");
        let writer = Agent::<String>::new("writer").model("m");
        let letter = Pipeline::define("letter", |p, task: Out<String>| {
            p.step("write", writer.as_step(|task: String| task), task)
        })
        .expect("one step is a pipeline");
        let listen = runner.listen();
        let run = runner
            .start(&letter, "Write.".to_owned())
            .await
            .expect("it starts");
        let mut live = listen.follow(&run);
        let delta = loop {
            match live.next().await {
                Some(Heard::Delta(delta)) => break delta,
                Some(Heard::Event(event)) => assert!(!event.is_terminal(), "{api}: {event:?}"),
                None => panic!("{api}: nothing was heard"),
            }
        };
        assert_eq!(
            (delta.text.as_str(), delta.step.as_str()),
            ("Dear Ada", "write"),
            "{api}"
        );
        run.cancel("test", None).await.expect("it can be cancelled");
    }
}
