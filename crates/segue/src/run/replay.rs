//! Replaying: a run's state from what its decisions were told, in this or another process. The state asks for the same
//! operations as before; those that never gave a result are what is left to be done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::op::{Op, OpResult, StepCall};
use super::program::Program;
use super::state::{Opened, RunState, Start};
use crate::clock::Time;
use crate::error::Spent;
use crate::log::stored::Unreadable;
use crate::log::{Unit, What};
use crate::question::Ask;
use crate::value::Value;

/// A run as it stood when it was last written.
pub(crate) struct Replayed {
    pub(crate) state: RunState,
    pub(crate) left: Left,
}

/// What was started and has given no result.
#[derive(Default)]
pub(crate) struct Left {
    /// Attempts under way, in the order of their starts.
    pub(crate) attempts: Vec<StepCall>,
    /// Of these, the ones that were being aborted.
    pub(crate) aborted: Vec<Unit>,
    /// Waits before a next attempt, and when they are over.
    pub(crate) sleeps: BTreeMap<Unit, Time>,
    /// Open questions: which of its unit's, what, and since when.
    pub(crate) asks: BTreeMap<Unit, (u32, Box<Ask>, Time)>,
    /// Deadlines.
    pub(crate) deadlines: BTreeMap<Unit, Running>,
    /// What attempts under way had spent when their process ended.
    pub(crate) spent: BTreeMap<Unit, Spent>,
}

/// A deadline, as far as it has run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Running {
    /// What was left of it at `since`.
    left: Duration,
    /// Since when it runs; none while it stands still.
    since: Option<Time>,
}

impl Running {
    /// What is left of it now; none while it stands still.
    pub(crate) fn now(&self, now: Time) -> (Duration, bool) {
        match self.since {
            None => (self.left, false),
            Some(since) => (self.left.saturating_sub(now.since(since)), true),
        }
    }
}

/// What was decided on together.
pub(crate) struct Told {
    /// When.
    pub(crate) at: Time,
    pub(crate) results: Vec<OpResult>,
    /// Outputs that it came to and that are kept elsewhere.
    pub(crate) kept: Vec<(Unit, Value)>,
}

/// Tells a new state everything the one before was told.
///
/// # Errors
/// When the record does not fit what the program asks for.
pub(crate) fn replay(
    program: Arc<Program>,
    input: Value,
    start: Start,
    began: Time,
    told: Vec<Told>,
    mut opened: impl FnMut(u32, Opened),
) -> Result<Replayed, Unreadable> {
    let mut state = RunState::new(program, input, start);
    let mut left = Left::default();
    let mut ops = Vec::new();
    let mut records: Vec<(Unit, What)> = Vec::new();
    let mut decide = |state: &mut RunState, left: &mut Left, at: Time| {
        state.ready(&mut ops);
        state.take_opened(&mut opened);
        // They are in the log already.
        state.take_records(&mut records);
        records.clear();
        for op in ops.drain(..) {
            left.started(op, at);
        }
    };
    decide(&mut state, &mut left, began);
    for Told { at, results, kept } in told {
        for result in results {
            left.gave(&result)?;
            state.apply(result);
        }
        decide(&mut state, &mut left, at);
        for (unit, output) in kept {
            state.stands_for(unit, output);
        }
    }
    Ok(Replayed { state, left })
}

impl Left {
    fn started(&mut self, op: Op, at: Time) {
        match op {
            Op::Attempt(call) => self.attempts.push(call),
            Op::Sleep { unit, delay } => {
                self.sleeps.insert(unit, later(at, delay));
            }
            Op::Ask { unit, count, ask } => {
                self.asks.insert(unit, (count, ask, at));
            }
            Op::Deadline { unit, limit } => {
                let running = Running {
                    left: limit,
                    since: Some(at),
                };
                self.deadlines.insert(unit, running);
            }
            Op::Hold(unit) => {
                if let Some(running) = self.deadlines.get_mut(&unit) {
                    let (left, _) = running.now(at);
                    *running = Running { left, since: None };
                }
            }
            Op::Resume(unit) => {
                if let Some(running) = self.deadlines.get_mut(&unit) {
                    running.since = Some(at);
                }
            }
            Op::Release(unit) => {
                self.deadlines.remove(&unit);
                self.sleeps.remove(&unit);
                self.asks.remove(&unit);
            }
            Op::Abort(unit) => self.aborted.push(unit),
        }
    }

    /// # Errors
    /// When nothing was asked for that could have given this result.
    fn gave(&mut self, result: &OpResult) -> Result<(), Unreadable> {
        let was_asked = match result {
            OpResult::Attempt { unit, .. } => {
                let at = self.attempts.iter().position(|call| call.unit == *unit);
                self.aborted.retain(|aborted| aborted != unit);
                at.map(|at| self.attempts.remove(at)).is_some()
            }
            OpResult::Slept(unit) => self.sleeps.remove(unit).is_some(),
            OpResult::Deadline(unit) => self.deadlines.remove(unit).is_some(),
            OpResult::Answered { unit, .. } | OpResult::Expired(unit) => self.asks.remove(unit).is_some(),
            OpResult::Cancel { .. } => true,
        };
        if was_asked {
            return Ok(());
        }
        let message = format!("the record has a result that the plan never asked for: {result:?}");
        Err(Unreadable::new(message.chars().take(300).collect::<String>()))
    }
}

pub(super) fn later(time: Time, by: Duration) -> Time {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Time::from_micros(time.micros().saturating_add(micros))
}
