//! `run`: a pipeline with its inputs, from the first check to the exit code.

use std::io::IsTerminal;
use std::path::Path;

use segue::{Error, Pipeline};

use crate::arguments::{FollowArgs, Form, RunArgs};
use crate::attend::Attend;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::{Project, quoted};
use crate::secrets;
use crate::servers;
use crate::start::{Marks, Start};
use crate::store::Open;
use crate::terminal::words;

/// The most warnings that are repeated before each run.
const MAX_WARNINGS: u64 = 3;

/// Runs a pipeline and follows it until it has come to rest.
pub(crate) fn run(mut start: Start, arguments: &RunArgs, program: &mut Program) -> Result<Exit, Problem> {
    one_form(&arguments.follow, program)?;
    let marks = Marks::read(&arguments.marks)?;
    let part = &arguments.part;
    // Where only a part runs, what is missing is known only with its workspace.
    let is_part = part.step.is_some() || part.all || part.key.is_some();
    let inputs = start.inputs(is_part || start.plan.key.is_some())?;
    secrets::warn_of("the inputs", &inputs, program.screen);
    let project = Project::find(Some(&start.path), &program.common)?;
    let runtime = desk::runtime()?;
    if runtime.block_on(servers::pin_first(&start.plan, &project, program))? {
        start.read_again(&program.operator(Some(&start.path))?)?;
    }
    warn(&start, program);
    let pipeline = Pipeline::from_plan(&start.plan, &program.operator(Some(&start.path))?.registry)?;
    let exit = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToWrite).await?;
        desk.verify(&start.plan).await?;
        let attend = Attend {
            total: start.total(),
            ..Attend::as_said(&arguments.follow, &desk)
        };
        let mut launch = start.apply(desk.runner.start(&pipeline, inputs));
        launch = launch.definition(definition(&start.path));
        launch = marks.apply(launch);
        if let Some(key) = &part.key {
            launch = launch.key(key);
        }
        let launched = match &part.step {
            Some(step) => launch.only(step).await,
            None if part.all => launch.all().await,
            None => launch.await,
        };
        let run = launched.map_err(|error| with_commands(error, &start, arguments))?;
        attend.follow(&desk, run, program).await
    });
    // What is left of an abandoned run ends with the process; nobody waits for it.
    runtime.shutdown_background();
    exit
}

/// # Errors
/// When stdout was asked to have two forms.
pub(crate) fn one_form(follow: &FollowArgs, program: &Program) -> Result<(), Problem> {
    if program.common.json && follow.output == Form::Ndjson {
        return Err(
            Problem::usage("`--json` and `--output ndjson` exclude each other")
                .hint("one object at the end, or one line for each event"),
        );
    }
    Ok(())
}

/// A refusal with the command lines that lead out of it.
fn with_commands(error: Error, start: &Start, arguments: &RunArgs) -> Problem {
    let missing = error.failure().missing.clone();
    let mut problem = Problem::from(error);
    let key = arguments.part.key.as_ref();
    let key = key
        .map(|key| format!(" --key {}", quoted(key)))
        .unwrap_or_default();
    for step in missing {
        let file = quoted(&start.path.display().to_string());
        problem = problem.hint(format!("`segue run {file} --step {step}{key}` makes `{step}`"));
    }
    problem
}

/// Whether a person reads what is said and can answer.
pub(crate) fn is_somebody_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// How a record names the file of its pipeline.
fn definition(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// Warnings of the file, one line each; `check` shows their places.
fn warn(start: &Start, program: &Program) {
    let style = program.screen.style();
    let count = start.warnings.total() as u64;
    if count > MAX_WARNINGS {
        let hint = format!("`segue check {}` shows them", start.path.display());
        let warnings = words::plural(count, "warning");
        program.screen.progress(&format!(
            "{} the file has {warnings}; {hint}",
            style.yellow("warning:")
        ));
        return;
    }
    for fault in start.warnings.list() {
        let place = match (&fault.file, fault.place) {
            (Some(file), Some(place)) => format!(" ({file}:{}:{})", place.line, place.column),
            _ => String::new(),
        };
        program.screen.progress(&format!(
            "{} {}{place}",
            style.yellow("warning:"),
            words::one_line(&fault.message)
        ));
    }
}
