//! What a run takes in memory while it waits for a model: ten thousand of them may wait at once.
//!
//! Alone in its process, because it counts what all of it allocates.

use std::pin::Pin;

use peak_alloc::PeakAlloc;
use segue::{Cx, Out, Pipeline, secs};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const RUNS: usize = 1_000;

/// Bytes of a run in a task of its own, with what its step holds while it waits. Without optimization, which makes futures
/// larger: what is promised is measured by the benches.
const MOST: usize = 3_072;

async fn instant(_: Cx, number: u64) -> segue::Result<u64> {
    Ok(number + 1)
}

async fn model(_: Cx, number: u64) -> segue::Result<u64> {
    tokio::time::sleep(secs(1)).await;
    Ok(number + 1)
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_keeps_little() {
    let pipeline = Pipeline::define("waits", |p, input: Out<u64>| {
        let before = p.step("before", instant, input);
        let answer = p.step("model", model, before);
        p.step("after", instant, answer)
    });
    let pipeline = pipeline.expect("a pipeline");
    // What is made once in a process.
    pipeline.run(0).await.expect("it succeeds");

    let mut running = JoinSet::new();
    let before = MEMORY.current_usage();
    for input in 0..RUNS as u64 {
        let run: Pin<Box<dyn Future<Output = _> + Send>> = pipeline.run(input).into_future();
        running.spawn(run);
    }
    // A task for each run, and one for what it waits for.
    while Handle::current().metrics().num_alive_tasks() < 2 * RUNS {
        tokio::task::yield_now().await;
    }
    let each = (MEMORY.current_usage() - before) / RUNS;
    assert!(each <= MOST, "{each} bytes for each run that waits");

    let outputs = running
        .join_all()
        .await
        .into_iter()
        .map(|done| done.expect("it succeeds").output);
    assert_eq!(
        outputs.sum::<u64>(),
        (0..RUNS as u64).map(|input| input + 3).sum::<u64>()
    );
}
