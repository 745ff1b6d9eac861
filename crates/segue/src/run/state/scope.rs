//! Scopes: one instance of a plan inside a run — the run itself, a nested pipeline, an inline arm, a fallback.

use std::sync::Arc;

use super::super::facts::Facts;
use super::super::program::Program;
use super::room::Room;
use super::slot::Slot;
use crate::error::Failure;
use crate::log::Site;
use crate::value::Value;

/// One instance of a plan.
pub(super) struct Scope {
    pub(super) program: Arc<Program>,
    pub(super) site: Site,
    pub(super) slots: Vec<Slot>,
    pub(super) unsettled: u32,
    pub(super) input: Value,
    /// The facts it was lent, for scopes that see what is around them.
    pub(super) lent: Option<Arc<Facts>>,
    /// The scope-wide ops (finish, fallback inputs) use a slot of their own.
    end: Option<Box<Slot>>,
    pub(super) stage: Stage,
    /// Why it failed, once its steps are settled.
    pub(super) failure: Option<Arc<Failure>>,
    /// Where it allows fewer attempts at once than the run.
    pub(super) room: Option<Box<Room>>,
    /// Its deadline runs; open questions in and below it, while which it stands still.
    pub(super) clock: Option<u32>,
}

/// How far a scope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its steps run.
    Steps,
    /// Its output is made and its artifacts are saved.
    Finishing,
    /// The artifacts of what is done are saved before it fails.
    Salvaging,
    /// The inputs of its fallback are made.
    Falling,
    /// Its fallback runs.
    Fallback,
    /// It is over.
    Over,
}

impl Scope {
    pub(super) fn new(program: Arc<Program>, site: Site, input: Value) -> Self {
        let slots: Vec<Slot> = program.waits.iter().map(|waits| Slot::new(*waits)).collect();
        Self {
            unsettled: slots.len() as u32,
            program,
            site,
            slots,
            input,
            lent: None,
            end: None,
            stage: Stage::Steps,
            failure: None,
            room: None,
            clock: None,
        }
    }

    /// Where its end stands.
    pub(super) fn end(&mut self) -> &mut Slot {
        self.end.get_or_insert_with(|| Box::new(Slot::new(0)))
    }
}
