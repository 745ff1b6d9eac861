//! `--deltas`: what models write is shown while they write it, says whose it is, and holds no secret.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier};

use serde_json::Value as Json;

use crate::program::said;
use crate::project::Project;
use crate::provider::heard;
use crate::shapes::{fits, schema};

/// A secret of the operator that the model says back, in two pieces.
const SECRET: &str = "correct-horse-battery";

/// A provider that writes each answer in two pieces: the second when it is let.
struct Provider {
    address: String,
    go_on: Arc<Barrier>,
}

impl Provider {
    /// Each answer waits until so many others are there and the test lets them.
    fn new(answers: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one").to_string();
        let go_on = Arc::new(Barrier::new(answers + 1));
        let waits = go_on.clone();
        // All of it ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let waits = waits.clone();
                std::thread::spawn(move || answer(stream, &waits));
            }
        });
        Self { address, go_on }
    }

    /// A project that asks it, in these steps.
    fn project(&self, steps: &str) -> Project {
        let project = Project::empty();
        project.write(
            "asks.yaml",
            &format!(
                "version: 1\nname: asks\nagents: {{ writer: {{ model: house/m, instructions: Write., max_tokens: 50 }} }}\n\
                 steps:\n{steps}"
            ),
        );
        let config = format!("[providers.house]\nbase_url = \"http://{}/v1\"\n", self.address);
        project.write("segue.toml", &config);
        project.segue(&["doctor", "--trust", "--yes"]).exits(0);
        project
    }
}

fn answer(mut stream: TcpStream, waits: &Barrier) {
    heard(&stream);
    let says = |text: &str, end: &str| {
        format!(
            "data: {{\"choices\": [{{\"index\": 0, \"delta\": {{\"content\": \"{text}\"}}, \"finish_reason\": {end}}}]}}\n\n"
        )
    };
    let (before, after) = SECRET.split_at(9);
    let first = says(&format!("Dear Ada,\\nthe word is {before}"), "null");
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let _ = write!(stream, "{head}{first}");
    waits.wait();
    let rest = says(&format!("{after}. Goodbye."), "\"stop\"");
    let _ = write!(stream, "{rest}data: [DONE]\n\n");
}

#[test]
fn a_piece_is_told_before_the_answer_is_over_and_a_secret_over_two_of_them_is_not() {
    let provider = Provider::new(1);
    let project = provider.project("  write: { agent: writer, prompt: Go. }\n");
    let arguments = ["run", "asks.yaml", "--output", "ndjson", "--deltas"];
    let mut command = project.command(&arguments);
    let mut run = command
        .env("SEGUE_SECRET_WORD", SECRET)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(run.stdout.take().expect("a pipe")).lines();
    let mut events: Vec<Json> = Vec::new();
    // The provider says no more before this was read.
    while events.last().is_none_or(|event| event["type"] != "call.delta") {
        let line = lines.next().expect("there is more").expect("text");
        events.push(serde_json::from_str(&line).expect("an event"));
    }
    provider.go_on.wait();
    events.extend(lines.map(|line| serde_json::from_str(&line.expect("text")).expect("an event")));
    assert_eq!(said(run.wait_with_output().expect("it ends")).exit, Some(0));

    let schema = schema("event");
    events.iter().for_each(|event| fits(&schema, event));
    let deltas: Vec<&Json> = events
        .iter()
        .filter(|event| event["type"] == "call.delta")
        .collect();
    assert!(
        deltas.len() >= 2 && deltas[0]["text"] == "Dear Ada,\nthe word is ",
        "{deltas:#?}"
    );
    let text: String = deltas.iter().filter_map(|delta| delta["text"].as_str()).collect();
    assert_eq!(
        text,
        "Dear Ada,\nthe word is [redacted SEGUE_SECRET_WORD]. Goodbye."
    );
    assert!(
        deltas
            .iter()
            .all(|delta| delta["step"] == "write" && delta["seq"].is_null())
    );
    let at = |kind: &str| {
        events
            .iter()
            .position(|event| event["type"] == kind)
            .expect("it is there")
    };
    let order = ["call.started", "call.delta", "call.succeeded"].map(at);
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(events[at("call.succeeded")]["response"]["text"], text);
    assert_eq!(
        events.last().map(|event| event["type"].clone()),
        Some("run.succeeded".into())
    );
    // The numbers are as they are without: a piece has none.
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

#[test]
fn lines_say_whose_they_are_where_several_write_at_once() {
    let steps = "  left: { agent: writer, prompt: Go. }\n  other: { agent: writer, prompt: Go on. }\n";
    for deltas in [true, false] {
        let provider = Provider::new(2);
        let project = provider.project(steps);
        let mut arguments = vec!["run", "asks.yaml"];
        arguments.extend(deltas.then_some("--deltas"));
        let mut command = project.command(&arguments);
        let run = command
            .env("SEGUE_SECRET_WORD", SECRET)
            .spawn()
            .expect("it starts");
        provider.go_on.wait();
        let done = said(run.wait_with_output().expect("it ends"));
        assert_eq!(done.exit, Some(0), "{done:?}");
        assert!(!done.stderr.contains("horse"), "{}", done.stderr);
        let written: Vec<&str> = done.stderr.lines().filter(|line| line.contains('│')).collect();
        if !deltas {
            assert!(written.is_empty(), "{}", done.stderr);
            continue;
        }
        for step in ["left", "other"] {
            let of = written.iter().filter_map(|line| line.split_once(" │ "));
            let of: Vec<&str> = of
                .filter(|(name, _)| name.trim() == step)
                .map(|(_, text)| text)
                .collect();
            assert_eq!(
                of,
                ["Dear Ada,", "the word is [redacted SEGUE_SECRET_WORD]. Goodbye."],
                "{}",
                done.stderr
            );
        }
        // What they wrote stands before what became of it.
        let place = |part: &str| done.stderr.find(part).expect("it is said");
        assert!(
            place("left │ the word") < place("left succeeded"),
            "{}",
            done.stderr
        );
    }
}

#[test]
fn every_verb_that_follows_a_run_shows_what_is_written_in_it() {
    let project = Project::empty();
    project.write("script.yaml", "version: 1\nscript: [{ reply: Dear Ada }]\n");
    project.write(
        "letter.yaml",
        "version: 1\nname: letter\nmodels: { m: { use: sim/script, file: script.yaml } }\n\
         agents: { writer: { model: m, instructions: Write. } }\n\
         steps:\n  ask: { ask: { title: To whom?, form: { name: string } } }\n\
         \x20 write: { agent: writer, prompt: 'Write to {{ steps.ask.output.name }}.' }\n",
    );
    let deltas = |arguments: &[&str], exit: i32| {
        let told = project.segue(arguments).exits(exit).events();
        let told = told.into_iter().filter(|event| event["type"] == "call.delta");
        told.map(|event| event["text"].clone()).collect::<Vec<Json>>()
    };
    let as_events = ["--output", "ndjson", "--deltas"];
    let with = |arguments: &[&'static str]| [arguments, &as_events[..]].concat();
    assert!(deltas(&with(&["run", "letter.yaml"]), 3).is_empty());
    assert!(deltas(&with(&["resume", "last"]), 3).is_empty());
    assert_eq!(
        deltas(&with(&["answer", "last", "--set", "name=Ada"]), 0),
        ["Dear Ada"]
    );
    assert_eq!(
        deltas(&with(&["rerun", "last", "--from", "write"]), 0),
        ["Dear Ada"]
    );
    let again = project
        .segue(&["rerun", "last", "--from", "write", "--deltas", "-q"])
        .exits(0);
    assert_eq!(
        (again.stdout.as_str(), again.stderr.as_str()),
        ("Dear Ada\n", "write │ Dear Ada\n")
    );
}
