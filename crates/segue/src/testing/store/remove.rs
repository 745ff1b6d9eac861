//! Cases: a run that is forgotten is gone, with what only it had.

use super::Fixture;
use super::sample::{
    account, artifact, commit, created, document, finished, hold, kind_of, last_commit, log, new_run, owner,
    question, question_id, resting, run,
};
use crate::store::{Commit, QuestionChange, RunQuery, Settlement, StoreErrorKind, UnitKey};
use crate::view::RunStatus;

pub(super) async fn nothing_of_it_is_left(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let whole = Commit {
        outcomes: vec![UnitKey {
            scope: 0,
            step: 0,
            item: 0,
        }],
        questions: vec![QuestionChange::Asked(Box::new(question(1, run(1))))],
        artifacts: vec![artifact(1, run(1), "a.md", "aa")],
        ..commit(1, 2)
    };
    store.commit(whole).await.unwrap();
    store.commit(last_commit(1, 3, RunStatus::Failed)).await.unwrap();
    assert!(store.remove(run(1)).await.unwrap());
    assert_eq!(store.head(run(1)).await.unwrap(), None);
    assert_eq!(log(&*store, 1).await, []);
    assert_eq!(store.question(question_id(1)).await.unwrap(), None);
    assert_eq!(store.questions(None, 9).await.unwrap(), []);
    assert_eq!(store.artifacts(Default::default()).await.unwrap(), []);
    assert!(store.referenced().await.unwrap().is_empty());
    assert_eq!(store.runs(RunQuery::newest(9)).await.unwrap().items, []);
    assert_eq!(store.named("run_".into(), 9).await.unwrap(), []);
    assert!(!store.remove(run(1)).await.unwrap());
    assert_eq!(kind_of(store.commit(commit(1, 4)).await), StoreErrorKind::Misused);
    assert_eq!(store.examine().await.unwrap(), [""; 0]);
}

pub(super) async fn the_others_stay_as_they_are(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for n in 1..=5 {
        finished(&*store, n).await;
    }
    assert!(store.remove(run(3)).await.unwrap());
    let left: Vec<_> = (store.runs(RunQuery::newest(9)).await.unwrap().items.iter())
        .map(|head| head.id)
        .collect();
    assert_eq!(left, [run(5), run(4), run(2), run(1)]);
    for n in [1, 2, 4, 5] {
        assert_eq!(log(&*store, n).await.len(), 2);
    }
}

pub(super) async fn one_that_is_not_over_stays(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    resting(&*store, 2, None).await;
    for n in [1, 2] {
        let refused = store.remove(run(n)).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Misused);
        assert!(!refused.hints.is_empty(), "there is a way out");
        assert!(store.head(run(n)).await.unwrap().is_some());
    }
}

pub(super) async fn one_with_a_current_result_stays(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    for n in 1..=2 {
        let mut new = new_run(n);
        new.head.key = Some("k".into());
        store.create(new).await.unwrap();
        let result = vec![document("draft", run(n), &format!("h{n}"))];
        store
            .commit(Commit {
                documents: result,
                ..commit(n, 2)
            })
            .await
            .unwrap();
        store
            .commit(last_commit(n, 3, RunStatus::Succeeded))
            .await
            .unwrap();
        assert_eq!(kind_of(store.remove(run(n)).await), StoreErrorKind::Misused);
    }
    assert!(
        store.remove(run(1)).await.unwrap(),
        "another run has the result by now"
    );
    assert_eq!(kind_of(store.remove(run(2)).await), StoreErrorKind::Misused);
}

pub(super) async fn one_that_never_was_is_not_removed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert!(!store.remove(run(1)).await.unwrap());
}

pub(super) async fn what_it_spent_stays_spent(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    for n in 1..=2 {
        let decide = Box::new(|_: &[crate::store::Account]| Some([10, 0, 1]));
        store
            .reserve(hold(n, run(1)), vec![account("2026-03-01")], decide)
            .await
            .unwrap();
    }
    let spent = vec![
        (super::sample::call(1), Settlement::Spent([7, 0, 1])),
        (super::sample::call(2), Settlement::Uncertain),
    ];
    store.settle(run(1), spent).await.unwrap();
    store
        .commit(last_commit(1, 2, RunStatus::Succeeded))
        .await
        .unwrap();
    assert!(store.remove(run(1)).await.unwrap());
    let account = store.accounts(None, 9).await.unwrap().remove(0);
    assert_eq!((account.spent, account.uncertain), ([7, 0, 1], [10, 0, 1]));
    assert_eq!(store.holds(run(1)).await.unwrap(), []);
}

pub(super) async fn a_run_may_have_its_id_again(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    finished(&*store, 1).await;
    store.remove(run(1)).await.unwrap();
    created(&*store, [1]).await;
    assert_eq!(log(&*store, 1).await.len(), 1);
    store.commit(commit(1, 2)).await.unwrap();
}
