//! Who answers: scripts, cassettes, models by name, samples; and tools that stand in.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use segue::case::Ending;
use segue::model::cassette::{NoSecrets, Recording};
use segue::{Registry, Result, Tool, ToolCx, ToolSpec, usd};
use serde_json::{Value as Json, json};

use crate::support::{Folder, bench, fails, one, passes, record_in, run_in};

const TWO: &str = "
version: 1
name: two
inputs: { text: string }
models: { m: auto/large, n: openai/gpt-5 }
agents:
  first: { model: m, instructions: Summarize. }
  second: { model: n, instructions: Judge., output: { good: boolean } }
steps:
  a: { agent: first, prompt: '{{ inputs.text }}' }
  b: { agent: second, prompt: '{{ steps.a.output }}' }
";

#[test]
fn a_script_answers_and_a_request_that_it_does_not_answer_is_missed() {
    let inputs = "inputs: { text: x }\n    ";
    let both = "script: [{ agent: first, reply: short }, { agent: second, reply: { good: true } }]";
    passes(
        TWO,
        both,
        &format!("{inputs}expect: {{ output: {{ good: true }}, calls: 2 }}"),
    );
    let one_rule = "script: [{ agent: first, reply: short }]";
    let report = one(TWO, one_rule, &format!("{inputs}expect: {{ status: succeeded }}"));
    assert_eq!(report.ending, Ending::Missed);
    let miss = report.miss.expect("a miss");
    assert_eq!(miss.step, "b");
    assert!(miss.nearest.expect("a rule").contains("rule 1"));
    // `times` is counted over all runs of a case.
    let once = "script: [{ times: 2, agent: first, reply: short }, { agent: first, reply: last }, { reply: { good: true } }]";
    let then = "then: [{ rerun: a, follow: true, expect: { steps: { a: { output: short } } } }, { rerun: a, expect: { steps: { a: { output: last } } } }]";
    passes(
        TWO,
        once,
        &format!("{inputs}expect: {{ steps: {{ a: {{ output: short }} }} }}\n    {then}"),
    );
}

#[test]
fn without_anybody_samples_answer_and_models_answer_by_name() {
    let inputs = "inputs: { text: 'Segue runs pipelines. It records what happens.' }\n    ";
    passes(
        TWO,
        "",
        &format!("{inputs}expect: {{ output: {{ schema: {{ good: boolean }} }}, calls: 2 }}"),
    );
    let named = "models: { m: local/extractive, n: { use: sim/schema, seed: 1 } }";
    let case = format!(
        "{inputs}expect: {{ steps: {{ a: {{ output: {{ contains: Segue }} }} }}, cost_usd: {{ min: 0.000001 }} }}"
    );
    passes(TWO, named, &case);
    // What is not named keeps its model, which is not to be had here.
    let report = one(TWO, "models: { m: local/extractive }", &case);
    assert_eq!(report.ending, Ending::Error);
    assert!(
        report.errors[0].contains("agent `second` has no model to be had"),
        "{report:?}"
    );
    // A list is tried in order.
    let list = "models: { m: [openai/none, local/extractive], n: sim/schema }";
    passes(TWO, list, &format!("{inputs}expect: {{ status: succeeded }}"));
}

#[test]
fn what_holds_for_all_cases_is_replaced_key_by_key() {
    let top = "inputs: { text: from the top }\nbudget: { requests: 2 }\nscript: [{ agent: first, reply: x }, { reply: { good: true } }]";
    passes(
        TWO,
        top,
        "expect: { prompts: { a: from the top }, status: succeeded }",
    );
    passes(
        TWO,
        top,
        "inputs: { text: own }\n    expect: { prompts: { a: own } }",
    );
    fails(
        TWO,
        top,
        "inputs: { text: own }\n    expect: { prompts: { a: from the top } }",
        &["prompts.a"],
    );
    passes(
        TWO,
        top,
        "budget: { requests: 1 }\n    expect: { status: failed, error: { kind: budget }, calls: 1 }",
    );
    fails(TWO, top, "expect: { error: { kind: budget } }", &["error.kind"]);
}

#[test]
fn a_file_is_its_text_or_a_file_where_the_pipeline_takes_one() {
    let pipeline = "version: 1\nname: f\ninputs: { text: string, doc: file }\nsteps:\n  a: { set: '{{ inputs.text }}' }\n  b: { set: '{{ inputs.doc.name }} {{ inputs.doc.text }} {{ inputs.doc.bytes }}' }\n";
    let test = "version: 1\npipeline: p.yaml\ninputs: { text: { file: a.txt }, doc: { file: a.txt } }\ncases:\n  - name: all\n    expect: { steps: { a: { output: hello }, b: { output: a.txt hello 5 } } }\n  - name: own\n    inputs: { text: own, doc: { file: b.md } }\n    expect: { steps: { a: { output: own }, b: { output: b.md bye 3 } } }\n";
    let folder = Folder::with(&[
        ("p.yaml", pipeline),
        ("t.test.yaml", test),
        ("a.txt", "hello"),
        ("b.md", "bye"),
    ]);
    let reports = run_in(&folder, &bench());
    assert!(
        reports.iter().all(|report| report.ending == Ending::Passed),
        "{reports:#?}"
    );
}

#[test]
fn the_seed_decides_what_is_drawn() {
    let split = "version: 1\nname: s\nsteps:\n  a: { route: { split: { x: 50, y: 50 } }, to: { x: { set: 1 }, y: { set: 2 } } }\n";
    let arm = |seed: u32| {
        let report = one(
            split,
            &format!("seed: {seed}"),
            "expect: { steps: { a: { arm: none } } }",
        );
        report.unmet[0].got.clone()
    };
    assert_eq!(arm(1), arm(1));
    let drawn: std::collections::BTreeSet<String> = (0..12).map(|seed| arm(seed).to_string()).collect();
    assert_eq!(drawn.len(), 2, "{drawn:?}");
}

const TOOLS: &str = "
version: 1
name: tools
models: { m: auto/large }
tools: { app.ship: { approval: ask } }
agents:
  w: { model: m, instructions: Ship., tools: [app.look, app.ship] }
steps:
  look: { tool: app.look, with: { q: 1 } }
  work: { agent: w, prompt: Go. }
";

const CALLS: &str = "
script:
  - { times: 1, call: { tool: app.look, args: { q: 2 } } }
  - { times: 1, call: { tool: app.ship, args: { to: x } } }
  - { reply: done }
";

#[test]
fn stand_ins_give_what_they_are_told_in_order() {
    let stand_ins =
        |look: &str| format!("{CALLS}tools: {{ app.look: {look}, app.ship: {{ returns: shipped }} }}");
    let approved = |expect: &str| format!("approve: [app.ship]\n    expect: {{ {expect} }}");
    let same = stand_ins("{ returns: { found: 7 } }");
    passes(
        TOOLS,
        &same,
        &approved(
            "status: succeeded, steps: { look: { output: { found: 7 } } }, prompts: { work: { contains: shipped } }",
        ),
    );
    let two = stand_ins("[{ returns: 1 }, { fails: out of order }]");
    passes(
        TOOLS,
        &two,
        &approved("steps: { look: { output: 1 } }, prompts: { work: { contains: out of order } }"),
    );
    fails(
        TOOLS,
        &two,
        &approved("prompts: { work: { contains: shipping } }"),
        &["prompts.work"],
    );
    let fails_first = stand_ins("[{ fails: no }, { returns: 1 }]");
    passes(
        TOOLS,
        &fails_first,
        &approved("steps: { look: { status: failed } }, error: { kind: tool, message: no }"),
    );
    // A list that is used up gives nothing more.
    let used_up =
        stand_ins("[{ returns: 1 }]").replace("[{ returns: 1 }]", "[{ returns: 1 }, { returns: 2 }]");
    let thrice = used_up.replace(
        "- { reply: done }",
        "- { times: 1, call: { tool: app.look, args: {} } }\n  - { reply: done }",
    );
    let report = one(TOOLS, &thrice, &approved("status: succeeded"));
    assert_eq!(report.ending, Ending::Error, "{report:?}");
    assert!(report.errors[0].contains("called for the 3. time"), "{report:?}");
}

#[test]
fn a_tool_call_waits_is_approved_or_rejected() {
    let top = format!("{CALLS}tools: {{ app.look: {{ returns: 1 }}, app.ship: {{ returns: shipped }} }}");
    passes(
        TOOLS,
        &top,
        "expect: { status: waiting, question: { tool: app.ship, step: work } }",
    );
    passes(
        TOOLS,
        &top,
        "approve: [app.ship]\n    expect: { prompts: { work: { contains: shipped } } }",
    );
    passes(
        TOOLS,
        &top,
        "reject: [app.ship]\n    expect: { prompts: { work: { contains: rejected, not: { contains: shipped } } } }",
    );
    fails(
        TOOLS,
        &top,
        "approve: [app.look]\n    expect: { status: waiting }",
        &["approve.app.look"],
    );
}

/// A tool of the program, which counts how often it is really called.
struct Real;

impl Tool for Real {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new(
            "app.look",
            "Looks.",
            json!({"type": "object", "properties": {"q": {"type": "integer"}}}),
        )
    }

    fn call<'a>(&'a self, _cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json>> {
        Box::pin(std::future::ready(Ok(json!({"really": arguments["q"]}))))
    }
}

#[test]
fn a_tool_of_the_program_is_known_and_never_called() {
    let pipeline = "version: 1\nname: t\nsteps: { look: { tool: app.look, with: { q: 1 } } }\n";
    let files = |tools: &str| {
        let test = format!(
            "version: 1\npipeline: p.yaml\n{tools}cases: [{{ name: one, expect: {{ output: 5 }} }}]\n"
        );
        Folder::with(&[("p.yaml", pipeline), ("t.test.yaml", &test)])
    };
    let mut bench = bench();
    bench.registry = Registry::new().tool(Real);
    let report = run_in(&files(""), &bench).remove(0);
    assert_eq!(report.ending, Ending::Error);
    assert_eq!(report.errors, ["tool `app.look` has no stand-in"]);
    let report = run_in(&files("tools: { app.look: { returns: 5 } }\n"), &bench).remove(0);
    assert_eq!(report.ending, Ending::Passed, "{report:?}");
    // The stand-in takes what the tool takes: its schema is the real one.
    let wrong = pipeline.replace("{ q: 1 }", "{ q: one }");
    let folder = files("tools: { app.look: { returns: 5 } }\n");
    folder.write("p.yaml", &wrong);
    let suite = segue::case::Suite::load(&folder.path().join("t.test.yaml"), segue::file::Purpose::Test)
        .expect("a file");
    assert!(suite.plan(&bench).is_err());
}

#[test]
fn a_cassette_is_recorded_from_models_and_tools_and_plays_without_them() {
    let pipeline = "
version: 1
name: recorded
inputs: { text: string }
models: { m: [openai/none, local/extractive] }
agents: { w: { model: m, instructions: Summarize. } }
steps:
  look: { tool: app.look, with: { q: 3 } }
  each: { agent: w, for_each: '[1, 2, 3]', prompt: '{{ item }}: {{ inputs.text }}' }
output: steps.each.output
";
    let test = "
version: 1
pipeline: p.yaml
cassette: c.yaml
inputs: { text: Segue runs pipelines. }
cases:
  - name: one
    expect: { status: succeeded, calls: 3, steps: { look: { output: { really: 3 } } }, output: { contains: Segue runs pipelines. } }
    then: [{ rerun: each, expect: { calls: 3 } }]
  - name: two
    expect: { calls: 3, cost_usd: COST }
";
    let folder = Folder::with(&[
        ("p.yaml", pipeline),
        ("t.test.yaml", &test.replace("COST", "{ min: 0.000001 }")),
    ]);
    let mut with_tool = bench();
    with_tool.registry = Registry::new().tool(Real);
    let recording = Recording::new(with_tool.prices.clone(), None, Arc::new(NoSecrets));
    let reports = record_in(&folder, &with_tool, &recording);
    // The second case makes the requests of the first, which are not made again.
    let endings: Vec<Ending> = reports.iter().map(|report| report.ending).collect();
    assert_eq!(endings, [Ending::Passed, Ending::Failed], "{reports:#?}");
    assert_eq!(reports[1].unmet[0].expect, "cost_usd");
    let recorded = recording.finish(None).expect("a cassette");
    assert_eq!((recorded.calls, recorded.tool_calls), (3, 1), "{}", recorded.text);

    // Now without the tool, and with no model at all.
    folder.write("c.yaml", &recorded.text);
    folder.write("t.test.yaml", &test.replace("COST", "0"));
    let reports = run_in(&folder, &bench());
    assert!(
        reports.iter().all(|report| report.ending == Ending::Passed),
        "{reports:#?}"
    );

    // Another text was never recorded.
    folder.write(
        "t.test.yaml",
        &test
            .replace("COST", "0")
            .replace("runs pipelines", "draws pipelines"),
    );
    let missed = run_in(&folder, &bench()).remove(0);
    assert_eq!(missed.ending, Ending::Missed);
    let miss = missed.miss.expect("a miss");
    assert_eq!(miss.first_difference.as_deref(), Some("/messages/1/text"));
    assert!(miss.nearest.expect("a call").contains("each[0]"));
}

#[test]
fn a_recording_costs_no_more_than_its_limit() {
    let pipeline = "version: 1\nname: r\nmodels: { m: local/extractive }\nagents: { w: { model: m, instructions: x } }\nsteps: { a: { agent: w, prompt: 'One. Two.', max_tokens: 1000 } }\n";
    let test = "version: 1\npipeline: p.yaml\ncassette: c.yaml\ncases: [{ name: one, expect: { status: succeeded } }]\n";
    let folder = Folder::with(&[("p.yaml", pipeline), ("t.test.yaml", test)]);
    for (limit, ending) in [(0.0001, Ending::Error), (1.0, Ending::Passed)] {
        let recording = Recording::new(bench().prices, Some(usd(limit)), Arc::new(NoSecrets));
        let report = record_in(&folder, &bench(), &recording).remove(0);
        assert_eq!(report.ending, ending, "{limit}: {report:#?}");
    }
}
