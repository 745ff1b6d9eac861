//! Prints the bytes per waiting run of one contender; started by `bench W5`.

use std::alloc::System;

use anyhow::{Context as _, Result};
use segue_benches::memory;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let contender = arguments.next().context("name a contender")?;
    let runs = arguments
        .next()
        .context("say how many runs")?
        .parse()
        .context("read how many runs")?;
    println!("{}", memory::bytes_per_run(&contender, runs, bytes_in_use)?);
    Ok(())
}

fn bytes_in_use() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}
