//! Cases: a run is given up when it is over, or when it rests and nothing waits for it.

use super::Fixture;
use super::sample::{
    answer, at, cancel, commit, created, finished, head, last_commit, owner_id, question, refused, resting,
    run, standing, taken_up,
};
use crate::store::{Commit, QuestionChange};
use crate::view::RunStatus;

fn rests(n: u64, number: u64) -> Commit {
    Commit {
        standing: Some(standing(RunStatus::Waiting)),
        leaves: true,
        ..commit(n, number)
    }
}

pub(super) async fn a_run_that_rests_has_no_owner(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    resting(&*store, 1, None).await;
    let found = head(&*store, 1).await;
    assert_eq!((found.owner, found.standing.status), (None, RunStatus::Waiting));
    assert_eq!(taken_up(&*store, 1, 1).await, found.fence + 1);
}

pub(super) async fn it_keeps_its_owner_when_it_does_not_ask_to_be_left(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let stays = Commit {
        leaves: false,
        ..rests(1, 2)
    };
    assert!(!store.commit(stays).await.unwrap().left);
    assert_eq!(head(&*store, 1).await.owner, Some(owner_id(1)));
}

pub(super) async fn a_signal_that_waits_holds_it_back(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.signal(cancel(), run(1), at(1)).await.unwrap();
    let answer = store.commit(rests(1, 2)).await.unwrap();
    assert!(answer.signals && !answer.left);
    let found = head(&*store, 1).await;
    assert_eq!((found.owner, found.fence), (Some(owner_id(1)), 1));
    // Still held: it goes on under the same fence, takes the signal up, and then it may rest.
    let signal = store.signals(run(1)).await.unwrap()[0].number;
    let taken = Commit {
        taken: vec![signal],
        ..rests(1, 3)
    };
    assert!(store.commit(taken).await.unwrap().left);
}

pub(super) async fn a_signal_for_another_run_does_not(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    store.signal(cancel(), run(2), at(1)).await.unwrap();
    assert!(store.commit(rests(1, 2)).await.unwrap().left);
}

pub(super) async fn a_refused_answer_does_not(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let asked = vec![QuestionChange::Asked(Box::new(question(1, run(1))))];
    store
        .commit(Commit {
            questions: asked,
            ..commit(1, 2)
        })
        .await
        .unwrap();
    store.signal(refused(1), run(1), at(1)).await.unwrap();
    assert!(store.commit(rests(1, 3)).await.unwrap().left);
    assert_eq!(
        store.signals(run(1)).await.unwrap().len(),
        1,
        "whoever takes the run up reads it"
    );
}

pub(super) async fn an_answer_does(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let asked = vec![QuestionChange::Asked(Box::new(question(1, run(1))))];
    store
        .commit(Commit {
            questions: asked,
            ..commit(1, 2)
        })
        .await
        .unwrap();
    store.signal(answer(1), run(1), at(1)).await.unwrap();
    assert!(!store.commit(rests(1, 3)).await.unwrap().left);
}

pub(super) async fn a_run_that_is_over_is_left_and_its_signals_with_it(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    store.signal(cancel(), run(1), at(1)).await.unwrap();
    store.signal(cancel(), run(2), at(1)).await.unwrap();
    let answer = store
        .commit(last_commit(1, 2, RunStatus::Succeeded))
        .await
        .unwrap();
    assert!(answer.left);
    assert_eq!(store.signals(run(1)).await.unwrap(), []);
    assert_eq!(store.signals(run(2)).await.unwrap().len(), 1);
    assert_eq!(head(&*store, 1).await.owner, None);
}

pub(super) async fn at_once_with_a_signal_it_is_left_or_told(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    created(&*store, 1..=20).await;
    for n in 1..=20 {
        let (sent, answer) = futures_util::join!(
            other_handle.signal(cancel(), run(n), at(1)),
            store.commit(rests(n, 2))
        );
        sent.unwrap();
        let answer = answer.unwrap();
        let listed = store.unfinished(at(0), 100).await.unwrap();
        let is_listed = listed.iter().any(|head| head.id == run(n));
        assert_eq!(
            answer.left, is_listed,
            "either its owner goes on with it or somebody else may"
        );
    }
}

pub(super) async fn a_finished_run_is_over_for_everybody(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    finished(&*store, 1).await;
    let claim = store.claim(run(1), owner_id(1)).await.unwrap();
    assert_eq!(claim, crate::store::Claim::Over);
    assert_eq!(store.unfinished(at(10_000), 9).await.unwrap(), []);
}
