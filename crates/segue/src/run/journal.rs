//! Journals: calls a step made through its context, by position and key. When the step runs again after an answer,
//! they return what they returned, without being made or paid again.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use serde_json::Value as Json;

use super::shared::lock;
use crate::error::{ErrorKind, Failure};
use crate::log::Unit;

/// The journals of the units of a run that are under way.
#[derive(Default)]
pub(crate) struct Journals(OnceLock<Box<Mutex<BTreeMap<Unit, Journal>>>>);

/// What the calls of one unit returned, by where it made them.
type Journal = BTreeMap<String, Recorded>;

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
        let Some(recorded) = journals.get(&unit).and_then(|journal| journal.get(position)) else {
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
            .insert(position.to_owned(), recorded);
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
