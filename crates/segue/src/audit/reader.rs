//! The reader: every run of a store, one after another, newest first; then the workspaces. Several runs are read at
//! once, because a store answers each request after a wait.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::fold::{Audited, Fold, KeptBytes, pinned};
use super::{Finding, Rest, Rule};
use crate::budget::limit::{Amount, Unit};
use crate::id::RunId;
use crate::lock::lock;
use crate::plan::Pinned;
use crate::store::{
    Amounts, ArtifactQuery, Document, Head, Hold, HoldState, RunQuery, Store, StoreError, hex,
};

/// Entries that are read at once: of outputs at their longest a few megabytes.
const BITE: usize = 64;
/// Runs that are read at once.
const TOGETHER: usize = 8;
/// Heads that are read at once.
const PAGE: usize = 256;
/// Plans that are kept at hand.
const PLANS: usize = 64;
/// Findings that are told.
const MOST: usize = 1000;
/// How often a run that is being written is read again, before it is looked at without where it stands.
const AGAIN: u32 = 3;
/// Pieces of bytes that are read where not all of them are, and how many bytes.
const SAMPLE: (u64, u64) = (1000, 64 << 20);

/// An audit of a store.
pub struct Audit {
    store: Arc<dyn Store>,
    plans: Mutex<HashMap<String, Arc<Pinned>>>,
    is_deep: bool,
    /// Pieces of bytes that were met and read, and bytes that were read.
    bytes: [AtomicU64; 3],
    /// What calls in flight hold.
    held: Mutex<Amounts>,
    /// Runs that somebody works on.
    live: AtomicU64,
}

/// What an audit of a store came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// Runs that were looked at.
    pub runs: u64,
    /// Entries of their logs.
    pub entries: u64,
    /// Events in them.
    pub events: u64,
    /// Current results of workspaces.
    pub documents: u64,
    /// Pieces of bytes that runs refer to: artifacts, and outputs too large for a log.
    pub bytes: u64,
    /// How many of these were read.
    pub bytes_read: u64,
    /// What does not hold; at most a thousand.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub untold: u64,
}

impl AuditReport {
    /// Whether everything holds.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, audited: Audited) {
        self.runs += 1;
        self.entries += audited.entries;
        self.events += audited.events;
        self.untold += audited.untold;
        for finding in audited.findings {
            self.find(finding);
        }
    }

    fn find(&mut self, finding: Finding) {
        match self.findings.len() < MOST {
            true => self.findings.push(finding),
            false => self.untold += 1,
        }
    }
}

impl Audit {
    /// An audit of a store that reads a sample of the bytes beside the logs: those of the newest runs.
    #[must_use]
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            plans: Mutex::default(),
            is_deep: false,
            bytes: Default::default(),
            held: Mutex::default(),
            live: AtomicU64::new(0),
        }
    }

    /// Reads all bytes.
    #[must_use]
    pub fn deep(mut self) -> Self {
        self.is_deep = true;
        self
    }

    /// Audits every run and every workspace; tells how many runs it has looked at, now and then.
    ///
    /// # Errors
    /// When the store cannot be read. What is wrong with its content is no error.
    pub async fn all(&self, mut tell: impl FnMut(u64)) -> Result<AuditReport, StoreError> {
        let mut report = AuditReport::default();
        let mut query = RunQuery::newest(PAGE);
        loop {
            let page = self.store.runs(query.clone()).await?;
            let mut audits =
                stream::iter(page.items.into_iter().map(|head| self.one(head))).buffered(TOGETHER);
            while let Some(audited) = audits.next().await {
                if let Some(audited) = audited? {
                    report.add(audited);
                }
            }
            tell(report.runs);
            match page.next_cursor {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        self.workspaces(&mut report).await?;
        self.accounts(&mut report).await?;
        let [met, read, _] = &self.bytes;
        (report.bytes, report.bytes_read) = (met.load(Ordering::Relaxed), read.load(Ordering::Relaxed));
        Ok(report)
    }

    /// Audits one run; none when there is none of this id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn run(&self, run: RunId) -> Result<Option<Audited>, StoreError> {
        match self.store.head(run).await? {
            Some(head) => self.one(head).await,
            None => Ok(None),
        }
    }

    /// Audits the run of a head; none when it was removed meanwhile.
    async fn one(&self, mut head: Head) -> Result<Option<Audited>, StoreError> {
        let mut again = 0;
        loop {
            let (audited, is_same) = self.read(&head).await?;
            if is_same || again == AGAIN {
                return Ok(Some(audited));
            }
            again += 1;
            match self.store.head(head.id).await? {
                Some(now) => head = now,
                None => return Ok(None),
            }
        }
    }

    /// Reads a run, and whether it is still where its head says: where not, it is held against nothing but itself.
    async fn read(&self, head: &Head) -> Result<(Audited, bool), StoreError> {
        let run = head.id;
        let documents = match &head.key {
            Some(key) => self.store.documents(head.pipeline.clone(), key.clone()).await?,
            None => Vec::new(),
        };
        let mut fold = Fold::new(head, self.plan(head).await?, &documents);
        let mut after = 0;
        loop {
            let entries = self.store.log(run, after, BITE).await?;
            for entry in &entries {
                fold.entry(entry);
            }
            match entries.last() {
                Some(last) if entries.len() == BITE => after = last.number,
                _ => break,
            }
        }
        let mut questions = Vec::new();
        for question in fold.questions() {
            questions.extend(self.store.question(question).await?);
        }
        let is_over = head.standing.status.is_terminal();
        if !questions.is_empty() || !is_over {
            let open = self.store.questions(Some(run), MOST).await?;
            let unknown = open
                .into_iter()
                .filter(|open| fold.questions().iter().all(|id| *id != open.id));
            questions.extend(unknown.collect::<Vec<_>>());
        }
        let artifacts = match fold.has_saved() {
            true => {
                let query = ArtifactQuery {
                    run: Some(run),
                    ..ArtifactQuery::default()
                };
                self.store.artifacts(query).await?
            }
            false => Vec::new(),
        };
        let holds = self.store.holds(run).await?;
        self.count(head, &holds);
        let signals = self.store.signals(run).await?;
        // A run that is over does not change any more.
        let now = match is_over {
            true => None,
            false => Some(self.store.head(run).await?),
        };
        let is_same = now.is_none_or(|now| now.as_ref() == Some(head));
        let rest = Rest {
            questions: &questions,
            artifacts: &artifacts,
            holds: &holds,
            signals: &signals,
        };
        let mut audited = fold.finish(is_same.then_some(&rest));
        if is_same {
            self.look(head, &mut audited).await?;
        }
        Ok((audited, is_same))
    }

    /// Looks whether the bytes that a run refers to are there and are what they are called.
    async fn look(&self, head: &Head, audited: &mut Audited) -> Result<(), StoreError> {
        let [met, read, length] = &self.bytes;
        for kept in &audited.bytes {
            met.fetch_add(1, Ordering::Relaxed);
            let has_room =
                read.load(Ordering::Relaxed) < SAMPLE.0 && length.load(Ordering::Relaxed) < SAMPLE.1;
            if !self.is_deep && !has_room {
                continue;
            }
            read.fetch_add(1, Ordering::Relaxed);
            length.fetch_add(kept.bytes, Ordering::Relaxed);
            if let Some(why) = self.damage(kept).await? {
                let what = match &kept.name {
                    Some(name) => format!("the bytes of artifact `{name}`"),
                    None => "the bytes of a value".to_owned(),
                };
                audited.findings.push(Finding {
                    rule: Rule::Artifact,
                    run: Some(head.id),
                    entry: Some(kept.entry),
                    message: format!("{what} ({}) {why}", kept.sha256),
                });
            }
        }
        Ok(())
    }

    /// What is wrong with bytes, in words.
    async fn damage(&self, kept: &KeptBytes) -> Result<Option<String>, StoreError> {
        let Some(mut reader) = self.store.blobs().read(kept.sha256.clone()).await? else {
            return Ok(Some("are missing".to_owned()));
        };
        let (mut hash, mut length) = (Sha256::new(), 0_u64);
        while let Some(piece) = reader.next().await? {
            length += piece.len() as u64;
            hash.update(&piece);
        }
        if length != kept.bytes {
            return Ok(Some(format!("should be {} and are {length}", kept.bytes)));
        }
        let is_same = hex(&hash.finalize()) == kept.sha256;
        Ok((!is_same).then(|| "have another content than their hash says".to_owned()))
    }

    async fn plan(&self, head: &Head) -> Result<Result<Arc<Pinned>, String>, StoreError> {
        let hash = &head.plan_hash;
        if let Some(plan) = lock(&self.plans).get(hash) {
            return Ok(Ok(plan.clone()));
        }
        let stored = self.store.plan(hash.clone()).await?;
        let plan = pinned(head, stored.as_ref());
        if let Ok(plan) = &plan {
            let mut plans = lock(&self.plans);
            if plans.len() == PLANS {
                plans.clear();
            }
            plans.insert(hash.clone(), plan.clone());
        }
        Ok(plan)
    }

    /// Current results are of runs that are there and work in that workspace.
    async fn workspaces(&self, report: &mut AuditReport) -> Result<(), StoreError> {
        for workspace in self.store.workspaces(None).await? {
            let (pipeline, key) = (&workspace.pipeline, &workspace.key);
            let mut known = HashSet::new();
            for document in self.store.documents(pipeline.clone(), key.clone()).await? {
                report.documents += 1;
                for (run, what) in [(document.run, "is of"), (document.running, "is being made by")] {
                    let Some(run) = run.filter(|run| known.insert((*run, what))) else {
                        continue;
                    };
                    let head = self.store.head(run).await?;
                    if let Some(why) = astray(head.as_ref(), pipeline, key)
                        && self.is_still(pipeline, key, &document).await?
                    {
                        let step = &document.step;
                        report.find(Finding {
                            rule: Rule::Document,
                            run: Some(run),
                            entry: None,
                            message: format!("step `{step}` of `{key}` ({pipeline}) {what} this run, {why}"),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Remembers what the calls of a run hold.
    fn count(&self, head: &Head, holds: &[Hold]) {
        if head.owner.is_some() {
            self.live.fetch_add(1, Ordering::Relaxed);
        }
        let mut held = lock(&self.held);
        for hold in holds.iter().filter(|hold| hold.state == HoldState::Reserved) {
            for (sum, amount) in held.iter_mut().zip(hold.amounts) {
                *sum = sum.saturating_add(amount);
            }
        }
    }

    /// What shared budgets keep for calls is held by calls. Not looked at while somebody works: then it changes.
    async fn accounts(&self, report: &mut AuditReport) -> Result<(), StoreError> {
        let held = *lock(&self.held);
        if self.live.load(Ordering::Relaxed) > 0 {
            return Ok(());
        }
        // What became uncertain stays counted, also when its run is forgotten.
        for account in self.store.accounts(None, MOST).await? {
            let kept = Unit::ALL.into_iter().zip(account.reserved).zip(held);
            for ((unit, kept), held) in kept.filter(|((_, kept), held)| kept > held) {
                let [kept, held] = [kept, held].map(|amount| Amount::new(unit, amount));
                report.find(Finding {
                    rule: Rule::Budget,
                    run: None,
                    entry: None,
                    message: format!(
                        "budget {} keeps {kept} for calls in flight, and they hold {held}",
                        account.key
                    ),
                });
            }
        }
        Ok(())
    }

    /// Whether a current result is still the same: what was removed may have been replaced just before.
    async fn is_still(&self, pipeline: &str, key: &str, document: &Document) -> Result<bool, StoreError> {
        let now = self.store.documents(pipeline.to_owned(), key.to_owned()).await?;
        Ok(now.contains(document))
    }
}

/// Why a run cannot have a result of a workspace.
pub(super) fn astray(head: Option<&Head>, pipeline: &str, key: &str) -> Option<String> {
    let Some(head) = head else {
        return Some("which is not there".to_owned());
    };
    let own = head.key.as_deref().unwrap_or("none");
    match head.pipeline == pipeline && own == key {
        true => None,
        false => Some(format!("which works on `{own}` ({})", head.pipeline)),
    }
}
