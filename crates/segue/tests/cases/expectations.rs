//! Each expectation: met by what is so, unmet by what is not.

use segue::case::Ending;

use crate::support::{fails, one, passes};

/// Two agents, a map, a route, a step that is left out, an artifact with a link.
const WIDE: &str = "
version: 1
name: wide
inputs: { size: { type: integer, default: 1 } }
models: { m: auto/large }
agents: { w: { model: m, instructions: Write. } }
steps:
  plan: { set: [a, b, c] }
  each: { agent: w, for_each: steps.plan.output, as: topic, prompt: 'About {{ topic }}', on_error: keep }
  big: { when: inputs.size > 5, set: 1 }
  pick: { route: \"'left' if inputs.size < 3 else 'right'\", to: { left: l, right: r } }
  l: { set: left }
  r: { set: right }
  last:
    needs: [each, l, r]
    agent: w
    prompt: Sum up.
    retry: { max_attempts: 3, when: \"output == 'poor'\", reason: 'poor, want good' }
output: steps.last.output
artifacts:
  sum.md: { from: steps.last.output, link: newest }
  plan.json: { from: steps.plan.output }
";

const SCRIPT: &str = "
script:
  - { step: last, times: 1, reply: poor, usage: { input_tokens: 1000, output_tokens: 500 } }
  - { step: last, reply: good, usage: { input_tokens: 1000, output_tokens: 500 } }
  - { step: each, prompt: { contains: About b }, error: authentication }
  - { reply: text, usage: { input_tokens: 0, output_tokens: 0 } }
";

/// Each line: what is expected and is so, then the same with what is not so.
const TABLE: &[(&str, &str, &str)] = &[
    ("status", "status: succeeded", "status: failed"),
    ("fallback", "fallback: false", "fallback: true"),
    ("failed", "failed: []", "failed: [plan]"),
    ("missing", "missing: []", "missing: [plan]"),
    ("output", "output: good", "output: bad"),
    (
        "output",
        "output: { matches: '^go+d$' }",
        "output: { matches: '^god$' }",
    ),
    (
        "output",
        "output: { not: bad, length: 4 }",
        "output: { not: good }",
    ),
    (
        "output",
        "output: { one_of: [good, fine] }",
        "output: { one_of: [bad] }",
    ),
    (
        "output",
        "output: { schema: string }",
        "output: { schema: integer }",
    ),
    (
        "output",
        "output: { that: \"value == 'good'\" }",
        "output: { that: \"value == 'bad'\" }",
    ),
    // Three of the map, of which one failed, and two of the last step.
    ("calls", "calls: 5", "calls: 4"),
    ("calls", "calls: { min: 5, max: 5 }", "calls: { max: 4 }"),
    // Two calls of 1000 × $1 + 500 × $2 in a million.
    (
        "cost_usd",
        "cost_usd: { min: 0.004, max: 0.0041 }",
        "cost_usd: { max: 0.0039 }",
    ),
    ("tokens", "tokens: { min: 3000 }", "tokens: { max: 2999 }"),
    (
        "artifacts.sum.md",
        "artifacts: { sum.md: good }",
        "artifacts: { sum.md: bad }",
    ),
    (
        "artifacts.sum.md",
        "artifacts: { sum.md: { contains: oo } }",
        "artifacts: { sum.md: { contains: xx } }",
    ),
    (
        "artifacts.plan.json",
        "artifacts: { plan.json: [a, b, c] }",
        "artifacts: { plan.json: [a] }",
    ),
    (
        "artifacts.sum.md.link",
        "artifacts: { sum.md: { link: newest } }",
        "artifacts: { sum.md: { link: other } }",
    ),
    (
        "artifacts.none.md",
        "artifacts: { sum.md: { link: newest, not: x } }",
        "artifacts: { none.md: { not: null } }",
    ),
    (
        "prompts.last",
        "prompts: { last: { contains: 'poor, want good' } }",
        "prompts: { last: { contains: About } }",
    ),
    (
        "prompts.each",
        "prompts: { each: { contains: About c } }",
        "prompts: { each: { not: { contains: About c } } }",
    ),
    (
        "prompts.each[1]",
        "prompts: { 'each[1]': About b }",
        "prompts: { 'each[1]': About a }",
    ),
    (
        "steps.big.status",
        "steps: { big: { status: skipped } }",
        "steps: { big: { status: succeeded } }",
    ),
    (
        "steps.big.skipped",
        "steps: { big: { skipped: when_false } }",
        "steps: { big: { skipped: not_selected } }",
    ),
    (
        "steps.last.attempts",
        "steps: { last: { attempts: 2 } }",
        "steps: { last: { attempts: 1 } }",
    ),
    (
        "steps.each.items",
        "steps: { each: { items: 3 } }",
        "steps: { each: { items: 2 } }",
    ),
    (
        "steps.each.failed_items",
        "steps: { each: { failed_items: 1 } }",
        "steps: { each: { failed_items: 0 } }",
    ),
    (
        "steps.pick.arm",
        "steps: { pick: { arm: left } }",
        "steps: { pick: { arm: right } }",
    ),
    (
        "steps.last.reasons",
        "steps: { last: { reasons: [{ contains: want good }] } }",
        "steps: { last: { reasons: [a, b] } }",
    ),
    (
        "steps.plan.stale",
        "steps: { plan: { stale: false } }",
        "steps: { plan: { stale: true } }",
    ),
    (
        "steps.plan.output",
        "steps: { plan: { output: [a, b, c] } }",
        "steps: { plan: { output: { length: 2 } } }",
    ),
    (
        "steps.last.calls",
        "steps: { last: { calls: 2 } }",
        "steps: { last: { calls: 1 } }",
    ),
    (
        "steps.last.cost_usd",
        "steps: { last: { cost_usd: 0.004 } }",
        "steps: { last: { cost_usd: 0.005 } }",
    ),
    (
        "steps.each[1].status",
        "steps: { 'each[1]': { status: failed } }",
        "steps: { 'each[1]': { status: succeeded } }",
    ),
];

#[test]
fn each_expectation_is_met_and_unmet() {
    for (path, so, not_so) in TABLE {
        passes(WIDE, SCRIPT, &format!("expect: {{ {so} }}"));
        fails(WIDE, SCRIPT, &format!("expect: {{ {not_so} }}"), &[path]);
    }
}

#[test]
fn every_unmet_expectation_is_listed_with_what_there_is() {
    let report = one(
        WIDE,
        SCRIPT,
        "expect: { status: failed, calls: { max: 1 }, output: bad }",
    );
    let listed: Vec<(String, String, String)> = report
        .unmet
        .iter()
        .map(|unmet| {
            (
                unmet.expect.clone(),
                unmet.want.to_string(),
                unmet.got.to_string(),
            )
        })
        .collect();
    let line = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        listed,
        [
            line("status", "\"failed\"", "\"succeeded\""),
            line("output", "\"bad\"", "\"good\""),
            line("calls", "\"1 or less\"", "5"),
        ]
    );
    // Plain values can be written anew, conditions cannot.
    let plain: Vec<bool> = report.unmet.iter().map(|unmet| unmet.plain.is_some()).collect();
    assert_eq!(plain, [true, true, false]);
}

const FAILING: &str = "
version: 1
name: failing
models: { m: auto/large }
agents: { w: { model: m, instructions: Write. } }
steps:
  a: { agent: w, prompt: A }
  b: { agent: w, prompt: B }
on_failure: { steps: { say: { set: sorry } }, output: steps.say.output }
";

#[test]
fn errors_and_fallbacks_are_looked_at() {
    let script = "script: [{ step: b, error: bad_request }, { reply: x }]";
    for (so, not_so, path) in [
        ("fallback: true", "fallback: false", "fallback"),
        ("failed: [b]", "failed: [a, b]", "failed"),
        ("output: sorry", "output: x", "output"),
        (
            "steps: { b: { status: failed } }",
            "steps: { b: { status: succeeded } }",
            "steps.b.status",
        ),
    ] {
        passes(FAILING, script, &format!("expect: {{ {so} }}"));
        fails(FAILING, script, &format!("expect: {{ {not_so} }}"), &[path]);
    }
    let bare = FAILING
        .split("on_failure")
        .next()
        .expect("it has a beginning")
        .to_owned();
    for (so, not_so, path) in [
        (
            "error: { kind: bad_request }",
            "error: { kind: budget }",
            "error.kind",
        ),
        ("error: { step: b }", "error: { step: a }", "error.step"),
        (
            "error: { message: { contains: bad_request } }",
            "error: { message: { contains: budget } }",
            "error.message",
        ),
        ("status: failed", "status: succeeded", "status"),
    ] {
        passes(&bare, script, &format!("expect: {{ {so} }}"));
        fails(&bare, script, &format!("expect: {{ {not_so} }}"), &[path]);
    }
}

const ASKS: &str = "
version: 1
name: asks
inputs: { n: { type: integer, minimum: 1 } }
steps:
  review: { ask: { title: Is it good?, form: { good: boolean } } }
  end: { set: '{{ steps.review.output.good }}' }
";

#[test]
fn a_question_is_looked_at_and_answered() {
    let with = |expect: &str| format!("inputs: {{ n: 1 }}\n    expect: {{ {expect} }}");
    for (so, not_so, path) in [
        ("status: waiting", "status: succeeded", "status"),
        (
            "question: { step: review }",
            "question: { step: end }",
            "question.step",
        ),
        (
            "question: { title: { contains: good } }",
            "question: { title: bad }",
            "question.title",
        ),
        (
            "question: { tool: null }",
            "question: { tool: x }",
            "question.tool",
        ),
    ] {
        passes(ASKS, "", &with(so));
        fails(ASKS, "", &with(not_so), &[path]);
    }
    let answered = |answer: &str, expect: &str| {
        format!("inputs: {{ n: 1 }}\n    answers: {{ review: {answer} }}\n    expect: {{ {expect} }}")
    };
    passes(
        ASKS,
        "",
        &answered("{ good: true }", "status: succeeded, output: true"),
    );
    fails(
        ASKS,
        "",
        &answered("{ good: false }", "output: true"),
        &["output"],
    );
    // An answer that does not fit, and one to a question that nobody asks.
    let misfit = one(ASKS, "", &answered("{ good: maybe }", "status: succeeded"));
    assert_eq!(misfit.ending, Ending::Error, "{misfit:?}");
    let never = "inputs: { n: 1 }\n    answers: { end: 1 }\n    expect: { status: waiting }";
    fails(ASKS, "", never, &["answers.end"]);
}

#[test]
fn a_refusal_is_expected_or_an_error() {
    let refused = |expect: &str| format!("inputs: {{ n: 0 }}\n    expect: {{ {expect} }}");
    passes(
        ASKS,
        "",
        &refused("refused: invalid_input, calls: 0, tokens: 0, cost_usd: 0"),
    );
    fails(ASKS, "", &refused("refused: missing_prerequisites"), &["refused"]);
    assert_eq!(one(ASKS, "", &refused("status: failed")).ending, Ending::Error);
    // What is started is not refused.
    fails(
        ASKS,
        "",
        "inputs: { n: 1 }\n    expect: { refused: invalid_input }",
        &["refused"],
    );
}

#[test]
fn a_plan_is_refused_by_the_codes_of_its_faults() {
    use segue::case::Suite;
    use segue::file::Purpose;

    use crate::support::{Folder, bench};

    let test = "version: 1\npipeline: p.yaml\ncases:\n  - { name: a, expect: { refused: unknown_agent } }\n  - { name: b, expect: { refused: cycle } }\n  - { name: c, expect: { status: failed } }\n";
    let pipeline = "version: 1\nname: p\nsteps: { a: { agent: nobody, prompt: x } }\n";
    let folder = Folder::with(&[("p.yaml", pipeline), ("t.test.yaml", test)]);
    let suite = Suite::load(&folder.path().join("t.test.yaml"), Purpose::Test).expect("a test file");
    let rejected = suite.plan(&bench()).expect_err("it has a fault");
    let codes: Vec<String> = rejected
        .faults
        .list()
        .iter()
        .map(|fault| fault.code.to_string())
        .collect();
    let endings: Vec<Ending> = suite
        .cases
        .iter()
        .map(|case| suite.refused(case, &codes).ending)
        .collect();
    assert_eq!(endings, [Ending::Passed, Ending::Failed, Ending::Error]);
}

#[test]
fn a_pattern_that_there_is_not_is_an_error() {
    let report = one(WIDE, SCRIPT, "pattern: quick\n    expect: { status: succeeded }");
    assert_eq!(report.ending, Ending::Error);
    assert_eq!(
        report.errors,
        ["pipeline `wide` has no pattern `quick` (there are no patterns)"]
    );
}
