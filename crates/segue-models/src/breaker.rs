//! The breaker: a provider that fails again and again is left alone for a while, and then asked once.
//!
//! It knows outcomes only: errors of the provider and of the way to it are trouble; an answer, a refused key or a request
//! that was wrong show that it works, and a 429 is the limiter's. It decides about nothing but letting a call through.

use std::collections::VecDeque;
use std::time::Duration;

use segue::model::{CIRCUIT, Response};
use segue::{ErrorKind, Failure};
use tokio::time::Instant;

use crate::limiter::millis;

/// How far back outcomes count.
const BACK: Duration = Duration::from_secs(60);
/// So many failures, and at least half of all outcomes: fewer could be the bad luck of one run.
const FAILURES: usize = 10;
/// How long it is left alone, doubled whenever it fails again, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(120));
/// When calls are tried again that came while one was trying.
const TRYING: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// When calls ended, and whether in trouble.
    outcomes: VecDeque<(Instant, bool)>,
    failures: usize,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    until: Instant,
    pause: Duration,
    /// One call tries whether it works again.
    is_trying: bool,
}

/// Whether an error means that a provider, or the way to it, is in trouble.
pub(crate) fn is_trouble(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Provider | ErrorKind::Network | ErrorKind::Timeout | ErrorKind::RateLimited
    )
}

/// The error of a call that was not let through.
pub(crate) fn refusal(provider: &str, again: Duration) -> Failure {
    let message = format!(
        "`{provider}` fails again and again and is left alone; it is tried again in {}s",
        again.as_secs_f64().ceil()
    );
    let mut failure = Failure::new(ErrorKind::Provider, message)
        .limit(CIRCUIT, "failures", FAILURES)
        .hint("give the agent a list of models, and the next one is asked meanwhile");
    failure.retry_after_ms = Some(millis(again));
    failure
}

impl Breaker {
    /// How long calls are refused; none when they are not.
    pub(crate) fn refuses(&self, now: Instant) -> Option<Duration> {
        let open = self.open.as_ref()?;
        if now < open.until {
            return Some(open.until - now);
        }
        open.is_trying.then_some(TRYING)
    }

    /// A call is let through. Gives whether it is the one that tries.
    pub(crate) fn let_through(&mut self, now: Instant) -> bool {
        match &mut self.open {
            Some(open) if now >= open.until => !std::mem::replace(&mut open.is_trying, true),
            _ => false,
        }
    }

    /// A call has ended; without a result nobody knows how.
    pub(crate) fn heard(&mut self, is_probe: bool, result: Option<&Result<Response, Failure>>, now: Instant) {
        let failed = match result {
            None => None,
            Some(Err(failure)) if failure.kind == ErrorKind::RateLimited => Some(false),
            Some(Err(failure)) if failure.kind == ErrorKind::Offline => None,
            Some(Err(failure)) => Some(is_trouble(failure.kind)),
            Some(Ok(_)) => Some(false),
        };
        if let Some(open) = &mut self.open {
            match (is_probe, failed) {
                (true, Some(false)) => *self = Self::default(),
                (true, Some(true)) => {
                    let pause = (open.pause * 2).min(PAUSE.1);
                    *open = Open::new(now, pause);
                }
                (true, None) => open.is_trying = false,
                // It was sent before, and says what is known.
                (false, _) => {}
            }
            return;
        }
        let Some(failed) = failed else { return };
        self.outcomes.push_back((now, failed));
        self.failures += usize::from(failed);
        while let Some((_, failed)) = self.outcomes.pop_front_if(|(at, _)| now >= *at + BACK) {
            self.failures -= usize::from(failed);
        }
        if self.failures >= FAILURES && self.failures * 2 >= self.outcomes.len() {
            self.outcomes.clear();
            self.failures = 0;
            self.open = Some(Open::new(now, PAUSE.0));
        }
    }
}

impl Open {
    fn new(now: Instant, pause: Duration) -> Self {
        Self {
            until: now + pause,
            pause,
            is_trying: false,
        }
    }
}
