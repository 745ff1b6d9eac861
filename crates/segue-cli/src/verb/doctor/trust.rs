//! `doctor --trust`: what a project's configuration can start and where it sends keys, shown before it is accepted.

use segue::ErrorKind;

use super::Check;
use crate::config::{Layer, Level};
use crate::desk;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::terminal::ask::Keyboard;
use crate::terminal::words;
use crate::trust::{self, Power};
use crate::verb::run::is_somebody_there;

/// Accepts the project's configuration as it is, after it was shown and, unless `--yes` says so, somebody agreed.
///
/// # Errors
/// That there is none, that nobody could be asked or somebody said no, that it could not be kept.
pub(super) fn accept(project: &Project, yes: bool, program: &Program) -> Result<(), Problem> {
    let Some(layer) = of_project(project) else {
        let message = "there is no `segue.toml` here to accept";
        return Err(Problem::new(ErrorKind::NotFound, message)
            .hint("give the command in the folder of the project; your own and named files always count"));
    };
    let shown = words::one_line(&layer.path().display().to_string());
    let screen = program.screen;
    let powers = trust::powers(layer);
    match powers.is_empty() {
        true => screen.line(&format!("`{shown}` starts nothing and sends no key anywhere")),
        false => screen.line(&format!("`{shown}` says:")),
    }
    for line in lines(layer, &powers) {
        screen.line(&format!("  {line}"));
    }
    if !yes && !powers.is_empty() {
        agree(program)?;
    }
    trust::accept(layer.path(), layer.source().text()).map_err(|error| {
        Problem::new(
            ErrorKind::Conflict,
            format!("`{shown}` was not accepted: {error}"),
        )
        .hint("name the file with `--config`, or say it in your own configuration file")
    })?;
    screen.progress(&format!("`{shown}` is accepted as it is, until it changes"));
    Ok(())
}

/// Asks somebody at the terminal.
fn agree(program: &Program) -> Result<(), Problem> {
    if !is_somebody_there() {
        return Err(
            Problem::usage("nothing was accepted: nobody is there to be asked")
                .hint("say `--yes` where the file has been looked at"),
        );
    }
    let mut keys = Keyboard::default();
    let asked = keys.line("may it do that, until it changes? (y | n): ", program.screen);
    let typed = desk::runtime()?.block_on(asked);
    match typed.is_some_and(|line| matches!(line.trim().to_lowercase().as_str(), "y" | "yes")) {
        true => Ok(()),
        false => Err(Problem::usage("nothing was accepted")),
    }
}

/// Whether everything counts that the project's configuration says.
pub(super) fn checks(project: &Project) -> Option<Check> {
    let layer = of_project(project)?;
    let powers = trust::powers(layer);
    let shown = layer.path().display();
    let is_trusted = trust::is_trusted(layer);
    Some(match (is_trusted, powers.is_empty()) {
        (true, _) => Check::good("trust", format!("{shown} is accepted as it is")),
        (false, true) => Check::good(
            "trust",
            format!("{shown} starts nothing and sends no key anywhere"),
        ),
        (false, false) => Check {
            lines: lines(layer, &powers),
            ..Check::bad(
                "trust",
                format!("{shown} was not accepted: runs that need this stop before they start"),
                "look at it, then `segue doctor --trust` accepts it as it is",
            )
        },
    })
}

/// The file that came with the project, unless it was named: then it is chosen already.
fn of_project(project: &Project) -> Option<&Layer> {
    project
        .config
        .layers()
        .find(|layer| layer.level() == Level::Project)
}

/// Each entry, where it is, and what it does.
fn lines(layer: &Layer, powers: &[Power]) -> Vec<String> {
    let shown = words::one_line(&layer.path().display().to_string());
    let line = |power: &Power| {
        let (entry, does) = (words::one_line(&power.entry), &power.does);
        format!("{shown}:{}: `{entry}` {does}", power.line)
    };
    powers.iter().map(line).collect()
}
