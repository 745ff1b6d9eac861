//! The server goes away and comes back: killed in the middle of everything, or stopped for longer than anybody waits.
//!
//! A process of its own, because everything in it loses its server.

#![expect(
    clippy::unwrap_used,
    reason = "a test that is refused what it needs has failed, and a test fails by a panic"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use segue::RunId;
use segue::store::{Store, StoreErrorKind};
use tokio::sync::{Mutex, Notify};
use tokio::task::{JoinSet, spawn_blocking};

#[path = "../postgres/open.rs"]
mod open;
#[path = "../postgres/sample.rs"]
mod sample;

use sample::{entry, new_run, step};
use segue_store::testing::cluster;

/// There is one server, and one test at a time has it.
static TURN: Mutex<()> = Mutex::const_new(());

async fn tell(command: &'static str) {
    spawn_blocking(move || cluster().tell(command)).await.unwrap();
}

/// Counts what was acknowledged, and tells when there is enough of it.
#[derive(Default)]
struct Acknowledged {
    count: AtomicU64,
    more: Notify,
}

impl Acknowledged {
    fn one_more(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.more.notify_one();
    }

    async fn reaches(&self, count: u64) {
        while self.count.load(Ordering::SeqCst) < count {
            self.more.notified().await;
        }
    }
}

const RUNS: u64 = 30;
const ENTRIES: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_everything_acknowledged_is_there_and_it_goes_on_by_itself() {
    let _turn = TURN.lock().await;
    let schema = open::schema();
    let store = open::builder(&open::schema())
        .schema(&schema)
        .connect()
        .await
        .unwrap();
    let acknowledged = Arc::new(Acknowledged::default());
    let mut work = JoinSet::new();
    for run in 1..=RUNS {
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        work.spawn(async move {
            store.create(new_run(run.into())).await.unwrap();
            for next in 2..=ENTRIES {
                // Each waits for the one before: an entry that got lost after it was acknowledged would be a gap that the
                // next one is refused for, and nobody writes it again.
                store.commit(step(run.into(), next)).await.unwrap();
                acknowledged.one_more();
            }
        });
    }
    for kill in 1..=4 {
        let enough = acknowledged.reaches(kill * RUNS * ENTRIES / 6);
        tokio::pin!(enough);
        loop {
            tokio::select! {
                () = &mut enough => break,
                // A run that is done, or was refused.
                Some(done) = work.join_next() => done.unwrap(),
            }
        }
        tell("kill").await;
        tell("start").await;
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
    let reopened = open::builder(&open::schema())
        .schema(&schema)
        .connect()
        .await
        .unwrap();
    for run in 1..=RUNS {
        let log = reopened.log(RunId::from_bits(run.into()), 1, 1000).await.unwrap();
        let expected: Vec<_> = (2..=ENTRIES).map(|number| entry(number, run)).collect();
        assert_eq!(log, expected, "run {run}");
    }
    assert_eq!(reopened.examine().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_stays_away_is_told_and_nothing_is_lost_for_good() {
    let _turn = TURN.lock().await;
    let builder = open::builder(&open::schema()).patience(Duration::ZERO);
    let store = builder.connect().await.unwrap();
    store.create(new_run(1)).await.unwrap();
    tell("stop").await;
    let failed = store.commit(step(1, 2)).await.unwrap_err();
    assert_eq!(failed.kind, StoreErrorKind::Failed);
    let run = RunId::from_bits(1);
    assert!(
        failed
            .message
            .starts_with(&format!("could not commit entry 2 of run {run}: ")),
        "{failed}"
    );
    let failed = store.beat(sample::owner_id(1)).await.unwrap_err();
    assert!(failed.message.starts_with("could not say that own_"), "{failed}");
    assert!(failed.message.contains("error connecting to server"), "{failed}");
    assert!(!failed.message.contains("secret"), "{failed}");
    tell("start").await;
    // The same once more is accepted, by the same store.
    store.commit(step(1, 2)).await.unwrap();
    assert_eq!(store.log(run, 1, 10).await.unwrap(), [entry(2, 1)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_writes_meanwhile_waits_for_the_server_and_readers_find_it_again() {
    let _turn = TURN.lock().await;
    let store = open::store(&open::schema()).await;
    store.create(new_run(1)).await.unwrap();
    let run = RunId::from_bits(1);
    // Readers have connections now, which the stop breaks.
    let (one, two) = tokio::join!(store.head(run), store.head(run));
    assert_eq!(one.unwrap(), two.unwrap());
    tell("stop").await;
    let mut waiting = JoinSet::new();
    waiting.spawn(store.commit(step(1, 2)));
    tell("start").await;
    waiting.join_next().await.unwrap().unwrap().unwrap();
    let (one, two) = tokio::join!(store.head(run), store.head(run));
    assert_eq!(one.unwrap().unwrap().last_seq, 6);
    assert_eq!(two.unwrap().unwrap().last_seq, 6);
}
