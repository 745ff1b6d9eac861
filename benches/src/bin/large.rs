//! Prints the growth of memory for large data on one way; started by `bench W9`.

use anyhow::{Context as _, Result};
use segue_benches::large;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let way = arguments.next().context("name a way")?;
    let bytes = arguments.next().context("say how many bytes")?;
    println!(
        "{}",
        large::growth(&way, bytes.parse().context("read how many bytes")?)?
    );
    Ok(())
}
