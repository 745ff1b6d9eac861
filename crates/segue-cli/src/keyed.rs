//! Keyed: the workspace that a verb about a key means, and which definition says what its steps are — what the file says
//! now, else what the last run here began with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use segue::fault::quote;
use segue::plan::Plan;
use segue::{ErrorKind, Pipeline, Workspace};
use serde_json::Value as Json;

use crate::desk::Desk;
use crate::pipelines;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::{Project, quoted};
use crate::terminal::words;
use crate::workspaces::{self, Found};

/// A workspace with the definition that counts.
pub(crate) struct Keyed {
    pub(crate) workspace: Workspace,
    pub(crate) pipeline: Pipeline<Json, Json>,
    /// Its file, where it is known.
    file: Option<PathBuf>,
    /// Whether another pipeline has the key too.
    is_one_of_several: bool,
}

impl Keyed {
    /// The plan that counts.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        self.pipeline.plan()
    }

    /// The pipeline as a command line names it: its file, else its name.
    pub(crate) fn named(&self) -> String {
        match &self.file {
            Some(file) => quoted(&file.display().to_string()),
            None => quoted(self.pipeline.name()),
        }
    }

    /// `rerun KEY`, with the pipeline where that has to be said.
    pub(crate) fn rerun(&self) -> String {
        let of = match self.is_one_of_several {
            true => format!(" --pipeline {}", quoted(self.pipeline.name())),
            false => String::new(),
        };
        format!("segue rerun {}{of}", quoted(self.workspace.key()))
    }
}

/// The project of a verb about a workspace: that of the pipeline's file, where it was named by one.
///
/// # Errors
/// A configuration file that has faults.
pub(crate) fn project(pipeline: Option<&str>, program: &Program) -> Result<Project, Problem> {
    let file = pipeline.filter(|named| is_path(named)).map(Path::new);
    Project::find(file, &program.common)
}

/// The workspace of a key. `pipeline` is the name of a pipeline or a file; left out, the only one that has the key.
///
/// # Errors
/// When no run has the key and no pipeline was named, or several have it; when a file that was named has faults.
pub(crate) async fn find(
    desk: &Desk,
    program: &Program,
    key: &str,
    pipeline: Option<&str>,
) -> Result<Keyed, Problem> {
    let (found, named) = match pipeline {
        None => (Some(workspaces::the(desk, key, None).await?), None),
        Some(named) if is_path(named) => {
            let (file, pipeline) = load(&pipelines::find(Some(named), &program.common)?, program)?;
            (
                workspaces::of(desk, pipeline.name(), key).await?,
                Some((file, pipeline)),
            )
        }
        Some(named) => (workspaces::of(desk, named, key).await?, None),
    };
    let (file, pipeline) = match (named, found) {
        (Some((file, pipeline)), found) => {
            if let Some(found) = found {
                tell_change(&found, &file, &pipeline, program);
            }
            (Some(file), pipeline)
        }
        (None, Some(found)) => present(desk, program, found),
        // Nobody has used the key yet: only the file can say what its steps are.
        (None, None) => {
            let name = pipeline.unwrap_or_default();
            let file = pipelines::find(Some(name), &program.common).map_err(|_| unknown(name, key))?;
            let (file, pipeline) = load(&file, program)?;
            (Some(file), pipeline)
        }
    };
    let workspace = desk.runner.workspace(&pipeline, key)?;
    let of_key = desk.store.workspaces(Some(key.to_owned())).await;
    let of_key = of_key.map_err(crate::naming::unread)?;
    Ok(Keyed {
        workspace,
        pipeline,
        file,
        is_one_of_several: of_key.len() > 1,
    })
}

/// The definition of a workspace as its file says now, where that can be found and loads; else that of its last run.
fn present(desk: &Desk, program: &Program, found: Found) -> (Option<PathBuf>, Pipeline<Json, Json>) {
    let Some(file) = file_of(desk, program, &found) else {
        return (None, found.pipeline);
    };
    match load(&file, program) {
        Ok((file, pipeline)) if pipeline.name() == found.pipeline.name() => {
            tell_change(&found, &file, &pipeline, program);
            (Some(file), pipeline)
        }
        // It is another pipeline by now.
        Ok(_) => (None, found.pipeline),
        Err(_) => {
            let style = program.screen.style();
            let file = quoted(&file.display().to_string());
            program.screen.progress(&format!(
                "{} {file} cannot be loaded, so the steps are those of the last run; `segue check {file}` says why",
                style.yellow("warning:")
            ));
            (None, found.pipeline)
        }
    }
}

/// Where the definition of a workspace is now.
fn file_of(desk: &Desk, program: &Program, found: &Found) -> Option<PathBuf> {
    let named = found
        .definition
        .as_deref()
        .and_then(|definition| definition.strip_prefix("file:"));
    let named = named.map(PathBuf::from);
    let here = named.clone().filter(|path| pipelines::is_there(path));
    // The run was perhaps started in the folder of the project, and this verb is not.
    let there = || {
        named
            .map(|path| desk.project.folder.join(path))
            .filter(|path| pipelines::is_there(path))
    };
    here.or_else(there)
        .or_else(|| pipelines::find(Some(found.pipeline.name()), &program.common).ok())
}

fn load(file: &Path, program: &Program) -> Result<(PathBuf, Pipeline<Json, Json>), Problem> {
    let operator = program.operator(Some(file))?;
    let loaded = pipelines::load(file, &operator, false)?;
    let pipeline = Pipeline::from_plan(&loaded.plan, &operator.registry)?;
    Ok((file.to_owned(), pipeline))
}

/// Says how the file differs from what the last run here began with.
fn tell_change(found: &Found, file: &Path, now: &Pipeline<Json, Json>, program: &Program) {
    let (before, now) = (found.pipeline.plan(), now.plan());
    if before.hash() == now.hash() {
        return;
    }
    let without = |these: &Plan, those: &Plan| {
        let names = these.steps.iter().map(|step| step.name.as_str());
        let names = names.filter(|name| those.step(name).is_none());
        names
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (new, gone) = (without(now, before), without(before, now));
    let mut said = Vec::new();
    if !new.is_empty() {
        said.push(format!("new: {new}"));
    }
    if !gone.is_empty() {
        said.push(format!("gone: {gone}"));
    }
    let steps = match said.is_empty() {
        true => "its steps have the same names".to_owned(),
        false => said.join("; "),
    };
    let file = words::one_line(&file.display().to_string());
    program.screen.progress(&format!(
        "{} {file} has changed since the last run of `{}` ({steps}); what it says now counts",
        program.screen.style().yellow("note:"),
        found.key
    ));
}

/// Whether a pipeline was named by its file.
fn is_path(named: &str) -> bool {
    Path::new(named).is_file() || named.contains(['/', '.', '\\'])
}

fn unknown(pipeline: &str, key: &str) -> Problem {
    let message = format!(
        "pipeline {} has no runs with the key {}",
        quote(pipeline),
        quote(key)
    );
    Problem::new(ErrorKind::NotFound, message)
        .hint("name the file of the pipeline with `--pipeline FILE` to begin with this key")
}
