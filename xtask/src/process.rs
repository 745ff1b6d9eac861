//! Other programs and the clock, the two things this command needs that the rest of the project may not touch directly.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::failure::{Failure, Result};

/// The top folder of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package is a folder of the project")
}

/// `program`, to be run in the top folder.
#[expect(
    clippy::disallowed_methods,
    reason = "running other programs is what this command is for"
)]
pub(crate) fn program(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// The cargo that runs this command.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    program(&cargo, arguments)
}

/// Runs `command` with its output on the terminal.
///
/// # Errors
///
/// When it cannot be started or says that it failed.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let status = command.status().map_err(|error| unstartable(&command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("`{}` ended with {status}", line(&command))))
}

/// Runs `command` and returns what it writes to its standard output.
///
/// # Errors
///
/// When it cannot be started, says that it failed, or writes what is not UTF-8.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| unstartable(&command, &error))?;
    if !output.status.success() {
        return Err(Failure::new(format!(
            "`{}` ended with {}",
            line(&command),
            output.status
        )));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| Failure::new(format!("`{}` wrote what is not UTF-8", line(&command))))
}

/// Runs `work` and says how many seconds it took.
#[expect(
    clippy::disallowed_methods,
    reason = "the time a check takes is for the person who waits for it"
)]
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}

fn unstartable(command: &Command, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "`{}` cannot be started: {error}",
        command.get_program().display()
    ))
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let mut line = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_fails_is_named_with_its_arguments() {
        let failure = run(program(
            "git",
            &["rev-parse", "--quiet", "--verify", "no-such-name"],
        ))
        .unwrap_err()
        .to_string();
        assert!(
            failure.starts_with("error: `git rev-parse --quiet --verify no-such-name` ended with"),
            "{failure}"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failure = output(program("no-such-program", &[])).unwrap_err().to_string();
        assert!(
            failure.starts_with("error: `no-such-program` cannot be started"),
            "{failure}"
        );
    }
}
