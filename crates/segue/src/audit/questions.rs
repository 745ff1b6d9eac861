//! Questions: each is put once and closed once, and the store says of it what the log says.

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{At, Findings, Rule};
use crate::id::QuestionId;
use crate::log::EventKind;
use crate::question::{Question, QuestionStatus};

/// The questions of a run so far, in the order in which they were put.
#[derive(Debug, Default)]
pub(super) struct Questions(IndexMap<QuestionId, Asked>);

#[derive(Debug)]
struct Asked {
    entry: u64,
    status: QuestionStatus,
    answer: Option<Json>,
}

impl Questions {
    pub(super) fn apply(&mut self, kind: &EventKind, at: &mut At<'_>) {
        match kind {
            EventKind::QuestionAsked { question } => {
                let asked = Asked {
                    entry: at.entry,
                    status: QuestionStatus::Open,
                    answer: None,
                };
                if let Some(known) = self.0.insert(question.id, asked) {
                    let (id, first) = (question.id, known.entry);
                    at.push(
                        Rule::Question,
                        format!("{id} is put a second time; the first is in entry {first}"),
                    );
                }
            }
            EventKind::QuestionAnswered { question, answer, .. } => {
                self.close(*question, QuestionStatus::Answered, at);
                if let Some(asked) = self.0.get_mut(question) {
                    asked.answer = Some(answer.clone());
                }
            }
            EventKind::QuestionExpired { question, .. } => {
                self.close(*question, QuestionStatus::Expired, at);
            }
            _ => {}
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = QuestionId> {
        self.0.keys().copied()
    }

    /// Holds the log against the questions of the store. Gives whether one of them is open there.
    pub(super) fn finish(&self, stored: &[Question], is_over: bool, findings: &mut Findings) -> bool {
        for (id, asked) in &self.0 {
            let found = stored.iter().find(|question| question.id == *id);
            let Some(found) = found else {
                findings.push(
                    Rule::Question,
                    Some(asked.entry),
                    format!("{id} is not in the store"),
                );
                continue;
            };
            let (log, store) = (asked.status, found.status);
            // One that was accepted may not be taken up yet; one whose step has ended is withdrawn without a word.
            let agree = store == log || log == QuestionStatus::Open;
            if !agree {
                let message = format!(
                    "{id} is {} by the log and {} in the store",
                    word(log),
                    word(store)
                );
                findings.push(Rule::Question, Some(asked.entry), message);
            }
            let answers = (&asked.answer, &found.answer);
            if let (Some(log), Some(store)) = answers
                && log != store
            {
                let message = format!("the answer to {id} is another in the store than in the log");
                findings.push(Rule::Question, Some(asked.entry), message);
            }
        }
        for question in stored {
            let id = question.id;
            if !self.0.contains_key(&id) {
                findings.push(
                    Rule::Question,
                    None,
                    format!("the log does not know {id}, which the store has"),
                );
            }
            if is_over && question.status == QuestionStatus::Open {
                findings.push(Rule::Question, None, format!("{id} is open, and the run is over"));
            }
        }
        stored
            .iter()
            .any(|question| question.status == QuestionStatus::Open)
    }

    fn close(&mut self, id: QuestionId, status: QuestionStatus, at: &mut At<'_>) {
        let how = word(status);
        let Some(asked) = self.0.get_mut(&id) else {
            return at.push(Rule::Question, format!("{id} is {how} and was never put"));
        };
        if asked.status != QuestionStatus::Open {
            let before = word(asked.status);
            return at.push(Rule::Question, format!("{id} is {how}, and was {before} before"));
        }
        asked.status = status;
    }
}

fn word(status: QuestionStatus) -> &'static str {
    match status {
        QuestionStatus::Open => "open",
        QuestionStatus::Answered => "answered",
        QuestionStatus::Expired => "expired",
        QuestionStatus::Cancelled => "cancelled",
    }
}
