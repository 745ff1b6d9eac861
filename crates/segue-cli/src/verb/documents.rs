//! `documents`: the current results of a workspace, listed, printed, written by hand.

use segue::store::Document;
use segue::view::WorkspaceStep;
use segue::{DocumentValue, ErrorKind};
use serde_json::{Map, Value as Json, json};

use crate::arguments::{Documents, DocumentsArgs, WriteDocument};
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::inputs;
use crate::keyed::{self, Keyed};
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::quoted;
use crate::store::Open;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::words;
use crate::verb::answer::who;
use crate::verb::status::short_hash;

/// Fewest digits of a hash that stand for it.
const FEWEST: usize = 12;

/// Lists, prints or writes results.
pub(crate) fn documents(arguments: &DocumentsArgs, program: &mut Program) -> Result<Exit, Problem> {
    let (named, of, how) = match &arguments.what {
        Documents::Ls(arguments) => (&arguments.key, &arguments.of, Open::ToRead),
        Documents::Cat(arguments) => (&arguments.document, &arguments.of, Open::ToRead),
        Documents::Put(arguments) => (&arguments.document, &arguments.of, Open::ToWrite),
    };
    let pipeline = of.pipeline.as_deref();
    let (key, step) = match &arguments.what {
        Documents::Ls(_) => (named.as_str(), ""),
        _ => parts(named)?,
    };
    let project = keyed::project(pipeline, program)?;
    let runtime = desk::runtime()?;
    let done = runtime.block_on(async {
        let desk = Desk::open(program, project, how).await?;
        let keyed = keyed::find(&desk, program, key, pipeline).await?;
        match &arguments.what {
            Documents::Ls(_) => list(&keyed, program).await,
            Documents::Cat(_) => print(&keyed, step, program).await,
            Documents::Put(arguments) => put(&desk, &keyed, step, arguments, program).await,
        }
    });
    runtime.shutdown_background();
    done.map(|()| Exit::Done)
}

/// `KEY/STEP`.
fn parts(document: &str) -> Result<(&str, &str), Problem> {
    let parts = document.split_once('/');
    parts
        .filter(|(key, step)| !key.is_empty() && !step.is_empty())
        .ok_or_else(|| {
            let message = format!("{} names no result", segue::fault::quote(document));
            Problem::usage(message).hint("write the key and the step, such as `exp-7/metrics`")
        })
}

async fn list(keyed: &Keyed, program: &mut Program) -> Result<(), Problem> {
    let workspace = &keyed.workspace;
    let status = workspace.status().await?;
    let documents = workspace.documents().await?;
    let documents: Vec<(&Document, &WorkspaceStep)> = documents
        .iter()
        .filter(|document| document.run.is_some())
        .filter_map(|document| {
            let step = status.steps.iter().find(|step| step.name == document.step)?;
            Some((document, step))
        })
        .collect();
    if program.common.json {
        let item = |(document, step): &(&Document, &WorkspaceStep)| {
            json!({
                "name": document.step, "status": document.status, "hash": document.hash, "version": document.version,
                "updated": document.updated, "run": document.run, "cost": document.cost,
                "stale": step.stale, "stale_because": step.stale_because,
            })
        };
        let items: Vec<Json> = documents.iter().map(item).collect();
        program.output.object(&object(keyed, items));
        return Ok(());
    }
    let paper = Paper::of(program);
    let style = paper.style;
    let mut table = Table::new([
        names("step"),
        column("hash"),
        numbers("version"),
        column("updated"),
        numbers("cost"),
        column("run"),
        names("note"),
    ]);
    for (document, step) in documents {
        let note = match (step.stale, document.empty) {
            (true, _) => style.yellow(&format!("stale ({} changed)", step.stale_because.join(", "))),
            (false, true) => style.dim("empty"),
            (false, false) if document.status != segue::StepStatus::Succeeded => {
                style.dim(document.status.as_str())
            }
            _ => String::new(),
        };
        table.row([
            words::one_line(&document.step),
            document
                .hash
                .as_deref()
                .map(short_hash)
                .unwrap_or_default()
                .to_owned(),
            document.version.to_string(),
            paper.moment(document.updated),
            document.cost.nanousd.human().to_string(),
            document
                .run
                .map(|run| paper.id(&run.to_string()))
                .unwrap_or_default(),
            note,
        ]);
    }
    match table.is_empty() {
        true => program
            .screen
            .progress(&format!("`{}` has no results yet", workspace.key())),
        false => program.output.document(&table.lines(paper, "").join("\n")),
    }
    Ok(())
}

async fn print(keyed: &Keyed, step: &str, program: &mut Program) -> Result<(), Problem> {
    let found = keyed.workspace.document(step).await.map_err(Problem::from);
    let found = found.map_err(|problem| match problem.failure().kind {
        ErrorKind::NotFound => {
            let key = quoted(keyed.workspace.key());
            problem.hint(format!("`segue documents ls {key}` lists what there is"))
        }
        _ => problem,
    })?;
    match program.common.json {
        true => program.output.object(&object(keyed, vec![item(&found)])),
        false => program.output.value(&found.value),
    }
    Ok(())
}

async fn put(
    desk: &Desk,
    keyed: &Keyed,
    step: &str,
    arguments: &WriteDocument,
    program: &mut Program,
) -> Result<(), Problem> {
    let plan = keyed.plan();
    let planned = plan.step(step).map(|at| &plan.steps[at as usize]);
    let schema = planned.and_then(|step| step.output_schema.clone());
    let schema = schema.unwrap_or_else(segue::schema::Schema::any);
    let value = inputs::value(&arguments.value, &schema)?;
    let workspace = &keyed.workspace;
    let current = workspace.documents().await?;
    let current = current.into_iter().find(|document| document.step == step);
    let current = current
        .filter(|document| document.run.is_some())
        .and_then(|document| document.hash);
    let expected = arguments
        .expected_hash
        .as_deref()
        .map(|given| meant(given, current.as_deref()));
    let written = workspace
        .put_as(step, value, expected.as_deref(), &who(), "cli")
        .await;
    // Whether or not it was written, nobody waits for this process any more.
    let _ = desk.runner.close().await;
    let written = written.map_err(|error| {
        let is_conflict = error.kind() == ErrorKind::Conflict;
        let problem = Problem::from(error);
        match (is_conflict, current) {
            (true, Some(hash)) => {
                let document = quoted(&arguments.document);
                problem
                    .hint(format!(
                        "`segue documents cat {document}` shows what is there; nothing was written"
                    ))
                    .hint(format!("`--expected-hash {}` replaces it", short_hash(&hash)))
            }
            _ => problem,
        }
    })?;
    if program.common.json {
        program.output.object(&object(keyed, vec![item(&written)]));
        return Ok(());
    }
    program.output.document(written.hash.as_deref().unwrap_or("none"));
    let status = workspace.status().await?;
    let stale: Vec<&str> = status
        .steps
        .iter()
        .filter(|step| step.stale)
        .map(|step| step.name.as_str())
        .collect();
    if !stale.is_empty() {
        let (rerun, store) = (keyed.rerun(), desk.project.store_flag());
        program
            .screen
            .progress(&format!("stale now: {}", stale.join(", ")));
        program.hint(&format!("`{rerun} --stale{store}` makes them again"));
    }
    Ok(())
}

/// The hash that is meant: where the digits given begin that of the current result, that one.
fn meant(given: &str, current: Option<&str>) -> String {
    let digits = given.strip_prefix("sha256:").unwrap_or(given);
    let begins = |hash: &&str| {
        let known = hash.strip_prefix("sha256:").unwrap_or(hash);
        digits.len() >= FEWEST && known.starts_with(digits)
    };
    current.filter(begins).unwrap_or(given).to_owned()
}

fn item(found: &DocumentValue) -> Json {
    json!({
        "name": found.name, "value": found.value, "hash": found.hash, "updated": found.updated, "run": found.run,
        "edited": found.edited,
    })
}

fn object(keyed: &Keyed, items: Vec<Json>) -> Json {
    let mut object = Map::new();
    object.insert("schema".into(), json!("segue.documents/1"));
    object.insert("pipeline".into(), json!(keyed.pipeline.name()));
    object.insert("key".into(), json!(keyed.workspace.key()));
    object.insert("items".into(), json!(items));
    Json::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_named_by_key_and_step() {
        assert_eq!(parts("exp-7/metrics").ok(), Some(("exp-7", "metrics")));
        for wrong in ["exp-7", "/metrics", "exp-7/", "/"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_digits_of_a_hash_stand_for_it() {
        let hash = "sha256:0123456789abcdef";
        for given in [hash, "0123456789abcdef", "0123456789ab", "sha256:0123456789ab"] {
            assert_eq!(meant(given, Some(hash)), hash);
        }
        assert_eq!(
            meant("0123456789a", Some(hash)),
            "0123456789a",
            "too few digits stand for nothing"
        );
        assert_eq!(meant("ffffffffffff", Some(hash)), "ffffffffffff");
        assert_eq!(meant("0123456789ab", None), "0123456789ab");
    }
}
