//! `tools`: what an operator looks after of the tools there are.

use crate::arguments::{Tools, ToolsArgs};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;

mod pin;

/// Does what is said with tools.
pub(crate) fn tools(arguments: &ToolsArgs, program: &mut Program) -> Result<Exit, Problem> {
    match &arguments.what {
        Tools::Pin(arguments) => pin::pin(arguments, program),
    }
}
