//! `cancel`: ends runs, whoever works on them.

use segue::store::RunQuery;
use segue::{ErrorKind, RunId, RunStatus};
use serde_json::json;

use crate::arguments::CancelArgs;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::naming;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::store::Open;
use crate::terminal::words;

/// Cancels runs. One that is over stays as it is and is named.
pub(crate) fn cancel(arguments: &CancelArgs, program: &mut Program) -> Result<Exit, Problem> {
    if arguments.all && arguments.pipeline.is_none() {
        return Err(
            Problem::usage("`--all` needs `--pipeline`").hint("name the pipeline whose runs are cancelled")
        );
    }
    if arguments.runs.is_empty() && !arguments.all {
        return Err(
            Problem::usage("no run was named").hint("`segue runs list --status running` shows what there is")
        );
    }
    let project = Project::find(None, &program.common)?;
    let runtime = desk::runtime()?;
    let cancelled = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToRead).await?;
        let mut runs = Vec::new();
        for name in &arguments.runs {
            runs.push(naming::find(&*desk.store, name).await?);
        }
        if arguments.all {
            runs.extend(unfinished(&desk, arguments.pipeline.as_deref()).await?);
        }
        let mut cancelled = Vec::new();
        for run in runs {
            let ended = desk
                .runner
                .cancel(run, "cli", arguments.reason.as_deref())
                .await?;
            let status = match ended {
                Some(status) => status,
                None => desk.rests(run).await?,
            };
            cancelled.push((run, ended.is_none(), status));
        }
        let _ = desk.runner.close().await;
        Ok::<_, Problem>(cancelled)
    });
    runtime.shutdown_background();
    let cancelled = cancelled?;
    if program.common.json {
        let runs: Vec<_> = cancelled
            .iter()
            .map(|(run, changed, status)| json!({"id": run, "changed": changed, "status": status}))
            .collect();
        program
            .output
            .object(&json!({"schema": "segue.cancel/1", "runs": runs}));
    } else {
        for (run, changed, status) in &cancelled {
            program.output.document(&match changed {
                true => format!("{run} {status}"),
                false => format!("{run} was over: {status}"),
            });
        }
    }
    Ok(Exit::Done)
}

/// The runs of a pipeline that are not over.
async fn unfinished(desk: &Desk, pipeline: Option<&str>) -> Result<Vec<RunId>, Problem> {
    let statuses = [RunStatus::Queued, RunStatus::Running, RunStatus::Waiting];
    let mut query = RunQuery {
        pipeline: pipeline.map(str::to_owned),
        status: statuses.to_vec(),
        ..RunQuery::newest(500)
    };
    let mut found = Vec::new();
    loop {
        let page = desk.store.runs(query.clone()).await.map_err(naming::unread)?;
        found.extend(page.items.iter().map(|head| head.id));
        match page.next_cursor {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    if found.is_empty() {
        let name = words::one_line(pipeline.unwrap_or_default());
        return Err(Problem::new(
            ErrorKind::NotFound,
            format!("no run of `{name}` is at work or waits"),
        ));
    }
    Ok(found)
}
