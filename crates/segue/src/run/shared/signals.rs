//! Signals: what a run was told from outside, put into the record and handed to the decision.

use super::RunShared;
use crate::budget::Budget;
use crate::error::Failure;
use crate::id::QuestionId;
use crate::log::{EventKind, ROOT, Unit};
use crate::question::{Question, QuestionKind, QuestionStatus};
use crate::run::local::Control;
use crate::run::op::OpResult;
use crate::run::recorder::Recorder;
use crate::store::{QuestionChange, SignalKind};
use crate::value::Value;

/// What is written down of a signal that the run is sent, when it has looked at it.
pub(in crate::run) struct Told {
    event: Option<(Unit, EventKind)>,
    /// A question that nobody else closes.
    closed: Option<QuestionId>,
}

impl Told {
    pub(in crate::run) fn write_down(self, run: &RunShared, recorder: &Recorder) {
        if let Some((unit, event)) = self.event {
            run.log.note(unit, event);
        }
        if let Some(question) = self.closed {
            let closed = QuestionChange::Closed(question, QuestionStatus::Answered);
            recorder.with(|effects| effects.questions.push(closed));
        }
    }
}

impl RunShared {
    /// Takes up one signal. Where the run is sent something, it gives what is written down when that was looked at.
    pub(in crate::run) fn take_signal(&self, signal: SignalKind, control: &Control) -> Option<Told> {
        let mut told = Told {
            event: None,
            closed: None,
        };
        match signal {
            SignalKind::Answer {
                question,
                answer,
                by,
                via,
            } => {
                // What asked may have ended meanwhile.
                let (unit, asked) = self.questions.find(|open| open.id == question)?;
                if asked.kind == QuestionKind::Budget {
                    // It was checked when it was accepted.
                    if let Ok(limits) = limits_of(&answer) {
                        self.raise_for(&asked, limits, &by);
                    }
                }
                let event = EventKind::QuestionAnswered {
                    question,
                    by: by.clone(),
                    via: Some(via),
                    answer: answer.clone(),
                };
                told.event = Some((unit, event));
                let value = Value::json(answer);
                control.send(OpResult::Answered { unit, value, by });
            }
            SignalKind::Refused { question, by, errors } => {
                let unit = self.questions.find(|open| open.id == question);
                let unit = unit.map_or(ROOT, |(unit, _)| unit);
                self.log
                    .note(unit, EventKind::QuestionRefused { question, by, errors });
                return None;
            }
            SignalKind::Cancel { by, reason } => control.send(OpResult::Cancel { by, reason }),
            SignalKind::Raise { budget, limits, by } => {
                let waits = self.questions.find(|open| {
                    open.kind == QuestionKind::Budget
                        && open
                            .budget
                            .as_ref()
                            .is_some_and(|limit| account_of(&limit.name) == budget)
                });
                let name = match &waits {
                    Some((
                        _,
                        Question {
                            budget: Some(limit), ..
                        },
                    )) => limit.name.clone(),
                    _ => budget,
                };
                self.raise(&name, limits, &by);
                let (unit, asked) = waits?;
                let answer = serde_json::to_value(limits).unwrap_or_default();
                let event = EventKind::QuestionAnswered {
                    question: asked.id,
                    by: by.clone(),
                    via: Some("budget".into()),
                    answer: answer.clone(),
                };
                told.event = Some((unit, event));
                told.closed = Some(asked.id);
                let value = Value::json(answer);
                control.send(OpResult::Answered { unit, value, by });
            }
        }
        Some(told)
    }

    /// Nobody waits any more for an answer to the question of a unit, if it has one.
    pub(in crate::run) fn note_withdrawal(&self, unit: Unit) {
        let (Some(recorder), Some(question)) = (&self.recorder, self.questions.id_of(unit)) else {
            return;
        };
        let closed = QuestionChange::Closed(question, QuestionStatus::Cancelled);
        recorder.with(|effects| effects.questions.push(closed));
    }

    pub(crate) fn raise_for(&self, question: &Question, limits: Budget, by: &str) {
        if let Some(limit) = &question.budget {
            self.raise(&limit.name, limits, by);
        }
    }

    /// Replaces the limits of one of the run's budgets, and writes that down.
    fn raise(&self, name: &str, limits: Budget, by: &str) {
        if let Ok((from, to)) = self.env.budgets.raise(self.id, name, limits) {
            let (name, by) = (name.to_owned(), by.to_owned());
            self.log
                .note(ROOT, EventKind::BudgetRaised { name, from, to, by });
        }
    }
}

/// The account a limit belongs to: one on single calls is named after it.
fn account_of(name: &str) -> &str {
    name.strip_suffix("/call").unwrap_or(name)
}

/// The new limits that an answer to the question about a budget says: text as on the command line, or a budget.
///
/// # Errors
/// When it is neither.
pub(crate) fn limits_of(answer: &serde_json::Value) -> Result<Budget, Failure> {
    let refuse = |message: String| {
        Failure::new(crate::error::ErrorKind::InvalidInput, message).hint("the question stays open")
    };
    match answer {
        serde_json::Value::String(text) if text == "none" => Ok(Budget::UNLIMITED),
        serde_json::Value::String(text) => text
            .parse()
            .map_err(|error: crate::budget::BudgetError| refuse(error.to_string())),
        serde_json::Value::Number(number) => number
            .to_string()
            .parse()
            .map_err(|error: crate::budget::BudgetError| refuse(error.to_string())),
        other => serde_json::from_value(other.clone()).map_err(|error| refuse(error.to_string())),
    }
}
