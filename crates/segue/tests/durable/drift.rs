//! A run is taken up by a program in which something it relies on is not what it was: shown where the plan can bear it,
//! decided by a person where it cannot, left alone where it is gone.

use std::sync::Arc;

use schemars::JsonSchema;
use segue::question::QuestionKind;
use segue::store::Store;
use segue::{
    Cx, ErrorKind, EventKind, Pipeline, Registry, Result, RunHandle, RunId, RunStatus, Runner, StepStatus,
    from_fn,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::support::{bury_all, memory, output, rests};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Said {
    text: String,
}

/// The same, and more may be said.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct SaidTimes {
    text: String,
    times: Option<usize>,
}

/// Not the same.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Counted {
    text: u64,
}

async fn shout(_cx: Cx, said: Said) -> Result<String> {
    Ok(said.text.to_uppercase())
}

async fn shout_times(_cx: Cx, said: SaidTimes) -> Result<String> {
    Ok(said.text.to_uppercase().repeat(said.times.unwrap_or(2)))
}

async fn shout_number(_cx: Cx, counted: Counted) -> Result<String> {
    Ok(counted.text.to_string())
}

const FILE: &str = "version: 1\nname: loud\nsteps:\n  ask: { ask: { title: 'Loud?', form: string } }\n  \
    shout: { tool: app.shout, with: { text: '{{ steps.ask.output }}' } }\n";

fn runner(store: &Arc<dyn Store>, registry: Registry) -> Runner {
    Runner::builder()
        .store_in(store.clone())
        .registry(registry)
        .build()
        .expect("a runner")
}

/// A run that asks, and its question; its process is gone.
async fn asking(store: &Arc<dyn Store>) -> (RunId, segue::QuestionId) {
    let registry = || Registry::new().step("app.shout", shout);
    let loaded =
        segue::file::load_text(FILE, "loud.yaml", &registry()).unwrap_or_else(|faults| panic!("{faults}"));
    let pipeline = Pipeline::from_plan(&loaded.plan, &registry()).expect("it links");
    let first = runner(store, registry());
    let run = first.start(&pipeline, json!({})).await.expect("it starts");
    let question = rests(&run).await;
    bury_all(store).await;
    (run.id(), question.id)
}

fn drifts(run: &RunHandle<Json>) -> Vec<(String, Vec<String>)> {
    let events = run.log().events();
    let drifts = events.into_iter().filter_map(|event| match event.kind {
        EventKind::RunDrift { what, names, .. } => Some((what, names)),
        _ => None,
    });
    drifts.collect()
}

#[tokio::test(start_paused = true)]
async fn what_the_plan_can_bear_is_shown_once_and_the_run_goes_on() {
    let store = memory();
    let (run, question) = asking(&store).await;
    let next = runner(&store, Registry::new().step("app.shout", shout_times));
    next.answer(question, "hello").await.expect("it fits");
    let run = next.attach(run).await.expect("it is there");
    assert_eq!(output(&run).await, "HELLOHELLO");
    run.refresh().await.expect("a store");
    assert_eq!(drifts(&run), [("step".to_owned(), vec!["app.shout".to_owned()])]);
    let drift = run.view().record().drift.expect("it is shown");
    assert_eq!(
        (drift.what.as_str(), drift.names),
        ("step", vec!["app.shout".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn what_it_cannot_bear_is_decided_by_a_person() {
    for (answer, status) in [("pinned", RunStatus::Failed), ("fail", RunStatus::Cancelled)] {
        let store = memory();
        let (id, question) = asking(&store).await;
        let changed = || Registry::new().step("app.shout", shout_number);
        let next = runner(&store, changed());
        next.answer(question, "hello").await.expect("it fits");
        let run = next.attach(id).await.expect("it is there");
        let decision = rests(&run).await;
        assert_eq!(
            (decision.kind, decision.step.as_str()),
            (QuestionKind::Decision, "")
        );
        assert!(
            decision
                .text
                .as_deref()
                .is_some_and(|text| text.contains("step app.shout")),
            "{decision:?}"
        );
        run.refresh().await.expect("a store");
        assert_eq!(run.view().status(), RunStatus::Waiting);
        assert_eq!(drifts(&run).len(), 1);

        // Whoever looks again asks nothing more.
        bury_all(&store).await;
        let third = runner(&store, changed());
        assert!(third.recover().await.expect("a store").taken.is_empty());
        assert_eq!(store.questions(Some(id), 9).await.expect("a store").len(), 1);
        third.answer(decision.id, answer).await.expect("it fits");
        let run = third.attach(id).await.expect("it is there");
        let ended = run
            .outcome()
            .await
            .map(drop)
            .expect_err("the argument is no number");
        assert_eq!(ended.kind() == ErrorKind::Cancelled, answer == "fail", "{ended}");
        run.refresh().await.expect("a store");
        assert_eq!(run.view().status(), status);
        assert_eq!(store.questions(Some(id), 9).await.expect("a store").len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_leaves_the_run_to_others_and_it_can_be_cancelled_all_the_same() {
    let store = memory();
    let (id, question) = asking(&store).await;
    let other = runner(&store, Registry::new());
    other.answer(question, "hello").await.expect("it is accepted");
    let refused = other.resume(id).await.err().expect("it cannot");
    assert!(refused.to_string().contains("app.shout"), "{refused}");
    other
        .cancel(id, "ann", Some("nobody can run it"))
        .await
        .expect("a store");
    let head = store.head(id).await.expect("a store").expect("it is there");
    assert_eq!((head.standing.status, head.owner), (RunStatus::Cancelled, None));
    let run = other.attach(id).await.expect("it is there");
    let view = run.view();
    assert_eq!(
        view.step("shout").map(|step| step.status),
        Some(StepStatus::Cancelled)
    );
    assert!(
        view.error()
            .is_some_and(|error| error.message.contains("nobody can run it"))
    );
    assert_eq!(store.signals(id).await.expect("a store"), []);
}

#[tokio::test(start_paused = true)]
async fn a_run_of_another_version_of_a_program_is_run_again_with_the_new_one() {
    let store = memory();
    let version = |more: bool| {
        Pipeline::define("versions", move |p, n| {
            let a = p.step("a", from_fn(|_cx, n: u64| async move { Ok(n + 1) }), n);
            let b = p.step(
                "b",
                from_fn(move |_cx, n: u64| async move { Ok(if more { n * 100 } else { n * 10 }) }),
                a,
            );
            match more {
                true => p.step("c", from_fn(|_cx, n: u64| async move { Ok(n + 5) }), b),
                false => b,
            }
        })
        .expect("a pipeline")
    };
    let (old, new) = (version(false), version(true));
    let first = Runner::builder()
        .store_in(store.clone())
        .register(&old)
        .build()
        .expect("a runner");
    let run = first.start(&old, 1).await.expect("it starts");
    assert_eq!(output(&run).await, 20);
    let next = Runner::builder()
        .store_in(store.clone())
        .register(&new)
        .build()
        .expect("a runner");
    let refused = next
        .rerun(run.id())
        .from("b")
        .await
        .err()
        .expect("this program has no such plan");
    assert_eq!(refused.kind(), ErrorKind::DefinitionChanged);
    let again = next.rerun(run.id()).from("b").definition(&new);
    assert!(
        next.rerun(run.id())
            .from("b")
            .definition(&new)
            .preview()
            .await
            .expect("it can be told")
            .definition_changed
    );
    assert_eq!(output(&again.await.expect("it starts")).await, json!(205));
}
