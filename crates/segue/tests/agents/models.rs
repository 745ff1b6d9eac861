//! Which model an agent gets: fallback lists, settings of three levels, scripts that agents share.

use segue::model::{Finish, Response, Rule};
use segue::plan::ModelSettings;
use segue::{Agent, Budget, ErrorKind, Models, Out, Pipeline, Runner, Scripted, Settings, usd};
use serde_json::json;

use crate::{Replies, asking};

fn two() -> Agent<String> {
    Agent::new("writer").model("first").model("second")
}

fn named(name: &str, rule: Rule) -> Scripted {
    Scripted::new().named(name).rule(rule)
}

/// What became of a request to `first`, then `second`, in a step with so many retries: answers of both, or the error.
async fn fall(first: Rule, retries: u32) -> (Result<String, ErrorKind>, usize, usize) {
    let (first, second) = (named("a/first", first), named("b/second", Rule::reply("second")));
    let done = asking(&two())
        .run("What?".to_owned())
        .step("ask", Settings::new().retries(retries))
        .with_model("first", first.clone())
        .with_model("second", second.clone())
        .await;
    let result = done.map(|done| done.output).map_err(|error| error.kind());
    (result, first.requests().len(), second.requests().len())
}

#[tokio::test(start_paused = true)]
async fn the_next_model_is_asked_after_a_fatal_error_or_when_no_attempt_is_left() {
    let second = || Ok("second".to_owned());
    assert_eq!(
        fall(Rule::error(ErrorKind::Authentication), 5).await,
        (second(), 1, 1)
    );
    assert_eq!(
        fall(Rule::error(ErrorKind::BadRequest), 5).await,
        (second(), 1, 1)
    );
    assert_eq!(fall(Rule::error(ErrorKind::Provider), 0).await, (second(), 1, 1));
    assert_eq!(
        fall(Rule::error(ErrorKind::RateLimited), 2).await,
        (second(), 3, 1)
    );
    assert_eq!(
        fall(Rule::error(ErrorKind::Provider).times(1), 1).await,
        (second(), 2, 1)
    );
    assert_eq!(
        fall(Rule::reply("first"), 0).await,
        (Ok("first".to_owned()), 1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_model_that_refuses_hands_over_to_the_next() {
    let refusal = Response {
        finish: Finish::Refused,
        ..Response::text("no")
    };
    let second = Scripted::new().rule(Rule::reply("second"));
    let run = asking(&two())
        .run("What?".to_owned())
        .with_model("first", Replies::new([refusal]));
    let done = run
        .with_model("second", second)
        .await
        .expect("the second answers");
    assert_eq!((done.output.as_str(), done.usage.requests), ("second", 2));
    let view = done.view();
    let models: Vec<&str> = view.by_model().keys().map(String::as_str).collect();
    assert_eq!(
        models,
        ["sim/script", "test/replies"],
        "the failed try is counted too"
    );
}

#[tokio::test(start_paused = true)]
async fn no_model_is_asked_after_a_budget_refusal() {
    let (first, second) = (
        named("a/first", Rule::reply("1")),
        named("b/second", Rule::reply("2")),
    );
    let run = asking(&two())
        .run("What?".to_owned())
        .budget(Budget::default().requests(0));
    let run = run
        .with_model("first", first.clone())
        .with_model("second", second.clone());
    let error = run.await.err().expect("nothing may be spent");
    assert!(error.is_budget());
    assert_eq!((first.requests().len(), second.requests().len()), (0, 0));
    let unpriced = asking(&two()).run("What?".to_owned()).budget(usd(1.0));
    let unpriced = unpriced
        .with_model("first", first)
        .with_model("second", second.clone())
        .await;
    assert_eq!(
        unpriced.err().expect("it has no price").kind(),
        ErrorKind::Unpriced
    );
    assert_eq!(second.requests().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_not_to_be_had_is_left_out_and_none_left_stops_the_run_before_it_starts() {
    let agent = Agent::<String>::new("writer").model("nowhere/x").model("m");
    let model = Scripted::replies(["here"]);
    let done = asking(&agent)
        .run("What?".to_owned())
        .with_model("m", model)
        .await
        .expect("one is there");
    assert_eq!(done.output, "here");
    let error = asking(&agent)
        .run("What?".to_owned())
        .await
        .err()
        .expect("none is there");
    assert_eq!((error.kind(), error.run()), (ErrorKind::NoModel, None));
    let text = error.to_string();
    assert!(
        text.contains("`nowhere/x`") && text.contains("`m`") && text.contains("hint: "),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn settings_of_the_model_lie_under_those_of_the_agent_and_of_the_step() {
    let plan = json!({
        "version": 1, "name": "levels",
        "input": {"named": {}},
        "steps": [{
            "name": "ask", "kind": "agent",
            "action": {"agent": {"agent": "writer", "prompt": "Go.", "over": {"settings": {"seed": 3}}}},
        }],
        "output": {"last": [0]},
        "run": {"max_parallel": 64, "failure": "continue"},
        "agents": {"writer": {
            "name": "writer", "instructions": "Write.", "template": true,
            "models": [{"name": "m", "settings": {"temperature": 0.1, "top_p": 0.2, "seed": 1, "max_tokens": 9}}],
            "max_turns": 4, "max_tool_calls": 4, "repairs": 0,
            "model_settings": {"top_p": 0.5, "seed": 2},
        }},
    });
    let plan = std::sync::Arc::new(serde_json::from_value(plan).expect("it is a plan"));
    let pipeline = Pipeline::from_plan(&plan, &segue::Registry::new()).expect("it links");
    let model = Scripted::replies(["done"]);
    pipeline
        .run(json!({}))
        .with_model("m", model.clone())
        .await
        .expect("it runs");
    let expected = ModelSettings {
        temperature: Some(0.1),
        top_p: Some(0.5),
        seed: Some(3),
        max_tokens: Some(9),
        ..ModelSettings::default()
    };
    assert_eq!(model.requests()[0].settings, expected);
}

#[tokio::test(start_paused = true)]
async fn a_call_replaces_the_models_of_all_agents_or_of_one() {
    let a = Agent::<String>::new("a").model("m");
    let b = Agent::<String>::new("b").model("m");
    let pipeline = Pipeline::define("two", |p, prompt: Out<String>| {
        let first = p.step("first", a.as_step(|prompt: String| prompt), prompt);
        p.step("second", b.as_step(|prompt: String| prompt), first)
    })
    .expect("a pipeline");
    let model = |text: &str| Scripted::new().rule(Rule::reply(text));
    let runner = Runner::builder().models(
        Models::offline()
            .with("m", model("m"))
            .with("x", model("x"))
            .with("y", model("y")),
    );
    let runner = runner.build().expect("a runner");
    let outputs = |view: segue::RunView| {
        let output = |step| {
            view.step(step)
                .and_then(|step| step.output.clone())
                .expect("it ran")
        };
        [output("first"), output("second")].map(|output| output.to_json().expect("text").to_string())
    };
    let run = runner
        .start(&pipeline, "go".to_owned())
        .model("x")
        .model_of("b", "y")
        .await
        .expect("it starts");
    assert_eq!(
        outputs(run.done().await.expect("it runs").view()),
        [r#""x""#, r#""y""#]
    );
    let run = runner
        .start(&pipeline, "go".to_owned())
        .model_of("b", "y")
        .await
        .expect("it starts");
    assert_eq!(
        outputs(run.done().await.expect("it runs").view()),
        [r#""m""#, r#""y""#]
    );
}

#[tokio::test(start_paused = true)]
async fn agents_with_the_same_script_share_what_it_has_counted() {
    let script = "version: 1\nscript:\n  - {reply: once, times: 1}\n  - {reply: later}\n";
    let agent = |name: &str| {
        json!({
            "name": name, "instructions": "Write.", "template": true,
            "models": [{"name": "sim/script", "file": script}],
            "max_turns": 4, "max_tool_calls": 4, "repairs": 0,
        })
    };
    let step = |name: &str, agent: &str, needs: serde_json::Value| {
        json!({
            "name": name, "kind": "agent", "needs": needs,
            "action": {"agent": {"agent": agent, "prompt": "Go."}},
        })
    };
    let plan = json!({
        "version": 1, "name": "shared", "input": {"named": {}},
        "steps": [step("a", "one", json!([])), step("b", "two", json!([{"step": 0, "kind": "order"}]))],
        "output": {"template": {"a": "{{ steps.a.output }}", "b": "{{ steps.b.output }}"}},
        "run": {"max_parallel": 64, "failure": "continue"},
        "agents": {"one": agent("one"), "two": agent("two")},
    });
    let plan = std::sync::Arc::new(serde_json::from_value(plan).expect("it is a plan"));
    let pipeline = Pipeline::from_plan(&plan, &segue::Registry::new()).expect("it links");
    for _ in 0..2 {
        let done = pipeline.run(json!({})).await.expect("it runs");
        assert_eq!(
            done.output["b"], "later",
            "the rule answers once in a run: {}",
            done.output
        );
    }
}
