//! Routes of a file: by an expression, a model, a tool, by weights, or one arm after another.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::act::{Work, tool};
use super::agent::{self, AgentWork};
use super::scope::Scope;
use super::text::Written;
use crate::error::{ErrorKind, Failure, Result, StepError};
use crate::plan::{Arm, Plan, RouteBy, Step};
use crate::registry::Registry;
use crate::run::{Choice, Cx, Done, call_tool};
use crate::schema::Schema;
use crate::value::Value;

/// How a route of a file chooses.
pub(super) struct RouteWork {
    by: By,
    names: Vec<String>,
    /// What a split is sticky by besides its key.
    place: String,
}

enum By {
    Expression(Written),
    Agent(Box<AgentWork>),
    Tool(Box<Work>),
    Split(IndexMap<String, u32>, Option<Written>),
    First(String),
}

pub(super) fn link(
    plan: &Plan,
    step: &Step,
    by: &RouteBy,
    arms: &IndexMap<String, Arm>,
    registry: &Registry,
) -> Result<Work, Failure> {
    let by = match by {
        RouteBy::Expression(source) => By::Expression(Written::expression(source)?),
        RouteBy::Agent(asked) => {
            let spec = match plan.agents.get(&asked.agent) {
                Some(spec) => spec.clone(),
                None => registry.find_agent(&asked.agent)?.planned(),
            };
            By::Agent(Box::new(agent::work(plan, step, asked, &spec)?))
        }
        RouteBy::Tool { tool: name, with } => By::Tool(Box::new(tool(plan, name, with, registry)?)),
        RouteBy::Split { weights, by } => {
            By::Split(weights.clone(), Written::of(by.as_deref(), Written::expression)?)
        }
        RouteBy::FirstOf(order) => By::First(order.first().cloned().unwrap_or_default()),
        RouteBy::Value(_) => {
            let message = format!(
                "route `{}` chooses by a Rust value, which a file cannot have",
                step.name
            );
            return Err(Failure::new(ErrorKind::InvalidDefinition, message));
        }
    };
    let place = format!("{}/{}", plan.name, step.name);
    Ok(Work::Route(Box::new(RouteWork {
        by,
        names: arms.keys().cloned().collect(),
        place,
    })))
}

impl RouteWork {
    pub(super) async fn choose(&self, cx: &Cx, scope: &Scope) -> Result<Done> {
        let choice = match &self.by {
            By::Expression(written) => Choice {
                arm: name_of(&written.value(scope)?)?,
                by: "expression".into(),
                reason: None,
                key: None,
            },
            By::Agent(work) => {
                let names = Schema::trusted(json!({"type": "string", "enum": self.names}));
                let arm = name_of(&work.ask_for(cx, scope, Some(names)).await?)?;
                Choice {
                    arm,
                    by: "model".into(),
                    reason: None,
                    key: None,
                }
            }
            By::Tool(work) => {
                let arm = name_of(&call(work, cx, scope).await?)?;
                Choice {
                    arm,
                    by: "code".into(),
                    reason: None,
                    key: None,
                }
            }
            By::Split(weights, by) => {
                let key = match by {
                    Some(by) => by.text(scope)?,
                    None => cx.run_id().to_string(),
                };
                let arm = split(weights, &self.place, &key).ok_or_else(|| {
                    StepError::of(ErrorKind::UnknownRoute, "no arm of the split has any weight")
                })?;
                Choice {
                    arm,
                    by: "split".into(),
                    reason: None,
                    key: Some(key),
                }
            }
            By::First(arm) => Choice {
                arm: arm.clone(),
                by: "fallback".into(),
                reason: None,
                key: None,
            },
        };
        Ok(Done::Choose(Box::new(choice)))
    }
}

/// The choice where the route itself has failed.
pub(super) fn fallen_back(arm: &Json) -> Result<Done> {
    let arm = name_of(arm)?;
    let reason = Some("the choice itself failed".to_owned());
    Ok(Done::Choose(Box::new(Choice {
        arm,
        by: "fallback".into(),
        reason,
        key: None,
    })))
}

async fn call(work: &Work, cx: &Cx, scope: &Scope) -> Result<Json> {
    match work {
        Work::Tool { tool, with } => call_tool(cx, tool, with.value(scope)?).await,
        Work::Step { step, with } => {
            let output = Arc::clone(step)
                .call(cx.clone(), Value::json(with.value(scope)?))
                .await?;
            Ok(output.to_json()?.as_ref().clone())
        }
        _ => Err(StepError::of(
            ErrorKind::Internal,
            "only tools and steps choose an arm by code",
        )),
    }
}

/// The name of an arm as a value says it: text, or a boolean.
fn name_of(value: &Json) -> Result<String> {
    match value {
        Json::String(name) => Ok(name.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        other => {
            let found = crate::fault::quote(&other.to_string());
            Err(StepError::of(
                ErrorKind::UnknownRoute,
                format!("a route needs the name of an arm, and found {found}"),
            ))
        }
    }
}

/// The arm a key falls on: the same key always falls on the same arm, and keys fall by weight.
fn split(weights: &IndexMap<String, u32>, place: &str, key: &str) -> Option<String> {
    let total: u64 = weights.values().map(|weight| u64::from(*weight)).sum();
    if total == 0 {
        return None;
    }
    let mut hash = Sha256::new();
    hash.update(place.as_bytes());
    hash.update([0]);
    hash.update(key.as_bytes());
    let digest = hash.finalize();
    let mut bits = [0u8; 8];
    bits.copy_from_slice(&digest[..8]);
    let mut at = u64::from_le_bytes(bits) % total;
    for (arm, weight) in weights {
        match at.checked_sub(u64::from(*weight)) {
            None => return Some(arm.clone()),
            Some(rest) => at = rest,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_sticky_and_follows_the_weights() {
        let weights: IndexMap<String, u32> =
            [("a".to_owned(), 90), ("b".to_owned(), 10), ("c".to_owned(), 0)].into();
        let mut counts = IndexMap::new();
        for key in 0..10_000 {
            let arm = split(&weights, "p/s", &key.to_string()).expect("there is weight");
            assert_eq!(split(&weights, "p/s", &key.to_string()), Some(arm.clone()));
            *counts.entry(arm).or_insert(0) += 1;
        }
        assert_eq!(counts.get("c"), None);
        let b = counts["b"];
        assert!((800..1200).contains(&b), "10 % of 10,000 keys gave {b}");
    }
}
