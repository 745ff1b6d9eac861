//! A run on one page: how it ended, where it came from, its steps, what it left, what it asks, how it goes on.

use segue::store::{Parent, Relation};
use segue::view::RunRecord;
use segue::{RunStatus, RunView};

use crate::paper::Paper;
use crate::program::Program;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::{ask, report, tree, words};

use super::facts;

/// Prints the page of a run.
pub(super) fn show(view: &RunView, next: &[String], program: &mut Program) {
    let paper = Paper::of(program);
    let style = paper.style;
    let record = view.record();
    let id = view.id().map(|run| run.to_string()).unwrap_or_default();
    let mut lines = vec![
        format!(
            "{} {}",
            style.bold(&words::one_line(&report::label(view))),
            style.dim(&id)
        ),
        report::last(view, style),
    ];
    lines.extend(report::banner(view, style));
    lines.push(String::new());
    lines.extend(facts(&about(view, &record, paper), paper));
    lines.push(String::new());
    lines.extend(tree::at_rest(view, paper.now, paper.width(), style));
    let left = artifacts(&record, paper);
    if !left.is_empty() {
        lines.push(String::new());
        lines.extend(left);
    }
    if view.status() == RunStatus::Failed {
        lines.push(String::new());
        lines.extend(report::failures(view, style).lines().map(str::to_owned));
    }
    for question in view.open_questions() {
        lines.push(String::new());
        lines.extend(ask::about(question, style));
        lines.extend(ask::form(question));
    }
    if !next.is_empty() {
        lines.push(String::new());
        let hint = style.cyan("hint:");
        lines.extend(next.iter().map(|line| format!("{hint} {line}")));
    }
    for line in lines {
        program.output.document(&line);
    }
}

/// Where the run came from and what it was given.
fn about<'a>(view: &RunView, record: &RunRecord, paper: Paper) -> Vec<(&'a str, String)> {
    let mut about = Vec::new();
    if let Some(queued) = record.started.or(record.queued) {
        let trigger = words::one_line(&record.trigger.kind);
        about.push((
            "started",
            format!("{}, by {trigger}", paper.moment_in_full(queued)),
        ));
    }
    let hash: String = record.plan_hash.chars().take(19).collect();
    let from = record.definition.as_deref().map(words::one_line);
    let from = from.map_or_else(String::new, |from| {
        format!("{}, ", from.strip_prefix("file:").unwrap_or(&from))
    });
    about.push(("plan", format!("{from}{hash}")));
    if let Some(parent) = &record.parent {
        about.push(("from", came_from(parent)));
    }
    if let Some(key) = &record.key {
        about.push(("key", words::one_line(key)));
    }
    if !record.inputs.is_null() {
        about.push(("inputs", words::preview(&record.inputs)));
    }
    if !record.labels.is_empty() {
        let labels = record.labels.iter();
        let labels: Vec<String> = labels
            .map(|(name, value)| words::one_line(&format!("{name}={value}")))
            .collect();
        about.push(("labels", labels.join(", ")));
    }
    if let Some(note) = &record.note {
        about.push(("note", words::one_line(note)));
    }
    let models = report::models(&record.models);
    if !models.is_empty() {
        about.push(("models", models.join(", ")));
    }
    for state in view.budgets() {
        let name = words::one_line(&state.name);
        about.push(("budget", format!("{name}: {} of {}", state.spent, state.limit)));
    }
    if let Some(drift) = &record.drift {
        let names: Vec<String> = drift.names.iter().map(|name| words::one_line(name)).collect();
        let drift = format!(
            "{} changed since: {}",
            words::one_line(&drift.what),
            names.join(", ")
        );
        about.push(("drift", paper.style.yellow(&drift)));
    }
    if let Some(kept) = &record.output_ref {
        about.push(("output", format!("{} beside the log", words::bytes(kept.bytes))));
    } else if let Some(output) = view.output().and_then(|output| output.to_json().ok()) {
        about.push(("output", words::preview(&output)));
    }
    about
}

fn came_from(parent: &Parent) -> String {
    let run = parent.run;
    let from = parent.from.as_deref().map(words::one_line);
    let from = from.map(|step| format!(" from {step}")).unwrap_or_default();
    match parent.relation {
        Relation::Rerun => format!("re-run of {run}{from}"),
        Relation::Nested => format!("started by {run}{from}"),
        Relation::Workspace => format!("goes on with the workspace after {run}"),
        Relation::ScheduleRetry => format!("tries {run} again"),
    }
}

fn artifacts(record: &RunRecord, paper: Paper) -> Vec<String> {
    let mut table = Table::new([
        names("artifact"),
        numbers("size"),
        column("type"),
        names("link"),
        names("step"),
    ]);
    for artifact in &record.artifacts {
        table.row([
            words::one_line(&artifact.name),
            words::bytes(artifact.bytes),
            words::one_line(&artifact.media_type),
            artifact.link.as_deref().map(words::one_line).unwrap_or_default(),
            artifact.step.as_deref().map(words::one_line).unwrap_or_default(),
        ]);
    }
    match table.is_empty() {
        true => Vec::new(),
        false => table.lines(paper, ""),
    }
}
