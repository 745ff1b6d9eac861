//! Retry policies: how many attempts, how long between them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How waits grow from attempt to attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// No wait.
    None,
    /// The same wait each time.
    Fixed,
    /// `delay` times the number of attempts made.
    Linear,
    /// Doubling.
    #[default]
    Exponential,
}

/// What one level says about retries; what it leaves out is inherited.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryLayer {
    /// All attempts, 1 to 101.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// How waits grow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// First wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,
    /// Longest wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
    /// Whether a wait is drawn between zero and its full length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<bool>,
    /// Expression over `output`: true asks for another attempt though the step succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Template: the reason given to the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl RetryLayer {
    /// Lays `over` over this layer, field by field.
    pub fn lay(&mut self, over: &RetryLayer) {
        fn lay<T: Clone>(under: &mut Option<T>, over: &Option<T>) {
            if over.is_some() {
                under.clone_from(over);
            }
        }
        lay(&mut self.max_attempts, &over.max_attempts);
        lay(&mut self.backoff, &over.backoff);
        lay(&mut self.delay, &over.delay);
        lay(&mut self.max_delay, &over.max_delay);
        lay(&mut self.jitter, &over.jitter);
        lay(&mut self.when, &over.when);
        lay(&mut self.reason, &over.reason);
    }
}

/// A whole retry policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// All attempts.
    pub max_attempts: u32,
    /// How waits grow.
    pub backoff: Backoff,
    /// First wait.
    pub delay: Duration,
    /// Longest wait.
    pub max_delay: Duration,
    /// Whether a wait is drawn between zero and its full length.
    pub jitter: bool,
    /// Expression over `output` that asks for another attempt.
    pub when: Option<String>,
    /// Template for the reason of that.
    pub reason: Option<String>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            max_attempts: 1,
            backoff: Backoff::Exponential,
            delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(60),
            jitter: true,
            when: None,
            reason: None,
        }
    }
}

impl Retry {
    /// Lays a layer over this policy, field by field.
    pub fn lay(&mut self, layer: &RetryLayer) {
        self.max_attempts = layer.max_attempts.unwrap_or(self.max_attempts);
        self.backoff = layer.backoff.unwrap_or(self.backoff);
        self.delay = layer.delay.unwrap_or(self.delay);
        self.max_delay = layer.max_delay.unwrap_or(self.max_delay);
        self.jitter = layer.jitter.unwrap_or(self.jitter);
        if layer.when.is_some() {
            self.when.clone_from(&layer.when);
        }
        if layer.reason.is_some() {
            self.reason.clone_from(&layer.reason);
        }
    }

    /// The wait after `attempt` (from 1) failed. `draw` in 0..1 decides the jitter, so that the same run waits the
    /// same time when it is replayed.
    #[must_use]
    pub fn wait(&self, attempt: u32, draw: f64) -> Duration {
        let full = match self.backoff {
            Backoff::None => Duration::ZERO,
            Backoff::Fixed => self.delay,
            Backoff::Linear => self.delay.saturating_mul(attempt),
            Backoff::Exponential => {
                let doublings = attempt.saturating_sub(1).min(30);
                self.delay.saturating_mul(1 << doublings)
            }
        };
        let full = full.min(self.max_delay);
        if self.jitter {
            full.mul_f64(draw.clamp(0.0, 1.0))
        } else {
            full
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_as_the_policy_says_and_stop_at_the_cap() {
        let policy = |backoff| Retry {
            backoff,
            jitter: false,
            ..Retry::default()
        };
        let waits = |backoff, n| policy(backoff).wait(n, 0.5).as_secs();
        assert_eq!([1, 2, 3].map(|n| waits(Backoff::None, n)), [0, 0, 0]);
        assert_eq!([1, 2, 3].map(|n| waits(Backoff::Fixed, n)), [1, 1, 1]);
        assert_eq!([1, 2, 3].map(|n| waits(Backoff::Linear, n)), [1, 2, 3]);
        assert_eq!(
            [1, 2, 3, 7, 101].map(|n| waits(Backoff::Exponential, n)),
            [1, 2, 4, 60, 60]
        );
    }

    #[test]
    fn full_jitter_draws_between_nothing_and_the_whole_wait() {
        let policy = Retry::default();
        assert_eq!(policy.wait(2, 0.0), Duration::ZERO);
        assert_eq!(policy.wait(2, 0.5), Duration::from_secs(1));
        assert_eq!(policy.wait(2, 1.0), Duration::from_secs(2));
    }
}
