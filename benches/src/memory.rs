//! W5: bytes in use for each run that waits on a model.
//!
//! A process per contender and number of runs, because a counting allocator would slow down what is timed elsewhere. The
//! bytes are those asked of the allocator between a warm runtime with nothing to do and the moment when all runs wait.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use tokio::task::JoinSet;

use crate::contender::{self, Contender};
use crate::harness::Flavour;
use crate::program;
use crate::shape::Shape;

/// The model's time. Long enough for 10,000 runs of the slowest contender to be waiting at once.
const MODEL: Duration = Duration::from_secs(1);

/// Number of the step that waits.
const WAITING: usize = 1;

/// Starts the measuring process, and returns the bytes per waiting run.
///
/// # Errors
///
/// When a run fails or is wrong, or not all runs were waiting at the same time.
pub fn measure(contender: &str, runs: usize) -> Result<f64> {
    let (bytes, _) =
        program::output(Command::new(program::path("waiting")?).args([contender, &runs.to_string()]))?;
    Ok(bytes.trim().parse()?)
}

/// What the binary `waiting` does: `bytes_in_use` asks its allocator.
///
/// # Errors
///
/// As for [`measure`].
pub fn bytes_per_run(contender: &str, runs: usize, bytes_in_use: impl Fn() -> usize) -> Result<f64> {
    let contender = contender::named(contender)?;
    let runtime = Flavour::TwoWorkers.start()?;
    let warm = Arc::new(Shape::line(3));
    runtime.block_on(wait_for(contender.as_ref(), &warm, 1, || 0))?;
    let shape = Arc::new(Shape::waiting(MODEL));
    let before = bytes_in_use();
    let waiting = runtime.block_on(wait_for(contender.as_ref(), &shape, runs, bytes_in_use))?;
    Ok((waiting as f64 - before as f64) / runs as f64)
}

/// Runs the shape so many times at once, and asks for the bytes when the last run has come to its model.
async fn wait_for(
    contender: &dyn Contender,
    shape: &Arc<Shape>,
    runs: usize,
    bytes_in_use: impl Fn() -> usize,
) -> Result<usize> {
    let inputs: Vec<u64> = (1..).take(runs).collect();
    let mut running = JoinSet::new();
    for (index, run) in contender.prepare(shape, &inputs)?.into_iter().enumerate() {
        running.spawn(async move { (index, run.await) });
    }
    while usize::try_from(shape.ran(WAITING))? < runs {
        if shape.ran(WAITING + 1) > 0 {
            bail!("the first run ended before the last of {runs} began to wait");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let bytes = bytes_in_use();
    let instant = shape.critical_path().is_zero();
    ensure!(
        instant || shape.ran(WAITING + 1) == 0,
        "the first run ended before the last of {runs} began to wait"
    );

    let mut outputs = vec![0; runs];
    while let Some(ended) = running.join_next().await {
        let (index, output) = ended?;
        outputs[index] = output?;
    }
    shape.check(&inputs, &outputs)?;
    Ok(bytes)
}
