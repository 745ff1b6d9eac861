use segue::store::MemoryStore;
use segue::{Cx, Pipeline, Result, Runner, RunnerBuilder};
use std::sync::Arc;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn double(_cx: Cx, n: u64) -> Result<u64> {
    Ok(n * 2)
}

fn runner(store: &Arc<MemoryStore>) -> Runner {
    let builder: RunnerBuilder = Runner::builder().store_in(store.clone());
    builder.build().expect("nothing is registered twice")
}

async fn runs(store: &Arc<MemoryStore>, number: u64, key: Option<&str>) {
    let pipeline = Pipeline::define("double", |p, n| p.step("double", double, n)).expect("the plan is good");
    let runner = runner(store);
    for n in 0..number {
        let mut launch = runner.start(&pipeline, n);
        if let Some(key) = key {
            launch = launch.key(key);
        }
        let run = launch.await.expect("it starts");
        run.done().await.expect("it succeeds");
    }
    runner.close().await.expect("it leaves");
}

async fn left(store: &MemoryStore) -> usize {
    let page = store.runs(RunQuery::newest(PAGE)).await.expect("it can be read");
    page.items.len()
}

fn in_days(days: u32) -> Time {
    let now = clock::now().micros();
    Time::from_micros(now + i64::try_from((DAY * days).as_micros()).expect("it is not for ever"))
}

fn keeps(days: u32, keep_last: u64) -> Retention {
    Retention {
        runs: DAY * days,
        keep_last,
    }
}

#[tokio::test]
async fn runs_go_when_they_are_old_and_not_among_the_newest() {
    let store = Arc::new(MemoryStore::new());
    runs(&store, 5, None).await;
    for (retention, days, removed) in [
        (keeps(90, 0), 89, 0),
        (keeps(90, 5), 91, 0),
        (keeps(90, 1_000_000_000), 91, 0),
        (keeps(90, 3), 91, 2),
        (keeps(90, 3), 91, 0),
        (keeps(90, 0), 91, 3),
        (keeps(90, 0), 91, 0),
    ] {
        let done = retention.apply(&*store, in_days(days)).await;
        assert_eq!(
            done.expect("it can be written"),
            removed,
            "{retention:?} after {days} days"
        );
    }
    assert_eq!(left(&store).await, 0);
}

#[tokio::test]
async fn a_bounded_number_goes_at_a_time() {
    let store = Arc::new(MemoryStore::new());
    runs(&store, 130, None).await;
    let retention = keeps(1, 10);
    for expected in [100, 20, 0] {
        let done = retention.apply(&*store, in_days(2)).await;
        assert_eq!(done.expect("it can be written"), expected);
    }
    assert_eq!(left(&store).await, 10);
}

#[tokio::test]
async fn what_a_workspace_needs_stays() {
    let store = Arc::new(MemoryStore::new());
    runs(&store, 3, Some("exp-7")).await;
    let done = keeps(1, 0).apply(&*store, in_days(2)).await;
    assert_eq!(done.expect("it can be written"), 2, "the last one has the result");
    assert_eq!(left(&store).await, 1);
}
