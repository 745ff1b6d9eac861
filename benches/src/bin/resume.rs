//! Leaves unfinished runs, or goes on with them; started by `bench W11`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use segue_benches::resume;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().context("say what to do")?;
    let store = PathBuf::from(arguments.next().context("name a store")?);
    let runs = arguments.next().context("say how many runs")?;
    resume::run(&what, &store, runs.parse().context("read how many runs")?)
}
