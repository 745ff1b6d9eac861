//! What a large output takes in memory on its way through steps that are kept: the value that the step at work has in its
//! hands, and besides that nothing that grows with it.
//!
//! Alone in its process, because it counts what all of it allocates.
#![cfg(feature = "sqlite")]

use peak_alloc::PeakAlloc;
use segue::{Cx, Out, Pipeline, Runner};
use segue_store::Sqlite;
use serde::{Deserialize, Serialize};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MIB: usize = 1 << 20;

/// What a run may take besides values, however large they are: pieces on their way, the log, the store.
const REST: usize = 4 * MIB;

async fn text(_: Cx, lines: usize) -> segue::Result<String> {
    Ok("a line of 16 B.\n".repeat(lines))
}

async fn pass<T>(_: Cx, value: T) -> segue::Result<T> {
    Ok(value)
}

async fn length(_: Cx, text: String) -> segue::Result<usize> {
    Ok(text.len())
}

#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
struct Reading {
    at: u64,
    place: String,
    value: f64,
}

async fn readings(_: Cx, count: usize) -> segue::Result<Vec<Reading>> {
    let mut readings = Vec::with_capacity(count);
    readings.extend((0..count).map(|at| Reading {
        at: at as u64,
        place: format!("a place with a long name, number {at:09}"),
        value: at as f64 / 7.0,
    }));
    Ok(readings)
}

async fn count(_: Cx, readings: Vec<Reading>) -> segue::Result<usize> {
    Ok(readings.iter().filter(|reading| reading.place.len() > 9).count())
}

/// What a run takes at most over what was there before it.
async fn growth(runner: &Runner, pipeline: &Pipeline<usize, usize>, size: usize, given: usize) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let done = runner
        .start(pipeline, size)
        .await
        .expect("it starts")
        .done()
        .await;
    assert_eq!(done.expect("it succeeds").output, given);
    MEMORY.peak_usage() - before
}

#[tokio::test]
async fn a_large_output_is_in_memory_once_and_its_text_never() {
    let texts = Pipeline::define("texts", |p, lines: Out<usize>| {
        let made = p.step("make", text, lines);
        let passed = p.step("pass", pass::<String>, made);
        p.step("measure", length, passed)
    });
    let texts = texts.expect("a pipeline");
    let lists = Pipeline::define("lists", |p, count_of: Out<usize>| {
        let made = p.step("make", readings, count_of);
        let passed = p.step("pass", pass::<Vec<Reading>>, made);
        p.step("count", count, passed)
    });
    let lists = lists.expect("a pipeline");
    let folder = tempfile::tempdir().expect("a folder is made");
    let runner = Runner::builder()
        .store(Sqlite::open(folder.path().join("store.db")).expect("it opens"))
        .build()
        .expect("a runner");
    // What is made once in a process.
    growth(&runner, &texts, 100_000, 1_600_000).await;
    growth(&runner, &lists, 10_000, 10_000).await;

    let lines = MIB / 2;
    let value = 16 * lines;
    let grown = growth(&runner, &texts, lines, value).await;
    assert!(grown >= value, "{grown}: the value itself is there");
    assert!(
        grown < value + REST,
        "{} MiB for a text of {}",
        grown / MIB,
        value / MIB
    );

    // A list is read from its text: both are there then, but never a third.
    let count = 50_000;
    let value = count * (size_of::<Reading>() + "a place with a long name, number 000000000".len());
    let text = count
        * r#"{"at":123456,"place":"a place with a long name, number 000000000","value":12345.67890123456},"#
            .len();
    let grown = growth(&runner, &lists, count, count).await;
    assert!(
        grown < value + text + REST,
        "{} MiB for a list of {}",
        grown / MIB,
        value / MIB
    );
}
