//! Every pipeline file is loaded, planned and run with models that need no network.

use std::path::Path;

use segue::file::{LoadOptions, load};
use segue::{Done, Error, ErrorKind, Models, Outcome, Pipeline, Registry, RunHandle, Runner, StepStatus};
use serde_json::{Value as Json, json};

use crate::{FOLDER, stems};

/// All pipeline files; the tests below run each of them.
const FILES: [&str; 11] = [
    "budget",
    "documents/complex",
    "documents/document_processor",
    "documents/document_router",
    "documents/simple",
    "early_stop",
    "fallback_router",
    "letters/facts",
    "letters/reply",
    "on_failure",
    "parallel",
];

const NOTICE: &str = include_str!("../../documents/notice.txt");
const MATCH: &str = include_str!("match.txt");

fn pipeline(file: &str) -> Pipeline<Json, Json> {
    let path = Path::new(FOLDER).join(format!("{file}.yaml"));
    let registry = Registry::new();
    let loaded = match load(&path, &registry, LoadOptions::default()) {
        Ok(loaded) => loaded,
        Err(rejected) => panic!("{rejected}"),
    };
    assert!(
        loaded.warnings.list().is_empty(),
        "{file} has warnings: {:?}",
        loaded.warnings
    );
    Pipeline::from_plan(&loaded.plan, &registry).expect("nothing has to be registered")
}

async fn start(file: &str, inputs: Json) -> RunHandle<Json> {
    let runner = Runner::builder()
        .models(Models::offline())
        .build()
        .expect("nothing is registered twice");
    runner.start(&pipeline(file), inputs).await.expect("it starts")
}

async fn run(file: &str, inputs: Json) -> Result<Done<Json>, Error> {
    let done = start(file, inputs).await.done().await?;
    assert!(done.cost.nanousd.is_zero(), "{file} cost {:?}", done.cost);
    Ok(done)
}

/// What a pipeline makes of the notice and of the report on a match, which must differ.
async fn of_both(file: &str, input: &str) -> [Json; 2] {
    let notice = run(file, json!({input: NOTICE})).await.expect("it runs").output;
    let report = run(file, json!({input: MATCH})).await.expect("it runs").output;
    assert_ne!(notice, report, "{file} gives the same for both texts");
    [notice, report]
}

#[test]
fn every_file_is_here() {
    let mut found = Vec::new();
    for folder in ["", "content/", "documents/", "letters/", "research/", "tools/"] {
        let names = stems(&Path::new(FOLDER).join(folder), ".yaml");
        let beside = [".test", ".script", ".cassette"];
        let pipelines = names
            .iter()
            .filter(|name| !beside.iter().any(|ending| name.ends_with(ending)));
        found.extend(pipelines.map(|name| format!("{folder}{name}")));
    }
    let mut named: Vec<&str> = FILES.to_vec();
    // Has a tool of a server: `research` runs it.
    named.push("research/research");
    // Need tools: `programs` and `content` run them.
    named.extend(["own_tool", "content/content"]);
    // Need a store: `guides` plays them.
    named.extend(["intake", "strategist", "tools/spelling"]);
    // Is killed on the way: `readme` does that.
    named.push("survive");
    named.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, named);
}

#[tokio::test]
async fn the_document_processor_reads_the_document() {
    let [notice, report] = of_both("documents/document_processor", "document").await;
    assert_eq!(notice, "business");
    assert_eq!(report, "sport");
}

#[tokio::test]
async fn an_empty_document_is_refused_before_the_run() {
    let runner = Runner::builder().build().expect("nothing is registered twice");
    let pipeline = pipeline("documents/document_processor");
    let error = runner
        .start(&pipeline, json!({"document": ""}))
        .await
        .err()
        .expect("it is refused");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn the_document_router_takes_the_pipeline_for_the_length() {
    let short = run("documents/document_router", json!({"text": NOTICE}))
        .await
        .expect("it runs");
    assert_eq!(short.output["kind"], "simple");
    assert_eq!(short.usage.requests, 1);
    let long = run("documents/document_router", json!({"text": NOTICE, "limit": 40}))
        .await
        .expect("it runs");
    assert_eq!(long.output["kind"], "complex");
    let entities = long.output["result"]["entities"].to_string();
    assert!(entities.contains("Northwind"), "{entities}");
}

#[tokio::test]
async fn the_arms_of_the_router_are_pipelines_of_their_own() {
    of_both("documents/simple", "text").await;
    let [notice, report] = of_both("documents/complex", "text").await;
    assert_eq!(notice["class"], "business");
    assert!(report["words"].as_u64() < notice["words"].as_u64());
}

#[tokio::test]
async fn market_and_user_run_side_by_side() {
    let [notice, _] = of_both("parallel", "text").await;
    let [market, user] = ["market", "user"].map(|name| notice[name].as_array().expect("sentences").len());
    assert!(market > 0 && user > 0);
    assert_eq!(notice["quoted"], market + user);
    let done = run("parallel", json!({"text": NOTICE})).await.expect("it runs");
    let view = done.view();
    let needs = |name| view.step(name).map(|step| step.needs.clone()).unwrap_or_default();
    assert_eq!([needs("market"), needs("user")], [["classify"], ["classify"]]);
    assert_eq!(needs("calculate"), ["classify", "market", "user"]);
}

#[tokio::test]
async fn the_third_call_does_not_fit_the_budget() {
    let error = run("budget", json!({"text": NOTICE}))
        .await
        .err()
        .expect("two calls are allowed");
    assert!(error.is_budget(), "{error}");
    assert_eq!(error.step(), Some("title"));
    assert_eq!(error.spent().usage.requests, 2);
    assert_eq!(error.partial().keys().collect::<Vec<_>>(), ["long", "short"]);
    assert!(
        error.to_string().contains('2'),
        "the message has no number: {error}"
    );
}

#[tokio::test]
async fn a_letter_without_an_address_waits_for_one() {
    let whole = json!({"letter": "Please write to ada@example.org. I live in Leipzig."});
    let done = run("early_stop", whole).await.expect("nobody is asked");
    assert_eq!(done.output, "We will write to ada@example.org.");

    let handle = start("early_stop", json!({"letter": "My phone is broken."})).await;
    let Outcome::Waiting(question) = handle.outcome().await.expect("it rests") else {
        panic!("somebody has to be asked");
    };
    assert_eq!(question.title, "Where do we answer?");
    assert_eq!(question.form["required"], json!(["email"]));
    assert_eq!(
        handle.view().step("answer").map(|step| step.status),
        Some(StepStatus::Pending)
    );
    handle
        .answer(question.id, json!({"email": 7}), "clerk")
        .await
        .expect_err("a number is no address");
    handle
        .answer(question.id, json!({"email": "bob@example.org"}), "clerk")
        .await
        .expect("it fits");
    let done = handle.done().await.expect("it goes on");
    assert_eq!(done.output, "We will write to bob@example.org.");
    assert_eq!(done.usage.requests, 1, "the letter is read once");
}

#[tokio::test]
async fn the_second_arm_answers_when_the_first_fails() {
    let [notice, _] = of_both("fallback_router", "text").await;
    assert_eq!(notice["by"], "copied");
    let tea = run("fallback_router", json!({"text": "All about tea."}))
        .await
        .expect("it runs");
    assert_eq!(
        tea.output,
        json!({"by": "written", "text": "Tea is had at five."})
    );
}

#[tokio::test]
async fn the_fallback_makes_the_output_when_the_run_would_fail() {
    let done = run("on_failure", json!({"text": NOTICE}))
        .await
        .expect("the fallback succeeds");
    assert!(done.fallback);
    assert_eq!(done.output["why"], "authentication");
    assert_eq!(done.view().failed_steps().collect::<Vec<_>>(), ["summary"]);
    let tea = run("on_failure", json!({"text": "All about tea."}))
        .await
        .expect("it runs");
    assert!(!tea.fallback);
    of_both("on_failure", "text").await;
}

#[tokio::test]
async fn the_writer_looks_up_what_it_does_not_know_with_a_pipeline() {
    let known = run("letters/facts", json!({"place": "Jena"}))
        .await
        .expect("it runs");
    assert_eq!(known.output, "The repair centre in Jena is closed until spring.");
    let done = run("letters/reply", json!({})).await.expect("it runs");
    let reply = done.output.as_str().expect("it is a text");
    assert!(
        reply.starts_with("The repair centre in Leipzig opens on Monday."),
        "{reply}"
    );
    let view = done.view();
    for (step, output) in [
        (
            "reply/facts/find",
            "The repair centre in Leipzig opens on Monday.",
        ),
        (
            "reply/facts_2/find",
            "The repair centre in Jena is closed until spring.",
        ),
    ] {
        let found = view
            .step(step)
            .and_then(|step| step.output.clone())
            .expect("it was called");
        assert_eq!(*found.to_json().expect("it is a text"), output, "{step}");
    }
    assert_eq!((done.usage.requests, done.usage.tool_calls), (4, 2));
}
