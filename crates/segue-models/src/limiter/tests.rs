//! In virtual time: a thousand callers, and never more in any minute than is allowed.

use std::sync::Mutex;
use std::time::Duration;

use segue::Usage;
use segue::model::{From, Listener, Message, Role};
use segue::plan::ModelSettings;
use tokio::task::JoinSet;

use super::window::MINUTE;
use super::*;

fn request(max_tokens: u32, after: Option<ErrorKind>) -> Request {
    Request {
        messages: vec![Message::new(Role::User, "Go.")],
        output: None,
        tools: Vec::new(),
        settings: ModelSettings {
            max_tokens: Some(max_tokens),
            ..ModelSettings::default()
        },
        idempotency_key: String::new(),
        from: From {
            after,
            ..From::default()
        },
        listener: Listener::default(),
    }
}

fn used(input_tokens: u64, output_tokens: u64) -> Result<Response, Failure> {
    let usage = Some(Usage {
        input_tokens,
        output_tokens,
        ..Usage::default()
    });
    Ok(Response {
        usage,
        ..Response::text("ok")
    })
}

fn failed(kind: ErrorKind, retry_after: Option<u64>) -> Result<Response, Failure> {
    let mut failure = Failure::new(kind, "no");
    failure.retry_after_ms = retry_after;
    Err(failure)
}

async fn enter(limiter: &Limiter) -> Box<dyn Pass> {
    let passed = limiter.enter(&request(100, None), &|_| ()).await;
    passed
        .map_err(|failure| failure.message)
        .expect("it is let through")
}

async fn refused(limiter: &Limiter, after: Option<ErrorKind>) -> Option<Failure> {
    limiter.enter(&request(100, after), &|_| ()).await.err()
}

/// What one caller saw: its place, when it was let through and back, and what it was told.
type Seen = (usize, Instant, Instant, Vec<Wait>);

/// So many callers, all at once; each call takes so long and is given back with this.
async fn crowd(
    limits: Limits,
    callers: usize,
    takes: Duration,
    result: fn() -> Result<Response, Failure>,
) -> Vec<Seen> {
    let limiter = Limiter::new("openai", limits);
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let limiter = limiter.clone();
        tasks.spawn(async move {
            let told = Mutex::new(Vec::new());
            let request = request(100, None);
            let pass = limiter
                .enter(&request, &|wait| told.lock().expect("a list").push(wait))
                .await;
            let sent = clock::now();
            tokio::time::sleep(takes).await;
            let Ok(pass) = pass else {
                panic!("caller {caller} is refused")
            };
            pass.back(&result());
            (caller, sent, clock::now(), told.into_inner().expect("a list"))
        });
    }
    let mut seen = tasks.join_all().await;
    seen.sort_by_key(|(caller, ..)| *caller);
    assert_eq!(seen.len(), callers, "nobody starves");
    let state = limiter.0.state();
    assert_eq!((state.waiting, state.under_way), (0, 0));
    seen
}

/// The most that were sent in any sixty seconds.
fn densest(seen: &[Seen]) -> usize {
    let sent: Vec<Instant> = seen.iter().map(|(_, sent, ..)| *sent).collect();
    let within = |from: &Instant| {
        sent.iter()
            .filter(|at| *at >= from && **at < *from + MINUTE)
            .count()
    };
    sent.iter().map(within).max().unwrap_or(0)
}

fn is_in_order(seen: &[Seen]) -> bool {
    seen.windows(2).all(|pair| pair[0].1 <= pair[1].1)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_keep_to_the_requests_of_a_minute_and_to_their_order() {
    let began = clock::now();
    let limits = Limits {
        requests_per_minute: Some(90),
        ..Limits::default()
    };
    let seen = crowd(limits, 1000, Duration::from_secs(3), || used(10, 10)).await;
    assert_eq!(densest(&seen), 90);
    assert!(is_in_order(&seen));
    // Nothing of what is allowed is lost either: 90 at once, and 90 more each minute.
    assert_eq!(seen[999].1 - began, MINUTE * 11);
    for (caller, sent, _, told) in &seen {
        let waited = *sent - began;
        if *caller < 90 {
            assert!(waited.is_zero() && told.is_empty(), "caller {caller}: {told:?}");
            continue;
        }
        let first = told.first().expect("whoever waits is told");
        assert_eq!(first.reason, WaitReason::RateLimit);
        let at_least = first.at_least.expect("it is known");
        assert!(
            !at_least.is_zero() && at_least <= waited,
            "caller {caller}: {at_least:?} of {waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_keep_to_the_calls_under_way() {
    let limits = Limits {
        max_concurrent: Some(7),
        ..Limits::default()
    };
    let began = clock::now();
    let seen = crowd(limits, 1000, Duration::from_secs(2), || used(10, 10)).await;
    assert!(is_in_order(&seen));
    for (_, at, ..) in &seen {
        let under_way = seen
            .iter()
            .filter(|(_, sent, back, _)| sent <= at && back > at)
            .count();
        assert!(under_way <= 7, "{under_way} at once");
    }
    assert_eq!(seen[999].2 - began, Duration::from_secs(2) * 1000_u32.div_ceil(7));
}

#[tokio::test(start_paused = true)]
async fn tokens_are_reserved_at_most_and_corrected_by_what_was_used() {
    let one = request(100, None).input_tokens() + 100;
    let limits = Limits {
        tokens_per_minute: Some(10 * one),
        ..Limits::default()
    };
    let began = clock::now();
    // Each uses all it reserved: ten a minute.
    let all = crowd(limits, 40, Duration::from_secs(1), || used(10, 10_000_000)).await;
    assert!(is_in_order(&all));
    let minutes = |seen: &[Seen]| (seen[seen.len() - 1].1 - began).as_secs() / 60;
    assert!(minutes(&all) >= 3, "{}", minutes(&all));
    // Each uses a tenth: what it did not use others have at once.
    let began = clock::now();
    let tenth = crowd(limits, 40, Duration::from_secs(1), || used(1, 10)).await;
    assert!(
        tenth[39].1 - began < Duration::from_secs(10),
        "{:?}",
        tenth[39].1 - began
    );
    // One that is larger than the limit has a minute to itself, and does not wait for ever.
    let limiter = Limiter::new("openai", limits);
    drop(enter(&limiter).await);
    let began = clock::now();
    let large = limiter.enter(&request(1_000_000, None), &|_| ()).await;
    assert!(large.is_ok());
    assert_eq!(clock::now() - began, MINUTE);
}

#[tokio::test(start_paused = true)]
async fn what_a_provider_asks_for_holds_every_call_to_its_key() {
    let limiter = Limiter::new("openai", Limits::default());
    let (first, second) = (enter(&limiter).await, enter(&limiter).await);
    first.back(&failed(ErrorKind::RateLimited, Some(7_000)));
    let began = clock::now();
    let told = Mutex::new(Vec::new());
    let request = request(100, None);
    let third = limiter
        .enter(&request, &|wait| told.lock().expect("a list").push(wait))
        .await;
    assert_eq!(clock::now() - began, Duration::from_secs(7));
    let expected = Wait {
        reason: WaitReason::RetryAfter,
        at_least: Some(Duration::from_secs(7)),
    };
    assert_eq!(*told.lock().expect("a list"), [expected]);
    // Another key is another limiter, and waits for nobody.
    let other = Limiter::new("openai", Limits::default());
    let began = clock::now();
    drop(enter(&other).await);
    assert_eq!(clock::now(), began);
    // Without a time it is short at first; what was under way before says nothing new, and an answer ends it.
    second.back(&failed(ErrorKind::RateLimited, None));
    assert_eq!(waited(&limiter).await, Duration::ZERO);
    if let Ok(pass) = third {
        pass.back(&failed(ErrorKind::RateLimited, None));
    }
    assert_eq!(
        waited(&limiter).await,
        Duration::from_secs(2),
        "the second in a row"
    );
    enter(&limiter).await.back(&used(1, 1));
    enter(&limiter).await.back(&failed(ErrorKind::RateLimited, None));
    assert_eq!(
        waited(&limiter).await,
        Duration::from_secs(1),
        "the first after an answer"
    );
    // One that no attempt can wait for is the call's own error, and holds nobody.
    let mut absurd = Failure::new(ErrorKind::RateLimited, "come back in a year");
    (absurd.retryable, absurd.retry_after_ms) = (false, Some(31_536_000_000));
    enter(&limiter).await.back(&Err(absurd));
    assert_eq!(waited(&limiter).await, Duration::ZERO);
}

/// How long a call waits now.
async fn waited(limiter: &Limiter) -> Duration {
    let began = clock::now();
    drop(enter(limiter).await);
    clock::now() - began
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_line_or_loses_its_call_takes_nothing_along() {
    let limits = Limits {
        max_concurrent: Some(1),
        ..Limits::default()
    };
    let limiter = Limiter::new("openai", limits);
    let under_way = enter(&limiter).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let limiter = limiter.clone();
        tasks.spawn(async move { drop(enter(&limiter).await) });
    }
    tokio::task::yield_now().await;
    assert_eq!(limiter.0.state().waiting, 20);
    tasks.shutdown().await;
    assert_eq!(limiter.0.state().waiting, 0, "their places are free");
    drop(under_way);
    assert_eq!(
        limiter.0.state().under_way,
        0,
        "so is that of a call that was cut off"
    );
    assert_eq!(waited(&limiter).await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn once_there_were_fifty_calls_a_fifth_may_repeat_failed_ones() {
    let limiter = Limiter::new("openai", Limits::default());
    let after = Some(ErrorKind::Provider);
    for _ in 0..40 {
        enter(&limiter).await.back(&used(1, 1));
    }
    for _ in 0..10 {
        assert!(
            refused(&limiter, after).await.is_none(),
            "there were too few to tell"
        );
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    let refusal = refused(&limiter, after).await.expect("10 of 50 are a fifth");
    assert_eq!((refusal.kind, refusal.retryable), (ErrorKind::Provider, true));
    assert_eq!(
        refusal.retry_after_ms,
        Some(50_000),
        "when the first of them is a minute old"
    );
    assert!(refused(&limiter, None).await.is_none(), "a first try is none");
    assert!(
        refused(&limiter, Some(ErrorKind::OutputInvalid)).await.is_none(),
        "nor is a better answer"
    );
    for _ in 0..3 {
        enter(&limiter).await.back(&used(1, 1));
    }
    assert!(refused(&limiter, after).await.is_none(), "11 of 56 are less");
    tokio::time::sleep(MINUTE).await;
    assert!(refused(&limiter, after).await.is_none(), "a minute is over");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_fails_again_and_again_is_left_alone_and_then_asked_once() {
    let limiter = Limiter::new("openai", Limits::default());
    for _ in 0..9 {
        enter(&limiter).await.back(&failed(ErrorKind::Provider, None));
        enter(&limiter).await.back(&failed(ErrorKind::BadRequest, None));
    }
    let late = enter(&limiter).await;
    enter(&limiter).await.back(&failed(ErrorKind::Network, None));
    let refusal = refused(&limiter, None).await.expect("ten of nineteen");
    assert_eq!((refusal.kind, refusal.retryable), (ErrorKind::Provider, true));
    assert_eq!(refusal.retry_after_ms, Some(10_000));
    assert_eq!(refusal.limit.map(|limit| limit.name).as_deref(), Some("circuit"));
    late.back(&used(1, 1));
    assert!(
        refused(&limiter, None).await.is_some(),
        "what was sent before says nothing"
    );
    tokio::time::sleep(Duration::from_secs(10)).await;
    let probe = enter(&limiter).await;
    assert!(refused(&limiter, None).await.is_some(), "one tries");
    probe.back(&failed(ErrorKind::Provider, None));
    let refusal = refused(&limiter, None).await.expect("it still fails");
    assert_eq!(refusal.retry_after_ms, Some(20_000));
    tokio::time::sleep(Duration::from_secs(20)).await;
    drop(enter(&limiter).await);
    let probe = enter(&limiter).await;
    probe.back(&used(1, 1));
    for _ in 0..5 {
        assert!(refused(&limiter, None).await.is_none(), "it works again");
    }
    // Too many requests are no fault of the provider.
    for _ in 0..30 {
        enter(&limiter).await.back(&failed(ErrorKind::RateLimited, None));
    }
    assert!(refused(&limiter, None).await.is_none());
}
