use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::clock::{millis, secs};
use crate::model::{Finish, Message, ToolCall, tokens_of};
use crate::schema::Schema;
use crate::usage::Usage;

/// A request of run `r1`, agent `writer`, step `draft`, that says `about`.
fn request(about: &str) -> Request {
    Request {
        messages: vec![
            Message::new(Role::System, "the instructions"),
            Message::new(Role::User, about),
        ],
        output: None,
        tools: Vec::new(),
        settings: Default::default(),
        idempotency_key: "key".into(),
        from: From {
            run: "r1".into(),
            step: "draft".into(),
            agent: "writer".into(),
            attempt: 1,
            after: None,
        },
        listener: Default::default(),
    }
}

fn by(agent: &str, step: &str) -> Request {
    let mut request = request("the tides");
    request.from.agent = agent.into();
    request.from.step = step.into();
    request
}

fn in_run(run: &str) -> Request {
    let mut request = request("the tides");
    request.from.run = run.into();
    request
}

fn for_schema(schema: Json) -> Request {
    Request {
        output: Some(Schema::from_json(schema).expect("a schema")),
        ..request("the tides")
    }
}

/// The answer of a script that does not wait.
fn ask(script: &Scripted, request: &Request) -> Result<Response, Box<Failure>> {
    script
        .answer(request)
        .now_or_never()
        .expect("it does not wait")
        .map_err(Box::new)
}

fn text(script: &Scripted, request: &Request) -> String {
    match ask(script, request) {
        Ok(response) => response.text,
        Err(failure) => format!("{}: {}", failure.kind, failure.message),
    }
}

/// A script of these rules, written in YAML as the entries of a list.
fn script(rules: &str) -> Scripted {
    let rules: String = rules
        .trim()
        .lines()
        .map(|line| format!("  {}\n", line.trim_start()))
        .collect();
    Scripted::from_yaml(&format!("version: 1\nscript:\n{rules}")).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A failure of a script of one rule.
fn failure(rule: &str) -> Box<Failure> {
    ask(&script(rule), &request("the tides")).expect_err("the rule fails")
}

#[test]
fn all_selectors_must_fit() {
    let written = script(
        r#"- { agent: editor, reply: by agent }
           - { step: collect, reply: by step }
           - { prompt: { contains: moon }, reply: by prompt }
           - { agent: writer, step: outline, prompt: "the tides", reply: by all }
           - { reply: the rest }"#,
    );
    let built = Scripted::new()
        .rule(Rule::reply("by agent").agent("editor"))
        .rule(Rule::reply("by step").step("collect"))
        .rule(Rule::reply("by prompt").prompt_contains("moon"))
        .rule(
            Rule::reply("by all")
                .agent("writer")
                .step("outline")
                .prompt_contains("the")
                .prompt_contains("tides"),
        )
        .rule(Rule::reply("the rest"));
    for script in [written, built] {
        assert_eq!(text(&script, &by("editor", "draft")), "by agent");
        assert_eq!(text(&script, &by("writer", "collect")), "by step");
        assert_eq!(text(&script, &by("writer", "collect[7]")), "by step");
        assert_eq!(text(&script, &request("the moon")), "by prompt");
        assert_eq!(text(&script, &by("writer", "outline")), "by all");
        assert_eq!(text(&script, &by("reader", "outline")), "the rest");
        assert_eq!(text(&script, &by("writer", "draft")), "the rest");
    }
}

#[test]
fn a_prompt_is_every_message_but_the_instructions() {
    let mut long = request("first");
    long.messages.push(Message::new(Role::Assistant, "second"));
    long.messages.push(Message::new(Role::Tool, "third"));
    let script = Scripted::new()
        .rule(Rule::reply("instructions").prompt_contains("instructions"))
        .rule(
            Rule::reply("all")
                .prompt_contains("first")
                .prompt_contains("second")
                .prompt_contains("third"),
        );
    assert_eq!(text(&script, &long), "all");
    assert_eq!(script.prompts("draft"), ["first\n\nsecond\n\nthird"]);
    assert!(script.prompts("outline").is_empty());
}

#[test]
fn every_matcher_works_on_prompts() {
    for (matcher, fits, does_not) in [
        ("tide", "tide", "tides"),
        ("{ equals: tide }", "tide", "tides"),
        ("{ contains: tide }", "the tides", "the moon"),
        ("{ matches: '^t.d' }", "tides", "the tides"),
        ("{ not: { contains: moon } }", "tides", "the moon"),
        ("{ not: tide }", "tides", "tide"),
        ("{ length: 4 }", "tide", "tides"),
        ("{ length: { min: 5 } }", "tides", "tide"),
        ("{ length: { max: 4 } }", "tide", "tides"),
        ("{ one_of: [tide, moon] }", "moon", "sun"),
        ("{ contains: tide, length: { max: 5 } }", "tides", "the tides"),
        ("{ schema: { enum: [tide, moon] } }", "moon", "sun"),
        ("{ that: 'value | length < 5' }", "tide", "tides"),
    ] {
        let script = script(&format!(
            "- {{ prompt: {matcher}, reply: fits }}\n- reply: does not"
        ));
        assert_eq!(text(&script, &request(fits)), "fits", "{matcher}");
        assert_eq!(text(&script, &request(does_not)), "does not", "{matcher}");
    }
}

#[test]
fn times_are_counted_in_each_run() {
    let script = script("- { reply: first, times: 2 }\n- { reply: then, times: 1 }");
    for run in ["r1", "r2"] {
        assert_eq!(text(&script, &in_run(run)), "first");
        assert_eq!(text(&script, &in_run(run)), "first");
        assert_eq!(text(&script, &in_run(run)), "then");
    }
    let miss = ask(&script, &in_run("r2")).expect_err("all rules are used up");
    assert_eq!(miss.kind, ErrorKind::CassetteMiss);
    assert_eq!(
        miss.message,
        "no rule of the script answers agent `writer` at step `draft`; rule 1 was used up after 2 times"
    );
}

#[test]
fn a_miss_names_the_nearest_rule_and_each_difference() {
    let script = script(
        r#"- { agent: editor, reply: no }
           - { agent: writer, step: outline, prompt: { contains: moon }, reply: no }"#,
    );
    assert_eq!(
        text(&script, &request("the tides")),
        "cassette_miss: no rule of the script answers agent `writer` at step `draft`; the nearest is rule 2: `step` \
         needs `outline`, found `draft`; `prompt` needs something that contains \"moon\", found `the tides`"
    );
    assert!(text(&script, &by("edtor", "x")).ends_with("rule 1: `agent` needs `editor`, found `edtor`"));
    assert!(text(&Scripted::new(), &request("")).ends_with("it has no rules"));
    assert!(!ask(&script, &request("")).expect_err("a miss").retryable);
}

#[test]
fn replies_come_in_order() {
    let script = Scripted::replies(["a", "b"]);
    let answers = [(); 3].map(|()| text(&script, &request("")));
    assert_eq!(&answers[..2], ["a", "b"]);
    assert!(answers[2].starts_with("cassette_miss: "));
}

#[test]
fn a_reply_is_sent_as_the_request_asks() {
    let word = json!({"enum": ["short", "long"]});
    let string = json!({"type": "string"});
    let object = json!({"type": "object", "required": ["score"]});
    for (reply, schema, sent) in [
        ("short", None, "short"),
        ("\"42\"", None, "42"),
        ("short", Some(&word), "\"short\""),
        ("'\"short\"'", Some(&word), "\"short\""),
        ("medium", Some(&string), "\"medium\""),
        ("\"42\"", Some(&string), "\"42\""),
        ("'{\"score\": 1}'", Some(&object), "{\"score\": 1}"),
        ("no score", Some(&object), "no score"),
        (
            "{ score: 0.5, tags: [a, null] }",
            None,
            "{\"score\":0.5,\"tags\":[\"a\",null]}",
        ),
        ("{ score: 1 }", Some(&object), "{\"score\":1}"),
        ("null", None, "null"),
        ("7", None, "7"),
    ] {
        let request = schema.map_or_else(|| request(""), |schema| for_schema(schema.clone()));
        assert_eq!(
            text(&script(&format!("- reply: {reply}")), &request),
            sent,
            "{reply}"
        );
    }
    assert_eq!(
        text(&Scripted::new().rule(Rule::json(json!("a"))), &request("")),
        "\"a\""
    );
}

#[test]
fn calls_have_ids_that_the_conversation_has_not_seen() {
    let script = script(
        "- { call: { tool: search.web, args: { query: tides } }, times: 1 }\n- call: [{ tool: a }, { tool: b }]",
    );
    let mut request = request("");
    let first = ask(&script, &request).expect("a call");
    let call = ToolCall {
        id: "call_1".into(),
        tool: "search.web".into(),
        arguments: json!({"query": "tides"}),
    };
    assert_eq!(first.tool_calls, [call]);
    assert_eq!((first.finish, first.text.as_str()), (Finish::ToolCalls, ""));

    let mut said = Message::new(Role::Assistant, "");
    said.tool_calls = first.tool_calls;
    request.messages.push(said);
    let second = ask(&script, &request).expect("two calls");
    let ids: Vec<_> = second
        .tool_calls
        .iter()
        .map(|call| (&*call.id, &*call.tool, &call.arguments))
        .collect();
    assert_eq!(ids, [("call_2", "a", &json!({})), ("call_3", "b", &json!({}))]);
}

#[test]
fn every_error_kind_can_be_raised() {
    for &kind in ErrorKind::ALL.iter().filter(|kind| **kind != ErrorKind::Panicked) {
        let failure = failure(&format!("- error: {kind}"));
        assert_eq!((failure.kind, failure.retryable), (kind, kind.is_retryable()));
        assert_eq!(failure.message, format!("rule 1 of the script raises `{kind}`"));
        assert_eq!((failure.retry_after_ms, failure.spent), (None, None));
    }
}

#[test]
fn a_panic_leaves_the_script_usable() {
    let script = Scripted::new()
        .rule(Rule::error(ErrorKind::Panicked).times(1))
        .rule(Rule::reply("after"));
    let request = request("");
    let panicked = catch_unwind(AssertUnwindSafe(|| ask(&script, &request))).expect_err("it panics");
    assert_eq!(
        panicked.downcast_ref::<String>().map(String::as_str),
        Some("rule 1 of the script panics")
    );
    assert_eq!(text(&script, &request), "after");
}

#[test]
fn a_failure_carries_its_pause_and_its_usage() {
    let limited = failure("- { error: rate_limited, retry_after: 1m30s, usage: { input_tokens: 5 } }");
    assert_eq!(limited.retry_after_ms, Some(90_000));
    assert_eq!(limited.spent.map(|spent| spent.usage.input_tokens), Some(5));
    let built = Scripted::new().rule(Rule::error(ErrorKind::RateLimited).retry_after(secs(2)));
    assert_eq!(
        ask(&built, &request("")).expect_err("it fails").retry_after_ms,
        Some(2000)
    );
}

#[test]
fn usage_is_as_written_or_counted() {
    let written = script(
        "- { reply: x, usage: { input_tokens: 6, output_tokens: 5, cache_read_tokens: 4, cache_write_tokens: 3, \
         reasoning_tokens: 2, audio_tokens: 1 } }",
    );
    let expected = Usage {
        input_tokens: 6,
        output_tokens: 5,
        cache_read_tokens: 4,
        cache_write_tokens: 3,
        reasoning_tokens: 2,
        audio_tokens: 1,
        ..Usage::default()
    };
    let request = request("the tides");
    assert_eq!(ask(&written, &request).expect("an answer").usage, Some(expected));
    let built = Scripted::new().rule(Rule::reply("x").usage(expected));
    assert_eq!(ask(&built, &request).expect("an answer").usage, Some(expected));

    let counted = ask(&Scripted::replies(["four words of text"]), &request)
        .expect("an answer")
        .usage;
    let output_tokens = tokens_of("four words of text");
    assert_eq!(
        counted,
        Some(Usage {
            input_tokens: request.input_tokens(),
            output_tokens,
            ..Usage::default()
        })
    );
    let called = ask(
        &Scripted::new().rule(Rule::call("tool", json!({"a": 1}))),
        &request,
    )
    .expect("a call")
    .usage;
    assert_eq!(
        called.map(|usage| usage.output_tokens),
        Some(tokens_of("tool") + tokens_of("{\"a\":1}"))
    );
}

#[test]
fn malformed_answers_fit_no_schema() {
    let schemas = [
        json!({"type": "object"}),
        json!({"type": "object", "additionalProperties": false}),
        json!({"type": "array"}),
        json!({"type": "string"}),
        json!({"enum": ["a", "b"]}),
        json!({"type": ["object", "null"]}),
        json!({"type": "number"}),
        json!({"type": "boolean"}),
    ];
    for schema in schemas {
        let request = for_schema(schema.clone());
        let bad = text(&script("- error: bad_schema"), &request);
        let value: Json = serde_json::from_str(&bad).expect("it is JSON");
        assert!(
            !request
                .output
                .as_ref()
                .is_some_and(|schema| schema.is_valid(&value)),
            "{schema} {bad}"
        );
        let broken = text(&script("- error: bad_json"), &request);
        assert!(serde_json::from_str::<Json>(&broken).is_err(), "{broken}");
        let empty = ask(&script("- error: empty"), &request).expect("an answer");
        assert_eq!((empty.text.as_str(), empty.finish), ("", Finish::Stop));
    }
}

#[test]
fn half_a_stream_is_a_retryable_failure_that_was_paid_for() {
    let request = request("the tides");
    let failure = failure("- error: half_stream");
    assert_eq!((failure.kind, failure.retryable), (ErrorKind::Provider, true));
    assert!(
        failure
            .message
            .starts_with("the reply broke off after 35 bytes: "),
        "{failure:?}"
    );
    let usage = failure.spent.expect("something was used").usage;
    assert_eq!(
        (usage.input_tokens, usage.output_tokens),
        (request.input_tokens(), 12)
    );
}

#[tokio::test(start_paused = true)]
async fn a_delay_passes_before_the_answer() {
    for script in [
        script("- { reply: late, delay: 1s500ms }"),
        Scripted::new().rule(Rule::reply("late").delay(millis(1500))),
    ] {
        let began = clock::now();
        let answer = script.answer(&request("")).await.expect("an answer");
        assert_eq!(
            (answer.text.as_str(), clock::now() - began),
            ("late", millis(1500))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reply_never_ends() {
    for (deadline, kind) in [(secs(600), None), (secs(7200), Some(ErrorKind::Timeout))] {
        let script = Scripted::new().rule(Rule::malformed(Malformed::Slow));
        let ended = clock::within(Some(deadline), script.answer(&request(""))).await;
        assert_eq!(
            ended.map(|answer| answer.expect_err("it does not answer").kind),
            kind
        );
    }
}

#[test]
fn clones_share_what_they_count() {
    let script = Scripted::new()
        .rule(Rule::reply("once").times(1))
        .rule(Rule::reply("later"));
    let priced = script.clone().named("openai/gpt-5");
    assert_eq!((script.name(), priced.name()), ("sim/script", "openai/gpt-5"));
    assert_eq!(text(&priced, &request("")), "once");
    assert_eq!(text(&script, &request("")), "later");
    assert_eq!(script.requests().len(), 2);
}

#[test]
fn requests_are_kept_and_counted_by_key() {
    let script = Scripted::replies(["a"]);
    for key in ["k1", "k2", "k1"] {
        let request = Request {
            idempotency_key: key.into(),
            ..request("the tides")
        };
        // Two of them are misses, which count as well.
        let _ = ask(&script, &request);
    }
    let ledger: Vec<_> = script.ledger().into_iter().collect();
    assert_eq!(ledger, [("k1".to_owned(), 2), ("k2".to_owned(), 1)]);
    let keys: Vec<_> = script
        .requests()
        .iter()
        .map(|request| request.idempotency_key.clone())
        .collect();
    assert_eq!(keys, ["k1", "k2", "k1"]);
}

#[test]
fn only_the_last_requests_are_kept() {
    let script = Scripted::new().rule(Rule::reply("x"));
    for number in 0..=MAX_KEPT {
        text(&script, &request(&number.to_string()));
    }
    let prompts = script.prompts("draft");
    assert_eq!((prompts.len(), prompts[0].as_str()), (MAX_KEPT, "1"));
    assert_eq!(script.ledger()["key"], MAX_KEPT as u64 + 1);
}

#[test]
fn two_threads_never_use_a_rule_too_often() {
    let script = Scripted::new()
        .rule(Rule::reply("limited").times(500))
        .rule(Rule::reply("rest"));
    let limited: usize = thread::scope(|scope| {
        let asker = || {
            (0..500)
                .filter(|_| text(&script, &request("")) == "limited")
                .count()
        };
        let askers = [scope.spawn(asker), scope.spawn(asker)];
        askers
            .into_iter()
            .map(|asker| asker.join().expect("no panic"))
            .sum()
    });
    assert_eq!((limited, script.requests().len()), (500, 1000));
}

proptest! {
    #[test]
    fn the_first_rule_that_is_not_used_up_answers(times in prop::collection::vec(0u32..4, 0..6)) {
        let rules = times.iter().enumerate();
        let script = rules.clone().fold(Scripted::new(), |script, (at, times)| {
            script.rule(Rule::reply(at.to_string()).times(*times))
        });
        for (at, times) in rules {
            for _ in 0..*times {
                prop_assert_eq!(text(&script, &request("")), at.to_string());
            }
        }
        prop_assert!(ask(&script, &request("")).is_err());
    }
}
