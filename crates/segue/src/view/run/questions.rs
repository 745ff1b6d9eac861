//! The questions of a run: all of them by id, the open ones in the order in which they were asked.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value as Json;

use crate::id::QuestionId;
use crate::question::{Question, QuestionStatus};

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Questions {
    all: Vec<Question>,
    by_id: HashMap<QuestionId, usize>,
    open: BTreeSet<usize>,
}

impl Questions {
    pub(super) fn open(&self) -> impl Iterator<Item = &Question> {
        self.open.iter().filter_map(|at| self.all.get(*at))
    }

    /// A question was put; asked again under the same id it stays what it was.
    pub(super) fn asked(&mut self, question: &Question) {
        if self.by_id.contains_key(&question.id) {
            return;
        }
        let at = self.all.len();
        self.by_id.insert(question.id, at);
        self.all.push(question.clone());
        if question.status == QuestionStatus::Open {
            self.open.insert(at);
        }
    }

    /// A question was answered. Gives it back as it stands now.
    pub(super) fn answered(&mut self, id: QuestionId, by: &str, answer: &Json) -> Option<&Question> {
        self.close(id, |question| {
            question.status = QuestionStatus::Answered;
            question.answer = Some(answer.clone());
            question.answered_by = Some(by.to_owned());
        })
    }

    /// Nobody answered in time. Gives the question back as it stands now.
    pub(super) fn expired(&mut self, id: QuestionId) -> Option<&Question> {
        self.close(id, |question| question.status = QuestionStatus::Expired)
    }

    /// The run is over: whatever is open stays unanswered.
    pub(super) fn cancel(&mut self) -> impl Iterator<Item = &Question> {
        let open = std::mem::take(&mut self.open);
        for at in &open {
            self.all[*at].status = QuestionStatus::Cancelled;
        }
        open.into_iter().map(|at| &self.all[at])
    }

    fn close(&mut self, id: QuestionId, change: impl FnOnce(&mut Question)) -> Option<&Question> {
        let at = *self.by_id.get(&id)?;
        if !self.open.remove(&at) {
            return None;
        }
        let question = self.all.get_mut(at)?;
        change(question);
        Some(question)
    }
}
