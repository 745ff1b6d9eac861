//! Faults: each strikes where it is said, and the run goes on as its policies say.

use segue::ErrorKind;
use segue::case::Ending;

use crate::support::{fails, one, passes};

const FLOW: &str = "
version: 1
name: flow
models: { m: auto/large }
agents: { w: { model: m, instructions: Write., output: { n: integer }, repairs: 1 }, v: { model: m, instructions: Check. } }
steps:
  first: { agent: w, prompt: A, retries: 1, timeout: 1m }
  each: { agent: v, for_each: '[1, 2]', prompt: '{{ item }}', on_error: keep }
  value: { set: 1 }
  look: { tool: app.look }
  last: { agent: v, prompt: 'C {{ steps.first.output.n }}', needs: [each, look] }
";

const TOP: &str = "
script: [{ agent: w, reply: { n: 1 } }, { reply: text }]
tools: { app.look: { returns: seen } }
";

fn case(fault: &str, expect: &str) -> String {
    format!("faults: [{fault}]\n    expect: {{ {expect} }}")
}

#[test]
fn every_kind_of_error_strikes_a_model_call() {
    for kind in ErrorKind::ALL {
        // These are no errors of a call: the run would not be what it is.
        if matches!(kind, ErrorKind::Waiting) {
            continue;
        }
        let fault = format!("{{ step: last, attempt: all, error: {kind} }}");
        let report = one(FLOW, TOP, &case(&fault, "status: failed, failed: [last]"));
        let is_fine = report.ending == Ending::Passed
            || *kind == ErrorKind::Cancelled && report.ending == Ending::Failed;
        assert!(is_fine, "{kind}: {report:#?}");
        let seen = one(FLOW, TOP, &case(&fault, "error: { kind: internal }"));
        if *kind != ErrorKind::Internal && *kind != ErrorKind::Cancelled {
            assert_eq!(seen.unmet[0].got, kind.to_string(), "{seen:#?}");
        }
    }
}

#[test]
fn a_fault_strikes_the_attempt_item_agent_and_step_that_it_names() {
    passes(
        FLOW,
        TOP,
        &case(
            "{ step: first, error: rate_limited }",
            "status: succeeded, steps: { first: { attempts: 2 } }",
        ),
    );
    passes(
        FLOW,
        TOP,
        &case(
            "{ step: first, attempt: all, error: rate_limited }",
            "status: failed, steps: { first: { attempts: 2 } }",
        ),
    );
    passes(
        FLOW,
        TOP,
        &case(
            "{ agent: v, attempt: all, error: provider }",
            "failed: [last], steps: { first: { status: succeeded }, each: { failed_items: 2 } }",
        ),
    );
    passes(
        FLOW,
        TOP,
        &case(
            "{ step: each, item: 1, error: authentication }",
            "status: succeeded, steps: { 'each[1]': { status: failed }, 'each[0]': { status: succeeded } }",
        ),
    );
    passes(
        FLOW,
        TOP,
        &case(
            "{ step: each, agent: v, item: 0, error: authentication }",
            "steps: { 'each[0]': { status: failed } }",
        ),
    );
    // Steps that ask no model are struck too.
    passes(
        FLOW,
        TOP,
        &case("{ step: value, error: step }", "failed: [value]"),
    );
    passes(
        FLOW,
        TOP,
        &case(
            "{ step: look, error: panicked }",
            "error: { kind: panicked, step: look }",
        ),
    );
    passes(
        FLOW,
        TOP,
        &case(
            "{ step: first, error: panicked }",
            "steps: { first: { attempts: 2 } }, status: succeeded",
        ),
    );
}

#[test]
fn a_fault_that_nothing_meets_is_a_failure() {
    for fault in [
        "{ step: first, attempt: 2, error: rate_limited }",
        "{ step: first, agent: v, error: rate_limited }",
        "{ step: each, item: 2, error: rate_limited }",
        "{ step: value, error: bad_json }",
        "{ step: value, at: called, error: kill }",
    ] {
        fails(FLOW, TOP, &case(fault, "status: succeeded"), &["faults[0]"]);
    }
}

#[test]
fn each_malformed_reply_is_what_it_says() {
    // Told once what was wrong, then the attempt is given up; the second one is good.
    for how in ["bad_json", "bad_schema", "empty"] {
        passes(
            FLOW,
            TOP,
            &case(
                &format!("{{ step: first, error: {how} }}"),
                "status: succeeded, steps: { first: { attempts: 2, calls: 3 } }",
            ),
        );
    }
    passes(
        FLOW,
        TOP,
        &case(
            "{ step: first, error: half_stream }",
            "status: succeeded, steps: { first: { attempts: 2, calls: 2 } }",
        ),
    );
    // Slower than the deadline of the step.
    passes(
        FLOW,
        TOP,
        &case(
            "{ step: first, error: slow }",
            "status: succeeded, steps: { first: { attempts: 2 } }",
        ),
    );
    passes(
        FLOW,
        TOP,
        &case("{ step: last, error: slow }", "error: { kind: timeout }"),
    );
}

#[test]
fn a_process_that_dies_is_followed_by_another_and_nothing_is_done_twice() {
    let whole =
        "status: succeeded, calls: 4, steps: { first: { attempts: 1, calls: 1 }, last: { attempts: 1 } }";
    passes(FLOW, TOP, &format!("expect: {{ {whole} }}"));
    for fault in [
        "{ step: first, at: started, error: kill }",
        "{ step: first, at: recorded, error: kill }",
        "{ step: each, item: 1, at: recorded, error: kill }",
        "{ step: value, at: recorded, error: kill }",
        "{ step: last, at: started, error: kill }",
        "{ step: last, at: recorded, error: kill }",
        "{ agent: v, at: recorded, error: kill }",
    ] {
        passes(FLOW, TOP, &case(fault, whole));
    }
    // A call that was sent has an end that nobody knows, and counts; it is made again.
    let called = case(
        "{ step: last, at: called, error: kill }",
        "status: succeeded, calls: 5, steps: { last: { attempts: 1 } }",
    );
    passes(FLOW, TOP, &called);
    // Three processes, one after the other.
    let thrice = case(
        "{ step: first, at: started, error: kill }, { step: first, at: recorded, error: kill }, { step: last, at: called, error: kill }",
        "status: succeeded, steps: { first: { calls: 1 } }",
    );
    passes(FLOW, TOP, &thrice);
}

#[test]
fn rules_are_counted_across_a_kill() {
    let script = "
script: [{ step: first, times: 1, reply: { n: 1 } }, { step: first, reply: { n: 2 } }, { reply: text }]
tools: { app.look: { returns: seen } }
";
    // The reply is in the record: it is not asked for again, and the second rule is not used.
    passes(
        FLOW,
        script,
        &case(
            "{ step: first, at: recorded, error: kill }",
            "steps: { first: { output: { n: 1 } } }",
        ),
    );
    // It was never given.
    passes(
        FLOW,
        script,
        &case(
            "{ step: first, at: called, error: kill }",
            "steps: { first: { output: { n: 1 } } }",
        ),
    );
}

#[test]
fn a_tool_that_was_at_work_asks_a_person_after_the_kill() {
    let called = "{ step: look, at: called, error: kill }";
    passes(
        FLOW,
        TOP,
        &case(called, "status: waiting, question: { step: look }"),
    );
    let answered = format!(
        "answers: {{ look: repeat }}\n    {}",
        case(called, "status: succeeded, steps: { look: { output: seen } }")
    );
    passes(FLOW, TOP, &answered);
}
