//! Version 2: files of it become files of this version, and nothing in them is another afterwards.

use segue::money::{Cost, Nanousd};
use segue::store::{Request, RunQuery, UnitKey};
use segue::view::StepCounts;
use segue::{ErrorKind, RunStatus, Usage};

use super::*;

/// Makes a file of version 2 of one of version 3. The tables are as version 2 had them.
const BACK: &str = "
PRAGMA foreign_keys = OFF;
CREATE TABLE old_runs (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    pipeline INTEGER NOT NULL REFERENCES pipelines,
    plan INTEGER NOT NULL REFERENCES plans,
    workspace INTEGER REFERENCES workspaces,
    queued INTEGER NOT NULL,
    request TEXT,
    request_body TEXT,
    details TEXT NOT NULL
) STRICT;
INSERT INTO old_runs SELECT number, id, pipeline, plan, workspace, queued, request, request_body, details FROM runs;
UPDATE log SET position = -position;
INSERT INTO log SELECT number, number, 1, 0, events, at, outcomes, body FROM runs;
UPDATE log SET position = (SELECT count(*) FROM runs) - position WHERE position < 0;
DROP TABLE runs;
ALTER TABLE old_runs RENAME TO runs;
CREATE INDEX runs_by_queued ON runs (queued);
CREATE INDEX runs_by_pipeline ON runs (pipeline, queued);
CREATE INDEX runs_by_workspace ON runs (workspace, queued) WHERE workspace IS NOT NULL;
CREATE UNIQUE INDEX runs_by_request ON runs (request) WHERE request IS NOT NULL;
CREATE TABLE texts (
    run INTEGER PRIMARY KEY REFERENCES runs,
    text TEXT NOT NULL,
    folded TEXT
) STRICT;
INSERT INTO texts SELECT run, text, folded FROM heads WHERE text IS NOT NULL;
CREATE TABLE old_heads (
    run INTEGER PRIMARY KEY REFERENCES runs,
    fence INTEGER NOT NULL,
    owner BLOB,
    queued INTEGER NOT NULL,
    status INTEGER NOT NULL,
    phase INTEGER NOT NULL,
    nanousd INTEGER NOT NULL,
    took INTEGER NOT NULL,
    wakes INTEGER,
    fallback INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER,
    unpriced_calls INTEGER NOT NULL,
    estimated_calls INTEGER NOT NULL,
    uncertain_nanousd INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    ready INTEGER NOT NULL,
    running INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    audio_tokens INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    tool_calls INTEGER NOT NULL,
    model_ms INTEGER NOT NULL,
    tool_ms INTEGER NOT NULL,
    rest TEXT
) STRICT;
INSERT INTO old_heads SELECT run, fence, owner, queued, status, phase, nanousd, took, wakes, fallback, started, ended,
    coalesce(counts ->> 18, 0), coalesce(counts ->> 19, 0), coalesce(counts ->> 20, 0),
    coalesce(counts ->> 0, 0), coalesce(counts ->> 1, 0), coalesce(counts ->> 2, 0), coalesce(counts ->> 3, 0),
    coalesce(counts ->> 4, 0), coalesce(counts ->> 5, 0), coalesce(counts ->> 6, 0), coalesce(counts ->> 7, 0),
    coalesce(counts ->> 8, 0), coalesce(counts ->> 9, 0), coalesce(counts ->> 10, 0), coalesce(counts ->> 11, 0),
    coalesce(counts ->> 12, 0), coalesce(counts ->> 13, 0), coalesce(counts ->> 14, 0), coalesce(counts ->> 15, 0),
    coalesce(counts ->> 16, 0), coalesce(counts ->> 17, 0), rest
    FROM heads;
DROP TABLE heads;
ALTER TABLE old_heads RENAME TO heads;
CREATE INDEX heads_open ON heads (queued) WHERE phase = 0;
CREATE INDEX heads_ended ON heads (phase, queued) WHERE phase > 3;
CREATE INDEX heads_by_cost ON heads (nanousd) WHERE nanousd <> 0;
CREATE INDEX heads_by_took ON heads (took) WHERE took >= 0;
CREATE INDEX heads_by_wakes ON heads (wakes) WHERE wakes IS NOT NULL;
PRAGMA user_version = 2;
";

/// A standing in which every count is another.
fn failed() -> Standing {
    let time = |micros| Some(Time::from_micros(micros));
    Standing {
        status: RunStatus::Failed,
        fallback: true,
        started: time(20),
        ended: time(50),
        step_counts: StepCounts {
            pending: 1,
            ready: 2,
            running: 3,
            waiting: 4,
            succeeded: 5,
            failed: 6,
            skipped: 7,
            cancelled: 8,
        },
        failed_steps: vec!["draft".into()],
        error: Some((ErrorKind::Timeout, "too late".into())),
        usage: Usage {
            input_tokens: 9,
            output_tokens: 10,
            cache_read_tokens: 11,
            cache_write_tokens: 12,
            reasoning_tokens: 13,
            audio_tokens: 14,
            requests: 15,
            tool_calls: 16,
            model_ms: 17,
            tool_ms: u64::MAX,
        },
        cost: Cost {
            nanousd: Nanousd::from_nanos(18).unwrap(),
            unpriced_calls: 19,
            estimated_calls: 20,
            uncertain_nanousd: Nanousd::from_nanos(21).unwrap(),
        },
        stale_steps: vec!["review".into()],
        wakes: None,
        text: "Äpfel".into(),
    }
}

fn unit(item: u32) -> UnitKey {
    UnitKey {
        scope: 0,
        step: 1,
        item,
    }
}

/// Everything of all runs that a store tells.
async fn told(store: &Sqlite) -> Vec<String> {
    let mut all = Vec::new();
    for head in store.runs(RunQuery::newest(100)).await.unwrap().items {
        let log = store.log(head.id, 0, 100).await.unwrap();
        let later = store.log(head.id, 1, 1).await.unwrap();
        assert_eq!(later.first(), log.get(1));
        all.push(format!("{head:?} {log:?}"));
    }
    let apples = RunQuery {
        texts: vec!["äPF".into()],
        ..RunQuery::newest(100)
    };
    all.push(format!("{:?}", store.runs(apples).await.unwrap()));
    all
}

/// The tables and indices of a file; one that was renamed has its name in quotes.
fn tables(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut find = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
        .unwrap();
    let rows = find.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|sql| sql.unwrap().replace('"', "")).collect()
}

#[tokio::test]
async fn becomes_the_present_one_with_all_that_is_in_it() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 3).await;
    let mut keyed = new_run(9);
    keyed.head.key = Some("k".into());
    keyed.head.labels.insert("team".into(), "a".into());
    keyed.request = Some(Request {
        key: "asked".into(),
        body: "once".into(),
    });
    keyed.outcomes = vec![unit(1)];
    keyed.head.standing.text = "Birnen".into();
    store.create(keyed).await.unwrap();
    let mut last = commit(9, 2);
    last.outcomes = vec![unit(2)];
    last.standing = Some(failed());
    last.leaves = true;
    store.commit(last).await.unwrap();
    let (before, present) = (told(&store).await, tables(&path));
    assert!(
        before
            .iter()
            .any(|run| run.contains("Äpfel") && run.contains("18446744073709551615"))
    );
    drop(store);
    Connection::open(&path).unwrap().execute_batch(BACK).unwrap();
    assert_ne!(tables(&path), present);

    let store = Sqlite::open(&path).unwrap();
    assert!(store.migrated().is_some());
    assert_eq!(told(&store).await, before);
    assert_eq!(tables(&path), present);
    assert_eq!(store.examine().await.unwrap(), [""; 0]);
    // Runs go on where they stood.
    let mut second = commit(1, 4);
    second.outcomes = vec![unit(1)];
    store.commit(second).await.unwrap();
    assert_eq!(store.log(RunId::from_bits(1), 0, 9).await.unwrap().len(), 4);
    assert_eq!(
        store.create(new_run(10)).await.unwrap(),
        Created::New { fence: 1 }
    );
    assert_eq!(store.examine().await.unwrap(), [""; 0]);
}
