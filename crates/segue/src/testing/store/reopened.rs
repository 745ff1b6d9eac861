//! Cases: what was acknowledged is there for whoever opens the store next, and handles side by side agree.

use super::Fixture;
use super::sample::{
    answer, artifact, at, cancel, commit, created, document, everything, finished, full_run, kind_of, link,
    new_run, owner, owner_id, question, reserve, resting, run, taken_up,
};
use crate::store::{
    Commit, Created, Halt, QuestionChange, RunQuery, Signalled, Store, StoreErrorKind, UnitKey,
};

/// Something of every kind.
async fn filled(store: &dyn Store) {
    created(store, [1, 2]).await;
    let mut new = full_run(3);
    new.head.key = Some("k".into());
    new.claims = vec!["draft".into()];
    new.request = super::sample::request("key", "body");
    store.create(new).await.unwrap();
    let saved = artifact(1, run(3), "report.md", "aa11");
    let whole = Commit {
        outcomes: vec![UnitKey {
            scope: 0,
            step: 1,
            item: 2,
        }],
        questions: vec![QuestionChange::Asked(Box::new(question(1, run(3))))],
        links: vec![link("latest", &saved)],
        artifacts: vec![saved],
        documents: vec![document("sources", run(3), "h1")],
        ..commit(3, 2)
    };
    store.commit(whole).await.unwrap();
    store.signal(cancel(), run(1), at(1)).await.unwrap();
    reserve(store, 1, run(2), [5, 6, 7]).await;
    store.beat(owner_id(1)).await.unwrap();
    finished(store, 4).await;
    resting(store, 5, Some(at(9))).await;
    let halt = Halt {
        by: "ada".into(),
        since: at(1),
        reason: None,
    };
    store.halt(Some(halt)).await.unwrap();
}

const RUNS: [u64; 5] = [1, 2, 3, 4, 5];

pub(super) async fn everything_is_there(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    filled(&*store).await;
    // `finished` and `resting` enroll the owner anew, so it has not beaten since.
    let before = everything(&store, &RUNS).await;
    drop(store);
    let again = fixture.open().await;
    assert_eq!(everything(&again, &RUNS).await, before);
    assert_eq!(
        again.plan("plan-1".into()).await.unwrap(),
        Some(super::sample::plan(1))
    );
}

pub(super) async fn what_was_once_is_still_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    filled(&*store).await;
    store.signal(answer(1), run(3), at(3)).await.unwrap();
    drop(store);
    let again = fixture.open().await;
    let mut same = new_run(6);
    same.request = super::sample::request("key", "body");
    assert_eq!(again.create(same).await.unwrap(), Created::Existing(run(3)));
    let second = again.signal(answer(1), run(3), at(4)).await.unwrap();
    assert!(matches!(second, Signalled::Closed(_)));
    let unit = UnitKey {
        scope: 0,
        step: 1,
        item: 2,
    };
    let outcome = Commit {
        outcomes: vec![unit],
        ..commit(3, 3)
    };
    assert_eq!(kind_of(again.commit(outcome).await), StoreErrorKind::Misused);
    assert_eq!(
        kind_of(
            again
                .commit(Commit {
                    fence: 0,
                    ..commit(3, 3)
                })
                .await
        ),
        StoreErrorKind::Lost
    );
    again.commit(commit(3, 3)).await.unwrap();
    again.commit(commit(3, 3)).await.unwrap();
}

pub(super) async fn another_process_goes_on_where_the_dead_one_was(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    filled(&*store).await;
    drop(store);
    let again = fixture.open().await;
    again.enroll(owner(2)).await.unwrap();
    let seen = again.owners().await.unwrap();
    let dead = seen.iter().find(|seen| seen.owner.id == owner_id(1)).unwrap();
    assert!(again.bury(owner_id(1), dead.beats).await.unwrap());
    let unfinished: Vec<_> = again
        .unfinished(at(9), 9)
        .await
        .unwrap()
        .into_iter()
        .map(|head| head.id)
        .collect();
    assert_eq!(unfinished, [1, 2, 3, 5].map(run));
    let fence = taken_up(&*again, 1, 2).await;
    let signal = again.signals(run(1)).await.unwrap().remove(0);
    again
        .commit(Commit {
            fence,
            taken: vec![signal.number],
            ..commit(1, 2)
        })
        .await
        .unwrap();
}

pub(super) async fn two_handles_see_what_the_other_wrote(fixture: &dyn Fixture) {
    let one = fixture.open().await;
    let two = fixture.open().await;
    created(&*one, [1]).await;
    for number in 2..=9 {
        let (writes, reads) = if number % 2 == 0 {
            (&one, &two)
        } else {
            (&two, &one)
        };
        writes.commit(commit(1, number)).await.unwrap();
        assert_eq!(reads.log(run(1), 0, 99).await.unwrap().len() as u64, number);
        assert_eq!(reads.head(run(1)).await.unwrap().unwrap().last_seq, number * 2);
    }
    finished(&*two, 2).await;
    assert_eq!(one.runs(RunQuery::newest(9)).await.unwrap().items.len(), 2);
    assert!(one.remove(run(2)).await.unwrap());
    assert_eq!(two.head(run(2)).await.unwrap(), None);
    assert_eq!(kind_of(two.commit(commit(2, 3)).await), StoreErrorKind::Misused);
}

pub(super) async fn two_handles_write_at_once_and_nothing_is_lost(fixture: &dyn Fixture) {
    let one = fixture.open().await;
    let two = fixture.open().await;
    created(&*one, 1..=10).await;
    let line = async |n: u64| {
        let store = if n.is_multiple_of(2) { &one } else { &two };
        for number in 2..=20 {
            store.commit(commit(n, number)).await.unwrap();
            if number == 10 {
                store.create(new_run(100 + n)).await.unwrap();
            }
        }
    };
    futures_util::future::join_all((1..=10).map(line)).await;
    for n in 1..=10 {
        assert_eq!(super::sample::log(&*one, n).await.len(), 20);
        assert!(two.head(run(100 + n)).await.unwrap().is_some());
    }
    assert_eq!(one.examine().await.unwrap(), [""; 0]);
}
