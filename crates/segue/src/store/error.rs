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
