//! Cases: a unit has one outcome.

use super::Fixture;
use super::sample::{commit, created, entry, kind_of, log, owner, owner_id, taken_up};
use crate::store::{Commit, StoreErrorKind, UnitKey};

fn unit(scope: u32, step: u32, item: u32) -> UnitKey {
    UnitKey { scope, step, item }
}

pub(super) async fn a_second_one_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let first = Commit {
        outcomes: vec![unit(0, 1, 2)],
        ..commit(1, 2)
    };
    store.commit(first).await.unwrap();
    let second = Commit {
        outcomes: vec![unit(0, 1, 2)],
        ..commit(1, 3)
    };
    let refused = store.commit(second).await;
    assert!(
        refused
            .as_ref()
            .is_err_and(|error| error.message.contains("0/1/2")),
        "{refused:?}"
    );
    assert_eq!(kind_of(refused), StoreErrorKind::Misused);
    assert_eq!(log(&*store, 1).await, [entry(1), entry(2)]);
}

pub(super) async fn a_second_one_by_the_next_owner_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store
        .commit(Commit {
            outcomes: vec![unit(0, 1, 2)],
            ..commit(1, 2)
        })
        .await
        .unwrap();
    store.enroll(owner(2)).await.unwrap();
    store.leave(owner_id(1)).await.unwrap();
    let fence = taken_up(&*store, 1, 2).await;
    let second = Commit {
        fence,
        outcomes: vec![unit(0, 1, 2)],
        ..commit(1, 3)
    };
    assert_eq!(kind_of(store.commit(second).await), StoreErrorKind::Misused);
}

pub(super) async fn other_scopes_steps_items_and_runs_are_other_units(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    let most = u32::MAX;
    let units = vec![
        unit(0, 0, 0),
        unit(1, 0, 0),
        unit(0, 1, 0),
        unit(0, 0, 1),
        unit(most, 0, 0),
        unit(0, most, 0),
        unit(0, 0, most),
        unit(most, most, most),
        unit(most - 1, most, most),
        unit(most, most - 1, most),
        unit(1 << 31, 1 << 31, 1 << 31),
    ];
    for n in 1..=2 {
        store
            .commit(Commit {
                outcomes: units.clone(),
                ..commit(n, 2)
            })
            .await
            .unwrap();
    }
    for unit in units {
        let again = Commit {
            outcomes: vec![unit],
            ..commit(1, 3)
        };
        assert_eq!(
            kind_of(store.commit(again).await),
            StoreErrorKind::Misused,
            "{unit:?}"
        );
    }
}

pub(super) async fn the_items_of_a_large_map_each_have_one(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let items = (0..5_000).map(|item| unit(0, 3, item)).collect();
    store
        .commit(Commit {
            outcomes: items,
            ..commit(1, 2)
        })
        .await
        .unwrap();
    for item in [0, 1, 2_500, 4_999] {
        let again = Commit {
            outcomes: vec![unit(0, 3, 5_000), unit(0, 3, item)],
            ..commit(1, 3)
        };
        assert_eq!(kind_of(store.commit(again).await), StoreErrorKind::Misused);
    }
    let next = Commit {
        outcomes: vec![unit(0, 3, 5_000)],
        ..commit(1, 3)
    };
    store.commit(next).await.unwrap();
}
