//! Runners: what an application holds to start runs, watch them, answer their questions and cancel them.

use std::future::IntoFuture;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use serde::Serialize;
use serde_json::Value as Json;

use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Failure, Spent};
use crate::id::{Ids, QuestionId, RunId};
use crate::log::RunLog;
use crate::model::{Model, Models};
use crate::money::Cost;
use crate::pipeline::{self, Pipeline};
use crate::plan::{ModelRef, ModelSettings};
use crate::price::PriceBook;
use crate::registry::Registry;
use crate::run::{Driven, Environment, INLINE, LocalRun, RunOutcome, RunShared, RunState, drive};
use crate::settings::{Call, Settings};
use crate::store::{Blobs, Store};
use crate::usage::Usage;
use crate::value::{Data, Value};
use crate::view::{RunStatus, RunView};

mod desk;
mod handle;
mod launch;
mod people;
mod prepare;
mod read;
mod recover;
mod resume;
mod session;

use desk::{Desk, DeskSettings};
pub use handle::{Outcome, RunHandle};
use prepare::Prepared;
pub use recover::Recovered;

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
    desk: Option<Arc<Desk>>,
}

/// A runner in the making.
pub struct RunnerBuilder {
    env: Environment,
    store: Option<Arc<dyn Store>>,
    settings: DeskSettings,
    pipelines: Vec<Arc<pipeline::Inner>>,
}

impl Runner {
    /// A runner with the models that need no network, and nothing registered.
    #[must_use]
    pub fn builder() -> RunnerBuilder {
        RunnerBuilder {
            env: Environment::new(Models::offline(), Registry::new()),
            store: None,
            settings: DeskSettings {
                lease: desk::LEASE,
                inline: INLINE,
                max_runs: None,
            },
            pipelines: Vec::new(),
        }
    }

    /// Starts a run that goes on by itself; await what it gives for its handle. Where the runner has a store the run is
    /// durable when the handle is there.
    pub fn start<In: Data, Out: Data>(&self, pipeline: &Pipeline<In, Out>, input: In) -> Launch<In, Out> {
        let mut start = Start::new(pipeline.clone(), input);
        start.env = Some(self.env.clone());
        Launch {
            start,
            desk: self.desk.clone(),
        }
    }

    /// A run of the store, whichever process works on it, its output as JSON.
    ///
    /// # Errors
    /// Kind `not_found` when there is no such run; `store` when it cannot be read; `usage` without a store.
    pub async fn attach(&self, run: RunId) -> Result<RunHandle<Json>, Error> {
        RunHandle::attach(self.desk()?.clone(), run).await
    }

    /// Answers a question of a run of the store, wherever it was asked; the run goes on, here if nobody works on it.
    ///
    /// # Errors
    /// Kind `invalid_input` with every reason for an answer that does not fit (the question stays open), `not_found`,
    /// `conflict` for a second answer.
    pub async fn answer(&self, question: QuestionId, answer: impl Serialize) -> Result<(), Error> {
        self.answer_as(question, answer, "library", "library").await
    }

    /// Answers a question for somebody: who, and through what (`cli http ui mcp library link`).
    ///
    /// # Errors
    /// As [`Runner::answer`].
    pub async fn answer_as(
        &self,
        question: QuestionId,
        answer: impl Serialize,
        by: &str,
        via: &str,
    ) -> Result<(), Error> {
        let json = serde_json::to_value(answer)
            .map_err(|error| Error::new(None, Failure::new(ErrorKind::InvalidInput, error.to_string())))?;
        people::answer(self.desk()?, question, json, by, via).await
    }

    /// Cancels a run of the store, whoever works on it. Gives how it had ended, if it had: then nothing changes.
    ///
    /// # Errors
    /// Kind `not_found` when there is no such run.
    pub async fn cancel(
        &self,
        run: RunId,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Option<RunStatus>, Error> {
        people::cancel(self.desk()?, run, by, reason).await
    }

    /// Lays limits over those of a budget of a run of the store; a run that waits for that goes on.
    ///
    /// # Errors
    /// Kind `conflict` when the run is over.
    pub async fn raise_budget(
        &self,
        run: RunId,
        budget: &str,
        limits: Budget,
        by: &str,
    ) -> Result<(), Error> {
        people::raise(self.desk()?, run, budget, limits, by).await
    }

    /// Takes up the unfinished runs of the store whose owner is dead: at once where that is proven, else when the owner
    /// has said nothing for the length of a lease while this runner watched. Call it again now and then.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn recover(&self) -> Result<Recovered, Error> {
        recover::recover(self.desk()?).await
    }

    /// Takes up one run that nobody works on, whether or not it would go on by itself.
    ///
    /// # Errors
    /// Kind `not_found`; `conflict` while somebody else works on it; `definition_changed` when this program cannot run
    /// it.
    pub async fn resume(&self, run: RunId) -> Result<RunHandle<Json>, Error> {
        recover::resume_one(self.desk()?, run).await
    }

    /// The store.
    ///
    /// # Errors
    /// Kind `usage` when the runner has none.
    pub fn store(&self) -> Result<&Arc<dyn Store>, Error> {
        Ok(self.desk()?.store())
    }

    /// Waits until this runner works on no run any more.
    pub async fn idle(&self) {
        if let Some(desk) = &self.desk {
            desk.idle().await;
        }
    }

    /// Leaves: what this runner still works on can be taken up by others at once. Runs that go on here stop.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn close(&self) -> Result<(), Error> {
        match &self.desk {
            Some(desk) => desk.close().await,
            None => Ok(()),
        }
    }

    /// What a link of a pipeline has pointed to, newest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn link(&self, pipeline: &str, link: &str) -> Result<Vec<crate::Artifact>, Error> {
        let Some(desk) = &self.desk else {
            return Ok(self.env.shelf.link(pipeline, link));
        };
        let versions = desk.store().link(pipeline.to_owned(), link.to_owned()).await?;
        Ok(versions.into_iter().map(|version| version.artifact).collect())
    }

    fn desk(&self) -> Result<&Arc<Desk>, Error> {
        self.desk.as_ref().ok_or_else(|| {
            let failure = Failure::new(
                ErrorKind::Usage,
                "the runner has no store, so runs end with their process",
            )
            .hint("give it one: `.store(MemoryStore::new())`, or `Sqlite` or `Postgres` of `segue-store`");
            Error::new(None, failure)
        })
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

    /// Where runs are kept, so that they outlive their process.
    #[must_use]
    pub fn store(self, store: impl Store) -> Self {
        self.store_in(Arc::new(store))
    }

    /// The same store as others have.
    #[must_use]
    pub fn store_in(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// A pipeline of Rust whose unfinished runs this runner can take up. Those of pipeline files need no registering.
    #[must_use]
    pub fn register<In, Out>(mut self, pipeline: &Pipeline<In, Out>) -> Self {
        self.pipelines.push(pipeline.inner.clone());
        self
    }

    /// How long an owner of runs may say nothing before another may take over; 5 s where nothing is said, and never less
    /// than a second.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.max(Duration::from_secs(1));
        self
    }

    /// The longest JSON of an output, in bytes, that stands in the log; longer ones are kept beside it. 64 KiB where
    /// nothing is said.
    #[must_use]
    pub fn output_inline(mut self, bytes: usize) -> Self {
        self.settings.inline = bytes;
        self
    }

    /// Most runs at once in this process; further ones are durable and wait for their turn. Only with a store.
    #[must_use]
    pub fn max_runs(mut self, runs: usize) -> Self {
        self.settings.max_runs = Some(runs.max(1));
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
        let env = Arc::new(self.env);
        let desk = self
            .store
            .map(|store| Arc::new(Desk::new(env.clone(), store, self.settings, self.pipelines)));
        Ok(Runner { env, desk })
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
    files: Files,
}

impl<Out> Done<Out> {
    /// Everything that is known of the run, from its log.
    #[must_use]
    pub fn view(&self) -> RunView {
        self.files.log.view()
    }

    /// The log of the run.
    #[must_use]
    pub fn log(&self) -> &Arc<RunLog> {
        &self.files.log
    }

    /// A picture of the run for a terminal: its steps, how each ended, what it took.
    #[must_use]
    pub fn picture(&self) -> String {
        self.view().picture()
    }

    /// The bytes of an artifact of the run; of the newest, where several steps saved one of that name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn artifact(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.files.bytes(name).await
    }
}

/// The log of a run, and where its bytes are.
#[derive(Clone)]
pub(crate) struct Files {
    log: Arc<RunLog>,
    bytes: Bytes,
}

#[derive(Clone)]
enum Bytes {
    Memory(Arc<Environment>),
    Store(Arc<dyn Store>),
    Nowhere,
}

impl Files {
    pub(crate) fn of(shared: &RunShared) -> Self {
        let bytes = match &shared.recorder {
            Some(recorder) => Bytes::Store(recorder.store().clone()),
            None => Bytes::Memory(shared.env.clone()),
        };
        Self {
            log: shared.log.clone(),
            bytes,
        }
    }

    pub(crate) fn kept(log: Arc<RunLog>, store: Arc<dyn Store>) -> Self {
        let bytes = Bytes::Store(store);
        Self { log, bytes }
    }

    pub(crate) fn nowhere(log: Arc<RunLog>) -> Self {
        let bytes = Bytes::Nowhere;
        Self { log, bytes }
    }

    pub(crate) async fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let view = self.log.view();
        let saved = view.artifacts().filter(|artifact| artifact.name == name).last();
        let Some(saved) = saved else { return Ok(None) };
        let loaded = match &self.bytes {
            Bytes::Memory(env) => {
                let blobs: &dyn Blobs = &env.shelf.blobs;
                blobs.load(&saved.sha256, u64::MAX).await
            }
            Bytes::Store(store) => store.blobs().load(&saved.sha256, u64::MAX).await,
            Bytes::Nowhere => Ok(None),
        };
        Ok(loaded?)
    }
}

impl<In: Data, Out: Data> IntoFuture for Start<In, Out> {
    type Output = Result<Done<Out>, Error>;
    type IntoFuture = BoxFuture<'static, Result<Done<Out>, Error>>;

    fn into_future(mut self) -> Self::IntoFuture {
        async move {
            let env = self.environment()?;
            let call = self.call.take().map_or_else(Call::silent, |call| Arc::new(*call));
            let inner = &self.pipeline.inner;
            let Prepared { shared, mut state } =
                prepare::prepare(inner, Value::new(self.input), &env, call, None, None)?;
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

/// How a run ended, untyped.
#[derive(Clone)]
pub(crate) struct Ended {
    pub(crate) output: Value,
    pub(crate) fallback: bool,
    pub(crate) spent: Spent,
}

/// What a run that is over came to.
pub(crate) fn end(shared: &Arc<RunShared>, state: &RunState, outcome: RunOutcome) -> Result<Ended, Error> {
    shared.close();
    match outcome {
        RunOutcome::Succeeded { output, fallback } => Ok(Ended {
            output,
            fallback,
            spent: *state.spent(),
        }),
        RunOutcome::Failed(error) | RunOutcome::Cancelled(error) => Err(Error::new(Some(shared.id), error)),
    }
}

/// What the run made, as the pipeline's type.
pub(crate) fn typed<Out: Data>(run: RunId, (ended, files): (Ended, Files)) -> Result<Done<Out>, Error> {
    let Ended {
        output,
        fallback,
        spent,
    } = ended;
    let output = output.take::<Out>().map_err(|error| {
        let message = format!("the output does not fit the pipeline's type: {error}");
        Error::new(Some(run), Failure::new(ErrorKind::SchemaMismatch, message))
    })?;
    Ok(Done {
        output,
        run,
        cost: spent.cost,
        usage: spent.usage,
        fallback,
        files,
    })
}

/// A run about to start on a runner; await it for the handle.
pub struct Launch<In, Out> {
    start: Start<In, Out>,
    desk: Option<Arc<Desk>>,
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {
        impl<In, Out> Launch<In, Out> {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(self, $($argument: $type),*) -> Self {
                let Self { start, desk } = self;
                Self { start: start.$name($($argument),*), desk }
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
    /// The key of the request: the same key with the same pipeline, inputs and settings is the same run, and with others
    /// it is refused. Needs a store.
    #[must_use]
    pub fn request_key(mut self, key: impl Into<String>) -> Self {
        self.start.call().request_key = Some(key.into());
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
        let Launch { mut start, desk } = self;
        async move {
            let env = start.environment()?;
            let call = start.call.take();
            let call = call.map_or_else(Call::silent, |call| Arc::new(*call));
            let (inner, input) = (&start.pipeline.inner, Value::new(start.input));
            launch::launch(inner, input, &env, call, desk, None).await
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
