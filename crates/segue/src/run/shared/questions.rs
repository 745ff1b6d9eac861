//! The open questions of a run.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::sync::watch;

use super::{RunShared, lock};
use crate::error::{ErrorKind, Failure};
use crate::id::{Ids, QuestionId};
use crate::log::EventKind;
use crate::log::Unit;
use crate::plan::hash_of;
use crate::question::{Ask, Question, QuestionStatus};
use crate::schema::Schema;
use crate::value::Value;

/// The questions of a run that nobody answered yet.
#[derive(Default)]
pub(crate) struct Questions {
    open: Mutex<Vec<Open>>,
    /// Made when the run first rests, or somebody first watches for that: most runs ask nobody anything.
    resting: OnceLock<watch::Sender<bool>>,
}

struct Open {
    unit: Unit,
    form: Schema,
    question: Question,
    answered_by: Option<QuestionId>,
}

/// The bits of a question's id follow from the run, the step and the count, so that a replay asks the same question.
struct Derived(u128);

impl Ids for Derived {
    fn bits(&self) -> u128 {
        self.0
    }
}

impl Questions {
    pub(crate) fn open(&self, run: &RunShared, unit: Unit, count: u32, ask: Ask) {
        let path = run.log.path(unit);
        let hash = hash_of(&Json::String(format!("{}/{path}#{count}", run.id)));
        let bits = u128::from_str_radix(&hash["sha256:".len()..][..32], 16).expect("a hash is hexadecimal");
        let asked = run.log.clock().time();
        let deadline = ask.timeout.map(|timeout| later(asked, timeout));
        let question = Question {
            id: QuestionId::new(&Derived(bits)),
            kind: ask.kind,
            run: run.id,
            pipeline: run
                .log
                .scope(0)
                .map(|scope| scope.plan.name.clone())
                .unwrap_or_default(),
            step: path,
            title: ask.title,
            text: ask.text,
            form: ask.form.as_json().clone(),
            known: ask.known,
            missing: ask.missing,
            default: ask.default,
            asked,
            deadline,
            status: QuestionStatus::Open,
            approval: ask.approval,
            budget: ask.budget,
            refused: Vec::new(),
            answer: None,
            answered_by: None,
        };
        run.log.note(
            unit,
            EventKind::QuestionAsked {
                question: Box::new(question.clone()),
            },
        );
        lock(&self.open).push(Open {
            unit,
            form: ask.form,
            question,
            answered_by: None,
        });
    }

    /// The open questions, in the order in which they were asked.
    pub(crate) fn list(&self) -> Vec<Question> {
        lock(&self.open)
            .iter()
            .filter(|open| open.answered_by.is_none())
            .map(|open| open.question.clone())
            .collect()
    }

    /// Checks an answer against the form of its question. A good one is taken; a bad one leaves the question open.
    ///
    /// # Errors
    /// Kind `not_found` for a question that is not open, `invalid_input` with every reason for an answer that does not
    /// fit, `conflict` for a second answer.
    pub(crate) fn accept(
        &self,
        run: &RunShared,
        id: QuestionId,
        answer: &Json,
        by: &str,
    ) -> Result<Unit, Failure> {
        let mut open = lock(&self.open);
        let Some(found) = open.iter_mut().find(|open| open.question.id == id) else {
            return Err(Failure::new(
                ErrorKind::NotFound,
                format!("question {id} is not open"),
            ));
        };
        if found.answered_by.is_some() {
            return Err(Failure::new(
                ErrorKind::Conflict,
                format!("question {id} has been answered"),
            ));
        }
        let errors: Vec<String> = found
            .form
            .violations(answer)
            .iter()
            .map(ToString::to_string)
            .collect();
        if !errors.is_empty() {
            run.log.note(
                found.unit,
                EventKind::QuestionRefused {
                    question: id,
                    by: by.to_owned(),
                    errors: errors.clone(),
                },
            );
            let message = format!(
                "the answer to `{}` does not fit:\n  {}",
                found.question.title,
                errors.join("\n  ")
            );
            return Err(Failure::new(ErrorKind::InvalidInput, message).hint("the question stays open"));
        }
        found.answered_by = Some(id);
        // The run goes on from here, though it has not taken up the answer yet.
        self.resting()
            .send_if_modified(|resting| std::mem::replace(resting, false));
        Ok(found.unit)
    }

    /// The run has taken up the answer; false when the question is not open any more.
    pub(crate) fn close(&self, unit: Unit, _value: &Value, _by: &str) -> bool {
        self.remove(|open| open.unit == unit).is_some()
    }

    /// Nobody answered in time; false when somebody did.
    pub(crate) fn expire(&self, run: &RunShared, unit: Unit) -> bool {
        let Some(expired) = self.remove(|open| open.unit == unit && open.answered_by.is_none()) else {
            return false;
        };
        let event = EventKind::QuestionExpired {
            question: expired.question.id,
            default_used: expired.question.default.is_some(),
        };
        run.log.note(unit, event);
        true
    }

    /// The unit that asked does not go on; false when it has no open question.
    pub(crate) fn withdraw(&self, unit: Unit) -> bool {
        self.remove(|open| open.unit == unit).is_some()
    }

    fn remove(&self, which: impl Fn(&Open) -> bool) -> Option<Open> {
        let mut open = lock(&self.open);
        let at = open.iter().position(which)?;
        let removed = open.remove(at);
        drop(open);
        self.resting()
            .send_if_modified(|resting| std::mem::replace(resting, false));
        Some(removed)
    }

    /// Nothing goes on before somebody answers.
    pub(crate) fn rest(&self, run: &RunShared) {
        let rested = self
            .resting()
            .send_if_modified(|resting| !std::mem::replace(resting, true));
        if rested {
            let questions = lock(&self.open).iter().map(|open| open.question.id).collect();
            run.log
                .note(crate::log::ROOT, EventKind::RunWaiting { questions });
        }
    }

    /// Told when the run rests.
    pub(crate) fn watch(&self) -> watch::Receiver<bool> {
        self.resting().subscribe()
    }

    fn resting(&self) -> &watch::Sender<bool> {
        self.resting.get_or_init(|| watch::Sender::new(false))
    }
}

fn later(time: crate::clock::Time, by: Duration) -> crate::clock::Time {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    crate::clock::Time::from_micros(time.micros().saturating_add(micros))
}
