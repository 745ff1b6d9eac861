//! `runs`: what is kept of runs, read and removed. Nothing here takes up a run, and a store that is not there is empty and
//! is not made.

use segue::view::StepView;
use segue::{ErrorKind, RunHandle, RunView};
use serde_json::Value as Json;

use crate::arguments::runs::{RunsArgs, RunsVerb};
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::naming;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::store::Open;

mod diff;
mod export;
mod list;
mod logs;
mod query;
mod remove;
mod show;

/// Does what is to be done with runs.
pub(crate) fn runs(arguments: &RunsArgs, program: &mut Program) -> Result<Exit, Problem> {
    match &arguments.verb {
        RunsVerb::List(arguments) => list::list(arguments, program),
        RunsVerb::Show(arguments) => show::show(arguments, program),
        RunsVerb::Logs(arguments) => logs::logs(arguments, program),
        RunsVerb::Diff(arguments) => diff::diff(arguments, program),
        RunsVerb::Export(arguments) => export::export(arguments, program),
        RunsVerb::Rm(arguments) => remove::remove(arguments, program),
    }
}

/// Works at the desk of the project with what its store has.
///
/// # Errors
/// When the store cannot be opened, and those of the work.
pub(crate) fn at_desk<T>(
    program: &mut Program,
    work: impl AsyncFnOnce(&Desk, &mut Program) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let project = Project::find(None, &program.common)?;
    let runtime = desk::runtime()?;
    let done = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToRead).await?;
        work(&desk, program).await
    });
    runtime.shutdown_background();
    done
}

/// A run by its name, as its log has it.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(crate) async fn read(desk: &Desk, name: &str) -> Result<(RunHandle<Json>, RunView), Problem> {
    let run = naming::find(&*desk.store, name).await?;
    let run = desk.runner.attach(run).await?;
    let view = run.view();
    Ok((run, view))
}

/// A step, an item or a nested step of a run.
///
/// # Errors
/// Kind `not_found` with the paths there are.
fn step_of<'a>(view: &'a RunView, path: &str) -> Result<&'a StepView, Problem> {
    view.step(path).ok_or_else(|| {
        let message = match view.id() {
            Some(run) => format!("run {run} has no step {}", segue::fault::quote(path)),
            None => format!("there is no step {}", segue::fault::quote(path)),
        };
        let known = view.all_steps().map(|step| step.path.as_str());
        let problem = Problem::new(ErrorKind::NotFound, message);
        match segue::file::suggest::Nearest::of(path, known, "steps").hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    })
}
