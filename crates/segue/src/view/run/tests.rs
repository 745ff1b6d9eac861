use std::sync::Arc;

use serde_json::json;

use super::{AttemptOutcome, AttemptResolution, RunRecord, RunView};
use crate::error::{ErrorKind, FailedStep, Failure};
use crate::id::{CountingIds, QuestionId};
use crate::log::{EventKind, Resolution};
use crate::money::{Cost, cents};
use crate::plan::{Action, Each, Kind, OnFailure, Plan, hash_of};
use crate::question::{Question, QuestionKind, QuestionStatus};
use crate::usage::Usage;
use crate::value::Value;
use crate::view::scene::{Scene, diamond, plan, step};
use crate::view::{CallStatus, CallView, RunStatus, StepStatus};

mod odd;

/// `sub` is the diamond, `each` a map over something, `last` comes after both.
fn outer() -> Arc<Plan> {
    let mut sub = step("sub", &[]);
    sub.kind = Kind::Pipeline;
    sub.action = Action::Pipeline {
        plan: diamond(),
        with: None,
        inputs: Vec::new(),
    };
    let mut each = step("each", &[]);
    each.kind = Kind::Map;
    each.each = Some(Each {
        list: None,
        name: "item".to_owned(),
        max_parallel: 2,
        max_items: 10,
    });
    Arc::new(plan("outer", vec![sub, each, step("last", &[0, 1])]))
}

fn succeeds(scene: &mut Scene, output: &str) {
    let (output, usage) = (
        Value::json(output.into()),
        Usage {
            requests: 9,
            ..Usage::default()
        },
    );
    scene.push(
        None,
        EventKind::RunSucceeded {
            output,
            output_ref: None,
            fallback: false,
            usage,
            cost: Cost::of(cents(9)),
        },
    );
}

fn paths<'a>(steps: impl Iterator<Item = &'a super::StepView>) -> Vec<&'a str> {
    steps.map(|step| step.path.as_str()).collect()
}

#[test]
fn a_finished_run_has_the_published_shape() {
    let mut scene = Scene::new();
    scene
        .queued("one")
        .wait(2)
        .ready("only")
        .wait(3)
        .started("only")
        .wait(4)
        .spent(cents(1));
    scene.succeeded("only", 1, "text");
    succeeds(&mut scene, "text");
    let plan = Arc::new(plan("one", vec![step("only", &[])]));
    let run =
        serde_json::to_value(RunView::replay(Some(plan), scene.events())).expect("a view can be written");
    let usage = |requests: u64| {
        json!({"input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0,
            "reasoning_tokens": 0, "audio_tokens": 0, "requests": requests, "tool_calls": 0, "model_ms": 0, "tool_ms": 0})
    };
    let cost = |nanousd: u64, usd: &str| json!({"nanousd": nanousd, "usd": usd, "unpriced_calls": 0, "estimated_calls": 0, "uncertain_nanousd": 0});
    let step = json!({
        "path": "only", "name": "only", "kind": "function", "status": "succeeded", "needs": [], "agent": null,
        "ready": "2026-03-01T07:00:00.002Z", "started": "2026-03-01T07:00:00.005Z",
        "ended": "2026-03-01T07:00:00.009Z", "duration_ms": 4,
        "wait_ms": {"queue": 3, "rate_limit": 0, "backoff": 0, "person": 0},
        "output": "text", "output_ref": null, "output_hash": crate::Value::json("text".into()).content_hash(), "input_hash": hash_of(&json!({"inputs": hash_of(&json!({"topic": "tea"})), "outputs": {}})),
        "attempts": [{"attempt": 1, "started": "2026-03-01T07:00:00.005Z", "ended": "2026-03-01T07:00:00.009Z",
            "outcome": "succeeded", "error": null, "reason": null, "resolution": "succeeded", "retry_in_ms": null,
            "idempotency_key": null, "usage": usage(0), "cost": cost(0, "0.00"), "calls": [], "partial": null}],
        "usage": usage(0), "cost": cost(10_000_000, "0.01"), "error": null, "skipped": null, "route": null,
        "stale": false, "stale_because": [], "reused_from": null, "edited": false, "cached": false,
        "items": null, "handoff": null, "question": null, "span_id": null,
    });
    let expected = json!({
        "schema": "segue.run/1", "id": scene.events()[0].run, "pipeline": "one", "pattern": null, "plan_hash": "sha256:0",
        "definition": null, "status": "succeeded", "fallback": false, "output": "text", "output_ref": null,
        "inputs": {"topic": "tea"}, "key": null, "labels": {}, "note": null,
        "trigger": {"kind": "library", "by": null, "schedule": null, "nominal_time": null},
        "parent": null, "engine": "local", "models": {}, "replayed": false,
        "queued": "2026-03-01T07:00:00.000Z", "started": "2026-03-01T07:00:00.000Z",
        "ended": "2026-03-01T07:00:00.009Z", "duration_ms": 9,
        "steps": {"only": step}, "step_counts": {"succeeded": 1}, "failed_steps": [], "error": null,
        "usage": usage(9), "cost": cost(90_000_000, "0.09"), "recorded_cost": null, "by_agent": {}, "by_model": {},
        "budget": [], "route": [], "artifacts": [], "questions": [], "stale_steps": [], "drift": null,
        "last_seq": 8, "next": [],
    });
    // As text, because the order of the fields is part of the shape.
    assert_eq!(format!("{run:#}"), format!("{expected:#}"));
}

#[test]
fn a_record_and_a_call_read_back() {
    let mut scene = Scene::new();
    scene
        .queued("diamond")
        .ready("top")
        .started("top")
        .call("top", 1, cents(6))
        .succeeded("top", 1, "x");
    let run = RunView::replay(Some(diamond()), scene.events());
    let text = serde_json::to_string(&run).expect("a view can be written");
    let record: RunRecord = serde_json::from_str(&text).expect("and reads back");
    assert_eq!(
        serde_json::to_string(&record).expect("a record can be written"),
        text
    );

    let call = run.calls_of("top").next().expect("`top` made a call");
    assert_eq!(
        (call.provider.as_deref(), call.model.as_deref()),
        (Some("sim"), Some("echo"))
    );
    assert_eq!(call.overrun_nanousd, cents(2));
    assert_eq!(
        call.response,
        Some(json!({"text": "hello", "finish_reason": "stop"}))
    );
    let json = serde_json::to_value(call).expect("a call can be written");
    let keys: Vec<&String> = json
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
        .collect();
    let expected = "id step attempt position kind status provider model tool started ended first_token_ms wait_ms \
        idempotency_key request response usage cost reserved_nanousd max_tokens_clamped_to estimated \
        overrun_nanousd price error approval";
    assert_eq!(keys, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!(serde_json::from_value::<CallView>(json).ok().as_ref(), Some(call));
    assert_eq!(
        run.step("top").map(|step| step.attempts[0].calls.clone()),
        Some(vec![call.id])
    );
}

#[test]
fn steps_that_have_not_begun_are_there_in_declaration_order() {
    let mut scene = Scene::new();
    scene
        .queued("diamond")
        .ready("right")
        .started("right")
        .skipped("end");
    let run = RunView::replay(Some(diamond()), scene.events());
    assert_eq!(paths(run.steps()), ["top", "left", "right", "end"]);
    let counts = run.step_counts();
    assert_eq!((counts.pending, counts.running, counts.skipped), (2, 1, 1));
    assert_eq!(
        run.step("end").map(|step| step.needs.clone()),
        Some(vec!["left".to_owned(), "right".to_owned()])
    );
    let skipped = run
        .step("end")
        .and_then(|step| step.skipped.clone())
        .expect("`end` was skipped");
    assert_eq!(skipped.text, "its `when` was false");
}

#[test]
fn retries_keep_what_led_to_them() {
    let mut scene = Scene::new();
    scene
        .queued("diamond")
        .ready("top")
        .started("top")
        .call("top", 1, cents(1));
    scene
        .fails("top", 1, Resolution::Retried, Some(30))
        .wait(30)
        .attempt("top", 2)
        .push(
            Some("top"),
            EventKind::AttemptAgain {
                attempt: 2,
                reason: "score 0.6, want 0.8".to_owned(),
                resolution: Resolution::Exhausted,
                retry_in_ms: None,
                usage: Usage::default(),
                cost: Cost::of(cents(2)),
            },
        );
    scene.spent(cents(3)).failed("top");
    let run = RunView::replay(Some(diamond()), scene.events());
    let top = run.step("top").expect("it is in the plan");
    let [first, second] = &top.attempts[..] else {
        panic!("two attempts, not {:?}", top.attempts)
    };
    assert_eq!(
        (first.outcome, first.resolution),
        (Some(AttemptOutcome::Failed), Some(AttemptResolution::Retried))
    );
    assert_eq!((first.retry_in_ms, first.cost.nanousd), (Some(30), cents(1)));
    assert_eq!(
        first.error.as_ref().map(|error| error.kind),
        Some(ErrorKind::Provider)
    );
    assert_eq!(
        (second.outcome, second.resolution),
        (Some(AttemptOutcome::Again), Some(AttemptResolution::Exhausted))
    );
    assert_eq!(
        (second.reason.as_deref(), second.cost.nanousd),
        (Some("score 0.6, want 0.8"), cents(2))
    );
    assert_eq!(
        (top.status, top.cost.nanousd, top.wait_ms.backoff),
        (StepStatus::Failed, cents(3), 30)
    );
    assert_eq!(run.failed_steps().collect::<Vec<_>>(), ["top"]);
    assert_eq!(run.by_agent()["writer"].calls, 1);
    assert_eq!(
        run.cost().nanousd,
        cents(1),
        "the run's own total comes from its calls until it ends"
    );
}

#[test]
fn a_map_that_keeps_errors_counts_them() {
    let mut scene = Scene::new();
    scene
        .queued("outer")
        .ready("each")
        .started("each")
        .push(Some("each"), EventKind::StepExpanded { total: 3 });
    scene
        .started("each[0]")
        .started("each[1]")
        .succeeded("each[1]", 1, "b");
    scene
        .fails("each[0]", 1, Resolution::GaveUp, None)
        .failed("each[0]")
        .started("each[2]");
    let half = RunView::replay(Some(outer()), scene.events());
    let items = half
        .step("each")
        .and_then(|step| step.items.clone())
        .expect("a map has items");
    assert_eq!((items.total, items.succeeded, items.failed), (3, 1, 1));
    assert_eq!(items.failed_indexes.into_iter().collect::<Vec<_>>(), [0]);
    scene.succeeded("each[2]", 1, "c").succeeded("each", 1, "list");
    let run = RunView::replay(Some(outer()), scene.events());
    assert_eq!(paths(run.children("each")), ["each[0]", "each[1]", "each[2]"]);
    assert_eq!(
        run.step("each[0]").map(|item| (item.status, item.kind)),
        Some((StepStatus::Failed, Some(Kind::Function)))
    );
    assert_eq!(
        run.step("each").map(|step| step.status),
        Some(StepStatus::Succeeded)
    );
    assert_eq!(run.failed_steps().count(), 0, "a kept item is no failed step");
    assert_eq!(run.step_counts().failed, 0);
}

#[test]
fn nested_steps_are_laid_out_and_what_they_spend_is_spent_above() {
    let mut scene = Scene::new();
    scene
        .queued("outer")
        .started("sub")
        .ready("sub/top")
        .started("sub/top")
        .call("sub/top", 1, cents(2));
    let run = RunView::replay(Some(outer()), scene.events());
    assert_eq!(
        paths(run.children("sub")),
        ["sub/top", "sub/left", "sub/right", "sub/end"]
    );
    assert_eq!(
        paths(run.all_steps()),
        [
            "sub",
            "sub/top",
            "sub/left",
            "sub/right",
            "sub/end",
            "each",
            "last"
        ]
    );
    assert_eq!(run.step("sub").map(|step| step.cost.nanousd), Some(cents(2)));
    assert_eq!(
        run.step("sub/end").map(|step| step.status),
        Some(StepStatus::Pending)
    );
    assert_eq!(run.record().steps.len(), 3);
}

#[test]
fn another_attempt_of_a_nested_pipeline_begins_afresh() {
    let mut scene = Scene::new();
    scene
        .queued("outer")
        .started("sub")
        .runs("sub/top", 1)
        .started("sub/left")
        .call("sub/left", 1, cents(1));
    scene.spent(cents(1)).failed("sub/left").skipped("sub/end");
    scene.fails("sub", 1, Resolution::Retried, None).attempt("sub", 2);
    let run = RunView::replay(Some(outer()), scene.events());
    let statuses: Vec<_> = run.children("sub").map(|step| step.status).collect();
    assert_eq!(statuses, [StepStatus::Pending; 4]);
    let left = run.step("sub/left").expect("it was laid out");
    assert_eq!(
        (left.attempts.len(), left.error.is_none(), left.cost.nanousd),
        (1, true, cents(1))
    );
    scene
        .started("sub/left")
        .call("sub/left", 1, cents(5))
        .spent(cents(5))
        .succeeded("sub/left", 1, "l");
    let run = RunView::replay(Some(outer()), scene.events());
    let left = run.step("sub/left").expect("it was laid out");
    assert_eq!(
        (left.status, left.attempts.len(), left.cost.nanousd),
        (StepStatus::Succeeded, 2, cents(6))
    );
    assert_eq!(left.attempts[0].cost.nanousd, cents(1));
}

#[test]
fn a_step_that_begins_again_shows_only_how_it_goes_now() {
    let mut scene = Scene::new();
    scene
        .queued("diamond")
        .ready("top")
        .started("top")
        .call("top", 1, cents(1))
        .spent(cents(1))
        .failed("top");
    scene.ready("top").wait(4).started("top");
    let run = RunView::replay(Some(diamond()), scene.events());
    let top = run.step("top").expect("it is in the plan");
    assert_eq!(
        (top.status, top.error.is_none(), top.ended),
        (StepStatus::Running, true, None)
    );
    assert_eq!(
        (top.attempts.len(), top.cost.nanousd, top.wait_ms.queue),
        (2, cents(1), 4)
    );
    assert_eq!(run.failed_steps().count(), 0);
}

#[test]
fn choices_are_kept_by_the_route_and_by_the_run() {
    let mut scene = Scene::new();
    scene
        .queued("p")
        .started("pick")
        .chosen("pick", "first")
        .chosen("pick", "second");
    let run = RunView::replay(None, scene.events());
    let arms: Vec<&str> = run.routes().iter().map(|route| route.arm.as_str()).collect();
    assert_eq!(arms, ["first", "second"]);
    let taken = run
        .step("pick")
        .and_then(|step| step.route.clone())
        .expect("it has chosen");
    assert_eq!(
        (taken.step.as_str(), taken.arm.as_str(), taken.fallback),
        ("pick", "second", false)
    );
}

#[test]
fn a_fallback_has_records_but_no_step_of_its_own() {
    let mut failing = plan("p", vec![step("a", &[])]);
    failing.on_failure = Some(Box::new(OnFailure {
        plan: diamond(),
        with: None,
        after_budget: false,
    }));
    let mut scene = Scene::new();
    scene
        .queued("p")
        .started("a")
        .failed("a")
        .started("on_failure/top")
        .succeeded("on_failure/top", 1, "x");
    let output = Value::json("x".into());
    let done = EventKind::RunSucceeded {
        output,
        output_ref: None,
        fallback: true,
        usage: Usage::default(),
        cost: Cost::default(),
    };
    scene.push(None, done);
    let run = RunView::replay(Some(Arc::new(failing)), scene.events());
    assert_eq!(paths(run.steps()), ["a"]);
    assert_eq!(run.children("on_failure").count(), 4);
    assert_eq!(paths(run.all_steps()).len(), 5);
    assert!(run.fallback() && run.status() == RunStatus::Succeeded);
    assert_eq!(run.failed_steps().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn questions_are_open_until_somebody_answers() {
    let mut scene = Scene::new();
    scene.queued("diamond").ready("top").started("top");
    let question = question(&scene, "top", 1);
    let asked = EventKind::QuestionAsked {
        question: Box::new(question.clone()),
    };
    scene.waits("top").push(Some("top"), asked);
    scene.push(
        None,
        EventKind::RunWaiting {
            questions: vec![question.id],
            reason: None,
        },
    );
    let run = RunView::replay(Some(diamond()), scene.events());
    assert_eq!((run.status(), run.step_counts().waiting), (RunStatus::Waiting, 1));
    assert_eq!(run.record().questions, std::slice::from_ref(&question));
    scene.wait(9).push(
        Some("top"),
        EventKind::QuestionAnswered {
            question: question.id,
            by: "ann".to_owned(),
            via: None,
            answer: json!("yes"),
        },
    );
    scene.resumed("top").succeeded("top", 1, "x");
    let run = RunView::replay(Some(diamond()), scene.events());
    assert_eq!(
        (run.status(), run.open_questions().count()),
        (RunStatus::Running, 0)
    );
    let top = run.step("top").expect("it is in the plan");
    let shown = top.question.as_ref().expect("it asked");
    assert_eq!(
        (shown.status, shown.answered_by.as_deref()),
        (QuestionStatus::Answered, Some("ann"))
    );
    assert_eq!((top.wait_ms.person, top.attempts.len()), (9, 1));
}

#[test]
fn cancelling_closes_attempts_and_calls() {
    let mut scene = Scene::new();
    let call = scene.call_id();
    scene.queued("diamond").started("top").reserved("top", 1, call);
    scene.push(
        Some("top"),
        EventKind::StepCancelled {
            reason: "enough".to_owned(),
        },
    );
    let mut error = Failure::new(ErrorKind::Cancelled, "cancelled");
    let inner = Arc::new(Failure::new(ErrorKind::Cancelled, "cancelled"));
    error.failed_steps.push(FailedStep {
        step: "top".to_owned(),
        error: inner,
    });
    let cancelled = EventKind::RunCancelled {
        error: Arc::new(error),
        usage: Usage::default(),
        cost: Cost::default(),
    };
    scene.push(None, cancelled);
    let run = RunView::replay(Some(diamond()), scene.events());
    assert_eq!(
        run.calls().map(|call| call.status).collect::<Vec<_>>(),
        [CallStatus::Cancelled]
    );
    let attempt = &run.step("top").expect("it is in the plan").attempts[0];
    assert_eq!(
        (attempt.outcome, attempt.ended.is_some()),
        (Some(AttemptOutcome::Cancelled), true)
    );
    assert_eq!(run.status(), RunStatus::Cancelled);
}

#[test]
fn a_wait_for_a_provider_is_told_from_one_for_a_budget() {
    let mut scene = Scene::new();
    let call = scene.call_id();
    let waiting = |reason: &str| EventKind::CallWaiting {
        call,
        reason: reason.to_owned(),
        until: None,
    };
    // The first wait is over before anything is set aside.
    scene.queued("diamond").started("top");
    scene.push(Some("top"), waiting("halted")).wait(3);
    scene.reserved("top", 1, call);
    scene
        .push(Some("top"), waiting("budget"))
        .wait(5)
        .push(Some("top"), waiting("rate_limit"))
        .wait(7);
    scene.push(
        Some("top"),
        EventKind::CallUncertain {
            call,
            held_nanousd: cents(4),
        },
    );
    let run = RunView::replay(Some(diamond()), scene.events());
    assert_eq!(run.step("top").map(|step| step.wait_ms.rate_limit), Some(7));
    assert_eq!(run.calls().map(|call| call.wait_ms).collect::<Vec<_>>(), [15]);
    assert_eq!(run.cost().uncertain_nanousd, cents(4));
}

#[test]
fn an_event_seen_twice_counts_once() {
    let mut scene = Scene::new();
    scene
        .queued("diamond")
        .started("top")
        .call("top", 1, cents(1))
        .succeeded("top", 1, "x");
    let once = RunView::replay(Some(diamond()), scene.events());
    let mut twice = once.clone();
    scene.events().iter().for_each(|event| twice.apply(event));
    assert!(once == twice);
}

#[test]
fn ten_thousand_steps_of_a_map_are_counted() {
    let mut scene = Scene::new();
    scene
        .queued("outer")
        .started("each")
        .push(Some("each"), EventKind::StepExpanded { total: 10_000 });
    for item in 0..10_000 {
        let path = format!("each[{item}]");
        scene.started(&path);
        if item % 2 == 0 {
            scene.succeeded(&path, 1, "x")
        } else {
            scene.failed(&path)
        };
    }
    let run = RunView::replay(Some(outer()), scene.events());
    let items = run
        .step("each")
        .and_then(|step| step.items.clone())
        .expect("a map has items");
    assert_eq!(
        (items.succeeded, items.failed, run.all_steps().count()),
        (5_000, 5_000, 10_003)
    );
}

fn question(scene: &Scene, step: &str, number: u64) -> Question {
    let ids = CountingIds::default();
    let id = (0..number)
        .map(|_| QuestionId::new(&ids))
        .last()
        .unwrap_or_else(|| QuestionId::new(&ids));
    Question {
        id,
        kind: QuestionKind::Question,
        run: scene.events()[0].run,
        pipeline: "p".to_owned(),
        step: step.to_owned(),
        title: "which".to_owned(),
        text: None,
        form: json!({}),
        known: serde_json::Map::new(),
        missing: Vec::new(),
        default: None,
        asked: scene.at(),
        deadline: None,
        status: QuestionStatus::Open,
        approval: None,
        budget: None,
        refused: Vec::new(),
        answer: None,
        answered_by: None,
    }
}
