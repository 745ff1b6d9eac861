//! What can be wrong with a template: faults found before a run, errors met while evaluating.
//!
//! Both carry a byte range in the source they came from, so that the file checker can point at the character. Neither knows about files or lines.

use thiserror::Error;

/// Something wrong with the text of a template or expression, found without evaluating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The published code, such as `template_syntax`.
    pub code: &'static str,
    /// One sentence, lower case, names in backticks.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
    /// The text that should stand at this place, where exactly one is likely.
    pub suggestion: Option<String>,
    /// Where the offending text starts, in bytes of the source.
    pub offset: usize,
    /// How long it is, in bytes; 0 at the end of the source.
    pub len: usize,
}

/// A template or expression that could not be evaluated with the values it was given.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub(crate) struct EvalError {
    /// The published kind, such as `kind_mismatch`.
    pub kind: &'static str,
    /// One sentence, lower case, values cut at 40 characters.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
    /// Where the offending expression starts, in bytes of the source.
    pub offset: usize,
    /// How long it is, in bytes.
    pub len: usize,
}

/// A byte range of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub offset: usize,
    pub len: usize,
}

impl Place {
    pub(super) fn between(start: usize, end: usize) -> Place {
        Place {
            offset: start,
            len: end.saturating_sub(start),
        }
    }

    pub(super) fn end(self) -> usize {
        self.offset + self.len
    }

    /// The range from the start of this place to the end of `last`.
    pub(super) fn to(self, last: Place) -> Place {
        Place::between(self.offset, last.end().max(self.end()))
    }
}

/// A fault or an error that has not been given its place yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

impl Problem {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Problem {
        Problem {
            code,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn limit(message: impl Into<String>) -> Problem {
        Problem::new("template_limit", message)
    }

    pub(super) fn fault(self, place: Place) -> Fault {
        Fault {
            code: self.code,
            message: self.message,
            hint: self.hint,
            suggestion: None,
            offset: place.offset,
            len: place.len,
        }
    }

    pub(super) fn error(self, place: Place) -> EvalError {
        EvalError {
            kind: self.code,
            message: self.message,
            hint: self.hint,
            offset: place.offset,
            len: place.len,
        }
    }
}
