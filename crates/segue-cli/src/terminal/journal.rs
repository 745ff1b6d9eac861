//! The journal: every event of a run as one line, and how much it matters. Live progress shows what a person waits for;
//! here is everything, for whoever looks afterwards.

use std::time::Duration;

use segue::view::SkipWhy;
use segue::{Event, EventKind, RunStatus, RunView};

use super::style::Style;
use super::{lines, words};
use crate::arguments::runs::Level;

/// How much an event matters.
pub(crate) fn level(event: &Event) -> Level {
    let is_item = event.step.as_deref().is_some_and(|path| path.ends_with(']'));
    match &event.kind {
        EventKind::RunFailed { .. } => Level::Error,
        EventKind::StepFailed { on_error, .. } if on_error == "fail" => Level::Error,
        EventKind::StepFailed { .. }
        | EventKind::RunCancelRequested { .. }
        | EventKind::RunCancelled { .. }
        | EventKind::RunDrift { .. }
        | EventKind::StepCancelled { .. }
        | EventKind::AttemptFailed {
            retry_in_ms: Some(_), ..
        }
        | EventKind::AttemptAgain {
            retry_in_ms: Some(_), ..
        }
        | EventKind::CallRefused { .. }
        | EventKind::CallUncertain { .. }
        | EventKind::QuestionRefused { .. }
        | EventKind::QuestionExpired { .. } => Level::Warn,
        EventKind::StepStarted { .. } | EventKind::StepSucceeded { .. } | EventKind::StepReused(_)
            if is_item =>
        {
            Level::Debug
        }
        EventKind::StepSkipped {
            reason: SkipWhy::NotSelected,
            ..
        } => Level::Debug,
        EventKind::RunQueued { .. }
        | EventKind::RunStarted { .. }
        | EventKind::RunResumed { .. }
        | EventKind::RunWaiting { .. }
        | EventKind::RunSucceeded { .. }
        | EventKind::StepStarted { .. }
        | EventKind::StepSucceeded { .. }
        | EventKind::StepReused(_)
        | EventKind::StepSkipped { .. }
        | EventKind::StepNote { .. }
        | EventKind::RouteChosen { .. }
        | EventKind::QuestionAsked { .. }
        | EventKind::QuestionAnswered { .. }
        | EventKind::ArtifactSaved { .. }
        | EventKind::BudgetRaised { .. } => Level::Info,
        _ => Level::Debug,
    }
}

/// An event as one line. The view has taken it already.
pub(crate) fn line(event: &Event, run: &RunView, style: Style) -> String {
    if let Some(line) = lines::line(event, run, style) {
        return line;
    }
    let what = what(event, run, style);
    let path = event.step.as_deref().filter(|path| !path.is_empty());
    match path {
        Some(path) => format!("  {} {what}", words::one_line(path)),
        None => what,
    }
}

fn what(event: &Event, run: &RunView, style: Style) -> String {
    let said = |text: &str| words::one_line(text);
    let status = |status: RunStatus, more: String| match more.is_empty() {
        true => format!("{} run", style.run_status(status)),
        false => format!("{} {more}", style.run_status(status)),
    };
    match &event.kind {
        EventKind::RunQueued {
            pipeline, trigger, ..
        } => status(
            RunStatus::Queued,
            format!("{}, by {}", said(pipeline), said(trigger)),
        ),
        EventKind::RunStarted { engine, .. } => {
            status(RunStatus::Running, format!("engine {}", said(engine)))
        }
        EventKind::RunResumed { reason, by, .. } => {
            let by = by.as_deref().map(|by| format!(", by {}", said(by)));
            let more = format!("again: {}{}", said(reason), by.unwrap_or_default());
            status(RunStatus::Running, more)
        }
        EventKind::RunDrift { what, names, .. } => {
            let names: Vec<String> = names.iter().map(|name| said(name)).collect();
            style.yellow(&format!(
                "{} is not what it was: {}",
                said(what),
                names.join(", ")
            ))
        }
        EventKind::RunWaiting { reason, .. } => {
            let reason = reason.as_deref().unwrap_or("question");
            status(
                RunStatus::Waiting,
                format!("for {}", said(&reason.replace('_', " "))),
            )
        }
        EventKind::RunCancelRequested { by, reason } => {
            let reason = reason.as_deref().map(|reason| format!(": {}", said(reason)));
            let text = format!("{} wants it cancelled{}", said(by), reason.unwrap_or_default());
            style.magenta(&text)
        }
        EventKind::RunCancelled { .. } => status(RunStatus::Cancelled, took(run)),
        EventKind::RunSucceeded { .. } => status(RunStatus::Succeeded, took(run)),
        EventKind::RunFailed { error, .. } => status(RunStatus::Failed, said(&error.message)),
        EventKind::StepReady {} => "is next in turn".to_owned(),
        EventKind::StepStarted { kind, .. } => format!("began, {}", said(kind)),
        EventKind::StepExpanded { total } => words::plural(*total, "item"),
        EventKind::StepWaiting { .. } => "waits for a person".to_owned(),
        EventKind::StepSucceeded { .. } => "succeeded".to_owned(),
        EventKind::StepReused(_) => "was taken over".to_owned(),
        EventKind::StepSkipped { text, .. } => format!("left out: {}", said(text)),
        EventKind::AttemptStarted { attempt } => format!("attempt {attempt} began"),
        EventKind::AttemptSucceeded { attempt, .. } => format!("attempt {attempt} succeeded"),
        EventKind::AttemptFailed { attempt, error, .. } => {
            format!("attempt {attempt} failed: {}", said(&error.message))
        }
        EventKind::AttemptAgain { attempt, reason, .. } => {
            format!("attempt {attempt} asked for another: {}", said(reason))
        }
        EventKind::QuestionAnswered { by, answer, .. } => {
            format!("answered by {}: {}", said(by), words::preview(answer))
        }
        EventKind::QuestionRefused { by, errors, .. } => {
            let errors: Vec<String> = errors.iter().map(|error| said(error)).collect();
            format!("an answer by {} was refused: {}", said(by), errors.join("; "))
        }
        EventKind::QuestionExpired { default_used, .. } => match default_used {
            true => "nobody answered in time; the default was taken".to_owned(),
            false => "nobody answered in time".to_owned(),
        },
        EventKind::RouteChosen { arm, by, .. } => format!("took {}, by {}", said(arm), said(by)),
        EventKind::ArtifactSaved { name, bytes, .. } => {
            format!("saved {}, {}", said(name), words::bytes(*bytes))
        }
        EventKind::ArtifactLinked { link, .. } => format!("moved the link {}", said(link)),
        EventKind::BudgetOpened { name, .. } => format!("met budget {}", said(name)),
        EventKind::BudgetRaised { name, to, by, .. } => {
            let limits = super::report::limits(to);
            format!("budget {} raised by {} to {limits}", said(name), said(by))
        }
        kind => call(kind),
    }
}

/// What became of a call, or of a span.
fn call(kind: &EventKind) -> String {
    let said = |text: &str| words::one_line(text);
    match kind {
        EventKind::CallReserved { model, tool, .. } => {
            let of = tool.as_deref().or(model.as_deref()).unwrap_or("a call");
            format!("call of {} reserved", said(of))
        }
        EventKind::CallStarted { .. } => "call sent".to_owned(),
        EventKind::CallWaiting { reason, until, .. } => {
            let until = until.map(|until| format!(", until {until} at least"));
            format!(
                "call waits: {}{}",
                said(&reason.replace('_', " ")),
                until.unwrap_or_default()
            )
        }
        EventKind::CallSucceeded { usage, cost, .. } => {
            let spent = [words::tokens(usage), words::dollars(usage, cost)];
            let spent: Vec<String> = spent.into_iter().filter(|part| !part.is_empty()).collect();
            let time = Duration::from_millis(usage.model_ms.max(usage.tool_ms));
            let mut parts = vec![words::duration(time)];
            parts.extend(spent);
            format!("call answered, {}", parts.join(", "))
        }
        EventKind::CallFailed { error, .. } => format!("call failed: {}", said(&error.message)),
        EventKind::CallRefused { error, .. } => format!("call refused: {}", said(&error.message)),
        EventKind::CallUncertain { .. } => "nobody knows whether the call was carried out".to_owned(),
        EventKind::CallReplayed { source, .. } => format!("call answered from the {}", said(source)),
        EventKind::SpanOpened { name, .. } => format!("{} began", said(name)),
        EventKind::SpanClosed { status, .. } => format!("span ended, {}", said(status)),
        // A newer kind: its name is what is known of it.
        other => {
            let kind = serde_json::to_value(other).unwrap_or_default();
            said(
                kind.get("type")
                    .and_then(|kind| kind.as_str())
                    .unwrap_or_default(),
            )
        }
    }
}

/// Time, tokens and dollars of a run.
fn took(run: &RunView) -> String {
    let mut parts: Vec<String> = run.duration().map(words::duration).into_iter().collect();
    let spent = [
        words::tokens(run.usage()),
        words::dollars(run.usage(), run.cost()),
    ];
    parts.extend(spent.into_iter().filter(|part| !part.is_empty()));
    parts.join(", ")
}
