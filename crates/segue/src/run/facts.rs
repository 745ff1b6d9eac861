//! Facts: what expressions and templates of a pipeline file can read about a run when a unit starts.
//!
//! The decision gathers them from settled steps only, so that a replay reads the same.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::error::{Failure, Spent};
use crate::value::Value;
use crate::view::StepStatus;

/// What a unit's expressions can read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The inputs of the pipeline: a JSON object.
    pub inputs: Option<Value>,
    /// The steps it needs, by name.
    pub steps: IndexMap<Arc<str>, Fact>,
    /// The element and index of a map.
    pub item: Option<(Value, u32)>,
    /// The error of a failed run or step, in a fallback.
    pub error: Option<Arc<Failure>>,
    /// The facts around it: of the failed run for a fallback.
    pub outer: Option<Arc<Facts>>,
}

/// What is known of one settled step.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    /// Where it stands.
    pub status: StepStatus,
    /// What it made; none when it was skipped.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<Arc<Failure>>,
    /// How many attempts it took.
    pub attempts: u32,
    /// What it spent.
    pub spent: Spent,
    /// The arm a route took.
    pub arm: Option<String>,
    /// Per item of a map.
    pub items: Option<Arc<Vec<ItemFact>>>,
    /// Its human name, for context.
    pub title: Arc<str>,
}

/// What is known of one item of a map.
#[derive(Debug, Clone)]
pub(crate) struct ItemFact {
    /// Where it stands.
    pub status: StepStatus,
    /// What it made.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<Arc<Failure>>,
}

impl Facts {
    /// The fact of a step, looking outwards.
    #[must_use]
    pub(crate) fn step(&self, name: &str) -> Option<&Fact> {
        self.steps
            .get(name)
            .or_else(|| self.outer.as_ref().and_then(|outer| outer.step(name)))
    }
}

impl Facts {
    /// The inputs, looking outwards.
    #[must_use]
    pub(crate) fn inputs(&self) -> Option<&Value> {
        self.inputs.as_ref().or_else(|| self.outer.as_ref()?.inputs())
    }

    /// The element and index of a map, looking outwards.
    #[must_use]
    pub(crate) fn item(&self) -> Option<&(Value, u32)> {
        self.item.as_ref().or_else(|| self.outer.as_ref()?.item())
    }

    /// The error of a fallback, looking outwards.
    #[must_use]
    pub(crate) fn error(&self) -> Option<&Arc<Failure>> {
        self.error.as_ref().or_else(|| self.outer.as_ref()?.error())
    }

    /// The names of all steps that can be read.
    #[must_use]
    pub(crate) fn step_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.steps.keys().map(std::string::ToString::to_string).collect();
        if let Some(outer) = &self.outer {
            names.extend(outer.step_names());
        }
        names
    }

    /// The steps it needs, in declaration order: for an item of a map, those of the whole.
    pub(crate) fn results(&self) -> impl Iterator<Item = &Fact> {
        let nearest = if self.steps.is_empty() {
            self.outer.as_deref()
        } else {
            Some(self)
        };
        nearest.into_iter().flat_map(|facts| facts.steps.values())
    }
}

impl Fact {
    /// The JSON an expression reads as `steps.X`.
    ///
    /// # Errors
    /// When the output's type refuses to be written as JSON.
    pub(crate) fn to_json(&self) -> Result<Json, serde_json::Error> {
        let output = |output: &Option<Value>| match output {
            Some(value) => value.to_json().map(|json| json.as_ref().clone()),
            None => Ok(Json::Null),
        };
        let error = |error: &Option<Arc<Failure>>| match error {
            Some(error) => json!({"kind": error.kind, "message": error.message}),
            None => Json::Null,
        };
        let items = match &self.items {
            None => Json::Null,
            Some(items) => items
                .iter()
                .map(|item| {
                    Ok(json!({
                        "status": item.status, "output": output(&item.output)?, "error": error(&item.error),
                    }))
                })
                .collect::<Result<_, serde_json::Error>>()?,
        };
        Ok(json!({
            "status": self.status,
            "output": output(&self.output)?,
            "error": error(&self.error),
            "attempts": self.attempts,
            "usage": self.spent.usage,
            "cost": self.spent.cost.nanousd.nanos() as f64 / 1e9,
            "arm": self.arm,
            "items": items,
        }))
    }
}
