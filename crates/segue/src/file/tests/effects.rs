//! Every key of the format: what it does to the plan.

use serde_json::{Value as Json, json};

use super::load_files;
use crate::fault::Code;
use crate::plan::{NeedKind, Plan};

/// Files that the files here name.
pub(super) const FILES: &[(&str, &str)] = &[
    ("prompts/x.md", "From a file: {{ inputs.text }}"),
    ("rules.yaml", "version: 1\nscript:\n  - { reply: done }\n"),
    (
        "schemas/y.json",
        r#"{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}"#,
    ),
    (
        "inner.yaml",
        "version: 1\nname: inner\ninputs: { text: string, more: { type: integer, default: 1 } }\n\
         steps: { a: { set: '{{ inputs.text }} {{ inputs.more }}' } }\n",
    ),
];

/// A file with every key of the format but `on_failure: {pipeline}`.
pub(super) const EVERYTHING: &str = r#"
version: 1
name: everything
title: All of it
description: Every key there is
labels: { team: red }
inputs:
  text: string
  items: [{ id: integer }]
  kind: { enum: [a, b], default: a }
  photo: file
models:
  one: { use: openai/gpt-5, temperature: 0.5, max_tokens: 100, top_p: 0.9, seed: 7, stop: [END], reasoning: low, cache: auto }
  scripted: { use: sim/script, file: rules.yaml }
  several: [auto/small, { use: local/extractive }]
agents:
  writer:
    instructions: { file: prompts/x.md }
    model: several
    description: Writes
    output: { title: string, body: string|null }
    tools:
      - app.fetch
      - { name: search.*, max_calls: 3, timeout: 5s, retries: 1, approval: ask, approval_timeout: 1h, on_error: { tell: Sorry. } }
      - { name: "agent:helper", approval: { deny: args.prompt == 'x', ask: args.prompt == 'y' }, on_error: fail }
      - segue.save_artifact
    max_turns: 3
    max_tool_calls: 4
    repairs: 1
    strict: false
    temperature: 0.1
    max_tokens: 50
    top_p: 0.8
    seed: 1
    stop: [STOP]
    reasoning: none
    timeout: 20s
    retries: 1
    budget: { usd: 0.02 }
    context: none
    complete: { marker: DONE, nudge: "Go on, {{ attempt.number }}.", max_nudges: 2 }
  helper: { instructions: Help., retry: review }
tools:
  app.*: { max_calls: 9, on_interrupt: fail }
retries:
  default: { max_attempts: 2, backoff: linear, delay: 2s, max_delay: 20s, jitter: false }
  review: { max_attempts: 3, when: output == '', reason: "Empty: {{ attempt.number }}" }
defaults:
  model: one
  timeout: 60s
  step_timeout: 10m
  budget: { tokens: 1000 }
  on_error: fail
  on_interrupt: fail
  context: needs
  complete: schema
timeout: 20m
budget:
  usd: 0.50
  tokens: 20000
  requests: 10
  per_call: { usd: "0.1", tokens: 900 }
  per_day: { usd: 5, tokens: 100000, requests: 50 }
  on_exceed: pause
  allow_unpriced: true
  min_tokens: 128
max_parallel: 5
failure: fail_fast
start: manual
key: inputs.kind
steps:
  first:
    title: The first
    agent: writer
    prompt: "Write about {{ inputs.text }}"
    images: inputs.photo
    output: { title: string }
    model: scripted
    tools: []
    max_turns: 2
    temperature: 0.3
    max_tokens: 20
    timeout: none
    step_timeout: 5m
    retry: { max_attempts: 4, when: output.title == '', reason: No title }
    budget: none
    on_error: { use: { title: Untitled } }
    on_interrupt: ask
    context: { window: 2 }
    complete: { saved: [notes.md] }
    artifacts: { notes.md: { from: output.title, link: latest, type: text } }
  each:
    needs: [first]
    for_each: inputs.items
    as: thing
    max_parallel: 3
    tool: app.fetch
    with: { id: "{{ thing.id + index }}" }
    retries: 2
    on_error: keep
  shout: { tool: app.shout, with: { text: "{{ steps.first.output.title }}" }, on_error: skip }
  question:
    when: steps.first.output.title != ''
    ask:
      title: Is it good?
      text: "Look: {{ steps.first.output.title }}"
      form: { good: boolean }
      given: "{'good': true} if inputs.kind == 'a' else none"
      timeout: 2h
      default: { good: false }
  pick:
    route: inputs.kind
    to:
      a: { agent: helper, prompt: x, title: Arm, timeout: 1s, complete: { marker: OK, nudge: Say OK. }, output: string, model: one, tools: [], max_turns: 1, temperature: 0, max_tokens: 1 }
      b: { pipeline: inner.yaml, with: { text: "{{ inputs.text }}" } }
    else: a
  by_agent:
    context: summary
    route: { agent: helper, prompt: "a or b?" }
    to: { a: left, b: [right] }
    on_error: { use: a }
  left: { set: left, on_error: { run: spare } }
  right: { set: right }
  spare: { set: "{{ steps.by_agent.arm }}" }
  by_tool:
    route: { tool: app.shout, with: { text: x } }
    to: { X: { tool: app.shout, with: { text: y } }, Y: { ask: { title: T } }, Z: none }
  split:
    route: { split: { a: 90, b: 10 }, by: inputs.text }
    to: { a: { set: 1 }, b: { set: 2 } }
  first_of:
    route: { first_of: [a, b] }
    to: { a: { set: 1, on_error: fail, retries: 0, step_timeout: 3s, budget: { requests: 1 }, artifacts: { x.txt: output } }, b: { set: 2, retry: review } }
  inner: { pipeline: inner.yaml, with: { text: "{{ steps.each.status }}", more: 2 } }
  last: { set: { all: ["{{ steps.each.output }}", "{{ steps.shout.output }}", 1], q: "{{ steps.question.output }}" } }
output: { last: "{{ steps.last.output }}", arm: "{{ steps.pick.arm }}", rest: "{{ steps.inner.output }}" }
output_schema: { last: any, arm: string|null, rest: any }
artifacts:
  report.md: steps.first.output.title
  data.json: { from: steps.last.output }
on_failure:
  steps: { sorry: { set: "{{ error.message }} {{ steps.first.status }}" } }
  output: steps.sorry.output
  also: [budget]
"#;

/// The other form of `on_failure`.
pub(super) const FALLBACK_CALLED: &str = r#"
version: 1
name: called
inputs: { text: string }
steps: { a: { set: "{{ inputs.text }}" } }
on_failure: { pipeline: inner.yaml, with: { text: "{{ error.kind }} {{ steps.a.status }}" } }
"#;

fn plan(text: &str) -> Plan {
    let files: Vec<(&str, &str)> = std::iter::once(("main.yaml", text))
        .chain(FILES.iter().copied())
        .collect();
    match load_files(&files) {
        Ok(loaded) => Plan::clone(&loaded.plan),
        Err(rejected) => panic!("{rejected}"),
    }
}

fn seconds(secs: u64) -> Json {
    json!({"is": {"secs": secs, "nanos": 0}})
}

#[test]
fn every_key_has_its_effect() {
    let plan = serde_json::to_value(plan(EVERYTHING)).expect("a plan is JSON");
    let expected = [
        ("/name", json!("everything")),
        ("/title", json!("All of it")),
        ("/description", json!("Every key there is")),
        ("/labels", json!({"team": "red"})),
        ("/input/named/kind", json!({"enum": ["a", "b"], "default": "a"})),
        (
            "/models/one/0/settings",
            json!({
                "temperature": 0.5, "max_tokens": 100, "top_p": 0.9, "seed": 7, "stop": ["END"], "reasoning": "low", "cache": "auto",
            }),
        ),
        ("/models/scripted/0/file", json!(FILES[1].1)),
        ("/models/several/1/name", json!("local/extractive")),
        ("/agents/writer/instructions", json!(FILES[0].1)),
        ("/agents/writer/template", json!(true)),
        ("/agents/writer/alias", json!("several")),
        ("/agents/writer/description", json!("Writes")),
        ("/agents/writer/output/required", json!(["title", "body"])),
        (
            "/agents/writer/tools/0",
            json!({"name": "app.fetch", "limits": {}}),
        ),
        (
            "/agents/writer/tools/1/limits",
            json!({
                "max_calls": 3, "timeout": {"secs": 5, "nanos": 0}, "retries": 1, "approval": "ask",
                "approval_timeout": {"secs": 3600, "nanos": 0}, "on_error": {"text": "Sorry."},
            }),
        ),
        (
            "/agents/writer/tools/2/limits",
            json!({
                "approval": {"when": {"deny": "args.prompt == 'x'", "ask": "args.prompt == 'y'"}}, "on_error": "fail",
            }),
        ),
        ("/agents/writer/max_turns", json!(3)),
        ("/agents/writer/max_tool_calls", json!(4)),
        ("/agents/writer/repairs", json!(1)),
        (
            "/agents/writer/model_settings",
            json!({
                "temperature": 0.1, "max_tokens": 50, "top_p": 0.8, "seed": 1, "stop": ["STOP"], "reasoning": "none",
            }),
        ),
        ("/agents/writer/settings/timeout", seconds(20)),
        ("/agents/writer/settings/retry/is/max_attempts", json!(2)),
        ("/agents/writer/settings/budget/is/usd", json!("0.02")),
        ("/agents/helper/alias", json!("one")),
        ("/agents/helper/models/0/name", json!("openai/gpt-5")),
        ("/agents/helper/settings/policy", json!("review")),
        ("/key", json!("inputs.kind")),
        ("/start", json!("manual")),
        (
            "/tools",
            json!({"app.*": {"max_calls": 9, "on_interrupt": "fail"}}),
        ),
        (
            "/policies/default",
            json!({
                "max_attempts": 2, "backoff": "linear", "delay": {"secs": 2, "nanos": 0},
                "max_delay": {"secs": 20, "nanos": 0}, "jitter": false,
            }),
        ),
        (
            "/policies/review",
            json!({
                "max_attempts": 3, "when": "output == ''", "reason": "Empty: {{ attempt.number }}",
            }),
        ),
        ("/defaults/timeout", seconds(60)),
        ("/defaults/step_timeout", seconds(600)),
        ("/defaults/budget/is/tokens", json!(1000)),
        ("/defaults/on_error", json!({"is": "fail"})),
        ("/defaults/on_interrupt", json!({"is": "fail"})),
        ("/run/timeout", json!({"secs": 1200, "nanos": 0})),
        ("/run/max_parallel", json!(5)),
        ("/run/failure", json!("fail_fast")),
        (
            "/run/budget",
            json!({
                "usd": "0.50", "tokens": 20000, "requests": 10, "per_call": {"usd": "0.10", "tokens": 900},
                "per_day": {"usd": "5.00", "tokens": 100000, "requests": 50}, "on_exceed": "pause", "allow_unpriced": true,
                "min_tokens": 128,
            }),
        ),
        (
            "/artifacts/0",
            json!({"name": "report.md", "from": "steps.first.output.title", "media": "markdown"}),
        ),
        (
            "/artifacts/1",
            json!({"name": "data.json", "from": "steps.last.output", "media": "json"}),
        ),
        ("/output/template/arm", json!("{{ steps.pick.arm }}")),
        ("/output_schema/required", json!(["last", "arm", "rest"])),
        ("/on_failure/plan/steps/0/name", json!("sorry")),
        (
            "/on_failure/plan/output",
            json!({"expression": "steps.sorry.output"}),
        ),
        ("/on_failure/with", Json::Null),
        ("/on_failure/after_budget", json!(true)),
    ];
    for (pointer, value) in expected {
        assert_eq!(plan.pointer(pointer).unwrap_or(&Json::Null), &value, "{pointer}");
    }
}

#[test]
fn every_key_of_a_step_has_its_effect() {
    let plan = plan(EVERYTHING);
    let step = |name: &str| {
        let at = plan.step(name).unwrap_or_else(|| panic!("no step {name}"));
        serde_json::to_value(&plan.steps[at as usize]).expect("a step is JSON")
    };
    let expected = [
        ("first", "/title", json!("The first")),
        ("first", "/kind", json!("agent")),
        ("first", "/action/agent/agent", json!("writer")),
        (
            "first",
            "/action/agent/prompt",
            json!("Write about {{ inputs.text }}"),
        ),
        ("first", "/action/agent/images", json!("inputs.photo")),
        ("first", "/action/agent/over/output/required", json!(["title"])),
        ("first", "/action/agent/over/models/0/name", json!("sim/script")),
        ("first", "/action/agent/over/tools", json!([])),
        ("first", "/action/agent/over/max_turns", json!(2)),
        (
            "first",
            "/action/agent/over/settings",
            json!({"temperature": 0.3, "max_tokens": 20}),
        ),
        ("first", "/settings/timeout", json!("off")),
        ("first", "/settings/step_timeout", seconds(300)),
        (
            "first",
            "/settings/retry/is",
            json!({
                "max_attempts": 4, "when": "output.title == ''", "reason": "No title",
            }),
        ),
        ("first", "/settings/budget", json!("off")),
        (
            "first",
            "/settings/on_error",
            json!({"is": {"use": {"title": "Untitled"}}}),
        ),
        ("first", "/settings/on_interrupt", json!({"is": "ask"})),
        ("first", "/reads", json!(["text", "photo"])),
        ("each", "/reads", json!(["items"])),
        ("last", "/reads", Json::Null),
        ("first", "/context", json!({"window": 2})),
        ("first", "/complete", json!({"saved": ["notes.md"]})),
        (
            "first",
            "/artifacts/0",
            json!({
                "name": "notes.md", "from": "output.title", "link": "latest", "media": "text",
            }),
        ),
        ("each", "/kind", json!("map")),
        (
            "each",
            "/each",
            json!({
                "list": "inputs.items", "name": "thing", "max_parallel": 3, "max_items": 10000,
            }),
        ),
        ("each", "/needs", json!([{"step": 0, "kind": "order"}])),
        (
            "each",
            "/action/tool",
            json!({"tool": "app.fetch", "with": {"id": "{{ thing.id + index }}"}}),
        ),
        ("each", "/settings/retry/is/max_attempts", json!(3)),
        ("each", "/settings/on_error", json!({"is": "keep"})),
        ("shout", "/settings/on_error", json!({"is": "skip"})),
        ("shout", "/output_schema/type", json!("string")),
        ("shout", "/needs", json!([{"step": 0, "kind": "data"}])),
        ("question", "/when", json!("steps.first.output.title != ''")),
        ("question", "/kind", json!("question")),
        ("question", "/action/ask/title", json!("Is it good?")),
        (
            "question",
            "/action/ask/text",
            json!("Look: {{ steps.first.output.title }}"),
        ),
        ("question", "/action/ask/form/required", json!(["good"])),
        (
            "question",
            "/action/ask/given",
            json!("{'good': true} if inputs.kind == 'a' else none"),
        ),
        (
            "question",
            "/action/ask/timeout",
            json!({"secs": 7200, "nanos": 0}),
        ),
        ("question", "/action/ask/default", json!({"good": false})),
        ("pick", "/action/route/by", json!({"expression": "inputs.kind"})),
        ("pick", "/action/route/otherwise", json!("a")),
        ("by_agent", "/context", json!("summary")),
        ("pick", "/action/route/arms/a/inline/title", json!("Arm")),
        (
            "pick",
            "/action/route/arms/a/inline/complete/marker/marker",
            json!("OK"),
        ),
        (
            "pick",
            "/action/route/arms/b/inline/action/pipeline/plan/name",
            json!("inner"),
        ),
        ("by_agent", "/action/route/by/agent/agent", json!("helper")),
        (
            "by_agent",
            "/action/route/arms",
            json!({"a": {"steps": [6]}, "b": {"steps": [7]}}),
        ),
        ("left", "/arm", json!({"route": 5, "arm": "a"})),
        ("left", "/settings/on_error", json!({"is": {"run": "spare"}})),
        ("spare", "/standby", json!(true)),
        ("spare", "/needs", json!([{"step": 5, "kind": "settled"}])),
        (
            "by_tool",
            "/action/route/by/tool",
            json!({"tool": "app.shout", "with": {"text": "x"}}),
        ),
        ("by_tool", "/action/route/arms/Z", json!("nothing")),
        (
            "split",
            "/action/route/by/split",
            json!({"weights": {"a": 90, "b": 10}, "by": "inputs.text"}),
        ),
        ("first_of", "/action/route/by/first_of", json!(["a", "b"])),
        (
            "inner",
            "/action/pipeline/with",
            json!({"text": "{{ steps.each.status }}", "more": 2}),
        ),
        ("inner", "/needs", json!([{"step": 1, "kind": "settled"}])),
        ("last", "/action/set/all/2", json!(1)),
    ];
    for (name, pointer, value) in expected {
        assert_eq!(
            step(name).pointer(pointer).unwrap_or(&Json::Null),
            &value,
            "{name}{pointer}"
        );
    }
}

#[test]
fn a_step_reads_what_its_agents_and_all_steps_read() {
    let text = "version: 1\nname: p\ninputs: { a: string, b: string, c: string, d: string, e: string }\n\
        defaults: { model: local/extractive, complete: { marker: END, nudge: 'Go on, {{ inputs.a }}.' } }\n\
        agents:\n  asked: { instructions: 'Of {{ inputs.b }}.', tools: ['agent:helper'] }\n  \
        helper: { instructions: 'Of {{ inputs.c }}.' }\n\
        steps:\n  one: { agent: asked, prompt: x }\n  two: { set: '{{ inputs.d }}' }\n  three: { set: '{{ inputs }}' }\n\
        output: inputs.e\n";
    let reads: Vec<Vec<String>> = plan(text).steps.iter().map(|step| step.reads.clone()).collect();
    assert_eq!(reads[0], ["a", "b", "c"]);
    assert_eq!(reads[1], ["a", "d"]);
    assert_eq!(reads[2], ["a", "b", "c", "d", "e"]);
}

#[test]
fn of_several_reasons_for_an_edge_the_strongest_counts() {
    let plan = plan(
        "version: 1\nname: p\nsteps:\n  a: { set: 1 }\n  b: { set: '{{ steps.a.status }}', needs: [a] }\n  \
         c: { set: '{{ steps.a.status }} {{ steps.a.output }} {{ steps.b.cost }}' }\n",
    );
    let needs = |step: usize| {
        plan.steps[step]
            .needs
            .iter()
            .map(|need| (need.step, need.kind))
            .collect::<Vec<_>>()
    };
    assert_eq!(needs(1), [(0, NeedKind::Order)]);
    assert_eq!(needs(2), [(0, NeedKind::Data), (1, NeedKind::Settled)]);
}

#[test]
fn context_and_completion_come_from_the_nearest_level() {
    let text = "version: 1\nname: p\ndefaults: { model: local/extractive, context: all }\nagents:\n  \
                w: { instructions: Hi., complete: { marker: END, nudge: Go on. } }\nsteps:\n  a: { set: 1 }\n  \
                b: { agent: w, needs: [a] }\n  c: { agent: w, prompt: x, needs: [b], context: none, complete: schema }\n";
    let plan = serde_json::to_value(plan(text)).expect("a plan is JSON");
    let marker = json!({"marker": {"marker": "END", "nudge": "Go on.", "max_nudges": 3}});
    assert_eq!(
        (&plan["steps"][1]["context"], &plan["steps"][1]["complete"]),
        (&json!("all"), &marker)
    );
    assert_eq!(
        (&plan["steps"][2]["context"], &plan["steps"][2]["complete"]),
        (&json!("none"), &json!("schema"))
    );
}

#[test]
fn a_field_of_what_may_be_missing_needs_a_word_about_that() {
    let warned = |tail: &str| {
        let head = "version: 1\nname: p\ninputs: { x: string }\nsteps:\n  a: { set: { x: 1 }, when: inputs.x == 'y' }\n";
        let loaded = super::load(&format!("{head}{tail}\n")).unwrap_or_else(|rejected| panic!("{rejected}"));
        loaded
            .warnings
            .list()
            .iter()
            .any(|fault| fault.code == Code::MaybeNone)
    };
    assert!(warned("  b: { set: '{{ steps.a.output.x }}' }"));
    for fine in [
        "  b: { set: '{{ steps.a.output.x or 2 }}' }",
        "  b: { set: '{{ steps.a.output.x | default(2) }}' }",
        "  b: { set: '{{ steps.a.output.x }}', when: steps.a.output is not none }",
        "  b: { set: '{{ steps.a.output }}' }",
        "  b: { set: '{{ steps.a.status }}' }",
    ] {
        assert!(!warned(fine), "{fine}");
    }
}

#[test]
fn a_route_over_steps_joins_them_once() {
    let plan = plan(
        "version: 1\nname: p\ninputs: { kind: { enum: [a, b] } }\nsteps:\n  pick: { route: inputs.kind, to: { a: x, b: y } }\n  \
         x: { set: { v: 1 } }\n  y: { set: { v: 2 } }\n  join: { set: '{{ (steps.x.output or steps.y.output).v }}' }\n",
    );
    assert_eq!(plan.steps[3].needs.len(), 2);
    assert_eq!(
        serde_json::to_value(&plan.output).expect("JSON"),
        json!({"last": [3]})
    );
}
