//! A run of a store, with nothing lost: it is there, it is read back, the same request is the same run.

use segue::store::RunQuery;
use segue::{Cx, ErrorKind, Pipeline, Result, RunStatus, Runner};

use crate::support::{memory, output};

async fn double(_cx: Cx, n: u64) -> Result<u64> {
    Ok(n * 2)
}

async fn add(_cx: Cx, a: u64, b: u64) -> Result<u64> {
    Ok(a + b)
}

fn doubled() -> Pipeline<u64, u64> {
    Pipeline::define("doubled", |p, n| {
        let a = p.step("a", double, n);
        let b = p.step("b", double, a);
        p.step("sum", add, (a, b))
    })
    .expect("a pipeline")
}

#[tokio::test(start_paused = true)]
async fn a_run_of_a_store_is_read_back_by_anybody() {
    let store = memory();
    let pipeline = doubled();
    let runner = Runner::builder()
        .store_in(store.clone())
        .build()
        .expect("a runner");
    let run = runner
        .start(&pipeline, 3)
        .label("team", "x")
        .note("a note")
        .await
        .expect("it starts");
    assert_eq!(output(&run).await, 18);
    let view = run.view();
    assert_eq!(view.status(), RunStatus::Succeeded);

    let other = Runner::builder()
        .store_in(store.clone())
        .build()
        .expect("a runner");
    let same = other.attach(run.id()).await.expect("it is there");
    assert_eq!(output(&same).await, 18);
    let (mut a, mut b) = (view.record(), same.view().record());
    // A time at rest has milliseconds less than one in memory, and nothing else differs.
    let json = |record: &mut segue::view::RunRecord| serde_json::to_value(&*record).expect("a record");
    assert_eq!(json(&mut a), json(&mut b));

    let page = store.runs(RunQuery::newest(10)).await.expect("a page");
    assert_eq!(page.items.len(), 1);
    let head = &page.items[0];
    assert_eq!((head.id, head.pipeline.as_str()), (run.id(), "doubled"));
    assert_eq!(head.standing.status, RunStatus::Succeeded);
    assert_eq!(head.standing.step_counts.succeeded, 3);
    assert_eq!(head.labels["team"], "x");
    assert_eq!(head.owner, None, "a run that is over is nobody's");
}

#[tokio::test(start_paused = true)]
async fn the_events_are_the_same_live_and_from_the_store() {
    let store = memory();
    let pipeline = doubled();
    let runner = Runner::builder()
        .store_in(store.clone())
        .build()
        .expect("a runner");
    let run = runner.start(&pipeline, 3).await.expect("it starts");
    let mut live = run.events();
    let mut seen = Vec::new();
    while let Some(event) = live.next().await {
        seen.push(event);
    }
    assert_eq!(seen, run.log().events());
    let seqs: Vec<u64> = seen.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=seen.len() as u64).collect::<Vec<_>>(), "dense, from 1");
    assert!(seen.last().is_some_and(segue::Event::is_terminal));
}

#[tokio::test(start_paused = true)]
async fn the_same_request_is_the_same_run_and_another_with_its_key_is_refused() {
    let store = memory();
    let pipeline = doubled();
    let runner = Runner::builder()
        .store_in(store.clone())
        .build()
        .expect("a runner");
    let start = |n| runner.start(&pipeline, n).request_key("order-17").into_future();
    let (first, second) = (
        start(3).await.expect("it starts"),
        start(3).await.expect("it is there"),
    );
    assert_eq!(first.id(), second.id());
    assert_eq!(output(&second).await, 18);
    let Err(other) = start(4).await else {
        panic!("the key is taken")
    };
    assert_eq!(other.kind(), ErrorKind::Conflict);
    let page = store.runs(RunQuery::newest(10)).await.expect("a page");
    assert_eq!(page.items.len(), 1, "nothing else was stored");
    for key in ["", "has blank", &"x".repeat(129)] {
        let refused = runner.start(&pipeline, 3).request_key(key).await;
        assert_eq!(
            refused.map(drop).expect_err("no key").kind(),
            ErrorKind::Usage,
            "{key:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_store_says_so_without_one() {
    let pipeline = doubled();
    let runner = Runner::builder().build().expect("a runner");
    let Err(refused) = runner.start(&pipeline, 3).request_key("k").await else {
        panic!("there is no store")
    };
    assert_eq!(refused.kind(), ErrorKind::Usage);
    assert!(refused.failure().hints[0].contains("store"), "{refused}");
    assert_eq!(
        runner.recover().await.map(drop).expect_err("no store").kind(),
        ErrorKind::Usage
    );
}
