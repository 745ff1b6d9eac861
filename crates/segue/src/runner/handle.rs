//! Handles: a run seen from outside, whether this process works on it, another does, or nobody.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value as Json;

use super::desk::Desk;
use super::done::{Done, Ended, Files, typed};
use super::session::{End, Session};
use super::{people, read};
use crate::budget::limit::BudgetState;
use crate::clock;
use crate::error::{Error, ErrorKind, Failure};
use crate::id::{QuestionId, RunId};
use crate::lock::lock;
use crate::log::{Audience, Events, Live, RunLog};
use crate::question::Question;
use crate::store::StoreErrorKind;
use crate::value::Data;
use crate::view::{RunStatus, RunView};

/// How often a run that another process works on is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// How a run came to rest. A failed run is an error instead.
pub enum Outcome<Out> {
    /// It has its output.
    Done(Done<Out>),
    /// It waits for an answer to this question.
    Waiting(Box<Question>),
}

/// A run that goes on by itself. Dropping the handle does not end the run.
pub struct RunHandle<Out> {
    id: RunId,
    /// What this process last knew of it.
    known: Arc<Mutex<Known>>,
    /// Where it is kept, when it outlives its process.
    desk: Option<Arc<Desk>>,
    output: PhantomData<fn() -> Out>,
}

/// What a process knows of a run.
enum Known {
    /// It works on it, or did.
    Session(Arc<Session>),
    /// It has read its log.
    Log(Arc<RunLog>),
}

impl<Out> Clone for RunHandle<Out> {
    fn clone(&self) -> Self {
        Self {
            id: self.id,
            known: self.known.clone(),
            desk: self.desk.clone(),
            output: PhantomData,
        }
    }
}

impl<Out> RunHandle<Out> {
    /// A run this process works on.
    pub(super) fn of_session(session: Arc<Session>, desk: Option<Arc<Desk>>) -> Self {
        Self {
            id: session.shared.id,
            known: Arc::new(Mutex::new(Known::Session(session))),
            desk,
            output: PhantomData,
        }
    }

    /// A run of a store, whoever works on it.
    ///
    /// # Errors
    /// When there is no such run, or it cannot be read.
    pub(super) async fn attach(desk: Arc<Desk>, run: RunId) -> Result<Self, Error> {
        if let Some(session) = desk.live(run) {
            return Ok(Self::of_session(session, Some(desk)));
        }
        let stored = read::read(&**desk.store(), run).await?;
        let stored = stored.ok_or_else(|| read::no_such_run(run))?;
        Ok(Self {
            id: run,
            known: Arc::new(Mutex::new(Known::Log(stored.into_log()))),
            desk: Some(desk),
            output: PhantomData,
        })
    }

    /// The run's id.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    /// All events of the run from the first one, live and replayed alike, whichever process works on it.
    #[must_use]
    pub fn events(&self) -> Events {
        match &self.desk {
            Some(desk) => Events::of_store(desk.store().clone(), self.id, desk.changed().clone()),
            None => self.log().follow(),
        }
    }

    /// The same events, with pieces of answers while models write them in this process, as far as those come from now on:
    /// see [`Live`]. Whoever wants the very first as well listens before the run starts, with
    /// [`Runner::listen`](crate::Runner::listen).
    #[must_use]
    pub fn live(&self) -> Live {
        match self.audience() {
            Some(audience) => Live::of(self.id, self.events(), &audience),
            None => Live::of(self.id, self.events(), &Arc::default()),
        }
    }

    /// Who hears what is written here.
    fn audience(&self) -> Option<Arc<Audience>> {
        match (&self.desk, &*lock(&self.known)) {
            (Some(desk), _) => Some(desk.env.audience.clone()),
            (None, Known::Session(session)) => Some(session.shared.env.audience.clone()),
            (None, Known::Log(_)) => None,
        }
    }

    /// The log of the run, as far as this process knows it: [`RunHandle::refresh`] reads what others have written.
    #[must_use]
    pub fn log(&self) -> Arc<RunLog> {
        match &*lock(&self.known) {
            Known::Session(session) => session.shared.log.clone(),
            Known::Log(log) => log.clone(),
        }
    }

    /// Reads what was written of the run, by whichever process.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn refresh(&self) -> Result<(), Error> {
        let Some(desk) = &self.desk else { return Ok(()) };
        if let Some(session) = desk.live(self.id) {
            *lock(&self.known) = Known::Session(session);
            return Ok(());
        }
        if let Some(stored) = read::read(&**desk.store(), self.id).await? {
            *lock(&self.known) = Known::Log(stored.into_log());
        }
        Ok(())
    }

    /// What is known of the run now, as far as this process knows its log.
    #[must_use]
    pub fn view(&self) -> RunView {
        self.log().view()
    }

    /// The open questions, in the order in which they were asked, as far as this process knows the run's log.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        match &*lock(&self.known) {
            Known::Session(session) => session.shared.questions.list(),
            Known::Log(log) => log.view().open_questions().cloned().collect(),
        }
    }

    /// Where the run's budgets stand, as far as this process knows the run's log. Of a budget that runs share, such as
    /// `pipeline:NAME/day` and `budget:NAME/day`, this is what the run itself has spent and holds of it in the present
    /// window; how it stands with all runs is known to [`Store::accounts`](crate::store::Store::accounts).
    #[must_use]
    pub fn budgets(&self) -> Vec<BudgetState> {
        match &*lock(&self.known) {
            Known::Session(session) if session.ended().is_none() => {
                let shared = &session.shared;
                match shared.env.budgets.shares(shared.id) {
                    false => shared.env.budgets.states(shared.id),
                    true => shared.log.view().budgets().collect(),
                }
            }
            Known::Session(session) => session.shared.log.view().budgets().collect(),
            Known::Log(log) => log.view().budgets().collect(),
        }
    }

    /// The bytes of an artifact of the run; of the newest, where several steps saved one of that name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn artifact(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.files().bytes(name).await
    }

    fn files(&self) -> Files {
        match (&*lock(&self.known), &self.desk) {
            (Known::Session(session), _) => Files::of(&session.shared),
            (Known::Log(log), Some(desk)) => Files::kept(log.clone(), desk.store().clone()),
            (Known::Log(log), None) => Files::nowhere(log.clone()),
        }
    }

    /// Answers a question; the run goes on, here if nobody works on it. For a question about a budget the answer is the
    /// new limits, as text.
    ///
    /// # Errors
    /// Kind `invalid_input` for an answer that does not fit (the question stays open), `not_found` for a question that
    /// is not open, `conflict` for a second answer.
    pub async fn answer(
        &self,
        question: QuestionId,
        answer: impl serde::Serialize,
        by: &str,
    ) -> Result<(), Error> {
        let json = serde_json::to_value(answer).map_err(|error| {
            Error::new(
                Some(self.id),
                Failure::new(ErrorKind::InvalidInput, error.to_string()),
            )
        })?;
        match (&self.desk, self.session()) {
            (Some(desk), _) => people::answer(desk, question, json, by, "library").await,
            (None, Some(session)) => people::answer_here(&session, question, &json, by),
            (None, None) => Err(gone(self.id)),
        }
    }

    /// Cancels the run: no new call starts, calls in flight are aborted. False when the run had ended: nothing changes.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn cancel(&self, by: &str, reason: Option<&str>) -> Result<bool, Error> {
        match (&self.desk, self.session()) {
            (Some(desk), _) => Ok(people::cancel(desk, self.id, by, reason).await?.is_none()),
            (None, Some(session)) => Ok(people::cancel_here(&session, by, reason)),
            (None, None) => Err(gone(self.id)),
        }
    }

    /// The session of the run in this process: the present one, or the last.
    fn session(&self) -> Option<Arc<Session>> {
        let live = self.desk.as_ref().and_then(|desk| desk.live(self.id));
        let mut known = lock(&self.known);
        if let Some(live) = live {
            *known = Known::Session(live);
        }
        match &*known {
            Known::Session(session) => Some(session.clone()),
            Known::Log(_) => None,
        }
    }

    /// Waits until the run has come to rest: with its end, or with the question it waits for.
    async fn rests(&self, through_questions: bool) -> Result<Rest, Error> {
        loop {
            let changed = self.desk.as_ref().map(|desk| desk.changed().clone());
            let changed = changed.as_ref().map(|changed| changed.notified());
            let mut changed = std::pin::pin!(futures_util::future::OptionFuture::from(changed));
            if let Some(session) = self.session() {
                let rest = match &self.desk {
                    None if !through_questions => self.first_of(&session).await,
                    _ => match session.end().await {
                        End::Over(result) => Some(Rest::Over(
                            result.map(|ended| (ended, Files::of(&session.shared))),
                        )),
                        End::Rests => None,
                        End::Stopped(error) if error.kind == StoreErrorKind::Lost => None,
                        End::Stopped(error) => return Err(error.into()),
                    },
                };
                if let Some(rest) = rest {
                    return Ok(rest);
                }
            }
            let Some(desk) = &self.desk else {
                return Err(gone(self.id));
            };
            let head = desk.store().head(self.id).await?;
            let head = head.ok_or_else(|| read::no_such_run(self.id))?;
            let status = head.standing.status;
            if status.is_terminal() {
                // Seldom: mostly the run has ended in this process.
                let outcome = Box::pin(read::outcome(desk.store(), self.id)).await;
                if let Some(over) = outcome.transpose() {
                    return Ok(Rest::Over(over));
                }
            }
            // One that somebody holds is about to go on.
            let rests = status == RunStatus::Waiting && head.owner.is_none();
            if rests && !through_questions {
                let open = desk.store().questions(Some(self.id), 1).await?;
                if let Some(question) = open.into_iter().next() {
                    return Ok(Rest::Waits(Box::new(question)));
                }
            }
            // Somebody else works on it, or is about to.
            let _ = clock::within(Some(LOOK), changed.as_mut()).await;
        }
    }

    /// In memory a run stays where it is while it waits for an answer.
    async fn first_of(&self, session: &Session) -> Option<Rest> {
        let mut resting = session.shared.questions.watch();
        loop {
            if let Some(End::Over(result)) = session.ended() {
                return Some(Rest::Over(
                    result.map(|ended| (ended, Files::of(&session.shared))),
                ));
            }
            if *resting.borrow_and_update()
                && let Some(question) = session.shared.questions.list().into_iter().next()
            {
                return Some(Rest::Waits(Box::new(question)));
            }
            tokio::select! {
                _ = session.end() => {}
                _ = resting.changed() => {}
            }
        }
    }
}

enum Rest {
    Over(Result<(Ended, Files), Error>),
    Waits(Box<Question>),
}

impl<Out: Data> RunHandle<Out> {
    /// Waits until the run has ended or rests, whichever process works on it.
    ///
    /// # Errors
    /// The error of a failed or cancelled run.
    pub async fn outcome(&self) -> Result<Outcome<Out>, Error> {
        match self.rests(false).await? {
            Rest::Over(over) => typed(self.id, over?).map(Outcome::Done),
            Rest::Waits(question) => Ok(Outcome::Waiting(question)),
        }
    }

    /// Waits until the run has ended, however long people take.
    ///
    /// # Errors
    /// The error of a failed or cancelled run.
    pub async fn done(&self) -> Result<Done<Out>, Error> {
        match self.rests(true).await? {
            Rest::Over(over) => typed(self.id, over?),
            Rest::Waits(_) => Err(gone(self.id)),
        }
    }

    /// The same run, with its output as JSON.
    #[must_use]
    pub fn untyped(&self) -> RunHandle<Json> {
        RunHandle {
            id: self.id,
            known: self.known.clone(),
            desk: self.desk.clone(),
            output: PhantomData,
        }
    }
}

fn gone(run: RunId) -> Error {
    Error::new(
        Some(run),
        Failure::new(ErrorKind::Internal, "the run was dropped before it ended"),
    )
}

#[cfg(test)]
mod tests;
