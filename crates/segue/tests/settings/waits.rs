//! Waits between attempts: back-off, its cap, its jitter, and the policies that say so.

use std::time::Duration;

use segue::{
    Backoff, Cx, IntoStep, Out, Pipeline, Result, RetryLayer, Settings, StepError, from_fn, millis, secs,
};

/// How long a step takes that succeeds in its fifth attempt and does nothing else but wait.
async fn waited(settings: Settings) -> Duration {
    let step = from_fn(|cx: Cx, n: u64| async move {
        if cx.attempt() < 5 {
            Err(StepError::again("not yet"))
        } else {
            Ok(n)
        }
    });
    let pipeline = crate::one(step.settings(settings));
    let began = crate::now();
    pipeline.run(1).await.expect("the fifth attempt succeeds");
    began.elapsed()
}

fn policy(backoff: Backoff) -> RetryLayer {
    RetryLayer {
        max_attempts: Some(5),
        backoff: Some(backoff),
        delay: Some(secs(2)),
        jitter: Some(false),
        ..RetryLayer::default()
    }
}

#[tokio::test(start_paused = true)]
async fn backoff_delay_and_max_delay() {
    for (backoff, expected) in [
        (Backoff::None, 0),
        (Backoff::Fixed, 2 + 2 + 2 + 2),
        (Backoff::Linear, 2 + 4 + 6 + 8),
        (Backoff::Exponential, 2 + 4 + 8 + 16),
    ] {
        assert_eq!(
            waited(Settings::new().retry(policy(backoff))).await,
            secs(expected),
            "{backoff:?}"
        );
    }
    let capped = RetryLayer {
        max_delay: Some(secs(5)),
        ..policy(Backoff::Exponential)
    };
    assert_eq!(waited(Settings::new().retry(capped)).await, secs(2 + 4 + 5 + 5));
    let fixed = Settings::new()
        .retry(policy(Backoff::Exponential))
        .backoff(Backoff::Fixed);
    assert_eq!(waited(fixed).await, secs(8), "the setter is laid over the policy");
    let step = from_fn(|cx: Cx, n: u64| async move {
        if cx.attempt() < 2 {
            Err(StepError::again("not yet"))
        } else {
            Ok(n)
        }
    });
    let began = crate::now();
    crate::one(step.backoff(Backoff::None).retries(1))
        .run(1)
        .await
        .expect("it succeeds");
    assert_eq!(began.elapsed(), secs(0));
}

#[tokio::test(start_paused = true)]
async fn jitter_is_on_unless_it_is_switched_off() {
    let drawn = RetryLayer {
        jitter: None,
        ..policy(Backoff::Fixed)
    };
    let mut times = Vec::new();
    for _ in 0..8 {
        let time = waited(Settings::new().retry(drawn.clone())).await;
        assert!(time < secs(8), "a drawn wait is shorter than the whole: {time:?}");
        times.push(time);
    }
    times.dedup();
    assert!(times.len() > 1, "other runs wait other times: {times:?}");
}

#[tokio::test(start_paused = true)]
async fn named_policies_are_found_by_step_then_by_asking_then_by_default() {
    let again = |cx: Cx, n: u64| async move {
        if cx.attempt() > 9 {
            Ok(n)
        } else {
            Err(StepError::again("not yet"))
        }
    };
    let attempts = |n| RetryLayer {
        max_attempts: Some(n),
        backoff: Some(Backoff::None),
        ..RetryLayer::default()
    };
    let made = |names: &'static [(&'static str, u32)], asks: bool| async move {
        let pipeline = Pipeline::define("policies", |p, n: Out<u64>| {
            for (name, n) in names {
                p.policy(*name, attempts(*n));
            }
            let settings = if asks {
                Settings::new().policy("review")
            } else {
                Settings::new()
            };
            p.step("draft", from_fn(again).settings(settings), n)
        })
        .expect("a pipeline");
        let error = pipeline.run(1).await.err().expect("it never succeeds");
        error.failure().failed_steps[0].error.causes.len().max(1)
    };
    assert_eq!(made(&[], false).await, 1);
    assert_eq!(made(&[("default", 2), ("review", 3)], false).await, 2);
    assert_eq!(made(&[("default", 2), ("review", 3)], true).await, 3);
    assert_eq!(
        made(&[("default", 2), ("review", 3), ("draft", 4)], true).await,
        4
    );
}

#[tokio::test(start_paused = true)]
async fn a_wait_counts_against_the_deadline_of_the_step() {
    async fn again(_cx: Cx, _n: u64) -> Result<u64> {
        Err(StepError::again("not yet"))
    }
    let settings = Settings::new()
        .retry(policy(Backoff::Fixed))
        .step_timeout(millis(4500));
    let began = crate::now();
    let error = crate::one(again.settings(settings))
        .run(1)
        .await
        .err()
        .expect("it is late");
    assert!(error.is_timeout());
    assert_eq!(began.elapsed(), millis(4500));
}
