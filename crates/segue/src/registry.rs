//! What a program registers by name: agents, tools and steps that pipeline files and imperative steps can name.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use indexmap::IndexMap;

use crate::agent::Agent;
use crate::error::{ErrorKind, Failure, StepError};
use crate::pattern::{BUILT_IN, Strategy};
use crate::plan::{PlannedAgent, ToolLimits};
use crate::run::{Cx, Done, PipelineTool};
use crate::schema::Schema;
use crate::tool::{Limited, Tool, ToolSpec};
use crate::value::{Data, Value};

/// What a program registers by name.
///
/// Agents, tools and steps share their names; strategies have their own. One registered twice is an error when the registry is used, so that none
/// silently replaces another.
#[derive(Clone, Default)]
pub struct Registry {
    agents: IndexMap<String, Arc<dyn NamedAgent>>,
    tools: IndexMap<String, Arc<dyn Tool>>,
    steps: IndexMap<String, Arc<dyn NamedStep>>,
    /// Groups of tools whose names nobody knows yet, each with how to know them.
    unverified: IndexMap<String, String>,
    strategies: IndexMap<String, Arc<dyn Strategy>>,
    twice: Vec<String>,
}

/// An agent of any type of answer.
pub(crate) trait NamedAgent: Send + Sync {
    fn planned(&self) -> Arc<PlannedAgent>;
    fn tools(&self) -> &[Arc<dyn Tool>];
}

impl<Out> NamedAgent for Agent<Out> {
    fn planned(&self) -> Arc<PlannedAgent> {
        Agent::planned(self)
    }

    fn tools(&self) -> &[Arc<dyn Tool>] {
        Agent::tools(self)
    }
}

/// A step of any types.
pub(crate) trait NamedStep: Send + Sync {
    fn call(&self, cx: Cx, input: Value) -> BoxFuture<'static, Result<Value, StepError>>;
    fn input(&self) -> Schema;
    fn output(&self) -> Schema;
}

struct Registered<In, Out>(crate::step::Body<In, Out>);

impl<In: Data, Out: Data> NamedStep for Registered<In, Out> {
    fn call(&self, cx: Cx, input: Value) -> BoxFuture<'static, Result<Value, StepError>> {
        let body = self.0.clone();
        Box::pin(async move {
            let input = input.take::<In>().map_err(|error| {
                StepError::of(
                    ErrorKind::SchemaMismatch,
                    format!("the input does not fit the step: {error}"),
                )
            })?;
            match body.call(cx, input).await? {
                Done::Output(output) => Ok(output),
                _ => Err(StepError::of(
                    ErrorKind::Internal,
                    "a registered step made no output",
                )),
            }
        })
    }

    fn input(&self) -> Schema {
        Schema::of::<In>()
    }

    fn output(&self) -> Schema {
        Schema::of::<Out>()
    }
}

impl Registry {
    /// Nothing registered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers an agent under its name.
    #[must_use]
    pub fn agent<Out: 'static>(mut self, agent: &Agent<Out>) -> Self {
        let name = self.claim(agent.name().to_owned());
        self.agents.insert(name, Arc::new(agent.clone()));
        self
    }

    /// Registers a tool under its name; a [`Pipeline`](crate::Pipeline) is the tool `pipeline:NAME`.
    #[must_use]
    pub fn tool(mut self, tool: impl Tool) -> Self {
        let name = self.claim(tool.spec().name);
        self.tools.insert(name, Arc::new(tool));
        self
    }

    /// Notes that there are tools of which nobody knows yet what they are: those whose names begin with `group` and a dot. A
    /// file that names one of them gets the warning `unverified` with this way out, and cannot be run until they are known.
    #[must_use]
    pub fn unverified(mut self, group: impl Into<String>, way_out: impl Into<String>) -> Self {
        self.unverified.insert(group.into(), way_out.into());
        self
    }

    /// Registers a tool under its name, within limits that files and agents can narrow and not widen. With
    /// `ToolApproval::Allow` nobody is asked about an effectful tool, unless its user wants to be.
    #[must_use]
    pub fn tool_with(self, tool: impl Tool, limits: ToolLimits) -> Self {
        self.tool(Limited { tool, limits })
    }

    /// Registers a step under a name, for `tool:` steps of pipeline files and `cx.call`.
    #[must_use]
    pub fn step<M, S>(mut self, name: impl Into<String>, step: S) -> Self
    where
        S: crate::step::IntoStep<M>,
        S::In: Data,
    {
        let name = self.claim(name.into());
        let body = step.into_definition().body;
        self.steps.insert(name, Arc::new(Registered(body)));
        self
    }

    /// The agents, in the order they were registered.
    pub fn agents(&self) -> impl Iterator<Item = Arc<PlannedAgent>> + '_ {
        self.agents.values().map(|agent| agent.planned())
    }

    /// Registers a strategy under a name, for [`Pattern`](crate::Pattern) and for `strategy` in `patterns` of files,
    /// beside `sequential`, `parallel` and `conditional`.
    #[must_use]
    pub fn strategy(mut self, name: impl Into<String>, strategy: impl Strategy + 'static) -> Self {
        let name = name.into();
        if BUILT_IN.contains(&name.as_str()) || self.strategies.contains_key(&name) {
            self.twice.push(name.clone());
        }
        self.strategies.insert(name, Arc::new(strategy));
        self
    }

    /// Puts a tool in the place of what is registered under its name, if anything is.
    pub(crate) fn put_tool(&mut self, tool: Arc<dyn Tool>) {
        let name = tool.spec().name;
        self.agents.shift_remove(&name);
        self.steps.shift_remove(&name);
        self.tools.insert(name, tool);
    }

    /// Every tool.
    pub(crate) fn shared_tools(&self) -> impl Iterator<Item = &Arc<dyn Tool>> {
        self.tools.values()
    }

    /// The pipelines that are registered as tools, and those that registered agents were given.
    pub(crate) fn pipelines(&self) -> impl Iterator<Item = PipelineTool> + '_ {
        let given = self.agents.values().flat_map(|agent| agent.tools());
        self.tools
            .values()
            .chain(given)
            .filter_map(|tool| tool.pipeline())
    }

    /// Notes a name that is taken already, by whatever kind of thing.
    fn claim(&mut self, name: String) -> String {
        let is_taken = self.agents.contains_key(&name)
            || self.tools.contains_key(&name)
            || self.steps.contains_key(&name);
        if is_taken {
            self.twice.push(name.clone());
        }
        name
    }

    /// # Errors
    /// When a name was registered twice.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let Some(name) = self.twice.first() else {
            return Ok(());
        };
        let message = format!("`{name}` is registered twice");
        Err(Failure::new(ErrorKind::InvalidDefinition, message)
            .hint("agents, tools, steps and strategies are found by name; give each its own"))
    }

    /// The group that a name or glob may mean something of, and how to know.
    pub(crate) fn unverified_of(&self, name: &str) -> Option<(&str, &str)> {
        let written = name.split('*').next().unwrap_or_default();
        let is_glob = written.len() < name.len();
        let found = self
            .unverified
            .iter()
            .find(|(group, _)| match written.strip_prefix(group.as_str()) {
                Some(rest) => rest.starts_with('.') || (rest.is_empty() && is_glob),
                None => is_glob && group.starts_with(written),
            });
        found.map(|(group, way_out)| (group.as_str(), way_out.as_str()))
    }

    pub(crate) fn agent_names(&self) -> impl Iterator<Item = &str> {
        self.agents.keys().map(String::as_str)
    }

    /// The tools that are registered, in the order of their registration.
    pub fn tools(&self) -> impl Iterator<Item = &dyn Tool> {
        self.tools.values().map(|tool| &**tool)
    }

    pub(crate) fn tool_specs(&self) -> Vec<ToolSpec> {
        self.tools.values().map(|tool| tool.spec()).collect()
    }

    pub(crate) fn step_names(&self) -> impl Iterator<Item = &str> {
        self.steps.keys().map(String::as_str)
    }

    pub(crate) fn agent_of(&self, name: &str) -> Option<&Arc<dyn NamedAgent>> {
        self.agents.get(name)
    }

    /// The names of all strategies, those that are always there first.
    pub fn strategies(&self) -> impl Iterator<Item = &str> {
        BUILT_IN.into_iter().chain(self.strategy_names())
    }

    pub(crate) fn strategy_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.strategies.keys().map(String::as_str)
    }

    pub(crate) fn strategy_of(&self, name: &str) -> Option<Arc<dyn Strategy>> {
        self.strategies.get(name).cloned()
    }

    pub(crate) fn find_agent(&self, name: &str) -> Result<&Arc<dyn NamedAgent>, Failure> {
        self.agents.get(name).ok_or_else(|| {
            let tools = self.tools.keys().map(String::as_str);
            let known: Vec<&str> = self
                .agent_names()
                .chain(self.step_names())
                .chain(tools)
                .take(12)
                .collect();
            let message = format!("no agent, step or tool is registered as `{name}`");
            Failure::new(ErrorKind::NotFound, message).hint(match known.as_slice() {
                [] => "register it with `Registry::agent`, `step` or `tool`".to_owned(),
                known => format!("registered are: {}", known.join(", ")),
            })
        })
    }

    pub(crate) fn step_of(&self, name: &str) -> Option<&Arc<dyn NamedStep>> {
        self.steps.get(name)
    }

    pub(crate) fn tool_of(&self, name: &str) -> Option<Arc<dyn Tool>> {
        self.tools.get(name).cloned()
    }

    /// The registered tools that a name or glob means.
    pub(crate) fn find_tools(&self, name: &str) -> Result<Vec<Arc<dyn Tool>>, Failure> {
        let found: Vec<_> = self
            .tools
            .iter()
            .filter(|(known, _)| matches(name, known))
            .map(|(_, tool)| tool.clone())
            .collect();
        if found.is_empty()
            && let Some((group, way_out)) = self.unverified_of(name)
        {
            let message = format!("what tools `{group}` has is not known yet, so `{name}` means none");
            return Err(Failure::new(ErrorKind::NotFound, message).hint(way_out));
        }
        if found.is_empty() {
            let message = format!("no tool is registered as `{name}`");
            let known: Vec<&str> = self.tools.keys().map(String::as_str).take(12).collect();
            let hint = match known.as_slice() {
                [] => "register it with `Registry::tool`".to_owned(),
                known => format!("registered are: {}", known.join(", ")),
            };
            return Err(Failure::new(ErrorKind::NotFound, message).hint(hint));
        }
        Ok(found)
    }
}

/// Whether a name fits a glob, in which `*` stands for any characters.
pub(crate) fn matches(glob: &str, name: &str) -> bool {
    let mut parts = glob.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    if !glob.contains('*') {
        return rest.is_empty();
    }
    let parts: Vec<&str> = parts.collect();
    let (last, middle) = parts
        .split_last()
        .expect("a glob with a star has a part after it");
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{Registry, matches};

    #[test]
    fn a_name_or_glob_may_mean_a_tool_that_nobody_knows_yet() {
        let registry = Registry::new().unverified("files", "pin them");
        for name in [
            "files.read",
            "files.*",
            "files.re*d",
            "files*",
            "fi*",
            "*",
            "*.read",
        ] {
            assert_eq!(
                registry.unverified_of(name),
                Some(("files", "pin them")),
                "{name}"
            );
        }
        for name in ["files", "filesystem.read", "file.*", "read", "web.*", "x*"] {
            assert_eq!(registry.unverified_of(name), None, "{name}");
        }
    }

    #[test]
    fn globs() {
        for (glob, name) in [
            ("a", "a"),
            ("a.*", "a.b"),
            ("*", "x"),
            ("a.*.c", "a.b.c"),
            ("*b", "ab"),
            ("a*a", "aa"),
        ] {
            assert!(matches(glob, name), "{glob} {name}");
        }
        for (glob, name) in [
            ("a", "ab"),
            ("a.*", "a"),
            ("a*a", "a"),
            ("*b", "ba"),
            ("a.*.c", "a.c"),
        ] {
            assert!(!matches(glob, name), "{glob} {name}");
        }
    }
}
