//! `rerun`: a new run that takes over what is still good of an earlier one, or of a workspace, and makes the rest again.

use std::path::{Path, PathBuf};

use segue::money::cents;
use segue::{ErrorKind, Pipeline, Rerun, RerunPreview, RunId};
use serde_json::Value as Json;

use crate::arguments::{Definition, RerunArgs};
use crate::attend::Attend;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::store::Open;
use crate::terminal::ask::Keyboard;
use crate::terminal::words;
use crate::verb::agents;
use crate::verb::run::is_somebody_there;
use crate::workspaces::{self, Found};
use crate::{inputs, naming, pipelines, start};

/// From what cost on somebody at the terminal is asked first.
const DEAR_CENTS: u64 = 10;

/// What a re-run starts from.
enum Source {
    Run(RunId),
    Workspace(Box<Found>),
}

/// Runs again what is said, with what is changed.
pub(crate) fn rerun(arguments: &RerunArgs, program: &mut Program) -> Result<Exit, Problem> {
    if arguments
        .note
        .as_deref()
        .is_some_and(|note| note.trim().is_empty())
    {
        return Err(Problem::usage("`--note` is empty").hint("say what should be different"));
    }
    let project = Project::find(None, &program.common)?;
    let runtime = desk::runtime()?;
    let exit = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToRead).await?;
        let source = source(&desk, arguments).await?;
        let desk = match &source {
            Source::Run(run) => {
                let view = desk.runner.attach(*run).await?.view();
                desk.knowing(view.plan().map(|plan| &**plan), program).await?
            }
            // Its pipeline is linked already, so its tools are known.
            Source::Workspace(_) => desk,
        };
        let (pipeline, definition) = old(&desk, &source).await?;
        let (desk, pipeline) = match arguments.definition {
            Definition::Old => (desk, pipeline),
            Definition::New => match of_agents(definition.as_deref(), program)? {
                Some(again) => (desk.knowing(Some(again.plan()), program).await?, again),
                None => {
                    let path = file(definition.as_deref(), &pipeline, program)?;
                    let named = pipelines::load(&path, &program.operator(Some(&path))?, false)?;
                    let desk = desk.knowing(Some(&*named.plan), program).await?;
                    (desk, new(&path, &pipeline, program)?)
                }
            },
        };
        let wish = || -> Result<Rerun, Problem> {
            let rerun = match &source {
                Source::Run(run) => desk.runner.rerun(*run),
                Source::Workspace(found) => desk.runner.workspace(&found.pipeline, &found.key)?.rerun(),
            };
            said(rerun, arguments, &pipeline)
        };
        let preview = wish()?.preview().await?;
        tell(&preview, program);
        if !may_go_on(&preview, arguments, program).await {
            return Err(Problem::usage("nothing was run"));
        }
        desk.verify(pipeline.plan()).await?;
        let attend = Attend {
            total: start::total(arguments.budget.as_deref(), None, pipeline.plan())?
                .unwrap_or(pipeline.plan().run.budget),
            ..Attend::as_said(&arguments.follow, &desk)
        };
        let run = wish()?.await?;
        attend.follow(&desk, run, program).await
    });
    runtime.shutdown_background();
    exit
}

/// The run or the workspace that a name means: what looks like a run is one.
async fn source(desk: &Desk, arguments: &RerunArgs) -> Result<Source, Problem> {
    let name = &arguments.source;
    let is_run = name.starts_with("run_") || name == "last";
    if !is_run {
        let found = workspaces::find(desk, name, arguments.pipeline.as_deref()).await?;
        if let Some(found) = found {
            return Ok(Source::Workspace(Box::new(found)));
        }
    }
    match naming::find(&*desk.store, name).await {
        Ok(run) => Ok(Source::Run(run)),
        Err(problem) if is_run => Err(problem),
        Err(_) => {
            let message = format!("no run and no workspace is called {}", segue::fault::quote(name));
            Err(Problem::new(ErrorKind::NotFound, message).hint("`segue runs list` shows what there is"))
        }
    }
}

/// The definition there was, and where it came from.
async fn old(desk: &Desk, source: &Source) -> Result<(Pipeline<Json, Json>, Option<String>), Problem> {
    match source {
        Source::Run(run) => {
            let head = desk.store.head(*run).await.map_err(naming::unread)?;
            let definition = head.and_then(|head| head.definition);
            Ok((desk.runner.pipeline_of(*run).await?, definition))
        }
        Source::Workspace(found) => Ok((found.pipeline.clone(), found.definition.clone())),
    }
}

/// The pipeline of agents that were put to work in one call, as they are now; none where it was not so.
fn of_agents(definition: Option<&str>, program: &Program) -> Result<Option<Pipeline<Json, Json>>, Problem> {
    let again = definition.map(|text| agents::again(text, program)).transpose()?;
    Ok(again.flatten())
}

/// The file of a definition, where it is now.
fn file(definition: Option<&str>, old: &Pipeline<Json, Json>, program: &Program) -> Result<PathBuf, Problem> {
    let named = definition.and_then(|definition| definition.strip_prefix("file:"));
    match named.map(Path::new).filter(|path| pipelines::is_there(path)) {
        Some(path) => Ok(path.to_owned()),
        None => find_file(old.name(), program),
    }
}

/// The definition as its file says now.
fn new(path: &Path, old: &Pipeline<Json, Json>, program: &Program) -> Result<Pipeline<Json, Json>, Problem> {
    let operator = program.operator(Some(path))?;
    let loaded = pipelines::load(path, &operator, false)?;
    if loaded.plan.name != old.name() {
        let message = format!(
            "`{}` is pipeline `{}`, not `{}`",
            path.display(),
            loaded.plan.name,
            old.name()
        );
        return Err(Problem::usage(message));
    }
    Ok(Pipeline::from_plan(&loaded.plan, &operator.registry)?)
}

fn find_file(name: &str, program: &Program) -> Result<PathBuf, Problem> {
    pipelines::find(Some(name), &program.common)
        .map_err(|problem| problem.hint("`--definition new` reads the file of the pipeline again"))
}

/// Says to a re-run what the flags say.
fn said(mut rerun: Rerun, arguments: &RerunArgs, pipeline: &Pipeline<Json, Json>) -> Result<Rerun, Problem> {
    let what = &arguments.what;
    if let Some(step) = &what.from {
        rerun = rerun.from(step);
    }
    if let Some(step) = &what.only {
        rerun = rerun.only(step);
    }
    if what.failed {
        rerun = rerun.failed();
    }
    if what.stale {
        rerun = rerun.stale();
    }
    if let Some(note) = &arguments.note {
        rerun = rerun.note(note);
    }
    let plan = pipeline.plan();
    if !arguments.inputs.is_empty() {
        let Json::Object(given) = inputs::some(plan, arguments.inputs.clone())? else {
            return Err(Problem::usage("the inputs are no object"));
        };
        for (name, value) in given {
            rerun = rerun.input(name, value);
        }
    }
    for text in &arguments.models {
        rerun = match start::model(text, plan)? {
            (Some(name), model) => rerun.model_of(name, model),
            (None, model) => rerun.model(model),
        };
    }
    for text in &arguments.set {
        rerun = set(rerun, text, plan)?;
    }
    if let Some(budget) = start::total(arguments.budget.as_deref(), None, plan)? {
        rerun = rerun.budget(budget);
    }
    if arguments.definition == Definition::New {
        rerun = rerun.definition(pipeline);
    }
    for label in &arguments.labels {
        let (name, value) = start::label(label)?;
        rerun = rerun.label(name, value);
    }
    Ok(rerun.trigger("cli"))
}

/// `steps.X.output=…` or `steps.X.prompt=…`.
fn set(rerun: Rerun, text: &str, plan: &segue::Plan) -> Result<Rerun, Problem> {
    let wrong = || {
        Problem::usage(format!(
            "`--set`: {} is nothing that can be set",
            segue::fault::quote(text)
        ))
        .hint("write `--set steps.NAME.output=@FILE` or `--set steps.NAME.prompt=@FILE`")
    };
    let (place, value) = text.split_once('=').ok_or_else(wrong)?;
    let place = place.strip_prefix("steps.").ok_or_else(wrong)?;
    let (step, what) = place.rsplit_once('.').ok_or_else(wrong)?;
    match what {
        "output" => {
            let schema = plan
                .step(step)
                .and_then(|at| plan.steps[at as usize].output_schema.clone());
            let schema = schema.unwrap_or_else(segue::schema::Schema::any);
            Ok(rerun.set_output(step, inputs::value(value, &schema)?))
        }
        "prompt" => Ok(rerun.set_prompt(step, inputs::text(value)?)),
        _ => Err(wrong()),
    }
}

/// What it would do and cost.
fn tell(preview: &RerunPreview, program: &Program) {
    let RerunPreview {
        reuses,
        runs,
        cost,
        unknown,
        definition_changed,
    } = preview;
    let cost = match cost {
        Some(cost) => format!("about {cost}"),
        None => format!("cost unknown ({})", words::one_line(&unknown.join(", "))),
    };
    let changed = if *definition_changed {
        ", with another definition"
    } else {
        ""
    };
    program.screen.progress(&format!(
        "re-uses {}, runs {}{changed}, {cost}",
        words::plural(reuses.len() as u64, "step"),
        words::plural(runs.len() as u64, "step"),
    ));
}

/// Whether somebody at the terminal wants what is dear.
async fn may_go_on(preview: &RerunPreview, arguments: &RerunArgs, program: &Program) -> bool {
    let is_dear = preview.cost.is_some_and(|cost| cost.nanousd > cents(DEAR_CENTS));
    if !is_dear || arguments.yes || arguments.follow.no_input || !is_somebody_there() {
        return true;
    }
    let mut keys = Keyboard::default();
    let typed = keys.line("go on? (y | n): ", program.screen).await;
    typed.is_some_and(|line| matches!(line.to_lowercase().as_str(), "y" | "yes"))
}
