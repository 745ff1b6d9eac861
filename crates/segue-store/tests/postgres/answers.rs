//! When the connection breaks at the end of a transaction, nothing is lost and nothing happens twice, whatever it was.

use std::sync::Arc;
use std::time::Duration;

use segue::store::{
    AccountKey, Claim, Commit, Created, Hold, HoldState, MemoryBlobs, Request, SignalKind, Signalled, Store,
};
use segue::{CallId, RunId, RunStatus, Time};
use segue_store::Postgres;

use crate::open;
use crate::proxy::{Loses, Proxy};
use crate::sample::{commit, entry, new_run, owner_id, standing, step};
use crate::things::{self, owner};
use segue_store::testing::cluster;

struct Lossy {
    proxy: Proxy,
    store: Postgres,
}

async fn lossy() -> Lossy {
    with_patience(Duration::from_secs(60)).await
}

async fn with_patience(patience: Duration) -> Lossy {
    let proxy = Proxy::to(cluster());
    let builder = Postgres::at(&proxy.address(cluster()), Arc::new(MemoryBlobs::default()));
    let store = builder
        .schema(open::schema())
        .pool_size(1)
        .patience(patience)
        .connect()
        .await
        .unwrap();
    store.enroll(owner(1)).await.unwrap();
    Lossy { proxy, store }
}

/// What is lost, with a number for the run it is lost of.
const EACH: [(u128, Loses); 2] = [(1, Loses::Order), (2, Loses::Answer)];

impl Lossy {
    /// Everything that was to be lost was, and nothing is damaged.
    async fn is_sound(&self) {
        assert!(self.proxy.has_lost());
        assert_eq!(self.store.examine().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_run_is_created_once() {
    let lossy = lossy().await;
    for (number, loses) in EACH {
        let mut new = new_run(number);
        new.request = Some(Request {
            key: format!("key {number}"),
            body: "body".into(),
        });
        lossy.proxy.lose(loses);
        let created = lossy.store.create(new).await.unwrap();
        assert_eq!(created, Created::New { fence: 1 }, "{loses:?}");
        let log = lossy.store.log(RunId::from_bits(number), 0, 10).await.unwrap();
        assert_eq!(log, [entry(1, 0)]);
        lossy.is_sound().await;
    }
}

#[tokio::test]
async fn commits_of_a_group_are_carried_out_once() {
    let lossy = lossy().await;
    for (number, loses) in EACH {
        lossy.store.create(new_run(number)).await.unwrap();
        lossy.proxy.lose(loses);
        let commits: Vec<_> = (2..40)
            .map(|next| lossy.store.commit(step(number, next)))
            .collect();
        for commit in commits {
            commit.await.unwrap();
        }
        let log = lossy.store.log(RunId::from_bits(number), 0, 100).await.unwrap();
        assert_eq!(log.len(), 39, "{loses:?}");
        lossy.is_sound().await;
    }
}

#[tokio::test]
async fn a_run_that_is_left_is_left_once() {
    let lossy = lossy().await;
    for (number, loses) in EACH {
        lossy.store.create(new_run(number)).await.unwrap();
        let mut last = commit(number, 2);
        last.leaves = true;
        last.standing = Some(standing(RunStatus::Succeeded, 1));
        lossy.proxy.lose(loses);
        assert!(lossy.store.commit(last).await.unwrap().left);
        let head = lossy.store.head(RunId::from_bits(number)).await.unwrap().unwrap();
        assert_eq!((head.owner, head.fence), (None, 2), "{loses:?}");
        lossy.is_sound().await;
    }
}

#[tokio::test]
async fn a_run_is_taken_up_once() {
    let lossy = lossy().await;
    for (number, loses) in EACH {
        let run = RunId::from_bits(number);
        let mut new = new_run(number);
        new.owner = None;
        lossy.store.create(new).await.unwrap();
        lossy.proxy.lose(loses);
        let Claim::Taken(head) = lossy.store.claim(run, owner_id(1)).await.unwrap() else {
            panic!("{loses:?}: it was not taken");
        };
        assert_eq!(head.fence, 2, "{loses:?}");
        let next = Commit::of(run, 2, entry(2, 0));
        lossy.store.commit(next).await.unwrap();
        lossy.is_sound().await;
    }
}

#[tokio::test]
async fn a_run_is_given_up_once() {
    let lossy = lossy().await;
    for (number, loses) in EACH {
        let run = RunId::from_bits(number);
        lossy.store.create(new_run(number)).await.unwrap();
        lossy.proxy.lose(loses);
        lossy.store.release(run, 1).await.unwrap();
        let head = lossy.store.head(run).await.unwrap().unwrap();
        assert_eq!((head.owner, head.fence), (None, 2), "{loses:?}");
        lossy.is_sound().await;
    }
}

#[tokio::test]
async fn a_signal_is_sent_once() {
    let Lossy { proxy, store } = lossy().await;
    store.create(new_run(7)).await.unwrap();
    for loses in [Loses::Order, Loses::Answer] {
        proxy.lose(loses);
        let cancel = SignalKind::Cancel {
            by: format!("{loses:?}"),
            reason: None,
        };
        let sent = store
            .signal(cancel, RunId::from_bits(7), Time::from_micros(1))
            .await
            .unwrap();
        assert_eq!(sent, Signalled::Sent(Some(owner_id(1))));
    }
    assert_eq!(store.signals(RunId::from_bits(7)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_beat_counts_once() {
    let Lossy { proxy, store } = lossy().await;
    for loses in [Loses::Order, Loses::Answer] {
        proxy.lose(loses);
        assert!(!store.beat(owner_id(1)).await.unwrap().buried);
    }
    assert_eq!(store.owners().await.unwrap()[0].beats, 2);
}

#[tokio::test]
async fn an_amount_is_set_aside_once() {
    let Lossy { proxy, store } = lossy().await;
    store.create(new_run(7)).await.unwrap();
    let account = AccountKey {
        name: "pipeline:research/day".into(),
        window: "2026-03-01".into(),
    };
    for (call, loses) in [(1, Loses::Order), (2, Loses::Answer)] {
        proxy.lose(loses);
        let hold = Hold {
            call: CallId::from_bits(call),
            run: RunId::from_bits(7),
            fence: 1,
            state: HoldState::Reserved,
            amounts: [0; 3],
        };
        let decide = Box::new(|_: &[_]| Some([10, 20, 1]));
        let reserved = store.reserve(hold, vec![account.clone()], decide).await.unwrap();
        assert_eq!(reserved, Some([10, 20, 1]));
    }
    assert_eq!(store.accounts(None, 10).await.unwrap()[0].reserved, [20, 40, 2]);
    assert_eq!(store.holds(RunId::from_bits(7)).await.unwrap().len(), 2);
}

/// Whoever waits no longer is told that nobody knows; what comes next is not taken for it.
#[tokio::test]
async fn what_follows_one_that_was_given_up_is_carried_out() {
    let Lossy { proxy, store } = with_patience(Duration::ZERO).await;
    for (number, loses) in EACH {
        store.create(new_run(number)).await.unwrap();
        proxy.lose(loses);
        let given_up = store.commit(step(number, 2)).await.unwrap_err();
        assert!(
            given_up
                .message
                .ends_with("; whether it was written is not known"),
            "{given_up}"
        );
        store.create(new_run(number + 10)).await.unwrap();
        store.commit(step(number, 2)).await.unwrap();
        for run in [number, number + 10] {
            let log = store.log(RunId::from_bits(run), 0, 10).await.unwrap();
            assert_eq!(log.len(), if run == number { 2 } else { 1 }, "{loses:?}");
        }
    }
}

#[tokio::test]
async fn sessions_that_are_ended_by_the_operator_are_made_again() {
    let address = format!("{}?application_name=ended", cluster().address());
    let builder = Postgres::at(&address, Arc::new(MemoryBlobs::default()));
    let store = builder
        .schema(open::schema())
        .pool_size(2)
        .connect()
        .await
        .unwrap();
    store.create(new_run(1)).await.unwrap();
    let operator = things::client().await;
    for next in 2..30 {
        let commit = store.commit(step(1, next));
        operator
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ended'",
                &[],
            )
            .await
            .unwrap();
        commit.await.unwrap();
        assert_eq!(
            store.head(RunId::from_bits(1)).await.unwrap().unwrap().last_seq,
            next * 3
        );
    }
}

#[test]
fn a_store_outlives_the_runtime_it_was_opened_on() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let store = first.block_on(async {
        let store = open::store(&open::schema()).await;
        store.create(new_run(1)).await.unwrap();
        assert!(store.head(RunId::from_bits(1)).await.unwrap().is_some());
        store
    });
    drop(first);
    runtime().block_on(async {
        store.commit(step(1, 2)).await.unwrap();
        assert_eq!(
            store.head(RunId::from_bits(1)).await.unwrap().unwrap().last_seq,
            6
        );
    });
    // Nowhere to work is no panic.
    let refused = runtime().block_on(async { std::thread::spawn(move || store.commit(step(1, 3))).join() });
    let refused = runtime().block_on(refused.unwrap()).unwrap_err();
    assert!(
        refused.message.contains("commit entry 3") || refused.message.contains("has ended"),
        "{refused}"
    );
}
