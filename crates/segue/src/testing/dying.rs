//! A store whose process is lost after so many writes: from then on nothing it is asked is answered, and nothing is
//! written. What it wrote before stays in the store behind it, for the next process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use tokio::sync::Notify;

use crate::clock::Time;
use crate::id::{CallId, QuestionId, RunId};
use crate::question::Question;
use crate::store::{
    Account, AccountKey, Amounts, ArtifactQuery, Beat, Blobs, Claim, Commit, Committed, Created, Decide,
    Document, DocumentKey, Entry, Halt, Head, Hold, KeptArtifact, LinkVersion, NewRun, Owner, OwnerId,
    OwnerSeen, Page, Pending, RunQuery, Settlement, Signal, SignalKind, Signalled, Store, StoredPlan,
};

/// A store whose process is lost after so many writes.
pub struct Dying {
    inner: Arc<dyn Store>,
    left: AtomicU64,
    died: Arc<Notify>,
}

impl Dying {
    /// The process is lost instead of making write number `writes`, from 0.
    #[must_use]
    pub fn after(inner: Arc<dyn Store>, writes: u64) -> Self {
        Self {
            inner,
            left: AtomicU64::new(writes),
            died: Arc::new(Notify::new()),
        }
    }

    /// Told when the process is lost.
    #[must_use]
    pub fn died(&self) -> Arc<Notify> {
        self.died.clone()
    }

    /// Whether all its writes are used up.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Counts a write; false when the process is lost before it.
    fn writes(&self) -> bool {
        let lives = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
            .is_ok();
        if !lives {
            self.died.notify_one();
        }
        lives
    }
}

macro_rules! forward {
    ({ $($read:ident($($ra:ident: $rt:ty),*) -> $rr:ty;)* } { $($write:ident($($wa:ident: $wt:ty),*) -> $wr:ty;)* }) => {
        impl Store for Dying {
            fn name(&self) -> String {
                self.inner.name()
            }

            fn blobs(&self) -> &dyn Blobs {
                self.inner.blobs()
            }

            $(fn $read(&self, $($ra: $rt),*) -> Pending<$rr> {
                match self.is_dead() {
                    true => std::future::pending().boxed(),
                    false => self.inner.$read($($ra),*),
                }
            })*

            $(fn $write(&self, $($wa: $wt),*) -> Pending<$wr> {
                match self.writes() {
                    true => self.inner.$write($($wa),*),
                    false => std::future::pending().boxed(),
                }
            })*
        }
    };
}

forward! {{
    beat(owner: OwnerId) -> Beat;
    news(owner: OwnerId) -> Beat;
    owners() -> Vec<OwnerSeen>;
    unfinished(now: Time, most: usize) -> Vec<Head>;
    plan(hash: String) -> Option<StoredPlan>;
    head(run: RunId) -> Option<Head>;
    named(prefix: String, most: usize) -> Vec<RunId>;
    runs(query: RunQuery) -> Page<Head>;
    log(run: RunId, after: u64, most: usize) -> Vec<Entry>;
    signals(run: RunId) -> Vec<Signal>;
    question(question: QuestionId) -> Option<Question>;
    questions(run: Option<RunId>, most: usize) -> Vec<Question>;
    documents(pipeline: String, key: String) -> Vec<Document>;
    workspaces(key: Option<String>) -> Vec<DocumentKey>;
    artifacts(query: ArtifactQuery) -> Vec<KeptArtifact>;
    link(pipeline: String, link: String) -> Vec<LinkVersion>;
    referenced() -> BTreeSet<String>;
    holds(run: RunId) -> Vec<Hold>;
    accounts(name: Option<String>, most: usize) -> Vec<Account>;
    halted() -> Option<Halt>;
    examine() -> Vec<String>;
} {
    enroll(owner: Owner) -> ();
    bury(owner: OwnerId, beats: u64) -> bool;
    leave(owner: OwnerId) -> ();
    create(run: NewRun) -> Created;
    claim(run: RunId, owner: OwnerId) -> Claim;
    release(run: RunId, fence: u64) -> ();
    commit(commit: Commit) -> Committed;
    remove(run: RunId) -> bool;
    signal(signal: SignalKind, run: RunId, at: Time) -> Signalled;
    expire(question: QuestionId) -> bool;
    reserve(hold: Hold, accounts: Vec<AccountKey>, decide: Decide) -> Option<Amounts>;
    settle(run: RunId, calls: Vec<(CallId, Settlement)>) -> ();
    halt(halt: Option<Halt>) -> ();
}}
