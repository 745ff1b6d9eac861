//! Lists: what people look at most is read from an index, however many runs there are.

use segue::RunStatus;
use segue::store::{RunQuery, RunSort};

use super::*;
use crate::sqlite::runs;

/// How SQLite would carry out the statements of a query.
fn plans(connection: &Connection, query: &RunQuery) -> String {
    let mut all = String::new();
    for (sql, values) in runs::statements(connection, query).unwrap() {
        let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = explain
            .query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3))
            .unwrap();
        for line in lines {
            all.push_str(&line.unwrap());
            all.push('\n');
        }
    }
    all
}

#[tokio::test]
async fn no_list_reads_or_sorts_all_runs() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    let mut keyed = new_run(9);
    keyed.head.key = Some("k".into());
    keyed.head.labels.insert("team".into(), "a".into());
    store.create(keyed).await.unwrap();
    let connection = store.door.reader().unwrap();
    let newest = RunQuery::newest(50);
    let cases = [
        (newest.clone(), "runs_by_queued"),
        (
            RunQuery {
                status: vec![RunStatus::Failed, RunStatus::Running],
                ..newest.clone()
            },
            "heads_open",
        ),
        (
            RunQuery {
                pipeline: Some("research".into()),
                ..newest.clone()
            },
            "runs_by_pipeline",
        ),
        (
            RunQuery {
                key: Some("k".into()),
                ..newest.clone()
            },
            "runs_by_workspace",
        ),
        (
            RunQuery {
                sort: RunSort::Cost,
                ..newest.clone()
            },
            "heads_by_cost",
        ),
        (
            RunQuery {
                sort: RunSort::Duration,
                ..newest.clone()
            },
            "heads_by_took",
        ),
    ];
    for (query, index) in cases {
        for cursor in [None, Some(format!("5.{}", RunId::from_bits(5)))] {
            let plan = plans(
                &connection,
                &RunQuery {
                    cursor,
                    ..query.clone()
                },
            );
            assert!(plan.contains(index), "{query:?}:\n{plan}");
            // The last part of an order, among runs of equal value, may be sorted; a whole order may not.
            assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{query:?}:\n{plan}");
            assert!(
                !plan.lines().any(|line| line == "SCAN r" || line == "SCAN h"),
                "{query:?}:\n{plan}"
            );
        }
    }
}
