//! Journals: calls a step made through its context, by position and key. When the step runs again after an answer,
//! they return what they returned, without being made or paid again.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use serde_json::Value as Json;

use crate::error::{ErrorKind, Failure};
use crate::id::CallId;
use crate::lock::lock;
use crate::log::Unit;

/// The journals of the units of a run that are under way.
#[derive(Default)]
pub(crate) struct Journals(OnceLock<Box<Mutex<BTreeMap<Unit, Journal>>>>);

/// What became of the calls of one unit, by where it made them.
#[derive(Default)]
struct Journal {
    recorded: BTreeMap<String, Recorded>,
    interrupted: BTreeMap<String, Interrupted>,
}

/// A tool call that was under way when the process ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Interrupted {
    pub(crate) call: CallId,
    pub(crate) tool: String,
    pub(crate) arguments: Json,
}

struct Recorded {
    key: String,
    result: Result<Json, Failure>,
}

impl Journals {
    /// What the call at this position returned, if it was made.
    ///
    /// # Errors
    /// Kind `replay_mismatch` when another call was made there.
    pub(crate) fn look(
        &self,
        unit: Unit,
        position: &str,
        key: &str,
    ) -> Result<Option<Result<Json, Failure>>, Failure> {
        let Some(journals) = self.0.get() else {
            return Ok(None);
        };
        let journals = lock(journals);
        let Some(recorded) = journals
            .get(&unit)
            .and_then(|journal| journal.recorded.get(position))
        else {
            return Ok(None);
        };
        if recorded.key != key {
            let message = format!(
                "at position {position} the step made the call `{}` before, and now `{key}`",
                recorded.key
            );
            return Err(Failure::new(ErrorKind::ReplayMismatch, message)
                .hint("a step that waits for an answer must make the same calls again before it; keep what differs, such as time or randomness, behind a recorded call"));
        }
        Ok(Some(recorded.result.clone()))
    }

    /// Keeps what a call returned.
    pub(crate) fn keep(&self, unit: Unit, position: &str, key: &str, result: Result<Json, Failure>) {
        let recorded = Recorded {
            key: key.to_owned(),
            result,
        };
        lock(self.0.get_or_init(Box::default))
            .entry(unit)
            .or_default()
            .recorded
            .insert(position.to_owned(), recorded);
    }

    /// A tool call was under way at this position when the process ended.
    pub(crate) fn interrupted(&self, unit: Unit, position: &str, interrupted: Interrupted) {
        lock(self.0.get_or_init(Box::default))
            .entry(unit)
            .or_default()
            .interrupted
            .insert(position.to_owned(), interrupted);
    }

    /// The tool call that was under way at this position when the process ended, if it was this one.
    pub(crate) fn was_interrupted(
        &self,
        unit: Unit,
        position: &str,
        tool: &str,
        arguments: &Json,
    ) -> Option<Interrupted> {
        let journals = lock(self.0.get()?);
        let interrupted = journals.get(&unit)?.interrupted.get(position)?;
        (interrupted.tool == tool && interrupted.arguments == *arguments).then(|| interrupted.clone())
    }

    /// Whether any call was ever kept.
    pub(crate) fn were_used(&self) -> bool {
        self.0.get().is_some()
    }

    /// The unit's attempt is over: the next one starts anew.
    pub(crate) fn drop(&self, unit: Unit) {
        if let Some(journals) = self.0.get() {
            lock(journals).remove(&unit);
        }
    }
}
