//! Runners: what an application holds to start runs, watch them, answer their questions and cancel them.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use crate::budget::{Budget, StandingBudget};
use crate::error::{Error, ErrorKind, Failure};
use crate::id::{Ids, QuestionId, RunId};
use crate::model::Models;
use crate::pipeline::{self, Pipeline};
use crate::price::PriceBook;
use crate::redact::Redactor;
use crate::registry::Registry;
use crate::run::{Environment, INLINE};
use crate::store::{Halt, Store};
use crate::value::Data;
use crate::view::RunStatus;

mod desk;
mod done;
mod drift;
mod handle;
mod keyed;
mod launch;
mod listen;
mod people;
mod prepare;
mod read;
mod recover;
mod rerun;
mod results;
mod resume;
mod session;
mod start;
mod unlinked;
mod workspace;

use desk::{Desk, DeskSettings};
pub use done::Done;
pub use handle::{Outcome, RunHandle};
pub use listen::Listen;
pub(crate) use read::log_of;
pub use recover::Recovered;
pub use rerun::{Rerun, RerunPreview};
pub use start::{CallBudget, Launch, Start};
pub use workspace::{DocumentValue, Workspace};

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
    pub(crate) env: Environment,
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
                news: desk::NEWS,
                inline: INLINE,
                max_runs: None,
            },
            pipelines: Vec::new(),
        }
    }

    /// Starts a run that goes on by itself; await what it gives for its handle. Where the runner has a store the run is
    /// durable when the handle is there.
    pub fn start<In: Data, Out: Data>(&self, pipeline: &Pipeline<In, Out>, input: In) -> Launch<In, Out> {
        Launch::new(pipeline, input, self.env.clone(), self.desk.clone())
    }

    /// A new run that takes over what is still good of an earlier one, which is over or waits, and makes the rest again.
    /// Say what, await it for the handle or ask it for a preview.
    ///
    /// ```no_run
    /// # async fn again(runner: segue::Runner, run: segue::RunId) -> Result<(), segue::Error> {
    /// let again = || runner.rerun(run).from("market").note("use the new price list");
    /// let preview = again().preview().await?;
    /// println!("takes over {} steps, runs {}", preview.reuses.len(), preview.runs.len());
    /// let handle = again().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn rerun(&self, run: RunId) -> Rerun {
        Rerun::of_run(self.desk.clone(), run)
    }

    /// The workspace of a pipeline and a key: the results its runs with that key share, one for each step.
    ///
    /// # Errors
    /// Kind `usage` for a key that cannot be one, or without a store.
    pub fn workspace<In, Out>(&self, pipeline: &Pipeline<In, Out>, key: &str) -> Result<Workspace, Error> {
        Workspace::new(self.desk()?.clone(), pipeline.inner.clone(), key)
    }

    /// Listens to models from now on, for a run that is started or goes on after that: none of its pieces is missed.
    /// Where that does not matter, [`RunHandle::live`] is shorter.
    #[must_use]
    pub fn listen(&self) -> Listen {
        Listen(self.env.audience.listen())
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

    /// Stops all new calls to models and tools, of all runs of the store in whatever process, until [`Runner::unhalt`]: in
    /// this one at once, in others as soon as they hear of it, a fraction of a second later. Calls that were sent come
    /// back; calls that want to be made wait, and the deadlines of their attempts with them. No run is started or
    /// recovered meanwhile. It outlives every process. Says who and why; a later halt replaces what an earlier one said.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), segue::Error> {
    /// let runner = segue::Runner::builder().store(segue::store::MemoryStore::new()).build()?;
    /// runner.halt("ann", Some("the bill looks wrong")).await?;
    /// assert_eq!(runner.halted().await?.map(|halt| halt.by).as_deref(), Some("ann"));
    /// runner.unhalt().await?;
    /// assert_eq!(runner.halted().await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the store cannot be written; in this process calls are stopped all the same. Kind `usage` without a store.
    pub async fn halt(&self, by: &str, reason: Option<&str>) -> Result<(), Error> {
        let desk = self.desk()?;
        let redactor = &self.env.redactor;
        let halt = Halt {
            by: by.to_owned(),
            since: desk.now(),
            reason: reason.map(|reason| redactor.text(reason).into_owned()),
        };
        Ok(desk.halt(Some(halt)).await?)
    }

    /// Ends a halt: calls that wait for that are made. Nothing changes where there is none.
    ///
    /// # Errors
    /// When the store cannot be written. Kind `usage` without a store.
    pub async fn unhalt(&self) -> Result<(), Error> {
        Ok(self.desk()?.halt(None).await?)
    }

    /// The halt that holds for all calls, if one does.
    ///
    /// # Errors
    /// When the store cannot be read. Kind `usage` without a store.
    pub async fn halted(&self) -> Result<Option<Halt>, Error> {
        Ok(self.desk()?.look_for_halt().await?)
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
    /// it; why a tool is not reached that is left to call ([`Tool::reachable`](crate::Tool::reachable)). It is left as it is
    /// then.
    pub async fn resume(&self, run: RunId) -> Result<RunHandle<Json>, Error> {
        recover::resume_one(self.desk()?, run).await
    }

    /// The pipeline that a run of the store began with: a registered one, or the plan of its file, linked anew.
    ///
    /// # Errors
    /// Kind `not_found`; `definition_changed` when this program cannot run it.
    pub async fn pipeline_of(&self, run: RunId) -> Result<Pipeline<Json, Json>, Error> {
        let desk = self.desk()?;
        let stored = read::read(&**desk.store(), run).await?;
        let stored = stored.ok_or_else(|| read::no_such_run(run))?;
        let inner = resume::program_of(desk, &stored).map_err(|failure| Error::new(Some(run), failure))?;
        Ok(Pipeline::shared(inner))
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

    /// Nobody else uses its store, for the many days of virtual time that a test may take: nobody has to be told that it
    /// lives, and nobody else has anything to say.
    pub(crate) fn alone(mut self) -> Self {
        self.settings.lease = Duration::from_secs(10 * 365 * 86_400);
        self.settings.news = Duration::from_secs(600);
        self
    }

    /// The longest JSON of an output, in bytes, that stands in the log; longer ones are kept beside it. 64 KiB where
    /// nothing is said, and 64 bytes at least: what is shorter always stands there.
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

    /// A ceiling for the attempts that are at work at once in each run started here, whatever its definition or the call
    /// says; at least 1. A run keeps the ceiling it was started with.
    #[must_use]
    pub fn max_parallel(mut self, attempts: u32) -> Self {
        self.env.max_parallel = Some(attempts.max(1));
        self
    }

    /// A limit on what calls of many runs spend together, over those that their definitions have. May be called several
    /// times: a call falls under every budget whose filters fit it. With a store it holds over all runs of the store, in
    /// whatever process, whose runners have it; without one over the runs of this process.
    #[must_use]
    pub fn standing_budget(mut self, budget: StandingBudget) -> Self {
        self.env.standing.push(budget);
        self
    }

    /// Takes secrets out of everything that enters a run: its input, what models answer and tools give, outputs, errors,
    /// questions, answers and artifacts. So neither the record nor a later step has them. What a model or a tool is sent is
    /// not touched. Without one nothing is looked for.
    ///
    /// ```
    /// use segue::redact::Redactor;
    /// use segue::{Cx, Outcome, Pipeline, Result, Runner, Secret};
    ///
    /// async fn careless(_cx: Cx, _input: ()) -> Result<String> {
    ///     Ok("the key is correct horse".into())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let redactor = Redactor::new().secret("CRM", &Secret::new("correct horse"));
    /// let runner = Runner::builder().redactor(redactor).build()?;
    /// let pipeline = Pipeline::define("careless", |p, input| p.step("tell", careless, input))?;
    /// let Outcome::Done(done) = runner.start(&pipeline, ()).await?.outcome().await? else { panic!("nothing waits") };
    /// assert_eq!(done.output, "the key is [redacted CRM]");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.env.redactor = redactor;
        self
    }

    /// The runner.
    ///
    /// # Errors
    /// When a name is registered twice, of a standing budget too, or a standing budget cannot be one.
    pub fn build(self) -> Result<Runner, Error> {
        let refuse = |failure: Failure| Error::new(None, failure);
        self.env.registry.check().map_err(refuse)?;
        check(&self.env.standing).map_err(refuse)?;
        let env = Arc::new(self.env);
        let desk = self
            .store
            .map(|store| Arc::new(Desk::new(env.clone(), store, self.settings, self.pipelines)));
        Ok(Runner { env, desk })
    }
}

/// # Errors
/// When a standing budget cannot be one, or two have one name.
fn check(standing: &[StandingBudget]) -> Result<(), Failure> {
    for (at, budget) in standing.iter().enumerate() {
        budget
            .check()
            .map_err(|error| Failure::new(ErrorKind::InvalidDefinition, error.to_string()))?;
        if standing[..at].iter().any(|other| other.name() == budget.name()) {
            let message = format!("there are two standing budgets `{}`", budget.name());
            return Err(Failure::new(ErrorKind::InvalidDefinition, message)
                .hint("their names tell their accounts apart; give each its own"));
        }
    }
    Ok(())
}
