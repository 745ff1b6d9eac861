//! Arguments of `test`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use segue::Nanousd;

/// Arguments of `test`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct TestArgs {
    #[command(subcommand)]
    pub(crate) act: Option<TestAct>,
    /// Test files; left out, all *.test.yaml of the project
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Only cases whose name fits; `*` stands for any characters
    #[arg(long, value_name = "GLOB")]
    pub(crate) case: Option<String>,
    /// Write what there is in the place of plain values that were expected and are others
    #[arg(long)]
    pub(crate) update: bool,
    /// Also write the results as JUnit has them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) junit: Option<PathBuf>,
}

/// What else to do with test files.
#[derive(Debug, Subcommand)]
pub(crate) enum TestAct {
    /// Run the cases with real models and write the cassettes they are played from
    Record(RecordArgs),
}

/// Arguments of `test record`.
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Test files; left out, all *.test.yaml of the project that name a cassette
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// The most dollars that all of it may cost, such as 0.50
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(crate) budget: Option<Nanousd>,
}

fn dollars(text: &str) -> Result<Nanousd, String> {
    let text = text.strip_prefix('$').unwrap_or(text);
    Nanousd::parse_dollars(text).map_err(|error| error.to_string())
}
