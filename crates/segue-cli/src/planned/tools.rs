//! The tools of an agent as a run would have them: what each name or glob means here, and what holds for it once everybody
//! who has a say has said it.

use segue::plan::{ToolApproval, ToolLimits, ToolUse};
use segue::{Plan, Registry, Tool, ToolClass, means_tool};
use serde_json::{Value as Json, json};

/// The tools an agent is given, each by its own name.
pub(super) fn of(plan: &Plan, wanted: &[ToolUse], registry: &Registry) -> Vec<Json> {
    wanted
        .iter()
        .flat_map(|wanted| meant(plan, wanted, registry))
        .collect()
}

fn meant(plan: &Plan, wanted: &ToolUse, registry: &Registry) -> Vec<Json> {
    if wanted.pipeline.is_some() {
        let limits = [limits_of(plan, &wanted.name), Some(&wanted.limits)];
        // Each tool in it asks for itself.
        let class = Some(ToolClass::Idempotent);
        return vec![described(
            &wanted.name,
            class,
            &limits,
            Some(&ToolApproval::Allow),
        )];
    }
    let found: Vec<Json> = registry
        .tools()
        .filter(|tool| means_tool(&wanted.name, &tool.spec().name))
        .map(|tool| shown(plan, wanted, tool))
        .collect();
    if found.is_empty() {
        // Segue's own, or another agent.
        let limits = [limits_of(plan, &wanted.name), Some(&wanted.limits)];
        return vec![described(&wanted.name, None, &limits, None)];
    }
    found
}

fn shown(plan: &Plan, wanted: &ToolUse, tool: &dyn Tool) -> Json {
    let (spec, offered) = (tool.spec(), tool.limits());
    let by_class = match spec.class {
        Some(ToolClass::Effectful) => ToolApproval::Ask,
        _ => ToolApproval::Allow,
    };
    let first = offered.approval.clone().unwrap_or(by_class);
    let limits = [limits_of(plan, &spec.name), Some(&wanted.limits), Some(&offered)];
    described(&spec.name, spec.class, &limits, Some(&first))
}

fn described(
    name: &str,
    class: Option<ToolClass>,
    limits: &[Option<&ToolLimits>],
    first: Option<&ToolApproval>,
) -> Json {
    let limits = limits.iter().flatten();
    let said = limits.clone().filter_map(|limits| limits.approval.as_ref());
    let approval = first.into_iter().chain(said).map(rank).max();
    let max_calls = limits.filter_map(|limits| limits.max_calls).min();
    let approval = approval.map(|(_, word)| word);
    json!({"name": name, "class": class, "approval": approval, "max_calls": max_calls})
}

/// How strict an approval is, and its word. What a condition says is known call by call.
fn rank(approval: &ToolApproval) -> (u8, &'static str) {
    match approval {
        ToolApproval::Allow => (0, "allow"),
        ToolApproval::When { .. } => (1, "by condition"),
        ToolApproval::Ask => (2, "ask"),
        ToolApproval::Deny => (3, "deny"),
    }
}

/// The limits a plan has for a tool, by name or glob.
fn limits_of<'p>(plan: &'p Plan, name: &str) -> Option<&'p ToolLimits> {
    let by_name = plan.tools.get(name);
    by_name.or_else(|| {
        let mut globs = plan.tools.iter();
        globs
            .find(|(glob, _)| means_tool(glob, name))
            .map(|(_, limits)| limits)
    })
}
