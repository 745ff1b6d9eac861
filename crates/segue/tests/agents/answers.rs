//! Answers of a type: taken when they fit, repaired by asking again, refused when nothing helps.

use schemars::JsonSchema;
use segue::model::{Finish, Malformed, Response, Role, Rule};
use segue::{Agent, ErrorKind, IntoStep, Out, Pipeline, Scripted};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Replies, ask, asking, cut, last_said, refused};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Fruit {
    name: String,
    weight: u32,
}

fn fruit() -> Agent<Fruit> {
    Agent::new("botanist").instructions("Name a fruit.").model("m")
}

fn writer() -> Agent<String> {
    Agent::new("writer").instructions("Write.").model("m")
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_fits_is_typed_and_the_model_saw_instructions_prompt_and_schema() {
    let model = Scripted::replies([r#"{"name": "pear", "weight": 180}"#]);
    let done = ask(&fruit(), &model).await.expect("it fits");
    assert_eq!(
        done.output,
        Fruit {
            name: "pear".into(),
            weight: 180
        }
    );
    let requests = model.requests();
    assert_eq!(requests.len(), 1);
    let said: Vec<(Role, &str)> = requests[0]
        .messages
        .iter()
        .map(|message| (message.role, message.text.as_str()))
        .collect();
    assert_eq!(
        said,
        [(Role::System, "Name a fruit."), (Role::User, "What is it?")]
    );
    let schema = requests[0].output.as_ref().expect("a type was asked for");
    assert_eq!(schema.as_json()["required"], json!(["name", "weight"]));
    assert_eq!(model.prompts("ask"), ["What is it?"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_fit_is_repaired_by_saying_what_is_wrong() {
    for (wrong, why) in [
        (r#"{"name": "pear", "weight": "heavy"}"#, "/weight"),
        (r#"{"name": "pear"}"#, "weight"),
        ("a pear of 180 grams", "it is not JSON"),
        (
            "```json\n{\"name\": \"pear\", \"weight\": 180}\n```",
            "it is not JSON",
        ),
        (
            "{\"name\": \"pear\", \"weight\": 180} That is it.",
            "it is not JSON",
        ),
        (
            r#"{"name": "pear", "name": "fig", "weight": 1}"#,
            "field `name` is there twice",
        ),
        ("null", "null"),
        ("", "it is empty"),
    ] {
        let model = Scripted::replies([wrong, r#"{"name": "pear", "weight": 180}"#]);
        let done = ask(&fruit(), &model).await.expect("the second answer fits");
        assert_eq!(done.output.weight, 180);
        assert_eq!(done.usage.requests, 2, "the repaired answer is counted too");
        let told = last_said(&model, 1);
        assert!(
            told.contains("not what was asked for") && told.contains(why),
            "{wrong}: {told}"
        );
        let before = &model.requests()[1].messages[2];
        assert_eq!((before.role, before.text.as_str()), (Role::Assistant, wrong));
    }
}

#[tokio::test(start_paused = true)]
async fn repairs_are_counted_and_then_the_output_is_invalid() {
    for (agent, calls) in [(fruit(), 3), (fruit().repairs(0), 1), (fruit().repairs(4), 5)] {
        let model = Scripted::new().rule(Rule::malformed(Malformed::BadSchema));
        let failure = refused(&agent, &model).await;
        assert_eq!(failure.kind, ErrorKind::OutputInvalid);
        assert_eq!(model.requests().len(), calls);
        let said = format!("after {} repairs", calls - 1);
        assert!(failure.message.contains(&said), "{}", failure.message);
    }
}

#[tokio::test(start_paused = true)]
async fn repairs_are_turns_like_any_other() {
    let model = Scripted::new().rule(Rule::malformed(Malformed::BadJson));
    let failure = refused(&fruit().repairs(9).max_turns(2), &model).await;
    assert_eq!((failure.kind, model.requests().len()), (ErrorKind::NoProgress, 2));
    let limit = failure.limit.expect("a limit was met");
    assert_eq!((limit.name.as_str(), limit.limit.as_str()), ("max_turns", "2"));
}

#[tokio::test(start_paused = true)]
async fn empty_text_is_no_answer_and_the_word_error_is_one() {
    let model = Scripted::replies(["  \n", "Error: none was found"]);
    let done = ask(&writer(), &model).await.expect("text is text");
    assert_eq!(done.output, "Error: none was found");
    assert!(last_said(&model, 1).contains("it is empty"));
    let never = Scripted::new().rule(Rule::malformed(Malformed::Empty));
    assert_eq!(refused(&writer(), &never).await.kind, ErrorKind::IncompleteOutput);
}

#[tokio::test(start_paused = true)]
async fn null_is_an_answer_only_where_the_type_has_it() {
    let maybe = Agent::<Option<String>>::new("finder").model("m");
    let model = Scripted::replies(["null"]);
    assert_eq!(ask(&maybe, &model).await.expect("null fits").output, None);
    let model = Scripted::replies(["", r#""""#, "found"]);
    let done = ask(&maybe, &model).await.expect("the third answer fits");
    assert_eq!(
        (done.output.as_deref(), model.requests().len()),
        (Some("found"), 3)
    );
}

#[tokio::test(start_paused = true)]
async fn a_cut_answer_is_none_even_if_it_could_be_read() {
    let pipeline = asking(&fruit());
    let whole = r#"{"name": "pear", "weight": 180}"#;
    let run = || pipeline.run("What?".to_owned());
    let error = run()
        .with_model("m", Replies::new([cut(whole)]))
        .await
        .err()
        .expect("it is cut");
    assert_eq!(error.kind(), ErrorKind::IncompleteResponse);
    assert!(error.to_string().contains("cut at 4096 tokens"), "{error}");
    let again = run()
        .step("ask", segue::Settings::new().retries(1))
        .with_model("m", Replies::new([cut(whole), Response::text(whole)]))
        .await;
    assert_eq!(again.expect("another attempt is whole").output.weight, 180);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_final_and_says_what_the_model_said() {
    let refusal = Response {
        finish: Finish::Refused,
        ..Response::text("I cannot help with that.")
    };
    let run = asking(&writer())
        .run("What?".to_owned())
        .step("ask", segue::Settings::new().retries(3));
    let error = run
        .with_model("m", Replies::new([refusal]))
        .await
        .err()
        .expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    assert!(error.to_string().contains("I cannot help with that."), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_tells_the_next_one_why() {
    let model = Scripted::new()
        .rule(Rule::malformed(Malformed::BadSchema).times(1))
        .rule(Rule::json(json!({"name": "fig", "weight": 50})));
    let pipeline = Pipeline::define("again", |p, prompt: Out<String>| {
        p.step(
            "ask",
            fruit().repairs(0).as_step(|prompt: String| prompt).retries(1),
            prompt,
        )
    })
    .expect("a pipeline");
    let done = pipeline
        .run("What?".to_owned())
        .with_model("m", model.clone())
        .await
        .expect("it fits then");
    assert_eq!(done.usage.requests, 2, "the failed attempt is counted");
    let told = last_said(&model, 1);
    assert!(told.contains("Your last answer was refused"), "{told}");
    assert_eq!(
        model.requests()[1].messages.len(),
        3,
        "a new attempt is a new conversation"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_used_is_counted_by_agent_and_model_also_when_it_failed() {
    let used = |input| segue::Usage {
        input_tokens: input,
        output_tokens: 1,
        ..segue::Usage::default()
    };
    let model = Scripted::new()
        .rule(Rule::error(ErrorKind::Provider).usage(used(10)).times(1))
        .rule(Rule::reply("{}").usage(used(20)).times(1))
        .rule(Rule::json(json!({"name": "fig", "weight": 50})).usage(used(30)));
    let run = asking(&fruit())
        .run("What?".to_owned())
        .step("ask", segue::Settings::new().retries(1));
    let done = run.with_model("m", model).await.expect("it fits then");
    assert_eq!((done.usage.requests, done.usage.input_tokens), (3, 60));
    let view = done.view();
    assert_eq!(view.by_agent()["botanist"].usage.input_tokens, 60);
    assert_eq!(view.by_model()["sim/script"].usage.requests, 3);
    assert_eq!(view.step("ask").expect("it ran").usage.input_tokens, 60);
}

#[tokio::test(start_paused = true)]
async fn the_extractive_model_answers_from_the_text_it_is_given() {
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Digest {
        summary: String,
        key_terms: Vec<String>,
    }
    let agent = Agent::<Digest>::new("digester")
        .instructions("Summarize.")
        .model("local/extractive");
    let pipeline = asking(&agent);
    let mut answers = Vec::new();
    for text in [
        "The harbour crane lifts containers. The crane was repaired in May. Containers wait in the harbour.",
        "Bees visit clover in spring. A colony of bees stores honey. Clover honey is pale.",
    ] {
        let done = pipeline.run(text.to_owned()).await.expect("it answers");
        let again = pipeline.run(text.to_owned()).await.expect("it answers");
        assert_eq!(done.output, again.output, "equal texts have equal answers");
        assert!(
            text.contains(done.output.summary.trim_end_matches('.')),
            "{:?}",
            done.output
        );
        assert!(!done.output.key_terms.is_empty());
        assert_eq!(done.cost.nanousd, segue::Nanousd::ZERO);
        answers.push(done.output);
    }
    assert_ne!(answers[0].summary, answers[1].summary);
    assert_ne!(answers[0].key_terms, answers[1].key_terms);
}
