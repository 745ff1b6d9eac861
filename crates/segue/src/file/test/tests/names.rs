//! Names of a pipeline that a test file uses, and rules that can answer nothing.

use std::collections::BTreeMap;

use super::{PIPELINE, Purpose, faults, read};
use crate::file::{LoadOptions, load_text};
use crate::registry::Registry;

/// A pipeline with a fallback, pipelines below it, patterns and tools.
const NAMES: &str = r#"
version: 1
name: p
models: { m: sim/schema }
agents:
  writer: { model: m, instructions: x, tools: [app.fetch, { name: search.*, approval: ask }] }
  reader: { model: m, instructions: x }
steps:
  draft: { agent: writer, prompt: x }
  below: { pipeline: sub.yaml, needs: [draft] }
  pick:
    route: "'long'"
    to: { long: { pipeline: sub.yaml }, short: { set: 1 } }
patterns:
  quick: { strategy: sequential, steps: [reader], prompt: x }
on_failure: { pipeline: sub.yaml }
"#;

/// What is wrong with the names in a test file of that pipeline.
fn unknown_names(top: &str, case: &str) -> Vec<String> {
    let files: BTreeMap<String, String> = [
        ("p.yaml", NAMES),
        ("sub.yaml", "version: 1\nname: sub\nsteps: { deep: { set: 1 } }\n"),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .into();
    let registry = crate::file::tests::registry();
    let loaded = crate::file::load_from(&files, "p.yaml", "p.yaml", &registry, LoadOptions::default())
        .unwrap_or_else(|rejected| panic!("{rejected}"));
    let text = format!(
        "version: 1\npipeline: p.yaml\n{top}\ncases:\n  - name: one\n    {case}\n    expect: {{ calls: 0 }}\n"
    );
    let suite = read(&text, Purpose::Test).unwrap_or_else(|faults| panic!("{faults:#?}"));
    let faults = suite.check(&loaded, &registry);
    let line = |fault: &&crate::fault::Fault| {
        let line = fault.place.map_or(0, |place| place.line);
        let advice = fault.advice().unwrap_or_default();
        format!("{line} {} {} ({advice})", fault.code, fault.message)
    };
    faults.list().iter().map(line).collect()
}

#[test]
fn names_that_the_pipeline_does_not_have_are_named_with_the_nearest() {
    for (top, case, expected) in [
        (
            "script: [{ agent: writr, reply: x }]",
            "key: k",
            "3 unknown_agent agent `writr` does not exist in `p` (did you mean `writer`?)",
        ),
        (
            "script: [{ step: drat, reply: x }]",
            "key: k",
            "3 unknown_step step `drat` does not exist in `p` (did you mean `draft`?)",
        ),
        (
            "script: [{ step: 'below[2]/dep', reply: x }]",
            "key: k",
            "3 unknown_step step `dep` does not exist in `sub` (did you mean `deep`?)",
        ),
        (
            "script: [{ step: pick/long/dep, reply: x }]",
            "key: k",
            "3 unknown_step step `dep` does not exist in `sub` (did you mean `deep`?)",
        ),
        (
            "script: [{ step: on_failure/dep, reply: x }]",
            "key: k",
            "3 unknown_step step `dep` does not exist in `sub` (did you mean `deep`?)",
        ),
        (
            "tools: { app.fetsh: { returns: 1 } }",
            "key: k",
            "3 unknown_tool nothing in `p` can call tool `app.fetsh` (did you mean `app.fetch`?)",
        ),
        (
            "seed: 1",
            "approve: [app.fetsh]",
            "6 unknown_tool nothing in `p` can call tool `app.fetsh` (did you mean `app.fetch`?)",
        ),
        (
            "seed: 1",
            "reject: [serch.web]",
            "6 unknown_tool nothing in `p` can call tool `serch.web` (tools: `app.fetch`, `search.*`)",
        ),
        (
            "seed: 1",
            "faults: [{ agent: writr, error: timeout }]",
            "6 unknown_agent agent `writr` does not exist in `p` (did you mean `writer`?)",
        ),
        (
            "seed: 1",
            "answers: { drat: 1 }",
            "6 unknown_step step `drat` does not exist in `p` (did you mean `draft`?)",
        ),
        // A case of a pattern has the steps of that pattern.
        (
            "seed: 1",
            "pattern: quick\n    faults: [{ step: draft, error: timeout }]",
            "7 unknown_step step `draft` does not exist in `p` (steps: `reader`, `on_failure`)",
        ),
    ] {
        assert_eq!(unknown_names(top, case), [expected], "{top} {case}");
    }
}

#[test]
fn names_that_the_pipeline_has_are_found_wherever_they_are() {
    let top = "script:\n  - { agent: writer, step: draft, reply: x }\n  - { agent: reader, step: reader, reply: x }\n  \
               - { agent: house, step: 'below[1]/deep', reply: x }\n  - { step: pick/long/deep, reply: x }\n  \
               - { step: on_failure/deep, reply: x }\n  - { step: draft/whatever, reply: x }\n\
               tools: { app.fetch: { returns: 1 }, search.web: { returns: 1 }, search.news: { returns: 1 } }";
    assert_eq!(unknown_names(top, "approve: [search.web]"), [""; 0]);
    assert_eq!(
        unknown_names(
            "",
            "pattern: quick\n    faults: [{ step: reader, error: timeout }]"
        ),
        [""; 0]
    );
}

#[test]
fn a_rule_that_no_request_is_left_for_is_a_fault() {
    let of = |rules: &str| faults(&format!("script:\n{rules}"), "expect: { calls: 0 }");
    let hint = "put it before the other, or say with `times` how often that one answers";
    for (first, second) in [
        ("reply: x", "agent: w, reply: y"),
        (
            "agent: w, reply: x",
            "agent: w, prompt: { contains: a }, reply: y",
        ),
        ("step: a, reply: x", "step: 'a[1]', reply: y"),
        (
            "prompt: { contains: a }, reply: x",
            "agent: w, prompt: { contains: a }, times: 2, reply: y",
        ),
    ] {
        assert_eq!(
            of(&format!("  - {{ {first} }}\n  - {{ {second} }}")),
            [format!(
                "5:7 never_fires rule 2 can answer nothing: rule 1 answers all of it before ({hint})"
            )],
            "{first} / {second}"
        );
    }
    // Rules are counted as they stand, also behind one with a fault.
    let found = of("  - { agent: w }\n  - { reply: x }\n  - { reply: y }");
    assert!(
        found
            .iter()
            .any(|fault| fault.contains("rule 3 can answer nothing: rule 2 answers")),
        "{found:?}"
    );
    for (first, second) in [
        ("times: 1, reply: x", "reply: y"),
        ("agent: w, reply: x", "reply: y"),
        ("agent: w, reply: x", "agent: v, reply: y"),
        ("step: 'a[1]', reply: x", "step: a, reply: y"),
        (
            "prompt: { contains: a }, reply: x",
            "prompt: { contains: b }, reply: y",
        ),
    ] {
        assert_eq!(
            of(&format!("  - {{ {first} }}\n  - {{ {second} }}")),
            [""; 0],
            "{first} / {second}"
        );
    }
}

#[test]
fn steps_that_the_pipeline_does_not_have_are_named() {
    let loaded = load_text(PIPELINE, "p.yaml", &Registry::new()).expect("a pipeline");
    let check = |case: &str| -> Vec<String> {
        let text = format!("version: 1\npipeline: p.yaml\ncases:\n  - name: one\n    {case}\n");
        let suite = read(&text, Purpose::Test).unwrap_or_else(|faults| panic!("{faults:?}"));
        let faults = suite.check(&loaded, &Registry::new());
        faults
            .list()
            .iter()
            .map(|fault| format!("{:?} {}", fault.place.map(|place| place.line), fault.code))
            .collect()
    };
    let unknown = ["Some(5) unknown_step"];
    for case in [
        "run: b\n    expect: { calls: 0 }",
        "answers: { b: 1 }\n    expect: { calls: 0 }",
        "faults: [{ step: b, error: timeout }]\n    expect: { calls: 0 }",
        "expect: { steps: { 'b[1]/x': { calls: 0 } } }",
        "expect: { prompts: { b: x } }",
    ] {
        assert_eq!(check(case), unknown, "{case}");
        // A pattern that does not exist is said when its case is run.
        assert_eq!(check(&format!("pattern: p\n    {case}")), [""; 0], "{case}");
    }
    assert_eq!(
        check("expect: { calls: 0 }\n    then: [{ rerun: b, expect: { calls: 0 } }]"),
        ["Some(6) unknown_step"]
    );
}
