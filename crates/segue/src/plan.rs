//! Plans: what a definition becomes. A plan that exists is valid.
//!
//! A plan is a value: it can be stored, hashed, compared, drawn and sent to another process. It names behaviour (a
//! registered step, an agent, a tool) and never contains it. Both kinds of definition, Rust and pipeline files, become
//! the same plan; [`check`](mod@check) is the only way to one, and reports every fault at once.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::budget::Budget;
use crate::schema::Schema;
use crate::settings::{Resolved, RetryLayer, Settings};

mod action;
mod calls;
pub mod check;
mod hash;
mod pinned;
mod tools;

pub use action::{
    Action, AgentOver, AgentStep, Arm, Artifact, AskStep, Complete, Context, ModelRef, ModelSettings,
    OnFailure, Output, PlannedAgent, RouteBy, Source,
};
pub(crate) use calls::AGENT;
pub use calls::PIPELINE;
pub use hash::{PlanHash, hash_of};
pub(crate) use pinned::Pinned;
pub use tools::{ToolApproval, ToolLimits, ToolOnError, ToolUse};

/// Index of a step in its plan, in declaration order.
pub type StepIndex = u32;

/// A checked pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this shape.
    pub version: u32,
    /// Identity of the pipeline in store, links and logs.
    pub name: String,
    /// Human name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Filters.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub labels: IndexMap<String, String>,
    /// What goes in.
    pub input: Input,
    /// Expression over the inputs: names the workspace a run works in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// What runs when nobody names a step.
    #[serde(skip_serializing_if = "StartMode::is_auto", default)]
    pub start: StartMode,
    /// The steps, in declaration order.
    pub steps: Vec<Step>,
    /// What comes out.
    pub output: Output,
    /// Schema of what comes out, where it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output_schema: Option<Schema>,
    /// Settings of the run.
    pub run: RunSettings,
    /// Lowest level of settings of steps.
    #[serde(default)]
    pub defaults: Settings,
    /// Named retry policies.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub policies: IndexMap<String, RetryLayer>,
    /// Named models.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub models: IndexMap<String, Vec<ModelRef>>,
    /// Agents of the definition. Registered ones are found by name at the start.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub agents: IndexMap<String, Arc<PlannedAgent>>,
    /// Limits of tools by name or glob.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub tools: IndexMap<String, ToolLimits>,
    /// Artifacts saved at the end.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub artifacts: Vec<Artifact>,
    /// What runs when the run would fail.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_failure: Option<Box<OnFailure>>,
    /// The pattern it was made from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pattern: Option<PlannedPattern>,
}

/// Which pattern a plan was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedPattern {
    /// Its name.
    pub name: String,
    /// How it puts its agents to work.
    pub strategy: String,
}

/// What a pipeline takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// One value of a Rust type.
    Value(Schema),
    /// Named inputs of a pipeline file; together a JSON object.
    Named(IndexMap<String, Schema>),
}

/// What runs when nobody names a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartMode {
    /// Everything.
    #[default]
    Auto,
    /// Nothing: steps run on request.
    Manual,
}

impl StartMode {
    fn is_auto(&self) -> bool {
        *self == StartMode::Auto
    }
}

/// Settings of a whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    /// Deadline of the run; waiting for people does not count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timeout: Option<Duration>,
    /// Total of the run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub budget: Option<Budget>,
    /// Attempts running at once.
    pub max_parallel: u32,
    /// What a failed step means for the others.
    pub failure: FailurePolicy,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            timeout: None,
            budget: None,
            max_parallel: 64,
            failure: FailurePolicy::Continue,
        }
    }
}

/// What a failed step means for steps that do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePolicy {
    /// They still run.
    #[default]
    Continue,
    /// Running attempts are cancelled, nothing new starts.
    FailFast,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name, unique in the plan.
    pub name: String,
    /// Human name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub title: Option<String>,
    /// What kind of step it is.
    pub kind: Kind,
    /// What it does.
    pub action: Action,
    /// What it depends on, in declaration order, each step once.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub needs: Vec<Need>,
    /// The arm of a route it belongs to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub arm: Option<Membership>,
    /// Expression; false skips the step.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub when: Option<String>,
    /// Makes it a map.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub each: Option<Each>,
    /// Whether it starts only as the `on_error` of another step.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub standby: bool,
    /// Its own level of settings.
    #[serde(default)]
    pub settings: Settings,
    /// What of its dependencies is added to the prompt.
    #[serde(default)]
    pub context: Context,
    /// When an agent step is complete.
    #[serde(default)]
    pub complete: Complete,
    /// Artifacts saved with its outcome.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub artifacts: Vec<Artifact>,
    /// Schema of its output, where it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output_schema: Option<Schema>,
    /// The named inputs it reads, in their order: what has to be given where only some steps run.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub reads: Vec<String>,
}

/// What kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A registered Rust step.
    Function,
    /// An agent.
    Agent,
    /// A tool call.
    Tool,
    /// A choice of one arm.
    Route,
    /// A conversation between agents.
    Handoff,
    /// A step over a list.
    Map,
    /// A step over its own output.
    Repeat,
    /// A question to a person.
    Question,
    /// Another pipeline.
    Pipeline,
    /// A value.
    Set,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Function => "function",
            Kind::Agent => "agent",
            Kind::Tool => "tool",
            Kind::Route => "route",
            Kind::Handoff => "handoff",
            Kind::Map => "map",
            Kind::Repeat => "repeat",
            Kind::Question => "question",
            Kind::Pipeline => "pipeline",
            Kind::Set => "set",
        }
    }
}

/// An edge, seen from the step that needs the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The step needed.
    pub step: StepIndex,
    /// Why.
    pub kind: NeedKind,
}

/// Why a step needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeedKind {
    /// Any end of it is enough: only its status, error or figures are read.
    Settled,
    /// Order (and context) without reading its output.
    Order,
    /// Its output is read.
    Data,
}

/// Which arm of which route a step belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The route.
    pub route: StepIndex,
    /// The arm.
    pub arm: String,
}

/// A step over a list known only at run time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Each {
    /// Where the list comes from: an expression in a file; the step's own input in Rust.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub list: Option<String>,
    /// Name of the element in templates.
    pub name: String,
    /// Items running at once.
    pub max_parallel: u32,
    /// Most items.
    pub max_items: u32,
}

impl Plan {
    /// The index of a step by name.
    #[must_use]
    pub fn step(&self, name: &str) -> Option<StepIndex> {
        let at = self.steps.iter().position(|step| step.name == name)?;
        u32::try_from(at).ok()
    }

    /// Every step that a step needs, directly or through others, in declaration order.
    #[must_use]
    pub fn ancestors(&self, step: StepIndex) -> std::collections::BTreeSet<StepIndex> {
        let mut found = std::collections::BTreeSet::new();
        let mut open = vec![step];
        while let Some(step) = open.pop() {
            let needed = self.steps[step as usize].needs.iter().map(|need| need.step);
            open.extend(needed.filter(|needed| found.insert(*needed)));
        }
        found
    }

    /// What a person calls it: the pipeline, and the pattern of it where that has another name.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.pattern {
            Some(pattern) if pattern.name != self.name => format!("{}#{}", self.name, pattern.name),
            _ => self.name.clone(),
        }
    }

    /// The content hash of the plan.
    #[must_use]
    pub fn hash(&self) -> PlanHash {
        PlanHash::of(self)
    }

    /// The plan that runs below a step: of a nested pipeline (`arm` empty), of an inline arm, of a call of a pipeline as a
    /// tool; without a step the pipeline's fallback.
    #[must_use]
    pub fn below(&self, step: Option<StepIndex>, arm: &str) -> Option<Arc<Plan>> {
        let Some(step) = step else {
            return self.on_failure.as_ref().map(|fallback| fallback.plan.clone());
        };
        match &self.steps.get(step as usize)?.action {
            Action::Pipeline { plan, .. } => Some(plan.clone()),
            Action::Route { arms, .. } if arms.contains_key(arm) => match &arms[arm] {
                Arm::Inline(inline) => Some(Arc::new(self.alone(inline))),
                Arm::Nothing | Arm::Steps(_) => None,
            },
            _ => self.call(step, arm).map(Arc::new),
        }
    }

    /// This plan and every one that runs below it, or may be called there.
    pub(crate) fn and_below(self: &Arc<Self>) -> Vec<Arc<Plan>> {
        let mut plans = vec![self.clone()];
        let mut at = 0;
        while let Some(plan) = plans.get(at).cloned() {
            for (step, index) in plan.steps.iter().zip(0..) {
                match &step.action {
                    Action::Route { arms, .. } => {
                        plans.extend(arms.keys().filter_map(|arm| plan.below(Some(index), arm)));
                    }
                    _ => plans.extend(plan.below(Some(index), "")),
                }
                plans.extend(plan.callable(index).map(|(_, called)| called.clone()));
            }
            plans.extend(plan.below(None, ""));
            at += 1;
        }
        plans
    }

    /// A plan of these steps that takes nothing, gives what its last step gives, and says nothing else.
    pub(crate) fn bare(name: impl Into<String>, steps: Vec<Step>) -> Plan {
        let last = steps.len().checked_sub(1).map(|last| last as StepIndex);
        Plan {
            version: 1,
            name: name.into(),
            title: None,
            description: None,
            labels: IndexMap::new(),
            input: Input::Named(IndexMap::new()),
            key: None,
            start: StartMode::Auto,
            steps,
            output: Output::Last(last.into_iter().collect()),
            output_schema: None,
            run: RunSettings::default(),
            defaults: Settings::default(),
            policies: IndexMap::new(),
            models: IndexMap::new(),
            agents: IndexMap::new(),
            tools: IndexMap::new(),
            artifacts: Vec::new(),
            on_failure: None,
            pattern: None,
        }
    }

    /// The plan of one inline arm: a single step named as the arm, with the settings around it.
    fn alone(&self, step: &Step) -> Plan {
        Plan {
            version: self.version,
            input: self.input.clone(),
            output_schema: step.output_schema.clone(),
            defaults: self.defaults.clone(),
            policies: self.policies.clone(),
            models: self.models.clone(),
            agents: self.agents.clone(),
            tools: self.tools.clone(),
            ..Plan::bare(&step.name, vec![step.clone()])
        }
    }

    /// The settings that apply to a step, after all levels; `call` is the highest.
    #[must_use]
    pub fn resolve(&self, step: StepIndex, call: Option<&Settings>) -> Resolved {
        let step = &self.steps[step as usize];
        let agent = step
            .action
            .agent()
            .and_then(|name| self.agents.get(name))
            .map(|agent| &agent.settings);
        let levels = [Some(&self.defaults), agent, Some(&step.settings), call];
        Resolved::of(levels.into_iter().flatten(), &step.name, &self.policies)
    }
}

impl Input {
    /// The schema of the whole input.
    #[must_use]
    pub fn schema(&self) -> Schema {
        match self {
            Input::Value(schema) => schema.clone(),
            Input::Named(inputs) => {
                let properties: serde_json::Map<String, Json> = inputs
                    .iter()
                    .map(|(name, schema)| (name.clone(), schema.as_json().clone()))
                    .collect();
                let required: Vec<&String> = inputs
                    .iter()
                    .filter(|(_, schema)| schema.default_value().is_none() && !schema.may_be_null())
                    .map(|(name, _)| name)
                    .collect();
                Schema::trusted(serde_json::json!({
                    "type": "object", "properties": properties, "required": required, "additionalProperties": false,
                }))
            }
        }
    }
}
