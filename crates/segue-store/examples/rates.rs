//! How fast commits are, beside SQLite itself in the same run: one row per transaction, and a hundred.
//!
//! ```text
//! cargo run --release -p segue-store --example rates [FOLDER [PART OF A NAME]]
//! ```
//!
//! A ratio says how much of the raw rate is left; times on a shared machine mean little by themselves.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use segue::store::{
    Commit, Entry, Head, NewRun, Owner, OwnerId, Place, Standing, Store, StoredPlan, UnitKey,
};
use segue::{RunId, RunStatus, Time};
use segue_store::Sqlite;

/// How often each measurement is repeated; the middle one counts.
const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir_in(".")?,
    };
    let folder = folder.path();
    let mut rows: Vec<(&str, Vec<f64>)> = Vec::new();
    let mut note = |name, value: f64| match rows.iter_mut().find(|(known, _)| *known == name) {
        Some((_, values)) => values.push(value),
        None => rows.push((name, vec![value])),
    };
    let only = std::env::args().nth(2);
    for round in 0..ROUNDS {
        let single = raw(&folder.join(format!("raw-{round}.db")), 3_000, 1)?;
        note("raw, one row per transaction", single);
        let grouped = raw(&folder.join(format!("rows-{round}.db")), 100_000, 100)?;
        note("raw, 100 rows per transaction", grouped);
        for (name, runs, steps, threads) in [
            ("line of 100 steps", 1, 100, 1),
            ("line of 1000 steps", 1, 1_000, 1),
            ("100 runs of 3 steps at once", 100, 3, 1),
            ("1000 runs of 3 steps at once", 1_000, 3, 1),
            ("1000 runs of 3 steps, two threads", 1_000, 3, 2),
            ("300 runs of 100 steps at once", 300, 100, 1),
        ] {
            if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
                continue;
            }
            let path = folder.join(format!("store-{round}-{runs}-{steps}-{threads}.db"));
            note(name, store(&path, runs, steps, threads)?);
        }
        note(
            "map of 10000 items, one run",
            map(&folder.join(format!("map-{round}.db")), 10_000)?,
        );
    }
    let middle = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let (single, grouped) = (middle(&rows[0].1), middle(&rows[1].1));
    for (name, values) in &rows {
        let each = middle(values);
        println!(
            "{name:36} {each:8.2} µs each  {:5.2} of raw single  {:5.2} of raw grouped",
            single / each,
            grouped / each
        );
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "measuring is what this program is for")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let result = work();
    (result, began.elapsed())
}

/// Microseconds for a row of 200 bytes appended to a table.
fn raw(path: &Path, rows: u32, group: u32) -> rusqlite::Result<f64> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;",
    )?;
    let body = [7u8; 200];
    let mut insert = connection.prepare("INSERT INTO rows VALUES (?1, ?2)")?;
    let (mut begin, mut commit) = (
        connection.prepare("BEGIN IMMEDIATE")?,
        connection.prepare("COMMIT")?,
    );
    let (done, took) = timed(|| {
        for number in 0..rows {
            if number % group == 0 {
                begin.execute([])?;
            }
            insert.execute(params![number, body])?;
            if number % group == group - 1 {
                commit.execute([])?;
            }
        }
        Ok(())
    });
    done.map(|()| took.as_secs_f64() * 1e6 / f64::from(rows))
}

/// Microseconds for a step: a transaction of its own in a single run, collected with those of other runs else.
fn store(path: &Path, runs: u32, steps: u32, threads: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(path)?);
    let runtime = if threads == 1 {
        tokio::runtime::Builder::new_current_thread().build()?
    } else {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .build()?
    };
    let owner = Owner {
        id: OwnerId::from_bits(1),
        place: Place::default(),
    };
    runtime.block_on(store.enroll(owner))?;
    // A store that is in use has its statements ready, as the raw one has.
    runtime.block_on(line(store.clone(), u32::MAX, 5))?;
    let (done, took) = timed(|| {
        runtime.block_on(async {
            let mut tasks = tokio::task::JoinSet::new();
            for run in 0..runs {
                tasks.spawn(line(store.clone(), run, steps));
            }
            while let Some(done) = tasks.join_next().await {
                done.expect("no run panics").expect("no commit fails");
            }
        });
    });
    let findings = runtime.block_on(store.examine())?;
    assert!(findings.is_empty(), "{findings:?}");
    let () = done;
    Ok(took.as_secs_f64() * 1e6 / f64::from(runs * steps))
}

/// A run with its steps, one after the other, and its end.
async fn line(store: Arc<dyn Store>, run: u32, steps: u32) -> Result<(), segue::store::StoreError> {
    let id = RunId::from_bits(u128::from(run).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    store.create(new(id)).await?;
    for step in 0..steps {
        let unit = UnitKey {
            scope: 0,
            step,
            item: u32::MAX,
        };
        let mut commit = Commit::of(id, 1, entry(u64::from(step) + 2));
        commit.outcomes.push(unit);
        // The last step ends the run.
        if step == steps - 1 {
            commit.standing = Some(Standing {
                status: RunStatus::Succeeded,
                started: Some(Time::from_micros(0)),
                ended: Some(Time::from_micros(1)),
                ..Standing::queued()
            });
            commit.leaves = true;
        }
        store.commit(commit).await?;
    }
    Ok(())
}

/// Microseconds for an item of a map of one run, all recorded as they come.
fn map(path: &Path, items: u32) -> Result<f64, Box<dyn std::error::Error>> {
    let store = Sqlite::open(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let id = RunId::from_bits(1);
    runtime.block_on(store.create(new(id)))?;
    let (done, took) = timed(|| {
        runtime.block_on(async {
            // As a run with 64 attempts at once does: it goes on when the oldest is recorded.
            let mut pending = std::collections::VecDeque::new();
            for item in 0..items {
                let mut commit = Commit::of(id, 1, entry(u64::from(item) + 2));
                commit.outcomes.push(UnitKey {
                    scope: 0,
                    step: 0,
                    item,
                });
                pending.push_back(store.commit(commit));
                if pending.len() == 64 {
                    pending.pop_front().expect("there are 64").await?;
                }
            }
            for commit in pending {
                commit.await?;
            }
            Ok::<_, segue::store::StoreError>(())
        })
    });
    done?;
    Ok(took.as_secs_f64() * 1e6 / f64::from(items))
}

fn entry(number: u64) -> Entry {
    Entry {
        number,
        after: number - 1,
        events: 1,
        at: Time::from_micros(1_772_348_400_000_000),
        body: vec![7; 200],
    }
}

fn new(id: RunId) -> NewRun {
    NewRun {
        head: Head {
            id,
            pipeline: "line".into(),
            plan_hash: "plan".into(),
            definition: None,
            key: None,
            labels: Default::default(),
            note: None,
            trigger: "library".into(),
            parent: None,
            engine: "local".into(),
            models: Default::default(),
            queued: Time::from_micros(1_772_348_400_000_000),
            standing: Standing::queued(),
            owner: None,
            fence: 0,
            last_seq: 0,
        },
        plan: StoredPlan {
            hash: "plan".into(),
            text: "{}".into(),
        },
        request: None,
        owner: Some(OwnerId::from_bits(1)),
        entry: entry(1),
        claims: Vec::new(),
        expects: Vec::new(),
        documents: Vec::new(),
        questions: Vec::new(),
        outcomes: Vec::new(),
        artifacts: Vec::new(),
    }
}
