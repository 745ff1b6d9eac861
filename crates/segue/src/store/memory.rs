//! The store in memory: what every other store does, without a disk. It outlives runners, not the process; with two
//! runners on one store it is also the cheapest way to test what happens between processes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use indexmap::IndexMap;

use super::{
    Account, AccountKey, Amounts, ArtifactQuery, Beat, Blobs, Claim, Commit, Committed, Created, Decide,
    Document, DocumentKey, Entry, Halt, Head, Hold, KeptArtifact, LinkVersion, MemoryBlobs, NewRun, Owner,
    OwnerId, OwnerSeen, Page, Pending, RunQuery, Settlement, Signal, SignalKind, Signalled, Store,
    StoreError, StoredPlan,
};
use crate::clock::Time;
use crate::id::{CallId, QuestionId, RunId};
use crate::question::{Question, QuestionStatus};
use inner::Inner;

mod inner;

/// A store in memory. Cheap to clone; a clone is the same store.
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    blobs: MemoryBlobs,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Inner) -> Result<T, StoreError>) -> Pending<T> {
        let mut inner: MutexGuard<'_, Inner> = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        std::future::ready(work(&mut inner)).boxed()
    }
}

impl Store for MemoryStore {
    fn name(&self) -> String {
        "memory:".into()
    }

    fn blobs(&self) -> &dyn Blobs {
        &self.blobs
    }

    fn enroll(&self, owner: Owner) -> Pending<()> {
        self.with(|inner| {
            inner.owners.insert(owner.id, OwnerSeen { owner, beats: 0 });
            Ok(())
        })
    }

    fn beat(&self, owner: OwnerId) -> Pending<Beat> {
        self.with(|inner| Ok(inner.beat(owner)))
    }

    fn owners(&self) -> Pending<Vec<OwnerSeen>> {
        self.with(|inner| Ok(inner.owners.values().cloned().collect()))
    }

    fn bury(&self, owner: OwnerId, beats: u64) -> Pending<bool> {
        self.with(|inner| {
            let is_still = inner.owners.get(&owner).is_some_and(|seen| seen.beats <= beats);
            if is_still {
                inner.owners.remove(&owner);
            }
            Ok(is_still)
        })
    }

    fn leave(&self, owner: OwnerId) -> Pending<()> {
        self.with(|inner| {
            inner.owners.remove(&owner);
            Ok(())
        })
    }

    fn create(&self, run: NewRun) -> Pending<Created> {
        self.with(|inner| inner.create(run))
    }

    fn claim(&self, run: RunId, owner: OwnerId) -> Pending<Claim> {
        self.with(|inner| inner.claim(run, owner))
    }

    fn commit(&self, commit: Commit) -> Pending<Committed> {
        self.with(|inner| inner.commit(commit))
    }

    fn unfinished(&self, now: Time, most: usize) -> Pending<Vec<Head>> {
        self.with(|inner| Ok(inner.unfinished(now, most)))
    }

    fn remove(&self, run: RunId) -> Pending<bool> {
        self.with(|inner| inner.remove(run))
    }

    fn plan(&self, hash: String) -> Pending<Option<StoredPlan>> {
        self.with(|inner| Ok(inner.plans.get(&hash).cloned()))
    }

    fn head(&self, run: RunId) -> Pending<Option<Head>> {
        self.with(|inner| Ok(inner.runs.get(&run).map(|run| run.head.clone())))
    }

    fn named(&self, prefix: String, most: usize) -> Pending<Vec<RunId>> {
        self.with(|inner| {
            let found = inner
                .order
                .iter()
                .rev()
                .filter(|run| run.to_string().starts_with(&prefix));
            Ok(found.take(most).copied().collect())
        })
    }

    fn runs(&self, query: RunQuery) -> Pending<Page<Head>> {
        self.with(|inner| inner.runs(&query))
    }

    fn log(&self, run: RunId, after: u64, most: usize) -> Pending<Vec<Entry>> {
        self.with(|inner| {
            let entries = inner
                .runs
                .get(&run)
                .map(|run| run.entries.as_slice())
                .unwrap_or_default();
            let from = entries.partition_point(|entry| entry.number <= after);
            Ok(entries[from..].iter().take(most).cloned().collect())
        })
    }

    fn signal(&self, signal: SignalKind, run: RunId, at: Time) -> Pending<Signalled> {
        self.with(|inner| Ok(inner.signal(signal, run, at)))
    }

    fn signals(&self, run: RunId) -> Pending<Vec<Signal>> {
        self.with(|inner| {
            Ok(inner
                .signals
                .iter()
                .filter(|signal| signal.run == run)
                .cloned()
                .collect())
        })
    }

    fn question(&self, question: QuestionId) -> Pending<Option<Question>> {
        self.with(|inner| Ok(inner.questions.get(&question).cloned()))
    }

    fn questions(&self, run: Option<RunId>, most: usize) -> Pending<Vec<Question>> {
        self.with(|inner| {
            let open = inner
                .questions
                .values()
                .filter(|question| question.status == QuestionStatus::Open);
            let found = open.filter(|question| run.is_none_or(|run| question.run == run));
            Ok(found.take(most).cloned().collect())
        })
    }

    fn expire(&self, question: QuestionId) -> Pending<bool> {
        self.with(|inner| {
            let Some(question) = inner.questions.get_mut(&question) else {
                return Ok(false);
            };
            if question.status == QuestionStatus::Open {
                question.status = QuestionStatus::Expired;
            }
            Ok(question.status == QuestionStatus::Expired)
        })
    }

    fn documents(&self, pipeline: String, key: String) -> Pending<Vec<Document>> {
        self.with(|inner| {
            let documents = inner.workspaces.get(&DocumentKey { pipeline, key });
            let there = documents.into_iter().flat_map(IndexMap::values);
            let there = there.filter(|document| document.run.is_some() || document.running.is_some());
            Ok(there.cloned().collect())
        })
    }

    fn workspaces(&self, key: Option<String>) -> Pending<Vec<DocumentKey>> {
        self.with(|inner| {
            let found = inner
                .workspaces
                .keys()
                .filter(|workspace| key.as_ref().is_none_or(|key| workspace.key == *key));
            Ok(found.cloned().collect())
        })
    }

    fn artifacts(&self, query: ArtifactQuery) -> Pending<Vec<KeptArtifact>> {
        self.with(|inner| {
            let found = inner.artifacts.values().filter(|kept| {
                !kept.is_output
                    && query.run.is_none_or(|run| kept.run == run)
                    && query
                        .pipeline
                        .as_ref()
                        .is_none_or(|pipeline| kept.pipeline == *pipeline)
                    && query.name.as_ref().is_none_or(|name| kept.artifact.name == *name)
            });
            let most = if query.limit == 0 { usize::MAX } else { query.limit };
            Ok(found.take(most).cloned().collect())
        })
    }

    fn link(&self, pipeline: String, link: String) -> Pending<Vec<LinkVersion>> {
        self.with(|inner| {
            let versions = inner.links.get(&(pipeline, link));
            Ok(versions
                .map(|versions| versions.iter().rev().cloned().collect())
                .unwrap_or_default())
        })
    }

    fn referenced(&self) -> Pending<BTreeSet<String>> {
        self.with(|inner| {
            let artifacts = inner.artifacts.values().map(|kept| kept.artifact.sha256.clone());
            let links = inner
                .links
                .values()
                .flatten()
                .map(|link| link.artifact.sha256.clone());
            Ok(artifacts.chain(links).collect())
        })
    }

    fn reserve(&self, hold: Hold, accounts: Vec<AccountKey>, decide: Decide) -> Pending<Option<Amounts>> {
        self.with(|inner| inner.reserve(hold, &accounts, decide))
    }

    fn holds(&self, run: RunId) -> Pending<Vec<Hold>> {
        self.with(|inner| {
            let holds = inner
                .holds
                .values()
                .map(|(hold, _)| hold)
                .filter(|hold| hold.run == run);
            Ok(holds.cloned().collect())
        })
    }

    fn accounts(&self, name: Option<String>, most: usize) -> Pending<Vec<Account>> {
        self.with(|inner| {
            let mut found: Vec<Account> = inner
                .accounts
                .values()
                .filter(|account| name.as_ref().is_none_or(|name| account.key.name == *name))
                .cloned()
                .collect();
            found.sort_by(|a, b| {
                b.key
                    .window
                    .cmp(&a.key.window)
                    .then_with(|| a.key.name.cmp(&b.key.name))
            });
            found.truncate(most);
            Ok(found)
        })
    }

    fn settle(&self, run: RunId, calls: Vec<(CallId, Settlement)>) -> Pending<()> {
        self.with(|inner| {
            for (call, settlement) in calls {
                inner.settle(run, call, settlement);
            }
            Ok(())
        })
    }

    fn halt(&self, halt: Option<Halt>) -> Pending<()> {
        self.with(|inner| {
            inner.halt = halt;
            Ok(())
        })
    }

    fn halted(&self) -> Pending<Option<Halt>> {
        self.with(|inner| Ok(inner.halt.clone()))
    }

    fn examine(&self) -> Pending<Vec<String>> {
        self.with(|_| Ok(Vec::new()))
    }
}
