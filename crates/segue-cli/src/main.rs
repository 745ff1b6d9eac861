//! The binary `segue`: the command line with nothing registered by a program.

use std::process::ExitCode;

fn main() -> ExitCode {
    segue_cli::main(segue::Registry::new())
}
