//! Why a store did not do what it was asked.

use std::fmt;

use crate::error::{Error, ErrorKind, Failure};

/// Why a store did not do what it was asked. Nothing of it was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreError {
    /// Which kind.
    pub kind: StoreErrorKind,
    /// What was being done and what went wrong, in the user's words.
    pub message: String,
    /// Ways out.
    pub hints: Vec<String>,
}

/// Kinds of store errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// The run has another owner by now: a write came too late.
    Lost,
    /// No space is left. What was to be written can be written later.
    Full,
    /// Another process keeps the store locked. What was to be written can be written later.
    Busy,
    /// Reading or writing failed.
    Failed,
    /// What is stored is of a newer version, is damaged, or is no store.
    Refused,
    /// The request itself makes no sense: a second outcome of a unit, for example.
    Misused,
}

impl StoreError {
    /// An error of a kind.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// The run has another owner.
    pub fn lost(run: crate::id::RunId) -> Self {
        Self::new(
            StoreErrorKind::Lost,
            format!("run {run} was taken up by another process"),
        )
    }

    /// There is no such run.
    pub fn unknown(run: crate::id::RunId) -> Self {
        Self::new(StoreErrorKind::Misused, format!("there is no run {run}"))
    }

    /// The run exists, and began otherwise.
    pub fn exists(run: crate::id::RunId) -> Self {
        Self::new(StoreErrorKind::Misused, format!("run {run} exists already"))
    }

    /// The entry does not follow the last one of the run's log.
    pub fn out_of_order(run: crate::id::RunId, number: u64) -> Self {
        let message = format!("entry {number} of run {run} is not the next one");
        Self::new(StoreErrorKind::Misused, message)
    }

    /// The unit has its outcome.
    pub fn second_outcome(run: crate::id::RunId, unit: super::UnitKey) -> Self {
        let super::UnitKey { scope, step, item } = unit;
        let message = format!("unit {scope}/{step}/{item} of run {run} has an outcome already");
        Self::new(StoreErrorKind::Misused, message)
    }

    /// The call holds something already, or held something of which nobody knows what became.
    pub fn second_hold(call: crate::id::CallId) -> Self {
        let message = format!("{call} has a hold already");
        Self::new(StoreErrorKind::Misused, message)
    }

    /// The owner has left or was buried.
    pub fn gone(owner: super::OwnerId) -> Self {
        let message = format!("owner {owner} is not known any more");
        Self::new(StoreErrorKind::Lost, message)
    }

    /// The run cannot be removed before it is over.
    pub fn not_over(run: crate::id::RunId) -> Self {
        let message = format!("run {run} is not over; only runs that are over can be removed");
        Self::new(StoreErrorKind::Misused, message).hint("cancel it first")
    }

    /// The run cannot be removed while a workspace needs its result.
    pub fn is_current(run: crate::id::RunId, key: &str, step: &str) -> Self {
        let message = format!("run {run} has the current result of step `{step}` of `{key}`");
        Self::new(StoreErrorKind::Misused, message)
            .hint("run the step again first, so that another run has it")
    }

    /// Adds a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Whether the same may work later, with nothing lost meanwhile.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Full | StoreErrorKind::Busy)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

impl std::error::Error for StoreError {}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let kind = match error.kind {
            StoreErrorKind::Full => ErrorKind::StorageFull,
            StoreErrorKind::Busy => ErrorKind::StoreBusy,
            StoreErrorKind::Lost => ErrorKind::Conflict,
            StoreErrorKind::Failed | StoreErrorKind::Refused | StoreErrorKind::Misused => ErrorKind::Store,
        };
        let mut failure = Failure::new(kind, error.message);
        failure.hints = error.hints;
        failure
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Error::new(None, Failure::from(error))
    }
}
