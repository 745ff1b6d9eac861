//! What the providers publish: their own client packages for Python, installed by `cargo xtask test`, hold every request that
//! is sent here and every answer that is read here against the types that they have for them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use segue_models::Api;
use serde_json::{Value as Json, json};

use crate::requests::{conversation, sent_by};
use crate::say::{events, text};
use crate::server::Seen;

/// Where `cargo xtask test` installs the clients.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/needs/clients/bin/python"
);
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/providers/official.py");

/// Where a request is not what its provider publishes.
pub(crate) fn faults_of_request(seen: &Seen) -> Vec<String> {
    let api = match seen.path.as_str() {
        path if path.contains("/chat/completions") => Api::Chat,
        path if path.contains("/responses") => Api::Responses,
        path if path.contains("/messages") => Api::Anthropic,
        path if path.contains("/models/") => Api::Gemini,
        _ => Api::Ollama,
    };
    // What a client says of itself, and how long its body is, are no part of the protocol.
    let told = [
        "authorization",
        "x-api-key",
        "anthropic-version",
        "x-goog-api-key",
        "content-type",
    ];
    let headers: BTreeMap<&String, &String> = seen
        .headers
        .iter()
        .filter(|(name, _)| told.contains(&name.as_str()))
        .collect();
    faults(json!({
        "what": "request", "api": api.name(), "path": seen.path, "headers": headers, "body": seen.body,
    }))
}

/// Where events are not what their provider publishes.
pub(crate) fn faults_of_events(api: Api, events: &[Json]) -> Vec<String> {
    faults(json!({"what": "events", "api": api.name(), "body": events}))
}

/// Where an answer that comes whole is not what its provider publishes.
pub(crate) fn faults_of_answer(api: Api, answer: &Json) -> Vec<String> {
    faults(json!({"what": "answer", "api": api.name(), "body": answer}))
}

/// The process that has the packages: one for all tests, which ends with them, when its input does.
struct Clients {
    process: Child,
    lines: BufReader<ChildStdout>,
    /// What was asked and had no faults: many tests send the same.
    fine: BTreeSet<String>,
}

fn faults(question: Json) -> Vec<String> {
    static CLIENTS: OnceLock<Mutex<Clients>> = OnceLock::new();
    let clients = CLIENTS.get_or_init(|| Mutex::new(Clients::start()));
    let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
    let question = question.to_string();
    if clients.fine.contains(&question) {
        return Vec::new();
    }
    let answer = clients.answer(&question);
    let faults: Vec<String> =
        serde_json::from_value(answer["faults"].clone()).expect("it answers with faults");
    if faults.is_empty() {
        clients.fine.insert(question);
    }
    faults
}

impl Clients {
    fn start() -> Self {
        assert!(
            Path::new(PYTHON).exists(),
            "the clients of the providers are not installed; `cargo xtask test --only needs` does that"
        );
        #[expect(clippy::disallowed_methods, reason = "the packages are for another language")]
        let mut process = Command::new(PYTHON)
            .args(["-W", "ignore", SCRIPT])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python is there");
        let lines = BufReader::new(process.stdout.take().expect("it is piped"));
        Self {
            process,
            lines,
            fine: BTreeSet::new(),
        }
    }

    fn answer(&mut self, question: &str) -> Json {
        let input = self.process.stdin.as_mut().expect("it is piped");
        writeln!(input, "{question}").expect("it reads to the end");
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).expect("it writes text");
        assert!(read > 0, "it ended; what it said is above: {question}");
        serde_json::from_str(&line).expect("it answers in JSON")
    }
}

/// A body with something else at a place.
fn with(body: &Json, place: &str, value: &Json) -> Json {
    let mut body = body.clone();
    let (above, name) = place.rsplit_once('/').expect("a place begins with a slash");
    body.pointer_mut(above).expect("it is there")[name] = value.clone();
    body
}

#[tokio::test]
async fn whatever_is_planted_in_a_request_is_found() {
    for (api, planted) in [
        (
            Api::Chat,
            [
                ("/messages/0/odd", json!(1)),
                ("/messages/2/tool_calls/0/function/arguments", json!({"n": 1})),
                ("/tools/0/function/odd", json!(1)),
                ("/reasoning_effort", json!("much")),
                ("/max_completion_tokens", json!("1000")),
            ],
        ),
        (
            Api::Responses,
            [
                ("/input/0/content/0/odd", json!(1)),
                ("/input/3/output", json!(2)),
                ("/tools/0/strict", json!("no")),
                ("/reasoning", json!({"effort": "much"})),
                ("/seed", json!(7)),
            ],
        ),
        (
            Api::Anthropic,
            [
                ("/messages/0/content/0/odd", json!(1)),
                ("/messages/4/content/0/source/media_type", json!("image/bmp")),
                ("/tools/0/odd", json!(1)),
                ("/thinking", json!({"type": "enabled"})),
                // The version spoken where nothing is said of it has none.
                ("/temperature", json!(0.5)),
            ],
        ),
        (
            Api::Gemini,
            [
                ("/contents/0/parts/0/odd", json!(1)),
                ("/generationConfig/max_output_tokens", json!(1000)),
                ("/generationConfig/maxOutputTokens", json!("many")),
                (
                    "/generationConfig/thinkingConfig",
                    json!({"thinkingLevel": "low"}),
                ),
                ("/temperature", json!(0.5)),
            ],
        ),
        (
            Api::Ollama,
            [
                ("/messages/0/odd", json!(1)),
                ("/messages/2/tool_calls/0/function/arguments", json!("{}")),
                ("/options/num_predct", json!(1)),
                ("/options/seed", json!("7")),
                ("/think", json!(3)),
            ],
        ),
    ] {
        let seen = sent_by(api, "m-1", &conversation()).await;
        assert_eq!(faults_of_request(&seen), [""; 0], "{api}");
        for (place, value) in planted {
            let odd = Seen {
                body: with(&seen.body, place, &value),
                ..seen.clone()
            };
            let faults = faults_of_request(&odd);
            let is_there = faults.iter().any(|fault| fault.starts_with(place));
            assert!(is_there, "{api}: {place}: {faults:#?}");
        }
        let elsewhere = Seen {
            path: match api {
                Api::Gemini => seen.path.replace("stream", ""),
                _ => format!("/v9{}", seen.path),
            },
            ..seen.clone()
        };
        let faults = faults_of_request(&elsewhere);
        assert!(faults[0].contains("by the client to"), "{api}: {faults:#?}");
        let mut unlike = seen.clone();
        unlike
            .headers
            .insert("content-type".to_owned(), "text/plain".to_owned());
        let faults = faults_of_request(&unlike);
        assert!(faults[0].contains("header content-type"), "{api}: {faults:#?}");
    }
}

#[test]
fn whatever_is_planted_in_an_answer_is_found() {
    for (api, at, place, value) in [
        (Api::Chat, 1, "/choices/0/delta/odd", json!(1)),
        (Api::Chat, 3, "/choices/0/finish_reason", json!("sulking")),
        (Api::Responses, 4, "/odd", json!(1)),
        (Api::Responses, 9, "/response/usage/input_tokens", json!("30")),
        (Api::Responses, 9, "/response/status", json!("sulking")),
        (Api::Anthropic, 3, "/delta/odd", json!(1)),
        (Api::Anthropic, 6, "/delta/stop_reason", json!("sulking")),
        (Api::Gemini, 0, "/candidates/0/odd", json!(1)),
        (Api::Gemini, 2, "/candidates/0/finishReason", json!("SULKING")),
        (Api::Ollama, 0, "/message/odd", json!(1)),
        (Api::Ollama, 2, "/eval_count", json!("9")),
    ] {
        let mut events = events(api, &text("hello"));
        assert_eq!(faults_of_events(api, &events), [""; 0], "{api}");
        events[at] = with(&events[at], place, &value);
        let faults = faults_of_events(api, &events);
        let place = format!("/{at}{place}");
        let is_there = faults.iter().any(|fault| fault.starts_with(&place));
        assert!(is_there, "{api}: {place}: {faults:#?}");
    }
}
