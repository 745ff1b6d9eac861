//! What names mean in the expressions of a step.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::run::{Cx, Fact, Facts, Inputs};
use crate::template::{Found, Lookup};
use crate::value::Value;

/// What names mean for one attempt of a step.
#[derive(Clone)]
pub(super) struct Scope {
    facts: Arc<Facts>,
    /// Names that belong to the step: `attempt`, `output`, `args`, the element of a map and so on.
    own: Vec<(String, Arc<Json>)>,
}

impl Scope {
    pub(super) fn new(cx: &Cx, inputs: &Inputs, item: &str) -> Self {
        let facts = match inputs {
            Inputs::Facts(facts) => facts.clone(),
            _ => Arc::default(),
        };
        let mut scope = Self {
            facts,
            own: Vec::new(),
        };
        let (reason, previous) = match cx.last_attempt() {
            Some(last) => (
                Json::String(last.reason.to_owned()),
                last.previous.map(json_of).unwrap_or_default(),
            ),
            None => (Json::Null, Json::Null),
        };
        scope.set(
            "attempt",
            json!({"number": cx.attempt(), "reason": reason, "previous": previous}),
        );
        scope.set(
            "run",
            json!({"id": cx.run_id().to_string(), "started": cx.run_started(), "trigger": cx.trigger()}),
        );
        scope.set("step", json!({"id": cx.path()}));
        if let Some((value, index)) = scope.facts.item() {
            let index = *index;
            let element = value.to_json().unwrap_or_default();
            scope.own.push((item.to_owned(), element));
            scope.set("index", json!(index));
        }
        if let Some(error) = scope.facts.error() {
            let failed: Vec<&str> = error
                .failed_steps
                .iter()
                .map(|failed| failed.step.as_str())
                .collect();
            let error = json!({
                "kind": error.kind, "message": error.message, "step": error.step, "failed": failed,
            });
            scope.set("error", error);
        }
        scope
    }

    /// The scope of a tool's approval: its arguments and nothing else.
    pub(super) fn of_arguments(args: &Json) -> Self {
        let mut scope = Self {
            facts: Arc::default(),
            own: Vec::new(),
        };
        scope.set("args", args.clone());
        scope
    }

    /// Adds a name.
    pub(super) fn set(&mut self, name: &str, value: Json) {
        self.own.push((name.to_owned(), Arc::new(value)));
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    fn step(&self, fact: &Fact, field: &str) -> Found {
        if field == "output" {
            let output = fact.output.as_ref().map(super::super::value::Value::to_json);
            return match output {
                Some(Ok(json)) => Found::Value(json),
                Some(Err(_)) => Found::Missing,
                None => Found::Value(Arc::new(Json::Null)),
            };
        }
        match fact.to_json().ok().as_ref().and_then(|json| json.get(field)) {
            Some(value) => Found::Value(Arc::new(value.clone())),
            None => Found::Missing,
        }
    }
}

const OF_A_STEP: [&str; 8] = [
    "status", "output", "error", "attempts", "usage", "cost", "arm", "items",
];

impl Lookup for Scope {
    fn find(&self, path: &[&str]) -> Found {
        let names = |names: &mut dyn Iterator<Item = String>| Found::Group(names.collect());
        match path {
            [] => {
                let own = self.own.iter().map(|(name, _)| name.clone());
                names(&mut own.chain(["inputs".to_owned(), "steps".to_owned()]))
            }
            ["steps"] => names(&mut self.facts.step_names().into_iter()),
            ["steps", step] => match self.facts.step(step) {
                Some(_) => names(&mut OF_A_STEP.iter().map(|field| (*field).to_owned())),
                None => Found::Missing,
            },
            ["steps", step, field] => self
                .facts
                .step(step)
                .map_or(Found::Missing, |fact| self.step(fact, field)),
            ["inputs"] => match self.facts.inputs().map(Value::to_json) {
                Some(Ok(json)) => Found::Value(json),
                _ => Found::Missing,
            },
            [name] => {
                let own = self.own.iter().rev().find(|(known, _)| known == name);
                own.map_or(Found::Missing, |(_, value)| Found::Value(value.clone()))
            }
            _ => Found::Missing,
        }
    }
}

fn json_of(value: &Value) -> Json {
    value
        .to_json()
        .map(|json| json.as_ref().clone())
        .unwrap_or_default()
}
