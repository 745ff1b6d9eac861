//! Cases: who does not hold a run any more writes nothing to it.

use super::Fixture;
use super::sample::{
    commit, created, entry, everything, head, hold, kind_of, log, owner, owner_id, resting, run, taken_up,
};
use crate::store::{Commit, Created, NewRun, StoreErrorKind};

pub(super) async fn a_fence_of_the_future_is_as_wrong_as_one_of_the_past(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    for fence in [0, 2, u64::MAX] {
        let refused = store
            .commit(Commit {
                fence,
                ..commit(1, 2)
            })
            .await;
        assert_eq!(kind_of(refused), StoreErrorKind::Lost, "fence {fence}");
    }
    assert_eq!(log(&*store, 1).await, [entry(1)]);
}

pub(super) async fn after_a_claim_the_old_owner_writes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.enroll(owner(2)).await.unwrap();
    assert!(store.bury(owner_id(1), 0).await.unwrap());
    let fence = taken_up(&*store, 1, 2).await;
    assert_eq!(fence, 2);
    let before = everything(&store, &[1]).await;
    assert_eq!(kind_of(store.commit(commit(1, 2)).await), StoreErrorKind::Lost);
    assert_eq!(everything(&store, &[1]).await, before);
    store
        .commit(Commit {
            fence,
            ..commit(1, 2)
        })
        .await
        .unwrap();
}

pub(super) async fn after_its_owner_left_and_another_came_too(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.enroll(owner(2)).await.unwrap();
    store.leave(owner_id(1)).await.unwrap();
    let fence = taken_up(&*store, 1, 2).await;
    assert_eq!(kind_of(store.commit(commit(1, 2)).await), StoreErrorKind::Lost);
    store
        .commit(Commit {
            fence,
            ..commit(1, 2)
        })
        .await
        .unwrap();
}

pub(super) async fn after_the_run_was_given_up_nobody_writes(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    resting(&*store, 1, None).await;
    assert_eq!(kind_of(store.commit(commit(1, 3)).await), StoreErrorKind::Lost);
    assert_eq!(log(&*store, 1).await.len(), 2);
}

pub(super) async fn until_somebody_takes_up_the_run_a_buried_owner_still_holds_it(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    assert!(store.bury(owner_id(1), 0).await.unwrap());
    store.commit(commit(1, 2)).await.unwrap();
    store.enroll(owner(2)).await.unwrap();
    let fence = taken_up(&*store, 1, 2).await;
    assert_eq!(kind_of(store.commit(commit(1, 3)).await), StoreErrorKind::Lost);
    store
        .commit(Commit {
            fence,
            ..commit(1, 3)
        })
        .await
        .unwrap();
}

pub(super) async fn it_grows_with_each_time_the_run_is_taken_up(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    for round in 1..=5u64 {
        store.leave(owner_id(round)).await.unwrap();
        store.enroll(owner(round + 1)).await.unwrap();
        assert_eq!(taken_up(&*store, 1, round + 1).await, round + 1);
        let found = head(&*store, 1).await;
        assert_eq!((found.fence, found.owner), (round + 1, Some(owner_id(round + 1))));
    }
}

pub(super) async fn nothing_is_reserved_under_a_stale_one(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.leave(owner_id(1)).await.unwrap();
    store.enroll(owner(2)).await.unwrap();
    taken_up(&*store, 1, 2).await;
    let accounts = vec![super::sample::account("2026-03-01")];
    let refused = store
        .reserve(hold(1, run(1)), accounts, Box::new(|_| Some([1; 3])))
        .await;
    assert_eq!(kind_of(refused), StoreErrorKind::Lost);
    assert_eq!(store.holds(run(1)).await.unwrap(), []);
    assert_eq!(store.accounts(None, 9).await.unwrap(), []);
}

pub(super) async fn of_two_handles_that_write_at_once_one_wins(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    created(&*store, 1..=20).await;
    store.enroll(owner(2)).await.unwrap();
    store.leave(owner_id(1)).await.unwrap();
    for n in 1..=20 {
        let (claimed, written) = futures_util::join!(
            other_handle.claim(run(n), owner_id(2)),
            store.commit(commit(n, 2))
        );
        claimed.unwrap();
        let entries = log(&*store, n).await.len();
        assert_eq!(entries, if written.is_ok() { 2 } else { 1 });
        assert_eq!(
            kind_of(store.commit(commit(n, entries as u64 + 1)).await),
            StoreErrorKind::Lost
        );
    }
}

pub(super) async fn runs_have_fences_of_their_own(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    store.leave(owner_id(1)).await.unwrap();
    store.enroll(owner(2)).await.unwrap();
    taken_up(&*store, 1, 2).await;
    let third = NewRun {
        owner: Some(owner_id(2)),
        ..super::sample::new_run(3)
    };
    assert_eq!(store.create(third).await.unwrap(), Created::New { fence: 1 });
    assert_eq!(kind_of(store.commit(commit(1, 2)).await), StoreErrorKind::Lost);
    store.commit(commit(2, 2)).await.unwrap();
    store.commit(commit(3, 2)).await.unwrap();
}
