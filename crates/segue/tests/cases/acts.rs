//! Keys, single steps, and what is done afterwards on the same store.

use segue::case::Ending;

use crate::support::{fails, one, passes};

const DESK: &str = "
version: 1
name: desk
key: inputs.id
start: manual
inputs: { id: string }
models: { m: auto/large }
agents: { w: { model: m, instructions: Write. } }
steps:
  a: { agent: w, prompt: A }
  b: { agent: w, prompt: 'B of {{ steps.a.output }}' }
  c: { agent: w, prompt: 'C of {{ steps.b.output }}' }
";

const TOP: &str = "inputs: { id: k-1 }\nscript: [{ prompt: { contains: better }, reply: better }, { step: a, times: 1, reply: one }, { step: a, reply: other }, { step: b, times: 1, reply: first }, { reply: more }]";

#[test]
fn single_steps_run_on_what_is_there_and_are_refused_without() {
    passes(
        DESK,
        TOP,
        "run: b\n    expect: { refused: missing_prerequisites, missing: [a], calls: 0 }",
    );
    fails(
        DESK,
        TOP,
        "run: b\n    expect: { refused: missing_prerequisites, missing: [c] }",
        &["missing"],
    );
    passes(
        DESK,
        TOP,
        "run: a\n    expect: { calls: 1 }\n    then: [{ run: b, expect: { calls: 1, status: succeeded } }, { run: all, expect: { calls: 1 } }, { run: all, expect: { calls: 0 } }]",
    );
    fails(
        DESK,
        TOP,
        "run: a\n    expect: { calls: 1 }\n    then: [{ run: b, expect: { calls: 2 } }]",
        &["then[0].calls"],
    );
}

#[test]
fn a_step_runs_again_with_a_note_and_what_follows_is_stale_until_it_is_mended() {
    let first = "run: all\n    expect: { calls: 3, steps: { a: { stale: false } } }\n    then:\n";
    let rerun = "      - { rerun: a, note: make it better, expect: { calls: 1, prompts: { a: { contains: make it better } }, steps: { a: { output: better }, b: { stale: true }, c: { stale: true } } } }\n";
    let mend = "      - { rerun_stale: true, expect: { calls: 2, steps: { b: { stale: false }, c: { stale: false } } } }\n";
    passes(DESK, TOP, &format!("{first}{rerun}{mend}"));
    let wrong = rerun.replace("b: { stale: true }", "b: { stale: false }");
    fails(DESK, TOP, &format!("{first}{wrong}"), &["then[0].steps.b.stale"]);
    // With what follows, nothing is stale.
    let follow = "      - { rerun: a, follow: true, expect: { calls: 3, steps: { b: { stale: false } } } }\n";
    passes(DESK, TOP, &format!("{first}{follow}"));
    // Without a note nothing is said to the step.
    let silent = rerun.replace("note: make it better, ", "");
    fails(
        DESK,
        TOP,
        &format!("{first}{silent}"),
        &["then[0].prompts.a", "then[0].steps.a.output"],
    );
}

#[test]
fn the_key_is_the_workspace() {
    let open = DESK
        .replace("key: inputs.id\n", "")
        .replace("inputs: { id: string }\n", "");
    let top = TOP.replace("inputs: { id: k-1 }\n", "");
    passes(
        DESK,
        &top,
        "key: k-2\n    run: a\n    expect: { calls: 1 }\n    then: [{ run: b, expect: { calls: 1 } }]",
    );
    // Without a key there is nothing to go on from.
    passes(
        &open,
        &top,
        "run: a\n    expect: { calls: 1 }\n    then: [{ run: b, expect: { refused: missing_prerequisites, missing: [a] } }]",
    );
}

#[test]
fn runs_without_a_key_run_again_from_the_last_one() {
    let auto = DESK.replace("key: inputs.id\nstart: manual\n", "");
    passes(
        &auto,
        TOP,
        "expect: { calls: 3 }\n    then: [{ rerun: b, expect: { calls: 1, steps: { c: { stale: true } } } }, { rerun_stale: true, expect: { calls: 1 } }]",
    );
}

#[test]
fn a_kill_strikes_a_further_act_too() {
    let first = "run: all\n    faults: [{ step: b, attempt: 1, at: called, error: kill }]\n    expect: { calls: 4, status: succeeded }\n";
    passes(
        DESK,
        TOP,
        &format!("{first}    then: [{{ rerun: a, follow: true, expect: {{ calls: 3 }} }}]"),
    );
}

#[test]
fn a_case_runs_the_pattern_it_asks_for() {
    let content = "
version: 1
name: content
models: { m: auto/large }
agents:
  a: { model: m, instructions: Analyze. }
  b: { model: m, instructions: Better. }
patterns:
  quick: { steps: [a], prompt: Look., fallback: none }
  whole: { steps: [a, b], prompt: Look., fallback: quick }
default_pattern: whole
";
    let top = "script: [{ agent: a, reply: seen }, { agent: b, reply: better }]";
    passes(content, top, "expect: { calls: 2, output: better }");
    passes(
        content,
        top,
        "pattern: quick\n    expect: { calls: 1, output: seen }",
    );
    fails(
        content,
        top,
        "pattern: quick\n    expect: { calls: 2, output: seen }",
        &["calls"],
    );
    let fallback = "faults: [{ agent: b, attempt: all, error: provider }]\n    expect: { fallback: true, failed: [b], output: seen }";
    passes(content, top, fallback);
    let report = one(content, top, "pattern: quik\n    expect: { calls: 0 }");
    assert_eq!(report.ending, Ending::Error);
    assert!(
        report.errors[0].contains("did you mean `quick`?"),
        "{:?}",
        report.errors
    );
}
