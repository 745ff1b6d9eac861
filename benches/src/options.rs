//! The words on the command line of `bench`.

use anyhow::{Context as _, Result, ensure};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::harness::Flavour;

/// What `bench --help` prints.
pub const HELP: &str = "\
usage: cargo run --release -- [WORKLOAD…] [OPTIONS]

Measures Segue beside bare tokio and its peers and prints one table of ratios.
Built with `--no-default-features`, it measures the floor and the peers only.

  WORKLOAD            W1 W2 W3 W4 W5 W6 W7 W9 W11; all of them without one
  --size N            only this size, may be repeated (W1: steps, W2: width, W4: branches, W5: waiting runs,
                      W6: steps, runs at once and items, W11: unfinished runs)
  --shape TEXT        only shapes of W6 with this in their name
  --only NAME         the floor and this contender: `graph-flow`, `dagrs` or `segue`
  --quick             few rounds, small sizes
  --rounds N          times every contender runs, from 1 [default: 15, with --quick 5]
  --runtime FLAVOUR   `multi` (2 workers) or `current` (one thread) [default: multi]
  --callgrind         count instructions per step of W1 instead (needs valgrind)
  --build             time a cold release build instead (W12)
";

/// What is to be measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Names of workloads; empty for all.
    pub workloads: Vec<String>,
    /// Sizes to keep; empty for all.
    pub sizes: Vec<usize>,
    /// What the shapes of W6 to keep have in their name; none for all.
    pub shape: Option<String>,
    /// The one contender beside the floor; none for all.
    pub only: Option<String>,
    /// Few rounds and small sizes.
    pub quick: bool,
    /// Times every contender runs.
    pub rounds: usize,
    /// The runtime everything runs on.
    pub flavour: Flavour,
    /// What is measured.
    pub mode: Mode,
}

/// The three things `bench` can do, and its help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Times, memory and process starts.
    Table,
    /// Instructions per step.
    Callgrind,
    /// The cold build.
    Build,
    /// Prints [`HELP`].
    Help,
}

impl Options {
    /// Reads the arguments, without the name of the program.
    ///
    /// # Errors
    ///
    /// When a word is not known or a number is not one.
    pub fn read(mut arguments: Parser) -> Result<Self> {
        let mut rounds = None;
        let mut options = Self {
            workloads: Vec::new(),
            sizes: Vec::new(),
            shape: None,
            only: None,
            quick: false,
            rounds: 0,
            flavour: Flavour::TwoWorkers,
            mode: Mode::Table,
        };
        while let Some(argument) = arguments.next()? {
            match argument {
                Arg::Long("size") => options
                    .sizes
                    .push(arguments.value()?.parse().context("read `--size`")?),
                Arg::Long("shape") => options.shape = Some(arguments.value()?.string()?),
                Arg::Long("only") => options.only = Some(arguments.value()?.string()?),
                Arg::Long("rounds") => rounds = Some(arguments.value()?.parse().context("read `--rounds`")?),
                Arg::Long("quick") => options.quick = true,
                Arg::Long("runtime") => options.flavour = flavour(&arguments.value()?.string()?)?,
                Arg::Long("callgrind") => options.mode = Mode::Callgrind,
                Arg::Long("build") => options.mode = Mode::Build,
                Arg::Long("help") | Arg::Short('h') => options.mode = Mode::Help,
                Arg::Value(name) => options.workloads.push(name.string()?.to_uppercase()),
                other => return Err(other.unexpected().into()),
            }
        }
        options.rounds = rounds.unwrap_or(if options.quick { 5 } else { 15 });
        ensure!(options.rounds > 0, "`--rounds` needs at least 1");
        Ok(options)
    }

    /// Whether the workload of this name was asked for.
    pub fn wants(&self, workload: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|name| name == workload)
    }

    /// Those of a workload's sizes that were asked for; `--quick` leaves out those over `quick_limit`.
    pub fn sizes(&self, sizes: &[usize], quick_limit: usize) -> Vec<usize> {
        let wanted = |size: &usize| match self.sizes.as_slice() {
            [] => !self.quick || *size <= quick_limit,
            wanted => wanted.contains(size),
        };
        sizes.iter().copied().filter(wanted).collect()
    }
}

fn flavour(word: &str) -> Result<Flavour> {
    match word {
        "multi" => Ok(Flavour::TwoWorkers),
        "current" => Ok(Flavour::CurrentThread),
        other => anyhow::bail!("`--runtime {other}` is not known: `multi` or `current`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options> {
        Options::read(Parser::from_args(line.split_whitespace()))
    }

    #[test]
    fn workloads_and_sizes_select() {
        let options = read("w1 W5 --size 10 --size=1000").unwrap();
        assert!(options.wants("W1") && options.wants("W5") && !options.wants("W2"));
        assert_eq!(options.sizes(&[10, 100, 1000, 10_000], 100), [10, 1000]);
    }

    #[test]
    fn quick_leaves_out_what_is_large() {
        let options = read("--quick").unwrap();
        assert_eq!(options.sizes(&[10, 100, 1000], 100), [10, 100]);
        assert_eq!(options.rounds, 5);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for line in ["--runtime both", "--rounds 0", "--size many", "--fast"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
