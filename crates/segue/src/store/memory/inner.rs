//! What the store in memory holds, and what each request does to it. Only [`MemoryStore`](super::MemoryStore) calls it,
//! under its lock. This is the reference: where the documentation of a request leaves something open, every other store
//! does what stands here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;

use indexmap::IndexMap;

use super::super::{
    Account, AccountKey, Amounts, Beat, Claim, Commit, Committed, Created, Decide, Document, DocumentKey,
    Entry, Halt, Head, Hold, HoldState, KeptArtifact, LinkVersion, NewRun, OwnerId, OwnerSeen, Page,
    QuestionChange, RunQuery, Settlement, Signal, SignalKind, Signalled, StoreError, StoredPlan, UnitKey,
};
use crate::clock::Time;
use crate::id::{ArtifactId, CallId, QuestionId, RunId};
use crate::question::{Question, QuestionStatus, RefusedAnswer};
use crate::view::{RunStatus, StepStatus};

#[derive(Default)]
pub(super) struct Inner {
    pub(super) owners: BTreeMap<OwnerId, OwnerSeen>,
    pub(super) runs: BTreeMap<RunId, Run>,
    /// In the order of their creation.
    pub(super) order: Vec<RunId>,
    pub(super) requests: HashMap<String, (RunId, String)>,
    pub(super) plans: HashMap<String, StoredPlan>,
    pub(super) questions: IndexMap<QuestionId, Question>,
    pub(super) signals: Vec<Signal>,
    pub(super) last_signal: u64,
    pub(super) workspaces: BTreeMap<DocumentKey, IndexMap<String, Document>>,
    pub(super) artifacts: IndexMap<ArtifactId, KeptArtifact>,
    pub(super) links: BTreeMap<(String, String), Vec<LinkVersion>>,
    pub(super) accounts: BTreeMap<AccountKey, Account>,
    pub(super) holds: BTreeMap<CallId, (Hold, Vec<AccountKey>)>,
    pub(super) halt: Option<Halt>,
}

pub(super) struct Run {
    pub(super) head: Head,
    pub(super) entries: Vec<Entry>,
    pub(super) outcomes: BTreeSet<UnitKey>,
}
impl Run {
    /// Whether this very entry is in the log.
    fn has(&self, entry: &Entry) -> bool {
        let at = usize::try_from(entry.number)
            .ok()
            .and_then(|number| number.checked_sub(1));
        at.and_then(|at| self.entries.get(at)) == Some(entry)
    }
}

impl Inner {
    pub(super) fn run(&mut self, run: RunId) -> Result<&mut Run, StoreError> {
        self.runs.get_mut(&run).ok_or_else(|| StoreError::unknown(run))
    }

    /// Who holds a run, if that owner is still there.
    pub(super) fn holder(&self, head: &Head) -> Option<OwnerId> {
        head.owner.filter(|owner| self.owners.contains_key(owner))
    }

    pub(super) fn has_signals(&self, run: RunId, only_waking: bool) -> bool {
        let mut signals = self.signals.iter().filter(|signal| signal.run == run);
        signals.any(|signal| !only_waking || signal.kind.wakes())
    }

    pub(super) fn beat(&mut self, owner: OwnerId) -> Beat {
        if let Some(seen) = self.owners.get_mut(&owner) {
            seen.beats += 1;
        }
        self.news(owner)
    }

    pub(super) fn news(&self, owner: OwnerId) -> Beat {
        if !self.owners.contains_key(&owner) {
            return Beat {
                buried: true,
                ..Beat::default()
            };
        }
        let holds = |run: &RunId| {
            self.runs
                .get(run)
                .is_some_and(|run| run.head.owner == Some(owner))
        };
        let signalled: BTreeSet<RunId> = self
            .signals
            .iter()
            .map(|signal| signal.run)
            .filter(holds)
            .collect();
        Beat {
            buried: false,
            halted: self.halt.is_some(),
            signalled: signalled.into_iter().collect(),
        }
    }

    pub(super) fn release(&mut self, run: RunId, fence: u64) -> Result<(), StoreError> {
        let head = &mut self.run(run)?.head;
        if head.fence == fence {
            head.owner = None;
            head.fence += 1;
        }
        Ok(())
    }

    pub(super) fn claim(&mut self, run: RunId, owner: OwnerId) -> Result<Claim, StoreError> {
        let Some(found) = self.runs.get(&run) else {
            return Ok(Claim::Unknown);
        };
        if found.head.standing.status.is_terminal() {
            return Ok(Claim::Over);
        }
        if let Some(holder) = self.holder(&found.head) {
            return Ok(Claim::Held(holder));
        }
        if !self.owners.contains_key(&owner) {
            return Err(StoreError::gone(owner));
        }
        let head = &mut self.run(run)?.head;
        head.owner = Some(owner);
        head.fence += 1;
        Ok(Claim::Taken(Box::new(head.clone())))
    }

    pub(super) fn unfinished(&self, now: Time, most: usize) -> Vec<Head> {
        let can_go_on = |head: &Head| match head.standing.status {
            RunStatus::Queued | RunStatus::Running => true,
            RunStatus::Waiting => {
                self.has_signals(head.id, true) || head.standing.wakes.is_some_and(|wakes| wakes <= now)
            }
            _ => false,
        };
        let heads = self
            .order
            .iter()
            .filter_map(|run| self.runs.get(run))
            .map(|run| &run.head);
        let found = heads.filter(|head| self.holder(head).is_none() && can_go_on(head));
        found.take(most).cloned().collect()
    }

    pub(super) fn create(&mut self, new: NewRun) -> Result<Created, StoreError> {
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
            outcomes,
            artifacts,
        } = new;
        if let Some(known) = self.runs.get(&head.id)
            && known.entries.first() == Some(&entry)
        {
            // The same once more, because its answer was lost.
            return Ok(if known.head.fence == 1 && known.head.owner == owner {
                Created::New { fence: 1 }
            } else {
                Created::Existing(head.id)
            });
        }
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
            return Err(StoreError::exists(head.id));
        }
        if entry.number != 1 || entry.after != 0 {
            return Err(StoreError::out_of_order(head.id, entry.number));
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
        for artifact in artifacts {
            self.artifacts.insert(artifact.artifact.id, artifact);
        }
        self.order.push(head.id);
        self.runs.insert(
            head.id,
            Run {
                head,
                entries: vec![entry],
                outcomes: outcomes.into_iter().collect(),
            },
        );
        Ok(Created::New { fence: 1 })
    }

    pub(super) fn conflict(
        &self,
        workspace: &DocumentKey,
        claims: &[String],
        expects: &[(String, Option<String>)],
    ) -> Option<Created> {
        let documents = self.workspaces.get(workspace);
        let state = |step: &str| {
            let document = documents.and_then(|documents| documents.get(step));
            let state = document.map(|document| (document.running, document.hash.clone()));
            Ok::<_, Infallible>(state.unwrap_or_default())
        };
        let Ok(conflict) = Created::conflict(claims, expects, state);
        conflict
    }

    pub(super) fn claim_steps(&mut self, workspace: &DocumentKey, claims: Vec<String>, run: RunId, at: Time) {
        let documents = self.workspaces.entry(workspace.clone()).or_default();
        for step in claims {
            let document = documents.entry(step.clone()).or_insert_with(|| Document {
                step,
                run: None,
                status: StepStatus::Pending,
                empty: false,
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

    pub(super) fn move_documents(&mut self, workspace: &DocumentKey, moved: Vec<Document>, run: RunId) {
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

    pub(super) fn change_questions(&mut self, changes: Vec<QuestionChange>) {
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

    pub(super) fn commit(&mut self, commit: Commit) -> Result<Committed, StoreError> {
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
        let is_repeat = found.has(&entry);
        let is_last = is_repeat && entry.number == found.entries.len() as u64;
        if !is_repeat {
            if found.head.fence != fence {
                return Err(StoreError::lost(run));
            }
            if entry.number != found.entries.len() as u64 + 1 || entry.after != found.head.last_seq {
                return Err(StoreError::out_of_order(run, entry.number));
            }
            let mut fresh = BTreeSet::new();
            let mut outcomes = outcomes.into_iter();
            if let Some(unit) = outcomes.find(|unit| found.outcomes.contains(unit) || !fresh.insert(*unit)) {
                return Err(StoreError::second_outcome(run, unit));
            }
            found.outcomes.extend(fresh);
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
        // A repeat that left the first time finds a fence that has grown; by now another owner may hold the run.
        let is_held = found.head.fence == fence && (!is_repeat || is_last);
        let mut left = leaves && found.head.fence != fence;
        if leaves && is_held && (is_over || !signals) {
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

    pub(super) fn reserve(
        &mut self,
        hold: Hold,
        accounts: &[AccountKey],
        decide: Decide,
    ) -> Result<Option<Amounts>, StoreError> {
        if self.run(hold.run)?.head.fence != hold.fence {
            return Err(StoreError::lost(hold.run));
        }
        if let Some((held, _)) = self.holds.get(&hold.call) {
            // The same once more, because its answer was lost.
            return if held.run == hold.run && held.state == HoldState::Reserved {
                Ok(Some(held.amounts))
            } else {
                Err(StoreError::second_hold(hold.call))
            };
        }
        let account = |key: &AccountKey| {
            self.accounts
                .get(key)
                .cloned()
                .unwrap_or_else(|| Account::new(key.clone()))
        };
        let standing: Vec<Account> = accounts.iter().map(account).collect();
        let Some(amounts) = decide(&standing) else {
            return Ok(None);
        };
        let mut keys: Vec<AccountKey> = Vec::with_capacity(accounts.len());
        for mut account in standing {
            if !keys.contains(&account.key) {
                keys.push(account.key.clone());
                account.hold(&amounts);
                self.accounts.insert(account.key.clone(), account);
            }
        }
        let hold = Hold {
            amounts,
            state: HoldState::Reserved,
            ..hold
        };
        self.holds.insert(hold.call, (hold, keys));
        Ok(Some(amounts))
    }

    pub(super) fn settle(&mut self, run: RunId, call: CallId, settlement: Settlement) {
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

    pub(super) fn signal(&mut self, kind: SignalKind, run: RunId, at: Time) -> Signalled {
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
                if status.is_terminal() {
                    return Signalled::Over(status);
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
                if status.is_terminal() {
                    return Signalled::Over(status);
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

    pub(super) fn runs(&self, query: &RunQuery) -> Result<Page<Head>, StoreError> {
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

    pub(super) fn remove(&mut self, run: RunId) -> Result<bool, StoreError> {
        match self.runs.get(&run) {
            None => return Ok(false),
            Some(found) if !found.head.standing.status.is_terminal() => {
                return Err(StoreError::not_over(run));
            }
            Some(_) => {}
        }
        if let Some((workspace, step)) = self.current_in(run) {
            return Err(StoreError::is_current(run, &workspace.key, &step));
        }
        self.runs.remove(&run);
        self.order.retain(|known| *known != run);
        self.requests.retain(|_, (known, _)| *known != run);
        self.questions.retain(|_, question| question.run != run);
        self.signals.retain(|signal| signal.run != run);
        // What its calls held stays counted in the accounts: nobody knows any more what became of it.
        self.holds.retain(|_, (hold, _)| hold.run != run);
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
    pub(super) fn current_in(&self, run: RunId) -> Option<(DocumentKey, String)> {
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
