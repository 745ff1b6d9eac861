//! Reports: what came of a case.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value as Json;

use crate::error::Failure;
use crate::fault::Span;
use crate::id::RunId;

/// What came of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// Its first run.
    pub run: Option<RunId>,
    /// Everything that was expected and is not so.
    pub unmet: Vec<Unmet>,
    /// The first request that nothing answered.
    pub miss: Option<Miss>,
    /// What kept it from being run as the file says.
    pub errors: Vec<String>,
    /// The rules of the script that answered, by their position.
    pub(crate) rules: BTreeSet<usize>,
}

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Everything is as expected.
    Passed,
    /// Something is not.
    Failed,
    /// A request was made that nothing recorded or scripted answers.
    Missed,
    /// It could not be run as the file says.
    Error,
}

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unmet {
    /// Which expectation: `steps.review.attempts`, `then[1].calls`.
    pub expect: String,
    /// What was wanted: a value, or a condition in words.
    pub want: Json,
    /// What there is.
    pub got: Json,
    /// Whether `want` is a condition in words.
    #[serde(skip)]
    pub is_condition: bool,
    /// Where the wanted value stands in the file, when it is a plain one that can be written anew.
    #[serde(skip)]
    pub plain: Option<Span>,
}

/// A request that nothing answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// Path of the step that made it.
    pub step: String,
    /// What was missed, in words.
    pub message: String,
    /// What comes nearest to it.
    pub nearest: Option<String>,
    /// Where the request first differs from that, as a JSON pointer.
    pub first_difference: Option<String>,
}

impl Miss {
    pub(super) fn of(step: &str, failure: &Failure) -> Self {
        Self {
            step: step.to_owned(),
            message: failure.message.clone(),
            nearest: failure.nearest.clone(),
            first_difference: failure.first_difference.clone(),
        }
    }
}

impl Report {
    pub(super) fn of(run: Option<RunId>, unmet: Vec<Unmet>, miss: Option<Miss>, errors: Vec<String>) -> Self {
        let ending = match () {
            () if !errors.is_empty() => Ending::Error,
            () if miss.is_some() => Ending::Missed,
            () if !unmet.is_empty() => Ending::Failed,
            () => Ending::Passed,
        };
        Self {
            ending,
            run,
            unmet,
            miss,
            errors,
            rules: BTreeSet::new(),
        }
    }
}
