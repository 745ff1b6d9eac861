//! Everything a change is checked with, as one command: `cargo xtask test`. Beside it `cargo xtask crash`, the kill loop for as
//! many rounds as one has time for.
//!
//! A person runs it before a commit and the continuous integration runs the same. It needs a Rust toolchain and git; what else
//! the tests need is in `needs.toml` and is installed when missing. It never changes a file that git knows.

mod arguments;
mod audit;
mod checks;
mod failure;
mod graph;
mod needs;
mod process;
mod size;

use std::process::ExitCode;

use arguments::Arguments;

fn main() -> ExitCode {
    let done = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| match arguments {
        Arguments::Test(selection) => checks::run(&selection),
        Arguments::Crash(words) => checks::crash(&words),
        Arguments::Help => {
            eprint!("{}", arguments::help());
            Ok(())
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}
