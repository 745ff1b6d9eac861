//! A job: one request to the writer, with whoever waits for its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use segue::RunId;
use segue::store::{Pending, StoreError, StoreErrorKind};
use tokio::sync::oneshot;

use super::pace::Pace;
use super::trouble::{Grade, Stop, grade};
use super::writing::Writing;

/// What kind of request it is: what becomes of it while the store cannot write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A new run: refused at once, and whoever starts it is told.
    Create(RunId),
    /// A transition of a running run: it is kept until it can be written.
    Commit(RunId),
    /// Something else that a running run cannot do without: kept as well.
    Kept,
    /// An owner says that it lives; then it is looked whether the file is still the one that was opened.
    Beat,
    /// Anything that can be asked for again: refused at once.
    Other,
}

/// How a job went, inside a transaction that is not yet carried out.
pub(super) enum Went {
    /// Done, or told no without writing anything.
    Done,
    /// Refused; perhaps after it had written something.
    Refused,
}

/// One request. It may be run several times, as the transaction it is in has to be done again; it is told once.
pub(super) trait Job: Send {
    fn kind(&self) -> Kind;

    /// Does it. An error concerns the whole transaction.
    fn run(&mut self, writing: &mut Writing<'_>) -> Result<Went, rusqlite::Error>;

    /// Tells whoever waits what became of it: its own answer, or why there is none. Once.
    fn tell(&mut self, error: Option<StoreError>);
}

struct Task<T, W> {
    kind: Kind,
    went: Option<Result<T, StoreError>>,
    /// Until it was told.
    open: Option<Open<T, W>>,
}

/// What is to be done, and who is to be told.
struct Open<T, W> {
    work: W,
    sender: oneshot::Sender<Told<T, W>>,
}

/// What whoever waits is sent: the answer, and what it was made of, to be freed where it came from. That is a tenth of
/// what a writer does, which waits for the memory of the other threads as well.
struct Told<T, W> {
    answer: Result<T, StoreError>,
    #[expect(dead_code, reason = "it is only freed")]
    work: W,
}

/// A job and its answer.
pub(super) fn job<T, W>(kind: Kind, work: W, pace: &Arc<Pace>) -> (Box<dyn Job>, Pending<T>)
where
    T: Send + 'static,
    W: FnMut(&mut Writing<'_>) -> Result<T, Stop> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let task = Task {
        kind,
        went: None,
        open: Some(Open { work, sender }),
    };
    pace.sent();
    let answer = Answer {
        receiver,
        pace: pace.clone(),
        is_new: true,
    };
    (Box::new(task), Box::pin(answer))
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: FnMut(&mut Writing<'_>) -> Result<T, Stop> + Send,
{
    fn kind(&self) -> Kind {
        self.kind
    }

    fn run(&mut self, writing: &mut Writing<'_>) -> Result<Went, rusqlite::Error> {
        // Who was told once is told nothing else, so there is nothing to do.
        let Some(Open { work, .. }) = &mut self.open else {
            return Ok(Went::Done);
        };
        let (went, result) = match work(writing) {
            Ok(answer) => (Went::Done, Ok(answer)),
            Err(Stop::Refused(error)) => (Went::Refused, Err(error)),
            Err(Stop::Sql(error)) if grade(&error) == Grade::Wrong => {
                let message = format!("a statement of the store failed: {error}");
                (
                    Went::Refused,
                    Err(StoreError::new(StoreErrorKind::Failed, message)),
                )
            }
            // One row that makes no sense is the trouble of whoever needs it.
            Err(Stop::Sql(error)) if grade(&error) == Grade::Nonsense => {
                let error = StoreError::new(StoreErrorKind::Refused, error.to_string());
                (Went::Refused, Err(error))
            }
            Err(Stop::Sql(error)) => return Err(error),
        };
        self.went = Some(result);
        Ok(went)
    }

    fn tell(&mut self, error: Option<StoreError>) {
        let answer = match (error, self.went.take()) {
            (Some(error), _) => Err(error),
            (None, Some(went)) => went,
            (None, None) => Err(closed()),
        };
        if let Some(Open { work, sender }) = self.open.take() {
            // Whoever asked may have stopped waiting; what was asked is done all the same.
            let _ = sender.send(Told { answer, work });
        }
    }
}

/// What is told when a store is closed before it has answered.
pub(super) fn closed() -> StoreError {
    StoreError::new(
        StoreErrorKind::Failed,
        "the store was closed before it had answered",
    )
}

/// The answer to a job. Dropped before it is there, the job is carried out all the same.
struct Answer<T, W> {
    receiver: oneshot::Receiver<Told<T, W>>,
    pace: Arc<Pace>,
    is_new: bool,
}

impl<T, W> Future for Answer<T, W> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = |told: Option<Told<T, W>>| told.map_or_else(|| Err(closed()), |told| told.answer);
        if std::mem::take(&mut self.is_new) {
            let this = &mut *self;
            let arrived = this.pace.watch(|| match this.receiver.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => None,
                told => Some(told.ok()),
            });
            if let Some(told) = arrived {
                return Poll::Ready(answer(told));
            }
        }
        Pin::new(&mut self.receiver)
            .poll(context)
            .map(|told| answer(told.ok()))
    }
}
