//! What goes wrong: retries and their waits, deadlines, panics, what a failed run still tells, and that whoever watches
//! live sees what the log says later.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use segue::model::Rule;
use segue::price::{Price, PriceBook};
use segue::{
    Agent, Backoff, CountingIds, Cx, ErrorKind, IntoStep, Models, OnError, Out, Pipeline, Result, RetryLayer,
    RunStatus, RunView, Runner, Scripted, Settings, Step, StepError, StepStatus, from_fn, millis, secs, usd,
};
use tokio::time::Instant;

async fn double(_cx: Cx, n: u64) -> Result<u64> {
    Ok(n * 2)
}

async fn add(_cx: Cx, a: u64, b: u64) -> Result<u64> {
    Ok(a + b)
}

async fn broken(_cx: Cx, _n: u64) -> Result<u64> {
    Err(StepError::fatal("broken"))
}

fn runner(model: Scripted) -> Runner {
    let price = Price::per_million(usd(1.0), usd(2.0));
    Runner::builder()
        .models(Models::offline().with("openai/small", model.named("openai/small")))
        .prices(PriceBook::new(std::time::UNIX_EPOCH).with_override("openai/small", price))
        .ids(CountingIds::default())
        .build()
        .expect("a runner")
}

fn asks(model: &str) -> Agent<String> {
    Agent::<String>::new("asker").model(model)
}

/// A step that fails so many times in all, then gives what it got.
#[derive(Clone)]
struct Flaky {
    failures: u32,
    calls: Arc<AtomicU32>,
}

impl Flaky {
    fn new(failures: u32) -> Self {
        Self {
            failures,
            calls: Arc::default(),
        }
    }
}

impl Step for Flaky {
    type In = u64;
    type Out = u64;

    async fn run(&self, _cx: Cx, n: u64) -> Result<u64> {
        match self.calls.fetch_add(1, Ordering::Relaxed) {
            call if call < self.failures => {
                Err(StepError::of(ErrorKind::Network, format!("no answer {call}")))
            }
            _ => Ok(n),
        }
    }
}

/// A pipeline of one step.
fn alone<M>(step: impl IntoStep<M, In = u64, Out = u64>) -> Pipeline<u64, u64> {
    Pipeline::define("alone", |p, n: Out<u64>| p.step("only", step, n)).expect("a pipeline")
}

fn exactly(backoff: Backoff, attempts: u32) -> Settings {
    Settings::new().retry(RetryLayer {
        max_attempts: Some(attempts),
        backoff: Some(backoff),
        delay: Some(millis(100)),
        max_delay: Some(millis(350)),
        jitter: Some(false),
        ..RetryLayer::default()
    })
}

#[expect(clippy::disallowed_methods, reason = "virtual time is what is measured")]
async fn took<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    (work.await, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_tells_partial_outputs_every_failure_and_what_was_paid() {
    let model = Scripted::new().rule(Rule::reply("fine"));
    let pipeline = Pipeline::define("partly", |p, n: Out<u64>| {
        let text = p.step("ask", asks("openai/small").as_step(|n: u64| format!("{n}?")), n);
        let paid = from_fn(|cx: Cx, n: u64| async move {
            cx.run(&asks("openai/small"), "first").await?;
            cx.run(&asks("openai/small"), "second").await?;
            Err::<u64, _>(StepError::fatal(format!("no use for {n}")))
        });
        let fine = p.step("fine", double, n);
        let paid = p.step("paid", paid, n);
        let other = p.step("other", broken, n);
        p.step("sum", add, (paid, other));
        p.step(
            "end",
            from_fn(|_cx, (n, text): (u64, String)| async move { Ok(format!("{n}{text}")) }),
            (fine, text),
        )
    })
    .expect("a pipeline");
    let run = runner(model).start(&pipeline, 3).await.expect("it starts");
    let error = run.done().await.err().expect("it fails");
    let failure = error.failure();
    let failed: Vec<(&str, &str)> = failure
        .failed_steps
        .iter()
        .map(|step| (step.step.as_str(), step.error.message.as_str()))
        .collect();
    assert_eq!(failed, [("paid", "no use for 3"), ("other", "broken")]);
    let partial: Vec<&String> = error.partial().keys().collect();
    assert_eq!(partial, ["ask", "fine", "end"]);
    assert_eq!(error.spent().usage.requests, 3);
    assert!(!error.spent().cost.is_zero());
    let view = run.view();
    assert_eq!(
        view.step("paid").map(|step| step.usage.requests),
        Some(2),
        "a failed step counts what it paid"
    );
    assert_eq!(
        (*view.usage(), *view.cost()),
        (error.spent().usage, error.spent().cost)
    );
}

#[tokio::test(start_paused = true)]
async fn exhausted_lists_every_reason() {
    let picky = from_fn(|cx: Cx, _n: u64| async move {
        Err::<u64, _>(StepError::again(format!("score 0.{}, want 0.8", cx.attempt())))
    });
    let error = alone(picky.settings(exactly(Backoff::None, 3)))
        .run(1)
        .await
        .err()
        .expect("never enough");
    assert!(error.is_exhausted());
    let failure = &error.failure().failed_steps[0].error;
    let reasons: Vec<&str> = failure
        .causes
        .iter()
        .map(|cause| cause.message.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "score 0.1, want 0.8",
            "score 0.2, want 0.8",
            "score 0.3, want 0.8"
        ]
    );
    assert_eq!(
        failure
            .causes
            .iter()
            .map(|cause| cause.attempt)
            .collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3)]
    );
}

#[tokio::test(start_paused = true)]
async fn waits_are_exact_without_jitter_and_none_follows_the_last_attempt() {
    for (backoff, waits) in [
        (Backoff::None, [0, 0, 0]),
        (Backoff::Fixed, [100, 100, 100]),
        (Backoff::Linear, [100, 200, 300]),
        (Backoff::Exponential, [100, 200, 350]),
    ] {
        let (done, time) = took(
            alone(Flaky::new(3).settings(exactly(backoff, 4)))
                .run(7)
                .into_future(),
        )
        .await;
        assert_eq!(done.expect("the fourth attempt is fine").output, 7);
        assert_eq!(time, millis(waits.iter().sum()), "{backoff:?}");
        let (done, time) = took(
            alone(Flaky::new(9).settings(exactly(backoff, 4)))
                .run(7)
                .into_future(),
        )
        .await;
        let error = done.err().expect("four attempts fail");
        assert_eq!(error.failure().failed_steps[0].error.causes.len(), 4);
        assert_eq!(
            time,
            millis(waits.iter().sum()),
            "{backoff:?}: no wait after the last attempt"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_is_the_same_for_the_same_run() {
    let pipeline = alone(Flaky::new(4).settings(Settings::new().retries(4)));
    let mut times = Vec::new();
    for _ in 0..3 {
        let flaky = Flaky::new(4);
        let pipeline = alone(flaky.settings(Settings::new().retries(4)));
        let run = runner(Scripted::new())
            .start(&pipeline, 1)
            .await
            .expect("it starts");
        let (done, time) = took(run.done()).await;
        done.expect("the fifth attempt is fine");
        times.push(time);
    }
    assert!(times.iter().all(|time| *time == times[0]), "{times:?}");
    assert!(
        times[0] > Duration::ZERO && times[0] < secs(1 + 2 + 4 + 8),
        "{times:?}"
    );
    let (done, other) = took(pipeline.run(1).into_future()).await;
    done.expect("the fifth attempt is fine");
    assert_ne!(other, times[0], "another run draws another jitter");
}

#[tokio::test(start_paused = true)]
async fn the_pause_a_provider_asks_for_is_kept_and_counts_against_the_deadline() {
    let model = || {
        Scripted::new()
            .rule(Rule::error(ErrorKind::RateLimited).retry_after(secs(7)).times(1))
            .rule(Rule::reply("fine"))
    };
    let pipeline = |settings: Settings| {
        Pipeline::define("limited", |p, n: Out<u64>| {
            p.step(
                "ask",
                asks("openai/small")
                    .as_step(|n: u64| n.to_string())
                    .settings(settings),
                n,
            )
        })
        .expect("a pipeline")
    };
    let run = runner(model())
        .start(&pipeline(exactly(Backoff::Fixed, 2)), 1)
        .await
        .expect("it starts");
    let (done, time) = took(run.done()).await;
    assert_eq!(
        (done.expect("the second attempt is fine").output.as_str(), time),
        ("fine", secs(7))
    );
    let late = pipeline(exactly(Backoff::Fixed, 2).step_timeout(secs(5)));
    let run = runner(model()).start(&late, 1).await.expect("it starts");
    let (done, time) = took(run.done()).await;
    let error = done.err().expect("five seconds are less than seven");
    assert!(error.is_timeout());
    assert_eq!(time, secs(5));
}

#[tokio::test(start_paused = true)]
async fn fatal_errors_have_one_attempt() {
    for kind in [
        ErrorKind::BadRequest,
        ErrorKind::Authentication,
        ErrorKind::Budget,
        ErrorKind::SchemaMismatch,
    ] {
        let calls = Arc::new(AtomicU32::new(0));
        let counted = calls.clone();
        let step = from_fn(move |_cx, _n: u64| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move { Err::<u64, _>(StepError::of(kind, "no")) }
        });
        let error = alone(step.retries(5)).run(1).await.err().expect("it fails");
        assert_eq!((error.kind(), calls.load(Ordering::Relaxed)), (kind, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn another_step_stands_in_for_a_failed_one_and_rests_otherwise() {
    let pipeline = Pipeline::define("reserve", |p, n: Out<u64>| {
        let first = p.step("first", Flaky::new(1).on_error(OnError::Run("second".into())), n);
        p.step("second", from_fn(|_cx, n: u64| async move { Ok(n + 100) }), n);
        p.step("end", double, first)
    })
    .expect("a pipeline");
    let done = pipeline.run(1).await.expect("the reserve is fine");
    assert_eq!(done.output, 202);
    let rested = pipeline.run(1).await.expect("the second run needs no reserve");
    assert_eq!(rested.output, 2);
    assert_eq!(
        rested.view().step("second").map(|step| step.status),
        Some(StepStatus::Skipped)
    );
    let worse = Pipeline::define("worse", |p, n: Out<u64>| {
        let first = p.step("first", broken.on_error(OnError::Run("second".into())), n);
        p.step("second", broken, n);
        p.step("end", double, first)
    })
    .expect("a pipeline");
    let error = worse.run(1).await.err().expect("both fail");
    let failed: Vec<&str> = error
        .failure()
        .failed_steps
        .iter()
        .map(|step| step.step.as_str())
        .collect();
    assert_eq!(failed, ["first", "second"]);
    let faults = Pipeline::define("unknown", |p, n: Out<u64>| {
        p.step("first", broken.on_error(OnError::Run("nobody".into())), n)
    });
    assert!(
        faults
            .err()
            .expect("there is no such step")
            .to_string()
            .contains("nobody")
    );
}

#[test]
fn a_stand_in_that_waits_for_the_step_it_stands_in_for_is_a_cycle() {
    let ring = Pipeline::define("ring", |p, n: Out<u64>| {
        let first = p.step("first", broken.on_error(OnError::Run("last".into())), n);
        let middle = p.step("middle", double, first);
        p.step("last", double, middle)
    });
    let error = ring.err().expect("nobody could begin").to_string();
    assert!(error.contains("a cycle") && error.contains("`middle`"), "{error}");
    let reads_its_caller = Pipeline::define("direct", |p, n: Out<u64>| {
        let first = p.step("first", broken.on_error(OnError::Run("last".into())), n);
        p.step("last", double, first)
    });
    assert!(
        reads_its_caller.is_ok(),
        "a stand-in may read the step that failed"
    );
}

#[tokio::test(start_paused = true)]
async fn the_deadlines_of_attempt_step_and_run_hold_in_maps_and_nested_pipelines() {
    let slow = || {
        from_fn(|_cx, n: u64| async move {
            tokio::time::sleep(secs(n)).await;
            Ok(n)
        })
    };
    let map = |settings: Settings| {
        Pipeline::define("map", |p, n: Out<Vec<u64>>| {
            p.map("each", slow().max_parallel(1).settings(settings), n)
        })
        .expect("a pipeline")
    };
    let limits = |error: &segue::Error| {
        let limit = error.failure().limit.clone().expect("a deadline names its limit");
        (limit.name, limit.limit)
    };
    // The deadline of an attempt is over each item, that of the step over all of them.
    let (done, time) = took(
        map(Settings::new().timeout(secs(4)))
            .run(vec![3, 3, 3])
            .into_future(),
    )
    .await;
    assert_eq!(
        (done.expect("no item is late").output, time),
        (vec![3, 3, 3], secs(9))
    );
    let (done, time) = took(
        map(Settings::new().timeout(secs(2)))
            .run(vec![1, 3, 1])
            .into_future(),
    )
    .await;
    let error = done.err().expect("the second item is late");
    assert_eq!(
        (limits(&error), time),
        (("attempt".into(), "2000".into()), secs(3))
    );
    let (done, time) = took(
        map(Settings::new().step_timeout(secs(5)))
            .run(vec![3, 3, 3])
            .into_future(),
    )
    .await;
    let error = done.err().expect("the map is late");
    assert_eq!((limits(&error), time), (("step".into(), "5000".into()), secs(5)));
    let inner = Pipeline::define("inner", |p, n: Out<u64>| p.step("slow", slow(), n)).expect("a pipeline");
    let outer = Pipeline::define("outer", |p, n: Out<u64>| {
        p.step("nested", inner.step_timeout(secs(5)), n)
    })
    .expect("a pipeline");
    let (done, time) = took(outer.run(60).into_future()).await;
    assert_eq!(
        (limits(&done.err().expect("it is late")), time),
        (("step".into(), "5000".into()), secs(5))
    );
    let (done, time) = took(outer.run(60).timeout(secs(2)).into_future()).await;
    let error = done.err().expect("it is late");
    assert_eq!((limits(&error), time), (("run".into(), "2000".into()), secs(2)));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_items_of_maps_and_what_they_call() {
    let model = Scripted::new().rule(Rule::reply("late").delay(secs(600)));
    let pipeline = Pipeline::define("calls", |p, n: Out<Vec<u64>>| {
        p.map("each", asks("openai/small").as_step(|n: u64| n.to_string()), n)
    })
    .expect("a pipeline");
    let run = runner(model)
        .start(&pipeline, (0..5).collect())
        .await
        .expect("it starts");
    tokio::time::sleep(secs(1)).await;
    let (error, time) = took(async {
        assert!(run.cancel("me", None).await.expect("it is told"));
        run.done().await.err().expect("it was cancelled")
    })
    .await;
    assert_eq!(time, Duration::ZERO, "no item is waited for");
    assert!(error.is_cancelled());
    // What was sent may have been answered: it stays counted.
    assert_eq!(error.spent().usage.requests, 5);
    let view = run.view();
    assert_eq!(view.status(), RunStatus::Cancelled);
    assert!(view.all_steps().all(|step| step.status == StepStatus::Cancelled));
    assert_eq!(
        (*view.usage(), *view.cost()),
        (error.spent().usage, error.spent().cost)
    );
    let events = run.log().events().len();
    assert!(!run.cancel("me", None).await.expect("it is told"));
    assert_eq!(run.log().events().len(), events);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the bomb went off");
    }
}

#[tokio::test(start_paused = true)]
async fn panics_of_every_kind_are_failed_attempts() {
    let in_drop = from_fn(|_cx, n: u64| async move {
        let bomb = Bomb;
        tokio::time::sleep(secs(60)).await;
        std::mem::forget(bomb);
        Ok(n)
    });
    let error = alone(in_drop.timeout(secs(1)))
        .run(1)
        .await
        .err()
        .expect("its attempt panics");
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert!(error.to_string().contains("the bomb went off"), "{error}");
    let odd = from_fn(|_cx, n: u64| async move {
        if n > 0 {
            std::panic::panic_any(n);
        }
        Ok(n)
    });
    let error = alone(odd).run(1).await.err().expect("it panics");
    assert_eq!(error.kind(), ErrorKind::Panicked);
    let payload = from_fn(|_cx, n: u64| async move {
        tokio::time::sleep(secs(1)).await;
        if n > 0 {
            std::panic::panic_any(Bomb);
        }
        Ok(n)
    });
    let error = alone(payload)
        .run(1)
        .await
        .err()
        .expect("it panics, and so does what it panics with");
    assert_eq!(error.kind(), ErrorKind::Panicked);
    let early = from_fn(|_cx, n: u64| {
        assert!(n == 0, "before there is a future");
        async move { Ok(n) }
    });
    let error = alone(early).run(1).await.err().expect("it panics");
    assert!(error.to_string().contains("before there is a future"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_ignores_its_abort_is_left_behind_after_the_grace() {
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let (went, gone) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let blocks = from_fn(move |cx: Cx, n: u64| {
        let (held, went) = (held.clone(), went.clone());
        async move {
            tokio::task::yield_now().await;
            // Holds its thread until the run is over.
            held.lock().expect("nobody else waits").recv().ok();
            cx.note("too late");
            went.send(()).ok();
            Ok(n)
        }
    });
    let run = runner(Scripted::new())
        .start(&alone(blocks), 1)
        .await
        .expect("it starts");
    while !run
        .log()
        .events()
        .iter()
        .any(|event| event.name() == "attempt.started")
    {
        tokio::task::yield_now().await;
    }
    assert!(run.cancel("me", None).await.expect("it is told"));
    let error = run.done().await.err().expect("it was cancelled");
    assert!(error.is_cancelled());
    let events = run.log().events();
    let_go.send(()).expect("the attempt is still there");
    gone.recv().expect("it says when it goes");
    assert_eq!(run.log().events(), events, "nothing is written after the end");
}

#[tokio::test(start_paused = true)]
async fn live_and_replayed_events_are_the_same_and_so_are_their_views() {
    let model = Scripted::new()
        .rule(Rule::error(ErrorKind::Provider).times(1))
        .rule(Rule::reply("fine").delay(millis(30)));
    let inner = Pipeline::define("inner", |p, n: Out<u64>| {
        let text = p.step(
            "ask",
            asks("openai/small").as_step(|n: u64| n.to_string()).retries(2),
            n,
        );
        p.step(
            "length",
            from_fn(|_cx, text: String| async move { Ok(text.len() as u64) }),
            text,
        )
    })
    .expect("a pipeline");
    let pipeline = Pipeline::define("outer", |p, list: Out<Vec<u64>>| {
        let lengths = p.map("each", inner, list);
        let more = p.step(
            "more",
            from_fn(|cx: Cx, _: Vec<u64>| async move { cx.ask::<u64>("more?").await }),
            lengths,
        );
        p.step("bad", broken.on_error(OnError::Skip), more)
    })
    .expect("a pipeline");
    let run = runner(model)
        .start(&pipeline, vec![1, 2, 3])
        .await
        .expect("it starts");
    let mut live = run.events();
    let watching = async {
        let mut seen = Vec::new();
        while let Some(event) = live.next().await {
            seen.push(event);
        }
        seen
    };
    let answering = async {
        run.outcome().await.expect("it waits");
        run.answer(run.questions()[0].id, 4, "me")
            .await
            .expect("a number fits");
        run.done().await.err()
    };
    let (seen, _) = tokio::join!(watching, answering);
    let events = run.log().events();
    assert_eq!(seen, events);
    assert!(
        events.iter().zip(1..).all(|(event, seq)| event.seq == seq),
        "numbers have no gaps"
    );
    assert_eq!(events.iter().filter(|event| event.is_terminal()).count(), 1);
    assert!(events.last().is_some_and(segue::Event::is_terminal));
    let mut folded = RunView::new(Some(pipeline.plan().clone()));
    seen.iter().for_each(|event| folded.apply(event));
    let as_json = |view: &RunView| serde_json::to_value(view).expect("a view is JSON");
    assert_eq!(as_json(&folded), as_json(&run.view()));
    let text = serde_json::to_string(&events).expect("events are JSON");
    let read: Vec<segue::Event> = serde_json::from_str(&text).expect("and read back");
    let replayed = RunView::replay(Some(pipeline.plan().clone()), &read);
    assert_eq!(replayed.status(), run.view().status());
    assert_eq!(replayed.usage(), run.view().usage());
}
