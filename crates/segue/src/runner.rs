//! Runners: what an application holds to start runs, watch them, answer their questions and cancel them.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};

use crate::budget::Budget;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Failure, Spent};
use crate::id::{Ids, RunId};
use crate::log::{EventKind, RunLog};
use crate::model::{Model, Models};
use crate::money::Cost;
use crate::pipeline::Pipeline;
use crate::plan::{ModelRef, ModelSettings};
use crate::price::PriceBook;
use crate::registry::Registry;
use crate::run::{Driven, Environment, LocalRun, RunOutcome, RunShared, RunState, drive};
use crate::settings::{Call, Settings};
use crate::usage::Usage;
use crate::value::{Data, Value};
use crate::view::RunView;

mod handle;
mod prepare;

pub use handle::{Outcome, RunHandle};
use prepare::Prepared;

/// What an application holds to start runs. Cheap to clone.
///
/// ```
/// use segue::{Cx, Outcome, Pipeline, Result, Runner};
///
/// async fn double(_cx: Cx, n: u64) -> Result<u64> {
///     Ok(n * 2)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pipeline = Pipeline::define("double", |p, n| p.step("double", double, n))?;
/// let runner = Runner::builder().build()?;
/// let run = runner.start(&pipeline, 21).await?;
/// match run.outcome().await? {
///     Outcome::Done(done) => assert_eq!(done.output, 42),
///     Outcome::Waiting(question) => println!("{}", question.title),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Runner {
    env: Arc<Environment>,
}

/// A runner in the making.
pub struct RunnerBuilder {
    env: Environment,
}

impl Runner {
    /// A runner with the models that need no network, and nothing registered.
    #[must_use]
    pub fn builder() -> RunnerBuilder {
        RunnerBuilder {
            env: Environment::new(Models::offline(), Registry::new()),
        }
    }

    /// Starts a run that goes on by itself; await what it gives for its handle.
    pub fn start<In: Data, Out: Data>(&self, pipeline: &Pipeline<In, Out>, input: In) -> Launch<In, Out> {
        let mut start = Start::new(pipeline.clone(), input);
        start.env = Some(self.env.clone());
        Launch(start)
    }

    /// The artifacts a link of a pipeline has pointed to, newest first.
    #[must_use]
    pub fn link(&self, pipeline: &str, link: &str) -> Vec<crate::Artifact> {
        self.env.shelf.link(pipeline, link)
    }
}

impl RunnerBuilder {
    /// The models agents can use.
    #[must_use]
    pub fn models(mut self, models: Models) -> Self {
        self.env.models = models;
        self
    }

    /// Agents, tools and steps that are found by name.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.env.registry = registry;
        self
    }

    /// A value of the application for `cx.get::<T>()`.
    #[must_use]
    pub fn provide<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.env.resources.insert(Arc::new(value));
        self
    }

    /// Prices of models, over the list's.
    #[must_use]
    pub fn prices(mut self, prices: PriceBook) -> Self {
        self.env.prices = prices;
        self
    }

    /// Where ids come from.
    #[must_use]
    pub fn ids(mut self, ids: impl Ids) -> Self {
        self.env.ids = Arc::new(ids);
        self
    }

    /// The runner.
    ///
    /// # Errors
    /// When a name is registered twice.
    pub fn build(self) -> Result<Runner, Error> {
        self.env
            .registry
            .check()
            .map_err(|failure| Error::new(None, failure))?;
        Ok(Runner {
            env: Arc::new(self.env),
        })
    }
}

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
        RunnerBuilder { env }.build().map(|runner| runner.env)
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
pub struct CallBudget(Option<Budget>);

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

/// What a run that succeeded gives.
pub struct Done<Out> {
    /// The output.
    pub output: Out,
    /// The run.
    pub run: RunId,
    /// Everything spent.
    pub cost: Cost,
    /// Everything used.
    pub usage: Usage,
    /// Whether the fallback pipeline made the output.
    pub fallback: bool,
    shared: Arc<RunShared>,
}

impl<Out> Done<Out> {
    /// Everything that is known of the run, from its log.
    #[must_use]
    pub fn view(&self) -> RunView {
        self.shared.log.view()
    }

    /// The log of the run.
    #[must_use]
    pub fn log(&self) -> &Arc<RunLog> {
        &self.shared.log
    }

    /// A picture of the run for a terminal: its steps, how each ended, what it took.
    #[must_use]
    pub fn picture(&self) -> String {
        self.view().picture()
    }

    /// The bytes of an artifact of the run.
    #[must_use]
    pub fn artifact(&self, name: &str) -> Option<Arc<[u8]>> {
        self.shared.env.shelf.bytes(self.shared.id, name)
    }
}

impl<In: Data, Out: Data> IntoFuture for Start<In, Out> {
    type Output = Result<Done<Out>, Error>;
    type IntoFuture = BoxFuture<'static, Result<Done<Out>, Error>>;

    fn into_future(mut self) -> Self::IntoFuture {
        async move {
            let env = self.environment()?;
            let call = self.call.take().map_or_else(Call::silent, |call| Arc::new(*call));
            let Prepared { shared, mut state } =
                prepare::prepare(&self.pipeline, Value::new(self.input), env, call)?;
            let mut run = LocalRun::new(shared.clone(), false);
            let driven = drive(&mut state, &mut run).await;
            let result = match driven {
                Driven::Ended(outcome) => end(&shared, &state, outcome),
                Driven::Resting => {
                    shared.questions.rest(&shared);
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
            };
            result.and_then(|ended| typed(&shared, ended))
        }
        .boxed()
    }
}

/// How a run ended, untyped.
#[derive(Clone)]
pub(crate) struct Ended {
    pub(crate) output: Value,
    pub(crate) fallback: bool,
    pub(crate) spent: Spent,
}

/// Writes down how the run ended.
pub(crate) fn end(shared: &Arc<RunShared>, state: &RunState, outcome: RunOutcome) -> Result<Ended, Error> {
    let spent = *state.spent();
    let (usage, cost) = (spent.usage, spent.cost);
    let (event, result) = match outcome {
        RunOutcome::Succeeded { output, fallback } => {
            let event = EventKind::RunSucceeded {
                output: output.clone(),
                fallback,
                usage,
                cost,
            };
            (
                event,
                Ok(Ended {
                    output,
                    fallback,
                    spent,
                }),
            )
        }
        RunOutcome::Failed(error) => (
            EventKind::RunFailed {
                error: error.clone(),
                usage,
                cost,
            },
            Err(Error::new(Some(shared.id), error)),
        ),
        RunOutcome::Cancelled(error) => (
            EventKind::RunCancelled {
                error: error.clone(),
                usage,
                cost,
            },
            Err(Error::new(Some(shared.id), error)),
        ),
    };
    shared.log.note(crate::log::ROOT, event);
    shared.close();
    result
}

/// What the run made, as the pipeline's type.
pub(crate) fn typed<Out: Data>(shared: &Arc<RunShared>, ended: Ended) -> Result<Done<Out>, Error> {
    let Ended {
        output,
        fallback,
        spent,
    } = ended;
    let output = output.take::<Out>().map_err(|error| {
        let message = format!("the output does not fit the pipeline's type: {error}");
        Error::new(Some(shared.id), Failure::new(ErrorKind::SchemaMismatch, message))
    })?;
    Ok(Done {
        output,
        run: shared.id,
        cost: spent.cost,
        usage: spent.usage,
        fallback,
        shared: shared.clone(),
    })
}

/// A run about to start on a runner; await it for the handle.
pub struct Launch<In, Out>(Start<In, Out>);

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {
        impl<In, Out> Launch<In, Out> {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(self, $($argument: $type),*) -> Self {
                Self(self.0.$name($($argument),*))
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

impl<In: Data, Out: Data> IntoFuture for Launch<In, Out> {
    type Output = Result<RunHandle<Out>, Error>;
    type IntoFuture = BoxFuture<'static, Result<RunHandle<Out>, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        let Launch(mut start) = self;
        async move {
            let env = start.environment()?;
            let call = start
                .call
                .take()
                .map_or_else(Call::silent, |call| Arc::new(*call));
            let prepared = prepare::prepare(&start.pipeline, Value::new(start.input), env, call)?;
            Ok(RunHandle::launch(prepared, PhantomData))
        }
        .boxed()
    }
}

impl RunShared {
    /// The run is over, or given up: nothing more is written, its budgets are forgotten.
    pub(crate) fn close(&self) {
        self.log.end();
        if self.may_have_budgets() {
            self.env.budgets.close(self.id);
        }
    }
}

/// The clock and log of a new run.
pub(crate) fn new_log(id: RunId) -> Arc<RunLog> {
    Arc::new(RunLog::new(id, Clock::start()))
}
