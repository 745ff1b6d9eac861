//! The scenario: a few runs that do everything a run does to a store; what was acknowledged of it; and whether a store
//! still has that.

use std::collections::BTreeMap;
use std::path::Path;

use segue::question::{Question, QuestionKind, QuestionStatus};
use segue::store::{
    AccountKey, ArtifactQuery, Commit, Document, Entry, Head, Hold, HoldState, KeptArtifact, LinkVersion,
    NewRun, Owner, OwnerId, Pending, Place, QuestionChange, Settlement, SignalKind, Standing, Store,
    StoreError, StoredPlan, UnitKey,
};
use segue::view::StepStatus;
use segue::{Artifact, ArtifactId, CallId, QuestionId, RunId, RunStatus, Time};
use segue_store::Sqlite;

/// Runs of the scenario, and the entries of each.
pub(crate) const RUNS: u128 = 4;
pub(crate) const ENTRIES: u64 = 7;

/// What was acknowledged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    /// How many entries of each run.
    pub(crate) entries: BTreeMap<u128, u64>,
    pub(crate) answered: bool,
    pub(crate) reserved: bool,
}

/// One request of the scenario; it can be made again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Enroll,
    Create(u128),
    Commit(u128, u64),
    Answer,
    Reserve,
    Beat,
}

/// All requests, in the order in which they are made.
pub(crate) fn steps() -> Vec<Step> {
    let mut steps = vec![Step::Enroll];
    steps.extend((1..=RUNS).map(Step::Create));
    for number in 2..=ENTRIES {
        steps.extend((1..=RUNS).map(|run| Step::Commit(run, number)));
        match number {
            3 => steps.push(Step::Answer),
            4 => steps.push(Step::Reserve),
            5 => steps.push(Step::Beat),
            _ => {}
        }
    }
    steps
}

pub(crate) fn id(run: u128) -> RunId {
    RunId::from_bits(run << 64 | 77)
}

fn owner() -> OwnerId {
    OwnerId::from_bits(1)
}

fn entry(run: u128, number: u64) -> Entry {
    // One is larger than a page, as some outputs are.
    let length = if number == 4 { 9_000 } else { 150 };
    Entry {
        number,
        after: (number - 1) * 3,
        events: 3,
        at: Time::from_micros(1_000_000),
        body: (0..length)
            .map(|n| (n as u64 * (number + 7) + run as u64) as u8)
            .collect(),
    }
}

pub(crate) fn new_run(run: u128) -> NewRun {
    NewRun {
        head: Head {
            id: id(run),
            pipeline: "research".into(),
            plan_hash: "plan".into(),
            definition: None,
            key: (run == 2).then(|| "k".into()),
            labels: [("team".to_owned(), "a".to_owned())].into_iter().collect(),
            note: None,
            trigger: "library".into(),
            parent: None,
            engine: "local".into(),
            models: Default::default(),
            queued: Time::from_micros(1_000_000),
            standing: Standing::queued(),
            owner: None,
            fence: 0,
            last_seq: 0,
        },
        plan: StoredPlan {
            hash: "plan".into(),
            text: "{}".into(),
        },
        request: None,
        owner: Some(owner()),
        entry: entry(run, 1),
        claims: if run == 2 {
            vec!["draft".into()]
        } else {
            Vec::new()
        },
        expects: Vec::new(),
        documents: Vec::new(),
        questions: Vec::new(),
        outcomes: Vec::new(),
        artifacts: Vec::new(),
    }
}

fn unit(number: u64) -> UnitKey {
    UnitKey {
        scope: 0,
        step: u32::try_from(number).expect("few entries"),
        item: u32::MAX,
    }
}

/// A commit with one outcome, with where the run stands after it, and what else belongs to it.
fn commit(run: u128, number: u64) -> Commit {
    let mut commit = Commit::of(id(run), 1, entry(run, number));
    commit.outcomes.push(unit(number));
    commit.standing = Some(standing(RunStatus::Running, number));
    match (run, number) {
        (1, 2) => commit.questions.push(QuestionChange::Asked(Box::new(question()))),
        (2, 3) => commit.documents.push(document()),
        (3, 3) => {
            let saved = artifact();
            commit.links.push(LinkVersion {
                pipeline: "research".into(),
                link: "latest".into(),
                version: 0,
                artifact: saved.artifact.clone(),
                run: id(3),
                at: Time::from_micros(1),
            });
            commit.artifacts.push(saved);
        }
        (4, 6) => commit
            .settled
            .push((CallId::from_bits(4), Settlement::Spent([3, 3, 1]))),
        (4, ENTRIES) => {
            commit.leaves = true;
            commit.standing = Some(Standing {
                text: "done".into(),
                ..standing(RunStatus::Succeeded, number)
            });
        }
        _ => {}
    }
    commit
}

/// Each entry but the first is of one step that has succeeded.
fn standing(status: RunStatus, entries: u64) -> Standing {
    let mut standing = Standing::queued();
    standing.status = status;
    standing.step_counts.succeeded = entries.saturating_sub(1);
    standing
}

fn question() -> Question {
    Question {
        id: QuestionId::from_bits(1),
        kind: QuestionKind::Question,
        run: id(1),
        pipeline: "research".into(),
        step: "ask".into(),
        title: "which?".into(),
        text: None,
        form: serde_json::json!({}),
        known: Default::default(),
        missing: Vec::new(),
        default: None,
        asked: Time::from_micros(0),
        deadline: None,
        status: QuestionStatus::Open,
        approval: None,
        budget: None,
        refused: Vec::new(),
        answer: None,
        answered_by: None,
    }
}

fn document() -> Document {
    Document {
        step: "draft".into(),
        run: Some(id(2)),
        status: StepStatus::Succeeded,
        hash: Some("h".into()),
        built_on: Default::default(),
        version: 0,
        updated: Time::from_micros(0),
        cost: Default::default(),
        running: None,
        empty: false,
    }
}

fn artifact() -> KeptArtifact {
    KeptArtifact {
        artifact: Artifact {
            id: ArtifactId::from_bits(1),
            name: "report.md".into(),
            step: "write".into(),
            bytes: 3,
            sha256: "ab".repeat(32),
            media_type: "text/markdown".into(),
        },
        run: id(3),
        pipeline: "research".into(),
        at: Time::from_micros(0),
        is_output: false,
    }
}

impl Step {
    /// Asks for it; the answer is only whether it was done.
    pub(crate) fn ask(self, store: &Sqlite) -> Pending<()> {
        fn done<T: Send + 'static>(pending: Pending<T>) -> Pending<()> {
            Box::pin(async move { pending.await.map(|_| ()) })
        }
        match self {
            Step::Enroll => store.enroll(Owner {
                id: owner(),
                place: Place::default(),
            }),
            Step::Create(run) => done(store.create(new_run(run))),
            Step::Commit(run, number) => done(store.commit(commit(run, number))),
            Step::Answer => {
                let answer = SignalKind::Answer {
                    question: QuestionId::from_bits(1),
                    answer: "this".into(),
                    by: "ada".into(),
                    via: "http".into(),
                };
                done(store.signal(answer, id(1), Time::from_micros(5)))
            }
            Step::Reserve => {
                let hold = Hold {
                    call: CallId::from_bits(4),
                    run: id(4),
                    fence: 1,
                    state: HoldState::Reserved,
                    amounts: [0; 3],
                };
                let account = AccountKey {
                    name: "pipeline:research/day".into(),
                    window: "2026-03-01".into(),
                };
                done(store.reserve(hold, vec![account], Box::new(|_| Some([5, 5, 1]))))
            }
            Step::Beat => done(store.beat(owner())),
        }
    }
}

impl Kept {
    pub(crate) fn note(&mut self, step: Step) {
        match step {
            Step::Create(run) => {
                self.entries.insert(run, 1);
            }
            Step::Commit(run, number) => {
                self.entries.insert(run, number);
            }
            Step::Answer => self.answered = true,
            Step::Reserve => self.reserved = true,
            Step::Enroll | Step::Beat => {}
        }
    }
}

/// Whether a store that is opened anew has everything that was acknowledged, and nothing by halves.
pub(crate) async fn audit(path: &Path, kept: &Kept) -> Result<(), String> {
    let store = Sqlite::open(path).map_err(|error| format!("it does not open: {error}"))?;
    let failed = |error: StoreError| format!("it cannot be read: {error}");
    let findings = store.examine().await.map_err(failed)?;
    if !findings.is_empty() {
        return Err(format!("{findings:?}"));
    }
    let at_least = |run: u128| kept.entries.get(&run).copied().unwrap_or(0);
    let mut there = BTreeMap::new();
    for run in 1..=RUNS {
        let log = store.log(id(run), 0, usize::MAX).await.map_err(failed)?;
        let count = log.len() as u64;
        if count < at_least(run) {
            return Err(format!(
                "run {run} has {count} entries, {} were acknowledged",
                at_least(run)
            ));
        }
        if log
            .iter()
            .zip(1..)
            .any(|(found, number)| *found != entry(run, number))
        {
            return Err(format!("an entry of run {run} is not what was written"));
        }
        let head = store.head(id(run)).await.map_err(failed)?;
        if head.as_ref().map_or(0, |head| head.last_seq) != count * 3 {
            return Err(format!("the head of run {run} does not fit its {count} entries"));
        }
        let succeeded = head
            .as_ref()
            .map_or(0, |head| head.standing.step_counts.succeeded);
        if succeeded != count.saturating_sub(1) {
            return Err(format!(
                "run {run} has {count} entries and stands at {succeeded} outcomes"
            ));
        }
        let is_over =
            head.is_some_and(|head| head.standing.status == RunStatus::Succeeded && head.owner.is_none());
        if is_over != (run == 4 && count == ENTRIES) {
            return Err(format!("run {run} with {count} entries stands elsewhere"));
        }
        there.insert(run, count);
    }
    let has = |run: u128, number: u64| there.get(&run).is_some_and(|count| *count >= number);
    let whole = |what: &str, is_there: bool, belongs: bool| match is_there == belongs {
        true => Ok(()),
        false => Err(format!("{what}: there {is_there}, its entry {belongs}")),
    };
    let question = store.question(QuestionId::from_bits(1)).await.map_err(failed)?;
    whole("the question", question.is_some(), has(1, 2))?;
    let answered = question.is_some_and(|question| question.status == QuestionStatus::Answered);
    let signals = store.signals(id(1)).await.map_err(failed)?;
    whole("the signal of the answer", !signals.is_empty(), answered)?;
    if kept.answered && !answered {
        return Err("an answer that was accepted is gone".into());
    }
    let documents = store
        .documents("research".into(), "k".into())
        .await
        .map_err(failed)?;
    whole("the claim", !documents.is_empty(), has(2, 1))?;
    let has_result = documents
        .first()
        .is_some_and(|document| document.version == 1 && document.running.is_none());
    whole("the result", has_result, has(2, 3))?;
    let artifacts = store.artifacts(ArtifactQuery::default()).await.map_err(failed)?;
    whole("the artifact", artifacts.len() == 1, has(3, 3))?;
    let link = store
        .link("research".into(), "latest".into())
        .await
        .map_err(failed)?;
    whole("the link", link.len() == 1, has(3, 3))?;
    let holds = store.holds(id(4)).await.map_err(failed)?.len();
    let accounts = store.accounts(None, 9).await.map_err(failed)?;
    let spent = accounts
        .first()
        .is_some_and(|account| account.spent == [3, 3, 1] && account.reserved == [0; 3]);
    whole("the settlement", spent, !accounts.is_empty() && has(4, 6))?;
    whole("the hold", holds == 1, !accounts.is_empty() && !has(4, 6))?;
    if kept.reserved && accounts.is_empty() {
        return Err("a reservation that was made is gone".into());
    }
    Ok(())
}
