//! When an answer is complete: a marker on its last line, or artifacts that were saved.

use segue::model::Rule;
use segue::plan::Complete;
use segue::{Agent, ErrorKind, Scripted};
use serde_json::json;

use crate::{ask, last_said, refused};

fn marked(max_nudges: u32) -> Agent<String> {
    Agent::new("worker").model("m").complete(Complete::Marker {
        marker: "AGENT_COMPLETE".into(),
        nudge: "End with AGENT_COMPLETE when you are done.".into(),
        max_nudges,
    })
}

fn saving() -> Agent<String> {
    let agent = Agent::new("worker").model("m").tool_named("segue.*");
    agent.complete(Complete::Saved(vec!["a.md".into(), "b.json".into()]))
}

fn save(name: &str) -> Rule {
    Rule::call("segue.save_artifact", json!({"name": name, "content": "{}"}))
}

#[tokio::test(start_paused = true)]
async fn the_marker_is_asked_for_and_cut_off() {
    let model = Scripted::replies([
        "Still at it.",
        "AGENT_COMPLETE is near",
        "The report.\nAGENT_COMPLETE\n",
    ]);
    let done = ask(&marked(3), &model).await.expect("the marker came");
    assert_eq!(done.output, "The report.");
    for request in [1, 2] {
        assert_eq!(
            last_said(&model, request),
            "End with AGENT_COMPLETE when you are done."
        );
    }
}

#[tokio::test(start_paused = true)]
async fn reminders_are_bounded() {
    let model = Scripted::new().rule(Rule::reply("Still at it."));
    let failure = refused(&marked(2), &model).await;
    assert_eq!(
        (failure.kind, model.requests().len()),
        (ErrorKind::IncompleteOutput, 3)
    );
    assert!(
        failure.message.contains("after 2 reminders"),
        "{}",
        failure.message
    );
}

#[tokio::test(start_paused = true)]
async fn a_marker_and_nothing_else_is_no_answer() {
    let model = Scripted::replies(["AGENT_COMPLETE", "Done.\nAGENT_COMPLETE"]);
    assert_eq!(
        ask(&marked(0), &model).await.expect("the second has text").output,
        "Done."
    );
    assert!(last_said(&model, 1).contains("it is empty"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_saved_is_named_until_it_is() {
    let model = Scripted::new()
        .rule(save("a.md").times(1))
        .rule(Rule::reply("All saved.").times(1))
        .rule(save("b.json").times(1))
        .rule(Rule::reply("Now all is saved."));
    let done = ask(&saving(), &model).await.expect("both are saved");
    assert_eq!(done.output, "Now all is saved.");
    let told = last_said(&model, 2);
    assert!(told.contains("artifacts are missing: b.json"), "{told}");
    let view = done.view();
    let saved: Vec<&str> = view.artifacts().map(|artifact| artifact.name.as_str()).collect();
    assert_eq!(saved, ["a.md", "b.json"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_never_saved_is_named_in_the_error() {
    let model = Scripted::new()
        .rule(save("a.md").times(1))
        .rule(Rule::reply("All saved."));
    let failure = refused(&saving(), &model).await;
    assert_eq!(failure.kind, ErrorKind::IncompleteOutput);
    assert_eq!(failure.missing, ["b.json"]);
}

#[tokio::test(start_paused = true)]
async fn an_agent_reads_back_what_it_saved_and_is_told_of_bad_names() {
    let model = Scripted::new()
        .rule(Rule::call("segue.save_artifact", json!({"name": "../x", "content": "no"})).times(1))
        .rule(Rule::call("segue.save_artifact", json!({"name": "n.txt", "content": "kept"})).times(1))
        .rule(Rule::call("segue.read_artifact", json!({"name": "n.txt"})).times(1))
        .rule(Rule::call("segue.read_artifact", json!({"name": "m.txt"})).times(1))
        .rule(Rule::reply("done"));
    let agent = Agent::<String>::new("worker").model("m").tool_named("segue.*");
    ask(&agent, &model).await.expect("it ends");
    let told = crate::tool_results(&model, 4);
    assert!(
        told[0].starts_with("error: `../x` cannot name an artifact"),
        "{told:?}"
    );
    assert_eq!(
        told[1..],
        [
            "saved `n.txt`, 4 bytes",
            "kept",
            "error: no artifact `m.txt` was saved"
        ]
    );
}
