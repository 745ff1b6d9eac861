//! `segue test record`, and runs that play what was recorded.

use std::path::Path;

use crate::program::{Said, command, said, segue_in};
use crate::shapes::{fits, schema};

const PIPELINE: &str = "\
version: 1
name: summary
inputs: { text: string }
models: { m: [auto/small, local/extractive] }
agents: { w: { model: m, instructions: Summarize. } }
steps: { sum: { agent: w, prompt: '{{ inputs.text }}' } }
";

const TEST: &str = "\
version: 1
pipeline: summary.yaml
cassette: summary.cassette.yaml
cases:
  - name: one
    inputs: { text: Segue runs pipelines. }
    expect: { output: { contains: Segue } }
  - name: two
    inputs: { text: It records what happens. }
    expect: { calls: 1 }
";

const PRICES: &str = "version = 1\n[prices.\"local/extractive\"]\ninput = \"1000\"\noutput = \"1000\"\n";

fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [
        ("summary.yaml", PIPELINE),
        ("summary.test.yaml", TEST),
        ("segue.toml", PRICES),
    ] {
        write(folder.path(), name, text);
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file");
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).expect("a file")
}

fn record(folder: &Path, arguments: &[&str]) -> Said {
    let all: Vec<&str> = ["test", "record"]
        .into_iter()
        .chain(arguments.iter().copied())
        .collect();
    segue_in(folder, &all)
}

#[test]
fn a_cassette_is_recorded_says_what_changed_and_plays() {
    let folder = project();
    let folder = folder.path();
    let before = segue_in(folder, &["test"]).exits(2);
    assert!(
        before.stderr.contains("record it: `segue test record FILE`"),
        "{}",
        before.stderr
    );
    let said = record(folder, &[]).exits(0);
    assert!(
        said.stdout
            .contains("recorded summary.cassette.yaml: 2 calls, $0.0"),
        "{}",
        said.stdout
    );
    assert!(
        said.stdout.contains("  + added call 1 (step `sum`, agent `w`)\n"),
        "{}",
        said.stdout
    );
    let cassette = read(folder, "summary.cassette.yaml");
    assert!(cassette.contains("model: local/extractive\n"), "{cassette}");
    segue_in(folder, &["test"]).exits(0);

    // The same again is the same file, byte for byte.
    let again = record(folder, &[]).exits(0);
    assert!(again.stdout.contains("nothing has changed"), "{}", again.stdout);
    assert_eq!(read(folder, "summary.cassette.yaml"), cassette);

    // Another text: one call goes, one comes.
    write(
        folder,
        "summary.test.yaml",
        &TEST.replace("what happens", "everything"),
    );
    let missed = segue_in(folder, &["test", "--json"]).exits(5).json();
    assert_eq!(missed["missed"], 1);
    assert_eq!(missed["cases"][1]["miss"]["first_difference"], "/messages/1/text");
    let object = record(folder, &["summary.test.yaml", "--json"]).exits(0).json();
    fits(&schema("recorded"), &object);
    let changes = object["files"][0]["changes"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let words: Vec<&str> = changes
        .iter()
        .filter_map(|change| change["change"].as_str())
        .collect();
    assert_eq!(words, ["added", "removed"]);
}

#[test]
fn a_run_that_plays_a_cassette_says_so_and_what_it_cost_once() {
    let folder = project();
    let folder = folder.path();
    record(folder, &[]).exits(0);
    let played = PIPELINE.replace(
        "[auto/small, local/extractive]",
        "{ use: sim/cassette, file: summary.cassette.yaml }",
    );
    write(folder, "summary.yaml", &played);
    let said = segue_in(
        folder,
        &["run", "summary.yaml", "--text", "Segue runs pipelines."],
    )
    .exits(0);
    let last = said.stderr.lines().last().unwrap_or_default();
    assert!(
        last.contains("REPLAYED, $0 spent (recorded $0.0"),
        "{}",
        said.stderr
    );
    assert!(said.stdout.contains("Segue"), "{}", said.stdout);
    let object = segue_in(
        folder,
        &["run", "summary.yaml", "--text", "Segue runs pipelines.", "--json"],
    )
    .exits(0)
    .json();
    fits(&schema("run"), &object);
    assert_eq!(object["replayed"], true);
    assert_eq!(object["cost"]["nanousd"], 0);
    assert!(
        object["recorded_cost"]["nanousd"]
            .as_i64()
            .is_some_and(|cost| cost > 0),
        "{object:#}"
    );
    let events = segue_in(
        folder,
        &[
            "run",
            "summary.yaml",
            "--text",
            "Segue runs pipelines.",
            "--output",
            "ndjson",
        ],
    )
    .exits(0)
    .events();
    let replayed = events
        .iter()
        .find(|event| event["type"] == "call.replayed")
        .expect("the event");
    assert_eq!(replayed["source"], "cassette");
    fits(&schema("event"), replayed);

    let missed = segue_in(
        folder,
        &["run", "summary.yaml", "--text", "Nobody said this.", "--json"],
    )
    .exits(5)
    .json();
    let error = &missed["error"]["failed_steps"][0]["error"];
    assert_eq!(error["kind"], "cassette_miss");
    assert_eq!(error["first_difference"], "/messages/1/text");
    assert!(
        error["nearest"]
            .as_str()
            .is_some_and(|nearest| nearest.contains("step `sum`")),
        "{error:#}"
    );
}

#[test]
fn what_cannot_be_recorded_writes_nothing() {
    let folder = project();
    let folder = folder.path();
    let dear = record(folder, &["--budget", "0.0001"]).exits(2);
    assert!(
        dear.stderr
            .contains("could not be recorded, and nothing is written"),
        "{dear:?}"
    );
    assert!(
        dear.stdout.contains("the budget of the recording is used up"),
        "{dear:?}"
    );
    assert!(!folder.join("summary.cassette.yaml").exists());
    record(folder, &["--budget", "ten"]).exits(2);
    // No model is to be had.
    write(
        folder,
        "summary.yaml",
        &PIPELINE.replace(", local/extractive", ""),
    );
    let none = record(folder, &[]).exits(2);
    assert!(none.stdout.contains("no model to be had"), "{none:?}");
    // No cassette is named.
    write(folder, "summary.yaml", PIPELINE);
    write(
        folder,
        "summary.test.yaml",
        &TEST.replace("cassette: summary.cassette.yaml\n", ""),
    );
    let unnamed = record(folder, &["summary.test.yaml"]).exits(2);
    assert!(
        unnamed.stderr.contains("names no cassette to record"),
        "{unnamed:?}"
    );
    record(folder, &[]).exits(2);
}

#[test]
fn a_cassette_that_is_recorded_although_a_case_fails_exits_with_5() {
    let folder = project();
    let folder = folder.path();
    write(folder, "summary.test.yaml", &TEST.replace("calls: 1", "calls: 2"));
    let said = record(folder, &[]).exits(5);
    assert!(said.stdout.contains("calls: want 2, got 1"), "{}", said.stdout);
    assert!(folder.join("summary.cassette.yaml").exists());
}

#[test]
fn a_secret_is_in_no_cassette_and_what_was_asked_with_it_still_plays() {
    const CANARY: &str = "correct-horse-battery-staple";
    let folder = project();
    let folder = folder.path();
    let test = TEST.replace("It records what happens.", &format!("The password is {CANARY}."));
    write(folder, "summary.test.yaml", &test);
    let with_secret = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.current_dir(folder).env("SEGUE_SECRET_CRM", CANARY);
        said(command.output().expect("the binary runs"))
    };
    let recorded = with_secret(&["test", "record"]).exits(0);
    assert!(!recorded.stdout.contains(CANARY), "{recorded:?}");
    let cassette = read(folder, "summary.cassette.yaml");
    assert!(
        !cassette.contains(CANARY) && cassette.contains("[redacted SEGUE_SECRET_CRM]"),
        "{cassette}"
    );
    with_secret(&["test"]).exits(0);
}

#[test]
fn what_is_recorded_is_what_a_model_says_and_never_an_older_cassette() {
    let folder = project();
    let folder = folder.path();
    let fallback = "{ use: sim/cassette, file: summary.cassette.yaml }";
    // The pipeline plays the cassette where there is no model: it is not there before the first recording.
    write(
        folder,
        "summary.yaml",
        &PIPELINE.replace("local/extractive]", &format!("local/extractive, {fallback}]")),
    );
    let first = record(folder, &[]).exits(0);
    assert!(first.stdout.contains("2 calls"), "{}", first.stdout);
    let cassette = read(folder, "summary.cassette.yaml");
    // With no other model there is nothing to record; the one that was recorded is left alone.
    write(
        folder,
        "summary.yaml",
        &PIPELINE.replace("local/extractive", fallback),
    );
    let none = record(folder, &[]).exits(2);
    for part in ["no model to be had", "`sim/cassette`: it is what is recorded"] {
        assert!(none.stdout.contains(part), "no {part} in {none:?}");
    }
    assert_eq!(read(folder, "summary.cassette.yaml"), cassette);
}
