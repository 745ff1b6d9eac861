//! `status`: where each step of a workspace stands, and what can be done next; without a key, of everything here.

use segue::Question;
use segue::view::{WorkspaceState, WorkspaceStatus, WorkspaceStep};
use serde_json::{Value as Json, json};

use crate::arguments::StatusArgs;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::keyed::{self, Keyed};
use crate::naming;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::quoted;
use crate::store::Open;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::{ask, words};
use crate::verb::overview;

/// Questions of a workspace that are told; more than anybody answers at once.
const MOST_QUESTIONS: usize = 100;

/// Shows where things stand. Nothing is taken up and nothing changes.
pub(crate) fn status(arguments: &StatusArgs, program: &mut Program) -> Result<Exit, Problem> {
    let pipeline = arguments.of.pipeline.as_deref();
    let project = keyed::project(pipeline, program)?;
    let runtime = desk::runtime()?;
    let shown = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToRead).await?;
        match &arguments.key {
            Some(key) => of_key(&desk, program, key, pipeline).await,
            None => overview::show(&desk, program, pipeline).await,
        }
    });
    runtime.shutdown_background();
    shown.map(|()| Exit::Done)
}

async fn of_key(
    desk: &Desk,
    program: &mut Program,
    key: &str,
    pipeline: Option<&str>,
) -> Result<(), Problem> {
    let keyed = keyed::find(desk, program, key, pipeline).await?;
    let status = keyed.workspace.status().await?;
    let questions = questions(desk, &status).await?;
    if program.common.json {
        let mut object = serde_json::to_value(&status).unwrap_or_default();
        if let Json::Object(fields) = &mut object {
            fields.shift_insert(0, "schema".into(), json!("segue.status/1"));
            fields.insert("questions".into(), json!(questions));
        }
        program.output.object(&object);
        return Ok(());
    }
    program.output.document(&text(&status, Paper::of(program)));
    for line in ways_on(&keyed, &status, &questions, &desk.project.store_flag()) {
        program.hint(&line);
    }
    Ok(())
}

/// The open questions of runs that are at work here.
async fn questions(desk: &Desk, status: &WorkspaceStatus) -> Result<Vec<Question>, Problem> {
    let mut runs = Vec::new();
    for step in status
        .steps
        .iter()
        .filter(|step| step.state == WorkspaceState::Waiting)
    {
        runs.extend(step.run.filter(|run| !runs.contains(run)));
    }
    let mut questions = Vec::new();
    for run in runs {
        let open = desk.store.questions(Some(run), MOST_QUESTIONS).await;
        questions.extend(open.map_err(naming::unread)?);
    }
    Ok(questions)
}

fn text(status: &WorkspaceStatus, paper: Paper) -> String {
    let style = paper.style;
    let mut lines = vec![format!(
        "{} {}: {} of {} done",
        style.bold(&words::one_line(&status.pipeline)),
        status.key,
        status.done,
        words::plural(status.total as u64, "step"),
    )];
    let mut table = Table::new([
        column("step"),
        names("state"),
        column("updated"),
        numbers("cost"),
        column("hash"),
        column("run"),
    ]);
    for step in &status.steps {
        let (shape, state) = state(step, paper);
        let cost = match step.cost.is_zero() && step.hash.is_none() {
            true => String::new(),
            false => step.cost.nanousd.human().to_string(),
        };
        table.row([
            format!("{shape} {}", words::one_line(&step.name)),
            state,
            step.updated.map(|at| paper.moment(at)).unwrap_or_default(),
            cost,
            step.hash
                .as_deref()
                .map(short_hash)
                .unwrap_or_default()
                .to_owned(),
            step.run.map(|run| paper.id(&run.to_string())).unwrap_or_default(),
        ]);
    }
    lines.extend(table.lines(paper, ""));
    lines.join("\n")
}

/// Shape and words for where a step stands.
fn state(step: &WorkspaceStep, paper: Paper) -> (String, String) {
    let style = paper.style;
    let missing = || step.missing.join(", ");
    let (shape, word) = match step.state {
        WorkspaceState::Done if step.stale => {
            let because = step.stale_because.join(", ");
            return (
                style.yellow("~"),
                style.yellow(&format!("stale ({because} changed)")),
            );
        }
        WorkspaceState::Pending => {
            return (
                style.dim("○"),
                style.dim(&format!("pending (needs {})", missing())),
            );
        }
        WorkspaceState::Failed if !step.missing.is_empty() => {
            return (
                style.red("✗"),
                style.red(&format!("failed (needs {})", missing())),
            );
        }
        WorkspaceState::Done => (style.green("✓"), style.green("done")),
        WorkspaceState::Next => (style.cyan("→"), style.cyan("next")),
        WorkspaceState::Running => (style.blue("◐"), style.blue("running")),
        WorkspaceState::Waiting => (style.yellow("‖"), style.yellow("waiting for an answer")),
        WorkspaceState::Failed => (style.red("✗"), style.red("failed")),
        WorkspaceState::Skipped => (style.dim("–"), style.dim("skipped")),
    };
    // What was skipped can be stale too, and a step that runs may have an old result that is.
    match step.stale {
        true => (
            shape,
            format!("{word}, stale ({} changed)", step.stale_because.join(", ")),
        ),
        false => (shape, word),
    }
}

/// The first digits of a hash, which `documents put` takes for it.
pub(crate) fn short_hash(hash: &str) -> &str {
    let digits = hash.strip_prefix("sha256:").unwrap_or(hash);
    digits.get(..12).unwrap_or(digits)
}

/// The command lines that lead on.
fn ways_on(keyed: &Keyed, status: &WorkspaceStatus, questions: &[Question], store: &str) -> Vec<String> {
    let mut ways = Vec::new();
    for question in questions {
        let title = words::one_line(&question.title);
        ways.push(format!("`{}` answers `{title}`", ask::command(question, store)));
    }
    let run = format!(
        "segue run {} --key {}",
        keyed.named(),
        quoted(keyed.workspace.key())
    );
    if let Some(step) = status.next.first() {
        ways.push(format!(
            "`{run} --step {}{store}` runs what is next",
            quoted(step)
        ));
        if status.total - status.done > 1 {
            ways.push(format!("`{run} --all{store}` runs everything that has no result"));
        }
    }
    if status.steps.iter().any(|step| step.stale) {
        let rerun = keyed.rerun();
        ways.push(format!("`{rerun} --stale{store}` makes what is stale again"));
    }
    ways
}
