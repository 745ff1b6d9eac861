//! One line of steps of one contender, run under callgrind by `bench --callgrind`.

use anyhow::{Context as _, Result};
use segue_benches::instructions;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let contender = arguments.next().context("name a contender")?;
    let length = arguments
        .next()
        .context("say how many steps")?
        .parse()
        .context("read how many steps")?;
    instructions::run_counted(&contender, length)
}
