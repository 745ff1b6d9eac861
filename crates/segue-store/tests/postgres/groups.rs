//! What comes in together becomes one transaction, in which one that fails does not spoil the others.

use segue::store::{Created, Request, Store, StoreErrorKind};
use segue::{RunId, Time};
use segue_store::Postgres;
use tokio::task::JoinSet;

use crate::sample::{commit, new_run, step};
use crate::{open, things};

#[tokio::test]
async fn what_comes_in_together_is_one_transaction() {
    let schema = open::schema();
    let store = open::store(&schema).await;
    let created: Vec<_> = (1..=100).map(|number| store.create(new_run(number))).collect();
    for created in created {
        assert_eq!(created.await.unwrap(), Created::New { fence: 1 });
    }
    let commits: Vec<_> = (2..6)
        .flat_map(|next| (1..=100).map(move |run| (run, next)))
        .map(|(run, next)| store.commit(step(run, next)))
        .collect();
    for commit in commits {
        commit.await.unwrap();
    }
    let client = things::client().await;
    let row = client
        .query_one(
            &format!("SELECT count(DISTINCT xmin::text) FROM {schema}.entries WHERE number > 1"),
            &[],
        )
        .await
        .unwrap();
    assert!(
        row.get::<_, i64>(0) <= 2,
        "400 commits were {} transactions",
        row.get::<_, i64>(0)
    );
}

#[tokio::test]
async fn one_that_the_server_refuses_does_not_spoil_the_others() {
    let schema = open::schema();
    let store = open::store(&schema).await;
    let client = things::client().await;
    client
        .batch_execute(&format!(
            "CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN IF NEW.body = 'bad' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON {schema}.entries FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()"
        ))
        .await
        .unwrap();
    for run in 1..=20 {
        store.create(new_run(run)).await.unwrap();
    }
    let commits: Vec<_> = (1..=20)
        .map(|run| {
            let mut commit = commit(run, 2);
            if run % 7 == 0 {
                commit.entry.body = b"bad".to_vec();
            }
            store.commit(commit)
        })
        .collect();
    for (run, commit) in (1..=20).zip(commits) {
        let log = store.log(RunId::from_bits(run), 1, 10);
        match commit.await {
            Ok(_) => assert!(run % 7 != 0 && log.await.unwrap().len() == 1, "{run}"),
            Err(error) => {
                assert_eq!(error.kind, StoreErrorKind::Failed);
                assert!(run % 7 == 0 && log.await.unwrap().is_empty(), "{run}");
            }
        }
    }
    assert_eq!(store.examine().await.unwrap(), Vec::<String>::new());
}

/// Two handles with a writer each, as two processes have, that create, commit, move links and reserve in each other's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_do_not_stop_each_other() {
    let schema = open::schema();
    let mut stores = Vec::new();
    for _ in 0..2 {
        stores.push(open::store(&schema).await);
    }
    let mut work = JoinSet::new();
    for (at, store) in stores.iter().enumerate() {
        for lane in 0..20 {
            let store = store.clone();
            work.spawn(async move { lane_of_work(&store, at, lane).await });
        }
    }
    let mut made = 0;
    while let Some(done) = work.join_next().await {
        made += done.unwrap();
    }
    // Of the runs that both want under one key, one came to be.
    assert_eq!(made, 2 * 20 * 5 + 20 * 5);
    let store = &stores[0];
    assert_eq!(store.examine().await.unwrap(), Vec::<String>::new());
    let versions = store.link("research".into(), "latest".into()).await.unwrap();
    assert_eq!(versions.len(), 2 * 20 * 5);
    let [account] = &store.accounts(None, 10).await.unwrap()[..] else {
        panic!("one account");
    };
    assert_eq!(account.spent, [2 * 20 * 5, 0, 0]);
    assert_eq!(account.reserved, [0; 3]);
}

/// How many runs it made.
async fn lane_of_work(store: &Postgres, at: usize, lane: u128) -> usize {
    let mut made = 0;
    for round in 0..5 {
        let number = 1000 * (at as u128 + 1) + lane * 10 + round;
        assert_eq!(
            store.create(new_run(number)).await.unwrap(),
            Created::New { fence: 1 }
        );
        made += 1;
        let mut shared = new_run(number + 10_000);
        shared.request = Some(Request {
            key: format!("{lane} {round}"),
            body: "body".into(),
        });
        match store.create(shared).await.unwrap() {
            Created::New { .. } => made += 1,
            created => assert!(matches!(created, Created::Existing(_)), "{created:?}"),
        }
        // The very same run from both, as if one of them asked again: it is there once, and each of them made it.
        let same = store.create(new_run(20_000 + lane * 10 + round)).await.unwrap();
        assert_eq!(same, Created::New { fence: 1 });
        let spent = things::reserved(store, number).await;
        let mut commit = step(number, 2);
        commit.settled.push(spent);
        commit.artifacts.push(things::artifact(number));
        commit.links.push(things::link(number, Time::from_micros(1)));
        store.commit(commit).await.unwrap();
        store.commit(step(number, 3)).await.unwrap();
    }
    made
}
