//! Handles: a run that goes on by itself, seen from outside.

use std::marker::PhantomData;
use std::sync::Arc;

use serde_json::Value as Json;
use tokio::sync::watch;

use super::{Done, Ended, Prepared, end, typed};
use crate::budget::Budget;
use crate::clock;
use crate::error::{Error, ErrorKind, Failure};
use crate::id::{QuestionId, RunId};
use crate::log::{EventKind, Events, ROOT, RunLog};
use crate::question::{Question, QuestionKind};
use crate::run::{Control, Driven, LocalRun, OpResult, RunShared, drive};
use crate::value::{Data, Value};
use crate::view::RunView;

/// How a run came to rest. A failed run is an error instead.
pub enum Outcome<Out> {
    /// It has its output.
    Done(Done<Out>),
    /// It waits for an answer to this question.
    Waiting(Box<Question>),
}

/// A run that goes on by itself. Dropping the handle does not end the run.
pub struct RunHandle<Out> {
    shared: Arc<RunShared>,
    control: Control,
    ended: watch::Receiver<Option<Result<Ended, Error>>>,
    output: PhantomData<fn() -> Out>,
}

impl<Out> Clone for RunHandle<Out> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            control: self.control.clone(),
            ended: self.ended.clone(),
            output: PhantomData,
        }
    }
}

impl<Out: Data> RunHandle<Out> {
    pub(super) fn launch(prepared: Prepared, output: PhantomData<fn() -> Out>) -> Self {
        let Prepared { shared, mut state } = prepared;
        let mut run = LocalRun::new(shared.clone(), true);
        let control = run.control();
        let (ended, watch) = watch::channel(None);
        let task = shared.clone();
        clock::spawn(async move {
            let result = match drive(&mut state, &mut run).await {
                Driven::Ended(outcome) => end(&task, &state, outcome),
                Driven::Resting => {
                    task.close();
                    Err(Error::new(
                        Some(task.id),
                        Failure::new(ErrorKind::Internal, "the run came to a halt"),
                    ))
                }
            };
            // Nobody may be left who wants to know.
            let _ = ended.send(Some(result));
        });
        Self {
            shared,
            control,
            ended: watch,
            output,
        }
    }

    /// The run's id.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.shared.id
    }

    /// Waits until the run has ended or rests.
    ///
    /// # Errors
    /// The error of a failed or cancelled run.
    pub async fn outcome(&self) -> Result<Outcome<Out>, Error> {
        let mut ended = self.ended.clone();
        let mut resting = self.shared.questions.watch();
        loop {
            if let Some(result) = ended.borrow_and_update().clone() {
                return result
                    .and_then(|ended| typed(&self.shared, ended))
                    .map(Outcome::Done);
            }
            if *resting.borrow_and_update()
                && let Some(question) = self.shared.questions.list().into_iter().next()
            {
                return Ok(Outcome::Waiting(Box::new(question)));
            }
            tokio::select! {
                changed = ended.changed() => if changed.is_err() && ended.borrow().is_none() {
                    let failure = Failure::new(ErrorKind::Internal, "the run was dropped before it ended");
                    return Err(Error::new(Some(self.shared.id), failure));
                },
                _ = resting.changed() => {}
            }
        }
    }

    /// Waits until the run has ended, however long people take.
    ///
    /// # Errors
    /// The error of a failed or cancelled run.
    pub async fn done(&self) -> Result<Done<Out>, Error> {
        let mut ended = self.ended.clone();
        let result = ended
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|result| result.clone());
        let result = result.unwrap_or_else(|| {
            let failure = Failure::new(ErrorKind::Internal, "the run was dropped before it ended");
            Err(Error::new(Some(self.shared.id), failure))
        });
        result.and_then(|ended| typed(&self.shared, ended))
    }

    /// All events of the run from the first one, live and replayed alike.
    #[must_use]
    pub fn events(&self) -> Events {
        self.shared.log.follow()
    }

    /// The log of the run.
    #[must_use]
    pub fn log(&self) -> &Arc<RunLog> {
        &self.shared.log
    }

    /// What is known of the run now.
    #[must_use]
    pub fn view(&self) -> RunView {
        self.shared.log.view()
    }

    /// The open questions, in the order in which they were asked.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        self.shared.questions.list()
    }

    /// Where the run's budgets stand.
    #[must_use]
    pub fn budgets(&self) -> Vec<crate::budget::limit::BudgetState> {
        self.shared.env.budgets.states(self.shared.id)
    }

    /// The bytes of an artifact of the run.
    #[must_use]
    pub fn artifact(&self, name: &str) -> Option<Arc<[u8]>> {
        self.shared.env.shelf.bytes(self.shared.id, name)
    }

    /// Answers a question; the run goes on. For a question about a budget the answer is the new limits, as text.
    ///
    /// # Errors
    /// Kind `invalid_input` for an answer that does not fit (the question stays open), `not_found` for a question that
    /// is not open, `conflict` for a second answer.
    pub fn answer(&self, question: QuestionId, answer: impl serde::Serialize, by: &str) -> Result<(), Error> {
        let refuse = |failure| Error::new(Some(self.shared.id), failure);
        let json = serde_json::to_value(answer)
            .map_err(|error| refuse(Failure::new(ErrorKind::InvalidInput, error.to_string())))?;
        let open = self
            .shared
            .questions
            .list()
            .into_iter()
            .find(|open| open.id == question);
        if let Some(open) = open
            && open.kind == QuestionKind::Budget
        {
            self.raise(&open, &json, by).map_err(refuse)?;
        }
        let unit = self
            .shared
            .questions
            .accept(&self.shared, question, &json, by)
            .map_err(refuse)?;
        let event = EventKind::QuestionAnswered {
            question,
            by: by.to_owned(),
            answer: json.clone(),
        };
        self.shared.log.note(unit, event);
        self.control.send(OpResult::Answered {
            unit,
            value: Value::json(json),
            by: by.to_owned(),
        });
        Ok(())
    }

    /// Replaces the limits of the budget a question is about.
    fn raise(&self, question: &Question, answer: &Json, by: &str) -> Result<(), Failure> {
        let Some(limit) = &question.budget else {
            return Err(Failure::new(ErrorKind::Internal, "the question names no budget"));
        };
        let text = match answer {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        let budget: Option<Budget> = match text.as_str() {
            "none" => None,
            text => Some(text.parse().map_err(|error: crate::budget::BudgetError| {
                Failure::new(ErrorKind::InvalidInput, error.to_string()).hint("the question stays open")
            })?),
        };
        let limits = budget.unwrap_or(Budget::UNLIMITED);
        let budgets = &self.shared.env.budgets;
        let (from, to) = budgets.raise(self.shared.id, &limit.name, limits)?;
        let (name, by) = (limit.name.clone(), by.to_owned());
        self.shared
            .log
            .note(ROOT, EventKind::BudgetRaised { name, from, to, by });
        Ok(())
    }

    /// Cancels the run: no new call starts, calls in flight are aborted. False when the run had ended: nothing changes.
    pub fn cancel(&self, by: &str, reason: Option<&str>) -> bool {
        if self.ended.borrow().is_some() {
            return false;
        }
        self.control.send(OpResult::Cancel {
            by: by.to_owned(),
            reason: reason.map(str::to_owned),
        });
        true
    }
}
