//! Outcomes: what the writer remembers of them is what the log says, whoever has written in between.

use segue::store::UnitKey;

use super::*;

fn with_outcome(n: u128, number: u64, item: u32) -> Commit {
    let mut commit = commit(n, number);
    commit.outcomes.push(UnitKey {
        scope: 0,
        step: 7,
        item,
    });
    commit
}

async fn is_second(store: &Sqlite, n: u128, number: u64, item: u32) -> bool {
    match store.commit(with_outcome(n, number, item)).await {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.kind, StoreErrorKind::Misused, "{error}");
            assert!(error.message.contains(&format!("unit 0/7/{item}")), "{error}");
            true
        }
    }
}

#[tokio::test]
async fn a_store_that_was_closed_knows_them() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 2).await;
    assert!(!is_second(&store, 1, 4, 1).await);
    drop(store);
    let store = Sqlite::open(&path).unwrap();
    assert!(is_second(&store, 1, 5, 1).await);
    assert!(!is_second(&store, 1, 5, 2).await);
    // An entry without outcomes comes between.
    store.commit(commit(1, 6)).await.unwrap();
    assert!(is_second(&store, 1, 7, 2).await);
    assert!(!is_second(&store, 2, 4, 1).await, "that is of another run");
    assert_eq!(store.examine().await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn they_are_known_when_another_connection_has_written() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 2).await;
    assert!(!is_second(&store, 1, 4, 1).await);
    let other = Sqlite::open(&path).unwrap();
    assert!(!is_second(&other, 2, 4, 1).await);
    assert!(is_second(&store, 1, 5, 1).await);
    // What the other one has written under the same fence counts as well.
    assert!(!is_second(&other, 1, 5, 2).await);
    assert!(is_second(&store, 1, 6, 2).await);
    assert!(!is_second(&store, 1, 6, 3).await);
}

#[tokio::test]
async fn a_refused_one_does_not_take_others_of_its_transaction_along() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 3).await;
    assert!(!is_second(&store, 1, 4, 1).await);
    let (first, refused, last) = (
        store.commit(with_outcome(2, 4, 1)),
        store.commit(with_outcome(1, 5, 1)),
        store.commit(with_outcome(3, 4, 1)),
    );
    assert!(first.await.is_ok());
    assert!(refused.await.is_err());
    assert!(last.await.is_ok());
    assert!(is_second(&store, 2, 5, 1).await && is_second(&store, 3, 5, 1).await);
    assert!(
        !is_second(&store, 1, 5, 2).await,
        "of what was refused nothing is left"
    );
}
