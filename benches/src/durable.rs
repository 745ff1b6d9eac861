//! W6: runs that outlive their process, beside bare SQLite with the same promise: every commit is on the disk.
//!
//! The floor appends rows of the size of an entry to a table of its own file, one per transaction or a hundred, with
//! nothing around it. Segue runs whole pipelines on its store in one SQLite file: ids, plans, records, events and all. Both
//! keep their file over all rounds, as a store that is in use.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rusqlite::{Connection, params};
use segue::store::{RunQuery, Store};
use segue::{Cx, IntoStep as _, Pipeline, Runner, Step};
use segue_store::Sqlite;
use tokio::runtime::Runtime;

use crate::contender::{Contender, Run};
use crate::harness::{self, Effort, Order, Taken, median};
use crate::program;
use crate::segue_runs;
use crate::shape::Shape;

/// Bytes of a row of the floor: what an entry of a step with a short output takes.
const ROW: usize = 200;

/// What is run, and what it is compared with.
pub struct Workload {
    /// As the table has it.
    pub shape: String,
    /// Steps in a line; else the items of one map.
    pub steps: usize,
    /// Whether the steps are items of one map.
    pub map: bool,
    /// Runs of a sample.
    pub runs: usize,
    /// How they are started.
    pub order: Order,
    /// Rows of the floor in a transaction.
    pub group: u32,
}

/// Steps per second, and how much of the floor's rows per second that is.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Rows per second of bare SQLite.
    pub floor: f64,
    /// Steps per second.
    pub segue: f64,
    /// Of the same rounds.
    pub ratio: f64,
    /// The same for processor time.
    pub cpu_ratio: f64,
}

/// Measures a workload, the floor and Segue in turn.
///
/// # Errors
///
/// When a run fails or is wrong, or the store has lost something.
pub fn measure(runtime: &Runtime, workload: &Workload, rounds: usize) -> Result<Rates> {
    let folder = program::scratch()?;
    let mut raw = Raw::open(&folder.path().join("raw.db"), workload.group)?;
    let kept = Kept::open(&folder.path().join("store.db"), workload.map)?;
    let shape = Arc::new(match workload.map {
        true => Shape::fan(workload.steps),
        false => Shape::line(workload.steps),
    });
    let effort = Effort {
        rounds,
        runs: workload.runs,
        order: workload.order,
    };
    let (mut floor, mut segue) = (Vec::new(), Vec::new());
    let steps = (workload.runs * shape.steps()) as f64;
    for round in 0..=rounds {
        let mut sample_floor = || raw.sample();
        let sample_segue = || harness::sample(runtime, &kept, &shape, effort);
        let (one, other) = if round % 2 == 0 {
            let one = sample_floor()?;
            (one, sample_segue()?)
        } else {
            let other = sample_segue()?;
            (sample_floor()?, other)
        };
        // The first round warms up, and leaves both stores with their statements ready.
        if round > 0 {
            floor.push(Each::of(one.0, one.1));
            segue.push(Each::of(other, steps));
        }
    }
    kept.check(runtime, (rounds + 1) * workload.runs)?;
    let ratio = |part: fn(&Each) -> f64| {
        median(
            floor
                .iter()
                .zip(&segue)
                .map(|(floor, segue)| part(floor) / part(segue)),
        )
    };
    let rate = |of: &[Each]| 1.0 / median(of.iter().map(|each| each.wall));
    Ok(Rates {
        floor: rate(&floor),
        segue: rate(&segue),
        ratio: ratio(|each| each.wall),
        cpu_ratio: ratio(|each| each.cpu),
    })
}

/// Seconds for a row or a step.
struct Each {
    wall: f64,
    cpu: f64,
}

impl Each {
    fn of(taken: Taken, count: f64) -> Self {
        let each = |time: Duration| time.as_secs_f64() / count;
        Self {
            wall: each(taken.wall),
            cpu: each(taken.cpu),
        }
    }
}

/// The floor: a table that is appended to.
struct Raw {
    connection: Connection,
    group: u32,
    number: u32,
}

impl Raw {
    fn open(path: &std::path::Path, group: u32) -> Result<Self> {
        let connection = Connection::open(path).context("open the file of the floor")?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE rows (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;",
        )?;
        Ok(Self {
            connection,
            group,
            number: 0,
        })
    }

    /// Appends rows; gives how long that took and how many they were.
    fn sample(&mut self) -> Result<(Taken, f64)> {
        let rows = if self.group == 1 { 2_000 } else { 40_000 };
        let body = [7_u8; ROW];
        let mut insert = self.connection.prepare("INSERT INTO rows VALUES (?1, ?2)")?;
        let mut begin = self.connection.prepare("BEGIN IMMEDIATE")?;
        let mut commit = self.connection.prepare("COMMIT")?;
        let (began, cpu_before) = (Instant::now(), harness::cpu_time()?);
        for row in 0..rows {
            if row % self.group == 0 {
                begin.execute([])?;
            }
            insert.execute(params![self.number, body])?;
            self.number += 1;
            if row % self.group == self.group - 1 {
                commit.execute([])?;
            }
        }
        let taken = Taken {
            wall: began.elapsed(),
            cpu: harness::cpu_time()?.saturating_sub(cpu_before),
        };
        Ok((taken, f64::from(rows)))
    }
}

/// Segue, its runs kept in one SQLite file with its default promise.
struct Kept {
    store: Arc<dyn Store>,
    runner: Runner,
    map: bool,
}

impl Kept {
    fn open(path: &std::path::Path, map: bool) -> Result<Self> {
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(path)?);
        let runner = Runner::builder().store_in(store.clone()).build()?;
        Ok(Self { store, runner, map })
    }

    /// Everything is in the file, and nothing in it contradicts itself.
    fn check(&self, runtime: &Runtime, runs: usize) -> Result<()> {
        runtime.block_on(async {
            self.runner.idle().await;
            let unfinished = self
                .store
                .unfinished(segue::Time::from_micros(i64::MAX), 1)
                .await?;
            ensure!(
                unfinished.is_empty(),
                "a run that ended is unfinished in its store"
            );
            let query = RunQuery::newest(runs + 1);
            let mut found = 0;
            let mut page = self.store.runs(query.clone()).await?;
            loop {
                found += page.items.len();
                if page.next_cursor.is_none() {
                    break;
                }
                let next = RunQuery {
                    cursor: page.next_cursor,
                    ..query.clone()
                };
                page = self.store.runs(next).await?;
            }
            ensure!(found == runs, "the store has {found} of {runs} runs");
            let findings = self.store.examine().await?;
            ensure!(findings.is_empty(), "the store contradicts itself: {findings:?}");
            Ok(())
        })
    }
}

impl Contender for Kept {
    fn name(&self) -> &'static str {
        "segue"
    }

    fn prepare(&self, shape: &Arc<Shape>, inputs: &[u64]) -> Result<Vec<Run>> {
        let pipeline = match self.map {
            true => map(shape)?,
            false => segue_runs::pipeline(shape)?,
        };
        let run = |&input: &u64| -> Run {
            let (runner, pipeline) = (self.runner.clone(), pipeline.clone());
            Box::pin(async move { Ok(runner.start(&pipeline, input).await?.done().await?.output) })
        };
        Ok(inputs.iter().map(run).collect())
    }
}

/// The steps in the middle of a fan as the items of one map, as many at once as a wide pipeline has.
fn map(shape: &Arc<Shape>) -> Result<Pipeline<u64, u64>> {
    let shape = shape.clone();
    let pipeline = Pipeline::define("map", |p, input| {
        let list = p.step("list", List(shape.clone()), input);
        let items = p.map("item", Item(shape.clone()).max_parallel(64), list);
        p.step("sum", Sum(shape.clone()), items)
    });
    pipeline.context("the map is refused")
}

struct List(Arc<Shape>);
struct Item(Arc<Shape>);
struct Sum(Arc<Shape>);

impl Step for List {
    type In = u64;
    type Out = Vec<(usize, u64)>;

    async fn run(&self, _: Cx, value: u64) -> segue::Result<Self::Out> {
        let value = self.0.perform(0, Duration::ZERO, value).await;
        Ok((1..self.0.steps() - 1).map(|number| (number, value)).collect())
    }
}

impl Step for Item {
    type In = (usize, u64);
    type Out = u64;

    async fn run(&self, _: Cx, (number, value): (usize, u64)) -> segue::Result<u64> {
        Ok(self.0.perform(number, Duration::ZERO, value).await)
    }
}

impl Step for Sum {
    type In = Vec<u64>;
    type Out = u64;

    async fn run(&self, _: Cx, values: Vec<u64>) -> segue::Result<u64> {
        let sum = values.into_iter().fold(0, u64::wrapping_add);
        Ok(self.0.perform(self.0.steps() - 1, Duration::ZERO, sum).await)
    }
}
