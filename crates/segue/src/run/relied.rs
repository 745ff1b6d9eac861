//! What a run relies on beyond its plan: the registered agents, steps and tools it names, as they are described. Kept with
//! the run, so that whoever takes it up can tell whether they are still what they were.

use std::sync::Arc;

use futures_util::future::join_all;
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::ready::{ReadyAgent, tools_of};
use super::shared::Environment;
use crate::error::Failure;
use crate::pipeline::DefinedAgent;
use crate::plan::{Action, Arm, Plan, RouteBy, Step};
use crate::schema::{Fit, Schema};

/// By kind and name, such as `tool app.fetch`: what it takes and gives, and what is said of it.
pub(crate) type Relied = IndexMap<String, Json>;

/// What the agents and steps of a plan rely on.
pub(crate) fn relied(env: &Environment, plan: &Plan, agents: &IndexMap<String, Arc<ReadyAgent>>) -> Relied {
    let mut relied = Relied::new();
    for agent in agents.values() {
        if !plan.agents.contains_key(&agent.spec.name) && env.registry.agent_of(&agent.spec.name).is_some() {
            let spec = serde_json::to_value(&*agent.spec).unwrap_or_default();
            relied.insert(format!("agent {}", agent.spec.name), spec);
        }
        for tool in &agent.tools {
            if env.registry.tool_of(&tool.spec.name).is_some() {
                let spec = serde_json::to_value(&tool.spec).unwrap_or_default();
                relied.insert(format!("tool {}", tool.spec.name), spec);
            }
        }
    }
    for name in called(plan) {
        relied.extend(described(env, &name));
    }
    relied
}

/// Whether every tool can be called that these steps of a plan call by themselves; all of its steps where none are named.
///
/// # Errors
/// Why one cannot.
pub(crate) fn available(env: &Environment, plan: &Plan, steps: Option<Vec<&Step>>) -> Result<(), Failure> {
    let steps = steps.unwrap_or_else(|| plan.steps.iter().collect());
    let tools = called_by(plan, steps).into_iter();
    let mut tools = tools.filter_map(|name| env.registry.tool_of(&name));
    tools.try_for_each(|tool| tool.available())
}

/// Whether every tool can be reached that these agents and steps of a plan may call. Those of one server share whatever
/// connects them.
///
/// # Errors
/// Why one cannot.
pub(crate) async fn reachable(
    env: &Environment,
    plan: &Plan,
    agents: &[DefinedAgent],
    steps: Vec<&Step>,
) -> Result<(), Failure> {
    let mut tools = tools_of(env, agents);
    tools.extend(
        called_by(plan, steps)
            .iter()
            .filter_map(|name| env.registry.tool_of(name)),
    );
    let asked = join_all(tools.iter().map(|tool| tool.reachable())).await;
    asked.into_iter().collect()
}

/// A registered step or tool as it is described.
fn described(env: &Environment, name: &str) -> Option<(String, Json)> {
    if let Some(step) = env.registry.step_of(name) {
        let (takes, gives) = (step.input(), step.output());
        let spec = json!({"parameters": takes.as_json(), "output": gives.as_json()});
        return Some((format!("step {name}"), spec));
    }
    let spec = serde_json::to_value(env.registry.tool_of(name)?.spec()).ok()?;
    Some((format!("tool {name}"), spec))
}

/// The tools and registered steps that steps of a plan call by themselves, those of nested pipelines among them.
fn called(plan: &Plan) -> Vec<String> {
    called_by(plan, plan.steps.iter().collect())
}

/// The same for some of the steps, and for the fallback. What agents call as tools is called by them.
fn called_by<'a>(plan: &'a Plan, mut open: Vec<&'a Step>) -> Vec<String> {
    let mut names = Vec::new();
    let fallback = plan.on_failure.iter().flat_map(|fallback| &fallback.plan.steps);
    open.extend(fallback);
    for step in open.clone() {
        open.extend(of_tools(plan, step));
    }
    while let Some(step) = open.pop() {
        match &step.action {
            Action::Tool { tool, .. } => names.push(tool.clone()),
            Action::Route { by, arms, .. } => {
                if let RouteBy::Tool { tool, .. } = by {
                    names.push(tool.clone());
                }
                open.extend(arms.values().filter_map(|arm| match arm {
                    Arm::Inline(step) => Some(&**step),
                    Arm::Nothing | Arm::Steps(_) => None,
                }));
            }
            Action::Pipeline { plan, .. } => {
                open.extend(&plan.steps);
                open.extend(plan.steps.iter().flat_map(|step| of_tools(plan, step)));
            }
            _ => {}
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// The steps of the pipelines that the agent of a step has as tools.
fn of_tools<'a>(plan: &'a Plan, step: &'a Step) -> Vec<&'a Step> {
    let mut steps = Vec::new();
    let mut open = plan.callable_by(step);
    while let Some((_, called)) = open.pop() {
        for step in &called.steps {
            steps.push(step);
            open.extend(called.callable_by(step));
        }
    }
    steps
}

/// Why a plan that was made for one description of a step or a tool cannot use another; none when it may be able to. What
/// an agent calls it calls as it is told; only steps call what they were made for.
pub(crate) fn misfit(plan: &Plan, name: &str, then: &Json, now: &Json) -> Option<String> {
    let (kind, called_name) = name.split_once(' ')?;
    if kind == "agent" || !called(plan).iter().any(|called| called == called_name) {
        return None;
    }
    let schema = |spec: &Json, key: &str| {
        let json = spec.get(key).cloned().unwrap_or_else(|| json!({}));
        Schema::from_json(json).unwrap_or_else(|_| Schema::any())
    };
    let takes = schema(then, "parameters").compatible(&schema(now, "parameters"));
    let gives = schema(now, "output").compatible(&schema(then, "output"));
    match (takes, gives) {
        (Fit::No(why), _) => Some(format!("{name}: what it is given does not fit any more ({why})")),
        (_, Fit::No(why)) => Some(format!("{name}: what it gives does not fit any more ({why})")),
        _ => None,
    }
}
