//! Cases: a commit whose answer was lost is sent again; it is recognised and nothing of it is done twice.

use super::Fixture;
use super::sample::{
    PLAIN, artifact, call, cancel, commit, created, document, entry, everything, head, kind_of, last_commit,
    link, log, new_run, owner, owner_id, reserve, run, standing, taken_up,
};
use crate::store::{Commit, Committed, Settlement, StoreErrorKind, UnitKey};
use crate::view::RunStatus;

pub(super) async fn the_last_one_is_recognised(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    for _ in 0..3 {
        assert_eq!(store.commit(commit(1, 2)).await.unwrap(), PLAIN);
    }
    assert_eq!(log(&*store, 1).await, [entry(1), entry(2)]);
}

pub(super) async fn an_older_one_is_recognised(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    for number in 2..=5 {
        store.commit(commit(1, number)).await.unwrap();
    }
    for number in 2..=5 {
        assert_eq!(store.commit(commit(1, number)).await.unwrap(), PLAIN);
    }
    assert_eq!(log(&*store, 1).await.len(), 5);
    assert_eq!(head(&*store, 1).await.last_seq, 10);
}

pub(super) async fn nothing_of_it_happens_twice(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    let mut new = new_run(1);
    new.head.key = Some("k".into());
    store.create(new).await.unwrap();
    reserve(&*store, 1, run(1), [10, 0, 0]).await;
    let saved = artifact(1, run(1), "report.md", "aa11");
    let whole = Commit {
        outcomes: vec![UnitKey {
            scope: 1,
            step: 2,
            item: 3,
        }],
        standing: Some(standing(RunStatus::Running)),
        settled: vec![(call(1), Settlement::Spent([9, 0, 0]))],
        links: vec![link("latest", &saved)],
        artifacts: vec![saved],
        documents: vec![document("draft", run(1), "h1")],
        ..commit(1, 2)
    };
    store.commit(whole.clone()).await.unwrap();
    let before = everything(&store, &[1]).await;
    assert_eq!(store.commit(whole).await.unwrap(), PLAIN);
    assert_eq!(everything(&store, &[1]).await, before);
}

pub(super) async fn the_same_number_with_another_content_is_none(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.commit(commit(1, 2)).await.unwrap();
    let mut others = vec![commit(1, 2), commit(1, 2), commit(1, 2)];
    others[0].entry.body.push(b'!');
    others[1].entry.at = super::sample::at(99);
    others[2].entry.events = 9;
    for other in others {
        assert_eq!(kind_of(store.commit(other).await), StoreErrorKind::Misused);
    }
    assert_eq!(log(&*store, 1).await, [entry(1), entry(2)]);
}

pub(super) async fn the_same_content_in_another_run_is_none(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    store.commit(commit(1, 2)).await.unwrap();
    store.commit(commit(2, 2)).await.unwrap();
    assert_eq!(log(&*store, 2).await, [entry(1), entry(2)]);
}

pub(super) async fn one_that_left_says_so_again(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let last = last_commit(1, 2, RunStatus::Succeeded);
    for _ in 0..2 {
        let answer = store.commit(last.clone()).await.unwrap();
        assert_eq!(answer, Committed { left: true, ..PLAIN });
    }
    assert_eq!(head(&*store, 1).await.fence, 2);
}

pub(super) async fn one_that_rested_says_so_again(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let mut rest = commit(1, 2);
    rest.standing = Some(standing(RunStatus::Waiting));
    rest.leaves = true;
    assert!(store.commit(rest.clone()).await.unwrap().left);
    // A signal that came since does not turn back what was done.
    store
        .signal(cancel(), run(1), super::sample::at(1))
        .await
        .unwrap();
    assert!(store.commit(rest).await.unwrap().left);
    assert_eq!(head(&*store, 1).await.owner, None);
}

pub(super) async fn it_does_not_take_the_run_from_its_new_owner(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let mut rest = commit(1, 2);
    rest.standing = Some(standing(RunStatus::Waiting));
    rest.leaves = true;
    store
        .signal(cancel(), run(1), super::sample::at(1))
        .await
        .unwrap();
    assert!(!store.commit(rest.clone()).await.unwrap().left);
    store.enroll(owner(2)).await.unwrap();
    assert!(store.bury(owner_id(1), 0).await.unwrap());
    let fence = taken_up(&*store, 1, 2).await;
    let taken = store.signals(run(1)).await.unwrap();
    let answer = store.commit(rest.clone()).await.unwrap();
    assert!(answer.left, "whoever sends it does not hold the run any more");
    assert_eq!(head(&*store, 1).await.owner, Some(owner_id(2)));
    let goes_on = Commit {
        fence,
        taken: vec![taken[0].number],
        ..commit(1, 3)
    };
    store.commit(goes_on).await.unwrap();
    store.commit(rest).await.unwrap();
    assert_eq!(head(&*store, 1).await.owner, Some(owner_id(2)));
}

pub(super) async fn an_old_one_that_did_not_leave_does_not_leave_later(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store
        .signal(cancel(), run(1), super::sample::at(1))
        .await
        .unwrap();
    let mut rest = commit(1, 2);
    rest.standing = Some(standing(RunStatus::Waiting));
    rest.leaves = true;
    assert!(!store.commit(rest.clone()).await.unwrap().left);
    let taken = store.signals(run(1)).await.unwrap()[0].number;
    let next = Commit {
        taken: vec![taken],
        standing: Some(standing(RunStatus::Running)),
        ..commit(1, 3)
    };
    store.commit(next).await.unwrap();
    assert!(!store.commit(rest).await.unwrap().left);
    assert_eq!(head(&*store, 1).await.owner, Some(owner_id(1)));
    store.commit(commit(1, 4)).await.unwrap();
}
