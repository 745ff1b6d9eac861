//! Mentions: the names that test files and scripts use of a pipeline, and whether it has them.

use std::sync::Arc;

use super::reader::Reader;
use super::suggest::Nearest;
use crate::fault::{Code, Fault, Place, Span, quote};
use crate::plan::{AGENT, Action, Plan, RouteBy};
use crate::registry::{Registry, matches};

/// A name that a file uses of a pipeline.
pub(crate) struct Mention {
    pub(crate) what: What,
    pub(crate) name: String,
    pub(crate) within: Within,
    file: String,
    place: Place,
}

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A step, by its path.
    Step,
    Agent,
    /// A tool that something may call.
    Tool,
}

/// Where it is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Within {
    /// The pipeline as it runs by itself.
    Pipeline,
    /// One of its patterns.
    Pattern(String),
    /// The pipeline or any of its patterns.
    Anywhere,
}

impl<'d> Reader<'_, '_, 'd> {
    /// A name at a span of this file; looked for anywhere unless more is said.
    pub(super) fn mention(&self, what: What, name: &str, span: Span) -> Mention {
        Mention {
            what,
            name: name.to_owned(),
            within: Within::Anywhere,
            file: self.doc.source.name().to_owned(),
            place: self.doc.place(span),
        }
    }
}

/// What there is to be named, of one or several plans of a pipeline.
pub(super) struct There {
    /// What the pipeline is called.
    name: String,
    /// The plans whose steps paths begin with.
    roots: Vec<Arc<Plan>>,
    agents: Vec<String>,
    /// Tools that are called or may be, globs among them.
    tools: Vec<String>,
}

impl There {
    pub(super) fn of(roots: Vec<Arc<Plan>>, registry: &Registry) -> Self {
        let name = roots.first().map(|plan| plan.name.clone());
        let plans: Vec<Arc<Plan>> = roots.iter().flat_map(Plan::and_below).collect();
        let mut there = Self {
            name: name.unwrap_or_default(),
            roots,
            agents: Vec::new(),
            tools: Vec::new(),
        };
        // Steps and agents of the program call what they like.
        let mut is_open = false;
        for plan in &plans {
            is_open |= there.uses_of(plan, registry);
        }
        there.agents.extend(registry.agent_names().map(str::to_owned));
        if is_open {
            there
                .tools
                .extend(registry.tool_specs().into_iter().map(|spec| spec.name));
            for agent in registry.agents() {
                there
                    .tools
                    .extend(agent.tools.iter().map(|tool| tool.name.clone()));
            }
        }
        there
    }

    /// Notes the agents and tools of a plan; whether code of the program is among what it runs.
    fn uses_of(&mut self, plan: &Plan, registry: &Registry) -> bool {
        let mut is_open = false;
        for agent in plan.agents.values() {
            self.agents.push(agent.name.clone());
            self.tools
                .extend(agent.tools.iter().map(|tool| tool.name.clone()));
        }
        for step in &plan.steps {
            if let Some(agent) = step.action.agent() {
                is_open |= !plan.agents.contains_key(agent);
                self.agents.push(agent.to_owned());
            }
            match &step.action {
                Action::Agent(asked)
                | Action::Route {
                    by: RouteBy::Agent(asked),
                    ..
                } => {
                    let own = asked.over.tools.iter().flatten();
                    self.tools.extend(own.map(|tool| tool.name.clone()));
                }
                Action::Tool { tool, .. }
                | Action::Route {
                    by: RouteBy::Tool { tool, .. },
                    ..
                } => {
                    is_open |= registry.step_of(tool).is_some();
                    self.tools.push(tool.clone());
                }
                Action::Function { .. } => is_open = true,
                _ => {}
            }
        }
        is_open || self.tools.iter().any(|tool| tool.starts_with(AGENT))
    }

    /// What is wrong with a name, if there is nothing that it names.
    pub(super) fn lacks(&self, mention: &Mention) -> Option<Fault> {
        let name = quote(&mention.name);
        let (code, message, nearest) = match mention.what {
            What::Step => {
                let (missing, of, known) = self.missing_step(&mention.name)?;
                let message = format!("step {} does not exist in {}", quote(&missing), quote(&of));
                let known = known.iter().map(String::as_str);
                (Code::UnknownStep, message, Nearest::of(&missing, known, "steps"))
            }
            What::Agent => {
                if self.agents.contains(&mention.name) {
                    return None;
                }
                let message = format!("agent {name} does not exist in {}", quote(&self.name));
                (
                    Code::UnknownAgent,
                    message,
                    nearest(&mention.name, &self.agents, "agents"),
                )
            }
            What::Tool => {
                if self.tools.iter().any(|tool| matches(tool, &mention.name)) {
                    return None;
                }
                let message = format!("nothing in {} can call tool {name}", quote(&self.name));
                (
                    Code::UnknownTool,
                    message,
                    nearest(&mention.name, &self.tools, "tools"),
                )
            }
        };
        Some(nearest.advise(Fault::new(code, message).at(mention.file.as_str(), mention.place)))
    }

    /// The part of a path that no step is called, where it is missing, and what is there instead.
    fn missing_step(&self, path: &str) -> Option<(String, String, Vec<String>)> {
        let mut missing = None;
        for root in &self.roots {
            let found = missing_in(root, path)?;
            missing.get_or_insert(found);
        }
        missing
    }
}

fn nearest(name: &str, known: &[String], kind: &str) -> Nearest {
    let mut known: Vec<&str> = known.iter().map(String::as_str).collect();
    known.sort_unstable();
    known.dedup();
    Nearest::of(name, known, kind)
}

fn missing_in(root: &Arc<Plan>, path: &str) -> Option<(String, String, Vec<String>)> {
    let mut plan = root.clone();
    let mut segments = path.split('/').map(without_index).peekable();
    while let Some(name) = segments.next() {
        let fallback = plan.below(None, "");
        let below = match plan.steps.iter().position(|step| step.name == name) {
            Some(at) => {
                let arm = segments.peek().copied().unwrap_or_default();
                // What the code of a step calls is known to nobody but the code.
                plan.below(Some(u32::try_from(at).ok()?), arm)?
            }
            None if name == "on_failure" && fallback.is_some() => fallback?,
            None => {
                let mut known: Vec<String> = plan.steps.iter().map(|step| step.name.clone()).collect();
                known.extend(fallback.map(|_| "on_failure".to_owned()));
                return Some((name.to_owned(), plan.name.clone(), known));
            }
        };
        plan = below;
    }
    None
}

/// `sub` of `sub[2]`.
fn without_index(segment: &str) -> &str {
    segment.split_once('[').map_or(segment, |(name, _)| name)
}
