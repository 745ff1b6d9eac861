//! Steps: what an author writes. A plain async function, a struct that holds things, a closure, a blocking function, an
//! agent, another pipeline.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::agent::Agent;
use crate::budget::Budget;
use crate::error::{ErrorKind, Result, StepError};
use crate::pipeline::DefinedAgent;
use crate::plan::Kind;
use crate::run::Cx;
use crate::settings::{Backoff, OnError, Setting, Settings};
use crate::value::Data;

mod body;
mod function;

pub(crate) use body::Body;
pub use function::{FromFn, blocking, from_fn};

/// A step that holds things: clients, handles, configuration. Construction is injection.
pub trait Step: Send + Sync + 'static {
    /// What goes in: one type, or a tuple where it needs several steps.
    type In: Send + 'static;
    /// What comes out.
    type Out: Data;

    /// Runs one attempt. Dropping the future aborts it.
    fn run(&self, cx: Cx, input: Self::In) -> impl Future<Output = Result<Self::Out>> + Send;
}

/// What a step comes to: behaviour and what is known about it.
pub struct StepDefinition<In, Out> {
    pub(crate) body: Body<In, Out>,
    pub(crate) kind: Kind,
    pub(crate) settings: Settings,
    pub(crate) title: Option<String>,
    pub(crate) agent: Option<DefinedAgent>,
    pub(crate) uses: Vec<Use>,
    /// Agents that its code asks.
    pub(crate) asks: Vec<DefinedAgent>,
    pub(crate) max_parallel: Option<u32>,
    pub(crate) nested: Option<crate::pipeline::Nested>,
}

/// A value of the application a step asks for.
#[derive(Clone, Copy)]
pub(crate) struct Use {
    pub(crate) id: TypeId,
    pub(crate) name: &'static str,
}

impl<In, Out> StepDefinition<In, Out> {
    /// The names of the agents that its code asks.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asks.iter().map(|agent| agent.spec.name.clone()).collect()
    }

    pub(crate) fn new(body: Body<In, Out>) -> Self {
        Self {
            body,
            kind: Kind::Function,
            settings: Settings::default(),
            title: None,
            agent: None,
            uses: Vec::new(),
            asks: Vec::new(),
            max_parallel: None,
            nested: None,
        }
    }
}

/// Anything that can be a step.
///
/// Settings are said where the step is used: `extract.retries(2).timeout(secs(30))`. `M` only tells the kinds of steps
/// apart; it is never written.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a step",
    label = "not a step",
    note = "a step is an async function whose first parameter is `Cx` and which returns `segue::Result`, a struct that implements `Step`, or a closure in `from_fn`",
    note = "its inputs and its output have to be `Data`: Clone, Serialize, Deserialize and JsonSchema"
)]
pub trait IntoStep<M>: Sized {
    /// What goes in.
    type In: Send + 'static;
    /// What comes out.
    type Out: Data;

    /// The step with what is known about it.
    fn into_definition(self) -> StepDefinition<Self::In, Self::Out>;

    /// `n` more attempts after the first; `0` switches retries off.
    fn retries(self, n: u32) -> Configured<Self, M> {
        Configured::of(self).retries(n)
    }

    /// How long to wait between attempts.
    fn backoff(self, backoff: Backoff) -> Configured<Self, M> {
        Configured::of(self).backoff(backoff)
    }

    /// Deadline of one attempt; `None` switches it off.
    fn timeout(self, limit: impl Into<Setting<Duration>>) -> Configured<Self, M> {
        Configured::of(self).timeout(limit)
    }

    /// Deadline of all attempts and waits; `None` switches it off.
    fn step_timeout(self, limit: impl Into<Setting<Duration>>) -> Configured<Self, M> {
        Configured::of(self).step_timeout(limit)
    }

    /// Budget of all attempts and items; `None` switches it off.
    fn budget(self, budget: impl Into<Setting<Budget>>) -> Configured<Self, M> {
        Configured::of(self).budget(budget)
    }

    /// What a final failure means.
    fn on_error(self, on_error: OnError) -> Configured<Self, M> {
        Configured::of(self).on_error(on_error)
    }

    /// Any settings at once.
    fn settings(self, settings: Settings) -> Configured<Self, M> {
        Configured::of(self).settings(settings)
    }

    /// The human name.
    fn title(self, title: impl Into<String>) -> Configured<Self, M> {
        Configured::of(self).title(title)
    }

    /// Declares that the step asks for a `T` of the application, which is checked before the run starts.
    fn uses<T: Send + Sync + 'static>(self) -> Configured<Self, M> {
        Configured::of(self).uses::<T>()
    }

    /// Declares that the step's code asks this agent: its models and tools are found before the run starts, and it may have
    /// pipelines as tools.
    fn asks<T>(self, agent: &Agent<T>) -> Configured<Self, M> {
        Configured::of(self).asks(agent)
    }

    /// For a map: most items at once; 8 where nothing says otherwise.
    fn max_parallel(self, items: u32) -> Configured<Self, M> {
        Configured::of(self).max_parallel(items)
    }

    /// For a map: a failed item stands in the list as its error, and the others go on.
    fn keep_errors(self) -> KeepErrors<Self, M> {
        KeepErrors {
            step: self,
            marker: PhantomData,
        }
    }
}

/// A step with settings of its own.
pub struct Configured<S, M> {
    step: S,
    settings: Settings,
    title: Option<String>,
    uses: Vec<Use>,
    asks: Vec<DefinedAgent>,
    max_parallel: Option<u32>,
    marker: PhantomData<fn() -> M>,
}

/// Tells configured steps apart from others.
pub struct ViaConfigured<M>(PhantomData<M>);

/// Tells steps that are structs apart from others.
pub struct ViaStep;

/// A map whose failed items stand in the list as errors.
pub struct KeepErrors<S, M> {
    pub(crate) step: S,
    marker: PhantomData<fn() -> M>,
}

impl<S, M> Configured<S, M> {
    fn of(step: S) -> Self {
        Self {
            step,
            settings: Settings::default(),
            title: None,
            uses: Vec::new(),
            asks: Vec::new(),
            max_parallel: None,
            marker: PhantomData,
        }
    }

    fn edit(mut self, edit: impl FnOnce(Settings) -> Settings) -> Self {
        self.settings = edit(self.settings);
        self
    }
}

impl<S: IntoStep<M>, M> IntoStep<ViaConfigured<M>> for Configured<S, M> {
    type In = S::In;
    type Out = S::Out;

    fn into_definition(self) -> StepDefinition<S::In, S::Out> {
        let mut definition = self.step.into_definition();
        definition.settings.lay(&self.settings);
        definition.title = self.title.or(definition.title);
        definition.uses.extend(self.uses);
        definition.asks.extend(self.asks);
        definition.max_parallel = self.max_parallel.or(definition.max_parallel);
        definition
    }
}

impl<S, M> Configured<S, M> {
    /// `n` more attempts after the first; `0` switches retries off.
    #[must_use]
    pub fn retries(self, n: u32) -> Self {
        self.edit(|settings| settings.retries(n))
    }

    /// How long to wait between attempts.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.edit(|settings| settings.backoff(backoff))
    }

    /// Deadline of one attempt; `None` switches it off.
    #[must_use]
    pub fn timeout(self, limit: impl Into<Setting<Duration>>) -> Self {
        self.edit(|settings| settings.timeout(limit))
    }

    /// Deadline of all attempts and waits; `None` switches it off.
    #[must_use]
    pub fn step_timeout(self, limit: impl Into<Setting<Duration>>) -> Self {
        self.edit(|settings| settings.step_timeout(limit))
    }

    /// Budget of all attempts and items; `None` switches it off.
    #[must_use]
    pub fn budget(self, budget: impl Into<Setting<Budget>>) -> Self {
        self.edit(|settings| settings.budget(budget))
    }

    /// What a final failure means.
    #[must_use]
    pub fn on_error(self, on_error: OnError) -> Self {
        self.edit(|settings| settings.on_error(on_error))
    }

    /// Any settings at once; what they say wins over what was said before.
    #[must_use]
    pub fn settings(self, over: Settings) -> Self {
        self.edit(|mut settings| {
            settings.lay(&over);
            settings
        })
    }

    /// The human name.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Declares that the step asks for a `T` of the application, which is checked before the run starts.
    #[must_use]
    pub fn uses<T: Send + Sync + 'static>(mut self) -> Self {
        self.uses.push(Use {
            id: TypeId::of::<T>(),
            name: std::any::type_name::<T>(),
        });
        self
    }

    /// Declares that the step's code asks this agent: its models and tools are found before the run starts, and it may have
    /// pipelines as tools.
    #[must_use]
    pub fn asks<T>(mut self, agent: &Agent<T>) -> Self {
        let defined = DefinedAgent::of_plan(None, agent.planned(), agent.tools().to_vec());
        self.asks.push(defined);
        self
    }

    /// For a map: most items at once; 8 where nothing says otherwise.
    #[must_use]
    pub fn max_parallel(mut self, items: u32) -> Self {
        self.max_parallel = Some(items.max(1));
        self
    }
}

impl<S: Step> IntoStep<ViaStep> for S {
    type In = S::In;
    type Out = S::Out;

    fn into_definition(self) -> StepDefinition<S::In, S::Out> {
        let step = Arc::new(self);
        StepDefinition::new(Body::of(move |cx, input| {
            let step = step.clone();
            async move { step.run(cx, input).await }
        }))
    }
}

/// An agent as a step. Made by [`Agent::as_step`].
pub struct AgentAsStep<In, Out> {
    agent: Agent<Out>,
    prompt: Arc<dyn Fn(In) -> String + Send + Sync>,
}

/// Tells agents apart from other steps.
pub struct ViaAgent;

impl<Out: Data> Agent<Out> {
    /// The agent as a step: `prompt` makes the request from what goes in.
    pub fn as_step<In: Send + 'static>(
        &self,
        prompt: impl Fn(In) -> String + Send + Sync + 'static,
    ) -> AgentAsStep<In, Out> {
        AgentAsStep {
            agent: self.clone(),
            prompt: Arc::new(prompt),
        }
    }
}

impl<In: Send + 'static, Out: Data> IntoStep<ViaAgent> for AgentAsStep<In, Out> {
    type In = In;
    type Out = Out;

    fn into_definition(self) -> StepDefinition<In, Out> {
        let AgentAsStep { agent, prompt } = self;
        let defined = DefinedAgent::of_plan(None, agent.planned(), agent.tools().to_vec());
        let body = Body::of(move |cx: Cx, input| {
            let (agent, prompt) = (agent.clone(), prompt.clone());
            async move {
                let text = prompt(input);
                let reply = cx.ask_agent(&agent, text).await?;
                Ok(reply.output)
            }
        });
        StepDefinition {
            kind: Kind::Agent,
            agent: Some(defined),
            ..StepDefinition::new(body)
        }
    }
}

impl Cx {
    /// Asks an agent that is the step itself: the reason of a refused attempt goes with the request.
    async fn ask_agent<T: Data>(&self, agent: &Agent<T>, prompt: String) -> Result<crate::run::Reply<T>> {
        let feedback = self.feedback();
        self.run_with(agent, prompt, feedback).await
    }
}

/// The error of a value that does not fit where it goes.
pub(crate) fn unfit(error: &serde_json::Error) -> StepError {
    StepError::of(
        ErrorKind::SchemaMismatch,
        format!("a value does not fit the step that takes it: {error}"),
    )
}
