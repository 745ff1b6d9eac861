//! `segue.toml`: that each key has its effect. Those of budgets are in `standing`, those of retention in `retain`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::Value as Json;

use crate::project::Project;

/// Keeps what it is given, and an artifact of it.
const REPORT: &str = include_str!("../pipelines/report.yaml");
/// One call, to a model that takes its time.
const ASKS: &str = "
version: 1
name: asks
models: { m: { use: sim/script, file: script.yaml } }
agents: { writer: { model: m, instructions: Write. } }
steps: { write: { agent: writer, prompt: Go. } }
";

fn project(config: &str) -> Project {
    let project = Project::empty();
    project.write("report.yaml", REPORT);
    project.write("asks.yaml", ASKS);
    project.write(
        "script.yaml",
        "version: 1\nscript:\n  - { reply: Fine., delay: 400ms, usage: { input_tokens: 1000, output_tokens: 200, \
         cache_read_tokens: 30, cache_write_tokens: 4, audio_tokens: 5 } }\n",
    );
    project.write("segue.toml", config);
    project
}

/// The record of a run of the report, of more than a hundred bytes.
fn report(project: &Project) -> Json {
    let text = format!("text={}", "ten bytes ".repeat(12));
    project.json("run", &["run", "report.yaml", "--input", &text], 0)
}

#[test]
fn runs_are_kept_where_the_url_says() {
    let project = project("[store]\nurl = \"sqlite:elsewhere.db\"\n");
    report(&project);
    assert!(project.path().join("elsewhere.db").is_file());
    assert!(!project.path().join(".segue/store.db").exists());
}

#[test]
fn bytes_are_kept_where_it_says() {
    let project = project("[store]\nartifacts = \"bytes\"\n");
    report(&project);
    let kept = std::fs::read_dir(project.path().join("bytes")).expect("a directory");
    assert!(kept.count() > 0);
    assert!(!project.path().join(".segue/artifacts").exists());
}

#[test]
fn outputs_beyond_the_limit_are_kept_beside_the_log() {
    for (limit, is_beside) in [("80B", true), ("1KiB", false)] {
        let project = project(&format!("[limits]\noutput_inline = \"{limit}\"\n"));
        let note = report(&project)["steps"]["note"].clone();
        assert_eq!(note["output_ref"].is_object(), is_beside, "{limit}: {note:#}");
    }
}

#[test]
fn each_part_of_a_price_counts() {
    let parts = ["input", "output", "cache_read", "cache_write", "audio"];
    let cost = |dear: Option<&str>| {
        let price = |part: &&str| match dear == Some(*part) {
            true => format!("{part} = \"1000\"\n"),
            false => format!("{part} = \"1\"\n"),
        };
        let prices: String = parts.iter().map(price).collect();
        let project = project(&format!("[prices.\"sim/script\"]\n{prices}"));
        let run = project.json("run", &["run", "asks.yaml"], 0);
        run["cost"]["nanousd"].as_u64().expect("a number")
    };
    let cheap = cost(None);
    assert!(cheap > 0);
    for part in parts {
        assert!(cost(Some(part)) > cheap, "`{part}` costs nothing");
    }
}

#[test]
fn no_more_runs_than_it_says_are_at_work_at_once() {
    let project = project("[limits]\nmax_runs = 1\n");
    let run = ["run", "asks.yaml", "--output", "ndjson", "-q"];
    let mut left = Vec::new();
    for _ in 0..2 {
        let mut process = project
            .command(&run)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary runs");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        let sent = lines
            .map_while(Result::ok)
            .find(|line| line.contains("\"call.started\""))
            .expect("it gets there");
        process.kill().expect("it is at work");
        process.wait().expect("it ends");
        let event: Json = serde_json::from_str(&sent).expect("an event");
        left.push(event["run"].as_str().expect("a run").to_owned());
    }
    // The first takes up what the second may have left, and so does this one.
    project.segue(&["run", "asks.yaml", "-q"]).exits(0);
    let listed = project.json("runs", &["runs", "list"], 0);
    let runs = listed["items"].as_array().expect("a list");
    assert_eq!(runs.len(), 3);
    let mut calls: Vec<(String, String)> = Vec::new();
    for run in runs {
        assert_eq!(run["status"], "succeeded", "{run:#}");
        let id = run["id"].as_str().expect("a run");
        let made = project.json("calls", &["runs", "show", id, "--calls"], 0);
        let last = made["items"]
            .as_array()
            .and_then(|calls| calls.last())
            .expect("a call");
        let time = |name: &str| last[name].as_str().expect("a time").to_owned();
        calls.push((time("started"), time("ended")));
    }
    calls.sort();
    for (one, next) in calls.iter().zip(&calls[1..]) {
        assert!(one.1 <= next.0, "two at once: {calls:?}");
    }
}
