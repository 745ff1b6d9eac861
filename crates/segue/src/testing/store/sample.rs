//! What the cases are made of: runs, entries, questions and the like, all alike but for a number.

use std::fmt::Debug;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, json};

use crate::artifact::Artifact;
use crate::clock::Time;
use crate::error::ErrorKind;
use crate::id::{ArtifactId, CallId, QuestionId, RunId};
use crate::log::ChosenModel;
use crate::money::{Cost, Nanousd};
use crate::question::{Question, QuestionKind, QuestionStatus};
use crate::store::{
    AccountKey, Amounts, Claim, Commit, Committed, Created, Document, Entry, Head, Hold, HoldState,
    KeptArtifact, LinkVersion, NewRun, Owner, OwnerId, Parent, Pending, Place, Relation, Request, SignalKind,
    Standing, Store, StoreErrorKind, StoredPlan,
};
use crate::usage::Usage;
use crate::view::{RunStatus, StepCounts, StepStatus};

/// Ids look random, as real ones do: the order in which runs come to exist is not the order of their ids.
fn bits(n: u64) -> u128 {
    u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

pub(super) fn run(n: u64) -> RunId {
    RunId::from_bits(bits(n))
}

pub(super) fn call(n: u64) -> CallId {
    CallId::from_bits(bits(n))
}

pub(super) fn question_id(n: u64) -> QuestionId {
    QuestionId::from_bits(bits(n))
}

pub(super) fn owner_id(n: u64) -> OwnerId {
    OwnerId::from_bits(bits(n))
}

/// `n` seconds after some morning.
pub(super) fn at(n: i64) -> Time {
    Time::from_micros(1_772_348_400_000_000 + n * 1_000_000)
}

pub(super) fn owner(n: u64) -> Owner {
    Owner {
        id: owner_id(n),
        place: Place {
            host: Some(format!("host-{n}")),
            boot: None,
            pid_space: Some("pid:[4026531836]".into()),
            pid: 4_000_000_000,
            started: Some(u64::from(u32::MAX) + n),
        },
    }
}

/// The first entry of a log.
pub(super) fn first() -> Entry {
    entry(1)
}

/// The entry of this number where every one holds two events.
pub(super) fn entry(number: u64) -> Entry {
    Entry {
        number,
        after: (number - 1) * 2,
        events: 2,
        at: Time::from_micros(1_772_348_400_000_001 + i64::try_from(number).unwrap()),
        body: format!("entry {number}").into_bytes(),
    }
}

/// Run `n`, created at second `n` and held by owner 1.
pub(super) fn new_run(n: u64) -> NewRun {
    NewRun {
        head: Head {
            id: run(n),
            pipeline: "research".into(),
            plan_hash: "plan-1".into(),
            definition: None,
            key: None,
            labels: IndexMap::new(),
            note: None,
            trigger: "library".into(),
            parent: None,
            engine: "local".into(),
            models: IndexMap::new(),
            queued: at(i64::try_from(n).unwrap()),
            standing: Standing::queued(),
            owner: None,
            fence: 0,
            last_seq: 0,
        },
        plan: plan(1),
        request: None,
        owner: Some(owner_id(1)),
        entry: first(),
        claims: Vec::new(),
        expects: Vec::new(),
        documents: Vec::new(),
        questions: Vec::new(),
    }
}

/// Run `n` with every part of its head set.
pub(super) fn full_run(n: u64) -> NewRun {
    let mut new = new_run(n);
    let model = ChosenModel {
        asked: vec!["auto/small".into(), "local/extractive".into()],
        chosen: "local/extractive".into(),
        source: "local".into(),
    };
    new.head = Head {
        definition: Some("file:research.yaml".into()),
        labels: IndexMap::from([("team".into(), "a".into()), ("area".into(), "b".into())]),
        note: Some("tried again".into()),
        trigger: "http".into(),
        parent: Some(Parent {
            run: run(n + 1_000_000),
            relation: Relation::Rerun,
            from: Some("draft".into()),
        }),
        models: IndexMap::from([("z".into(), model.clone()), ("a".into(), model)]),
        standing: full_standing(RunStatus::Queued),
        ..new.head
    };
    new
}

/// A standing with every part set.
pub(super) fn full_standing(status: RunStatus) -> Standing {
    Standing {
        status,
        fallback: true,
        started: Some(at(100)),
        ended: status.is_terminal().then(|| at(160)),
        step_counts: StepCounts {
            pending: 1,
            ready: 2,
            running: 3,
            waiting: 4,
            succeeded: 5,
            failed: 6,
            skipped: 7,
            cancelled: 8,
        },
        failed_steps: vec!["draft".into(), "review".into()],
        error: Some((ErrorKind::Timeout, "step `draft` took longer than 3 s".into())),
        usage: Usage {
            input_tokens: u64::MAX,
            output_tokens: 2,
            cache_read_tokens: 3,
            cache_write_tokens: 4,
            reasoning_tokens: 5,
            audio_tokens: 6,
            requests: 7,
            tool_calls: 8,
            model_ms: 9,
            tool_ms: 10,
        },
        cost: Cost {
            nanousd: Nanousd::from_nanos(1_234_567).unwrap(),
            unpriced_calls: 1,
            estimated_calls: u32::MAX,
            uncertain_nanousd: Nanousd::from_nanos(77).unwrap(),
        },
        stale_steps: vec!["final".into()],
        wakes: (status == RunStatus::Waiting).then(|| at(1_000)),
        text: "Wörter, nach denen gesucht wird".into(),
    }
}

pub(super) fn standing(status: RunStatus) -> Standing {
    Standing {
        status,
        ..Standing::queued()
    }
}

pub(super) fn plan(n: u64) -> StoredPlan {
    StoredPlan {
        hash: format!("plan-{n}"),
        text: format!("{{\"name\":\"plan {n}\"}}").into(),
    }
}

pub(super) fn request(key: &str, body: &str) -> Option<Request> {
    Some(Request {
        key: key.into(),
        body: body.into(),
    })
}

/// Open question `n` of a run.
pub(super) fn question(n: u64, of: RunId) -> Question {
    Question {
        id: question_id(n),
        kind: QuestionKind::Question,
        run: of,
        pipeline: "research".into(),
        step: "ask".into(),
        title: format!("question {n}"),
        text: Some("which one?".into()),
        form: json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "number"}}}),
        known: Map::from_iter([("so far".into(), json!([1, null, "x"]))]),
        missing: vec!["z".into()],
        default: Some(json!({"z": "none"})),
        asked: at(10),
        deadline: Some(at(20)),
        status: QuestionStatus::Open,
        approval: None,
        budget: None,
        refused: Vec::new(),
        answer: None,
        answered_by: None,
    }
}

pub(super) fn answer(question: u64) -> SignalKind {
    SignalKind::Answer {
        question: question_id(question),
        answer: json!({"z": "yes", "a": 1.5}),
        by: "ada".into(),
        via: "http".into(),
    }
}

pub(super) fn refused(question: u64) -> SignalKind {
    SignalKind::Refused {
        question: question_id(question),
        by: "ada".into(),
        errors: vec!["/z: is no text".into(), "/a: is missing".into()],
    }
}

pub(super) fn cancel() -> SignalKind {
    SignalKind::Cancel {
        by: "ada".into(),
        reason: Some("not needed".into()),
    }
}

/// The result of a step, as a run brings it to its workspace.
pub(super) fn document(step: &str, by: RunId, hash: &str) -> Document {
    Document {
        step: step.into(),
        run: Some(by),
        status: StepStatus::Succeeded,
        hash: Some(hash.into()),
        built_on: IndexMap::from([("sources".into(), Some("h0".into())), ("left out".into(), None)]),
        version: 0,
        updated: at(50),
        cost: Cost::of(Nanousd::from_nanos(5).unwrap()),
        running: None,
    }
}

/// Saved artifact `n` of a run; its hash is made from its content.
pub(super) fn artifact(n: u64, by: RunId, name: &str, sha256: &str) -> KeptArtifact {
    KeptArtifact {
        artifact: Artifact {
            id: ArtifactId::from_bits(bits(n)),
            name: name.into(),
            step: "write".into(),
            bytes: n,
            sha256: sha256.into(),
            media_type: "text/markdown; charset=utf-8".into(),
        },
        run: by,
        pipeline: "research".into(),
        at: at(60),
        is_output: false,
    }
}

pub(super) fn link(name: &str, to: &KeptArtifact) -> LinkVersion {
    LinkVersion {
        pipeline: to.pipeline.clone(),
        link: name.into(),
        version: 0,
        artifact: to.artifact.clone(),
        run: to.run,
        at: at(70),
    }
}

pub(super) fn account(window: &str) -> AccountKey {
    AccountKey {
        name: "pipeline:research/day".into(),
        window: window.into(),
    }
}

/// What call `n` of a run held under its first fence wants to hold.
pub(super) fn hold(n: u64, of: RunId) -> Hold {
    Hold {
        call: call(n),
        run: of,
        fence: 1,
        state: HoldState::Reserved,
        amounts: [0; 3],
    }
}

/// Reserves this much, whatever the accounts say.
pub(super) async fn reserve(store: &dyn Store, n: u64, of: RunId, amounts: Amounts) {
    let decide = Box::new(move |_: &[crate::store::Account]| Some(amounts));
    let reserved = store
        .reserve(hold(n, of), vec![account("2026-03-01")], decide)
        .await;
    assert_eq!(reserved.unwrap(), Some(amounts));
}

/// Enrolls owner 1 and creates runs held by it.
pub(super) async fn created(store: &dyn Store, runs: impl IntoIterator<Item = u64>) {
    store.enroll(owner(1)).await.unwrap();
    for n in runs {
        let created = store.create(new_run(n)).await.unwrap();
        assert_eq!(created, Created::New { fence: 1 });
    }
}

/// The commit of entry `number` to run `n` under its first fence.
pub(super) fn commit(n: u64, number: u64) -> Commit {
    Commit::of(run(n), 1, entry(number))
}

/// The commit with which run `n` ends.
pub(super) fn last_commit(n: u64, number: u64, status: RunStatus) -> Commit {
    let mut commit = commit(n, number);
    commit.standing = Some(Standing {
        ended: Some(at(200)),
        ..standing(status)
    });
    commit.leaves = true;
    commit
}

/// A run that is over.
pub(super) async fn finished(store: &dyn Store, n: u64) {
    created(store, [n]).await;
    let done = store
        .commit(last_commit(n, 2, RunStatus::Succeeded))
        .await
        .unwrap();
    assert!(done.left);
}

/// A run that waits and that nobody holds.
pub(super) async fn resting(store: &dyn Store, n: u64, wakes: Option<Time>) {
    created(store, [n]).await;
    let mut rest = commit(n, 2);
    rest.standing = Some(Standing {
        wakes,
        ..standing(RunStatus::Waiting)
    });
    rest.leaves = true;
    assert!(store.commit(rest).await.unwrap().left);
}

pub(super) async fn head(store: &dyn Store, n: u64) -> Head {
    store.head(run(n)).await.unwrap().expect("the run is there")
}

pub(super) async fn log(store: &dyn Store, n: u64) -> Vec<Entry> {
    store.log(run(n), 0, usize::MAX).await.unwrap()
}

/// Takes up a run that nobody holds; gives its fence.
pub(super) async fn taken_up(store: &dyn Store, n: u64, by: u64) -> u64 {
    match store.claim(run(n), owner_id(by)).await.unwrap() {
        Claim::Taken(head) => head.fence,
        other => panic!("run {n} was not taken up: {other:?}"),
    }
}

pub(super) fn kind_of<T: Debug>(result: Result<T, crate::store::StoreError>) -> StoreErrorKind {
    result.expect_err("this has to be refused").kind
}

/// What a commit that changed nothing but the log gives.
pub(super) const PLAIN: Committed = Committed {
    signals: false,
    left: false,
    halted: false,
};

/// Starts all at once and waits for them; the answers are in the order of the requests.
pub(super) async fn all<T: Send + 'static>(pending: Vec<Pending<T>>) -> Vec<T> {
    let answers = futures_util::future::join_all(pending).await;
    answers.into_iter().map(Result::unwrap).collect()
}

/// Everything a store tells of these runs and of all there is, to see whether two moments or two handles differ.
pub(super) async fn everything(store: &Arc<dyn Store>, runs: &[u64]) -> String {
    use std::fmt::Write;
    let mut all = String::new();
    for n in runs {
        let run = run(*n);
        let _ = writeln!(all, "{:?}", store.head(run).await.unwrap());
        let _ = writeln!(all, "{:?}", store.log(run, 0, usize::MAX).await.unwrap());
        let _ = writeln!(all, "{:?}", store.signals(run).await.unwrap());
        let _ = writeln!(all, "{:?}", store.holds(run).await.unwrap());
    }
    let questions = store.questions(None, usize::MAX).await.unwrap();
    let _ = writeln!(all, "{questions:?}");
    let _ = writeln!(all, "{:?}", store.artifacts(Default::default()).await.unwrap());
    let _ = writeln!(all, "{:?}", store.referenced().await.unwrap());
    let _ = writeln!(all, "{:?}", store.accounts(None, usize::MAX).await.unwrap());
    let _ = writeln!(all, "{:?}", store.halted().await.unwrap());
    let _ = writeln!(all, "{:?}", store.owners().await.unwrap());
    for workspace in store.workspaces(None).await.unwrap() {
        let documents = store.documents(workspace.pipeline.clone(), workspace.key.clone());
        let _ = writeln!(all, "{workspace:?} {:?}", documents.await.unwrap());
    }
    let _ = writeln!(
        all,
        "{:?}",
        store.link("research".into(), "latest".into()).await.unwrap()
    );
    all
}
