//! `cargo run --release`: the table of ratios. See `--help`.

use anyhow::{Result, ensure};
use segue_benches::options::{HELP, Mode, Options};
use segue_benches::workload;

fn main() -> Result<()> {
    let options = Options::read(lexopt::Parser::from_env())?;
    if options.mode == Mode::Help {
        print!("{HELP}");
        return Ok(());
    }
    ensure!(
        !cfg!(debug_assertions),
        "measure a release build: `cargo run --release`"
    );
    let table = match options.mode {
        Mode::Callgrind => workload::instructions()?,
        Mode::Build => workload::build()?,
        Mode::Table | Mode::Help => {
            let table = workload::table(&options)?;
            let (runtime, rounds) = (options.flavour.describe(), options.rounds);
            println!("{runtime}; {rounds} rounds; medians, and ratios within a round\n");
            table
        }
    };
    print!("{table}");
    Ok(())
}
