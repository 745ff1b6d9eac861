//! Records: events as a run writes them. Small, because a step writes several and a run may have ten thousand steps;
//! they become [`Event`](super::Event)s when somebody reads.

use std::sync::Arc;

use super::event::EventKind;
use crate::clock::Time;
use crate::error::Spent;
use crate::run::{Program, Unit, unit_path};
use crate::value::Value;

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) at: Time,
    pub(crate) unit: Unit,
    pub(crate) what: What,
}

/// What happened. The three that every step writes are spelled out; the others are rare.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Its dependencies are met.
    Ready,
    /// It and its first attempt began: two events.
    Started,
    /// A further attempt began.
    Attempt(u32),
    /// The unit has its output, made by this attempt (two events) or by what ran below it (0; one event). What the
    /// attempt spent, and the unit in all.
    Succeeded(Value, u32, Option<Box<[Spent; 2]>>),
    /// Anything else.
    Other(Box<EventKind>),
}

/// What a log knows of a scope, to give units their paths.
#[derive(Clone)]
pub(crate) struct ScopeInfo {
    pub(crate) program: Arc<Program>,
    pub(crate) prefix: Arc<str>,
    pub(crate) parent: Option<Unit>,
}

impl ScopeInfo {
    pub(crate) fn path(&self, unit: Unit) -> String {
        unit_path(&self.prefix, &self.program, unit)
    }
}
