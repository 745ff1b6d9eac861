//! What can be set of a runner with a store.

use std::sync::Arc;

use segue::store::{MemoryStore, RunQuery, Store};
use segue::{ErrorKind, Pipeline, RunId, RunStatus, Runner, from_fn, millis, secs};
use serde_json::json;

use crate::support::{bury_all, dying, memory, output};

/// A step that waits for a word, and one after it.
fn gated(gate: &Arc<tokio::sync::Semaphore>) -> Pipeline<u64, u64> {
    let gate = gate.clone();
    let wait = from_fn(move |_cx, n: u64| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.expect("it is never closed").forget();
            Ok(n + 1)
        }
    });
    Pipeline::define("gated", |p, n| p.step("wait", wait, n)).expect("a pipeline")
}

fn text(length: usize) -> Pipeline<u64, String> {
    let long = from_fn(move |_cx, n: u64| async move { Ok(n.to_string().repeat(length)) });
    let same = from_fn(|_cx, text: String| async move { Ok(text) });
    Pipeline::define("text", |p, n| {
        let long = p.step("long", long, n);
        p.step("same", same, long)
    })
    .expect("a pipeline")
}

#[tokio::test(start_paused = true)]
async fn no_more_runs_than_may_are_at_work_and_the_others_are_durable_meanwhile() {
    let (store, gate) = (memory(), Arc::new(tokio::sync::Semaphore::new(0)));
    let pipeline = gated(&gate);
    let build = || Runner::builder().store_in(store.clone()).register(&pipeline);
    let runner = build().max_runs(2).build().expect("a runner");
    let mut runs = Vec::new();
    for n in 0..5 {
        runs.push(runner.start(&pipeline, n).await.expect("it starts"));
    }
    let statuses = async || {
        let mut statuses = Vec::new();
        for run in &runs {
            let head = store.head(run.id()).await.expect("a store").expect("it is there");
            statuses.push(head.standing.status);
        }
        statuses
    };
    use RunStatus::{Queued, Running, Succeeded};
    assert_eq!(statuses().await, [Running, Running, Queued, Queued, Queued]);
    let queued = runs[2].view().record();
    assert!(queued.queued.is_some() && queued.started.is_none());
    runner.cancel(runs[4].id(), "ann", None).await.expect("a store");
    gate.add_permits(1);
    assert_eq!(output(&runs[0]).await, 1);
    tokio::time::sleep(millis(10)).await;
    assert_eq!(
        statuses().await,
        [Succeeded, Running, Running, Queued, RunStatus::Cancelled]
    );
    runs[2].refresh().await.expect("a store");
    assert!(runs[2].view().record().started.is_some());

    // The process is gone: another one takes up what was at work, and what was only queued.
    bury_all(&store).await;
    drop(runner);
    gate.add_permits(9);
    let next = build().build().expect("a runner");
    let recovered = next.recover().await.expect("a store");
    assert_eq!((recovered.taken.len(), recovered.left.len()), (3, 0));
    for (run, expected) in runs[1..4].iter().zip([2, 3, 4]) {
        let run = next.attach(run.id()).await.expect("it is there");
        assert_eq!(output(&run).await, json!(expected));
    }
}

/// A process that is lost as soon as its run exists, and of which nobody can know that it is: only silence tells.
async fn lost(store: &Arc<dyn Store>, pipeline: &Pipeline<u64, u64>) -> RunId {
    let runner = Runner::builder()
        .store_in(dying(store, 2))
        .register(pipeline)
        .build()
        .expect("a runner");
    runner.start(pipeline, 1).await.expect("it starts").id()
}

#[tokio::test(start_paused = true)]
async fn a_silent_owner_is_dead_after_the_lease_and_not_before() {
    for lease in [secs(5), secs(60)] {
        let (store, gate) = (memory(), Arc::new(tokio::sync::Semaphore::new(0)));
        let pipeline = gated(&gate);
        let run = lost(&store, &pipeline).await;
        gate.add_permits(2);
        let next = Runner::builder()
            .store_in(store.clone())
            .register(&pipeline)
            .lease(lease);
        let next = next.build().expect("a runner");
        let mut waited = secs(0);
        while next.recover().await.expect("a store").taken.is_empty() {
            tokio::time::sleep(secs(1)).await;
            waited += secs(1);
            assert!(waited <= lease + secs(1), "it is taken up in the end");
        }
        assert!(waited >= lease, "{waited:?} of {lease:?}");
        let run = next.attach(run).await.expect("it is there");
        assert_eq!(output(&run).await, json!(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_does_not_know_a_pipeline_leaves_its_runs_to_others() {
    let (store, gate) = (memory(), Arc::new(tokio::sync::Semaphore::new(0)));
    let pipeline = gated(&gate);
    let run = lost(&store, &pipeline).await;
    bury_all(&store).await;
    gate.add_permits(2);
    let other = Runner::builder()
        .store_in(store.clone())
        .build()
        .expect("a runner");
    let recovered = other.recover().await.expect("a store");
    assert!(recovered.taken.is_empty());
    assert_eq!(
        (recovered.left[0].0, recovered.left[0].1.kind),
        (run, ErrorKind::DefinitionChanged)
    );
    let refused = other.resume(run).await.err().expect("it cannot");
    assert!(
        refused.to_string().contains("pipeline `gated` is not registered"),
        "{refused}"
    );
    let next = Runner::builder()
        .store_in(store.clone())
        .register(&pipeline)
        .build()
        .expect("a runner");
    assert_eq!(output(&next.resume(run).await.expect("it can")).await, json!(2));
}

#[tokio::test(start_paused = true)]
async fn outputs_beyond_the_limit_are_kept_beside_the_log() {
    for (limit, is_kept_beside) in [(None, false), (Some(1000), true), (Some(2000), false)] {
        let store = memory();
        let mut builder = Runner::builder().store_in(store.clone());
        if let Some(limit) = limit {
            builder = builder.output_inline(limit);
        }
        let runner = builder.build().expect("a runner");
        let run = runner.start(&text(1500), 7).await.expect("it starts");
        assert_eq!(
            output(&run).await.len(),
            1500,
            "whoever runs it sees nothing of that"
        );
        let run = runner.attach(run.id()).await.expect("it is there");
        let step = run.view().record().steps["long"].clone();
        assert_eq!(step.output_ref.is_some(), is_kept_beside, "{limit:?}");
        let log = store.log(run.id(), 0, 100).await.expect("a store");
        let is_here = log
            .iter()
            .any(|entry| String::from_utf8_lossy(&entry.body).contains(&"7".repeat(1500)));
        assert_eq!(is_here, !is_kept_beside, "{limit:?}");
        assert_eq!(
            output(&run).await.as_str().map(str::len),
            Some(1500),
            "and it is loaded where it is read"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_can_be_handed_over_or_shared() {
    let shared = memory();
    let pipeline = text(3);
    let by_value = Runner::builder()
        .store(MemoryStore::new())
        .build()
        .expect("a runner");
    let by_share = Runner::builder()
        .store_in(shared.clone())
        .build()
        .expect("a runner");
    for runner in [by_value, by_share] {
        let run = runner.start(&pipeline, 7).await.expect("it starts");
        assert_eq!(output(&run).await, "777");
        assert!(
            runner
                .store()
                .expect("it has one")
                .head(run.id())
                .await
                .expect("a store")
                .is_some()
        );
    }
    assert_eq!(
        shared
            .runs(RunQuery::default())
            .await
            .expect("a store")
            .items
            .len(),
        1
    );
}
