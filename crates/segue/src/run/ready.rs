//! Ready agents: what an agent of a definition becomes before a run starts, when its models and tools have been found.
//!
//! Whatever is not to be had is known here, and then nothing has run.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::callable::PipelineTool;
use super::shared::Environment;
use super::tool::{AgentTool, BUILT_IN, Referred, built_in};
use crate::error::{ErrorKind, Failure};
use crate::log::ChosenModel;
use crate::model::{Chosen, Memory};
use crate::pipeline::{DefinedAgent, Pipeline};
use crate::plan::{
    AGENT, ModelRef, Plan, PlannedAgent, ToolApproval, ToolLimits, ToolOnError, ToolUse, hash_of,
};
use crate::schema::Schema;
use crate::settings::OnInterrupt;
use crate::tool::{Tool, ToolClass, ToolSpec};

/// An agent whose models and tools were found.
pub(crate) struct ReadyAgent {
    pub(crate) spec: Arc<PlannedAgent>,
    pub(crate) models: Vec<Chosen>,
    pub(crate) tools: Vec<ReadyTool>,
    /// The tools of the program it was given, to tell agents of one name apart.
    pub(super) own: Vec<Arc<dyn Tool>>,
}

/// A tool that may be called, with the limits that hold where it is.
#[derive(Clone)]
pub(crate) struct ReadyTool {
    pub(crate) spec: ToolSpec,
    /// What its arguments must fit.
    pub(crate) takes: Schema,
    pub(crate) tool: Arc<dyn Tool>,
    pub(crate) limits: ToolLimits,
    /// What was said of approval, by everybody who has a say: the strictest counts, call by call.
    pub(crate) approvals: Vec<ToolApproval>,
    /// Most calls in a run, where the operator or the pipeline says so.
    pub(crate) max_per_run: Option<u32>,
    /// Whether it does the work of an agent, which has limits of its own.
    pub(crate) is_agent: bool,
    /// The pipeline that a call of it runs, where it is one.
    pub(crate) pipeline: Option<PipelineTool>,
}

impl ReadyAgent {
    /// The pipelines it may call as tools.
    pub(crate) fn pipelines(&self) -> impl Iterator<Item = &PipelineTool> {
        self.tools.iter().filter_map(|tool| tool.pipeline.as_ref())
    }

    /// What its models remember of runs.
    pub(super) fn memories(&self) -> impl Iterator<Item = &dyn Memory> {
        self.models.iter().filter_map(|chosen| chosen.model.memory())
    }

    /// What one of its models remembers.
    pub(super) fn memory_of(&self, model: &str) -> Option<&dyn Memory> {
        let chosen = self.models.iter().find(|chosen| chosen.model.name() == model);
        chosen.and_then(|chosen| chosen.model.memory())
    }

    /// Whether it was made from exactly this.
    pub(super) fn is(&self, spec: &Arc<PlannedAgent>, own: &[Arc<dyn Tool>]) -> bool {
        let same_tools =
            self.own.len() == own.len() && self.own.iter().zip(own).all(|(a, b)| Arc::ptr_eq(a, b));
        same_tools && (Arc::ptr_eq(&self.spec, spec) || self.spec == *spec)
    }
}

/// What an agent of a plan is found by inside a run: the same for the same definition, another for another of its name.
pub(crate) fn key_of(plan: Option<&Plan>, spec: &PlannedAgent) -> String {
    let limits = plan.map(|plan| &plan.tools);
    let content = serde_json::to_value((spec, limits)).unwrap_or_default();
    format!("{}@{}", spec.name, hash_of(&content))
}

/// Finds the models and tools of agents, and of the agents these may ask.
///
/// # Errors
/// When an agent has no model to be had, or a tool is unknown.
pub(crate) fn prepare_all(
    env: &Environment,
    over: &IndexMap<String, ModelRef>,
    defined: &[DefinedAgent],
    pinned: Option<&IndexMap<String, ChosenModel>>,
) -> Result<IndexMap<String, Arc<ReadyAgent>>, Failure> {
    let mut ready: IndexMap<String, Arc<ReadyAgent>> = IndexMap::new();
    let mut open: Vec<DefinedAgent> = defined.iter().rev().cloned().collect();
    while let Some(agent) = open.pop() {
        if ready.contains_key(&agent.key) {
            continue;
        }
        for name in agent
            .spec
            .tools
            .iter()
            .filter_map(|tool| tool.name.strip_prefix(AGENT))
        {
            open.push(asked(env, agent.plan.as_ref(), name)?);
        }
        let found = prepare(env, over, &agent, pinned)?;
        open.extend(
            found
                .pipelines()
                .flat_map(|pipeline| pipeline.0.agents.iter().cloned()),
        );
        ready.insert(agent.key, Arc::new(found));
    }
    Ok(ready)
}

/// Finds the models and tools of one agent.
///
/// # Errors
/// When it has no model to be had, or a tool is unknown.
pub(super) fn prepare(
    env: &Environment,
    over: &IndexMap<String, ModelRef>,
    agent: &DefinedAgent,
    pinned: Option<&IndexMap<String, ChosenModel>>,
) -> Result<ReadyAgent, Failure> {
    let spec = &agent.spec;
    let names = [Some(spec.name.as_str()), spec.alias.as_deref(), Some("")];
    let replaced = names.into_iter().flatten().find_map(|name| over.get(name));
    let list = replaced.map_or(spec.models.as_slice(), std::slice::from_ref);
    let chosen = pinned.and_then(|pinned| pinned.get(spec.alias.as_ref().unwrap_or(&spec.name)));
    let models = match chosen {
        Some(chosen) => env.models.resolve(&spec.name, &pin(list, chosen))?,
        None => env.models.resolve(&spec.name, list)?,
    };
    let tools = bind(env, agent)?;
    if spec.strict {
        strict(spec, &tools)?;
    }
    Ok(ReadyAgent {
        spec: spec.clone(),
        models,
        tools,
        own: agent.tools.clone(),
    })
}

/// The models of a run that goes on: the one that was chosen when it began comes first.
fn pin(list: &[ModelRef], chosen: &ChosenModel) -> Vec<ModelRef> {
    let first = list
        .iter()
        .find(|model| model.name == chosen.chosen)
        .or(list.first());
    let pinned = first.map(|model| ModelRef {
        name: chosen.chosen.clone(),
        ..model.clone()
    });
    let rest = list.iter().filter(|model| model.name != chosen.chosen);
    pinned.into_iter().chain(rest.cloned()).collect()
}

/// An agent that another may ask: one of the same plan, or a registered one.
pub(super) fn asked(
    env: &Environment,
    plan: Option<&Arc<Plan>>,
    name: &str,
) -> Result<DefinedAgent, Failure> {
    if let Some(spec) = plan.and_then(|plan| plan.agents.get(name)) {
        return Ok(DefinedAgent::of_plan(plan, spec.clone(), Vec::new()));
    }
    let found = env.registry.find_agent(name)?;
    Ok(DefinedAgent::of_plan(
        plan,
        found.planned(),
        found.tools().to_vec(),
    ))
}

/// The tools of an agent: those of the program it was given, registered ones, built-in ones, other agents.
fn bind(env: &Environment, agent: &DefinedAgent) -> Result<Vec<ReadyTool>, Failure> {
    let mut bound: Vec<ReadyTool> = Vec::new();
    for wanted in &agent.spec.tools {
        for tool in find(env, agent, wanted)? {
            let spec = tool.spec();
            if let Some(known) = bound.iter_mut().find(|known| known.spec.name == spec.name) {
                if !Arc::ptr_eq(&known.tool, &tool) {
                    let message = format!("agent `{}` has two tools `{}`", agent.spec.name, spec.name);
                    return Err(Failure::new(ErrorKind::InvalidDefinition, message));
                }
                known.narrow(&wanted.limits);
                continue;
            }
            tool.available()?;
            let is_own = agent.tools.iter().any(|own| Arc::ptr_eq(own, &tool));
            let mut ready = ReadyTool::new(tool, agent.plan.as_deref())?;
            if is_own {
                ready.offered_with(&wanted.limits);
            }
            ready.narrow(&wanted.limits);
            ready.is_agent = wanted.name.starts_with(AGENT);
            bound.push(ready);
        }
    }
    Ok(bound)
}

/// The tools that agents may call, and those of the agents they may ask and of the pipelines they may call. What cannot be found is said by whoever prepares
/// them.
pub(super) fn tools_of(env: &Environment, agents: &[DefinedAgent]) -> Vec<Arc<dyn Tool>> {
    let mut tools: Vec<Arc<dyn Tool>> = Vec::new();
    let mut open: Vec<DefinedAgent> = agents.to_vec();
    let mut seen = HashSet::new();
    while let Some(agent) = open.pop() {
        if !seen.insert(agent.key.clone()) {
            continue;
        }
        for wanted in &agent.spec.tools {
            match wanted.name.strip_prefix(AGENT) {
                Some(name) => open.extend(asked(env, agent.plan.as_ref(), name)),
                None => {
                    for tool in find(env, &agent, wanted).into_iter().flatten() {
                        let called = tool.pipeline();
                        open.extend(called.iter().flat_map(|called| called.0.agents.iter().cloned()));
                        tools.push(tool);
                    }
                }
            }
        }
    }
    tools
}

/// The tools that a name or glob means.
fn find(env: &Environment, agent: &DefinedAgent, wanted: &ToolUse) -> Result<Vec<Arc<dyn Tool>>, Failure> {
    let name = wanted.name.as_str();
    if let Some(name) = name.strip_prefix(AGENT) {
        let asked = asked(env, agent.plan.as_ref(), name)?;
        return Ok(vec![Arc::new(AgentTool::new(&asked))]);
    }
    let fits = |tool: &&Arc<dyn Tool>| crate::registry::matches(name, &tool.spec().name);
    let mut found: Vec<Arc<dyn Tool>> = agent.tools.iter().filter(fits).cloned().collect();
    if name.starts_with(BUILT_IN) {
        found.extend(built_in().iter().filter(fits).cloned());
    }
    if found.is_empty()
        && let Some(plan) = &wanted.pipeline
    {
        let linked = Pipeline::from_plan(plan, &env.registry);
        let linked = linked.map_err(|error| error.failure().clone())?;
        return Ok(vec![Arc::new(Referred::new(name.to_owned(), &linked))]);
    }
    if found.is_empty() || name.contains('*') {
        match env.registry.find_tools(name) {
            Ok(registered) => found.extend(registered),
            Err(_) if !found.is_empty() => {}
            Err(failure) => {
                let message = format!("agent `{}`: {}", agent.spec.name, failure.message);
                return Err(Failure { message, ..failure });
            }
        }
    }
    Ok(found)
}

impl ReadyTool {
    /// A tool with the limits of whoever offers it, and those a plan has for it.
    ///
    /// # Errors
    /// When the schema of its arguments is none.
    pub(crate) fn new(tool: Arc<dyn Tool>, plan: Option<&Plan>) -> Result<Self, Failure> {
        let spec = tool.spec();
        let takes = Schema::from_json(closed(&spec.parameters)).map_err(|flaw| {
            let message = format!(
                "the arguments of tool `{}` have no schema: {}",
                spec.name, flaw.message
            );
            Failure::new(ErrorKind::InvalidDefinition, message)
        })?;
        let mut limits = tool.limits();
        let by_class = match spec.class {
            Some(ToolClass::Effectful) => ToolApproval::Ask,
            _ => ToolApproval::Allow,
        };
        let mut ready = Self {
            approvals: vec![limits.approval.take().unwrap_or(by_class)],
            max_per_run: limits.max_calls.take(),
            limits,
            spec,
            takes,
            pipeline: tool.pipeline(),
            tool,
            is_agent: false,
        };
        if let Some(of_plan) = plan.and_then(|plan| limits_of(plan, &ready.spec.name)) {
            let mut of_plan = of_plan.clone();
            ready.max_per_run = least(ready.max_per_run, of_plan.max_calls.take());
            ready.narrow(&of_plan);
        }
        Ok(ready)
    }

    /// Whoever wrote an agent in Rust and brought the tool along offers it: an approval that is not needed is theirs to
    /// give, as an operator's is.
    fn offered_with(&mut self, limits: &ToolLimits) {
        if let (None, Some(approval), Some(first)) = (
            self.tool.limits().approval,
            &limits.approval,
            self.approvals.first_mut(),
        ) {
            *first = approval.clone();
        }
    }

    /// Lays limits of one who uses the tool over those that hold already.
    fn narrow(&mut self, limits: &ToolLimits) {
        self.limits = narrowed(&self.limits, limits);
        self.approvals.extend(limits.approval.clone());
        if let Some(ToolOnError::Fail) = self.tool.limits().on_error {
            self.limits.on_error = Some(ToolOnError::Fail);
        }
    }
}

/// Unknown arguments are refused unless the schema says otherwise.
fn closed(parameters: &Json) -> Json {
    let mut parameters = parameters.clone();
    if let Json::Object(schema) = &mut parameters {
        schema.entry("additionalProperties").or_insert(Json::Bool(false));
    }
    parameters
}

/// Where an agent asks for it, every schema must be one a provider can enforce.
fn strict(spec: &PlannedAgent, tools: &[ReadyTool]) -> Result<(), Failure> {
    let of_tools = tools
        .iter()
        .map(|tool| (format!("tool `{}`", tool.spec.name), &tool.takes));
    let of_output = spec.output.iter().map(|schema| ("its output".to_owned(), schema));
    for (what, schema) in of_tools.chain(of_output) {
        if let Some(flaw) = schema.strict_flaws().first() {
            let message = format!(
                "agent `{}` is strict, and the schema of {what} is not: {flaw}",
                spec.name
            );
            return Err(Failure::new(ErrorKind::InvalidDefinition, message));
        }
    }
    Ok(())
}

/// The limits a plan has for a tool, by name or glob.
fn limits_of<'a>(plan: &'a Plan, name: &str) -> Option<&'a ToolLimits> {
    plan.tools.get(name).or_else(|| {
        let glob = plan
            .tools
            .iter()
            .find(|(glob, _)| crate::registry::matches(glob, name));
        glob.map(|(_, limits)| limits)
    })
}

/// The narrower of two sets of limits, limit by limit. Approvals are not laid together here: what conditions of two say is
/// known call by call.
fn narrowed(a: &ToolLimits, b: &ToolLimits) -> ToolLimits {
    ToolLimits {
        max_calls: least(a.max_calls, b.max_calls),
        timeout: least(a.timeout, b.timeout),
        retries: least(a.retries, b.retries),
        approval: None,
        approval_timeout: least(a.approval_timeout, b.approval_timeout),
        on_error: b.on_error.clone().or_else(|| a.on_error.clone()),
        on_interrupt: cautious(a.on_interrupt, b.on_interrupt),
    }
}

fn least<T: Ord + Copy>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// The more cautious of the two, where both say something.
fn cautious(a: Option<OnInterrupt>, b: Option<OnInterrupt>) -> Option<OnInterrupt> {
    let rank = |on_interrupt: &OnInterrupt| match on_interrupt {
        OnInterrupt::Retry => 0,
        OnInterrupt::Ask => 1,
        OnInterrupt::Fail => 2,
    };
    [a, b].into_iter().flatten().max_by_key(rank)
}

/// What the models of agents came to mean, for the record.
pub(crate) fn chosen<'a>(agents: impl Iterator<Item = &'a Arc<ReadyAgent>>) -> IndexMap<String, ChosenModel> {
    let mut all = IndexMap::new();
    for agent in agents {
        let Some(first) = agent.models.first() else {
            continue;
        };
        let spec = &agent.spec;
        let model = ChosenModel {
            asked: spec.models.iter().map(|model| model.name.clone()).collect(),
            chosen: first.chosen.clone(),
            source: first.source.to_owned(),
        };
        all.entry(spec.alias.clone().unwrap_or_else(|| spec.name.clone()))
            .or_insert(model);
    }
    all
}
