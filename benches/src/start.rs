//! W7: from the start of a process to the end of its first step.
//!
//! Each contender has a binary of its own, so that none carries the others' code. The process writes one byte when its step
//! is done; the clock here runs from before it is started to that byte.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::contender::Contender;
use crate::harness::{Flavour, median};
use crate::program;
use crate::shape::Shape;

const DONE: u8 = b'.';

/// What a `start_…` binary does: one run of one step, and a byte.
///
/// # Errors
///
/// When the run fails or is wrong.
pub fn first_step(contender: &dyn Contender) -> Result<()> {
    let runtime = Flavour::TwoWorkers.start()?;
    let shape = Arc::new(Shape::line(1));
    let run = contender
        .prepare(&shape, &[1])?
        .pop()
        .context("one run was asked for")?;
    let output = runtime.block_on(run)?;
    std::io::stdout().write_all(&[DONE])?;
    shape.check(&[1], &[output])
}

/// Median time to the first step of each contender, in the order of the names given, and the median of the ratios to the
/// first of them.
///
/// # Errors
///
/// When a binary is missing or fails.
pub fn measure(contenders: &[&'static str], rounds: usize) -> Result<Vec<(f64, f64)>> {
    let binary = |name: &&str| program::path(&format!("start_{}", name.replace('-', "_")));
    let binaries: Vec<PathBuf> = contenders.iter().map(binary).collect::<Result<_>>()?;
    let mut taken = vec![Vec::with_capacity(rounds); binaries.len()];
    // The round before the first brings the binaries into memory.
    for round in 0..=rounds {
        for turn in 0..binaries.len() {
            let index = (round + turn) % binaries.len();
            let one = time(&binaries[index])?.as_secs_f64();
            if round > 0 {
                taken[index].push(one);
            }
        }
    }
    let floor = &taken[0];
    let ratio = |of: &Vec<f64>| median(of.iter().zip(floor).map(|(one, floor)| one / floor));
    Ok(taken
        .iter()
        .map(|of| (median(of.iter().copied()), ratio(of)))
        .collect())
}

fn time(binary: &PathBuf) -> Result<Duration> {
    let began = Instant::now();
    let mut process = Command::new(binary)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start `{}`", binary.display()))?;
    let mut byte = [0];
    process
        .stdout
        .take()
        .context("its output is piped")?
        .read_exact(&mut byte)
        .context("wait for its first step")?;
    let taken = began.elapsed();
    let status = process.wait()?;
    ensure!(
        byte == [DONE] && status.success(),
        "`{}` ended with {status}",
        binary.display()
    );
    Ok(taken)
}
