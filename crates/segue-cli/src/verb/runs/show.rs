//! `runs show`: a run at rest — as a whole, one step of it, its calls, what its models were told, one output.

use segue::view::StepView;
use segue::{ErrorKind, RunView, StepStatus, Value};
use serde_json::{Map, Value as Json, json};

use crate::arguments::runs::ShowArgs;
use crate::desk::Desk;
use crate::exit::Exit;
use crate::naming;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;

use super::{at_desk, read, step_of};

mod calls;
mod next;
mod page;
mod step;

pub(super) use calls::is_in;

/// Shows a run, or a part of it.
pub(super) fn show(arguments: &ShowArgs, program: &mut Program) -> Result<Exit, Problem> {
    at_desk(program, async |desk, program| {
        let (run, view) = read(desk, &arguments.run).await?;
        let part = &arguments.part;
        let path = arguments.step.as_deref();
        if let Some(path) = path {
            step_of(&view, path)?;
        }
        if let Some(path) = &part.output_of {
            let output = output_of(desk, &view, path).await?;
            write_output(&view, path, output, program);
        } else if part.calls {
            calls::show(&view, path, program);
        } else if part.prompt {
            calls::show_prompts(&view, path, program)?;
        } else if let Some(path) = path {
            let step = step_of(&view, path)?;
            match program.common.json {
                true => program.output.object(&step_object(&view, step)),
                false => step::show(&view, step, program),
            }
        } else {
            let head = desk.store.head(run.id()).await.map_err(naming::unread)?;
            let is_held = head.is_some_and(|head| head.owner.is_some());
            let next = next::after(&view, is_held, &desk.project.store_flag());
            if program.common.json {
                let mut record = view.record();
                record.next = next;
                program.output.object(&record);
            } else if part.cost {
                calls::show_cost(&view, program);
            } else {
                page::show(&view, &next, program);
            }
        }
        Ok(Exit::Done)
    })
}

/// The record of a step with what is in it, `segue.step/1`.
fn step_object(view: &RunView, step: &StepView) -> Json {
    let mut object = Map::new();
    object.insert("schema".to_owned(), json!("segue.step/1"));
    object.insert("run".to_owned(), json!(view.id()));
    let stale = view.stale();
    let record = |step: &StepView| {
        let mut step = step.clone();
        if let Some(because) = stale.get(&step.path) {
            step.stale = true;
            step.stale_because.clone_from(because);
        }
        json!(step)
    };
    if let Json::Object(fields) = record(step) {
        object.extend(fields);
    }
    let children: Vec<Json> = view.children(&step.path).map(record).collect();
    let calls: Vec<Json> = view.calls_of(&step.path).map(|call| json!(call)).collect();
    object.insert("children".to_owned(), children.into());
    object.insert("calls".to_owned(), calls.into());
    object.into()
}

/// The output of a step as a whole, also one that is kept beside the log.
async fn output_of(desk: &Desk, view: &RunView, path: &str) -> Result<Json, Problem> {
    let step = step_of(view, path)?;
    let unread = |why: String| {
        let message = format!("the output of step `{path}` cannot be read: {why}");
        Problem::new(ErrorKind::Store, message).hint("`segue doctor` looks for damage")
    };
    if let Some(kept) = &step.output_ref {
        let bytes = desk.store.blobs().load(&kept.sha256, kept.bytes).await;
        let bytes = bytes
            .map_err(naming::unread)?
            .ok_or_else(|| unread("its bytes are gone".to_owned()))?;
        return serde_json::from_slice(&bytes).map_err(|error| unread(error.to_string()));
    }
    match &step.output {
        Some(output) => Value::to_json(output)
            .map(|json| Json::clone(&json))
            .map_err(|error| unread(error.to_string())),
        None if step.status == StepStatus::Succeeded => Ok(Json::Null),
        None => {
            let message = format!("step `{path}` has no output: it is {}", step.status);
            let run = view.id().map(|run| run.to_string()).unwrap_or_default();
            Err(Problem::new(ErrorKind::NotFound, message)
                .hint(format!("`segue runs show {run} --step {path}` says why")))
        }
    }
}

fn write_output(view: &RunView, path: &str, output: Json, program: &mut Program) {
    match program.common.json {
        true => program.output.object(&json!({
            "schema": "segue.output/1", "run": view.id(), "step": path, "output": output,
        })),
        false => program.output.value(&output),
    }
}

/// Facts in two columns, the names dim.
fn facts(facts: &[(&str, String)], paper: Paper) -> Vec<String> {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    facts
        .iter()
        .map(|(name, fact)| {
            let name = paper.style.dim(&format!("{name:<width$}"));
            paper.fit(&format!("  {name}  {fact}"))
        })
        .collect()
}
