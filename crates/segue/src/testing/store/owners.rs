//! Cases: who works, who is dead, and who may take over.

use super::Fixture;
use super::sample::{
    all, at, cancel, commit, created, finished, head, kind_of, last_commit, owner, owner_id, run, taken_up,
};
use crate::store::{Beat, Claim, Halt, Owner, OwnerSeen, Place, StoreErrorKind};
use crate::view::RunStatus;

pub(super) async fn one_is_seen_as_it_was_enrolled(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.owners().await.unwrap(), []);
    let nowhere = Owner {
        id: owner_id(2),
        place: Place {
            pid: 1,
            ..Place::default()
        },
    };
    store.enroll(owner(1)).await.unwrap();
    store.enroll(nowhere.clone()).await.unwrap();
    let mut expected = [owner(1), nowhere].map(|owner| OwnerSeen { owner, beats: 0 });
    expected.sort_by_key(|seen| seen.owner.id);
    let mut found = store.owners().await.unwrap();
    found.sort_by_key(|seen| seen.owner.id);
    assert_eq!(found, expected);
}

pub(super) async fn its_beats_are_counted(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    store.enroll(owner(2)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(store.beat(owner_id(1)).await.unwrap(), Beat::default());
    }
    let beats = |id| {
        let owners = store.owners();
        async move {
            let owners = owners.await.unwrap();
            owners.into_iter().find(|seen| seen.owner.id == id).unwrap().beats
        }
    };
    assert_eq!((beats(owner_id(1)).await, beats(owner_id(2)).await), (3, 0));
}

pub(super) async fn whoever_is_not_known_hears_that_it_is_buried(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let beat = store.beat(owner_id(1)).await.unwrap();
    assert_eq!(
        beat,
        Beat {
            buried: true,
            ..Beat::default()
        }
    );
    assert_eq!(store.owners().await.unwrap(), [], "a beat enrolls nobody");
}

pub(super) async fn one_that_has_beaten_since_is_not_buried(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    store.beat(owner_id(1)).await.unwrap();
    assert!(!store.bury(owner_id(1), 0).await.unwrap());
    assert!(!store.beat(owner_id(1)).await.unwrap().buried);
    assert!(!store.bury(owner_id(1), 1).await.unwrap());
    assert!(store.bury(owner_id(1), 2).await.unwrap());
    assert!(store.beat(owner_id(1)).await.unwrap().buried);
}

pub(super) async fn one_is_buried_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    let answers = all((0..20).map(|_| store.bury(owner_id(1), 0)).collect()).await;
    assert_eq!(answers.iter().filter(|buried| **buried).count(), 1);
    assert!(!store.bury(owner_id(2), 0).await.unwrap(), "there never was one");
    assert_eq!(store.owners().await.unwrap(), []);
}

pub(super) async fn a_beat_and_a_burial_at_once_agree(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    for n in 1..=30 {
        store.enroll(owner(n)).await.unwrap();
        let (beat, buried) = futures_util::join!(store.beat(owner_id(n)), other_handle.bury(owner_id(n), 0));
        let (beat, buried) = (beat.unwrap(), buried.unwrap());
        assert_eq!(
            beat.buried, buried,
            "owner {n}: dead for one and alive for the other"
        );
    }
}

pub(super) async fn one_that_left_is_gone(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.enroll(owner(2)).await.unwrap();
    store.leave(owner_id(1)).await.unwrap();
    store.leave(owner_id(1)).await.unwrap();
    assert!(store.beat(owner_id(1)).await.unwrap().buried);
    assert_eq!(store.unfinished(at(0), 9).await.unwrap().len(), 1);
    taken_up(&*store, 1, 2).await;
}

pub(super) async fn a_beat_tells_of_signals_for_held_runs(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, 1..=4).await;
    store.enroll(owner(2)).await.unwrap();
    let mut other = super::sample::new_run(5);
    other.owner = Some(owner_id(2));
    store.create(other).await.unwrap();
    for n in [3, 1, 5, 3, 1, 3] {
        store.signal(cancel(), run(n), at(1)).await.unwrap();
    }
    let mut told = store.beat(owner_id(1)).await.unwrap().signalled;
    told.sort();
    let mut expected = vec![run(1), run(3)];
    expected.sort();
    assert_eq!(told, expected, "each once, and only its own");
    store
        .commit(last_commit(1, 2, RunStatus::Cancelled))
        .await
        .unwrap();
    assert_eq!(store.beat(owner_id(1)).await.unwrap().signalled, [run(3)]);
}

pub(super) async fn a_beat_tells_of_a_halt(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.enroll(owner(1)).await.unwrap();
    let halt = Halt {
        by: "ada".into(),
        since: at(1),
        reason: Some("too dear".into()),
    };
    store.halt(Some(halt)).await.unwrap();
    assert!(store.beat(owner_id(1)).await.unwrap().halted);
    store.halt(None).await.unwrap();
    assert!(!store.beat(owner_id(1)).await.unwrap().halted);
}

pub(super) async fn what_a_living_owner_holds_is_not_taken(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.enroll(owner(2)).await.unwrap();
    for by in [1, 2] {
        let claim = store.claim(run(1), owner_id(by)).await.unwrap();
        assert_eq!(claim, Claim::Held(owner_id(1)));
    }
    store.commit(commit(1, 2)).await.unwrap();
}

pub(super) async fn what_an_owner_nobody_enrolled_holds_may_be_taken(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    store.create(super::sample::new_run(1)).await.unwrap();
    store.enroll(owner(2)).await.unwrap();
    assert_eq!(store.unfinished(at(0), 9).await.unwrap().len(), 1);
    assert_eq!(taken_up(&*store, 1, 2).await, 2);
}

pub(super) async fn a_claim_gives_the_run_as_it_stands(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.commit(commit(1, 2)).await.unwrap();
    store.leave(owner_id(1)).await.unwrap();
    store.enroll(owner(2)).await.unwrap();
    let Claim::Taken(claimed) = store.claim(run(1), owner_id(2)).await.unwrap() else {
        panic!("nobody holds it");
    };
    assert_eq!(*claimed, head(&*store, 1).await);
    assert_eq!(
        (claimed.owner, claimed.fence, claimed.last_seq),
        (Some(owner_id(2)), 2, 4)
    );
}

pub(super) async fn what_is_over_or_unknown_is_not_taken(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    finished(&*store, 1).await;
    assert_eq!(store.claim(run(1), owner_id(1)).await.unwrap(), Claim::Over);
    assert_eq!(store.claim(run(2), owner_id(1)).await.unwrap(), Claim::Unknown);
}

pub(super) async fn whoever_is_not_known_takes_nothing(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    store.leave(owner_id(1)).await.unwrap();
    for by in [1, 2] {
        assert_eq!(
            kind_of(store.claim(run(1), owner_id(by)).await),
            StoreErrorKind::Lost
        );
    }
    assert_eq!(head(&*store, 1).await.fence, 1);
}

pub(super) async fn of_many_that_want_a_run_one_gets_it(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let other_handle = fixture.open().await;
    created(&*store, [1]).await;
    store.leave(owner_id(1)).await.unwrap();
    all((2..=50).map(|n| store.enroll(owner(n))).collect()).await;
    let claims = (2..=50u64).map(|n| {
        let store = if n.is_multiple_of(2) {
            &store
        } else {
            &other_handle
        };
        store.claim(run(1), owner_id(n))
    });
    let answers = all(claims.collect()).await;
    let holder = head(&*store, 1).await.owner.unwrap();
    let taken = answers
        .iter()
        .filter(|answer| matches!(answer, Claim::Taken(_)))
        .count();
    let held = answers
        .iter()
        .filter(|answer| **answer == Claim::Held(holder))
        .count();
    assert_eq!((taken, held), (1, 48), "{answers:?}");
    assert_eq!(head(&*store, 1).await.fence, 2);
}
