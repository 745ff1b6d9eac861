//! Starting: what a call says about a run before it begins.

use std::future::IntoFuture;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value as Json;

use super::desk::Desk;
use super::done::{Done, Files, end, typed};
use super::handle::RunHandle;
use super::prepare::{self, Origin, Prepared};
use super::rerun::choice::Wish;
use super::{Runner, keyed, launch};
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Failure};
use crate::model::{Model, Models};
use crate::pipeline::Pipeline;
use crate::plan::{ModelRef, ModelSettings};
use crate::registry::Registry;
use crate::run::{Driven, Environment, LocalRun, drive};
use crate::settings::{Call, Settings};
use crate::value::{Data, Value};

/// A run about to start: settings of this run, the highest level there is. Await it to run it here.
pub struct Start<In, Out> {
    pub(crate) pipeline: Pipeline<In, Out>,
    pub(crate) input: In,
    pub(crate) env: Option<Arc<Environment>>,
    pub(crate) own: Option<Box<Own>>,
    pub(crate) call: Option<Box<Call>>,
}

/// What a run that brings its own environment needs.
pub(crate) struct Own {
    models: Models,
    registry: Registry,
    resources: crate::run::TypeMap,
}

impl<In, Out> Start<In, Out> {
    pub(crate) fn new(pipeline: Pipeline<In, Out>, input: In) -> Self {
        Self {
            pipeline,
            input,
            env: None,
            own: None,
            call: None,
        }
    }

    fn call(&mut self) -> &mut Call {
        self.call.get_or_insert_default()
    }

    /// The total of this run; `None` switches the pipeline's off.
    #[must_use]
    pub fn budget(mut self, budget: impl Into<CallBudget>) -> Self {
        self.call().budget = Some(budget.into().0);
        self
    }

    /// The deadline of this run; `None` switches the pipeline's off.
    #[must_use]
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.call().timeout = Some(limit.into());
        self
    }

    /// Most attempts at once.
    #[must_use]
    pub fn max_parallel(mut self, attempts: u32) -> Self {
        self.call().max_parallel = Some(attempts.max(1));
        self
    }

    /// Settings of one step in this run.
    #[must_use]
    pub fn step(mut self, name: impl Into<String>, settings: Settings) -> Self {
        self.call().steps.push((name.into(), settings));
        self
    }

    /// The model all agents use in this run.
    #[must_use]
    pub fn model(self, name: impl Into<String>) -> Self {
        self.model_of("", name)
    }

    /// The model an agent or a named model means in this run.
    #[must_use]
    pub fn model_of(mut self, agent: impl Into<String>, name: impl Into<String>) -> Self {
        let entry = ModelRef {
            name: name.into(),
            settings: ModelSettings::default(),
            file: None,
        };
        self.call().models.insert(agent.into(), entry);
        self
    }

    /// A label for filters.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.call().labels.insert(name.into(), value.into());
        self
    }

    /// A note that stays with the run.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.call().note = Some(text.into());
        self
    }

    /// Who or what starts it: `cli http ui mcp schedule library chat`.
    #[must_use]
    pub fn trigger(mut self, kind: impl Into<String>) -> Self {
        self.call().trigger = Some(kind.into());
        self
    }

    fn own(&mut self) -> &mut Own {
        self.own.get_or_insert_with(|| {
            Box::new(Own {
                models: Models::offline(),
                registry: Registry::new(),
                resources: crate::run::TypeMap::default(),
            })
        })
    }

    fn environment(&mut self) -> Result<Arc<Environment>, Error> {
        if let Some(env) = &self.env {
            return Ok(env.clone());
        }
        let Some(own) = self.own.take() else {
            return Ok(shared_environment());
        };
        let mut env = Environment::new(own.models, own.registry);
        env.resources = own.resources;
        let mut builder = Runner::builder();
        builder.env = env;
        builder.build().map(|runner| runner.env)
    }
}

/// Only for runs that are awaited here; a [`Runner`] has these once for all its runs.
impl<In, Out> Start<In, Out> {
    /// The models agents can use.
    #[must_use]
    pub fn models(mut self, models: Models) -> Self {
        self.own().models = models;
        self
    }

    /// A model of the program under a name, for example a scripted one in a test.
    #[must_use]
    pub fn with_model(mut self, name: impl Into<String>, model: impl Model) -> Self {
        let own = self.own();
        own.models = std::mem::take(&mut own.models).with(name, model);
        self
    }

    /// Agents, tools and steps that are found by name.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.own().registry = registry;
        self
    }

    /// A value of the application for `cx.get::<T>()`.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.own().resources.insert(Arc::new(value));
        self
    }
}

/// The total of a run as a call gives it: a budget, money, or none.
pub struct CallBudget(pub(super) Option<Budget>);

impl From<Budget> for CallBudget {
    fn from(budget: Budget) -> Self {
        Self(Some(budget))
    }
}

impl From<crate::money::Nanousd> for CallBudget {
    fn from(money: crate::money::Nanousd) -> Self {
        Self(Some(money.into()))
    }
}

impl From<Option<Budget>> for CallBudget {
    fn from(budget: Option<Budget>) -> Self {
        Self(budget)
    }
}

/// The environment of runs that bring none.
fn shared_environment() -> Arc<Environment> {
    static SHARED: LazyLock<Arc<Environment>> =
        LazyLock::new(|| Arc::new(Environment::new(Models::offline(), Registry::new())));
    SHARED.clone()
}

impl<In: Data, Out> Start<In, Out> {
    fn prepare(mut self) -> Result<Prepared, Error> {
        let env = self.environment()?;
        let call = self.call.take().map_or_else(Call::silent, |call| Arc::new(*call));
        let input = Value::new(self.input);
        prepare::prepare(&self.pipeline.inner, input, &env, call, None, Origin::default())
    }
}

impl<In: Data, Out: Data> IntoFuture for Start<In, Out> {
    type Output = Result<Done<Out>, Error>;
    type IntoFuture = BoxFuture<'static, Result<Done<Out>, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        // In a box that goes away with the beginning: while the run waits, what was said before it is not there.
        let start = Box::new(self);
        async move {
            let Prepared { shared, mut state } = start.prepare()?;
            let mut run = LocalRun::new(shared.clone(), false);
            let ended = match drive(&mut state, &mut run).await {
                Driven::Ended(outcome) => end(&shared, &state, outcome),
                Driven::Resting => {
                    let question = shared.questions.list().into_iter().next();
                    shared.close();
                    Err(match question {
                        Some(question) => {
                            Error::waiting(shared.id, question, |failure| state.so_far(failure))
                        }
                        None => Error::new(
                            Some(shared.id),
                            Failure::new(ErrorKind::Internal, "the run came to a halt"),
                        ),
                    })
                }
                Driven::Stopped(stopped) => Err(stopped.0.into()),
            };
            ended.and_then(|ended| typed(shared.id, (ended, Files::of(&shared))))
        }
        .boxed()
    }
}

/// A run about to start on a runner; await it for the handle.
pub struct Launch<In, Out> {
    start: Start<In, Out>,
    desk: Option<Arc<Desk>>,
    wish: Option<Wish>,
}

impl<In, Out> Launch<In, Out> {
    pub(super) fn new(
        pipeline: &Pipeline<In, Out>,
        input: In,
        env: Arc<Environment>,
        desk: Option<Arc<Desk>>,
    ) -> Self {
        let mut start = Start::new(pipeline.clone(), input);
        start.env = Some(env);
        Self {
            start,
            desk,
            wish: None,
        }
    }
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {
        impl<In, Out> Launch<In, Out> {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(self, $($argument: $type),*) -> Self {
                let Self { start, desk, wish } = self;
                Self { start: start.$name($($argument),*), desk, wish }
            })*
        }
    };
}

forward! {
    /// The total of this run; `None` switches the pipeline's off.
    budget(budget: impl Into<CallBudget>);
    /// The deadline of this run; `None` switches the pipeline's off.
    timeout(limit: impl Into<Option<Duration>>);
    /// Most attempts at once.
    max_parallel(attempts: u32);
    /// Settings of one step in this run.
    step(name: impl Into<String>, settings: Settings);
    /// The model all agents use in this run.
    model(name: impl Into<String>);
    /// The model an agent or a named model means in this run.
    model_of(agent: impl Into<String>, name: impl Into<String>);
    /// A label for filters.
    label(name: impl Into<String>, value: impl Into<String>);
    /// A note that stays with the run.
    note(text: impl Into<String>);
    /// Who or what starts it: `cli http ui mcp schedule library chat`.
    trigger(kind: impl Into<String>);
}

impl<In, Out> Launch<In, Out> {
    /// The workspace the run works in: it continues with the results that are there, and leaves its own. Of a pipeline
    /// file whose `key` is one input, it fills that.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.start.call().key = Some(key.into());
        self
    }

    /// Runs this step alone, on the results of its workspace. It is refused, with the names, when one is missing.
    #[must_use]
    pub fn only(self, step: impl Into<String>) -> Launch<In, Json> {
        let Self { start, desk, .. } = self;
        let Start {
            pipeline,
            input,
            env,
            own,
            call,
        } = start;
        let pipeline = Pipeline::shared(pipeline.inner);
        Launch {
            start: Start {
                pipeline,
                input,
                env,
                own,
                call,
            },
            desk,
            wish: Some(Wish::Only(step.into())),
        }
    }

    /// Runs everything that has no result in the workspace yet, also of a pipeline whose steps start on request.
    #[must_use]
    pub fn all(mut self) -> Self {
        self.wish = Some(Wish::Rest);
        self
    }

    /// The key of the request: the same key with the same pipeline, inputs and settings is the same run, and with others
    /// it is refused. Needs a store.
    #[must_use]
    pub fn request_key(mut self, key: impl Into<String>) -> Self {
        self.start.call().request_key = Some(key.into());
        self
    }

    /// The schedule that starts it; budgets of the operator may be over the runs of one. Its trigger is `schedule` where
    /// nothing else is said.
    #[must_use]
    pub fn schedule(mut self, name: impl Into<String>) -> Self {
        self.start.call().schedule = Some(name.into());
        self
    }

    /// Where the definition came from, for example `file:research.yaml`; shown with the run.
    #[must_use]
    pub fn definition(mut self, from: impl Into<String>) -> Self {
        self.start.call().definition = Some(from.into());
        self
    }
}

impl<In: Data, Out: Data> IntoFuture for Launch<In, Out> {
    type Output = Result<RunHandle<Out>, Error>;
    type IntoFuture = BoxFuture<'static, Result<RunHandle<Out>, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        let Launch {
            mut start,
            desk,
            wish,
        } = self;
        async move {
            let env = start.environment()?;
            let call = start.call.take();
            let (inner, input) = (&start.pipeline.inner, Value::new(start.input));
            let is_keyed = call.as_ref().is_some_and(|call| call.key.is_some());
            if is_keyed || wish.is_some() || keyed::concerns(&inner.program.plan) {
                let call = call.map_or_else(Call::default, |call| *call);
                return Box::pin(keyed::launch(inner, input, &env, call, desk, wish)).await;
            }
            let call = call.map_or_else(Call::silent, |call| Arc::new(*call));
            launch::launch(inner, input, &env, call, desk, Origin::default()).await
        }
        .boxed()
    }
}
