//! Cases: which runs somebody has to go on with.

use super::Fixture;
use super::sample::{
    at, cancel, commit, created, finished, new_run, owner, owner_id, question, refused, resting, run,
    standing, taken_up,
};
use crate::clock::Time;
use crate::id::RunId;
use crate::store::{Commit, QuestionChange, Store};
use crate::view::RunStatus;

async fn listed(store: &dyn Store, now: Time) -> Vec<RunId> {
    let heads = store.unfinished(now, 100).await.unwrap();
    heads.into_iter().map(|head| head.id).collect()
}

pub(super) async fn queued_and_running_ones_that_nobody_holds(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    let begun = Commit {
        standing: Some(standing(RunStatus::Running)),
        ..commit(2, 2)
    };
    store.commit(begun).await.unwrap();
    assert_eq!(listed(&*store, at(0)).await, [], "a living owner holds them");
    assert!(store.bury(owner_id(1), 0).await.unwrap());
    assert_eq!(listed(&*store, at(0)).await, [run(1), run(2)]);
    store.enroll(owner(2)).await.unwrap();
    taken_up(&*store, 1, 2).await;
    assert_eq!(listed(&*store, at(0)).await, [run(2)]);
}

pub(super) async fn those_of_an_owner_that_left(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    store.leave(owner_id(1)).await.unwrap();
    assert_eq!(listed(&*store, at(0)).await, [run(1), run(2)]);
}

pub(super) async fn one_that_waits_is_none_of_them(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    resting(&*store, 1, None).await;
    assert_eq!(listed(&*store, at(1_000_000)).await, []);
}

pub(super) async fn one_that_waits_and_was_sent_a_signal_is(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    resting(&*store, 1, None).await;
    resting(&*store, 2, None).await;
    store.signal(cancel(), run(2), at(1)).await.unwrap();
    assert_eq!(listed(&*store, at(0)).await, [run(2)]);
    let found = store.unfinished(at(0), 9).await.unwrap();
    assert_eq!(found, [super::sample::head(&*store, 2).await]);
}

pub(super) async fn a_refused_answer_wakes_nobody(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    let mut new = new_run(1);
    new.questions = vec![QuestionChange::Asked(Box::new(question(1, run(1))))];
    store.create(new).await.unwrap();
    let mut rest = commit(1, 2);
    rest.standing = Some(standing(RunStatus::Waiting));
    rest.leaves = true;
    store.commit(rest).await.unwrap();
    store.signal(refused(1), run(1), at(1)).await.unwrap();
    assert_eq!(listed(&*store, at(0)).await, []);
    store
        .signal(super::sample::answer(1), run(1), at(1))
        .await
        .unwrap();
    assert_eq!(listed(&*store, at(0)).await, [run(1)]);
}

pub(super) async fn one_whose_time_has_come_is(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    resting(&*store, 1, Some(at(500))).await;
    resting(&*store, 2, Some(at(400))).await;
    let just_before = Time::from_micros(at(400).micros() - 1);
    assert_eq!(listed(&*store, just_before).await, []);
    assert_eq!(listed(&*store, at(400)).await, [run(2)]);
    assert_eq!(listed(&*store, at(500)).await, [run(1), run(2)]);
}

pub(super) async fn one_that_waits_and_is_held_is_not(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let waits = crate::store::Standing {
        wakes: Some(at(10)),
        ..standing(RunStatus::Waiting)
    };
    store
        .commit(Commit {
            standing: Some(waits),
            ..commit(1, 2)
        })
        .await
        .unwrap();
    store.signal(cancel(), run(1), at(1)).await.unwrap();
    assert_eq!(listed(&*store, at(1_000)).await, []);
    store.leave(owner_id(1)).await.unwrap();
    assert_eq!(listed(&*store, at(1_000)).await, [run(1)]);
}

pub(super) async fn one_that_is_over_never_is(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for (n, status) in [
        (1, RunStatus::Succeeded),
        (2, RunStatus::Failed),
        (3, RunStatus::Cancelled),
    ] {
        created(&*store, [n]).await;
        store
            .commit(super::sample::last_commit(n, 2, status))
            .await
            .unwrap();
    }
    finished(&*store, 4).await;
    store.leave(owner_id(1)).await.unwrap();
    assert_eq!(listed(&*store, at(1_000_000)).await, []);
}

pub(super) async fn the_oldest_come_first_and_only_so_many(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    // Later ones carry earlier times: it counts when a run came to exist, not what its clock said.
    for n in (1..=30).rev() {
        created(&*store, [n]).await;
    }
    store.leave(owner_id(1)).await.unwrap();
    let expected: Vec<RunId> = (1..=30).rev().map(run).collect();
    assert_eq!(listed(&*store, at(0)).await, expected);
    let few = store.unfinished(at(0), 7).await.unwrap();
    assert_eq!(few.iter().map(|head| head.id).collect::<Vec<_>>(), expected[..7]);
    assert_eq!(store.unfinished(at(0), 0).await.unwrap(), []);
}

pub(super) async fn all_kinds_together_are_in_one_order(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    resting(&*store, 1, Some(at(5))).await;
    created(&*store, [2]).await;
    resting(&*store, 3, None).await;
    let mut new = new_run(4);
    new.owner = None;
    store.create(new).await.unwrap();
    resting(&*store, 5, None).await;
    resting(&*store, 6, Some(at(5))).await;
    store.signal(cancel(), run(3), at(1)).await.unwrap();
    store.signal(cancel(), run(6), at(1)).await.unwrap();
    assert_eq!(listed(&*store, at(9)).await, [run(1), run(3), run(4), run(6)]);
    store.leave(owner_id(1)).await.unwrap();
    assert_eq!(
        listed(&*store, at(9)).await,
        [run(1), run(2), run(3), run(4), run(6)]
    );
}
