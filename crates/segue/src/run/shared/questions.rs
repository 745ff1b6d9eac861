//! The open questions of a run.

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::sync::watch;

use super::RunShared;
use crate::clock::Time;
use crate::error::{ErrorKind, Failure};
use crate::id::{Ids, QuestionId};
use crate::lock::lock;
use crate::log::Unit;
use crate::log::{EventKind, ROOT};
use crate::plan::hash_of;
use crate::question::{Ask, Question, QuestionKind, QuestionStatus};
use crate::schema::Schema;
use crate::store::QuestionChange;
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
    /// Puts a question, and writes that down.
    pub(crate) fn open(&self, run: &RunShared, unit: Unit, count: u32, ask: &Ask) {
        let question = self.put(run, unit, count, ask, run.log.clock().time());
        if let Some(recorder) = &run.recorder {
            let asked = QuestionChange::Asked(Box::new(question.clone()));
            recorder.with(|effects| effects.questions.push(asked));
        }
        let question = Box::new(question);
        run.log.note(unit, EventKind::QuestionAsked { question });
    }

    /// Puts a question that was asked before, perhaps in another process.
    pub(crate) fn put(&self, run: &RunShared, unit: Unit, count: u32, ask: &Ask, asked: Time) -> Question {
        let path = run.log.path(unit);
        let hash = hash_of(&Json::String(format!("{}/{path}@{}#{count}", run.id, unit.scope)));
        let bits = u128::from_str_radix(&hash["sha256:".len()..][..32], 16).expect("a hash is hexadecimal");
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
            title: ask.title.clone(),
            text: ask.text.clone(),
            form: ask.form.as_json().clone(),
            known: ask.known.clone(),
            missing: ask.missing.clone(),
            default: ask.default.clone(),
            asked,
            deadline,
            status: QuestionStatus::Open,
            approval: ask.approval.clone(),
            budget: ask.budget.clone(),
            refused: Vec::new(),
            answer: None,
            answered_by: None,
        };
        lock(&self.open).push(Open {
            unit,
            form: ask.form.clone(),
            question: question.clone(),
            answered_by: None,
        });
        question
    }

    /// The open question of a unit.
    pub(crate) fn id_of(&self, unit: Unit) -> Option<QuestionId> {
        let open = lock(&self.open);
        open.iter()
            .find(|open| open.unit == unit)
            .map(|open| open.question.id)
    }

    /// The unit that waits for an answer to a question, and the question.
    pub(crate) fn find(&self, which: impl Fn(&Question) -> bool) -> Option<(Unit, Question)> {
        let open = lock(&self.open);
        let found = open.iter().find(|open| which(&open.question));
        found.map(|open| (open.unit, open.question.clone()))
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
            let open = lock(&self.open);
            let questions = open.iter().map(|open| open.question.id).collect();
            let reason = open.first().map(|open| reason(open.question.kind).to_owned());
            drop(open);
            run.log.note(ROOT, EventKind::RunWaiting { questions, reason });
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

/// What a run with such a question waits for.
fn reason(kind: QuestionKind) -> &'static str {
    match kind {
        QuestionKind::Question => "question",
        QuestionKind::Approval => "approval",
        QuestionKind::Budget => "budget",
        QuestionKind::Decision => "needs_decision",
    }
}

fn later(time: Time, by: Duration) -> Time {
    let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    Time::from_micros(time.micros().saturating_add(micros))
}
