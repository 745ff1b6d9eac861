//! Slots: where each unit of a run stands. Small, because a run of ten thousand steps has ten thousand of them.

use std::sync::Arc;

use super::super::facts::Facts;
use super::super::op::{Before, Choice, Phase};
use super::calls::Below;
use crate::error::{Cause, Failure, Spent};
use crate::question::Ask;
use crate::value::Value;
use crate::view::{SkipReason, StepStatus};

/// Where one unit stands.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) status: StepStatus,
    /// Whether an attempt is running right now.
    pub(super) live: bool,
    /// Whether it stands in the queue of units whose turn it is.
    pub(super) queued: bool,
    /// How many steps it still waits for.
    pub(super) waits: u32,
    /// Attempts begun.
    pub(super) attempt: u32,
    pub(super) output: Option<Value>,
    /// What most units never need.
    pub(super) more: Option<Box<More>>,
}

/// What most units never need.
#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) error: Option<Arc<Failure>>,
    pub(super) causes: Vec<Cause>,
    pub(super) spent: Spent,
    pub(super) skipped: Option<SkipReason>,
    pub(super) choice: Option<Choice>,
    pub(super) before: Option<Arc<Before>>,
    pub(super) items: Option<Box<Items>>,
    /// The scope that runs below it.
    pub(super) child: Option<u32>,
    /// The pipelines it has called as tools.
    pub(super) below: Option<Box<Below>>,
    /// The open question, and how many were asked.
    pub(super) ask: Option<Box<Ask>>,
    pub(super) asked: u32,
    /// The next attempt goes on with the present one after an answer.
    pub(super) resumes: bool,
    /// It waits for the next attempt.
    pub(super) sleeps: bool,
    /// What the next attempt is for.
    pub(super) phase: Phase,
    /// Its condition is being asked for.
    pub(super) asks_when: bool,
    /// Its condition was true.
    pub(super) admitted: bool,
    /// The step that stands in for it.
    pub(super) stand_in: Option<u32>,
    /// It was started to stand in for another step.
    pub(super) summoned: bool,
    /// A deadline is running over it.
    pub(super) deadline: bool,
    /// Open questions at or below it, while which its deadline stands still.
    pub(super) held: u32,
    /// A deadline is running over what its attempt runs below it; open questions there, while which it stands still.
    pub(super) clock: Option<u32>,
}

/// The items of a map, or the rounds of a repeat.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) values: Vec<Value>,
    pub(super) slots: Vec<Slot>,
    /// The next item to start.
    pub(super) next: u32,
    /// Items started and not settled.
    pub(super) open: u32,
    pub(super) settled: u32,
    pub(super) limit: u32,
    /// A failed item stands in the list as its error.
    pub(super) keep: bool,
    /// What all items can read.
    pub(super) facts: Option<Arc<Facts>>,
    /// A failed item ends the map; no further one starts.
    pub(super) failed: Option<Arc<Failure>>,
}

impl More {
    /// The scopes that run right below it.
    pub(super) fn scopes(&self) -> impl Iterator<Item = u32> + '_ {
        let called = self.below.iter().flat_map(|below| below.scopes());
        self.child.into_iter().chain(called)
    }
}

impl Slot {
    pub(super) fn new(waits: u32) -> Self {
        Self {
            status: StepStatus::Pending,
            live: false,
            queued: false,
            waits,
            attempt: 0,
            output: None,
            more: None,
        }
    }

    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Whether its outcome is known.
    pub(super) fn is_settled(&self) -> bool {
        self.status.is_settled()
    }
}
