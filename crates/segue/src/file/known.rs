//! What a program has registered, as far as a file can name it.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::pattern::{BUILT_IN as STRATEGIES, Strategy};
use crate::plan::PlannedAgent;
use crate::registry::{Registry, matches};
use crate::schema::Schema;
use crate::tool::ToolSpec;

/// Tools every agent may name, whatever is registered.
const BUILT_IN: [&str; 3] = ["segue.save_artifact", "segue.read_artifact", "segue.read_step"];

/// Agents, tools and steps of the program.
pub(super) struct Known {
    registry: Registry,
    agents: IndexMap<String, Arc<PlannedAgent>>,
    tools: IndexMap<String, ToolSpec>,
    steps: IndexMap<String, (Schema, Schema)>,
    strategies: IndexMap<String, Arc<dyn Strategy>>,
    /// Schemas of the arguments of tools, made when they are asked for.
    parameters: HashMap<String, Option<Schema>>,
}

impl Known {
    pub(super) fn of(registry: &Registry) -> Self {
        let agent = |name: &str| Some((name.to_owned(), registry.agent_of(name)?.planned()));
        let step = |name: &str| {
            let step = registry.step_of(name)?;
            Some((name.to_owned(), (step.input(), step.output())))
        };
        Self {
            agents: registry.agent_names().filter_map(agent).collect(),
            tools: registry
                .tool_specs()
                .into_iter()
                .map(|spec| (spec.name.clone(), spec))
                .collect(),
            steps: registry.step_names().filter_map(step).collect(),
            strategies: registry
                .strategy_names()
                .filter_map(|name| Some((name.to_owned(), registry.strategy_of(name)?)))
                .collect(),
            parameters: HashMap::new(),
            registry: registry.clone(),
        }
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The group of tools that a name or glob may mean something of, where nobody knows yet what they are; and how to know.
    pub(super) fn unverified(&self, name: &str) -> Option<(String, String)> {
        let (group, way_out) = self.registry.unverified_of(name)?;
        Some((group.to_owned(), way_out.to_owned()))
    }

    pub(super) fn agent(&self, name: &str) -> Option<&Arc<PlannedAgent>> {
        self.agents.get(name)
    }

    pub(super) fn agents(&self) -> impl Iterator<Item = &str> {
        self.agents.keys().map(String::as_str)
    }

    /// The tools that a name or glob means.
    pub(super) fn tools_of<'a>(&'a self, glob: &'a str) -> impl Iterator<Item = &'a ToolSpec> {
        self.tools.values().filter(move |tool| matches(glob, &tool.name))
    }

    /// Whether an agent can be given a tool of this name or glob.
    pub(super) fn is_tool(&self, glob: &str) -> bool {
        BUILT_IN.iter().any(|name| matches(glob, name)) || self.tools_of(glob).next().is_some()
    }

    /// The tools there are.
    pub(super) fn tools(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str).chain(BUILT_IN)
    }

    /// Whether a step can call this.
    pub(super) fn can_call(&self, name: &str) -> bool {
        self.tools.contains_key(name) || self.steps.contains_key(name)
    }

    /// What a step can call.
    pub(super) fn callable(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().chain(self.steps.keys()).map(String::as_str)
    }

    /// The type of what a tool or step takes, where it is known.
    pub(super) fn takes(&mut self, name: &str) -> Option<Schema> {
        if let Some((takes, _)) = self.steps.get(name) {
            return Some(takes.clone());
        }
        let spec = self.tools.get(name)?;
        let schema = self.parameters.entry(name.to_owned());
        schema
            .or_insert_with(|| Schema::from_json(spec.parameters.clone()).ok())
            .clone()
    }

    /// A strategy that the program registers.
    pub(super) fn strategy(&self, name: &str) -> Option<Arc<dyn Strategy>> {
        self.strategies.get(name).cloned()
    }

    /// The strategies there are, the built-in ones first.
    pub(super) fn strategies(&self) -> impl Iterator<Item = &str> {
        STRATEGIES
            .into_iter()
            .chain(self.strategies.keys().map(String::as_str))
    }

    /// The type of what a registered step gives.
    pub(super) fn gives(&self, name: &str) -> Option<Schema> {
        self.steps.get(name).map(|(_, gives)| gives.clone())
    }
}
