//! Instructions per step of a line, counted by callgrind: the same number on a quiet and on a busy machine.
//!
//! The difference between two lengths, divided by the difference in steps, leaves out what a run costs once. Only the runs
//! are counted, not the building of definitions; on one thread, because callgrind runs one at a time.

use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;

use crate::contender::{self, Run};
use crate::harness::Flavour;
use crate::program;
use crate::shape::Shape;

/// The two lengths of the line.
pub const LENGTHS: [u64; 2] = [1_000, 10_000];

/// Instructions per step.
///
/// # Errors
///
/// When valgrind is missing, or the run fails or is wrong.
pub fn measure(contender: &str) -> Result<f64> {
    let [short, long] = LENGTHS;
    let (of_short, of_long) = (collect(contender, short)?, collect(contender, long)?);
    Ok((of_long - of_short) / (long - short) as f64)
}

fn collect(contender: &str, length: u64) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*counted_section*",
        ])
        .arg(program::path("counted")?)
        .args([contender, &length.to_string()]);
    let (_, report) = program::output(&mut valgrind)?;
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.with_context(|| format!("callgrind reported no count:\n{report}"))?;
    count.trim().parse().context("read the count")
}

/// What the binary `counted` does: one run to warm up, and one that is counted.
///
/// # Errors
///
/// When a run fails or is wrong.
pub fn run_counted(contender: &str, length: usize) -> Result<()> {
    let contender = contender::named(contender)?;
    let runtime = Flavour::CurrentThread.start()?;
    let shape = Arc::new(Shape::line(length));
    for counted in [false, true] {
        let run = contender
            .prepare(&shape, &[1])?
            .pop()
            .context("one run was asked for")?;
        let output = if counted {
            counted_section(&runtime, run)
        } else {
            runtime.block_on(run)
        };
        shape.check(&[1], &[output?])?;
    }
    Ok(())
}

/// Its name is what callgrind is told to count.
#[inline(never)]
fn counted_section(runtime: &Runtime, run: Run) -> Result<u64> {
    on_runtime(runtime, run)
}

/// Spawned as in the harness: the runtime treats the future it blocks on differently from all others.
fn on_runtime(runtime: &Runtime, run: Run) -> Result<u64> {
    runtime.block_on(runtime.spawn(run))?
}
