//! Agents: a model with instructions, tools, a type of answer and limits.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::budget::Budget;
use crate::plan::{Complete, ModelRef, ModelSettings, Plan, PlannedAgent, ToolLimits, ToolUse};
use crate::schema::Schema;
use crate::settings::{OnError, Setting, Settings};
use crate::tool::Tool;
use crate::value::Data;

/// An agent whose answers are of type `Out`.
///
/// ```
/// use segue::Agent;
///
/// let classifier = Agent::<String>::new("classifier")
///     .instructions("Classify the document.")
///     .model("local/extractive");
/// assert_eq!(classifier.name(), "classifier");
/// ```
pub struct Agent<Out> {
    planned: Arc<PlannedAgent>,
    tools: Vec<Arc<dyn Tool>>,
    output: PhantomData<fn() -> Out>,
}

impl<Out> Clone for Agent<Out> {
    fn clone(&self) -> Self {
        Self {
            planned: self.planned.clone(),
            tools: self.tools.clone(),
            output: PhantomData,
        }
    }
}

impl<Out: Data> Agent<Out> {
    /// An agent without instructions, models or tools yet.
    ///
    /// Its answers must fit `Out`; an agent that answers with plain text is an `Agent<String>`.
    pub fn new(name: impl Into<String>) -> Self {
        let schema = Schema::of::<Out>();
        let planned = PlannedAgent {
            name: name.into(),
            description: None,
            instructions: String::new(),
            template: false,
            alias: None,
            models: Vec::new(),
            output: (!schema.is_plain_text()).then_some(schema),
            tools: Vec::new(),
            max_turns: 16,
            max_tool_calls: 64,
            repairs: 2,
            model_settings: ModelSettings::default(),
            settings: Settings::default(),
            strict: false,
            complete: Complete::default(),
        };
        Self {
            planned: Arc::new(planned),
            tools: Vec::new(),
            output: PhantomData,
        }
    }
}

impl<Out> Agent<Out> {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.planned.name
    }

    /// What it is told before every request. Plain text, not a template.
    #[must_use]
    pub fn instructions(self, text: impl Into<String>) -> Self {
        self.edit(|agent| agent.instructions = text.into())
    }

    /// What it is for, shown to other agents and routers.
    #[must_use]
    pub fn description(self, text: impl Into<String>) -> Self {
        self.edit(|agent| agent.description = Some(text.into()))
    }

    /// A model, `provider/model`. Called several times, later ones are asked when earlier ones are not to be had.
    #[must_use]
    pub fn model(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.edit(|agent| {
            agent.models.push(ModelRef {
                name,
                settings: ModelSettings::default(),
                file: None,
            });
        })
    }

    /// A tool of the program: something that implements [`Tool`], a function with `#[tool]`, or a whole
    /// [`Pipeline`](crate::Pipeline).
    ///
    /// A pipeline is the tool `pipeline:NAME` and takes its input. A call of it runs in the run of the agent, below the
    /// agent's step: it is recorded step by step, what it spends counts there, and its own budget holds as well. The agent's
    /// attempt goes on when the pipeline is over.
    ///
    /// ```
    /// use segue::{Agent, Cx, Out, Pipeline, Result, from_fn};
    ///
    /// let lookup = Pipeline::define("lookup", |p, name: Out<String>| {
    ///     p.step("find", from_fn(|_cx: Cx, name: String| async move { Ok(name.len()) }), name)
    /// })?;
    /// let writer = Agent::<String>::new("writer").model("local/extractive").tool(lookup);
    /// # let _ = writer;
    /// # Ok::<(), segue::PlanError>(())
    /// ```
    #[must_use]
    pub fn tool(self, tool: impl Tool) -> Self {
        self.tool_with(tool, ToolLimits::default())
    }

    /// A tool of the program, with limits for this agent.
    #[must_use]
    pub fn tool_with(mut self, tool: impl Tool, limits: ToolLimits) -> Self {
        let name = tool.spec().name;
        let pipeline = tool.pipeline().map(|pipeline| pipeline.plan().clone());
        self.tools.push(Arc::new(tool));
        self.uses_tool(name, pipeline, limits)
    }

    /// A registered tool by name, several by a glob such as `search.*`, another agent as `agent:NAME`, or a registered
    /// pipeline as `pipeline:NAME`.
    #[must_use]
    pub fn tool_named(self, name: impl Into<String>) -> Self {
        self.tool_named_with(name, ToolLimits::default())
    }

    /// Tools by name or glob, with limits for this agent.
    #[must_use]
    pub fn tool_named_with(self, name: impl Into<String>, limits: ToolLimits) -> Self {
        self.uses_tool(name.into(), None, limits)
    }

    /// Most model calls of an attempt; 16 where nothing says otherwise.
    #[must_use]
    pub fn max_turns(self, turns: u32) -> Self {
        self.edit(|agent| agent.max_turns = turns)
    }

    /// Most tool calls of an attempt; 64 where nothing says otherwise.
    #[must_use]
    pub fn max_tool_calls(self, calls: u32) -> Self {
        self.edit(|agent| agent.max_tool_calls = calls)
    }

    /// How often it is told what was wrong with its answer; 2 where nothing says otherwise.
    #[must_use]
    pub fn repairs(self, repairs: u32) -> Self {
        self.edit(|agent| agent.repairs = repairs)
    }

    /// When an answer is complete; when it fits its type, where nothing says otherwise.
    #[must_use]
    pub fn complete(self, complete: Complete) -> Self {
        self.edit(|agent| agent.complete = complete)
    }

    /// Refuses tools and answers whose schemas a provider cannot enforce.
    #[must_use]
    pub fn strict(self) -> Self {
        self.edit(|agent| agent.strict = true)
    }

    /// Settings of the model.
    #[must_use]
    pub fn model_settings(self, settings: ModelSettings) -> Self {
        self.edit(|agent| agent.model_settings.lay(&settings))
    }

    /// Most output tokens of one call; 4096 where nothing says otherwise.
    #[must_use]
    pub fn max_tokens(self, tokens: u32) -> Self {
        self.edit(|agent| agent.model_settings.max_tokens = Some(tokens))
    }

    /// Any settings of its steps at once; what they say wins over what was said before.
    #[must_use]
    pub fn settings(self, over: Settings) -> Self {
        self.level(|mut settings| {
            settings.lay(&over);
            settings
        })
    }

    /// Deadline of one attempt of its steps; `None` switches off what the pipeline says.
    #[must_use]
    pub fn timeout(self, limit: impl Into<Setting<Duration>>) -> Self {
        self.level(|settings| settings.timeout(limit))
    }

    /// Further attempts of its steps; `0` switches off what the pipeline says.
    #[must_use]
    pub fn retries(self, retries: u32) -> Self {
        self.level(|settings| settings.retries(retries))
    }

    /// Budget of each of its steps; `None` switches off what the pipeline says.
    #[must_use]
    pub fn budget(self, budget: impl Into<Setting<Budget>>) -> Self {
        self.level(|settings| settings.budget(budget))
    }

    /// What a final failure of its steps means.
    #[must_use]
    pub fn on_error(self, on_error: OnError) -> Self {
        self.level(|settings| settings.on_error(on_error))
    }

    pub(crate) fn planned(&self) -> Arc<PlannedAgent> {
        self.planned.clone()
    }

    pub(crate) fn tools(&self) -> &[Arc<dyn Tool>] {
        &self.tools
    }

    fn uses_tool(self, name: String, pipeline: Option<Arc<Plan>>, limits: ToolLimits) -> Self {
        self.edit(|agent| {
            agent.tools.push(ToolUse {
                name,
                pipeline,
                limits,
            });
        })
    }

    fn level(self, edit: impl FnOnce(Settings) -> Settings) -> Self {
        self.edit(|agent| agent.settings = edit(std::mem::take(&mut agent.settings)))
    }

    fn edit(mut self, edit: impl FnOnce(&mut PlannedAgent)) -> Self {
        edit(Arc::make_mut(&mut self.planned));
        self
    }
}
