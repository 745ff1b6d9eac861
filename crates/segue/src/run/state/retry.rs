//! Retries: what a failed or refused attempt leads to.

use std::sync::Arc;
use std::time::Duration;

use super::{Op, RunState, Unit};
use crate::error::{Cause, ErrorKind, Failure, Spent};
use crate::log::{EventKind, Resolution};
use crate::run::op::Phase;
use crate::value::Value;

impl RunState {
    /// An attempt failed: another one if the policy has one left and the error is worth it, else the unit has failed.
    pub(super) fn attempt_failed(&mut self, unit: Unit, mut failure: Failure, spent: Option<Box<Spent>>) {
        self.stop_clock_of_attempt(unit);
        if let Some(below) = &mut self.slot(unit).more().below {
            below.forget();
        }
        let policy = self.settings(unit).clone();
        let path = self.path(unit);
        let attempt = self.slot(unit).attempt;
        failure.step.get_or_insert_with(|| path.clone());
        failure.attempt.get_or_insert(attempt);
        let recovers = matches!(self.slot(unit).more().phase, Phase::Recover(_));
        let again = failure.retryable && attempt < policy.retry.max_attempts && !recovers;
        let delay = again.then(|| {
            let asked = failure
                .retry_after_ms
                .map_or(Duration::ZERO, Duration::from_millis);
            policy.retry.wait(attempt, self.draw(unit, attempt)).max(asked)
        });
        let more = self.slot(unit).more();
        more.causes.push(Cause {
            kind: Some(failure.kind),
            message: failure.message.clone(),
            attempt: Some(attempt),
            step: Some(path),
        });
        let spent = spent.map(|spent| *spent).unwrap_or_default();
        let resolution = if again {
            Resolution::Retried
        } else {
            Resolution::GaveUp
        };
        self.record(
            unit,
            EventKind::AttemptFailed {
                attempt,
                error: Box::new(failure.clone()),
                resolution,
                retry_in_ms: delay.map(millis),
                usage: spent.usage,
                cost: spent.cost,
            },
        );
        match delay {
            Some(delay) => {
                let more = self.slot(unit).more();
                let before = Arc::make_mut(more.before.get_or_insert_default());
                before.reason = Some(failure.message.clone());
                before.kind = Some(failure.kind);
                before.rejected += u32::from(rejects_an_answer(failure.kind));
                before.answers.clear();
                before.called.clear();
                self.retry_in(unit, delay);
            }
            None => {
                let more = self.slot(unit).more();
                if more.causes.len() > 1 {
                    failure.causes.clone_from(&more.causes);
                }
                self.fail(unit, Arc::new(failure));
            }
        }
    }

    /// The unit asks for another attempt.
    pub(super) fn again(
        &mut self,
        unit: Unit,
        reason: String,
        previous: Option<Value>,
        spent: Option<Box<Spent>>,
    ) {
        self.stop_clock_of_attempt(unit);
        let policy = self.settings(unit).clone();
        let path = self.path(unit);
        let attempt = self.slot(unit).attempt;
        let left = attempt < policy.retry.max_attempts;
        let delay = left.then(|| policy.retry.wait(attempt, self.draw(unit, attempt)));
        let resolution = if left {
            Resolution::Retried
        } else {
            Resolution::Exhausted
        };
        let spent = spent.map(|spent| *spent).unwrap_or_default();
        self.record(
            unit,
            EventKind::AttemptAgain {
                attempt,
                reason: reason.clone(),
                resolution,
                retry_in_ms: delay.map(millis),
                usage: spent.usage,
                cost: spent.cost,
            },
        );
        let more = self.slot(unit).more();
        more.causes.push(Cause {
            kind: None,
            message: reason.clone(),
            attempt: Some(attempt),
            step: Some(path.clone()),
        });
        let before = Arc::make_mut(more.before.get_or_insert_default());
        before.reason = Some(reason.clone());
        before.kind = None;
        before.rejected += 1;
        before.previous = previous;
        before.answers.clear();
        before.called.clear();
        match delay {
            Some(delay) => self.retry_in(unit, delay),
            None => {
                let attempts = if attempt == 1 {
                    "its only attempt".to_owned()
                } else {
                    format!("all {attempt} attempts")
                };
                let message = format!("step `{path}` used {attempts}; the last was refused: {reason}");
                let mut failure = Failure::new(ErrorKind::Exhausted, message)
                    .hint("allow more attempts with `retries`, or lower what is asked for");
                failure.step = Some(path);
                failure.attempt = Some(attempt);
                failure.causes.clone_from(&self.slot(unit).more().causes);
                self.fail(unit, Arc::new(failure));
            }
        }
    }

    fn retry_in(&mut self, unit: Unit, delay: Duration) {
        if delay.is_zero() {
            self.queue(unit);
        } else {
            self.slot(unit).more().sleeps = true;
            self.sleeping += 1;
            self.ops.push(Op::Sleep { unit, delay });
        }
    }

    pub(super) fn slept(&mut self, unit: Unit) {
        let slot = self.slot(unit);
        if slot
            .more
            .as_mut()
            .is_some_and(|more| std::mem::take(&mut more.sleeps))
        {
            self.sleeping -= 1;
            self.queue(unit);
        }
    }

    /// A number in 0..1 that is the same for the same run, unit and attempt: what jitter is drawn from.
    fn draw(&self, unit: Unit, attempt: u32) -> f64 {
        // SplitMix64 over the parts; see Steele, Lea, Flood: "Fast splittable pseudorandom number generators" (2014).
        let mut x = self.start.seed as u64 ^ (self.start.seed >> 64) as u64;
        for part in [unit.scope, unit.step, unit.item, attempt] {
            x = (x ^ u64::from(part)).wrapping_add(0x9e37_79b9_7f4a_7c15);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^= x >> 31;
        }
        (x >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Whether an error means that answers were given and not taken. Asked for again under the same key, a provider would
/// give the same answers.
fn rejects_an_answer(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::OutputInvalid
            | ErrorKind::IncompleteResponse
            | ErrorKind::IncompleteOutput
            | ErrorKind::NoProgress
            | ErrorKind::Step
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
