//! Signals: what a run is told from outside, by whoever, whether or not somebody works on it.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::owner::OwnerId;
use crate::budget::Budget;
use crate::clock::Time;
use crate::id::{QuestionId, RunId};
use crate::question::QuestionStatus;
use crate::view::RunStatus;

/// Something a run was told and has not taken up yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    /// Its number; later signals have larger ones.
    pub number: u64,
    /// The run.
    pub run: RunId,
    /// When it was sent.
    pub at: Time,
    /// What it says.
    pub kind: SignalKind,
}

/// What a run can be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignalKind {
    /// The answer to a question, checked against its form.
    Answer {
        /// The question.
        question: QuestionId,
        /// The answer.
        answer: Json,
        /// Who.
        by: String,
        /// Through what: `cli http ui mcp library link`.
        via: String,
    },
    /// An answer that was refused; the question stays open.
    Refused {
        /// The question.
        question: QuestionId,
        /// Who.
        by: String,
        /// What was wrong.
        errors: Vec<String>,
    },
    /// It is to be cancelled.
    Cancel {
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// The limits of one of its budgets are replaced.
    Raise {
        /// The budget, by the name a refusal gives it.
        budget: String,
        /// The new limits, laid over the old; without any, the old are lifted.
        limits: Budget,
        /// Who.
        by: String,
    },
}

impl SignalKind {
    /// Whether a run that rests goes on for it.
    #[must_use]
    pub fn wakes(&self) -> bool {
        !matches!(self, SignalKind::Refused { .. })
    }
}

/// What became of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signalled {
    /// The run will take it up; who holds it, where somebody does.
    Sent(Option<OwnerId>),
    /// There is no such run, or no such question of it.
    Unknown,
    /// The question is not open any more.
    Closed(QuestionStatus),
    /// The run is over.
    Over(RunStatus),
}
