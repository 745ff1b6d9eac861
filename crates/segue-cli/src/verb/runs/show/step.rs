//! One step of a run on one page: its attempts, its calls, what is in it, what it made.

use std::time::Duration;

use segue::RunView;
use segue::view::{AttemptOutcome, StepView};

use crate::paper::Paper;
use crate::program::Program;
use crate::project::quoted;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::words;

use super::{calls, facts};

/// Lines of an output that are shown on a page.
const MAX_LINES: usize = 40;
/// Items and nested steps that are listed on a page.
const MAX_CHILDREN: usize = 100;

/// Prints the page of a step.
pub(super) fn show(view: &RunView, step: &StepView, program: &mut Program) {
    let paper = Paper::of(program);
    let style = paper.style;
    let run = view.id().map(|run| run.to_string()).unwrap_or_default();
    let kind = step.kind.map(segue::plan::Kind::as_str).unwrap_or_default();
    let mut lines = vec![
        format!(
            "{} {} {}",
            style.bold(&words::one_line(&step.path)),
            kind,
            style.dim(&run)
        ),
        summary(step, paper),
        String::new(),
    ];
    let about = facts(&about(view, step, paper), paper);
    if !about.is_empty() {
        lines.extend(about);
        lines.push(String::new());
    }
    for part in [
        attempts(step, paper),
        calls::table(view.calls_of(&step.path), paper),
        children(view, step, paper),
    ] {
        if !part.is_empty() {
            lines.extend(part);
            lines.push(String::new());
        }
    }
    lines.extend(output(view, step, paper));
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    for line in lines {
        program.output.document(&line);
    }
}

/// How it ended and what that took.
fn summary(step: &StepView, paper: Paper) -> String {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(
        step.duration_ms
            .map(|ms| words::duration(Duration::from_millis(ms))),
    );
    if step.attempts.len() > 1 {
        parts.push(words::plural(step.attempts.len() as u64, "attempt"));
    }
    if step.usage.requests > 0 {
        parts.push(words::plural(step.usage.requests, "model call"));
        parts.push(words::plural(step.usage.total_tokens(), "token"));
    }
    if step.usage.tool_calls > 0 {
        parts.push(words::plural(step.usage.tool_calls, "tool call"));
    }
    let dollars = words::dollars(&step.usage, &step.cost);
    parts.extend(Some(dollars).filter(|dollars| !dollars.is_empty()));
    let status = paper.style.step_status(step.status);
    format!("{status}  {}", paper.style.dim(&parts.join(" · ")))
        .trim_end()
        .to_owned()
}

fn about<'a>(view: &RunView, step: &StepView, paper: Paper) -> Vec<(&'a str, String)> {
    let mut about = Vec::new();
    let listed = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| words::one_line(name)).collect();
        names.join(", ")
    };
    if let Some(agent) = &step.agent {
        about.push(("agent", words::one_line(agent)));
    }
    if !step.needs.is_empty() {
        about.push(("needs", listed(&step.needs)));
    }
    if let Some(started) = step.started.or(step.ready) {
        about.push(("started", paper.moment_in_full(started)));
    }
    let waits = [
        ("for its turn", step.wait_ms.queue),
        ("for providers", step.wait_ms.rate_limit),
        ("between attempts", step.wait_ms.backoff),
        ("for people", step.wait_ms.person),
    ];
    let waits: Vec<String> = waits
        .iter()
        .filter(|(_, ms)| *ms >= 10)
        .map(|(what, ms)| format!("{} {what}", words::duration(Duration::from_millis(*ms))))
        .collect();
    if !waits.is_empty() {
        about.push(("waited", waits.join(", ")));
    }
    if let Some(run) = &step.reused_from {
        about.push(("from", format!("taken over from {run}")));
    }
    if step.edited {
        about.push(("edited", "by a person".to_owned()));
    }
    if let Some(because) = view.stale().get(&step.path) {
        let stale = format!("~ {} changed since", listed(because));
        about.push(("stale", paper.style.yellow(&stale)));
    }
    if let Some(route) = &step.route {
        let why = route.reason.as_deref().map(words::one_line);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        about.push((
            "took",
            format!(
                "{} by {}{why}",
                words::one_line(&route.arm),
                words::one_line(&route.by)
            ),
        ));
    }
    if let Some(skipped) = &step.skipped {
        about.push(("skipped", words::one_line(&skipped.text)));
    }
    if let Some(items) = &step.items {
        let failed = match items.failed {
            0 => String::new(),
            failed => format!(", {} failed", words::count(failed)),
        };
        about.push((
            "items",
            format!(
                "{} of {}{failed}",
                words::count(items.succeeded),
                words::count(items.total)
            ),
        ));
    }
    if let Some(question) = &step.question {
        about.push(("asked", words::one_line(&question.title)));
        if let (Some(answer), by) = (&question.answer, question.answered_by.as_deref()) {
            let by = by
                .map(|by| format!(", by {}", words::one_line(by)))
                .unwrap_or_default();
            about.push(("answer", format!("{}{by}", words::preview(answer))));
        }
    }
    if let Some(error) = &step.error {
        about.push(("error", paper.style.red(&words::one_line(&error.message))));
    }
    about
}

fn attempts(step: &StepView, paper: Paper) -> Vec<String> {
    let mut table = Table::new([
        numbers("attempt"),
        column("outcome"),
        numbers("time"),
        numbers("tokens"),
        numbers("cost"),
        names("why"),
    ]);
    for attempt in &step.attempts {
        let time = attempt
            .ended
            .map(|ended| words::duration(ended.since(attempt.started)));
        let error = attempt.error.as_ref().map(|error| error.message.as_str());
        table.row([
            attempt.attempt.to_string(),
            attempt.outcome.map_or("running", outcome).to_owned(),
            time.unwrap_or_default(),
            words::bare_tokens(&attempt.usage),
            words::dollars(&attempt.usage, &attempt.cost),
            attempt
                .reason
                .as_deref()
                .or(error)
                .map(words::one_line)
                .unwrap_or_default(),
        ]);
    }
    // One attempt says what the step says.
    match step.attempts.len() {
        0 | 1 => Vec::new(),
        _ => table.lines(paper, ""),
    }
}

fn outcome(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Succeeded => "succeeded",
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::Again => "again",
        AttemptOutcome::Cancelled => "cancelled",
        AttemptOutcome::Interrupted => "interrupted",
        AttemptOutcome::Uncertain => "uncertain",
    }
}

/// Items, rounds and nested steps.
fn children(view: &RunView, step: &StepView, paper: Paper) -> Vec<String> {
    let mut table = Table::new([
        names("inside"),
        column("status"),
        numbers("time"),
        numbers("tokens"),
        numbers("cost"),
        names("what"),
    ]);
    let mut total = 0;
    for child in view.children(&step.path) {
        total += 1;
        if total > MAX_CHILDREN {
            continue;
        }
        let time = child
            .duration_ms
            .map(|ms| words::duration(Duration::from_millis(ms)));
        let made = child.output.as_ref().and_then(|output| output.to_json().ok());
        let what = match (&child.error, made) {
            (Some(error), _) => words::one_line(&error.message),
            (None, Some(output)) => words::preview(&output),
            (None, None) => String::new(),
        };
        table.row([
            words::one_line(&child.path),
            paper.style.step_status(child.status),
            time.unwrap_or_default(),
            words::bare_tokens(&child.usage),
            words::dollars(&child.usage, &child.cost),
            what,
        ]);
    }
    if table.is_empty() {
        return Vec::new();
    }
    let mut lines = table.lines(paper, "");
    if total > MAX_CHILDREN {
        let more = words::count((total - MAX_CHILDREN) as u64);
        lines.push(paper.style.dim(&format!("… and {more} more; `--json` has all")));
    }
    lines
}

/// What it made, as much as a page has room for.
fn output(view: &RunView, step: &StepView, paper: Paper) -> Vec<String> {
    let style = paper.style;
    let run = view.id().map(|run| run.to_string()).unwrap_or_default();
    let all = format!("segue runs show {run} --output-of {}", quoted(&step.path));
    if let Some(kept) = &step.output_ref {
        let bytes = words::bytes(kept.bytes);
        return vec![format!("{} {bytes} beside the log: {all}", style.dim("output"))];
    }
    let Some(output) = step.output.as_ref().and_then(|output| output.to_json().ok()) else {
        return Vec::new();
    };
    let text = match &*output {
        serde_json::Value::Null => return Vec::new(),
        serde_json::Value::String(text) => text.clone(),
        value => serde_json::to_string_pretty(value).unwrap_or_default(),
    };
    let text = words::visible(&text);
    let mut lines = vec![style.dim("output")];
    lines.extend(text.lines().take(MAX_LINES).map(|line| format!("  {line}")));
    let left = text.lines().count().saturating_sub(MAX_LINES);
    if left > 0 {
        let left = words::plural(left as u64, "line");
        lines.push(style.dim(&format!("  … {left} more: {all}")));
    }
    lines
}
