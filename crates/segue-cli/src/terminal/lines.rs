//! Plain lines for where nobody watches: one for each change of a step's status.

use std::time::Duration;

use segue::view::{SkipWhy, StepView, draw};
use segue::{Event, EventKind, RunView, StepStatus};

use super::style::Style;
use super::words;

/// The line for what just happened, if a person wants to read it. The view has taken the event already.
pub(crate) fn line(event: &Event, run: &RunView, style: Style) -> Option<String> {
    let path = event.step.as_deref()?;
    let step = run.step(path)?;
    let is_item = path.ends_with(']');
    let text = match &event.kind {
        // A map of a thousand items says how it went in one line, and names the items that failed.
        EventKind::StepStarted { .. } | EventKind::StepSucceeded { .. } if is_item => return None,
        EventKind::StepStarted { agent, .. } => match agent {
            Some(agent) => format!("with {}", words::one_line(agent)),
            None => String::new(),
        },
        EventKind::StepSucceeded { .. } => how(step),
        EventKind::StepFailed { error, .. } => join(&how(step), &words::one_line(&error.message)),
        // Nobody asked for it, or it was not needed.
        EventKind::StepSkipped {
            reason: SkipWhy::NotSelected,
            ..
        } => return None,
        EventKind::StepSkipped { text, .. } => words::one_line(text),
        EventKind::StepReused(reused) if !is_item => match (reused.edited, &reused.from_run) {
            (true, _) => "as it was edited".to_owned(),
            (false, Some(from)) => format!("taken over from {from}"),
            (false, None) => "taken over".to_owned(),
        },
        EventKind::StepCancelled { reason } => words::one_line(reason),
        EventKind::QuestionAsked { question } => words::one_line(&question.title),
        EventKind::AttemptFailed {
            attempt,
            error,
            retry_in_ms: Some(ms),
            ..
        } => {
            return Some(again(path, *attempt, &error.message, *ms, style));
        }
        EventKind::AttemptAgain {
            attempt,
            reason,
            retry_in_ms: Some(ms),
            ..
        } => {
            return Some(again(path, *attempt, reason, *ms, style));
        }
        EventKind::StepNote { text, .. } => return Some(format!("  {path} {}", words::one_line(text))),
        _ => return None,
    };
    let status = match event.kind {
        // What it asks is known before it waits.
        EventKind::QuestionAsked { .. } => StepStatus::Waiting,
        _ => step.status,
    };
    let shape = style.status(status, &draw::shape(status).to_string());
    let word = style.status(status, status.as_str());
    Some(
        format!("{shape} {} {word} {text}", words::one_line(path))
            .trim_end()
            .to_owned(),
    )
}

fn again(path: &str, attempt: u32, why: &str, ms: u64, style: Style) -> String {
    let shape = style.yellow("↻");
    let next = match ms {
        0 => "trying again".to_owned(),
        ms => format!("trying again in {}", words::duration(Duration::from_millis(ms))),
    };
    format!(
        "{shape} {} attempt {attempt}: {}; {next}",
        words::one_line(path),
        words::one_line(why)
    )
}

/// Attempts, time, items, tokens and dollars of a step that ended.
fn how(step: &StepView) -> String {
    let mut parts = Vec::new();
    let tries = step.tries();
    if tries > 1 {
        parts.push(format!("after {tries} attempts"));
    }
    parts.extend(
        step.duration_ms
            .map(|ms| words::duration(Duration::from_millis(ms))),
    );
    if let Some(items) = &step.items {
        parts.push(format!(
            "{} of {}",
            words::count(items.succeeded),
            words::plural(items.total, "item")
        ));
    }
    if let Some(route) = &step.route {
        parts.push(format!("took {}", words::one_line(&route.arm)));
    }
    let spent = [
        words::tokens(&step.usage),
        words::dollars(&step.usage, &step.cost),
    ];
    parts.extend(spent.into_iter().filter(|part| !part.is_empty()));
    let text = parts.join(", ");
    match step.status {
        StepStatus::Succeeded if step.error.is_some() => join(&text, "in spite of an error"),
        _ => text,
    }
}

fn join(before: &str, after: &str) -> String {
    match before.is_empty() {
        true => after.to_owned(),
        false => format!("{before}: {after}"),
    }
}
