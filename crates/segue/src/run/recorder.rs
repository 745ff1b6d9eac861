//! Recording: the durable side of one run. What is appended to the log is handed to the store as commits, in order, each
//! with everything that follows from it: outcomes, questions, settled calls, artifacts, current results.
//!
//! The run's dispatcher and its attempts flush through here and wait where something must not be seen before it is
//! durable. A store that says somebody else has the run, or that is gone, stops the run here: nothing more is written,
//! and whatever runs is aborted by the engine.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::value::RawValue;
use tokio::sync::{Notify, watch};

use super::rest::StoredResult;
use crate::artifact::{Artifact, Media};
use crate::budget::ledger::Ledger;
use crate::id::{ArtifactId, CallId, Ids, RunId};
use crate::lock::lock;
use crate::log::{EventKind, Record, RunLog, What, stored};
use crate::store::{
    AccountKey, Amounts, Commit, Committed, Created, Decide, Document, Entry, Hold, HoldState, KeptArtifact,
    LinkVersion, NewRun, Pending, QuestionChange, Settlement, Standing, Store, StoreError, StoreErrorKind,
    UnitKey,
};
use crate::value::{SHORT, Value, ValueRef};

/// Outputs beyond this many bytes of JSON are kept beside the log where nothing else is said.
pub(crate) const INLINE: usize = 64 * 1024;

/// The durable side of one run.
pub(crate) struct Recorder {
    books: Arc<Books>,
    run: RunId,
    pipeline: String,
    inner: Mutex<Inner>,
    /// Held while things are put down that belong together, and while what was put down is handed over.
    whole: Mutex<()>,
    /// The last entry that is known to outlive the process.
    durable: AtomicU64,
    stopped: watch::Sender<Option<StoreError>>,
}

/// What the recorders of a process share.
pub(crate) struct Books {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) ids: Arc<dyn Ids>,
    /// The longest JSON of an output that stands in the log.
    pub(crate) inline: usize,
    /// Told when a run was written.
    pub(crate) changed: Arc<Notify>,
}

struct Inner {
    /// How the run comes to exist, until it does.
    new: Option<Box<NewRun>>,
    fence: u64,
    number: u64,
    seq: u64,
    effects: Effects,
    /// Calls that hold something of budgets that runs share, and whether they were sent. What becomes of a hold goes with
    /// the record of what became of its call.
    held: BTreeMap<CallId, bool>,
    /// The run is over, and that was handed over.
    is_over: bool,
}

/// What goes with the next commit.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) outcomes: Vec<UnitKey>,
    pub(crate) standing: Option<Standing>,
    pub(crate) questions: Vec<QuestionChange>,
    pub(crate) taken: Vec<u64>,
    pub(crate) settled: Vec<(CallId, Settlement)>,
    pub(crate) artifacts: Vec<KeptArtifact>,
    pub(crate) links: Vec<LinkVersion>,
    pub(crate) documents: Vec<Document>,
    pub(crate) unclaimed: Vec<String>,
    pub(crate) leaves: bool,
}

/// What a transition was decided on.
#[derive(Default)]
pub(crate) struct Batch {
    pub(super) results: Vec<StoredResult>,
    pub(super) values: stored::Values,
}

/// Why a value could not be kept beside the log.
pub(super) enum Unkept {
    /// It refuses to be written as JSON.
    NotJson(String),
    /// The store could not keep it.
    Store(StoreError),
}

impl From<StoreError> for Unkept {
    fn from(error: StoreError) -> Self {
        Unkept::Store(error)
    }
}

impl From<Unkept> for StoreError {
    fn from(unkept: Unkept) -> Self {
        match unkept {
            Unkept::NotJson(error) => {
                let message = format!("an output could not be written: {error}");
                StoreError::new(StoreErrorKind::Failed, message)
            }
            Unkept::Store(error) => error,
        }
    }
}

/// The run cannot be written any more.
#[derive(Debug, Clone)]
pub(crate) struct Stopped(pub(crate) StoreError);

/// What became of the first flush of a run.
pub(crate) enum Begun {
    /// It exists.
    New,
    /// It does not: this instead.
    Other(Created),
}

impl Books {
    /// The text of a value, where it may stand in a log; none of one that has to be kept beside it.
    ///
    /// # Errors
    /// When it refuses to be written as JSON.
    fn written(&self, value: &Value) -> Result<Option<Box<RawValue>>, String> {
        if value.stored_at().is_some() {
            return Ok(None);
        }
        // What stands for itself in the hash of what it is part of is never kept elsewhere.
        let most = self.inline.max(SHORT);
        super::spill::text(value, most).map_err(|error| error.to_string())
    }

    /// A value as it is written: itself, or where it is kept when it is too large.
    ///
    /// # Errors
    /// When it could not be kept.
    pub(crate) async fn fitting(&self, value: Value) -> Result<Value, StoreError> {
        if !matches!(self.written(&value), Ok(None)) || value.stored_at().is_some() {
            return Ok(value);
        }
        Ok(Value::stored(self.keep(&value).await?))
    }

    async fn keep(&self, value: &Value) -> Result<ValueRef, Unkept> {
        let hash = value.hash().map_err(|error| Unkept::NotJson(error.to_string()))?;
        let (sha256, bytes) = super::spill::keep(self.store.blobs(), value).await?;
        Ok(ValueRef {
            artifact: ArtifactId::new(&*self.ids),
            bytes,
            sha256,
            media_type: Media::Json.media_type().to_owned(),
            hash,
        })
    }
}

impl Recorder {
    /// The recorder of a run that is about to exist.
    pub(crate) fn new(books: &Arc<Books>, new: Box<NewRun>) -> Self {
        let run = (new.head.id, new.head.pipeline.clone());
        Self::of(books, run, Some(new), (1, 0, 0))
    }

    /// The recorder of a run that was taken up under a fence, after an entry and an event.
    pub(crate) fn resumed(books: &Arc<Books>, run: (RunId, String), last: (u64, u64, u64)) -> Self {
        Self::of(books, run, None, last)
    }

    fn of(
        books: &Arc<Books>,
        (run, pipeline): (RunId, String),
        new: Option<Box<NewRun>>,
        (fence, number, seq): (u64, u64, u64),
    ) -> Self {
        Self {
            books: books.clone(),
            run,
            pipeline,
            inner: Mutex::new(Inner {
                new,
                fence,
                number,
                seq,
                effects: Effects::default(),
                held: BTreeMap::new(),
                is_over: false,
            }),
            whole: Mutex::new(()),
            durable: AtomicU64::new(number),
            stopped: watch::Sender::new(None),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.books.store
    }

    /// Whether the run does not exist yet.
    pub(crate) fn is_new(&self) -> bool {
        lock(&self.inner).new.is_some()
    }

    /// Asks the store to set something aside for a call in budgets that runs share. `decide` is told how they stand.
    pub(super) fn reserve(
        &self,
        call: CallId,
        accounts: Vec<AccountKey>,
        decide: Decide,
    ) -> Pending<Option<Amounts>> {
        let hold = Hold {
            call,
            run: self.run,
            fence: lock(&self.inner).fence,
            state: HoldState::Reserved,
            amounts: Amounts::default(),
        };
        self.books.store.reserve(hold, accounts, decide)
    }

    /// A call holds something in the store: it is settled with the record of how the call ends. False when the run is
    /// over, and no record follows.
    pub(super) fn holds(&self, call: CallId) -> bool {
        let inner = &mut *lock(&self.inner);
        if !inner.is_over {
            inner.held.insert(call, false);
        }
        !inner.is_over
    }

    /// Whether the run is over, and no record follows.
    pub(super) fn is_over(&self) -> bool {
        lock(&self.inner).is_over
    }

    /// Gives back what a call holds that was never sent, and of which there is no record.
    pub(super) fn give_back(&self, call: CallId) {
        // Handed over with this; whether it is done is not waited for.
        drop(
            self.books
                .store
                .settle(self.run, vec![(call, Settlement::Released)]),
        );
    }

    /// What is put down while this is held, in the log and beside it, is written together. Nothing is flushed meanwhile but
    /// by [`Recorder::flush_whole`].
    pub(crate) fn together(&self) -> MutexGuard<'_, ()> {
        lock(&self.whole)
    }

    /// Adds to what goes with the next commit.
    pub(crate) fn with(&self, change: impl FnOnce(&mut Effects)) {
        change(&mut lock(&self.inner).effects);
    }

    /// Creates the run with what was decided first.
    ///
    /// # Errors
    /// When it could not be created.
    pub(crate) async fn begin(&self, log: &RunLog) -> Result<Begun, StoreError> {
        let pending = {
            let inner = &mut *lock(&self.inner);
            let Some(mut new) = inner.new.take() else {
                return Ok(Begun::New);
            };
            let (entry, effects) = inner.seal(log, Batch::default()).map_err(unwritable)?;
            new.entry = entry;
            new.outcomes = effects.outcomes;
            new.questions = effects.questions;
            new.artifacts.extend(effects.artifacts);
            new.documents.extend(effects.documents);
            if let Some(standing) = effects.standing {
                new.head.standing = standing;
            }
            if effects.leaves {
                // It is over as it begins, because it takes over everything: nobody has to hold it.
                new.owner = None;
            }
            self.books.store.create(*new)
        };
        match pending.await? {
            Created::New { fence } => {
                lock(&self.inner).fence = fence;
                self.durable.fetch_max(1, Ordering::AcqRel);
                Ok(Begun::New)
            }
            other => Ok(Begun::Other(other)),
        }
    }

    /// Hands everything that was appended since the last time to the store; done when it is durable. Queued before this
    /// returns: what is flushed later comes later, whoever waits.
    pub(crate) fn flush(
        self: &Arc<Self>,
        log: &RunLog,
        batch: Batch,
    ) -> impl Future<Output = Result<Committed, Stopped>> + Send + use<> {
        self.flush_whole(self.together(), log, batch)
    }

    /// The same, of what was put down together.
    pub(crate) fn flush_whole(
        self: &Arc<Self>,
        whole: MutexGuard<'_, ()>,
        log: &RunLog,
        batch: Batch,
    ) -> impl Future<Output = Result<Committed, Stopped>> + Send + use<> {
        let pending = self.submit(log, batch);
        drop(whole);
        let this = self.clone();
        async move {
            match pending {
                Ok(None) => Ok(Committed::default()),
                Ok(Some((number, pending))) => {
                    let committed = pending.await.map_err(|error| this.stop(error));
                    if committed.is_ok() {
                        this.durable.fetch_max(number, Ordering::AcqRel);
                    }
                    crate::fail::point("K9");
                    this.books.changed.notify_waiters();
                    committed
                }
                Err(stopped) => Err(stopped),
            }
        }
    }

    /// Hands over what there is, without waiting for it.
    pub(crate) fn flush_soon(self: &Arc<Self>, log: &RunLog) {
        if !log.is_sealed() {
            // What it is told is told again by a later flush, and by the owner's next sign of life.
            drop(self.flush(log, Batch::default()));
        }
    }

    /// None where there is nothing to hand over and nothing under way: what somebody else has handed over a moment ago
    /// has to be waited for as well, and a commit of nothing comes after it.
    fn submit(&self, log: &RunLog, batch: Batch) -> Result<Option<(u64, Pending<Committed>)>, Stopped> {
        if let Some(error) = &*self.stopped.borrow() {
            return Err(Stopped(error.clone()));
        }
        let inner = &mut *lock(&self.inner);
        let waits_for_nothing = inner.is_over || self.durable.load(Ordering::Acquire) >= inner.number;
        if waits_for_nothing && log.is_sealed() && batch.results.is_empty() && inner.effects.is_empty() {
            return Ok(None);
        }
        let (entry, effects) = inner
            .seal(log, batch)
            .map_err(|error| self.stop(unwritable(error)))?;
        let Effects {
            outcomes,
            standing,
            questions,
            taken,
            settled,
            artifacts,
            links,
            documents,
            unclaimed,
            leaves,
        } = effects;
        let number = entry.number;
        let pending = self.books.store.commit(Commit {
            run: self.run,
            fence: inner.fence,
            entry,
            outcomes,
            standing,
            questions,
            taken,
            settled,
            artifacts,
            links,
            documents,
            unclaimed,
            leaves,
        });
        Ok(Some((number, pending)))
    }

    /// Nothing more is written.
    pub(crate) fn stop(&self, error: StoreError) -> Stopped {
        self.stopped.send_if_modified(|stopped| {
            let first = stopped.is_none();
            if first {
                *stopped = Some(error.clone());
            }
            first
        });
        Stopped(error)
    }

    /// Told when nothing more can be written.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<StoreError>> {
        self.stopped.subscribe()
    }

    /// The text of a value, where it may stand in the log; none of one that has to be kept beside it.
    ///
    /// # Errors
    /// When it refuses to be written as JSON.
    pub(super) fn written(&self, value: &Value) -> Result<Option<Box<RawValue>>, String> {
        self.books.written(value)
    }

    /// Keeps a value beside the log.
    ///
    /// # Errors
    /// When it could not be kept.
    pub(super) async fn spill(&self, value: &Value, step: &str) -> Result<Value, Unkept> {
        if value.stored_at().is_some() {
            return Ok(value.clone());
        }
        let at = self.books.keep(value).await?;
        let artifact = Artifact::output(&at, step);
        let kept = KeptArtifact {
            artifact,
            run: self.run,
            pipeline: self.pipeline.clone(),
            at: crate::clock::wall(),
            is_output: true,
        };
        self.with(|effects| effects.artifacts.push(kept));
        Ok(Value::stored(at))
    }
}

impl Inner {
    fn seal(&mut self, log: &RunLog, batch: Batch) -> Result<(Entry, Effects), serde_json::Error> {
        let Batch { results, values } = batch;
        let at = log.clock().time();
        let (held, settled) = (&mut self.held, &mut self.effects.settled);
        let (events, body) = log.seal(|events, records| {
            let mut records = records.inspect(|record| {
                if !held.is_empty() {
                    settled.extend(settlement(held, record));
                }
            });
            (events, stored::write(at, &results, values, &mut records))
        });
        let standing = self.effects.standing.as_ref();
        if standing.is_some_and(|standing| standing.status.is_terminal()) {
            self.is_over = true;
            // Of what is still under way nobody will write down how it ends.
            let left = std::mem::take(&mut self.held);
            let left = left.into_iter().map(|(call, was_sent)| match was_sent {
                true => (call, Settlement::Uncertain),
                false => (call, Settlement::Released),
            });
            self.effects.settled.extend(left);
        }
        let entry = Entry {
            number: self.number + 1,
            after: self.seq,
            events,
            at,
            body: body?,
        };
        self.number = entry.number;
        self.seq = entry.last();
        Ok((entry, std::mem::take(&mut self.effects)))
    }
}

impl Effects {
    fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
            && self.standing.is_none()
            && self.questions.is_empty()
            && self.taken.is_empty()
            && self.settled.is_empty()
            && self.artifacts.is_empty()
            && self.links.is_empty()
            && self.documents.is_empty()
            && self.unclaimed.is_empty()
            && !self.leaves
    }
}

/// What becomes of the hold of a call with this record, if it has one.
fn settlement(held: &mut BTreeMap<CallId, bool>, record: &Record) -> Option<(CallId, Settlement)> {
    let What::Other(event) = &record.what else {
        return None;
    };
    let (call, settlement) = match &**event {
        EventKind::CallStarted { call, .. } => {
            if let Some(was_sent) = held.get_mut(call) {
                *was_sent = true;
            }
            return None;
        }
        EventKind::CallSucceeded {
            call, usage, cost, ..
        }
        | EventKind::CallFailed {
            call, usage, cost, ..
        } => {
            let spent = match usage.requests {
                0 => Settlement::Released,
                _ => Settlement::Spent(Ledger::counts(usage, cost.nanousd)),
            };
            (*call, spent)
        }
        EventKind::CallUncertain { call, .. } => (*call, Settlement::Uncertain),
        _ => return None,
    };
    held.remove(&call).map(|_| (call, settlement))
}

fn unwritable(error: serde_json::Error) -> StoreError {
    StoreError::new(
        StoreErrorKind::Failed,
        format!("an entry of the log could not be written: {error}"),
    )
}
