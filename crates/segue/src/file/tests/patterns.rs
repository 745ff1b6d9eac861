//! Patterns of a file: what they expand to, what each key does, and what is wrong with them.

use serde_json::{Value as Json, json};

use super::codes::found;
use super::load_files;
use crate::fault::Code;
use crate::file::{LoadOptions, Loaded, load_from};
use crate::plan::{Action, Plan};

/// A file with every key of a pattern.
pub(super) const EVERYTHING: &str = r##"
version: 1
name: content
title: All of it
description: Of the file
inputs: { id: integer }
agents:
  a: { model: sim/schema, instructions: Analyze., output: { ok: boolean } }
  b: { model: sim/schema, instructions: "Write about {{ inputs.id }}." }
defaults: { retries: 2 }
timeout: 20m
max_parallel: 4
budget: { requests: 100 }
patterns:
  small:
    steps: [a]
    prompt: "Look at {{ inputs.id }}"
    fallback: none
  all:
    strategy: parallel
    description: Everybody
    steps: [b, a, b]
    prompt: "Look at {{ inputs.id }}"
    timeout: 90s
    retries: 3
    concurrency: 2
    fallback: small
  maybe:
    strategy: conditional
    steps: [a, b, b]
default_pattern: all
on_failure: { pipeline: "#small", with: { id: "{{ inputs.id }}" } }
"##;

fn load(text: &str) -> Loaded {
    match load_files(&[("main.yaml", text)]) {
        Ok(loaded) => loaded,
        Err(rejected) => panic!("{rejected}"),
    }
}

/// The faults of a file, each as code, line and column.
fn faults(text: &str) -> Vec<(Code, u32, u32)> {
    found(
        &load_files(&[("main.yaml", text)])
            .expect_err("it has faults")
            .faults,
    )
}

fn prompt(plan: &Plan, step: usize) -> &str {
    match &plan.steps[step].action {
        Action::Agent(asked) => asked.prompt.as_deref().unwrap_or_default(),
        other => panic!("{other:?}"),
    }
}

fn json_of(plan: &Plan) -> Json {
    serde_json::to_value(plan).expect("a plan is JSON")
}

#[test]
fn every_key_has_its_effect() {
    let loaded = load(EVERYTHING);
    assert_eq!(
        loaded.patterns.keys().collect::<Vec<_>>(),
        ["small", "all", "maybe"]
    );
    assert_eq!(loaded.plan, loaded.patterns["all"], "`default_pattern` runs");
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);

    let all = json_of(&loaded.plan);
    for (pointer, expected) in [
        ("/name", json!("content")),
        ("/title", json!("All of it")),
        ("/description", json!("Everybody")),
        ("/pattern", json!({"name": "all", "strategy": "parallel"})),
        ("/run/timeout/secs", json!(90)),
        ("/run/max_parallel", json!(2)),
        ("/run/budget/requests", json!(100)),
        ("/steps/0/name", json!("b")),
        ("/steps/1/name", json!("a")),
        ("/steps/2/name", json!("b_2")),
        ("/steps/0/settings/retry/is/max_attempts", json!(4)),
        ("/steps/1/output_schema/properties/ok/type", json!("boolean")),
        ("/steps/0/reads", json!(["id"])),
        (
            "/output/template",
            json!([
                "{{ steps['b'].output }}",
                "{{ steps['a'].output }}",
                "{{ steps['b_2'].output }}"
            ]),
        ),
        ("/output_schema/type", json!("array")),
        ("/on_failure/plan/pattern/name", json!("small")),
        (
            "/on_failure/with",
            json!({"id": "{{ inputs['id'] }}", "prompt": "{{ inputs['prompt'] }}"}),
        ),
    ] {
        assert_eq!(all.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(all.pointer("/steps/2/needs"), None, "side by side");
    assert_eq!(
        all.pointer("/on_failure/plan/on_failure"),
        None,
        "a fallback has none of its own"
    );

    let small = json_of(&loaded.patterns["small"]);
    for (pointer, expected) in [
        ("/description", json!("Of the file")),
        ("/run/timeout/secs", json!(300)),
        ("/run/max_parallel", json!(4)),
        ("/output", json!({"last": [0]})),
        ("/output_schema/properties/ok/type", json!("boolean")),
    ] {
        assert_eq!(small.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(small.pointer("/on_failure"), None, "`fallback: none`");
    assert_eq!(
        prompt(&loaded.patterns["small"], 0),
        "{% if inputs.prompt is none %}Look at {{ inputs.id }}{% else %}{{ inputs.prompt }}{% endif %}"
    );

    let maybe = json_of(&loaded.patterns["maybe"]);
    for (pointer, expected) in [
        ("/steps/1/needs", json!([{"step": 0, "kind": "data"}])),
        ("/steps/1/context", json!("needs")),
        ("/steps/2/needs", json!([{"step": 1, "kind": "order"}])),
        ("/steps/2/when", json!("steps['b'].status != 'skipped'")),
        (
            "/output/expression",
            json!("steps['b_2'].output if steps['b_2'].status != 'skipped' else (steps['a'].output)"),
        ),
        ("/input/named/prompt/type", json!("string")),
        ("/on_failure/plan/pattern/name", json!("small")),
        ("/on_failure/with", json!({"id": "{{ inputs.id }}"})),
    ] {
        assert_eq!(maybe.pointer(pointer), Some(&expected), "{pointer}");
    }
    assert_eq!(
        maybe.pointer("/input/named/prompt/default"),
        None,
        "it has to be given"
    );
}

#[test]
fn a_pattern_is_asked_for_by_its_name() {
    let files = std::collections::BTreeMap::from([("f.yaml".to_owned(), EVERYTHING.to_owned())]);
    let load = |name: &str| load_from(&files, name, name, &super::registry(), LoadOptions::default());
    assert_eq!(
        load("f.yaml#maybe").expect("it is there").plan.label(),
        "content#maybe"
    );
    let rejected = load("f.yaml#smal").expect_err("there is none");
    let fault = rejected.faults.list()[0];
    assert_eq!(
        (fault.code, fault.suggestion.as_deref()),
        (Code::UnknownPattern, Some("small"))
    );
    assert_eq!(fault.place.map(|place| place.line), Some(14));
}

#[test]
fn the_only_pattern_runs_and_of_several_none_is_guessed() {
    let agents = "version: 1\nname: p\ninputs: { prompt: string }\nagents: { a: { model: sim/schema, instructions: x } }\n";
    let one = load(&format!("{agents}patterns: {{ one: {{ steps: [a] }} }}\n"));
    assert_eq!(one.plan.label(), "p#one");
    let two = format!("{agents}patterns: {{ one: {{ steps: [a] }}, two: {{ steps: [a] }} }}\n");
    assert_eq!(faults(&two), [(Code::MissingKey, 5, 1)]);
    // With steps, they are what runs.
    let both = load(&format!(
        "{two}steps: {{ s: {{ set: 1 }} }}\noutput: inputs.prompt ~ steps.s.output\n"
    ));
    assert_eq!((both.plan.label().as_str(), both.patterns.len()), ("p", 2));
}

#[test]
fn steps_run_patterns_of_their_own_file_and_of_others() {
    let other = "version: 1\nname: other\nagents: { a: { model: sim/schema, instructions: x } }\n\
         patterns: { one: { steps: [a] }, two: { steps: [a, a], prompt: hello } }\n";
    let main = "version: 1\nname: main\nagents: { w: { model: sim/schema, instructions: x } }\n\
         patterns: { own: { steps: [w], fallback: spare }, spare: { steps: [w], fallback: none } }\n\
         steps:\n  a: { pipeline: '#own', with: { prompt: hi } }\n  \
         b: { route: \"'x'\", to: { x: { pipeline: other.yaml#two } } }\n";
    let loaded = load_files(&[("main.yaml", main), ("other.yaml", other)]).unwrap_or_else(|r| panic!("{r}"));
    let plan = json_of(&loaded.plan);
    assert_eq!(
        plan.pointer("/steps/0/action/pipeline/plan/on_failure/plan/pattern/name"),
        Some(&json!("spare")),
        "a pattern brings its fallback along"
    );
    let arm = plan.pointer("/steps/1/action/route/arms/x/inline/action/pipeline/plan/steps");
    assert_eq!(arm.and_then(Json::as_array).map(Vec::len), Some(2));

    let refused = |step: &str| {
        let text = main.replace("'#own'", step);
        let rejected =
            load_files(&[("main.yaml", &text), ("other.yaml", other)]).expect_err("no such pattern");
        let fault = rejected.faults.list()[0];
        (fault.code, fault.suggestion.clone())
    };
    assert_eq!(refused("'#ownn'"), (Code::UnknownPattern, Some("own".into())));
    assert_eq!(
        refused("other.yaml#one1"),
        (Code::UnknownPattern, Some("one".into()))
    );
    assert_eq!(refused("other.yaml"), (Code::UnknownPattern, None));
}

#[test]
fn what_is_wrong_with_a_pattern_is_found_at_its_place() {
    let head = "version: 1\nname: p\nagents: { w: { model: sim/schema, instructions: x } }\n";
    let with = |pattern: &str| format!("{head}patterns:\n  x: {{ {pattern} }}\n");
    for (pattern, code, column) in [
        ("steps: [ww]", Code::UnknownAgent, 16),
        ("steps: []", Code::EmptyDefinition, 8),
        ("steps: w", Code::WrongType, 15),
        ("prompt: y", Code::MissingKey, 3),
        ("steps: [w], strategy: paralel", Code::UnknownPattern, 30),
        ("steps: [w], timeout: 500ms", Code::NumberRange, 29),
        ("steps: [w], timeout: 2h", Code::NumberRange, 29),
        ("steps: [w], timeout: none", Code::WrongType, 29),
        ("steps: [w], retries: 11", Code::NumberRange, 29),
        ("steps: [w], concurrency: 0", Code::NumberRange, 33),
        ("steps: [w], concurrency: 21", Code::NumberRange, 33),
        ("steps: [w], fallback: y", Code::UnknownPattern, 30),
        ("steps: [w], fallback: x", Code::Cycle, 30),
        ("steps: [w], promt: y", Code::UnknownKey, 20),
        ("steps: [w], prompt: '{{ inputs.y }}'", Code::UnknownInput, 39),
        ("steps: [w], prompt: '{{ steps.w }}'", Code::UnknownReference, 32),
    ] {
        assert_eq!(faults(&with(pattern)), [(code, 5, column)], "{pattern}");
    }
    let file = |rest: &str| format!("{head}{rest}\npatterns: {{ x: {{ steps: [w], prompt: y }} }}\n");
    for (rest, code, column) in [
        ("default_pattern: y", Code::UnknownPattern, 18),
        ("output: inputs", Code::Conflict, 1),
        ("output_schema: string", Code::Conflict, 1),
        ("artifacts: { a.txt: \"'x'\" }", Code::Conflict, 1),
        ("on_failure: { pipeline: '#y' }", Code::UnknownPattern, 25),
        ("inputs: { i: integer }", Code::UnusedInput, 11),
    ] {
        let text = file(rest);
        let rejected = match load_files(&[("main.yaml", &text)]) {
            Ok(loaded) => found(&loaded.warnings),
            Err(rejected) => found(&rejected.faults),
        };
        assert_eq!(rejected, [(code, 4, column)], "{rest}");
    }
    // Its own fallback, by what the file says for all.
    let own = file("on_failure: { pipeline: '#x' }");
    assert_eq!(faults(&own), [(Code::Cycle, 5, 13)]);
    let beside = format!("{}steps: {{ s: {{ set: 1 }} }}\n", file("default_pattern: x"));
    assert_eq!(faults(&beside), [(Code::Conflict, 4, 1)]);
    let reads = format!(
        "{}steps: {{ s: {{ set: 1 }} }}\n",
        file("on_failure: { steps: { f: { set: \"{{ steps.s.status }}\" } } }")
    );
    assert_eq!(faults(&reads), [(Code::Conflict, 4, 1)]);
    let empty = "version: 1\nname: p\npatterns: {}\n";
    assert_eq!(faults(empty).first(), Some(&(Code::EmptyDefinition, 3, 1)));
    assert_eq!(faults("version: 1\nname: p\n"), [(Code::MissingKey, 1, 1)]);
    let maybe_none =
        format!("{head}inputs: {{ prompt: string|null }}\npatterns: {{ x: {{ steps: [w] }} }}\n");
    assert_eq!(faults(&maybe_none), [(Code::NoPrompt, 5, 13)]);
}
