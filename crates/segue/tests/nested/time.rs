//! `timeout` of a nested pipeline, and `timeout` of the step that runs one.

use segue::{Cx, ErrorKind, IntoStep, OnError, Out, Outcome, Pipeline, Runner, StepStatus, from_fn, secs};
use serde_json::json;

use crate::{Takes, file, now, registry};

/// A step of so many seconds, under the deadline of its pipeline.
fn slow(seconds: u64, timeout: Option<u64>) -> Pipeline<u64, u64> {
    Pipeline::define("slow", |p, n| {
        if let Some(timeout) = timeout {
            p.timeout(secs(timeout));
        }
        p.step("work", Takes(secs(seconds)), n)
    })
    .expect("a pipeline")
}

fn around<M, S: IntoStep<M, In = u64, Out = u64>>(step: S) -> Pipeline<u64, u64> {
    Pipeline::define("around", |p, n| p.step("inner", step, n)).expect("a pipeline")
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_pipeline_holds_within_another_run() {
    let began = now();
    around(slow(3, Some(4)).retries(0))
        .run(1)
        .await
        .expect("it is in time");
    assert_eq!(
        began.elapsed(),
        secs(3),
        "nothing is left that waits for the deadline"
    );
    let began = now();
    let late = around(slow(30, Some(4)).retries(0)).run(1).await;
    let error = late.err().expect("it is late");
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Timeout, secs(4)));
    let failed = &error.failure().failed_steps[0];
    assert_eq!(
        failed.error.message,
        "step `inner`: pipeline `slow` did not end within 4s"
    );
    assert_eq!(
        failed.error.hints,
        ["raise the `timeout` of that pipeline"],
        "it says whose deadline it was"
    );
}

#[tokio::test(start_paused = true)]
async fn it_begins_anew_with_each_attempt_of_the_step_around_it() {
    let began = now();
    let step = slow(30, Some(4)).settings(
        segue::Settings::new()
            .retries(2)
            .backoff(segue::Backoff::None)
            .on_error(OnError::Use(segue::Value::json(json!(7)))),
    );
    let done = around(step).run(1).await.expect("the author decides");
    assert_eq!((done.output, began.elapsed()), (7, secs(12)));
    let view = done.view();
    let inner = view.step("inner").expect("it has a record");
    assert_eq!((inner.status, inner.attempts.len()), (StepStatus::Succeeded, 3));
    let work = view.step("inner/work").expect("it has a record");
    assert_eq!(work.status, StepStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_people_does_not_count() {
    let ask = from_fn(|cx: Cx, n: u64| async move { Ok(n + cx.ask::<u64>("how many?").await?) });
    let inner = Pipeline::define("inner", |p, n| {
        p.timeout(secs(5));
        let asked = p.step("ask", ask, n);
        p.step("work", Takes(secs(4)), asked)
    });
    let outer = Pipeline::define("outer", |p, n| {
        p.step("inner", inner.expect("a pipeline").timeout(secs(6)), n)
    });
    let runner = Runner::builder().build().expect("a runner");
    let run = runner
        .start(&outer.expect("a pipeline"), 1)
        .await
        .expect("it starts");
    let Outcome::Waiting(question) = run.outcome().await.expect("it rests") else {
        panic!("it should wait")
    };
    tokio::time::sleep(secs(3600)).await;
    run.answer(question.id, json!(2), "me").await.expect("it fits");
    let began = now();
    assert_eq!(run.done().await.expect("it is in time").output, 3);
    assert_eq!(began.elapsed(), secs(4));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_an_attempt_is_over_the_pipeline_it_runs() {
    let began = now();
    let late = around(
        slow(30, None)
            .timeout(secs(2))
            .retries(1)
            .backoff(segue::Backoff::None),
    );
    let error = late.run(1).await.err().expect("it is late twice");
    assert_eq!((error.kind(), began.elapsed()), (ErrorKind::Timeout, secs(4)));
    let failed = &error.failure().failed_steps[0];
    assert_eq!(
        failed.error.message,
        "step `inner` did not answer within 2000ms in attempt 2"
    );
    let began = now();
    around(slow(1, None).timeout(secs(2)))
        .run(1)
        .await
        .expect("it is in time");
    assert_eq!(began.elapsed(), secs(1));
}

#[tokio::test(start_paused = true)]
async fn it_is_over_each_item_of_a_map_by_itself() {
    let each = Pipeline::define("each", |p, list: Out<Vec<u64>>| {
        let item = Pipeline::define("item", |p, n| {
            let wait = from_fn(|_cx, n: u64| async move {
                tokio::time::sleep(secs(n)).await;
                Ok(n)
            });
            p.step("wait", wait, n)
        });
        let item = item.expect("a pipeline");
        p.map("each", item.timeout(secs(3)).max_parallel(1).keep_errors(), list)
    });
    let began = now();
    let done = each
        .expect("a pipeline")
        .run(vec![2, 9, 1])
        .await
        .expect("errors are kept");
    let kinds: Vec<_> = done
        .output
        .iter()
        .map(|item| item.error().map(|error| error.kind))
        .collect();
    assert_eq!(kinds, [None, Some(ErrorKind::Timeout), None]);
    assert_eq!(began.elapsed(), secs(2 + 3 + 1));
}

#[tokio::test(start_paused = true)]
async fn both_hold_for_files() {
    let inner = |timeout: &str| {
        format!("version: 1\nname: inner\n{timeout}steps: {{ a: {{ tool: wait, with: {{ ms: 9000 }} }} }}\n")
    };
    let main = |timeout: &str| {
        format!("version: 1\nname: main\nsteps: {{ s: {{ pipeline: inner.yaml{timeout} }} }}\n")
    };
    let fallback = "version: 1\nname: main\nsteps: { s: { set: '{{ 1 / 0 }}' } }\non_failure: { pipeline: inner.yaml }\n";
    for (main, inner, expected, says) in [
        (main(""), inner(""), 9, None),
        (
            main(""),
            inner("timeout: 2s\n"),
            2,
            Some("pipeline `inner` did not end within 2s"),
        ),
        (
            main(", timeout: 3s"),
            inner(""),
            3,
            Some("step `s` did not answer within 3000ms"),
        ),
        (
            main(", timeout: 3s"),
            inner("timeout: 2s\n"),
            2,
            Some("pipeline `inner` did not end within 2s"),
        ),
        (fallback.to_owned(), inner(""), 9, None),
        (
            fallback.to_owned(),
            inner("timeout: 2s\n"),
            2,
            Some("number_range"),
        ),
    ] {
        let files = [("main.yaml", main.clone()), ("inner.yaml", inner.clone())];
        let began = now();
        let run = file(&registry(), &files).run(json!({})).await;
        assert_eq!(began.elapsed(), secs(expected), "{main}{inner}");
        match says {
            None => assert!(run.is_ok(), "{main}{inner}"),
            Some("number_range") => {
                let error = run.err().expect("its fallback is late");
                let causes: Vec<_> = error
                    .failure()
                    .causes
                    .iter()
                    .map(|cause| cause.message.as_str())
                    .collect();
                assert_eq!(
                    error.kind(),
                    ErrorKind::NumberRange,
                    "what failed first stays the failure"
                );
                assert_eq!(causes, ["pipeline `inner` did not end within 2s"]);
            }
            Some(says) => {
                let error = run.err().expect("it is late");
                assert_eq!(error.kind(), ErrorKind::Timeout);
                assert!(error.to_string().contains(says), "{error}");
            }
        }
    }
}
