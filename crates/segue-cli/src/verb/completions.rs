//! `completions`: the script with which a shell completes verbs, flags and files.

use clap::CommandFactory;

use crate::arguments::{Arguments, CompletionsArgs};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;

/// Prints the completions of a shell.
pub(crate) fn completions(arguments: &CompletionsArgs, program: &mut Program) -> Result<Exit, Problem> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "segue", &mut script);
    program.output.bytes(&script);
    Ok(Exit::Done)
}
