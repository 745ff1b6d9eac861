//! The store in memory: what every other store does, without a disk. It outlives runners, not the process; with two
//! runners on one store it is also the cheapest way to test what happens between processes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use indexmap::IndexMap;

use super::{
    Account, AccountKey, Amounts, ArtifactQuery, Beat, Blobs, Claim, Commit, Committed, Created, Decide,
    Document, DocumentKey, Entry, Halt, Head, Hold, HoldState, KeptArtifact, LinkVersion, MemoryBlobs,
    NewRun, Owner, OwnerId, OwnerSeen, Page, Pending, QuestionChange, RunQuery, Settlement, Signal,
    SignalKind, Signalled, Store, StoreError, StoreErrorKind, StoredPlan, UnitKey,
};
use crate::clock::Time;
use crate::id::{ArtifactId, CallId, QuestionId, RunId};
use crate::question::{Question, QuestionStatus, RefusedAnswer};
use crate::view::{RunStatus, StepStatus};

/// A store in memory. Cheap to clone; a clone is the same store.
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
    blobs: MemoryBlobs,
}

#[derive(Default)]
struct Inner {
    owners: BTreeMap<OwnerId, OwnerSeen>,
    runs: BTreeMap<RunId, Run>,
    /// In the order of their creation.
    order: Vec<RunId>,
    requests: HashMap<String, (RunId, String)>,
    plans: HashMap<String, StoredPlan>,
    questions: IndexMap<QuestionId, Question>,
    signals: Vec<Signal>,
    last_signal: u64,
    workspaces: BTreeMap<DocumentKey, IndexMap<String, Document>>,
    artifacts: IndexMap<ArtifactId, KeptArtifact>,
    links: BTreeMap<(String, String), Vec<LinkVersion>>,
    accounts: BTreeMap<AccountKey, Account>,
    holds: BTreeMap<CallId, (Hold, Vec<AccountKey>)>,
    halt: Option<Halt>,
}

struct Run {
    head: Head,
    entries: Vec<Entry>,
    outcomes: BTreeSet<UnitKey>,
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

impl Inner {
    fn run(&mut self, run: RunId) -> Result<&mut Run, StoreError> {
        self.runs.get_mut(&run).ok_or_else(|| unknown(run))
    }

    /// Who holds a run, if that owner is still there.
    fn holder(&self, head: &Head) -> Option<OwnerId> {
        head.owner.filter(|owner| self.owners.contains_key(owner))
    }

    fn news(&self, owner: OwnerId) -> Beat {
        if !self.owners.contains_key(&owner) {
            return Beat {
                buried: true,
                ..Beat::default()
            };
        }
        let is_held = |run: &RunId| {
            self.runs
                .get(run)
                .is_some_and(|run| run.head.owner == Some(owner))
        };
        let signalled: BTreeSet<RunId> = self
            .signals
            .iter()
            .map(|signal| signal.run)
            .filter(is_held)
            .collect();
        Beat {
            buried: false,
            halted: self.halt.is_some(),
            signalled: signalled.into_iter().collect(),
        }
    }

    fn has_signals(&self, run: RunId, only_waking: bool) -> bool {
        let mut signals = self.signals.iter().filter(|signal| signal.run == run);
        signals.any(|signal| !only_waking || signal.kind.wakes())
    }

    fn create(&mut self, new: NewRun) -> Result<Created, StoreError> {
        let NewRun {
            mut head,
            plan,
            request,
            owner,
            entry,
            claims,
            expects,
            documents,
            questions,
        } = new;
        if let Some(request) = &request
            && let Some((run, body)) = self.requests.get(&request.key)
        {
            return Ok(if *body == request.body {
                Created::Existing(*run)
            } else {
                Created::OtherRequest(*run)
            });
        }
        if self.runs.contains_key(&head.id) {
            return Err(StoreError::new(
                StoreErrorKind::Misused,
                format!("run {} exists already", head.id),
            ));
        }
        let workspace = workspace_of(&head);
        if let Some(workspace) = &workspace
            && let Some(conflict) = self.conflict(workspace, &claims, &expects)
        {
            return Ok(conflict);
        }
        head.owner = owner;
        head.fence = 1;
        head.last_seq = entry.last();
        if let Some(request) = request {
            self.requests.insert(request.key, (head.id, request.body));
        }
        self.plans.entry(plan.hash.clone()).or_insert(plan);
        if let Some(workspace) = workspace {
            self.claim_steps(&workspace, claims, head.id, head.queued);
            self.move_documents(&workspace, documents, head.id);
        }
        self.change_questions(questions);
        self.order.push(head.id);
        self.runs.insert(
            head.id,
            Run {
                head,
                entries: vec![entry],
                outcomes: BTreeSet::new(),
            },
        );
        Ok(Created::New { fence: 1 })
    }

    fn conflict(
        &self,
        workspace: &DocumentKey,
        claims: &[String],
        expects: &[(String, Option<String>)],
    ) -> Option<Created> {
        let documents = self.workspaces.get(workspace);
        let document = |step: &String| documents.and_then(|documents| documents.get(step));
        for step in claims {
            if let Some(run) = document(step).and_then(|document| document.running) {
                return Some(Created::Running {
                    step: step.clone(),
                    run,
                });
            }
        }
        for (step, expected) in expects {
            let current = document(step).and_then(|document| document.hash.clone());
            if current != *expected {
                return Some(Created::Changed {
                    step: step.clone(),
                    current,
                });
            }
        }
        None
    }

    fn claim_steps(&mut self, workspace: &DocumentKey, claims: Vec<String>, run: RunId, at: Time) {
        let documents = self.workspaces.entry(workspace.clone()).or_default();
        for step in claims {
            let document = documents.entry(step.clone()).or_insert_with(|| Document {
                step,
                run: None,
                status: StepStatus::Pending,
                hash: None,
                built_on: IndexMap::new(),
                version: 0,
                updated: at,
                cost: Default::default(),
                running: None,
            });
            document.running = Some(run);
        }
    }

    fn move_documents(&mut self, workspace: &DocumentKey, moved: Vec<Document>, run: RunId) {
        let documents = self.workspaces.entry(workspace.clone()).or_default();
        for document in moved {
            let before = documents.get(&document.step);
            let has_result = before
                .is_some_and(|before| matches!(before.status, StepStatus::Succeeded | StepStatus::Skipped));
            let version = before.map_or(0, |before| before.version);
            let running = before.and_then(|before| before.running).filter(|by| *by != run);
            match documents.get_mut(&document.step) {
                // A failure does not take away the result there is.
                Some(kept) if document.status == StepStatus::Failed && has_result => kept.running = running,
                _ => {
                    let document = Document {
                        version: version + 1,
                        running,
                        ..document
                    };
                    documents.insert(document.step.clone(), document);
                }
            }
        }
    }

    fn change_questions(&mut self, changes: Vec<QuestionChange>) {
        for change in changes {
            match change {
                QuestionChange::Asked(question) => {
                    self.questions.entry(question.id).or_insert(*question);
                }
                QuestionChange::Closed(id, status) => {
                    if let Some(question) = self.questions.get_mut(&id)
                        && question.status == QuestionStatus::Open
                    {
                        question.status = status;
                    }
                }
            }
        }
    }

    fn commit(&mut self, commit: Commit) -> Result<Committed, StoreError> {
        let Commit {
            run,
            fence,
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
        } = commit;
        let halted = self.halt.is_some();
        let found = self.run(run)?;
        let is_repeat = found.entries.last() == Some(&entry);
        if !is_repeat {
            if found.head.fence != fence {
                return Err(StoreError::lost(run));
            }
            if entry.number != found.entries.len() as u64 + 1 || entry.after != found.head.last_seq {
                return Err(out_of_order(run, entry.number));
            }
            if let Some(unit) = outcomes.iter().find(|unit| found.outcomes.contains(unit)) {
                return Err(second_outcome(run, *unit));
            }
            found.outcomes.extend(outcomes);
            found.head.last_seq = entry.last();
            found.entries.push(entry);
            if let Some(standing) = standing {
                found.head.standing = standing;
            }
            let is_over = found.head.standing.status.is_terminal();
            let workspace = workspace_of(&found.head);
            self.change_questions(questions);
            self.signals
                .retain(|signal| signal.run != run || !taken.contains(&signal.number));
            for (call, settlement) in settled {
                self.settle(run, call, settlement);
            }
            for artifact in artifacts {
                self.artifacts.insert(artifact.artifact.id, artifact);
            }
            for mut link in links {
                let versions = self
                    .links
                    .entry((link.pipeline.clone(), link.link.clone()))
                    .or_default();
                link.version = versions.len() as u64 + 1;
                versions.push(link);
            }
            if let Some(workspace) = workspace {
                self.move_documents(&workspace, documents, run);
                let documents = self.workspaces.entry(workspace).or_default();
                for document in documents.values_mut() {
                    if document.running == Some(run) && (is_over || unclaimed.contains(&document.step)) {
                        document.running = None;
                    }
                }
            }
        }
        let signals = self.has_signals(run, true);
        let found = self.run(run)?;
        let is_over = found.head.standing.status.is_terminal();
        let mut left = is_repeat && found.head.owner.is_none();
        if leaves && !left && (is_over || !signals) {
            found.head.owner = None;
            found.head.fence += 1;
            left = true;
        }
        if is_over {
            self.signals.retain(|signal| signal.run != run);
        }
        Ok(Committed {
            signals,
            left,
            halted,
        })
    }

    fn settle(&mut self, run: RunId, call: CallId, settlement: Settlement) {
        let Some((hold, keys)) = self.holds.get_mut(&call).filter(|(hold, _)| hold.run == run) else {
            return;
        };
        for key in keys.iter() {
            if let Some(account) = self.accounts.get_mut(key) {
                account.settle(hold.state, &hold.amounts, settlement);
            }
        }
        if settlement == Settlement::Uncertain {
            hold.state = HoldState::Uncertain;
        } else {
            self.holds.remove(&call);
        }
    }

    fn signal(&mut self, kind: SignalKind, run: RunId, at: Time) -> Signalled {
        let Some(found) = self.runs.get(&run) else {
            return Signalled::Unknown;
        };
        let holder = self.holder(&found.head);
        let status = found.head.standing.status;
        match &kind {
            SignalKind::Answer {
                question, answer, by, ..
            } => {
                let Some(question) = self
                    .questions
                    .get_mut(question)
                    .filter(|question| question.run == run)
                else {
                    return Signalled::Unknown;
                };
                if question.status != QuestionStatus::Open {
                    return Signalled::Closed(question.status);
                }
                question.status = QuestionStatus::Answered;
                question.answer = Some(answer.clone());
                question.answered_by = Some(by.clone());
            }
            SignalKind::Refused { question, by, errors } => {
                let Some(question) = self
                    .questions
                    .get_mut(question)
                    .filter(|question| question.run == run)
                else {
                    return Signalled::Unknown;
                };
                if question.status != QuestionStatus::Open {
                    return Signalled::Closed(question.status);
                }
                question.refused.push(RefusedAnswer {
                    time: at,
                    by: by.clone(),
                    errors: errors.clone(),
                });
            }
            SignalKind::Cancel { .. } | SignalKind::Raise { .. } if status.is_terminal() => {
                return Signalled::Over(status);
            }
            SignalKind::Cancel { .. } | SignalKind::Raise { .. } => {}
        }
        self.last_signal += 1;
        self.signals.push(Signal {
            number: self.last_signal,
            run,
            at,
            kind,
        });
        Signalled::Sent(holder)
    }

    fn runs(&self, query: &RunQuery) -> Result<Page<Head>, StoreError> {
        let after = query.starts_after().transpose()?;
        let place = |head: &Head| (head.sort_value(query.sort), head.id);
        let mut found: Vec<&Head> = self
            .runs
            .values()
            .map(|run| &run.head)
            .filter(|head| head.fits(query) && after.is_none_or(|after| place(head) < after))
            .collect();
        found.sort_by_key(|head| std::cmp::Reverse(place(head)));
        let limit = query.limit.max(1);
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found.last().filter(|_| more).map(|last| query.cursor_after(last));
        Ok(Page {
            items: found.into_iter().cloned().collect(),
            next_cursor,
        })
    }

    fn remove(&mut self, run: RunId) -> Result<bool, StoreError> {
        match self.runs.get(&run) {
            None => return Ok(false),
            Some(found) if !found.head.standing.status.is_terminal() => {
                let message = format!("run {run} is not over; only runs that are over can be removed");
                return Err(StoreError::new(StoreErrorKind::Misused, message).hint("cancel it first"));
            }
            Some(_) => {}
        }
        if let Some((workspace, step)) = self.current_in(run) {
            return Err(is_current(run, &workspace, &step));
        }
        self.runs.remove(&run);
        self.order.retain(|known| *known != run);
        self.requests.retain(|_, (known, _)| *known != run);
        self.questions.retain(|_, question| question.run != run);
        self.signals.retain(|signal| signal.run != run);
        let linked: BTreeSet<ArtifactId> = self
            .links
            .values()
            .flatten()
            .map(|link| link.artifact.id)
            .collect();
        self.artifacts
            .retain(|id, artifact| artifact.run != run || linked.contains(id));
        Ok(true)
    }

    /// The workspace in which a result of the run is current.
    fn current_in(&self, run: RunId) -> Option<(DocumentKey, String)> {
        self.workspaces.iter().find_map(|(workspace, documents)| {
            let document = documents.values().find(|document| document.run == Some(run))?;
            Some((workspace.clone(), document.step.clone()))
        })
    }
}

fn workspace_of(head: &Head) -> Option<DocumentKey> {
    head.key.clone().map(|key| DocumentKey {
        pipeline: head.pipeline.clone(),
        key,
    })
}

fn unknown(run: RunId) -> StoreError {
    StoreError::new(StoreErrorKind::Misused, format!("there is no run {run}"))
}

fn out_of_order(run: RunId, number: u64) -> StoreError {
    StoreError::new(
        StoreErrorKind::Misused,
        format!("entry {number} of run {run} is not the next one"),
    )
}

fn second_outcome(run: RunId, unit: UnitKey) -> StoreError {
    let UnitKey { scope, step, item } = unit;
    let message = format!("unit {scope}/{step}/{item} of run {run} has an outcome already");
    StoreError::new(StoreErrorKind::Misused, message)
}

fn is_current(run: RunId, workspace: &DocumentKey, step: &str) -> StoreError {
    let message = format!(
        "run {run} has the current result of step `{step}` of `{}`",
        workspace.key
    );
    StoreError::new(StoreErrorKind::Misused, message)
        .hint("run the step again first, so that another run has it")
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
        self.with(|inner| {
            if let Some(seen) = inner.owners.get_mut(&owner) {
                seen.beats += 1;
            }
            Ok(inner.news(owner))
        })
    }

    fn news(&self, owner: OwnerId) -> Pending<Beat> {
        self.with(|inner| Ok(inner.news(owner)))
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
        self.with(|inner| {
            let Some(found) = inner.runs.get(&run) else {
                return Ok(Claim::Unknown);
            };
            if found.head.standing.status.is_terminal() {
                return Ok(Claim::Over);
            }
            if let Some(holder) = inner.holder(&found.head) {
                return Ok(Claim::Held(holder));
            }
            if !inner.owners.contains_key(&owner) {
                return Err(StoreError::new(
                    StoreErrorKind::Lost,
                    format!("owner {owner} is not known any more"),
                ));
            }
            let head = &mut inner.run(run)?.head;
            head.owner = Some(owner);
            head.fence += 1;
            Ok(Claim::Taken(Box::new(head.clone())))
        })
    }

    fn release(&self, run: RunId, fence: u64) -> Pending<()> {
        self.with(|inner| {
            let head = &mut inner.run(run)?.head;
            if head.fence == fence {
                head.owner = None;
                head.fence += 1;
            }
            Ok(())
        })
    }

    fn commit(&self, commit: Commit) -> Pending<Committed> {
        self.with(|inner| inner.commit(commit))
    }

    fn unfinished(&self, now: Time, most: usize) -> Pending<Vec<Head>> {
        self.with(|inner| {
            let can_go_on = |head: &Head| match head.standing.status {
                RunStatus::Queued | RunStatus::Running => true,
                RunStatus::Waiting => {
                    inner.has_signals(head.id, true) || head.standing.wakes.is_some_and(|wakes| wakes <= now)
                }
                _ => false,
            };
            let heads = inner
                .order
                .iter()
                .filter_map(|run| inner.runs.get(run))
                .map(|run| &run.head);
            let found = heads.filter(|head| inner.holder(head).is_none() && can_go_on(head));
            Ok(found.take(most).cloned().collect())
        })
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
        self.with(|inner| {
            if inner.run(hold.run)?.head.fence != hold.fence {
                return Err(StoreError::lost(hold.run));
            }
            let account = |key: &AccountKey| {
                inner
                    .accounts
                    .get(key)
                    .cloned()
                    .unwrap_or_else(|| Account::new(key.clone()))
            };
            let mut standing: Vec<Account> = accounts.iter().map(account).collect();
            let Some(amounts) = decide(&standing) else {
                return Ok(None);
            };
            for account in &mut standing {
                account.hold(&amounts);
                inner.accounts.insert(account.key.clone(), account.clone());
            }
            inner.holds.insert(
                hold.call,
                (
                    Hold {
                        amounts,
                        state: HoldState::Reserved,
                        ..hold
                    },
                    accounts,
                ),
            );
            Ok(Some(amounts))
        })
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
