//! The report of a run around its progress: what it is before, what it came to after.

use indexmap::IndexMap;
use segue::log::ChosenModel;
use segue::view::StepView;
use segue::{Budget, Failure, RunView};

use super::style::Style;
use super::words;
use crate::project::quoted;

/// The model that plays what was recorded.
const CASSETTE: &str = "sim/cassette";

/// The first line: run, pipeline, models, budget.
pub(crate) fn first(run: &RunView, budget: Option<&Budget>, style: Style) -> String {
    let id = run.id().map(|id| id.to_string()).unwrap_or_default();
    let steps = words::plural(run.steps().count() as u64, "step");
    let record = run.record();
    let label = label(run);
    let models = models(&record.models);
    let mut parts = Vec::new();
    if !models.is_empty() {
        parts.push(format!("models: {}", models.join(", ")));
    }
    parts.push(format!(
        "budget {}",
        budget.map_or_else(|| "unlimited".to_owned(), limits)
    ));
    format!(
        "{} {} ({steps}) {}",
        style.dim(&id),
        style.bold(&words::one_line(&label)),
        style.dim(&parts.join(", "))
    )
}

/// The pipeline of a run, and the pattern of it.
pub(crate) fn label(run: &RunView) -> String {
    run.plan()
        .map_or_else(|| run.pipeline().to_owned(), |plan| plan.label())
}

/// Names that mean the same model stand together.
pub(crate) fn models(models: &IndexMap<String, ChosenModel>) -> Vec<String> {
    let mut meanings: IndexMap<String, Vec<String>> = IndexMap::new();
    for (name, model) in models {
        // Whoever provides it, a simulation is called one.
        let source = match is_simulated(model) {
            true if model.chosen == CASSETTE => "recorded",
            true => "simulated",
            false => &model.source,
        };
        let meaning = format!("{} ({})", words::one_line(&model.chosen), words::one_line(source));
        meanings.entry(meaning).or_default().push(words::one_line(name));
    }
    meanings
        .into_iter()
        .map(|(meaning, names)| format!("{} → {meaning}", names.join(", ")))
        .collect()
}

fn is_simulated(model: &ChosenModel) -> bool {
    model.chosen.starts_with("sim/")
}

/// The limits of a budget, all of which hold.
pub(crate) fn limits(budget: &Budget) -> String {
    let mut parts = Vec::new();
    parts.extend(budget.usd.map(|usd| format!("${usd}")));
    parts.extend(budget.tokens.map(|tokens| words::plural(tokens, "token")));
    parts.extend(budget.requests.map(|requests| words::plural(requests, "request")));
    parts.extend(budget.per_call.usd.map(|usd| format!("${usd} a call")));
    parts.extend(
        budget
            .per_call
            .tokens
            .map(|tokens| format!("{} a call", words::plural(tokens, "token"))),
    );
    parts.extend(budget.per_day.usd.map(|usd| format!("${usd} a day")));
    parts.extend(
        budget
            .per_day
            .tokens
            .map(|tokens| format!("{} a day", words::plural(tokens, "token"))),
    );
    parts.extend(
        budget
            .per_day
            .requests
            .map(|requests| format!("{} a day", words::plural(requests, "request"))),
    );
    match parts.is_empty() {
        true => "unlimited".to_owned(),
        false => parts.join(" + "),
    }
}

/// A line for a run in which a model only simulates, or plays what was recorded.
pub(crate) fn banner(run: &RunView, style: Style) -> Option<String> {
    let record = run.record();
    let mut simulated: Vec<String> = record
        .models
        .values()
        .filter(|model| is_simulated(model))
        .map(|model| words::one_line(&model.chosen))
        .collect();
    simulated.dedup();
    let what = match simulated.iter().all(|model| model == CASSETTE) {
        true => "REPLAYED",
        false => "SIMULATED",
    };
    (!simulated.is_empty()).then(|| {
        style.yellow(&format!(
            "{what} by {}: no model is called, nothing is paid",
            simulated.join(", ")
        ))
    })
}

/// The last line: how it ended, and what it took.
pub(crate) fn last(run: &RunView, style: Style) -> String {
    let shape = style.run_status(run.status());
    let mut parts = Vec::new();
    if run.fallback() {
        parts.push("through its fallback".to_owned());
    }
    parts.extend(run.duration().map(words::duration));
    parts.push(counts(run));
    parts.push(spending(run));
    parts.extend(replayed(run));
    format!("{shape}  {}", style.dim(&parts.join(" · ")))
}

/// What a run cost when its answers were recorded, where they were.
fn replayed(run: &RunView) -> Option<String> {
    let recorded = run.recorded_cost()?.nanousd;
    let spent = run.cost().nanousd;
    let spent = if spent.is_zero() {
        "$0".to_owned()
    } else {
        format!("${spent}")
    };
    Some(format!("REPLAYED, {spent} spent (recorded ${recorded})"))
}

/// What was built on something that has changed since, and the way to make it again.
pub(crate) fn stale(run: &RunView, store_flag: &str, style: Style) -> Option<String> {
    let steps: Vec<String> = run.stale().keys().map(|step| words::one_line(step)).collect();
    let id = run.id()?.to_string();
    let of = run.record().key.map_or(id, |key| quoted(&key));
    (!steps.is_empty()).then(|| {
        format!(
            "{} {}\n{} `segue rerun {of} --stale{store_flag}` makes what is stale again",
            style.yellow("~ stale:"),
            steps.join(", "),
            style.cyan("hint:"),
        )
    })
}

fn counts(run: &RunView) -> String {
    let counts = run.step_counts();
    let named = [
        (counts.succeeded, "succeeded"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
        (counts.cancelled, "cancelled"),
        (counts.waiting, "waiting"),
        (counts.pending + counts.ready + counts.running, "not done"),
    ];
    let named: Vec<String> = named
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{} {word}", words::count(*number)))
        .collect();
    match (named.as_slice(), counts.succeeded) {
        ([_], succeeded) if succeeded > 0 => words::plural(succeeded, "step"),
        _ => format!("steps: {}", named.join(", ")),
    }
}

/// Calls, tokens and dollars.
fn spending(run: &RunView) -> String {
    let usage = run.usage();
    let mut parts = Vec::new();
    if usage.requests > 0 {
        parts.push(words::plural(usage.requests, "model call"));
        parts.push(words::plural(usage.total_tokens(), "token"));
    }
    if usage.tool_calls > 0 {
        parts.push(words::plural(usage.tool_calls, "tool call"));
    }
    parts.push(run.cost().to_string());
    parts.join(" · ")
}

/// Every failed step: what happened, what it spent, the way out. For a run that failed as a whole, that.
pub(crate) fn failures(run: &RunView, style: Style) -> String {
    let Some(error) = run.error() else {
        return String::new();
    };
    if error.failed_steps.is_empty() {
        return failure(error, None, style);
    }
    let mut text = String::new();
    // A deadline or a cancel of the whole run is no step's error.
    let is_own = error
        .failed_steps
        .iter()
        .all(|failed| failed.error.kind != error.kind);
    if is_own {
        text.push_str(&failure(error, None, style));
    }
    for failed in &error.failed_steps {
        text.push_str(&failure(&failed.error, run.step(&failed.step), style));
    }
    text
}

fn failure(error: &Failure, step: Option<&StepView>, style: Style) -> String {
    let mut message = words::visible(&error.message);
    if let Some(step) = step
        && !message.contains(&format!("step `{}`", step.path))
    {
        message = format!("step `{}`: {message}", step.path);
    }
    let mut text = format!("{} {}\n", style.red("error:"), message.replace('\n', "\n  "));
    if let Some(step) = step {
        for cause in error.causes.iter().filter(|cause| cause.message != error.message) {
            let attempt = cause
                .attempt
                .map(|attempt| format!("attempt {attempt}: "))
                .unwrap_or_default();
            text.push_str(&format!("  {attempt}{}\n", words::one_line(&cause.message)));
        }
        if let Some(spent) = spent(error, step) {
            text.push_str(&format!("  {spent}\n"));
        }
    }
    for hint in &error.hints {
        text.push_str(&format!("{} {}\n", style.cyan("hint:"), words::visible(hint)));
    }
    text
}

/// What a step spent, where the error does not say so itself.
fn spent(error: &Failure, step: &StepView) -> Option<String> {
    let is_told = error.limit.as_ref().is_some_and(|limit| limit.spent.is_some());
    let calls = words::plural(step.usage.requests, "model call");
    (step.usage.requests > 0 && !is_told).then(|| format!("spent {} in {calls}", step.cost))
}
