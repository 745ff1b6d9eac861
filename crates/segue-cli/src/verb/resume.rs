//! `resume`: goes on with a run that was interrupted or waits, and follows it.

use segue::RunStatus;

use crate::arguments::ResumeArgs;
use crate::attend::Attend;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::naming;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::store::Open;

/// Goes on with a run. One that is over says so.
pub(crate) fn resume(arguments: &ResumeArgs, program: &mut Program) -> Result<Exit, Problem> {
    let project = Project::find(None, &program.common)?;
    let runtime = desk::runtime()?;
    let exit = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToRead).await?;
        let run = naming::find(&*desk.store, &arguments.run).await?;
        let known = desk.runner.attach(run).await?;
        let view = known.view();
        let status = view.status();
        if status.is_terminal() {
            let message = format!("{run} is over: {status}");
            program.screen.progress(&message);
            return program.output.ended(&known, program.common.json).await;
        }
        let desk = desk.knowing(view.plan().map(|plan| &**plan), program).await?;
        let attend = Attend {
            from_here: true,
            ..Attend::as_said(&arguments.follow, &desk)
        };
        let handle = match status {
            // Only its answer makes it go on, and that is asked for here, unless it was given and nobody could go on.
            RunStatus::Waiting if desk.unheard(run).await?.is_empty() => desk.runner.attach(run).await?,
            _ if arguments.take_over => desk.take_over(run).await?,
            _ => desk.take_up(run).await?,
        };
        attend.follow(&desk, handle, program).await
    });
    runtime.shutdown_background();
    exit
}
