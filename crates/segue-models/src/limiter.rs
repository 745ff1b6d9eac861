//! The limiter of one key of one provider: what all runs of a process go through before they ask it.
//!
//! Three limits are the operator's: requests and tokens in any sixty seconds, and calls under way. A fourth is the
//! provider's: when it asks to wait, every call to that key waits. Calls pass in the order in which they came; only the
//! first of the line looks at the limits, so a thousand that wait cost nothing. Two more limits protect a provider that is in
//! trouble: a [breaker](crate::breaker), and a share of calls that may repeat failed ones. A limiter repeats nothing itself:
//! exactly one layer does, the policy of the step, and waits out what it is told here.
//!
//! `governor` was looked at for the rates and not taken. Its bucket lets through up to twice the limit in a minute (a full
//! bucket, and what flows in meanwhile), cannot take back tokens that were reserved and not used, and has no line: whoever
//! asks at the right moment passes those who wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use segue::model::{Gate, Pass, Request, Response, Told, Wait, WaitReason};
use segue::{ErrorKind, Failure};
use tokio::sync::{Mutex as Line, Notify};
use tokio::time::{Instant, timeout_at};

use crate::breaker::{self, Breaker};
use crate::clock;

mod window;

use window::Window;

/// How long a key rests after a 429 that does not say for how long, doubled each time that follows, and at most.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The longest rest that a provider can ask for; what is beyond is no rest but a refusal, and the call says so itself.
const MOST_REST: Duration = Duration::from_secs(3600);
/// Once there were so many calls in a minute, at most this share of them may repeat failed ones.
const REPEATS: (usize, usize) = (50, 20);
/// How long a key that was refused for a model is not tried with it again: whoever replaces it does not wait, as it is another.
const REJECTED: Duration = Duration::from_secs(30);
/// A token count beyond this is no token count.
const MOST_TOKENS: u64 = 10_000_000;

/// What the operator allows for one key of a provider; nothing is limited where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most requests in any sixty seconds.
    pub requests_per_minute: Option<u32>,
    /// Most tokens in any sixty seconds: input and the most output of calls under way, and what those used that are done.
    pub tokens_per_minute: Option<u64>,
    /// Most calls under way at once.
    pub max_concurrent: Option<u32>,
}

/// A limiter. Cheap to clone; a clone is the same limiter.
#[derive(Clone)]
pub struct Limiter(Arc<Shared>);

struct Shared {
    /// The provider, for messages.
    provider: String,
    /// Where calls stand one behind the other: only the first looks at the limits.
    line: Line<()>,
    /// Whoever is first in the line looks again.
    changed: Notify,
    state: Mutex<State>,
}

struct State {
    limits: Limits,
    window: Window,
    under_way: u32,
    /// Calls in the line, the first included.
    waiting: usize,
    rest: Rest,
    breaker: Breaker,
    /// Models for which the provider has refused the key, and until when that is taken as its answer.
    rejected: BTreeMap<String, Instant>,
}

/// The rest that a provider has asked for.
#[derive(Default)]
struct Rest {
    until: Option<Instant>,
    /// When it was last asked for, and how many times in a row.
    asked: Option<Instant>,
    times: u32,
}

/// A call that was let through. Whoever drops it without an outcome frees its place all the same.
struct Through {
    shared: Arc<Shared>,
    model: String,
    /// Its number in the window.
    number: u64,
    sent: Instant,
    /// Whether its outcome decides if the provider is asked again.
    is_probe: bool,
    is_back: bool,
}

impl Limiter {
    /// A limiter for one key of a provider.
    #[must_use]
    pub fn new(provider: impl Into<String>, limits: Limits) -> Self {
        Self(Arc::new(Shared {
            provider: provider.into(),
            line: Line::new(()),
            changed: Notify::new(),
            state: Mutex::new(State {
                limits,
                window: Window::default(),
                under_way: 0,
                waiting: 0,
                rest: Rest::default(),
                breaker: Breaker::default(),
                rejected: BTreeMap::new(),
            }),
        }))
    }

    /// Sets other limits, which hold from now on.
    pub fn set(&self, limits: Limits) {
        self.0.state().limits = limits;
        self.0.changed.notify_one();
    }

    /// Waits until a request to a model may be sent.
    pub(crate) fn admit<'a>(
        &'a self,
        model: &'a str,
        request: &'a Request,
        told: Told<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn Pass>, Failure>> {
        async move {
            let through = Entering::new(&self.0, model, request, told).through().await?;
            Ok(Box::new(through) as Box<dyn Pass>)
        }
        .boxed()
    }

    /// Tells limiters apart.
    #[cfg(test)]
    pub(crate) fn address(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }
}

impl Gate for Limiter {
    fn enter<'a>(
        &'a self,
        request: &'a Request,
        told: Told<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn Pass>, Failure>> {
        self.admit("", request, told)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call on its way through. When it is dropped its place in the line is free.
struct Entering<'a> {
    shared: &'a Arc<Shared>,
    model: &'a str,
    told: Told<'a>,
    /// What it was told last.
    reason: Option<WaitReason>,
    tokens: u64,
    is_repeat: bool,
}

/// What the first of the line finds.
enum Found {
    Open { number: u64, is_probe: bool },
    Shut(Wait),
}

impl<'a> Entering<'a> {
    fn new(shared: &'a Arc<Shared>, model: &'a str, request: &Request, told: Told<'a>) -> Self {
        let mut state = shared.state();
        state.waiting += 1;
        let counts = state.limits.tokens_per_minute.is_some();
        drop(state);
        // Nobody counts what nobody limits.
        let most = u64::from(request.settings.max_tokens.unwrap_or(0));
        Self {
            shared,
            model,
            told,
            reason: None,
            tokens: if counts { request.input_tokens() + most } else { 0 },
            is_repeat: request.from.after.is_some_and(breaker::is_trouble),
        }
    }

    async fn through(mut self) -> Result<Through, Failure> {
        // What is refused anyway does not stand in line first.
        self.refused(&mut self.shared.state(), clock::now())?;
        let shared = self.shared;
        let _first = match shared.line.try_lock() {
            Ok(first) => first,
            Err(_) => {
                let wait = shared.state().behind(clock::now());
                self.tell(wait);
                shared.line.lock().await
            }
        };
        loop {
            let mut changed = std::pin::pin!(shared.changed.notified());
            changed.as_mut().enable();
            let now = clock::now();
            let wait = match self.look(now)? {
                Found::Open { number, is_probe } => {
                    return Ok(Through {
                        shared: shared.clone(),
                        model: self.model.to_owned(),
                        number,
                        sent: now,
                        is_probe,
                        is_back: false,
                    });
                }
                Found::Shut(wait) => wait,
            };
            self.tell(wait);
            match wait.at_least {
                // Whatever ends the wait, it looks again.
                Some(at_least) => drop(timeout_at(now + at_least, changed).await),
                None => changed.await,
            }
        }
    }

    /// # Errors
    /// When the call is not let through at all.
    fn refused(&self, state: &mut State, now: Instant) -> Result<(), Failure> {
        if let Some(until) = state.rejected.get(self.model).filter(|until| now < **until) {
            return Err(self.rejected(*until - now));
        }
        if let Some(again) = state.breaker.refuses(now) {
            return Err(breaker::refusal(&self.shared.provider, again));
        }
        if self.is_repeat
            && let Some(again) = state.window.refuses_repeat(now, REPEATS)
        {
            return Err(self.too_many_repeats(again));
        }
        Ok(())
    }

    fn look(&self, now: Instant) -> Result<Found, Failure> {
        let state = &mut *self.shared.state();
        state.window.pass(now);
        self.refused(state, now)?;
        if let Some(wait) = state.shut(now, self.tokens) {
            return Ok(Found::Shut(wait));
        }
        state.under_way += 1;
        Ok(Found::Open {
            number: state.window.push(now, self.tokens, self.is_repeat),
            is_probe: state.breaker.let_through(now),
        })
    }

    /// Says what is waited for, where that is news.
    fn tell(&mut self, wait: Wait) {
        if self.reason != Some(wait.reason) {
            self.reason = Some(wait.reason);
            (self.told)(wait);
        }
    }

    /// The key was refused a moment ago: what every other step would hear is said at once.
    fn rejected(&self, again: Duration) -> Failure {
        let (provider, again) = (&self.shared.provider, again.as_secs_f64().ceil());
        let message = format!(
            "the key of `{provider}` was refused for `{}` just now; it is tried again in {again}s",
            self.model
        );
        Failure::new(ErrorKind::Authentication, message)
            .hint("replace the key, and run again from the failed step")
    }

    fn too_many_repeats(&self, again: Duration) -> Failure {
        let (calls, share) = REPEATS;
        let message = format!(
            "`{}` fails too often: of {calls} calls in a minute and more, at most {share} % may repeat failed ones",
            self.shared.provider
        );
        let mut failure = Failure::new(ErrorKind::Provider, message)
            .limit("repeats", "percent", share)
            .hint("`segue runs show RUN --calls` shows what they fail with; wait, or give the agent a second model");
        failure.retry_after_ms = Some(millis(again));
        failure
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        self.shared.state().waiting -= 1;
    }
}

impl State {
    /// What stands in the way of a call at the head of the line.
    fn shut(&self, now: Instant, tokens: u64) -> Option<Wait> {
        let rate = |at_least| {
            Some(Wait {
                reason: WaitReason::RateLimit,
                at_least,
            })
        };
        if let Some(wait) = self.rest.wait(now) {
            return Some(wait);
        }
        if let Some(at) = self
            .limits
            .requests_per_minute
            .and_then(|most| self.window.room_for_request(most, 0))
        {
            return rate(Some(at.saturating_duration_since(now)));
        }
        if let Some(at) = self
            .limits
            .tokens_per_minute
            .and_then(|most| self.window.room_for_tokens(most, tokens))
        {
            return rate(Some(at.saturating_duration_since(now)));
        }
        match self.limits.max_concurrent {
            Some(most) if self.under_way >= most => rate(None),
            _ => None,
        }
    }

    /// What a call waits for that others stand before: as much as is known of it.
    fn behind(&mut self, now: Instant) -> Wait {
        self.window.pass(now);
        if let Some(wait) = self.rest.wait(now) {
            return wait;
        }
        let before = self.waiting.saturating_sub(1);
        let room = self.limits.requests_per_minute;
        let room = room.and_then(|most| self.window.room_for_request(most, before));
        Wait {
            reason: WaitReason::RateLimit,
            at_least: room.map(|at| at.saturating_duration_since(now)),
        }
    }
}

impl Rest {
    fn wait(&self, now: Instant) -> Option<Wait> {
        let until = self.until.filter(|until| *until > now)?;
        Some(Wait {
            reason: WaitReason::RetryAfter,
            at_least: Some(until - now),
        })
    }

    /// The provider answered a call that was sent at `sent` with the wish to be left alone.
    fn ask(&mut self, asked: Option<Duration>, sent: Instant, now: Instant) {
        let is_news = self.asked.is_none_or(|asked| sent > asked);
        let rest = match asked {
            Some(asked) => asked.min(MOST_REST),
            // Calls that were under way when it was asked for say nothing new.
            None if is_news => (REST.0 * 2_u32.saturating_pow(self.times.min(8))).min(REST.1),
            None => return,
        };
        if is_news {
            self.asked = Some(now);
            self.times += 1;
        }
        self.until = self.until.max(Some(now + rest));
    }
}

impl Through {
    fn land(&mut self, result: Option<&Result<Response, Failure>>) {
        if std::mem::replace(&mut self.is_back, true) {
            return;
        }
        let now = clock::now();
        let state = &mut *self.shared.state();
        state.under_way -= 1;
        state.breaker.heard(self.is_probe, result, now);
        match result {
            Some(Ok(response)) => {
                state.rest.times = 0;
                state.rejected.remove(&self.model);
                if let Some(usage) = response.usage {
                    let used = usage.input_tokens.saturating_add(usage.output_tokens);
                    if used <= MOST_TOKENS {
                        state.window.correct(self.number, used);
                    }
                }
            }
            Some(Err(failure)) if failure.kind == ErrorKind::Offline => state.window.correct(self.number, 0),
            Some(Err(failure)) if failure.kind == ErrorKind::Authentication => {
                state.rejected.insert(self.model.clone(), now + REJECTED);
            }
            Some(Err(failure)) => {
                let asked = failure.retry_after_ms.map(Duration::from_millis);
                // One that asks for more than anybody waits is not retryable: the call says so, and so will the next.
                if failure.retryable && (failure.kind == ErrorKind::RateLimited || asked.is_some()) {
                    state.rest.ask(asked, self.sent, now);
                }
            }
            None => {}
        }
        self.shared.changed.notify_one();
    }
}

impl Pass for Through {
    fn back(mut self: Box<Self>, result: &Result<Response, Failure>) {
        self.land(Some(result));
    }
}

impl Drop for Through {
    fn drop(&mut self) {
        self.land(None);
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
