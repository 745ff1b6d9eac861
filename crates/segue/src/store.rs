//! Stores: where runs are kept, so that they outlive their process.
//!
//! A [`Store`] is deliberately simple-minded: it knows transactions, uniqueness, fences and order, and nothing of what a
//! run is. What a transition means is worked out by the library and handed over as one [`Commit`]; a store carries out
//! all of it or none. So every store behaves alike, and the conformance suite (`segue::testing`, feature `testing`) can
//! say what that is.
//!
//! What holds of every store:
//!
//! - **Accepted is durable.** A [`Pending`] gives its value when what it did would outlive the process, and the power
//!   under full durability.
//! - **Fenced.** Whoever writes to a run holds it under a fence, which grows each time somebody takes the run up. A
//!   write under another fence than the present one is [`StoreErrorKind::Lost`] and changes nothing.
//! - **In order.** Methods queue their work before they return; the commits of one run are carried out in the order of
//!   the calls, whoever awaits first.
//! - **Once.** A run, an outcome `(run, unit)`, an answer to a question, a version of a link exist once. A commit that
//!   was carried out although its answer was lost is recognised and not repeated.

use std::pin::Pin;

use crate::clock::Time;
use crate::id::{CallId, QuestionId, RunId};
use crate::question::Question;

mod account;
mod artifact;
mod blobs;
mod commit;
mod document;
mod error;
mod memory;
mod owner;
mod run;
mod signal;
pub(crate) mod through;

pub use account::{Account, AccountKey, Amounts, Decide, Hold, HoldState, Settlement};
pub use artifact::{ArtifactQuery, KeptArtifact, LinkVersion};
pub(crate) use blobs::hex;
pub use blobs::{BlobReader, BlobWriter, Blobs, MemoryBlobs};
pub use commit::{Commit, Committed, Entry, QuestionChange, UnitKey};
pub use document::{Document, DocumentKey};
pub use error::{StoreError, StoreErrorKind};
pub use memory::MemoryStore;
pub use owner::{Owner, OwnerId, OwnerSeen, Place};
pub use run::{
    Claim, Created, Halt, Head, NewRun, Page, Parent, Relation, Request, RunQuery, RunSort, Standing,
    StoredPlan,
};
pub use signal::{Signal, SignalKind, Signalled};

/// What a store answers, once it has carried out what was asked.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// What an owner learns when it says that it is alive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beat {
    /// Somebody took it for dead: its runs may have other owners by now.
    pub buried: bool,
    /// Calls of all runs are halted.
    pub halted: bool,
    /// Runs it holds for which a signal waits.
    pub signalled: Vec<RunId>,
}

/// Where runs are kept.
pub trait Store: Send + Sync + 'static {
    /// How people call it, without anything secret: `sqlite:.segue/store.db`.
    fn name(&self) -> String;

    /// Where bytes are kept: artifacts, and outputs too large for a log.
    fn blobs(&self) -> &dyn Blobs;

    // ---- who works

    /// Makes an owner known before it takes up its first run.
    fn enroll(&self, owner: Owner) -> Pending<()>;

    /// The owner is alive.
    fn beat(&self, owner: OwnerId) -> Pending<Beat>;

    /// What an owner would learn if it said that it is alive, without saying so.
    fn news(&self, owner: OwnerId) -> Pending<Beat>;

    /// All owners that have not left and were not buried.
    fn owners(&self) -> Pending<Vec<OwnerSeen>>;

    /// Takes an owner for dead, unless it has said more than `beats` times that it is alive; its runs may be claimed
    /// from then on. False when it has, or is gone already.
    fn bury(&self, owner: OwnerId, beats: u64) -> Pending<bool>;

    /// The owner leaves by itself; whatever it still holds may be claimed.
    fn leave(&self, owner: OwnerId) -> Pending<()>;

    // ---- runs

    /// Creates a run with the first entry of its log, held by its owner. The same once more, because its answer was
    /// lost, gives the same answer.
    fn create(&self, run: NewRun) -> Pending<Created>;

    /// Takes up a run that nobody holds and that is not over. Its fence grows.
    fn claim(&self, run: RunId, owner: OwnerId) -> Pending<Claim>;

    /// Gives up a run that is held under this fence, with nothing written.
    fn release(&self, run: RunId, fence: u64) -> Pending<()>;

    /// Carries out one transition of a run. As long as what stands in the way passes (a full disk, a lock), it waits:
    /// what a run has done is not lost because it cannot be written yet.
    fn commit(&self, commit: Commit) -> Pending<Committed>;

    /// Runs that nobody holds and that can go on: those that have not come to rest, those that wait and were sent a
    /// signal, those that wait and whose time has come. Oldest first.
    fn unfinished(&self, now: Time, most: usize) -> Pending<Vec<Head>>;

    /// The run is forgotten, with its log and what only it had. Only one that is over.
    fn remove(&self, run: RunId) -> Pending<bool>;

    // ---- reading

    /// A plan by its hash.
    fn plan(&self, hash: String) -> Pending<Option<StoredPlan>>;

    /// What is known of a run without its log.
    fn head(&self, run: RunId) -> Pending<Option<Head>>;

    /// Runs whose ids begin like this text, newest first; for people who type the beginning of an id.
    fn named(&self, prefix: String, most: usize) -> Pending<Vec<RunId>>;

    /// A page of runs.
    fn runs(&self, query: RunQuery) -> Pending<Page<Head>>;

    /// Entries of a run's log after the one of the number `after`, in order.
    fn log(&self, run: RunId, after: u64, most: usize) -> Pending<Vec<Entry>>;

    // ---- people

    /// Tells a run something, whoever holds it. Answers and cancels are accepted here, once.
    fn signal(&self, signal: SignalKind, run: RunId, at: Time) -> Pending<Signalled>;

    /// What was sent to a run and not taken up yet, in order.
    fn signals(&self, run: RunId) -> Pending<Vec<Signal>>;

    /// A question.
    fn question(&self, question: QuestionId) -> Pending<Option<Question>>;

    /// Open questions, of one run or of all, oldest first.
    fn questions(&self, run: Option<RunId>, most: usize) -> Pending<Vec<Question>>;

    /// Nobody answered in time. False when somebody did.
    fn expire(&self, question: QuestionId) -> Pending<bool>;

    // ---- workspaces

    /// The current results of a workspace, in the order in which they were first made.
    fn documents(&self, pipeline: String, key: String) -> Pending<Vec<Document>>;

    /// The workspaces of a key, one for each pipeline that has it, or all there are. Sorted.
    fn workspaces(&self, key: Option<String>) -> Pending<Vec<DocumentKey>>;

    // ---- artifacts

    /// Artifacts, oldest first.
    fn artifacts(&self, query: ArtifactQuery) -> Pending<Vec<KeptArtifact>>;

    /// What a link of a pipeline has pointed to, newest first.
    fn link(&self, pipeline: String, link: String) -> Pending<Vec<LinkVersion>>;

    /// The hashes of all bytes that anything refers to; other bytes may be swept.
    fn referenced(&self) -> Pending<std::collections::BTreeSet<String>>;

    // ---- budgets that several runs share

    /// Reserves the upper bound of a call against accounts that runs share: `decide` is told how they stand and says how
    /// much, or none. Nobody else reserves or settles in between. Gives what was reserved. The same call once more, because
    /// its answer was lost, gives what it holds.
    fn reserve(&self, hold: Hold, accounts: Vec<AccountKey>, decide: Decide) -> Pending<Option<Amounts>>;

    /// What the calls of a run still hold.
    fn holds(&self, run: RunId) -> Pending<Vec<Hold>>;

    /// How shared accounts stand; of one name, or all. Newest window first.
    fn accounts(&self, name: Option<String>, most: usize) -> Pending<Vec<Account>>;

    /// Calls of this run that were settled or given up.
    fn settle(&self, run: RunId, calls: Vec<(CallId, Settlement)>) -> Pending<()>;

    // ---- the operator

    /// Stops all new calls, or lets them go on.
    fn halt(&self, halt: Option<Halt>) -> Pending<()>;

    /// Whether calls are stopped, by whom and since when.
    fn halted(&self) -> Pending<Option<Halt>>;

    /// Looks for damage in what is stored, as far as the store itself can see it; nothing is changed. Each finding is
    /// one line.
    fn examine(&self) -> Pending<Vec<String>>;
}
