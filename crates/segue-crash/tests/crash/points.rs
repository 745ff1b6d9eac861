//! Every named kill point, with what has to be true after the restart.

use segue::view::{AttemptOutcome, CallStatus, RunView};
use segue::{ErrorKind, RunStatus, usd};
use segue_crash::effects::{Effects, Seen};
use segue_crash::house;
use segue_crash::process::Gone;
use segue_crash::site::{Place, Site};
use segue_crash::verdict::runner;

use crate::{all, site};

/// One call to a model.
const ONE: &str = include_str!("one.yaml");
/// A first attempt that fails.
const TWICE: &str = "
version: 1
name: twice
models: { house: { use: ollama/house } }
agents: { writer: { model: house, instructions: Write., max_tokens: 50 } }
steps: { flaky: { agent: writer, prompt: Go., retry: { max_attempts: 2, backoff: fixed, delay: 10ms, jitter: false } } }
";
/// A large output that is an artifact as well.
const PAGES: &str = "
version: 1
name: pages
steps:
  pages: { tool: house.pages, with: { about: tides }, artifacts: { pages.txt: { from: output, link: latest } } }
output: steps.pages.output | length
";
/// A person is asked.
const ASKS: &str = "
version: 1
name: asks
steps: { ask: { ask: { title: Well?, form: string } } }
";

/// A site where a process was killed.
struct Killed {
    site: Site,
    key: &'static str,
}

/// What the next process made of it.
struct After {
    gone: Gone,
    view: RunView,
    seen: Vec<Seen>,
}

fn tool(name: &str, on_interrupt: &str) -> String {
    format!(
        "
version: 1
name: tool
tools: {{ {name}: {{ approval: allow{on_interrupt} }} }}
steps: {{ use: {{ tool: {name}, with: {{ about: tides }} }} }}
output: steps.use.output
"
    )
}

impl Killed {
    /// Runs a pipeline in a process that is killed at a point.
    fn at(point: &str, pipeline: &str) -> Self {
        Self::before_its_end(point, pipeline).unwrap_or_else(|| panic!("{point} was not reached"))
    }

    /// The same; none when it comes to its end before that.
    fn before_its_end(point: &str, pipeline: &str) -> Option<Self> {
        let killed = Self::nobody(pipeline);
        let gone = killed.begin(Some(&format!("{point}=kill")));
        gone.was_killed().then_some(killed)
    }

    fn nobody(pipeline: &str) -> Self {
        let site = site(Place::Sqlite);
        std::fs::write(site.folder().join("p.yaml"), pipeline).expect("a folder");
        Self { site, key: "k" }
    }

    fn begin(&self, fails: Option<&str>) -> Gone {
        let arguments = [
            "run",
            "p.yaml",
            "--no-input",
            "--output",
            "ndjson",
            "--request-key",
            self.key,
        ];
        self.site.run(&arguments, fails).expect("a process")
    }

    /// The next process does what the client of the first one would: it asks for the same again.
    async fn again(&self) -> After {
        let gone = self.begin(None);
        self.look(gone).await
    }

    /// Any other process goes on with the run.
    async fn resumed(&self) -> After {
        let gone = self.resume(None);
        self.look(gone).await
    }

    fn resume(&self, fails: Option<&str>) -> Gone {
        let arguments = ["resume", "last", "--no-input", "--output", "ndjson"];
        self.site.run(&arguments, fails).expect("a process")
    }

    async fn look(&self, gone: Gone) -> After {
        let store = self.site.store().await.expect("a store");
        let findings = store.examine().await.expect("it can be read");
        assert_eq!(findings, [""; 0]);
        let runs = store.runs(all()).await.expect("it can be read").items;
        assert_eq!(runs.len(), 1, "one request is one run");
        let runner = runner(store, &Effects::unseen()).build().expect("a runner");
        let run = runner.attach(runs[0].id).await.expect("it is there");
        let events = run.log().events();
        assert!(
            events.iter().zip(1..).all(|(event, seq)| event.seq == seq),
            "events are dense"
        );
        let seen = self.site.effects().expect("a ledger").into_values().collect();
        After {
            gone,
            view: run.view(),
            seen,
        }
    }
}

impl After {
    fn succeeded(self) -> Self {
        assert_eq!(self.view.status(), RunStatus::Succeeded, "{}", self.gone.stderr);
        assert_eq!(self.gone.code, Some(0));
        self
    }

    /// How often its one effect was begun and ended.
    fn effect(&self) -> (u64, u64) {
        assert_eq!(self.seen.len(), 1, "all under one key: {:?}", self.seen);
        (self.seen[0].begun, self.seen[0].ended)
    }

    fn calls(&self) -> Vec<CallStatus> {
        self.view.calls().map(|call| call.status).collect()
    }

    fn attempts(&self, step: &str) -> Vec<(u32, Option<AttemptOutcome>)> {
        let step = self.view.step(step).expect("it is there");
        step.attempts
            .iter()
            .map(|attempt| (attempt.attempt, attempt.outcome))
            .collect()
    }
}

#[tokio::test]
async fn k0_a_run_that_was_not_committed_does_not_exist() {
    let killed = Killed::at("K0", ONE);
    let store = killed.site.store().await.expect("a store");
    assert!(store.runs(all()).await.expect("it can be read").items.is_empty());
    drop(store);
    let after = killed.again().await.succeeded();
    assert_eq!(after.effect(), (1, 1));
}

#[tokio::test]
async fn k1_a_run_that_was_committed_is_found_under_its_key() {
    let after = Killed::at("K1", ONE).again().await.succeeded();
    assert_eq!(after.effect(), (1, 1));
}

#[tokio::test]
async fn k2_a_step_that_was_claimed_runs_and_has_lost_no_try() {
    let after = Killed::at("K2", ONE).resumed().await.succeeded();
    assert_eq!(after.effect(), (1, 1));
    let attempts = [
        (1, Some(AttemptOutcome::Interrupted)),
        (1, Some(AttemptOutcome::Succeeded)),
    ];
    assert_eq!(after.attempts("write"), attempts);
}

#[tokio::test]
async fn k3_a_reservation_of_a_call_that_was_not_sent_costs_nothing() {
    let after = Killed::at("K3", ONE).resumed().await.succeeded();
    assert_eq!(after.effect(), (1, 1));
    assert_eq!(after.view.cost().nanousd, usd(0.003), "what one call costs");
    assert!(
        !after.calls().contains(&CallStatus::Uncertain),
        "{:?}",
        after.calls()
    );
}

#[tokio::test]
async fn k4_a_call_that_was_sent_is_sent_again_and_counts_as_uncertain() {
    let after = Killed::at("K4", ONE).resumed().await.succeeded();
    assert_eq!(after.effect(), (1, 1));
    assert_eq!(after.calls(), [CallStatus::Uncertain, CallStatus::Succeeded]);
}

#[tokio::test]
async fn k5_half_of_an_answer_is_never_an_output() {
    let after = Killed::at("K5", ONE).resumed().await.succeeded();
    assert_eq!(after.effect(), (2, 1), "the same key, begun twice");
    assert_eq!(after.calls(), [CallStatus::Uncertain, CallStatus::Succeeded]);
}

#[tokio::test]
async fn k6_an_answer_that_was_not_recorded_is_asked_for_once_more() {
    let after = Killed::at("K6", ONE).resumed().await.succeeded();
    assert_eq!(after.effect(), (2, 2), "the same key, both counted");
    assert_eq!(after.calls(), [CallStatus::Uncertain, CallStatus::Succeeded]);
    assert_eq!(after.view.cost().nanousd, usd(0.003));
    assert!(
        after.view.cost().uncertain_nanousd > usd(0.0),
        "the other one is counted apart"
    );
}

#[tokio::test]
async fn k7_a_tool_that_may_be_repeated_is() {
    for name in ["house.look", "house.note"] {
        let after = Killed::at("K7", &tool(name, "")).resumed().await.succeeded();
        assert_eq!(after.effect(), (2, 2), "{name}: under the same key");
    }
}

#[tokio::test]
async fn k7_a_tool_that_may_not_be_repeated_waits_for_a_person() {
    for (word, times) in [("skip", 1), ("repeat", 2), ("fail", 1)] {
        let killed = Killed::at("K7", &tool(house::MAIL, ""));
        let after = killed.resumed().await;
        assert_eq!(
            (after.gone.code, after.view.status()),
            (Some(3), RunStatus::Waiting)
        );
        assert_eq!(after.effect(), (1, 1), "nothing is repeated silently");
        let answer = [
            "answer",
            "last",
            "--decide",
            word,
            "--no-input",
            "--output",
            "ndjson",
        ];
        let gone = killed.site.run(&answer, None).expect("a process");
        let after = killed.look(gone).await;
        assert_eq!(after.effect(), (times, times), "{word}");
        let expected = if word == "fail" {
            RunStatus::Failed
        } else {
            RunStatus::Succeeded
        };
        assert_eq!(after.view.status(), expected, "{word}");
    }
}

#[tokio::test]
async fn k7_a_tool_that_has_failed_when_it_is_interrupted_is_not_repeated() {
    let after = Killed::at("K7", &tool(house::MAIL, ", on_interrupt: fail"))
        .resumed()
        .await;
    assert_eq!(
        after.view.error().map(|failure| failure.kind),
        Some(ErrorKind::Interrupted)
    );
    assert_eq!(after.effect(), (1, 1));
}

#[tokio::test]
async fn k8_k9_a_transaction_is_there_as_a_whole_or_not_at_all() {
    for point in ["K8", "K9"] {
        let mut times = 0;
        for time in 1.. {
            let Some(killed) = Killed::before_its_end(&format!("{point}@{time}"), ONE) else {
                break;
            };
            times += 1;
            let after = killed.again().await.succeeded();
            let (begun, _) = after.effect();
            let started = after.view.calls().filter(|call| call.started.is_some()).count() as u64;
            assert!(begun <= started, "{point}@{time}: {begun} of {started}");
            assert_eq!(
                after.attempts("write").last(),
                Some(&(1, Some(AttemptOutcome::Succeeded)))
            );
        }
        assert!(times >= 3, "{point}: {times} transactions");
    }
}

#[tokio::test]
async fn k10_k11_an_artifact_is_linked_when_its_bytes_are_there_for_good() {
    for point in ["K10", "K11"] {
        let killed = Killed::at(point, PAGES);
        let store = killed.site.store().await.expect("a store");
        assert_eq!(
            store.link("pages".into(), "latest".into()).await.expect("read"),
            []
        );
        drop(store);
        killed.resumed().await.succeeded();
        let store = killed.site.store().await.expect("a store");
        let link = store.link("pages".into(), "latest".into()).await.expect("read");
        let artifact = &link.first().expect("it was linked").artifact;
        let found = store.artifacts(Default::default()).await.expect("read");
        let found = found
            .iter()
            .find(|kept| kept.artifact.id == artifact.id)
            .expect("it is there");
        let bytes = store
            .blobs()
            .load(&found.artifact.sha256, u64::MAX)
            .await
            .expect("read");
        assert_eq!(
            bytes.map(|bytes| bytes.len() as u64),
            Some(found.artifact.bytes),
            "{point}"
        );
    }
}

#[tokio::test]
async fn k13_an_accepted_answer_is_there_and_a_second_one_is_refused() {
    let killed = Killed::nobody(ASKS);
    assert_eq!(killed.begin(None).code, Some(3), "it waits");
    let answer = |value, fails| {
        let arguments = [
            "answer",
            "last",
            "--input",
            value,
            "--no-input",
            "--output",
            "ndjson",
        ];
        killed.site.run(&arguments, fails).expect("a process")
    };
    assert!(answer("first", Some("K13=kill")).was_killed());
    let second = answer("second", None);
    assert_ne!(second.code, Some(0), "somebody else has answered");
    let after = killed.resumed().await;
    assert_eq!(after.view.status(), RunStatus::Succeeded, "{}", after.gone.stderr);
    let output = after.view.output().and_then(|output| output.to_json().ok());
    assert_eq!(output.as_deref(), Some(&serde_json::json!("first")));
}

#[tokio::test]
async fn k14_whoever_waited_for_the_next_attempt_still_does() {
    let after = Killed::at("K14", TWICE).resumed().await.succeeded();
    assert_eq!(after.effect(), (2, 2), "one failure and one answer");
    let attempts = [
        (1, Some(AttemptOutcome::Failed)),
        (2, Some(AttemptOutcome::Succeeded)),
    ];
    assert_eq!(after.attempts("flaky"), attempts);
}

#[tokio::test]
async fn k17_ten_deaths_while_it_is_taken_up_change_nothing() {
    let killed = Killed::at("K4", ONE);
    for time in 0..10 {
        let gone = killed.resume(Some("K17=kill"));
        assert!(gone.was_killed(), "{time}: {}", gone.stderr);
    }
    let after = killed.resumed().await.succeeded();
    assert_eq!(after.effect(), (1, 1));
}

#[tokio::test]
async fn k17_a_step_that_kills_every_process_does_not_do_so_for_ever() {
    let killed = Killed::at("K5", ONE);
    let mut deaths = 1;
    let after = loop {
        let gone = killed.resume(Some("K5=kill"));
        if !gone.was_killed() {
            break killed.look(gone).await;
        }
        deaths += 1;
        assert!(deaths < 20, "it goes on for ever");
    };
    assert_eq!(
        after.view.error().map(|failure| failure.kind),
        Some(ErrorKind::Poisoned)
    );
    assert_eq!(after.effect(), (deaths, 0));
    assert_eq!(deaths, 6, "the first time, and after five recoveries");
}

#[tokio::test]
async fn k18_a_run_that_was_being_cancelled_is_cancelled_by_the_next_process() {
    use rustix::process::Signal;

    let killed = Killed::nobody(ONE);
    let arguments = ["run", "p.yaml", "--no-input", "--output", "ndjson"];
    let mut command = killed.site.command(&arguments, Some("K18=kill"));
    command.env(house::LATENCY, "60000");
    let mut process = segue_crash::process::Process::start(&mut command).expect("a process");
    while !process.line().expect("it gets there").contains("call.started") {}
    process.signal(Signal::TERM);
    let gone = process.gone().expect("it ends");
    assert!(gone.was_killed(), "{}", gone.stderr);
    let after = killed.resumed().await;
    assert_eq!(
        (after.gone.code, after.view.status()),
        (Some(130), RunStatus::Cancelled)
    );
    assert!(
        after.view.calls().all(|call| call.status.is_settled()),
        "{:?}",
        after.calls()
    );
    assert!(after.seen.len() <= 1, "it was not called again");
}
