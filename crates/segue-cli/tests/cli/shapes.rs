//! Shapes: what the binary writes, held against the schema it prints.

use serde_json::Value as Json;

use crate::program::{segue, segue_in};

/// The schema that the binary prints for a shape.
pub(crate) fn schema(shape: &str) -> jsonschema::Validator {
    let schema = segue(&["schema", shape]).exits(0).json();
    jsonschema::validator_for(&schema)
        .unwrap_or_else(|error| panic!("the schema of `{shape}` is none: {error}"))
}

/// Fails the test unless the value has the shape.
#[track_caller]
pub(crate) fn fits(schema: &jsonschema::Validator, value: &Json) {
    let errors: Vec<String> = schema
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .take(5)
        .collect();
    assert!(errors.is_empty(), "{}\n{value:#}", errors.join("\n"));
}

#[test]
fn every_end_of_a_run_has_the_shape_of_a_run() {
    let schema = schema("run");
    for end in ["well", "failed", "two", "budget", "miss", "ask", "loud", "flaky"] {
        let said = segue(&["run", "many_ends.yaml", "--json", "--end", end]);
        fits(&schema, &said.json());
    }
    fits(&schema, &segue(&["run", "mapped.yaml", "--json"]).json());
    fits(&schema, &segue(&["demo", "--json", "--speed", "1000"]).json());
    fits(
        &schema,
        &segue(&["demo", "--json", "--pipeline", "documents"]).json(),
    );
    let late = segue(&[
        "run",
        "many_ends.yaml",
        "--json",
        "--end",
        "late",
        "--timeout",
        "20ms",
    ])
    .exits(124);
    fits(&schema, &late.json());
}

#[test]
fn every_event_has_the_shape_of_one_and_numbers_have_no_gaps() {
    let schema = schema("event");
    for end in ["well", "failed", "budget", "miss", "ask", "flaky"] {
        let said = segue(&["run", "many_ends.yaml", "--output", "ndjson", "--end", end]);
        let events = said.events();
        for (at, event) in (1..).zip(&events) {
            fits(&schema, event);
            assert_eq!(event["seq"], at);
            serde_json::from_value::<segue::Event>(event.clone()).expect("the library reads it back");
        }
        let last = events.last().map(|event| event["type"].clone());
        let expected = match end {
            "well" | "flaky" => "run.succeeded",
            "ask" => "run.waiting",
            _ => "run.failed",
        };
        assert_eq!(last, Some(expected.into()), "{end}");
    }
}

#[test]
fn the_other_objects_have_their_shapes() {
    for file in ["many_ends.yaml", "typed.yaml", "mapped.yaml"] {
        fits(&schema("plan"), &segue(&["plan", file, "--json"]).json());
        fits(&schema("graph"), &segue(&["graph", file, "--json"]).json());
    }
    fits(
        &schema("check"),
        &segue(&["check", "mapped.yaml", "faulty.yaml", "--json"]).json(),
    );
    fits(&schema("init"), &segue(&["init", "--list", "--json"]).json());
    let folder = tempfile::tempdir().expect("a folder");
    fits(
        &schema("init"),
        &segue_in(folder.path(), &["init", "--json"]).json(),
    );
    for arguments in [
        &["run", "faulty.yaml", "--json"][..],
        &["run", "typed.yaml", "--json"],
        &["walk", "--json"],
    ] {
        fits(&schema("error"), &segue(arguments).exits(2).json());
    }
}

#[test]
fn the_schema_of_pipeline_files_accepts_the_good_and_refuses_the_bad() {
    let schema = schema("pipeline");
    let good = serde_json::json!({
        "version": 1, "name": "x", "steps": {"a": {"set": 1}},
    });
    fits(&schema, &good);
    assert!(!schema.is_valid(&serde_json::json!({"version": 1, "name": "x", "stepz": {}})));
}

#[test]
fn the_schema_of_events_knows_every_kind() {
    let schema = segue(&["schema", "event"]).exits(0).json();
    let known: Vec<&str> = schema["properties"]["type"]["enum"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    // The library refuses a kind it does not know by listing all it does.
    let unknown =
        serde_json::from_value::<segue::EventKind>(serde_json::json!({"type": "?"})).expect_err("no kind");
    let text = unknown.to_string();
    let listed = text.split('`').skip(3).step_by(2);
    // It is in no log.
    let listed: Vec<&str> = listed.chain(["call.delta"]).collect();
    assert_eq!(known, listed, "{text}");
}
