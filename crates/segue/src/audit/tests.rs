//! Every kind of damage is planted into a record that was sound, and has to be found, where it is and by its rule.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Finding, Rule, Severity, StoredRun, run};
use crate::clock::Time;
use crate::file::load_text;
use crate::id::{CallId, RunId};
use crate::model::{Models, Rule as Answer, Scripted};
use crate::money::{Nanousd, usd};
use crate::price::{Price, PriceBook};
use crate::question::{Question, QuestionStatus};
use crate::store::{
    ArtifactQuery, Document, Entry, Head, Hold, HoldState, KeptArtifact, MemoryStore, OwnerId, Signal,
    SignalKind, Store, StoredPlan,
};
use crate::view::{RunStatus, StepStatus};
use crate::{Outcome, Pipeline, Registry, Runner};

mod whole;

/// Asks, is answered, calls a model under a budget, saves an artifact and links it, leaves results in a workspace.
const PIPELINE: &str = r#"
version: 1
name: study
key: inputs.id
inputs: { id: string }
budget: { usd: 1.00, requests: 5 }
models: { m: openai/small }
agents: { writer: { instructions: Write., model: m } }
steps:
  who:   { ask: { title: Who reads it?, form: { reader: string } } }
  draft:
    agent: writer
    prompt: "For {{ steps.who.output.reader }}"
    artifacts: { draft.md: { from: output, link: latest } }
output: steps.draft.output
"#;

/// A run that is over, as its store has it.
#[derive(Clone)]
struct Kept {
    head: Head,
    plan: Option<StoredPlan>,
    log: Vec<Entry>,
    questions: Vec<Question>,
    artifacts: Vec<KeptArtifact>,
    documents: Vec<Document>,
    holds: Vec<Hold>,
    signals: Vec<Signal>,
}

impl Kept {
    async fn of(store: &dyn Store, run: RunId) -> Self {
        let head = store.head(run).await.expect("it reads").expect("it is there");
        let log = store.log(run, 0, 1000).await.expect("it reads");
        let asked = log
            .iter()
            .flat_map(|entry| records(&entry.body))
            .find_map(|record| {
                let id = record.pointer("/w/event/question/id")?.as_str()?.to_owned();
                id.parse().ok()
            });
        let asked = asked.expect("it asked");
        let query = ArtifactQuery {
            run: Some(run),
            ..ArtifactQuery::default()
        };
        Self {
            plan: store.plan(head.plan_hash.clone()).await.expect("it reads"),
            questions: store
                .question(asked)
                .await
                .expect("it reads")
                .into_iter()
                .collect(),
            artifacts: store.artifacts(query).await.expect("it reads"),
            documents: store
                .documents("study".into(), "a".into())
                .await
                .expect("it reads"),
            holds: store.holds(run).await.expect("it reads"),
            signals: store.signals(run).await.expect("it reads"),
            head,
            log,
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let stored = StoredRun {
            head: &self.head,
            plan: self.plan.as_ref(),
            log: &self.log,
            questions: &self.questions,
            artifacts: &self.artifacts,
            documents: &self.documents,
            holds: &self.holds,
            signals: &self.signals,
        };
        let audited = run(&stored);
        assert_eq!(run(&stored), audited, "the same run gives the same findings");
        audited.findings
    }

    /// Changes every event of a type, wherever it stands.
    fn change(&mut self, kind: &str, change: impl Fn(&mut Json)) {
        let mut met = 0;
        for entry in &mut self.log {
            let mut body: Json = serde_json::from_slice(&entry.body).expect("it is JSON");
            for record in body["rec"].as_array_mut().expect("records") {
                let what = &mut record["w"];
                if what["event"]["type"] == kind {
                    met += 1;
                    change(&mut what["event"]);
                } else if let Some(own) = what.get_mut(kind) {
                    met += 1;
                    change(own);
                }
            }
            entry.body = serde_json::to_vec(&body).expect("it is JSON");
        }
        assert!(met > 0, "there is no {kind}");
    }

    /// Puts the records of an event into the log once more, right behind the first.
    fn repeat(&mut self, kind: &str) {
        let is = |record: &Json| record["w"]["event"]["type"] == kind || record["w"].get(kind).is_some();
        let at = self
            .log
            .iter()
            .position(|entry| records(&entry.body).iter().any(is));
        let at = at.unwrap_or_else(|| panic!("there is no {kind}"));
        let mut body: Json = serde_json::from_slice(&self.log[at].body).expect("it is JSON");
        let list = body["rec"].as_array_mut().expect("records");
        let first = list.iter().position(is).expect("it is here");
        list.insert(first + 1, list[first].clone());
        self.log[at].body = serde_json::to_vec(&body).expect("it is JSON");
        self.log[at].events += 1;
        for later in &mut self.log[at + 1..] {
            later.after += 1;
        }
        self.head.last_seq += 1;
    }

    /// The call that it made.
    fn call(&self) -> CallId {
        let mut ids = self
            .log
            .iter()
            .flat_map(|entry| records(&entry.body))
            .filter_map(|record| {
                let is_call = record["w"]["event"]["type"] == "call.reserved";
                is_call
                    .then(|| record["w"]["event"]["call"].as_str()?.parse().ok())
                    .flatten()
            });
        ids.next_back().expect("it made a call")
    }

    fn document(&mut self, step: &str) -> &mut Document {
        let found = self.documents.iter_mut().find(|document| document.step == step);
        found.expect("it has a result")
    }
}

fn records(body: &[u8]) -> Vec<Json> {
    let body: Json = serde_json::from_slice(body).expect("it is JSON");
    body["rec"].as_array().expect("records").clone()
}

fn store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new())
}

fn runner(store: &Arc<MemoryStore>) -> (Runner, Pipeline<Json, Json>) {
    let model = Scripted::new()
        .rule(Answer::reply("A draft."))
        .named("openai/small");
    let prices = PriceBook::new(std::time::UNIX_EPOCH);
    let prices = prices.with_override("openai/small", Price::per_million(usd(1.0), usd(2.0)));
    let runner = Runner::builder()
        .models(Models::offline().with("openai/small", model))
        .prices(prices)
        .store_in(store.clone());
    let loaded =
        load_text(PIPELINE, "study.yaml", &Registry::new()).unwrap_or_else(|wrong| panic!("{wrong}"));
    let pipeline = Pipeline::from_plan(&loaded.plan, &Registry::new()).expect("it links");
    (runner.build().expect("a runner"), pipeline)
}

/// Runs the pipeline; one that nobody answers rests.
async fn ran(store: &Arc<MemoryStore>, answer: Option<Json>) -> RunId {
    let (runner, pipeline) = runner(store);
    let run = runner
        .start(&pipeline, json!({"id": "a"}))
        .await
        .expect("it starts");
    let Outcome::Waiting(waiting) = run.outcome().await.expect("it rests") else {
        panic!("it asks nothing");
    };
    let Some(answer) = answer else { return run.id() };
    runner.close().await.expect("it leaves");
    let (runner, _) = self::runner(store);
    runner
        .answer(waiting.id, answer)
        .await
        .expect("the answer is good");
    let run = runner.attach(run.id()).await.expect("it is there");
    run.done().await.expect("it ends well");
    run.id()
}

async fn sound() -> Kept {
    let store = store();
    let run = ran(&store, Some(json!({"reader": "Ada"}))).await;
    let kept = Kept::of(&*store, run).await;
    assert_eq!(kept.findings(), []);
    assert!(!kept.head.standing.cost.is_zero(), "it has cost something");
    assert_eq!(
        (kept.artifacts.len(), kept.documents.len(), kept.questions.len()),
        (1, 2, 1)
    );
    kept
}

async fn resting() -> Kept {
    let store = store();
    let run = ran(&store, None).await;
    let kept = Kept::of(&*store, run).await;
    assert_eq!(kept.findings(), []);
    kept
}

/// Plants something and says which rule has to break, with a part of the message.
#[track_caller]
fn planted(kept: &Kept, rule: Rule, part: &str, plant: impl FnOnce(&mut Kept)) -> Finding {
    let mut damaged = kept.clone();
    plant(&mut damaged);
    let findings = damaged.findings();
    let found = findings
        .iter()
        .find(|finding| finding.rule == rule && finding.message.contains(part));
    let found = found.unwrap_or_else(|| panic!("no {rule:?} with {part:?} in {findings:#?}"));
    assert_eq!(found.run, Some(kept.head.id));
    assert!(!found.way_out().is_empty() && !found.to_string().contains('\n'));
    found.clone()
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_is_found() {
    let kept = sound().await;
    planted(&kept, Rule::Readable, "is missing", |kept| kept.plan = None);
    planted(&kept, Rule::Readable, "another content", |kept| {
        let plan = kept.plan.as_mut().expect("a plan");
        plan.text = plan.text.replace("Write.", "Sing.").into();
    });
    planted(&kept, Rule::Readable, "cannot be read", |kept| {
        kept.plan.as_mut().expect("a plan").text = "{".into();
    });
    let found = planted(&kept, Rule::Readable, "cannot be read", |kept| {
        kept.log[1].body.pop();
    });
    assert_eq!(found.entry, Some(2));
    assert_eq!(found.severity(), Severity::Error);
    planted(&kept, Rule::Readable, "version 9", |kept| {
        let mut body: Json = serde_json::from_slice(&kept.log[0].body).expect("it is JSON");
        body["v"] = json!(9);
        kept.log[0].body = serde_json::to_vec(&body).expect("it is JSON");
    });
}

#[tokio::test(start_paused = true)]
async fn gaps_are_found() {
    let kept = sound().await;
    let found = planted(&kept, Rule::Order, "it comes after entry 1", |kept| {
        drop(kept.log.remove(1));
    });
    assert_eq!(found.entry, Some(3));
    planted(&kept, Rule::Order, "it comes after entry 2", |kept| {
        kept.log.swap(1, 2);
    });
    planted(&kept, Rule::Order, "begins with event", |kept| {
        kept.log[1].after += 1;
    });
    planted(&kept, Rule::Order, "should hold", |kept| {
        let last = kept.log.last_mut().expect("entries");
        last.events += 1;
        kept.head.last_seq += 1;
    });
    planted(&kept, Rule::Order, "its log ends with event", |kept| {
        drop(kept.log.pop());
    });
    planted(&kept, Rule::Order, "it has no log", |kept| kept.log.clear());
}

#[tokio::test(start_paused = true)]
async fn a_second_outcome_and_what_follows_the_end_are_found() {
    let kept = sound().await;
    planted(&kept, Rule::Once, "`who` has a second outcome", |kept| {
        kept.repeat("done");
    });
    planted(&kept, Rule::End, "follows the end of the run", |kept| {
        kept.repeat("ended");
    });
    planted(&kept, Rule::Once, "begins after its outcome", |kept| {
        // The outcome of the first step is said to be that of the second, which has still to begin.
        let mut other = None;
        for entry in &kept.log {
            for record in records(&entry.body) {
                if record["w"].get("done").is_some() {
                    other = Some(record["u"].clone());
                }
            }
        }
        let mut is_first = true;
        for entry in &mut kept.log {
            let mut body: Json = serde_json::from_slice(&entry.body).expect("it is JSON");
            for record in body["rec"].as_array_mut().expect("records") {
                if record["w"].get("done").is_some() && std::mem::take(&mut is_first) {
                    record["u"] = other.clone().expect("a second outcome");
                }
            }
            entry.body = serde_json::to_vec(&body).expect("it is JSON");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stands_elsewhere_than_its_log_says_is_found() {
    let kept = sound().await;
    let standing = |part: &str, plant: fn(&mut Head)| {
        planted(&kept, Rule::Standing, part, |kept| plant(&mut kept.head));
    };
    standing("its status: failed", |head| {
        head.standing.status = RunStatus::Failed;
    });
    standing("its pipeline", |head| head.pipeline = "other".into());
    standing("its key", |head| head.key = None);
    standing("its steps", |head| head.standing.step_counts.succeeded += 1);
    standing("its failed steps", |head| {
        head.standing.failed_steps.push("draft".into());
    });
    standing("its usage", |head| head.standing.usage.requests += 1);
    standing("its cost", |head| head.standing.cost.nanousd = Nanousd::ZERO);
    standing("its fallback", |head| head.standing.fallback = true);
    standing("nothing says since when", |head| head.standing.ended = None);
}

#[tokio::test(start_paused = true)]
async fn two_owners_at_once_are_found() {
    let kept = sound().await;
    planted(&kept, Rule::Owner, "where the run stands under fence", |kept| {
        kept.head.fence = 0;
    });
    planted(&kept, Rule::Owner, "under fence 3 after fence 3", |kept| {
        kept.repeat("run.resumed");
    });
}

#[tokio::test(start_paused = true)]
async fn an_end_that_says_another_cost_than_its_calls_is_found() {
    let kept = sound().await;
    let cost = kept.head.standing.cost.nanousd;
    let found = planted(&kept, Rule::Cost, "its calls come to", |kept| {
        kept.change("call.succeeded", |event| {
            event["cost"]["nanousd"] = json!(cost.nanos() + 1);
        });
    });
    assert_eq!(found.entry, kept.log.last().map(|entry| entry.number));
    planted(&kept, Rule::Cost, "2 requests", |kept| {
        kept.change("call.succeeded", |event| event["usage"]["requests"] = json!(2));
    });
}

#[tokio::test(start_paused = true)]
async fn calls_that_do_not_begin_or_end_as_they_should_are_found() {
    let kept = sound().await;
    let other = "call_00000000000000000000000001";
    planted(&kept, Rule::Call, "is reserved a second time", |kept| {
        kept.repeat("call.reserved");
    });
    planted(&kept, Rule::Call, "is started a second time", |kept| {
        kept.repeat("call.started");
    });
    planted(&kept, Rule::Call, "succeeds after its end", |kept| {
        kept.repeat("call.succeeded");
    });
    planted(&kept, Rule::Call, "is started and was never reserved", |kept| {
        kept.change("call.reserved", |event| event["call"] = json!(other));
    });
    planted(&kept, Rule::Call, "and was never started", |kept| {
        kept.change("call.started", |event| event["call"] = json!(other));
    });
    planted(&kept, Rule::Call, "has no end, and the run is over", |kept| {
        kept.change("call.succeeded", |event| event["call"] = json!(other));
    });
}

#[tokio::test(start_paused = true)]
async fn more_than_a_budget_is_found() {
    let kept = sound().await;
    planted(&kept, Rule::Budget, "where $1.00 are allowed", |kept| {
        kept.change("call.reserved", |event| {
            event["reserved_nanousd"] = json!(1_000_000_001);
        });
    });
    planted(&kept, Rule::Budget, "where 0 requests are allowed", |kept| {
        kept.change("budget.opened", |event| event["budget"]["requests"] = json!(0));
    });
}

#[tokio::test(start_paused = true)]
async fn questions_that_differ_are_found() {
    let kept = sound().await;
    planted(&kept, Rule::Question, "is not in the store", |kept| {
        kept.questions.clear();
    });
    planted(
        &kept,
        Rule::Question,
        "answered by the log and expired in the store",
        |kept| {
            kept.questions[0].status = QuestionStatus::Expired;
        },
    );
    planted(&kept, Rule::Question, "is open, and the run is over", |kept| {
        kept.questions[0].status = QuestionStatus::Open;
    });
    planted(
        &kept,
        Rule::Question,
        "another in the store than in the log",
        |kept| {
            kept.questions[0].answer = Some(json!({"reader": "Bob"}));
        },
    );
    planted(&kept, Rule::Question, "the log does not know", |kept| {
        let mut other = kept.questions[0].clone();
        other.id = "q_00000000000000000000000001".parse().expect("an id");
        kept.questions.push(other);
    });
    planted(&kept, Rule::Question, "is put a second time", |kept| {
        kept.repeat("question.asked");
    });
    planted(&kept, Rule::Question, "and was answered before", |kept| {
        kept.repeat("question.answered");
    });
}

#[tokio::test(start_paused = true)]
async fn artifacts_that_are_not_listed_as_saved_are_found() {
    let kept = sound().await;
    planted(&kept, Rule::Artifact, "is not in the list", |kept| {
        kept.artifacts.clear();
    });
    planted(&kept, Rule::Artifact, "is another one in the list", |kept| {
        kept.artifacts[0].artifact.bytes += 1;
    });
    planted(&kept, Rule::Artifact, "which was never saved", |kept| {
        kept.change("artifact.linked", |event| {
            event["artifact"] = json!("art_00000000000000000000000001");
        });
    });
    planted(&kept, Rule::Artifact, "is saved a second time", |kept| {
        kept.repeat("artifact.saved");
    });
}

#[tokio::test(start_paused = true)]
async fn results_of_a_workspace_that_are_not_true_are_found() {
    let kept = sound().await;
    planted(&kept, Rule::Document, "has the hash", |kept| {
        kept.document("draft").hash = Some("sha256:00".into());
    });
    planted(
        &kept,
        Rule::Document,
        "is succeeded by its log, and skipped in its workspace",
        |kept| {
            kept.document("draft").status = StepStatus::Skipped;
        },
    );
    planted(
        &kept,
        Rule::Document,
        "it has no result of step `other`",
        |kept| {
            kept.document("draft").step = "other".into();
        },
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_run_that_is_over_still_holds_is_found() {
    let kept = sound().await;
    let owner = OwnerId::from_bits(1);
    let found = planted(&kept, Rule::Hold, "still holds it", |kept| {
        kept.head.owner = Some(owner);
    });
    assert_eq!(found.severity(), Severity::Warning);
    planted(&kept, Rule::Hold, "what was reserved for it", |kept| {
        kept.holds.push(hold(kept));
    });
    planted(&kept, Rule::Hold, "still holds step `draft`", |kept| {
        let run = kept.head.id;
        kept.document("draft").running = Some(run);
    });
    planted(&kept, Rule::Hold, "something it was told", |kept| {
        kept.signals.push(Signal {
            number: 1,
            run: kept.head.id,
            at: Time::from_micros(0),
            kind: SignalKind::Cancel {
                by: "ada".into(),
                reason: None,
            },
        });
    });
    let mut uncertain = kept.clone();
    let state = HoldState::Uncertain;
    uncertain.holds.push(Hold { state, ..hold(&kept) });
    assert_eq!(
        uncertain.findings(),
        [],
        "what nobody knows the end of stays counted"
    );
}

fn hold(kept: &Kept) -> Hold {
    Hold {
        call: kept.call(),
        run: kept.head.id,
        fence: kept.head.fence,
        state: HoldState::Reserved,
        amounts: [1, 1, 1],
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_rests_waits_for_something_and_holds_no_call() {
    let kept = resting().await;
    planted(&kept, Rule::Wait, "nothing is open", |kept| {
        kept.questions[0].status = QuestionStatus::Cancelled;
    });
    planted(&kept, Rule::Hold, "it rests, and", |kept| {
        let call = "call_00000000000000000000000001".parse().expect("an id");
        kept.holds.push(Hold {
            call,
            run: kept.head.id,
            fence: kept.head.fence,
            state: HoldState::Reserved,
            amounts: [1, 1, 1],
        });
    });
    let mut answered = kept.clone();
    answered.questions[0].status = QuestionStatus::Cancelled;
    answered.head.standing.wakes = Some(Time::from_micros(0));
    assert_eq!(answered.findings(), [], "it goes on by itself");
}
