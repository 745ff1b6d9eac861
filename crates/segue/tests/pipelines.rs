//! Pipelines in Rust, end to end: what an author writes, what comes out, what is recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use segue::{
    Agent, Cx, ErrorKind, FailurePolicy, IntoStep, OnError, Out, Outcome, Pipeline, Result, Route, RunStatus,
    Runner, Settings, StepError, StepStatus, from_fn, millis, secs,
};

async fn double(_cx: Cx, n: u64) -> Result<u64> {
    Ok(n * 2)
}

async fn add(_cx: Cx, a: u64, b: u64) -> Result<u64> {
    Ok(a + b)
}

async fn sum(_cx: Cx, all: Vec<u64>) -> Result<u64> {
    Ok(all.into_iter().sum())
}

#[tokio::test(start_paused = true)]
async fn a_line_of_ten_thousand_steps_runs() {
    let pipeline = Pipeline::define("line", |p, n: Out<u64>| {
        let mut at = n;
        for i in 0..10_000 {
            at = p.step(
                format!("s{i}"),
                from_fn(|_cx, n: u64| async move { Ok(n + 1) }),
                at,
            );
        }
        at
    })
    .expect("a line is a pipeline");
    let done = pipeline.run(0).await.expect("it runs");
    assert_eq!(done.output, 10_000);
    let view = done.view();
    assert_eq!(view.status(), RunStatus::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_branches_join() {
    let pipeline = Pipeline::define("fan", |p, n: Out<u64>| {
        let branches = (0..10_000)
            .map(|i| p.step(format!("b{i}"), double, n))
            .collect::<Vec<_>>();
        p.step("join", sum, branches)
    })
    .expect("a fan is a pipeline");
    assert_eq!(pipeline.run(1).await.expect("it runs").output, 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_map_of_ten_thousand_items_keeps_their_order() {
    let pipeline = Pipeline::define("map", |p, n: Out<u64>| {
        let list = p.step(
            "list",
            from_fn(|_cx, n: u64| async move { Ok((0..n).collect::<Vec<u64>>()) }),
            n,
        );
        p.map("double", double.max_parallel(100), list)
    })
    .expect("a map is a pipeline");
    let done = pipeline.run(10_000).await.expect("it runs");
    assert!(done.output.iter().enumerate().all(|(i, n)| *n == 2 * i as u64));
    assert_eq!(
        pipeline.run(0).await.expect("an empty list is fine").output,
        Vec::<u64>::new()
    );
}

#[tokio::test(start_paused = true)]
async fn uneven_branches_finish_in_the_critical_path() {
    let wait = |ms: u64| {
        from_fn(move |_cx, n: u64| async move {
            tokio::time::sleep(millis(ms)).await;
            Ok(n)
        })
    };
    let pipeline = Pipeline::define("uneven", |p, n: Out<u64>| {
        let a1 = p.step("a1", wait(200), n);
        let a2 = p.step("a2", wait(20), a1);
        let b1 = p.step("b1", wait(20), n);
        let b2 = p.step("b2", wait(200), b1);
        p.step("join", add, (a2, b2))
    })
    .expect("it is a pipeline");
    let done = pipeline.run(1).await.expect("it runs");
    assert_eq!(done.view().duration(), Some(millis(220)));
}

#[derive(Clone, Copy, Debug, PartialEq, Route)]
enum Size {
    Short,
    Long,
}

#[tokio::test(start_paused = true)]
async fn a_route_takes_one_arm_and_says_why_the_other_was_left_out() {
    let size = |_cx: Cx, n: u64| async move { Ok(if n < 10 { Size::Short } else { Size::Long }) };
    let pipeline = Pipeline::define("sized", |p, n: Out<u64>| {
        let size = p.step("size", from_fn(size), n);
        let merged = p
            .route("write", size)
            .when(Size::Short, |p| p.step("brief", double, n))
            .when(Size::Long, |p| {
                let once = p.step("paper", double, n);
                p.step("longer", double, once)
            })
            .merge();
        p.step("end", double, merged)
    })
    .expect("it is a pipeline");
    let short = pipeline.run(1).await.expect("it runs");
    assert_eq!(short.output, 4);
    let view = short.view();
    assert_eq!(
        view.step("longer").map(|step| step.status),
        Some(StepStatus::Skipped)
    );
    let reason = view
        .step("paper")
        .and_then(|step| step.skipped.clone())
        .expect("it was skipped");
    assert_eq!(reason.text, "route `write` took `short`, not `long`");
    assert_eq!(pipeline.run(100).await.expect("it runs").output, 800);
}

#[tokio::test(start_paused = true)]
async fn a_nested_pipeline_is_a_step() {
    let inner = Pipeline::define("inner", |p, n: Out<u64>| {
        let a = p.step("a", double, n);
        p.step("b", double, a)
    })
    .expect("it is a pipeline");
    let outer = Pipeline::define("outer", |p, n: Out<u64>| {
        let once = p.step("first", &inner, n);
        p.step("second", &inner, once)
    })
    .expect("it is a pipeline");
    let done = outer.run(1).max_parallel(1).await.expect("it runs");
    assert_eq!(done.output, 16);
    assert_eq!(
        done.view().step("second/b").map(|step| step.status),
        Some(StepStatus::Succeeded)
    );
}

#[tokio::test(start_paused = true)]
async fn a_map_over_a_nested_pipeline() {
    let inner = Pipeline::define("inner", |p, n: Out<u64>| p.step("a", double, n)).expect("it is a pipeline");
    let outer =
        Pipeline::define("outer", |p, n: Out<Vec<u64>>| p.map("each", inner, n)).expect("it is a pipeline");
    let done = outer.run(vec![1, 2, 3]).await.expect("it runs");
    assert_eq!(done.output, [2, 4, 6]);
    assert!(done.view().step("each[2]/a").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_repeat_feeds_each_round_with_the_last() {
    let pipeline = Pipeline::define("repeat", |p, n: Out<u64>| {
        p.repeat("more", double, n).until(|n| *n > 20).at_most(10)
    })
    .expect("it is a pipeline");
    let done = pipeline.run(3).await.expect("it runs");
    assert_eq!(done.output, 24);
    assert_eq!(pipeline.run(0).await.expect("it runs").output, 0);
}

#[tokio::test(start_paused = true)]
async fn two_failing_siblings_are_both_reported_in_order() {
    let fail = |text: &'static str| {
        from_fn(move |_cx, _n: u64| async move { Err::<u64, _>(StepError::fatal(text)) })
    };
    let pipeline = Pipeline::define("failing", |p, n: Out<u64>| {
        let fine = p.step("fine", double, n);
        let one = p.step("one", fail("first"), n);
        let two = p.step("two", fail("second"), n);
        let both = p.step("both", add, (one, two));
        p.step("end", add, (both, fine))
    })
    .expect("it is a pipeline");
    let error = pipeline.run(1).await.err().expect("it fails");
    let failed: Vec<&str> = error
        .failure()
        .failed_steps
        .iter()
        .map(|step| step.step.as_str())
        .collect();
    assert_eq!(failed, ["one", "two"]);
    assert_eq!(error.partial()["fine"], 2);
}

#[tokio::test(start_paused = true)]
async fn fail_fast_cancels_what_runs() {
    let pipeline = Pipeline::define("fast", |p, n: Out<u64>| {
        p.failure(FailurePolicy::FailFast);
        let slow = p.step(
            "slow",
            from_fn(|_cx, n: u64| async move {
                tokio::time::sleep(secs(60)).await;
                Ok(n)
            }),
            n,
        );
        let bad = p.step(
            "bad",
            from_fn(|_cx, _n: u64| async move { Err::<u64, _>(StepError::fatal("no")) }),
            n,
        );
        p.step("end", add, (slow, bad))
    })
    .expect("it is a pipeline");
    let run = tokio::time::timeout(secs(1), pipeline.run(1));
    assert!(run.await.expect("the slow step is not waited for").is_err());
}

#[tokio::test(start_paused = true)]
async fn retries_wait_and_the_reason_reaches_the_next_attempt() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let step = from_fn(move |cx: Cx, n: u64| {
        let calls = counted.clone();
        async move {
            calls.fetch_add(1, Ordering::Relaxed);
            match cx.last_attempt() {
                Some(last) if last.reason == "too small" && cx.attempt() == 3 => Ok(n),
                _ => Err(StepError::again("too small")),
            }
        }
    });
    let pipeline =
        Pipeline::define("retry", |p, n: Out<u64>| p.step("draft", step.retries(2), n)).expect("a pipeline");
    let done = pipeline.run(7).await.expect("the third attempt is good enough");
    assert_eq!((done.output, calls.load(Ordering::Relaxed)), (7, 3));
    let off = pipeline
        .run(7)
        .step("draft", Settings::new().retries(0))
        .await
        .err()
        .expect("one attempt is not enough");
    assert!(off.is_exhausted());
}

#[tokio::test(start_paused = true)]
async fn three_deadlines() {
    let slow = || {
        from_fn(|_cx, n: u64| async move {
            tokio::time::sleep(secs(10)).await;
            Ok(n)
        })
    };
    let limit = |settings: Settings, run: Option<std::time::Duration>| async move {
        let pipeline = Pipeline::define("slow", |p, n: Out<u64>| {
            p.step("slow", slow().settings(settings), n)
        })
        .expect("one");
        let error = pipeline.run(1).timeout(run).await.err().expect("it is late");
        assert!(error.is_timeout());
        let failure = error.failure();
        failure
            .limit
            .clone()
            .or_else(|| failure.failed_steps[0].error.limit.clone())
            .expect("a limit")
            .name
    };
    assert_eq!(limit(Settings::new().timeout(secs(1)), None).await, "attempt");
    assert_eq!(
        limit(
            Settings::new().timeout(secs(3)).retries(9).step_timeout(secs(5)),
            None
        )
        .await,
        "step"
    );
    assert_eq!(limit(Settings::new(), Some(secs(2))).await, "run");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_attempt_and_takes_nothing_else_down() {
    let pipeline = Pipeline::define("panics", |p, n: Out<u64>| {
        let fine = p.step("fine", double, n);
        let bad = p.step(
            "bad",
            from_fn(|cx: Cx, n: u64| async move {
                assert!(cx.attempt() > 1, "the first attempt panics");
                Ok(n)
            })
            .retries(1),
            n,
        );
        p.step("end", add, (fine, bad))
    })
    .expect("a pipeline");
    assert_eq!(
        pipeline.run(1).await.expect("the second attempt is fine").output,
        3
    );
    let error = pipeline
        .run(1)
        .step("bad", Settings::new().retries(0))
        .await
        .err()
        .expect("it panics");
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert!(error.to_string().contains("the first attempt panics"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn on_error_skips_or_uses_a_value() {
    let bad = || from_fn(|_cx, _n: u64| async move { Err::<u64, _>(StepError::fatal("no")) });
    let skipped = Pipeline::define("skipped", |p, n: Out<u64>| {
        let bad = p.step("bad", bad().on_error(OnError::Skip), n);
        p.step(
            "end",
            from_fn(|_cx, n: Option<u64>| async move { Ok(n.unwrap_or(5)) }),
            bad.or_none(),
        )
    })
    .expect("a pipeline");
    assert_eq!(skipped.run(1).await.expect("the step is left out").output, 5);
    let used = Pipeline::define("used", |p, n: Out<u64>| {
        p.step("bad", bad().on_error(OnError::Use(segue::Value::new(9u64))), n)
    })
    .expect("a pipeline");
    assert_eq!(used.run(1).await.expect("the value takes its place").output, 9);
}

#[tokio::test(start_paused = true)]
async fn cancelling_ends_the_run_and_a_finished_run_stays_as_it_is() {
    let pipeline = Pipeline::define("long", |p, n: Out<u64>| {
        p.step(
            "wait",
            from_fn(|_cx, n: u64| async move {
                tokio::time::sleep(secs(3600)).await;
                Ok(n)
            }),
            n,
        )
    })
    .expect("a pipeline");
    let runner = Runner::builder().build().expect("a runner");
    let run = runner.start(&pipeline, 1).await.expect("it starts");
    assert!(
        run.cancel("me", Some("changed my mind"))
            .await
            .expect("it is told")
    );
    let error = run.done().await.err().expect("it was cancelled");
    assert!(error.is_cancelled());
    assert!(!run.cancel("me", None).await.expect("it is told"));
    assert_eq!(run.view().status(), RunStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_question_waits_is_checked_and_goes_on_without_repeating() {
    let before = Arc::new(AtomicU32::new(0));
    let counted = before.clone();
    let pipeline = Pipeline::define("asks", |p, n: Out<u64>| {
        let counter = Agent::<String>::new("counter").model("local/extractive");
        p.step(
            "ask",
            from_fn(move |cx: Cx, n: u64| {
                let (counter, calls) = (counter.clone(), counted.clone());
                async move {
                    let reply = cx.run(&counter, "One sentence. Another one.").await?;
                    calls.fetch_add(1, Ordering::Relaxed);
                    let more: u64 = cx.ask("How many more?").missing(["more"]).await?;
                    Ok(n + more + u64::from(reply.turns))
                }
            }),
            n,
        )
    })
    .expect("a pipeline");
    let error = pipeline.run(1).await.err().expect("nobody answers");
    assert_eq!(error.kind(), ErrorKind::Waiting);
    let runner = Runner::builder().build().expect("a runner");
    let run = runner.start(&pipeline, 1).await.expect("it starts");
    let Outcome::Waiting(question) = run.outcome().await.expect("it rests") else {
        panic!("it should wait")
    };
    assert_eq!(question.title, "How many more?");
    let refused = run
        .answer(question.id, "three", "me")
        .await
        .expect_err("a text is no number");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert_eq!(run.questions().len(), 1);
    run.answer(question.id, 3, "me").await.expect("a number fits");
    assert_eq!(
        run.answer(question.id, 4, "you")
            .await
            .err()
            .map(|error| error.kind()),
        Some(ErrorKind::Conflict)
    );
    let done = run.done().await.expect("it goes on");
    assert_eq!(done.output, 5);
    assert_eq!(
        done.usage.requests, 1,
        "the call before the question is not made again"
    );
}
