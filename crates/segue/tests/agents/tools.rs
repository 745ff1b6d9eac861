//! What an agent's tool calls come to: side by side, in order, limited, and told to the model when they are wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use segue::model::{Response, Rule};
use segue::plan::{ToolLimits, ToolOnError};
use segue::{Agent, ErrorKind, Result, Scripted, StepError, Tool, ToolCx, ToolSpec, millis, secs, tool};
use serde_json::{Value as Json, json};

use crate::{Replies, ask, asking, calls, cut, refused, tool_results};

/// Waits and says how long.
#[tool(class = read_only)]
async fn wait(_cx: ToolCx, ms: u64) -> Result<u64> {
    tokio::time::sleep(millis(ms)).await;
    Ok(ms)
}

/// A tool that counts its calls and fails the first few.
struct Flaky {
    failures: u32,
    fatal: bool,
    calls: Arc<AtomicU32>,
}

impl Tool for Flaky {
    fn spec(&self) -> ToolSpec {
        let parameters = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
        ToolSpec::new("flaky", "Fails now and then.", parameters)
    }

    fn call<'a>(&'a self, _cx: ToolCx, _arguments: Json) -> BoxFuture<'a, Result<Json>> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            match (call < self.failures, self.fatal) {
                (false, _) => Ok(json!("fine")),
                (true, true) => Err(StepError::fatal("broken for good")),
                (true, false) => Err(StepError::of(ErrorKind::Network, "the line is down")),
            }
        })
    }
}

fn flaky(failures: u32, fatal: bool) -> (Flaky, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let tool = Flaky {
        failures,
        fatal,
        calls: calls.clone(),
    };
    (tool, calls)
}

fn agent() -> Agent<String> {
    Agent::new("worker").model("m")
}

fn call_then_done(tool: &str, arguments: Json) -> Scripted {
    Scripted::new()
        .rule(Rule::call(tool, arguments).times(1))
        .rule(Rule::reply("done"))
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_turn_run_side_by_side_and_keep_their_order() {
    let turn = Rule::calls([
        ("wait", json!({"ms": 300})),
        ("wait", json!({"ms": 100})),
        ("wait", json!({"ms": 200})),
    ]);
    let model = Scripted::new().rule(turn.times(1)).rule(Rule::reply("done"));
    let began = crate::now();
    let done = ask(&agent().tool(wait {}), &model).await.expect("it ends");
    assert_eq!(began.elapsed(), millis(300));
    assert_eq!(tool_results(&model, 1), ["300", "100", "200"]);
    let ids: Vec<_> = model.requests()[1]
        .messages
        .iter()
        .filter_map(|message| message.call.clone())
        .collect();
    assert_eq!(ids, ["call_1", "call_2", "call_3"]);
    assert_eq!((done.usage.tool_calls, done.usage.tool_ms), (3, 600));
}

#[tokio::test(start_paused = true)]
async fn a_turn_runs_at_most_eight_calls_at_once() {
    let model = Scripted::new()
        .rule(Rule::calls((0..9).map(|n| ("wait", json!({"ms": 100 + n})))).times(1))
        .rule(Rule::reply("done"));
    let began = crate::now();
    ask(&agent().tool(wait {}), &model).await.expect("it ends");
    assert_eq!(began.elapsed(), millis(100 + 108));
}

#[tokio::test(start_paused = true)]
async fn bad_calls_are_told_and_a_good_one_makes_up_for_them() {
    let model = Scripted::new()
        .rule(Rule::call("Wait", json!({"ms": 1})).times(1))
        .rule(Rule::call("wait", json!({"ms": "soon"})).times(1))
        .rule(Rule::call("wait", json!({"ms": 1})).times(1))
        .rule(Rule::call("wait", json!({"ms": 1, "user": "root"})).times(1))
        .rule(Rule::call("wait", json!({})).times(1))
        .rule(Rule::reply("done"));
    ask(&agent().tool(wait {}), &model).await.expect("it ends");
    let told = tool_results(&model, 5);
    assert_eq!(told[0], "error: there is no tool `Wait`; the tools are: wait");
    assert!(
        told[1].starts_with("error: the arguments do not fit: /ms"),
        "{}",
        told[1]
    );
    assert_eq!(told[2], "1");
    assert!(
        told[3].contains("user"),
        "unknown arguments are refused: {}",
        told[3]
    );
    assert!(told[4].contains("ms"), "{}", told[4]);
}

#[tokio::test(start_paused = true)]
async fn three_bad_calls_in_a_row_end_the_attempt() {
    let model = Scripted::new().rule(Rule::call("search", json!({})));
    let failure = refused(&agent(), &model).await;
    assert_eq!((failure.kind, model.requests().len()), (ErrorKind::Tool, 3));
    assert!(
        failure.message.contains("3 bad tool calls in a row"),
        "{}",
        failure.message
    );
}

#[tokio::test(start_paused = true)]
async fn two_calls_of_one_turn_cannot_have_one_id() {
    let turn = calls(&[("c", "wait", json!({"ms": 1})), ("c", "wait", json!({"ms": 2}))]);
    let run = asking(&agent().tool(wait {})).run("What?".to_owned());
    let model = Replies::new([turn, Response::text("done")]);
    let done = run.with_model("m", model).await.expect("it ends");
    assert_eq!(done.usage.tool_calls, 1);
}

#[tokio::test(start_paused = true)]
async fn the_tool_calls_of_a_cut_answer_are_never_made() {
    let (tool, made) = flaky(0, false);
    let turn = Response {
        finish: cut("").finish,
        ..calls(&[("c", "flaky", json!({}))])
    };
    let run = asking(&agent().tool(tool)).run("What?".to_owned());
    let error = run
        .with_model("m", Replies::new([turn]))
        .await
        .err()
        .expect("it is cut");
    assert_eq!(
        (error.kind(), made.load(Ordering::Relaxed)),
        (ErrorKind::IncompleteResponse, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_failing_tool_tells_the_model_unless_somebody_said_otherwise() {
    let limits = ToolLimits::new();
    let cases = [
        (limits.clone(), Ok("error: the line is down")),
        (
            limits
                .clone()
                .on_error(ToolOnError::Text("use what you know".into())),
            Ok("use what you know"),
        ),
        (limits.on_error(ToolOnError::Fail), Err(ErrorKind::Network)),
    ];
    for (limits, expected) in cases {
        let (tool, _) = flaky(9, false);
        let model = call_then_done("flaky", json!({}));
        match (ask(&agent().tool_with(tool, limits), &model).await, expected) {
            (Ok(_), Ok(text)) => assert_eq!(tool_results(&model, 1), [text]),
            (Err(error), Err(kind)) => assert_eq!(error.kind(), kind),
            (result, expected) => panic!("{:?} instead of {expected:?}", result.map(|done| done.output)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_tried_again_as_often_as_it_may_be_and_never_after_a_fatal_error() {
    for (failures, fatal, retries, tries, told) in [
        (2, false, 2, 3, "fine"),
        (2, false, 1, 2, "error: the line is down"),
        (1, false, 0, 1, "error: the line is down"),
        (1, true, 5, 1, "error: broken for good"),
    ] {
        let (tool, made) = flaky(failures, fatal);
        let model = call_then_done("flaky", json!({}));
        let agent = agent().tool_with(tool, ToolLimits::new().retries(retries));
        let done = ask(&agent, &model).await.expect("it ends");
        assert_eq!(
            (made.load(Ordering::Relaxed), done.usage.tool_calls),
            (tries, u64::from(tries))
        );
        assert_eq!(tool_results(&model, 1), [told]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_hangs_is_cut_off() {
    for (limits, ms) in [
        (ToolLimits::new(), 30_000),
        (ToolLimits::new().timeout(secs(2)), 2000),
    ] {
        let model = call_then_done("wait", json!({"ms": 3_600_000}));
        let began = crate::now();
        let done = ask(&agent().tool_with(wait {}, limits), &model)
            .await
            .expect("it ends");
        assert_eq!(began.elapsed(), millis(ms));
        assert_eq!(
            tool_results(&model, 1),
            [format!("error: tool `wait` did not answer within {ms}ms")]
        );
        let view = done.view();
        let call = view
            .calls()
            .find(|call| call.tool.is_some())
            .expect("the call is in the record");
        assert_eq!(
            call.error
                .as_ref()
                .and_then(|error| error.limit.clone())
                .expect("a limit")
                .name,
            "tool"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_is_cut_off_with_its_attempt_does_not_stay_open_in_the_record() {
    let model = call_then_done("wait", json!({"ms": 20_000}));
    let runner = crate::runner(&model);
    let run = runner
        .start(&asking(&agent().tool(wait {})), "What?".to_owned())
        .step("ask", segue::Settings::new().timeout(secs(1)))
        .await
        .expect("it starts");
    assert!(run.done().await.err().expect("it is late").is_timeout());
    let view = run.view();
    let call = view
        .calls()
        .find(|call| call.tool.is_some())
        .expect("the call is in the record");
    assert!(call.status.is_settled() && call.ended.is_some());
    assert_eq!(view.usage().tool_calls, 1);
}

#[tokio::test(start_paused = true)]
async fn max_calls_of_a_tool_is_told() {
    let model = Scripted::new()
        .rule(Rule::calls((1..=3).map(|ms| ("wait", json!({"ms": ms})))).times(1))
        .rule(Rule::reply("done"));
    ask(
        &agent().tool_with(wait {}, ToolLimits::new().max_calls(2)),
        &model,
    )
    .await
    .expect("it ends");
    assert_eq!(
        tool_results(&model, 1),
        ["1", "2", "error: `wait` has no call left, of 2"]
    );
}

#[tokio::test(start_paused = true)]
async fn max_tool_calls_ends_the_attempt() {
    let model = Scripted::new().rule(Rule::calls((1..=3).map(|ms| ("wait", json!({"ms": ms})))));
    let failure = refused(&agent().tool(wait {}).max_tool_calls(4), &model).await;
    assert_eq!((failure.kind, model.requests().len()), (ErrorKind::NoProgress, 2));
    assert_eq!(failure.limit.expect("a limit was met").name, "max_tool_calls");
}

#[tokio::test(start_paused = true)]
async fn equal_calls_are_warned_of_and_then_end_the_attempt() {
    let (tool, made) = flaky(0, false);
    let model = Scripted::new().rule(Rule::call("flaky", json!({"n": 1})));
    let failure = refused(&agent().tool(tool), &model).await;
    assert_eq!(
        (failure.kind, made.load(Ordering::Relaxed)),
        (ErrorKind::NoProgress, 4)
    );
    assert_eq!(model.requests().len(), 7);
    let told = tool_results(&model, 6);
    assert!(told[4].contains("5 times; do something else"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn equal_calls_are_found_also_when_they_alternate() {
    let turn = |n| Rule::call("flaky", json!({"n": n}));
    let alternating = (0..20).fold(Scripted::new(), |script, at| script.rule(turn(at % 2).times(1)));
    let (tool, made) = flaky(0, false);
    let failure = refused(&agent().tool(tool).max_turns(100), &alternating).await;
    assert_eq!(
        (failure.kind, made.load(Ordering::Relaxed)),
        (ErrorKind::NoProgress, 8)
    );
}
