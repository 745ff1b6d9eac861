//! `status` without a key: what runs, what waits for people, which workspaces were worked in last, whether calls are
//! halted. Asks the store a bounded number of things, however many runs it has.

use segue::question::QuestionKind;
use segue::store::{Halt, Head, RunQuery, Store};
use segue::view::WorkspaceStatus;
use segue::{Question, RunId, RunStatus};
use serde_json::{Value as Json, json};

use crate::desk::Desk;
use crate::naming::unread;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::{ask, words};
use crate::workspaces;

/// Runs and questions that are read; what is more is said to be more.
const MOST: usize = 200;
/// Workspaces that are shown: those worked in last.
const WORKSPACES: usize = 10;
/// How many of the newest runs say which these are.
const NEWEST: usize = 500;
/// Rows of a list that are shown to a person.
const ROWS: usize = 20;

struct Overview {
    halt: Option<Halt>,
    at_work: Vec<Head>,
    /// Those whose process is dead.
    left: Vec<RunId>,
    waiting: Vec<Head>,
    questions: Vec<Question>,
    workspaces: Vec<Seen>,
    /// How many workspaces there are.
    total: usize,
}

/// A workspace; how it stands is none where this program cannot run its pipeline.
struct Seen {
    pipeline: String,
    key: String,
    status: Option<WorkspaceStatus>,
}

/// Shows everything here, or of one pipeline.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn show(desk: &Desk, program: &mut Program, pipeline: Option<&str>) -> Result<(), Problem> {
    let overview = read(desk, pipeline).await?;
    if program.common.json {
        program.output.object(&overview.object());
        return Ok(());
    }
    program.output.document(&overview.text(Paper::of(program)));
    let store = desk.project.store_flag();
    if let Some(run) = overview.left.first() {
        program.hint(&format!(
            "`segue resume {run}{store}` goes on with what a dead process has left, and so does whatever runs something next"
        ));
    }
    if overview.halt.is_some() {
        program.hint(&format!("`segue halt --off{store}` lets calls go on"));
    }
    for question in overview.questions.iter().take(3) {
        let title = words::one_line(&question.title);
        program.hint(&format!("`{}` answers `{title}`", ask::command(question, &store)));
    }
    if overview.at_work.is_empty() && overview.waiting.is_empty() && overview.total == 0 {
        program.hint("`segue runs list` shows the runs that are over");
    }
    Ok(())
}

async fn read(desk: &Desk, pipeline: Option<&str>) -> Result<Overview, Problem> {
    let store = &*desk.store;
    let runs = |status: &[RunStatus], limit| {
        store.runs(RunQuery {
            status: status.to_vec(),
            pipeline: pipeline.map(str::to_owned),
            ..RunQuery::newest(limit)
        })
    };
    let at_work = runs(&[RunStatus::Queued, RunStatus::Running], MOST)
        .await
        .map_err(unread)?;
    let waiting = runs(&[RunStatus::Waiting], MOST).await.map_err(unread)?;
    let mut questions = store.questions(None, MOST).await.map_err(unread)?;
    questions.retain(|question| pipeline.is_none_or(|name| question.pipeline == name));
    let mut all = store.workspaces(None).await.map_err(unread)?;
    all.retain(|workspace| pipeline.is_none_or(|name| workspace.pipeline == name));
    let mut seen: Vec<Seen> = Vec::new();
    if !all.is_empty() {
        let newest = runs(&[], NEWEST).await.map_err(unread)?;
        for head in newest.items {
            let Some(key) = head.key else { continue };
            let is_known = seen
                .iter()
                .any(|seen| seen.pipeline == head.pipeline && seen.key == key);
            if is_known || seen.len() == WORKSPACES {
                continue;
            }
            let status = stands(desk, &head.pipeline, &key).await;
            seen.push(Seen {
                pipeline: head.pipeline,
                key,
                status,
            });
        }
    }
    let left = left(store, &at_work.items).await?;
    Ok(Overview {
        left,
        halt: store.halted().await.map_err(unread)?,
        at_work: at_work.items,
        waiting: waiting.items,
        questions,
        workspaces: seen,
        total: all.len(),
    })
}

/// Which of the runs at work nobody works on.
async fn left(store: &dyn Store, at_work: &[Head]) -> Result<Vec<RunId>, Problem> {
    if at_work.is_empty() {
        return Ok(Vec::new());
    }
    let owners = store.owners().await.map_err(unread)?;
    let works = |head: &&Head| {
        let owner = owners.iter().find(|seen| head.owner == Some(seen.owner.id));
        owner.is_some_and(|seen| !seen.owner.place.is_dead())
    };
    let left = at_work.iter().filter(|head| !works(head));
    // One that waits for its turn has nobody yet.
    let left = left.filter(|head| head.owner.is_some() || head.standing.status == RunStatus::Running);
    Ok(left.map(|head| head.id).collect())
}

/// How a workspace stands by the definition of its last run.
async fn stands(desk: &Desk, pipeline: &str, key: &str) -> Option<WorkspaceStatus> {
    let found = workspaces::of(desk, pipeline, key).await.ok()??;
    let workspace = desk.runner.workspace(&found.pipeline, key).ok()?;
    workspace.status().await.ok()
}

impl Overview {
    fn object(&self) -> Json {
        let run = |head: &Head| {
            json!({
                "id": head.id, "pipeline": head.pipeline, "key": head.key, "status": head.standing.status,
                "left": self.left.contains(&head.id), "queued": head.queued, "started": head.standing.started, "trigger": head.trigger,
            })
        };
        let workspace = |seen: &Seen| {
            let status = seen.status.as_ref();
            json!({
                "pipeline": seen.pipeline, "key": seen.key,
                "done": status.map(|status| status.done), "total": status.map(|status| status.total),
                "next": status.map(|status| &status.next),
                "stale": status.map(stale),
            })
        };
        json!({
            "schema": "segue.overview/1",
            "halted": self.halt,
            "at_work": self.at_work.iter().map(run).collect::<Vec<_>>(),
            "waiting": self.waiting.iter().map(run).collect::<Vec<_>>(),
            "questions": self.questions,
            "workspaces": self.workspaces.iter().map(workspace).collect::<Vec<_>>(),
            "workspaces_total": self.total,
        })
    }

    fn text(&self, paper: Paper) -> String {
        let style = paper.style;
        let mut lines = Vec::new();
        if let Some(halt) = &self.halt {
            let since = paper.moment_in_full(halt.since);
            let mut line = format!("calls are halted by {} since {since}", words::one_line(&halt.by));
            if let Some(reason) = &halt.reason {
                line.push_str(&format!(": {}", words::one_line(reason)));
            }
            lines.push(style.red(&line));
        }
        let pauses = self
            .questions
            .iter()
            .filter(|question| question.kind == QuestionKind::Budget);
        let pauses = pauses.count();
        lines.push(format!(
            "{} at work, {} for people{}, {}",
            counted(self.at_work.len(), "run"),
            match self.waiting.len() {
                0 => "none waits".to_owned(),
                1 => "1 waits".to_owned(),
                MOST => format!("{MOST} or more wait"),
                more => format!("{more} wait"),
            },
            match pauses {
                0 => String::new(),
                1 => " (1 budget is used up)".to_owned(),
                more => format!(" ({more} budgets are used up)"),
            },
            words::plural(self.total as u64, "workspace"),
        ));
        self.runs(paper, &mut lines);
        self.waits(paper, &mut lines);
        self.keys(paper, &mut lines);
        lines.join("\n")
    }

    fn runs(&self, paper: Paper, lines: &mut Vec<String>) {
        let mut table = Table::new([
            column("at work"),
            names("pipeline"),
            names("key"),
            column("status"),
            column("since"),
        ]);
        for head in self.at_work.iter().take(ROWS) {
            table.row([
                paper.id(&head.id.to_string()),
                words::one_line(&head.pipeline),
                head.key.clone().unwrap_or_default(),
                match self.left.contains(&head.id) {
                    true => paper.style.yellow("left by its process"),
                    false => head.standing.status.to_string(),
                },
                paper.moment(head.standing.started.unwrap_or(head.queued)),
            ]);
        }
        section(table, self.at_work.len().saturating_sub(ROWS), paper, lines);
    }

    fn waits(&self, paper: Paper, lines: &mut Vec<String>) {
        let mut table = Table::new([
            column("waits"),
            names("pipeline"),
            names("step"),
            names("for"),
            column("since"),
        ]);
        for question in self.questions.iter().take(ROWS) {
            let what = match (question.kind, &question.budget) {
                (QuestionKind::Budget, Some(limit)) => {
                    let spent = limit.spent.as_deref().unwrap_or("0");
                    let name = words::one_line(&limit.name);
                    format!("budget {name}: spent {spent} of {} {}", limit.limit, limit.unit)
                }
                _ => words::one_line(&question.title),
            };
            table.row([
                paper.id(&question.run.to_string()),
                words::one_line(&question.pipeline),
                words::one_line(&question.step),
                what,
                paper.moment(question.asked),
            ]);
        }
        section(table, self.questions.len().saturating_sub(ROWS), paper, lines);
    }

    fn keys(&self, paper: Paper, lines: &mut Vec<String>) {
        let mut table = Table::new([
            names("workspace"),
            names("pipeline"),
            numbers("done"),
            numbers("stale"),
            names("next"),
        ]);
        for seen in &self.workspaces {
            let status = seen.status.as_ref();
            let of = |status: &WorkspaceStatus| format!("{} of {}", status.done, status.total);
            table.row([
                seen.key.clone(),
                words::one_line(&seen.pipeline),
                status.map_or_else(|| "unknown".to_owned(), of),
                match status.map(stale).unwrap_or_default().len() {
                    0 => String::new(),
                    stale => stale.to_string(),
                },
                status.map(|status| status.next.join(", ")).unwrap_or_default(),
            ]);
        }
        section(
            table,
            self.total.saturating_sub(self.workspaces.len()),
            paper,
            lines,
        );
    }
}

/// A part of the overview, where there is anything in it.
fn section(table: Table, more: usize, paper: Paper, lines: &mut Vec<String>) {
    if table.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.extend(table.lines(paper, ""));
    if more > 0 {
        lines.push(
            paper
                .style
                .dim(&format!("and {} more", words::count(more as u64))),
        );
    }
}

fn counted(number: usize, noun: &str) -> String {
    match number {
        MOST => format!("{MOST} {noun}s or more"),
        number => words::plural(number as u64, noun),
    }
}

fn stale(status: &WorkspaceStatus) -> Vec<&str> {
    let stale = status.steps.iter().filter(|step| step.stale);
    stale.map(|step| step.name.as_str()).collect()
}
