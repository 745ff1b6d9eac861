//! Cases: lists of runs are in order, and pages of them have no gap and nothing twice.

use super::Fixture;
use super::sample::{at, created, kind_of, new_run, run};
use crate::id::RunId;
use crate::money::{Cost, Nanousd};
use crate::store::{RunQuery, RunSort, Store, StoreErrorKind};
use crate::view::RunStatus;

/// All runs of a query in pages of this size.
async fn paged(store: &dyn Store, query: RunQuery) -> Vec<RunId> {
    let mut query = query;
    let mut all = Vec::new();
    loop {
        let page = store.runs(query.clone()).await.unwrap();
        assert!(page.items.len() <= query.limit.max(1));
        all.extend(page.items.iter().map(|head| head.id));
        match page.next_cursor {
            None => return all,
            Some(cursor) => query.cursor = Some(cursor),
        }
    }
}

/// Runs 1 to 40: costs and times with many ties, some that never ended.
async fn filled(store: &dyn Store) {
    for n in 1..=40u64 {
        let mut new = new_run(n);
        let i = i64::try_from(n).unwrap();
        new.head.queued = at(i / 3);
        let standing = &mut new.head.standing;
        standing.cost = Cost::of(Nanousd::from_nanos((i % 4) * 100).unwrap());
        if n % 5 != 0 {
            standing.status = RunStatus::Succeeded;
            standing.started = Some(at(100));
            standing.ended = Some(at(100 + i % 3));
        }
        store.create(new).await.unwrap();
    }
}

async fn in_order(fixture: &dyn Fixture, sort: RunSort) {
    let store = fixture.open().await;
    filled(&*store).await;
    let whole = store
        .runs(RunQuery {
            sort,
            ..RunQuery::newest(100)
        })
        .await
        .unwrap();
    assert_eq!((whole.items.len(), whole.next_cursor), (40, None));
    let places: Vec<_> = whole
        .items
        .iter()
        .map(|head| (head.sort_value(sort), head.id))
        .collect();
    assert!(
        places.is_sorted_by(|a, b| a > b),
        "the largest first, and of equal ones the largest id: {places:?}"
    );
    let ids: Vec<RunId> = whole.items.iter().map(|head| head.id).collect();
    for limit in [1, 3, 7, 13, 39, 40, 41] {
        assert_eq!(
            paged(
                &*store,
                RunQuery {
                    sort,
                    ..RunQuery::newest(limit)
                }
            )
            .await,
            ids,
            "pages of {limit}"
        );
    }
    let filter = RunQuery {
        sort,
        status: vec![RunStatus::Succeeded],
        ..RunQuery::newest(3)
    };
    let expected: Vec<RunId> = (whole.items.iter())
        .filter(|head| head.standing.status == RunStatus::Succeeded)
        .map(|head| head.id)
        .collect();
    assert_eq!(paged(&*store, filter).await, expected);
}

pub(super) async fn by_when_they_came_to_exist(fixture: &dyn Fixture) {
    in_order(fixture, RunSort::Started).await;
}

pub(super) async fn by_what_they_cost(fixture: &dyn Fixture) {
    in_order(fixture, RunSort::Cost).await;
}

pub(super) async fn by_how_long_they_took(fixture: &dyn Fixture) {
    in_order(fixture, RunSort::Duration).await;
}

pub(super) async fn a_page_stays_what_it_is_while_runs_are_added(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, 1..=20).await;
    let mut query = RunQuery::newest(5);
    let mut seen = Vec::new();
    for n in 21.. {
        let page = store.runs(query.clone()).await.unwrap();
        seen.extend(page.items.into_iter().map(|head| head.id));
        created(&*store, [n]).await;
        match page.next_cursor {
            None => break,
            Some(cursor) => query.cursor = Some(cursor),
        }
    }
    let expected: Vec<RunId> = (1..=20).rev().map(run).collect();
    assert_eq!(
        seen, expected,
        "newer runs belong before the first page, not into the later ones"
    );
}

pub(super) async fn a_page_goes_on_where_its_last_run_was_removed(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for n in 1..=6 {
        super::sample::finished(&*store, n).await;
    }
    let first = store.runs(RunQuery::newest(3)).await.unwrap();
    assert!(store.remove(run(4)).await.unwrap());
    let rest = RunQuery {
        cursor: first.next_cursor,
        ..RunQuery::newest(3)
    };
    let rest = store.runs(rest).await.unwrap();
    let ids: Vec<RunId> = rest.items.iter().map(|head| head.id).collect();
    assert_eq!((ids, rest.next_cursor), (vec![run(3), run(2), run(1)], None));
}

pub(super) async fn what_is_no_cursor_is_refused(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1, 2]).await;
    let id = run(1);
    let bad = [
        String::new(),
        "x".into(),
        "1".into(),
        format!("{id}"),
        format!("1;{id}"),
        format!("x.{id}"),
        "1.run_1".into(),
    ];
    for cursor in bad {
        let query = RunQuery {
            cursor: Some(cursor.clone()),
            ..RunQuery::newest(5)
        };
        assert_eq!(
            kind_of(store.runs(query).await),
            StoreErrorKind::Misused,
            "{cursor:?}"
        );
    }
}

pub(super) async fn a_page_has_at_least_one_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, 1..=3).await;
    let page = store.runs(RunQuery::newest(0)).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert!(page.next_cursor.is_some());
}

pub(super) async fn there_is_no_cursor_after_the_last_run(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, 1..=4).await;
    let first = store.runs(RunQuery::newest(2)).await.unwrap();
    let second = RunQuery {
        cursor: first.next_cursor,
        ..RunQuery::newest(2)
    };
    let second = store.runs(second).await.unwrap();
    assert_eq!((second.items.len(), second.next_cursor), (2, None));
    let past = RunQuery {
        cursor: Some(format!("{}.{}", i64::MIN, run(1))),
        ..RunQuery::newest(2)
    };
    assert_eq!(store.runs(past).await.unwrap().items, []);
}
