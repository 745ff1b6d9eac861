//! Stores in front of another one: what they let through, and what they do beside that.

use std::sync::Arc;

use futures_util::FutureExt;

use crate::store::{AccountKey, Amounts, Blobs, Commit, Committed, Decide, Hold, Pending, Store, StoreError};

/// A store in front of another one.
pub(crate) trait Through: Send + Sync + 'static {
    /// The store behind it.
    fn behind(&self) -> &Arc<dyn Store>;

    /// Whether it still answers what it is asked; else it never does.
    fn reads(&self) -> bool {
        true
    }

    /// Whether the next write is made; else it never is, and whoever asked for it waits for ever.
    fn writes(&self) -> bool {
        true
    }

    /// Where bytes are kept.
    fn blobs_behind(&self) -> &dyn Blobs {
        self.behind().blobs()
    }

    /// Hands over a transition.
    fn commit_behind(&self, commit: Commit) -> Pending<Committed> {
        self.behind().commit(commit)
    }

    /// Hands over a reservation.
    fn reserve_behind(
        &self,
        hold: Hold,
        accounts: Vec<AccountKey>,
        decide: Decide,
    ) -> Pending<Option<Amounts>> {
        self.behind().reserve(hold, accounts, decide)
    }

    /// A write of this name was handed over to the store behind. An error is given instead of its answer.
    ///
    /// # Errors
    /// What whoever asked for the write is told.
    fn wrote(&self, _write: &'static str) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Makes a write of this name, unless it is one that is never made.
pub(crate) fn write<T: Send + 'static>(
    through: &impl Through,
    name: &'static str,
    make: impl FnOnce() -> Pending<T>,
) -> Pending<T> {
    if !through.writes() {
        return std::future::pending().boxed();
    }
    let pending = make();
    match through.wrote(name) {
        Ok(()) => pending,
        Err(error) => async move { pending.await.and(Err(error)) }.boxed(),
    }
}

/// Makes something that is [`Through`] a store.
macro_rules! through {
    ($type:ty) => {
        $crate::store::through::through! { $type {
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
            remove(run: RunId) -> bool;
            signal(signal: SignalKind, run: RunId, at: Time) -> Signalled;
            expire(question: QuestionId) -> bool;
            settle(run: RunId, calls: Vec<(CallId, Settlement)>) -> ();
            halt(halt: Option<Halt>) -> ();
        } }
    };
    ($type:ty { $($read:ident($($ra:ident: $rt:ty),*) -> $rr:ty;)* } { $($write:ident($($wa:ident: $wt:ty),*) -> $wr:ty;)* }) => {
        const _: () = {
            use std::collections::BTreeSet;

            use futures_util::FutureExt;

            use crate::clock::Time;
            use crate::id::{CallId, QuestionId, RunId};
            use crate::question::Question;
            use crate::store::*;
            use $crate::store::through::Through;

            impl Store for $type {
                fn name(&self) -> String {
                    self.behind().name()
                }

                fn blobs(&self) -> &dyn Blobs {
                    self.blobs_behind()
                }

                $(fn $read(&self, $($ra: $rt),*) -> Pending<$rr> {
                    match self.reads() {
                        true => self.behind().$read($($ra),*),
                        false => std::future::pending().boxed(),
                    }
                })*

                $(fn $write(&self, $($wa: $wt),*) -> Pending<$wr> {
                    $crate::store::through::write(self, stringify!($write), || self.behind().$write($($wa),*))
                })*

                fn commit(&self, commit: Commit) -> Pending<Committed> {
                    $crate::store::through::write(self, "commit", || self.commit_behind(commit))
                }

                fn reserve(&self, hold: Hold, accounts: Vec<AccountKey>, decide: Decide) -> Pending<Option<Amounts>> {
                    $crate::store::through::write(self, "reserve", || self.reserve_behind(hold, accounts, decide))
                }
            }
        };
    };
}

pub(crate) use through;
