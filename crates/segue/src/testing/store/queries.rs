//! Cases: runs are found by what they are.

use std::collections::BTreeMap;

use super::Fixture;
use super::sample::{at, commit, created, full_standing, new_run, run, standing};
use crate::id::RunId;
use crate::money::{Cost, Nanousd};
use crate::store::{Commit, RunQuery, Standing, Store};
use crate::view::RunStatus;

/// The runs a query finds, as their numbers, smallest first.
async fn found(store: &dyn Store, query: RunQuery) -> Vec<u64> {
    let page = store.runs(RunQuery { limit: 100, ..query }).await.unwrap();
    assert_eq!(page.next_cursor, None);
    let ids: Vec<RunId> = page.items.iter().map(|head| head.id).collect();
    (1..=50).filter(|n| ids.contains(&run(*n))).collect()
}

async fn with(store: &dyn Store, n: u64, change: impl FnOnce(&mut crate::store::NewRun)) {
    let mut new = new_run(n);
    change(&mut new);
    store.create(new).await.unwrap();
}

pub(super) async fn all_of_them_newest_first(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    assert_eq!(store.runs(RunQuery::newest(10)).await.unwrap().items, []);
    created(&*store, [2, 1, 3]).await;
    let page = store.runs(RunQuery::newest(10)).await.unwrap();
    let ids: Vec<RunId> = page.items.iter().map(|head| head.id).collect();
    assert_eq!(ids, [run(3), run(2), run(1)]);
    let mut heads = Vec::new();
    for n in [3, 2, 1] {
        heads.push(super::sample::head(&*store, n).await);
    }
    assert_eq!(page.items, heads, "a list tells what the head tells");
}

pub(super) async fn by_status(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let statuses = [
        RunStatus::Queued,
        RunStatus::Running,
        RunStatus::Waiting,
        RunStatus::Succeeded,
        RunStatus::Failed,
        RunStatus::Cancelled,
    ];
    for (n, status) in (1..).zip(statuses) {
        created(&*store, [n]).await;
        store
            .commit(Commit {
                standing: Some(full_standing(status)),
                ..commit(n, 2)
            })
            .await
            .unwrap();
    }
    for (n, status) in (1..).zip(statuses) {
        let query = RunQuery {
            status: vec![status],
            ..RunQuery::default()
        };
        assert_eq!(found(&*store, query).await, [n], "{status:?}");
    }
    let two = vec![RunStatus::Failed, RunStatus::Running, RunStatus::Failed];
    assert_eq!(
        found(
            &*store,
            RunQuery {
                status: two,
                ..RunQuery::default()
            }
        )
        .await,
        [2, 5]
    );
    assert_eq!(found(&*store, RunQuery::default()).await, [1, 2, 3, 4, 5, 6]);
}

pub(super) async fn by_pipeline(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for (n, pipeline) in (1..).zip(["a", "b", "a", "A", "a b"]) {
        with(&*store, n, |new| new.head.pipeline = pipeline.into()).await;
    }
    let query = |pipeline: &str| RunQuery {
        pipeline: Some(pipeline.into()),
        ..RunQuery::default()
    };
    assert_eq!(found(&*store, query("a")).await, [1, 3]);
    assert_eq!(found(&*store, query("A")).await, [4]);
    assert_eq!(found(&*store, query("c")).await, [0u64; 0]);
}

pub(super) async fn by_labels(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let labels: [&[(&str, &str)]; 5] = [
        &[("team", "a")],
        &[("team", "a"), ("env", "x")],
        &[("team", "b"), ("env", "x")],
        &[],
        &[("a", "team")],
    ];
    for (n, labels) in (1..).zip(labels) {
        with(&*store, n, |new| {
            new.head.labels = labels
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect();
        })
        .await;
    }
    let query = |labels: &[(&str, &str)]| RunQuery {
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect::<BTreeMap<_, _>>(),
        ..RunQuery::default()
    };
    assert_eq!(found(&*store, query(&[("team", "a")])).await, [1, 2]);
    assert_eq!(found(&*store, query(&[("env", "x")])).await, [2, 3]);
    assert_eq!(found(&*store, query(&[("team", "a"), ("env", "x")])).await, [2]);
    assert_eq!(found(&*store, query(&[("team", "%")])).await, [0u64; 0]);
    assert_eq!(found(&*store, query(&[("other", "a")])).await, [0u64; 0]);
}

pub(super) async fn by_workspace(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for (n, key) in (1..).zip([Some("k"), None, Some("k"), Some("K"), Some("")]) {
        with(&*store, n, |new| new.head.key = key.map(str::to_owned)).await;
    }
    let query = |key: &str| RunQuery {
        key: Some(key.into()),
        ..RunQuery::default()
    };
    assert_eq!(found(&*store, query("k")).await, [1, 3]);
    assert_eq!(
        found(&*store, query("")).await,
        [5],
        "no key is not the empty key"
    );
}

pub(super) async fn by_time(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, 1..=5).await;
    let query = |from, to| RunQuery {
        from,
        to,
        ..RunQuery::default()
    };
    assert_eq!(
        found(&*store, query(Some(at(2)), None)).await,
        [2, 3, 4, 5],
        "from is included"
    );
    assert_eq!(
        found(&*store, query(None, Some(at(4)))).await,
        [1, 2, 3],
        "to is not"
    );
    assert_eq!(found(&*store, query(Some(at(2)), Some(at(4)))).await, [2, 3]);
    assert_eq!(found(&*store, query(Some(at(4)), Some(at(4)))).await, [0u64; 0]);
}

pub(super) async fn by_cost(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for (n, nanos) in (1..).zip([0, 10, 20, 20, i64::MAX]) {
        with(&*store, n, |new| {
            new.head.standing.cost = Cost::of(Nanousd::from_nanos(nanos).unwrap());
        })
        .await;
    }
    let query = |cost_over, cost_under| RunQuery {
        cost_over,
        cost_under,
        ..RunQuery::default()
    };
    assert_eq!(
        found(&*store, query(Some(10), None)).await,
        [3, 4, 5],
        "over is not equal"
    );
    assert_eq!(found(&*store, query(None, Some(20))).await, [1, 2]);
    assert_eq!(found(&*store, query(Some(-1), Some(1))).await, [1]);
    assert_eq!(found(&*store, query(Some(i64::MAX), None)).await, [0u64; 0]);
}

pub(super) async fn by_text_whatever_the_case(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    let texts = [
        "The quick fox",
        "the QUICK 100% dog_",
        "Straße in ÄGYPTEN",
        "a\0b",
        "",
    ];
    for (n, text) in (1..).zip(texts) {
        with(&*store, n, |new| new.head.standing.text = text.into()).await;
    }
    let query = |texts: &[&str]| RunQuery {
        texts: texts.iter().map(|text| (*text).into()).collect(),
        ..RunQuery::default()
    };
    assert_eq!(found(&*store, query(&["quick"])).await, [1, 2]);
    assert_eq!(found(&*store, query(&["QuIcK", "FOX"])).await, [1]);
    assert_eq!(found(&*store, query(&["ägypten"])).await, [3]);
    assert_eq!(found(&*store, query(&["STRAßE"])).await, [3]);
    assert_eq!(found(&*store, query(&["100%"])).await, [2]);
    assert_eq!(
        found(&*store, query(&["%"])).await,
        [2],
        "a per cent sign is only a per cent sign"
    );
    assert_eq!(found(&*store, query(&["_"])).await, [2]);
    assert_eq!(found(&*store, query(&["qu_ck"])).await, [0u64; 0]);
    assert_eq!(found(&*store, query(&["a\0b"])).await, [4]);
    assert_eq!(
        found(&*store, query(&["b"])).await,
        [4],
        "what stands behind a zero is found too"
    );
    assert_eq!(found(&*store, query(&["'"])).await, [0u64; 0]);
    assert_eq!(found(&*store, query(&[""])).await, [1, 2, 3, 4, 5]);
}

pub(super) async fn by_text_as_it_is_now(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, [1]).await;
    let query = |text: &str| RunQuery {
        texts: vec![text.into()],
        ..RunQuery::default()
    };
    for (number, text) in (2..).zip(["Before", "AFTER", ""]) {
        let now = Standing {
            text: text.into(),
            ..standing(RunStatus::Running)
        };
        store
            .commit(Commit {
                standing: Some(now),
                ..commit(1, number)
            })
            .await
            .unwrap();
        for asked in ["before", "after"] {
            let expected = text.to_lowercase() == asked;
            assert_eq!(
                found(&*store, query(asked)).await.len(),
                usize::from(expected),
                "{asked} in {text:?}"
            );
        }
    }
}

pub(super) async fn by_several_things_at_once(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    for n in 1..=16u64 {
        with(&*store, n, |new| {
            new.head.pipeline = if n & 1 == 0 { "even" } else { "odd" }.into();
            new.head.key = (n & 2 == 0).then(|| "k".into());
            if n & 4 == 0 {
                new.head.labels.insert("four".into(), "no".into());
            }
            new.head.standing.text = if n & 8 == 0 { "small" } else { "large" }.into();
        })
        .await;
    }
    let all = RunQuery {
        pipeline: Some("odd".into()),
        key: Some("k".into()),
        labels: [("four".to_owned(), "no".to_owned())].into(),
        texts: vec!["large".into()],
        status: vec![RunStatus::Queued],
        from: Some(at(1)),
        to: Some(at(17)),
        cost_under: Some(1),
        ..RunQuery::default()
    };
    assert_eq!(found(&*store, all.clone()).await, [9]);
    let none = RunQuery {
        status: vec![RunStatus::Failed],
        ..all
    };
    assert_eq!(found(&*store, none).await, [0u64; 0]);
}

pub(super) async fn by_the_beginning_of_an_id(fixture: &dyn Fixture) {
    let store = fixture.open().await;
    created(&*store, 1..=20).await;
    for n in 1..=20 {
        let id = run(n).to_string();
        assert_eq!(store.named(id.clone(), 9).await.unwrap(), [run(n)]);
        let beginning = id[..12].to_owned();
        assert_eq!(store.named(beginning, 9).await.unwrap(), [run(n)]);
    }
    let newest: Vec<RunId> = (1..=20).rev().map(run).collect();
    assert_eq!(store.named("run_".into(), 100).await.unwrap(), newest);
    assert_eq!(store.named(String::new(), 5).await.unwrap(), newest[..5]);
    assert_eq!(store.named("r".into(), 0).await.unwrap(), []);
    for prefix in [
        "run_%",
        "run__",
        "%",
        "_",
        "q_",
        "RUN_",
        "run_zzzzzzzzzz",
        "run_\0",
        "'",
    ] {
        assert_eq!(store.named(prefix.into(), 9).await.unwrap(), [], "{prefix:?}");
    }
    let longer = format!("{}0", run(1));
    assert_eq!(store.named(longer, 9).await.unwrap(), []);
}
