//! What a run has done waits for what stands in its way and passes: a full disk, a lock. Others go on meanwhile, and
//! whoever can ask again is told.

use std::time::Duration;

use segue::store::{SignalKind, Store, StoreErrorKind};
use segue::{RunId, Time};
use segue_store::Postgres;
use tokio::task::JoinSet;

use crate::sample::{commit, entry, new_run, owner_id, step};
use crate::things::owner;
use crate::{open, things};

/// Two runs of an owner.
async fn two_runs(store: &Postgres) {
    store.enroll(owner(1)).await.unwrap();
    for run in [1, 2] {
        store.create(new_run(run)).await.unwrap();
    }
}

async fn log(store: &Postgres, run: u128) -> Vec<u64> {
    let log = store.log(RunId::from_bits(run), 0, 100).await.unwrap();
    log.iter().map(|entry| entry.number).collect()
}

/// From now on the server refuses to write entries, holds and signs of life, this many times and with this code.
async fn refuse(schema: &str, times: u32, code: &str) {
    let refuses = format!(
        "SET search_path TO {schema}; CREATE SEQUENCE tries; \
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN IF nextval('{schema}.tries') <= {times} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; \
         END IF; RETURN NEW; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION refuse(); \
         CREATE TRIGGER refuse BEFORE INSERT ON holds FOR EACH ROW EXECUTE FUNCTION refuse(); \
         CREATE TRIGGER refuse BEFORE UPDATE ON owners FOR EACH ROW EXECUTE FUNCTION refuse()"
    );
    things::client().await.batch_execute(&refuses).await.unwrap();
}

/// How often it was tried.
async fn tries(schema: &str) -> i64 {
    let client = things::client().await;
    let tries = format!("SELECT last_value FROM {schema}.tries");
    client.query_one(&tries, &[]).await.unwrap().get(0)
}

/// It refuses no more.
async fn relent(schema: &str) {
    let relents = format!("SELECT setval('{schema}.tries', 1000000)");
    things::client().await.batch_execute(&relents).await.unwrap();
}

/// Out of disk, memory, connections; locked, not ready; transactions in each other's way.
const PASSING: [&str; 7] = ["53100", "53200", "53300", "55P03", "57P03", "40001", "40P01"];

#[tokio::test]
async fn commits_wait_until_it_has_passed() {
    let mut work = JoinSet::new();
    for code in PASSING {
        work.spawn(async move {
            let schema = open::schema();
            let store = open::store(&schema).await;
            two_runs(&store).await;
            refuse(&schema, 5, code).await;
            let commits = [(1, 2), (2, 2), (1, 3), (1, 4)].map(|(run, next)| store.commit(step(run, next)));
            for commit in commits {
                commit.await.unwrap_or_else(|error| panic!("{code}: {error}"));
            }
            assert_eq!(log(&store, 1).await, [1, 2, 3, 4], "{code}");
            assert_eq!(log(&store, 2).await, [1, 2], "{code}");
            assert_eq!(store.examine().await.unwrap(), Vec::<String>::new());
        });
    }
    while let Some(done) = work.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn when_patience_is_at_its_end_they_are_told_why_and_those_that_follow_as_well() {
    for (times, code, kind) in [
        (1, "53100", StoreErrorKind::Full),
        // Two together, and then the first by itself.
        (2, "55P03", StoreErrorKind::Busy),
        (2, "22000", StoreErrorKind::Failed),
    ] {
        let schema = open::schema();
        let builder = open::builder(&schema).patience(Duration::ZERO);
        let store = builder.connect().await.unwrap();
        two_runs(&store).await;
        refuse(&schema, times, code).await;
        let commits = [2, 3].map(|next| (next, store.commit(commit(1, next))));
        for (next, commit) in commits {
            let refused = commit.await.unwrap_err();
            let run = RunId::from_bits(1);
            let told = format!("could not commit entry {next} of run {run}: not now (SQLSTATE {code})");
            assert_eq!((refused.kind, refused.message), (kind, told));
        }
        // The server refuses no more, and the same once more is accepted.
        for next in [2, 3] {
            store.commit(commit(1, next)).await.unwrap();
        }
        assert_eq!(
            store.log(RunId::from_bits(1), 2, 10).await.unwrap(),
            [entry(3, 1)]
        );
    }
}

#[tokio::test]
async fn with_a_full_disk_whoever_can_ask_again_is_told_and_what_a_run_needs_waits() {
    let schema = open::schema();
    let store = open::store(&schema).await;
    two_runs(&store).await;
    refuse(&schema, 1_000_000, "53100").await;
    let mut waiting = JoinSet::new();
    waiting.spawn(store.commit(commit(1, 2)));
    let reserving = store.clone();
    waiting.spawn(async move {
        things::reserved(&reserving, 2).await;
        Ok(Default::default())
    });
    tokio::task::yield_now().await;
    for _ in 0..2 {
        let refused = store.create(new_run(3)).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Full);
        assert_eq!(
            refused.hints,
            ["make space on the disk of the server; nothing of this was written"]
        );
        // Behind the commit of its run.
        let cancel = SignalKind::Cancel {
            by: "ann".into(),
            reason: None,
        };
        let refused = store
            .signal(cancel, RunId::from_bits(1), Time::from_micros(1))
            .await;
        assert_eq!(refused.unwrap_err().kind, StoreErrorKind::Full);
        let refused = store.beat(owner_id(1)).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Full);
    }
    assert!(waiting.try_join_next().is_none());
    relent(&schema).await;
    while let Some(done) = waiting.join_next().await {
        done.unwrap().unwrap();
    }
    store.create(new_run(3)).await.unwrap();
    assert_eq!(log(&store, 1).await, [1, 2]);
    assert_eq!(store.holds(RunId::from_bits(2)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_can_ask_again_waits_for_no_disk_and_an_owner_for_nothing() {
    for (code, beats) in [("53100", false), ("53100", true), ("55P03", true)] {
        let schema = open::schema();
        let store = open::store(&schema).await;
        two_runs(&store).await;
        refuse(&schema, 1_000_000, code).await;
        let refused = match beats {
            true => store.beat(owner_id(1)).await.map(drop),
            false => store.create(new_run(3)).await.map(drop),
        };
        assert!(refused.unwrap_err().is_passing());
        assert_eq!(tries(&schema).await, 1, "{code}");
    }
}

#[tokio::test]
async fn a_lock_on_one_run_keeps_nobody_else_waiting() {
    let schema = open::schema();
    let store = open::store(&schema).await;
    two_runs(&store).await;
    let holder = things::client().await;
    let run = RunId::from_bits(1);
    let locks = format!("BEGIN; SELECT 1 FROM {schema}.logs WHERE run = '{run}' FOR UPDATE");
    holder.batch_execute(&locks).await.unwrap();
    let held = [2, 3].map(|next| store.commit(commit(1, next)));
    for next in 2..5 {
        store.commit(commit(2, next)).await.unwrap();
        assert!(!store.beat(owner_id(1)).await.unwrap().buried);
    }
    assert_eq!(log(&store, 1).await, [1]);
    let follows = store.commit(commit(1, 4));
    store.commit(commit(2, 5)).await.unwrap();
    // It is written though the store is dropped.
    drop(store);
    holder.batch_execute("COMMIT").await.unwrap();
    for commit in held.into_iter().chain([follows]) {
        commit.await.unwrap();
    }
    let reopened = open::store(&schema).await;
    assert_eq!(log(&reopened, 1).await, [1, 2, 3, 4]);
    assert_eq!(reopened.examine().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_owner_whose_row_is_locked_is_told_at_once_and_may_leave_later() {
    let schema = open::schema();
    let store = open::store(&schema).await;
    store.enroll(owner(1)).await.unwrap();
    let holder = things::client().await;
    let locks = format!("BEGIN; SELECT 1 FROM {schema}.owners FOR UPDATE");
    holder.batch_execute(&locks).await.unwrap();
    let refused = store.beat(owner_id(1)).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Busy);
    assert!(refused.message.contains("lock timeout"), "{refused}");
    assert!(
        !store.news(owner_id(1)).await.unwrap().buried,
        "news wait for nobody"
    );
    let leaving = store.leave(owner_id(1));
    holder.batch_execute("COMMIT").await.unwrap();
    leaving.await.unwrap();
    assert_eq!(store.owners().await.unwrap(), []);
}
