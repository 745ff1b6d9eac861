//! What a step does: data that names behaviour.

use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Plan, StepIndex, ToolUse};
use crate::schema::Schema;
use crate::settings::Settings;
use std::sync::Arc;

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A Rust step, registered under the step's name. Its inputs come from these places, in order.
    Function {
        /// Where its parameters come from.
        inputs: Vec<Source>,
        /// The agent it stands for, when it is one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        agent: Option<String>,
        /// For a repeat: most rounds.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rounds: Option<u32>,
        /// Agents that its code asks, as far as it says so.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        asks: Vec<String>,
    },
    /// An agent is asked.
    Agent(AgentStep),
    /// A tool or a registered step is called.
    Tool {
        /// Its name.
        tool: String,
        /// Its arguments; strings are templates.
        with: Json,
    },
    /// A person is asked.
    Ask(AskStep),
    /// One of several arms is chosen.
    Route {
        /// How.
        by: RouteBy,
        /// The arms, in declaration order.
        arms: IndexMap<String, Arm>,
        /// Which arm takes values without one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        otherwise: Option<String>,
    },
    /// Another pipeline runs.
    Pipeline {
        /// Its plan.
        plan: Arc<Plan>,
        /// Its inputs in a file: an object whose strings are templates.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        with: Option<Json>,
        /// Where its input comes from in Rust.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        inputs: Vec<Source>,
    },
    /// A value; strings in it are templates.
    Set(Json),
}

impl Action {
    /// The agent of the step, when it has one.
    #[must_use]
    pub fn agent(&self) -> Option<&str> {
        match self {
            Action::Agent(step) => Some(&step.agent),
            Action::Function { agent, .. } => agent.as_deref(),
            Action::Route {
                by: RouteBy::Agent(step),
                ..
            } => Some(&step.agent),
            _ => None,
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The pipeline's input.
    Input,
    /// The output of a step.
    Step(StepIndex),
    /// The output of whichever of these was not left out: the arms of a route, joined.
    First(Vec<Source>),
}

/// An agent step of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentStep {
    /// The agent.
    pub agent: String,
    /// Template of the request.
    pub prompt: Option<String>,
    /// Expression: a file or a list of files.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub images: Option<String>,
    /// What the step says instead of the agent.
    #[serde(default)]
    pub over: AgentOver,
}

/// What a step says instead of its agent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentOver {
    /// Type of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Schema>,
    /// Models in fallback order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<ModelRef>>,
    /// Tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<ToolUse>>,
    /// Most model calls of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// Settings of the model.
    #[serde(skip_serializing_if = "ModelSettings::is_empty")]
    pub settings: ModelSettings,
}

/// An agent of a definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedAgent {
    /// Its name.
    pub name: String,
    /// What it is for, shown to other agents and routers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// What it is told: a template in a file, plain text in Rust.
    pub instructions: String,
    /// Whether the instructions are a template.
    pub template: bool,
    /// The name its models have in the definition, when they have one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alias: Option<String>,
    /// Models in fallback order.
    pub models: Vec<ModelRef>,
    /// Type of the answer; none is text.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub output: Option<Schema>,
    /// Tools it may call.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub tools: Vec<ToolUse>,
    /// Most model calls of an attempt.
    pub max_turns: u32,
    /// Most tool calls of an attempt.
    pub max_tool_calls: u32,
    /// How often it is told what was wrong with its output.
    pub repairs: u32,
    /// Settings of the model.
    #[serde(default)]
    pub model_settings: ModelSettings,
    /// Its level of step settings.
    #[serde(default)]
    pub settings: Settings,
    /// Whether tool and output schemas must be strict.
    #[serde(default)]
    pub strict: bool,
    /// When an answer is complete, where a step does not say otherwise.
    #[serde(default)]
    pub complete: Complete,
}

/// One model of a fallback list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRef {
    /// `provider/model`, `auto/small`, `local/extractive`, `sim/schema` and so on.
    pub name: String,
    /// Settings of this entry.
    #[serde(default, skip_serializing_if = "ModelSettings::is_empty")]
    pub settings: ModelSettings,
    /// Text of the script or cassette, read at load.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
}

/// Settings of a model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSettings {
    /// 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Most output tokens; 4096 where nothing says otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// For models that take one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// How much the model thinks: `none low medium high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// Whether the provider is asked to keep the beginning of the request, for models that have to be asked: `none auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
}

impl ModelSettings {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Lays `over` over these, field by field.
    pub fn lay(&mut self, over: &ModelSettings) {
        fn lay<T: Clone>(under: &mut Option<T>, over: &Option<T>) {
            if over.is_some() {
                under.clone_from(over);
            }
        }
        lay(&mut self.temperature, &over.temperature);
        lay(&mut self.max_tokens, &over.max_tokens);
        lay(&mut self.top_p, &over.top_p);
        lay(&mut self.seed, &over.seed);
        lay(&mut self.stop, &over.stop);
        lay(&mut self.reasoning, &over.reasoning);
        lay(&mut self.cache, &over.cache);
    }
}

/// A question of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AskStep {
    /// One line.
    pub title: String,
    /// Template: more.
    pub text: Option<String>,
    /// What an answer looks like.
    pub form: Schema,
    /// Expression: the answer, when it is known already.
    pub given: Option<String>,
    /// Until when an answer is waited for.
    pub timeout: Option<Duration>,
    /// The answer then.
    pub default: Option<Json>,
}

/// How a route chooses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteBy {
    /// Rust: the value of a step, an enum.
    Value(Source),
    /// File: an expression.
    Expression(String),
    /// A model's typed answer.
    Agent(AgentStep),
    /// A tool that returns the name of an arm.
    Tool {
        /// Its name.
        tool: String,
        /// Its arguments.
        with: Json,
    },
    /// By weights, sticky by a key.
    Split {
        /// Weight of each arm.
        weights: IndexMap<String, u32>,
        /// Expression: what it is sticky by; default the run's id.
        by: Option<String>,
    },
    /// The first arm that succeeds.
    FirstOf(Vec<String>),
}

/// One arm of a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arm {
    /// Nothing runs.
    Nothing,
    /// These steps of the same plan.
    Steps(Vec<StepIndex>),
    /// An action of its own; its step record has the path `ROUTE/ARM`.
    Inline(Box<super::Step>),
}

/// What a pipeline gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Rust: the value of a handle.
    From(Source),
    /// File: a bare expression.
    Expression(String),
    /// File: a map or list whose strings are templates.
    Template(Json),
    /// Not said: the single last step, else a map of the last ones by name.
    Last(Vec<StepIndex>),
}

/// What is saved as an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// File name.
    pub name: String,
    /// Expression: its content; none saves nothing.
    pub from: String,
    /// The link that moves to it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<String>,
    /// `text markdown json bytes`.
    pub media: crate::artifact::Media,
}

/// What runs when a run would fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnFailure {
    /// The pipeline.
    pub plan: Arc<Plan>,
    /// Its inputs: templates over `inputs`, `steps`, `error`; none where it sees the scope itself.
    pub with: Option<Json>,
    /// Whether it also runs after a budget refusal.
    pub after_budget: bool,
}

/// What of its dependencies an agent step sees besides its prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// `needs` where an agent step has no prompt, else `none`.
    #[default]
    Auto,
    /// Nothing.
    None,
    /// The result of each direct need under its title.
    Needs,
    /// The result of every ancestor.
    All,
    /// The `n` newest of the needs, and a line saying what was left out.
    Window(u32),
    /// One recorded call of the step's model that sums them up.
    Summary,
}

/// When an agent step is complete.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Complete {
    /// Its output fits the schema and is not empty.
    #[default]
    Schema,
    /// The last line of its text is this marker.
    Marker {
        /// The marker.
        marker: String,
        /// What it is told when the marker is missing.
        nudge: String,
        /// How often.
        max_nudges: u32,
    },
    /// These artifacts are saved.
    Saved(Vec<String>),
}
