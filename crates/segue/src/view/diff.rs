//! Two runs side by side: what went in, what was defined, and step by step what came out.
//!
//! Steps are aligned by their paths, items of maps and nested steps among them. A step is another one when it ended
//! differently, made something else, failed for another reason, or its model was told something else; how often it was
//! tried, what it cost and how long it took is shown and decides nothing. It is a pure function of two views: whoever has them, live or from a
//! store, can ask.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::run::{RunView, StepView};
use super::{CallView, StepStatus};
use crate::id::RunId;
use crate::log::event::CallKind;
use crate::value::{Value, ValueRef};

mod definition;
#[cfg(test)]
mod tests;
mod values;

pub use values::Difference;
use values::differences;

/// The name and version of this shape.
pub const DIFF_SCHEMA: &str = "segue.diff/1";

/// Two runs side by side.
///
/// ```
/// use segue::view::{Change, RunDiff};
/// use segue::{Cx, Pipeline, Result};
///
/// async fn double(_cx: Cx, n: u64) -> Result<u64> {
///     Ok(n * 2)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pipeline = Pipeline::define("double", |p, n| p.step("double", double, n))?;
/// let (one, two) = (pipeline.run(1).await?, pipeline.run(2).await?);
/// let diff = RunDiff::of(&one.view(), &two.view());
/// assert_eq!(diff.first_difference.as_deref(), Some("double"));
/// assert_eq!(diff.steps[0].change, Change::Changed);
/// assert_eq!((&diff.inputs[0].a, &diff.inputs[0].b), (&1.into(), &2.into()));
/// assert!(RunDiff::of(&one.view(), &one.view()).is_same());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDiff {
    /// [`DIFF_SCHEMA`].
    pub schema: String,
    /// The one run.
    pub a: Option<RunId>,
    /// The other.
    pub b: Option<RunId>,
    /// The first step that is not the same.
    pub first_difference: Option<String>,
    /// What of the inputs differs.
    pub inputs: Vec<Difference>,
    /// What of the plans differs. Steps go by their names, so that one more of them changes nothing of the others.
    pub definition: Vec<Difference>,
    /// Every step of the two, in declaration order, what is nested right behind what it is nested in.
    pub steps: Vec<StepDiff>,
}

/// One step in two runs. Of the pairs the first is of the one run, the second of the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepDiff {
    /// Where it is in both.
    pub path: String,
    /// What became of it.
    pub change: Change,
    /// Where it stands; none in a run that does not have it.
    pub status: [Option<StepStatus>; 2],
    /// What of its output differs.
    pub output: Vec<Difference>,
    /// What its model was told that differs: the first request of the step, where both made one.
    pub prompt: Vec<Difference>,
    /// Why it failed, where that differs.
    #[serde(default)]
    pub error: [Option<String>; 2],
    /// How often it was tried; none in a run that does not have it.
    #[serde(default)]
    pub attempts: [Option<u64>; 2],
    /// What it cost in dollars; none in a run that does not have it.
    pub cost_usd: [Option<String>; 2],
    /// How long it took, in milliseconds.
    pub duration_ms: [Option<u64>; 2],
}

/// What became of a step from one run to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing.
    Same,
    /// It ended differently, made something else, or its model was told something else.
    Changed,
    /// Only the other run has it.
    Added,
    /// Only the one run has it.
    Removed,
    /// It is the same, and in one of the two what it was made from has changed since.
    Stale,
}

impl Change {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Change::Same => "same",
            Change::Changed => "changed",
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Stale => "stale",
        }
    }
}

impl RunDiff {
    /// Compares two runs, `a` with `b`, as far as they are known.
    #[must_use]
    pub fn of(a: &RunView, b: &RunView) -> Self {
        let mut stale: HashSet<String> = a.stale().into_keys().collect();
        stale.extend(b.stale().into_keys());
        let steps: Vec<StepDiff> = aligned(a, b)
            .into_iter()
            .filter(|path| !is_elsewhere(a, path) && !is_elsewhere(b, path))
            .map(|path| step(a, b, path, stale.contains(path)))
            .collect();
        let first = steps.iter().find(|step| step.change != Change::Same);
        Self {
            schema: DIFF_SCHEMA.to_owned(),
            a: a.id(),
            b: b.id(),
            first_difference: first.map(|step| step.path.clone()),
            inputs: differences(a.inputs(), b.inputs()),
            definition: definition::differences_of(a, b),
            steps,
        }
    }

    /// Whether nothing differs: inputs, definition, and every step.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.inputs.is_empty() && self.definition.is_empty() && self.first_difference.is_none()
    }
}

/// Whether a run lacks what is at a path because it took over the whole that it is nested in: it is in the run that made that.
fn is_elsewhere(run: &RunView, path: &str) -> bool {
    let ends = path.match_indices(['/', '[']).map(|(at, _)| at);
    let mut above = ends.filter_map(|end| run.step(&path[..end]));
    run.step(path).is_none() && above.any(|step| step.reused_from.is_some())
}

/// The paths of both: those of `b` in their order, and each that only `a` has behind the one it follows there.
fn aligned<'a>(a: &'a RunView, b: &'a RunView) -> Vec<&'a str> {
    let of_b: Vec<&str> = b.all_steps().map(|step| step.path.as_str()).collect();
    let known: HashSet<&str> = of_b.iter().copied().collect();
    let mut first = Vec::new();
    let mut behind: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut last = None;
    for step in a.all_steps() {
        let path = step.path.as_str();
        if known.contains(path) {
            last = Some(path);
            continue;
        }
        match last {
            None => first.push(path),
            Some(last) => behind.entry(last).or_default().push(path),
        }
    }
    let mut all = first;
    for path in of_b {
        all.push(path);
        all.extend(behind.remove(path).into_iter().flatten());
    }
    all
}

fn step(a: &RunView, b: &RunView, path: &str, is_stale: bool) -> StepDiff {
    let (in_a, in_b) = (a.step(path), b.step(path));
    let both = in_a.zip(in_b);
    let output = both.map(|(a, b)| outputs(a, b)).unwrap_or_default();
    let prompt = both.map(|_| prompts(a, b, path)).unwrap_or_default();
    let error = both.map(|(a, b)| errors(a, b)).unwrap_or_default();
    let is_other = both.is_some_and(|(a, b)| a.status != b.status)
        || !output.is_empty()
        || !prompt.is_empty()
        || error != [None, None];
    let pair = |a: Option<&StepView>, b: Option<&StepView>| [a.map(cost), b.map(cost)];
    StepDiff {
        path: path.to_owned(),
        change: match (in_a, in_b) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ if is_other => Change::Changed,
            _ if is_stale => Change::Stale,
            _ => Change::Same,
        },
        status: [in_a, in_b].map(|step| step.map(|step| step.status)),
        output,
        prompt,
        error,
        attempts: [in_a, in_b].map(|step| step.map(|step| u64::from(step.tries()))),
        cost_usd: pair(in_a, in_b),
        duration_ms: [in_a, in_b].map(|step| step.and_then(|step| step.duration_ms)),
    }
}

fn cost(step: &StepView) -> String {
    step.cost.nanousd.to_string()
}

/// What of two outputs differs. Those that are kept elsewhere are compared by their hashes.
fn outputs(a: &StepView, b: &StepView) -> Vec<Difference> {
    if a.output_hash == b.output_hash {
        return Vec::new();
    }
    if a.output_ref.is_none() && b.output_ref.is_none() {
        return differences(&here(a.output.as_ref()), &here(b.output.as_ref()));
    }
    let one = |step: &StepView| -> (Json, Option<ValueRef>) {
        match &step.output_ref {
            Some(at) => (Json::Null, Some(at.clone())),
            None => (here(step.output.as_ref()), None),
        }
    };
    let ((a, a_ref), (b, b_ref)) = (one(a), one(b));
    vec![Difference {
        pointer: String::new(),
        a,
        b,
        a_ref,
        b_ref,
    }]
}

/// An output as JSON; null where there is none.
fn here(output: Option<&Value>) -> Json {
    let json = output.and_then(|output| output.to_json().ok());
    json.map(|json| Json::clone(&json)).unwrap_or_default()
}

/// What the two were told before they made anything: the first request of each to a model.
fn prompts(a: &RunView, b: &RunView, path: &str) -> Vec<Difference> {
    match (told(a, path), told(b, path)) {
        (Some(a), Some(b)) => differences(&a, &b),
        _ => Vec::new(),
    }
}

/// The first request of a step to a model, and which model that was; keys of the request itself left out.
fn told(run: &RunView, path: &str) -> Option<Json> {
    let mut calls = run.calls_of(path).filter(|call| call.kind == CallKind::Model);
    let first = calls.find(|call| call.request.is_some())?;
    let mut told = json!({"model": model(first)});
    if let Some(Json::Object(request)) = &first.request {
        for (name, value) in request.iter().filter(|(name, _)| *name != "idempotency_key") {
            told[name] = value.clone();
        }
    }
    Some(told)
}

fn model(call: &CallView) -> Option<String> {
    let model = call.model.as_ref()?;
    Some(match &call.provider {
        Some(provider) => format!("{provider}/{model}"),
        None => model.clone(),
    })
}

/// Why each failed, where they differ in that.
fn errors(a: &StepView, b: &StepView) -> [Option<String>; 2] {
    let message = |step: &StepView| step.error.as_ref().map(|error| error.message.clone());
    match (message(a), message(b)) {
        (a, b) if a == b => [None, None],
        (a, b) => [a, b],
    }
}
