//! Cases: what the operator does and sees.

use super::Fixture;
use super::sample::{at, created, finished, reserve, run};
use crate::store::Halt;

pub(super) async fn a_halt_is_there_until_it_is_lifted(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.halted().await.unwrap(), None);
    let halt = Halt {
        by: "ada".into(),
        since: at(1),
        reason: Some("too dear".into()),
    };
    store.halt(Some(halt.clone())).await.unwrap();
    assert_eq!(store.halted().await.unwrap(), Some(halt));
    let later = Halt {
        by: "bob".into(),
        since: at(2),
        reason: None,
    };
    store.halt(Some(later.clone())).await.unwrap();
    assert_eq!(store.halted().await.unwrap(), Some(later));
    store.halt(None).await.unwrap();
    store.halt(None).await.unwrap();
    assert_eq!(store.halted().await.unwrap(), None);
}

pub(super) async fn a_halt_is_there_when_the_store_is_opened_again(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let halt = Halt {
        by: "ada".into(),
        since: at(1),
        reason: None,
    };
    store.halt(Some(halt.clone())).await.unwrap();
    let again = fixture.open().await;
    assert_eq!(again.halted().await.unwrap(), Some(halt));
}

pub(super) async fn a_sound_store_has_no_findings(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.examine().await.unwrap(), [""; 0]);
    created(&*store, 1..=5).await;
    reserve(&*store, 1, run(1), [1; 3]).await;
    finished(&*store, 9).await;
    assert_eq!(store.examine().await.unwrap(), [""; 0]);
}

pub(super) async fn a_store_has_a_name(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let name = store.name();
    assert!(
        name.split_once(':').is_some_and(|(kind, _)| !kind.is_empty()),
        "{name:?} does not say its kind"
    );
}
