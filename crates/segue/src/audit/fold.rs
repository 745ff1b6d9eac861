//! The fold: one run, entry by entry. Of outputs nothing is kept but where they are, so that a run of any length takes
//! room for its steps only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use indexmap::IndexMap;

use super::budgets::Budgets;
use super::calls::Calls;
use super::questions::Questions;
use super::{At, Finding, Findings, Rest, Rule, StoredRun, standing};
use crate::artifact::Artifact;
use crate::id::{ArtifactId, QuestionId};
use crate::log::{Event, EventKind, Record, ScopeInfo, Unit, What, expand, stored};
use crate::plan::{Pinned, Plan};
use crate::run::StoredResult;
use crate::store::{Document, Entry, Head, HoldState, StoredPlan};
use crate::value::Value;
use crate::view::{CallStatus, RunStatus, RunView, StepStatus};

/// What an audit of one run came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audited {
    /// Entries of its log.
    pub entries: u64,
    /// Events in them.
    pub events: u64,
    /// What does not hold; at most a hundred.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub untold: u64,
    /// Bytes that it refers to, each once; whether they are there only their store can say.
    pub bytes: Vec<KeptBytes>,
}

/// Bytes that a log refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBytes {
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// How many there are.
    pub bytes: u64,
    /// The entry that refers to them first.
    pub entry: u64,
    /// What they are: the name of an artifact, or none for a value that is too large for the log.
    pub name: Option<String>,
}

/// Audits one run. Pure: the same run gives the same findings.
#[must_use]
pub fn run(stored: &StoredRun<'_>) -> Audited {
    let StoredRun {
        head,
        plan,
        log,
        questions,
        artifacts,
        documents,
        holds,
        signals,
    } = *stored;
    let mut fold = Fold::new(head, pinned(head, plan), documents);
    for entry in log {
        fold.entry(entry);
    }
    let rest = Rest {
        questions,
        artifacts,
        holds,
        signals,
    };
    fold.finish(Some(&rest))
}

/// The plan of a run, when it can be read and is the one of its hash; else what is wrong with it.
pub(super) fn pinned(head: &Head, plan: Option<&StoredPlan>) -> Result<Arc<Pinned>, String> {
    let hash = &head.plan_hash;
    let plan = plan.ok_or_else(|| format!("its plan {hash} is missing"))?;
    let plan: Plan = serde_json::from_str(&plan.text)
        .map_err(|error| format!("its plan {hash} cannot be read: {error}"))?;
    let pinned = Pinned::new(Arc::new(plan));
    match pinned.hash().as_str() == hash {
        true => Ok(Arc::new(pinned)),
        false => Err(format!("its plan {hash} has another content than its hash says")),
    }
}

/// One run on the way through its log.
pub(super) struct Fold<'a> {
    head: &'a Head,
    pinned: Option<Arc<Pinned>>,
    findings: Findings,
    scopes: Vec<ScopeInfo>,
    view: RunView,
    entries: u64,
    events: u64,
    /// The last entry, and the last event of it.
    last: (u64, u64),
    /// Whether all of the log could be read.
    is_whole: bool,
    /// The entry with the end of the run.
    ended: Option<u64>,
    /// How often it had been taken up, when it was taken up last.
    fence: u64,
    /// By unit the entry with its outcome.
    settled: HashMap<Unit, u64>,
    calls: Calls,
    budgets: Budgets,
    questions: Questions,
    saved: HashMap<ArtifactId, (u64, Artifact)>,
    bytes: IndexMap<String, KeptBytes>,
    documents: &'a [Document],
    /// What the run has of the steps whose current results it has.
    made: HashMap<&'a str, Made>,
}

/// The outcome of a step.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    status: StepStatus,
    hash: Option<String>,
}

impl<'a> Fold<'a> {
    /// `documents` are the current results of the run's workspace.
    pub(super) fn new(
        head: &'a Head,
        pinned: Result<Arc<Pinned>, String>,
        documents: &'a [Document],
    ) -> Self {
        let mut findings = Findings::new(head.id);
        let pinned = pinned
            .map_err(|why| findings.push(Rule::Readable, None, why))
            .ok();
        Self {
            head,
            view: RunView::new(pinned.as_ref().map(|pinned| pinned.plan.clone())),
            is_whole: pinned.is_some(),
            pinned,
            findings,
            scopes: Vec::new(),
            entries: 0,
            events: 0,
            last: (0, 0),
            ended: None,
            fence: 0,
            settled: HashMap::new(),
            calls: Calls::default(),
            budgets: Budgets::default(),
            questions: Questions::default(),
            saved: HashMap::new(),
            bytes: IndexMap::new(),
            documents,
            made: HashMap::new(),
        }
    }

    /// Takes the next entry of the log.
    pub(super) fn entry(&mut self, entry: &Entry) {
        let (number, last) = self.last;
        let mut at = At {
            findings: &mut self.findings,
            entry: entry.number,
        };
        if entry.number != number.saturating_add(1) {
            at.push(Rule::Order, format!("it comes after entry {number}"));
        }
        if entry.after != last {
            let begins = entry.after.saturating_add(1);
            at.push(
                Rule::Order,
                format!("it begins with event {begins} after event {last}"),
            );
        }
        self.last = (entry.number, entry.after.saturating_add(entry.events));
        self.entries += 1;
        let Some(pinned) = &self.pinned else { return };
        let read = stored::read::<Vec<StoredResult>>(&entry.body, pinned, &mut self.scopes);
        let (results, values, records) = match read {
            Ok(read) => read,
            Err(error) => {
                at.push(Rule::Readable, format!("it cannot be read: {error}"));
                self.is_whole = false;
                return;
            }
        };
        if let Some(error) = results
            .into_iter()
            .find_map(|result| result.into_result(&values).err())
        {
            at.push(
                Rule::Readable,
                format!("what was decided cannot be read: {error}"),
            );
        }
        let events: u64 = records.iter().map(|record| record.what.events()).sum();
        if events != entry.events {
            let message = format!("it should hold {} and holds {events}", plural(entry.events));
            at.push(Rule::Order, message);
        }
        self.events += events;
        for value in values.elsewhere() {
            self.refers(entry.number, &value.sha256, value.bytes, None);
        }
        let mut seq = entry.after.saturating_add(1);
        let mut heard = VecDeque::new();
        for record in &records {
            self.settles(entry.number, record);
            expand(self.head.id, record, &self.scopes, &mut seq, &mut heard);
            for event in heard.drain(..) {
                self.event(entry.number, record.unit, event);
            }
        }
    }

    /// The questions it has asked.
    pub(super) fn questions(&self) -> Vec<QuestionId> {
        self.questions.ids().collect()
    }

    /// Whether it has saved artifacts.
    pub(super) fn has_saved(&self) -> bool {
        !self.saved.is_empty()
    }

    /// Holds the log against everything else; against nothing, where the run was being written meanwhile.
    pub(super) fn finish(mut self, rest: Option<&Rest<'_>>) -> Audited {
        let Some(rest) = rest else {
            return self.audited();
        };
        if self.entries == 0 {
            self.findings.push(Rule::Order, None, "it has no log");
            return self.audited();
        }
        let (last, head) = (self.last.1, self.head.last_seq);
        if last != head {
            let message = format!("its log ends with event {last}, where the run stands with event {head}");
            self.findings.push(Rule::Order, None, message);
        }
        if self.is_whole {
            standing::compare(self.head, &self.view, &mut self.findings);
        }
        let status = self.head.standing.status;
        let is_over = status.is_terminal();
        let rests = is_over || (status == RunStatus::Waiting && self.head.owner.is_none());
        let is_asking = match self.is_whole {
            true => self.questions.finish(rest.questions, is_over, &mut self.findings),
            false => true,
        };
        let wakes = self.head.standing.wakes.is_some() || !rest.signals.is_empty();
        if rests && !is_over && !is_asking && !wakes {
            let message = "it waits, and nothing is open that could be answered";
            self.findings.push(Rule::Wait, None, message);
        }
        if rests && self.is_whole {
            for (call, entry) in self.calls.open() {
                let message = format!("{call} has no end, and the run {}", rest_word(is_over));
                self.findings.push(Rule::Call, Some(entry), message);
            }
        }
        if self.fence > self.head.fence {
            let (log, head) = (self.fence, self.head.fence);
            let message =
                format!("it was taken up under fence {log}, where the run stands under fence {head}");
            self.findings.push(Rule::Owner, None, message);
        }
        if rests {
            self.reserved(rest, is_over);
        }
        if is_over {
            self.holds(rest);
        }
        if self.is_whole {
            self.artifacts(rest);
            self.results();
        }
        self.audited()
    }

    // ---- private

    fn audited(self) -> Audited {
        Audited {
            entries: self.entries,
            events: self.events,
            untold: self.findings.untold,
            findings: self.findings.list,
            bytes: self.bytes.into_values().collect(),
        }
    }

    /// What a record says of the outcome of its unit.
    fn settles(&mut self, entry: u64, record: &Record) {
        let (unit, what) = (record.unit, &record.what);
        let begins = matches!(what, What::Started | What::ReadyAndStarted | What::Attempt(_));
        if begins && let Some(first) = self.settled.get(&unit) {
            let message = format!("`{}` begins after its outcome in entry {first}", self.path(unit));
            self.findings.push(Rule::Once, Some(entry), message);
        }
        if !what.is_outcome() {
            return;
        }
        if let Some(first) = self.settled.insert(unit, entry) {
            let message = format!(
                "`{}` has a second outcome; the first is in entry {first}",
                self.path(unit)
            );
            self.findings.push(Rule::Once, Some(entry), message);
        }
        if unit.scope != 0 || unit.is_item() || self.documents.is_empty() {
            return;
        }
        let plan = self.pinned.as_ref().map(|pinned| pinned.plan.clone());
        let name = plan.as_ref().and_then(|plan| plan.steps.get(unit.step as usize));
        let wanted = name.and_then(|step| {
            let run = Some(self.head.id);
            self.documents
                .iter()
                .find(|document| document.step == step.name && document.run == run)
        });
        if let (Some(document), Some(made)) = (wanted, made(what)) {
            self.made.insert(document.step.as_str(), made);
        }
    }

    fn event(&mut self, entry: u64, unit: Unit, mut event: Event) {
        let mut at = At {
            findings: &mut self.findings,
            entry,
        };
        if let Some(ended) = self.ended {
            let message = format!(
                "event {} (`{}`) follows the end of the run in entry {ended}",
                event.seq,
                event.name()
            );
            at.push(Rule::End, message);
        }
        if event.is_terminal() {
            self.ended.get_or_insert(entry);
            // The view adds up the calls until it is told.
            if let Some(message) = miscounted(&self.view, &event.kind) {
                at.push(Rule::Cost, message);
            }
        }
        if let Some(fence) = taken_up(&event.kind) {
            if fence <= self.fence {
                let last = self.fence;
                at.push(
                    Rule::Owner,
                    format!("it is taken up under fence {fence} after fence {last}"),
                );
            }
            self.fence = self.fence.max(fence);
        }
        self.calls.apply(unit, &event.kind, &mut at);
        self.budgets.apply(&event.kind, &mut at);
        self.questions.apply(&event.kind, &mut at);
        self.artifact(entry, unit, &event.kind);
        lighten(&mut event.kind);
        self.view.apply(&event);
    }

    fn artifact(&mut self, entry: u64, unit: Unit, kind: &EventKind) {
        match kind {
            EventKind::ArtifactSaved {
                artifact,
                name,
                bytes,
                sha256,
                media_type,
            } => {
                let saved = Artifact {
                    id: *artifact,
                    name: name.clone(),
                    step: self.path(unit),
                    bytes: *bytes,
                    sha256: sha256.clone(),
                    media_type: media_type.clone(),
                };
                self.refers(entry, sha256, *bytes, Some(name));
                if self.saved.insert(*artifact, (entry, saved)).is_some() {
                    let message = format!("{artifact} is saved a second time");
                    self.findings.push(Rule::Artifact, Some(entry), message);
                }
            }
            EventKind::ArtifactLinked { link, artifact } if !self.saved.contains_key(artifact) => {
                let message = format!("link `{link}` moves to {artifact}, which was never saved");
                self.findings.push(Rule::Artifact, Some(entry), message);
            }
            _ => {}
        }
    }

    fn refers(&mut self, entry: u64, sha256: &str, bytes: u64, name: Option<&String>) {
        if self.bytes.contains_key(sha256) {
            return;
        }
        let kept = KeptBytes {
            sha256: sha256.to_owned(),
            bytes,
            entry,
            name: name.cloned(),
        };
        self.bytes.insert(sha256.to_owned(), kept);
    }

    /// A run that nobody works on has no call in flight.
    fn reserved(&mut self, rest: &Rest<'_>, is_over: bool) {
        // What nobody knows the end of stays counted.
        for hold in rest.holds.iter().filter(|hold| hold.state == HoldState::Reserved) {
            let (how, call) = (rest_word(is_over), hold.call);
            let message = format!("it {how}, and {call} still holds what was reserved for it");
            self.findings.push(Rule::Hold, None, message);
        }
    }

    /// A run that is over holds nothing.
    fn holds(&mut self, rest: &Rest<'_>) {
        if let Some(owner) = self.head.owner {
            self.findings.push(
                Rule::Hold,
                None,
                format!("it is over, and {owner} still holds it"),
            );
        }
        for document in self
            .documents
            .iter()
            .filter(|document| document.running == Some(self.head.id))
        {
            let message = format!(
                "it is over, and still holds step `{}` of its workspace",
                document.step
            );
            self.findings.push(Rule::Hold, None, message);
        }
        if !rest.signals.is_empty() {
            let message = "it is over, and something it was told still waits for it";
            self.findings.push(Rule::Hold, None, message);
        }
    }

    /// What was saved is listed as it was saved.
    fn artifacts(&mut self, rest: &Rest<'_>) {
        let listed: HashMap<ArtifactId, &Artifact> = rest
            .artifacts
            .iter()
            .map(|kept| (kept.artifact.id, &kept.artifact))
            .collect();
        let mut saved: Vec<&(u64, Artifact)> = self.saved.values().collect();
        saved.sort_by_key(|(entry, artifact)| (*entry, artifact.id));
        for (entry, artifact) in saved {
            let (id, name) = (artifact.id, &artifact.name);
            let why = match listed.get(&id) {
                None => "is not in the list of artifacts",
                Some(listed) if *listed != artifact => "is another one in the list of artifacts",
                Some(_) => continue,
            };
            self.findings
                .push(Rule::Artifact, Some(*entry), format!("{id} `{name}` {why}"));
        }
    }

    /// The current results of its workspace that it is said to have are what it has.
    fn results(&mut self) {
        for document in self
            .documents
            .iter()
            .filter(|document| document.run == Some(self.head.id))
        {
            let step = &document.step;
            let message = match self.made.get(step.as_str()) {
                None => format!(
                    "it has no result of step `{step}`, and its workspace says that it has the current one"
                ),
                Some(made) if made.hash != document.hash => {
                    let hash = |hash: &Option<String>| hash.clone().unwrap_or_else(|| "none".to_owned());
                    let (log, workspace) = (hash(&made.hash), hash(&document.hash));
                    format!(
                        "its result of step `{step}` has the hash {log}, and in its workspace {workspace}"
                    )
                }
                Some(made) if made.status != document.status => format!(
                    "its step `{step}` is {} by its log, and {} in its workspace",
                    made.status, document.status
                ),
                Some(_) => continue,
            };
            self.findings.push(Rule::Document, None, message);
        }
    }

    fn path(&self, unit: Unit) -> String {
        let scope = self.scopes.get(unit.scope as usize);
        scope.map(|scope| scope.path(unit)).unwrap_or_default()
    }
}

/// How the end of a run differs from its calls, in words.
fn miscounted(view: &RunView, end: &EventKind) -> Option<String> {
    let (EventKind::RunSucceeded { usage, cost, .. }
    | EventKind::RunFailed { usage, cost, .. }
    | EventKind::RunCancelled { usage, cost, .. }) = end
    else {
        return None;
    };
    let calls = view.spent();
    let said = (cost.nanousd, usage.requests, usage.total_tokens());
    let made = (
        calls.cost.nanousd,
        calls.usage.requests,
        calls.usage.total_tokens(),
    );
    // What was sent counts, also where no answer said how much that was.
    let is_estimated = view.calls().any(|call| call.status == CallStatus::Uncertain);
    let is_same =
        (said.0, said.1) == (made.0, made.1) && (said.2 == made.2 || (is_estimated && said.2 > made.2));
    let words = |(usd, requests, tokens)| format!("${usd}, {requests} requests and {tokens} tokens");
    (!is_same).then(|| format!("its end says {}, its calls come to {}", words(said), words(made)))
}

/// Under which fence a run is taken up.
fn taken_up(kind: &EventKind) -> Option<u64> {
    match kind {
        EventKind::RunStarted { fence, .. } | EventKind::RunResumed { fence, .. } => *fence,
        _ => None,
    }
}

/// What a record says that a step has.
fn made(what: &What) -> Option<Made> {
    let (status, hash) = match what {
        What::Succeeded(output, ..) => (StepStatus::Succeeded, hash_of(output)),
        What::Other(kind) => match &**kind {
            EventKind::StepReused(reused) => (reused.status, reused.output_hash.clone()),
            EventKind::StepFailed { .. } => (StepStatus::Failed, None),
            EventKind::StepSkipped { .. } => (StepStatus::Skipped, None),
            _ => return None,
        },
        _ => return None,
    };
    Some(Made { status, hash })
}

fn hash_of(output: &Value) -> Option<String> {
    match output.stored_at() {
        Some(at) => Some(at.hash.clone()),
        None => output.content_hash(),
    }
}

/// Leaves out what is large and what no status, count or cost depends on.
fn lighten(kind: &mut EventKind) {
    match kind {
        EventKind::RunQueued { inputs, .. } => *inputs = serde_json::Value::Null,
        EventKind::StepSucceeded { output, .. } | EventKind::RunSucceeded { output, .. } => {
            *output = Value::null();
        }
        EventKind::StepReused(reused) => reused.output = Value::null(),
        EventKind::CallStarted { request, .. } => *request = serde_json::Value::Null,
        EventKind::CallSucceeded { response, .. } => *response = serde_json::Value::Null,
        _ => {}
    }
}

fn rest_word(is_over: bool) -> &'static str {
    match is_over {
        true => "is over",
        false => "rests",
    }
}

fn plural(events: u64) -> String {
    match events {
        1 => "1 event".to_owned(),
        events => format!("{events} events"),
    }
}
