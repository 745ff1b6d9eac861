//! The context of a step: the one way to models, tools, people and the record, so that nothing is spent, traced or
//! retried outside it.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::agent::{Asked, Reply};
use super::artifacts::Artifacts;
use super::branch::Retrying;
use super::execute::Signal;
use super::op::Before;
use super::shared::{RunShared, lock};
use super::unit::Unit;
use crate::agent::Agent;
use crate::error::{ErrorKind, Failure, Result, Spent, StepError};
use crate::id::RunId;
use crate::log::EventKind;
use crate::question::Ask;
use crate::value::{Data, Value};

/// The context of a step. Cheap to clone; a clone is the same context.
#[derive(Clone)]
pub struct Cx {
    state: Arc<AttemptState>,
    branch: Option<Arc<Branch>>,
}

/// One attempt of a unit.
pub(crate) struct AttemptState {
    pub(crate) run: Arc<RunShared>,
    pub(crate) unit: Unit,
    pub(crate) attempt: u32,
    before: Option<Arc<Before>>,
    calls: AtomicU32,
    aborted: AtomicBool,
    pub(crate) signal: Signal,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    spent: Option<Box<Spent>>,
    ask: Option<Box<Ask>>,
    previous: Option<Value>,
}

/// One of several branches of a step that run side by side: it counts its calls for itself.
pub(super) struct Branch {
    prefix: String,
    calls: AtomicU32,
}

/// What became of the attempt before.
#[derive(Debug, Clone, Copy)]
pub struct LastAttempt<'a> {
    /// Why it was refused.
    pub reason: &'a str,
    /// The output that was refused, when there was one.
    pub previous: Option<&'a Value>,
}

impl AttemptState {
    pub(super) fn new(
        run: Arc<RunShared>,
        unit: Unit,
        attempt: u32,
        before: Option<Arc<Before>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            run,
            unit,
            attempt,
            before,
            calls: AtomicU32::new(0),
            aborted: AtomicBool::new(false),
            signal: Signal::default(),
            inner: Mutex::default(),
        })
    }

    pub(crate) fn path(&self) -> String {
        self.run.log.path(self.unit)
    }

    /// Adds what a call spent.
    pub(super) fn add(&self, spent: &Spent) {
        if !spent.is_zero() {
            lock(&self.inner).spent.get_or_insert_default().add(spent);
        }
    }

    pub(super) fn spent(&self) -> Option<Box<Spent>> {
        lock(&self.inner).spent.clone()
    }

    pub(super) fn take_ask(&self) -> Option<Box<Ask>> {
        lock(&self.inner).ask.take()
    }

    pub(super) fn take_previous(&self) -> Option<Value> {
        lock(&self.inner).previous.take()
    }

    /// Keeps the output that is being refused for the next attempt.
    pub(crate) fn keep_previous(&self, output: Value) {
        lock(&self.inner).previous = Some(output);
    }

    pub(super) fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        self.signal.waker.wake();
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// The attempt is over. While it only waits for a person its calls are kept for when it goes on.
    pub(super) fn over(&self, waits: bool) {
        if !waits && self.calls.load(Ordering::Relaxed) > 0 {
            self.run.journals.drop(self.unit);
        }
    }
}

impl Cx {
    pub(super) fn new(state: Arc<AttemptState>) -> Self {
        Self { state, branch: None }
    }

    /// The run.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        self.state.run.id
    }

    /// Path of the step, map item included.
    #[must_use]
    pub fn path(&self) -> String {
        self.state.path()
    }

    /// The attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.state.attempt
    }

    /// What became of the attempt before; none in the first.
    #[must_use]
    pub fn last_attempt(&self) -> Option<LastAttempt<'_>> {
        let before = self.state.before.as_deref()?;
        let reason = before.reason.as_deref()?;
        Some(LastAttempt {
            reason,
            previous: before.previous.as_ref(),
        })
    }

    /// Place of the item in its map, or of the round in its repeat, from 0.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        self.state.unit.is_item().then_some(self.state.unit.item)
    }

    /// A value of the application. The step declares it with `uses`, so that it is known to be there before the run
    /// starts.
    ///
    /// # Errors
    /// When the step did not declare it and nobody provided it.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<Arc<T>> {
        self.state.run.env.resources.get::<T>().ok_or_else(|| {
            let name = std::any::type_name::<T>();
            StepError::fatal(format!(
                "nobody provided the `{name}` that step `{}` asks for",
                self.path()
            ))
            .hint(format!(
                "declare it with `.uses::<{name}>()`, so that it is checked before the run"
            ))
        })
    }

    /// Asks an agent. The answer has the agent's type.
    ///
    /// # Errors
    /// Whatever the agent ends with: a budget refusal, an answer that does not fit after all repairs, a provider's error.
    pub async fn run<T: Data>(&self, agent: &Agent<T>, prompt: impl Into<String>) -> Result<Reply<T>> {
        self.run_with(agent, prompt.into(), None).await
    }

    pub(crate) async fn run_with<T: Data>(
        &self,
        agent: &Agent<T>,
        prompt: String,
        feedback: Option<String>,
    ) -> Result<Reply<T>> {
        let ready = match self.state.run.agents.get(agent.name()) {
            Some(ready) => ready.clone(),
            None => self.state.run.prepare(&agent.planned(), agent.tools())?,
        };
        let mut asked = Asked::new(ready, prompt);
        asked.feedback = feedback;
        Reply::typed(super::agent::ask(self, asked).await?)
    }

    /// Calls a registered agent or step by name. What goes in is its prompt or its input; a value that is no text is
    /// given as JSON.
    pub fn call<'a, T: Data>(&'a self, name: &'a str, input: impl Serialize) -> Calling<'a, T> {
        let input = serde_json::to_value(input).map_err(StepError::from);
        Calling {
            cx: self,
            name,
            input,
            feedback: None,
            output: PhantomData,
        }
    }

    /// Runs one call or several for each item, side by side and bounded, and gives the results in order. The first
    /// failure ends it, unless it collects.
    pub fn concurrent<I, F, Fut, T>(&self, label: &str, items: I, each: F) -> Concurrent<I, F, T>
    where
        I: IntoIterator,
        F: Fn(Cx, I::Item) -> Fut,
        Fut: IntoFuture<Output = Result<T>>,
    {
        Concurrent {
            cx: self.clone(),
            label: label.to_owned(),
            items,
            each,
            limit: 8,
            output: PhantomData,
        }
    }

    /// Attempts inside a step: `cx.retry("review").attempts(3).run(async |attempt| …)`.
    #[must_use]
    pub fn retry(&self, label: &str) -> Retrying {
        Retrying::new(self.clone(), label)
    }

    /// Asks a person: the run waits, and days later it goes on from here. Calls made before are not made again.
    pub fn ask<T: Data>(&self, title: impl Into<String>) -> Asking<'_, T> {
        Asking {
            cx: self,
            ask: Ask::of::<T>(title),
            output: PhantomData,
        }
    }

    /// Saves artifacts.
    #[must_use]
    pub fn artifacts(&self) -> Artifacts<'_> {
        Artifacts(self)
    }

    /// Tells whoever watches what the step is doing.
    pub fn note(&self, text: impl Into<String>) {
        self.event(EventKind::StepNote {
            text: text.into(),
            percent: None,
        });
    }

    /// Tells whoever watches how far the step is, in percent.
    pub fn progress(&self, percent: u8, text: impl Into<String>) {
        self.event(EventKind::StepNote {
            text: text.into(),
            percent: Some(percent.min(100)),
        });
    }

    /// Runs something under a span of its own, which is closed also when it fails.
    ///
    /// # Errors
    /// Those of what it runs.
    pub async fn span<T>(&self, name: &str, inside: impl Future<Output = Result<T>>) -> Result<T> {
        let span = self.position();
        self.event(EventKind::SpanOpened {
            span: span.clone(),
            name: name.to_owned(),
        });
        let result = inside.await;
        let status = if result.is_ok() { "ok" } else { "error" };
        self.event(EventKind::SpanClosed {
            span,
            status: status.into(),
        });
        result
    }

    // ---- for the rest of the crate

    /// When the run began, as fixed text.
    pub(crate) fn run_started(&self) -> String {
        self.state.run.log.clock().began().to_string()
    }

    /// Who or what started the run.
    pub(crate) fn trigger(&self) -> &str {
        &self.state.run.trigger
    }

    pub(crate) fn state(&self) -> &AttemptState {
        &self.state
    }

    pub(crate) fn shared(&self) -> &Arc<RunShared> {
        &self.state.run
    }

    pub(crate) fn event(&self, kind: EventKind) {
        self.state.run.log.note(self.state.unit, kind);
    }

    /// The place of the next call in the step.
    pub(crate) fn position(&self) -> String {
        match &self.branch {
            None => {
                let n = self.state.calls.fetch_add(1, Ordering::Relaxed);
                n.to_string()
            }
            Some(branch) => {
                let n = branch.calls.fetch_add(1, Ordering::Relaxed);
                format!("{}/{n}", branch.prefix)
            }
        }
    }

    /// A context of the same attempt whose calls are counted below `prefix`.
    pub(super) fn branch(&self, prefix: String) -> Cx {
        self.state.calls.fetch_max(1, Ordering::Relaxed);
        Cx {
            state: self.state.clone(),
            branch: Some(Arc::new(Branch {
                prefix,
                calls: AtomicU32::new(0),
            })),
        }
    }

    /// The answer to the question at this position, when it was given.
    pub(crate) fn answer(&self, position: &str) -> Option<Value> {
        self.state.before.as_ref()?.answers.get(position).cloned()
    }

    /// Puts a question and stops here: the attempt is dropped and begins again when there is an answer.
    pub(crate) async fn suspend<T>(&self, ask: Ask) -> T {
        lock(&self.state.inner).ask = Some(Box::new(ask));
        self.state.signal.waker.wake();
        std::future::pending().await
    }
}

/// A call by name; await it.
pub struct Calling<'a, T> {
    cx: &'a Cx,
    name: &'a str,
    input: Result<Json>,
    feedback: Option<String>,
    output: PhantomData<fn() -> T>,
}

impl<T> Calling<'_, T> {
    /// Tells the agent why the last answer was refused; nothing when there is no reason.
    #[must_use]
    pub fn feedback<'r>(mut self, reason: impl Into<Option<&'r str>>) -> Self {
        self.feedback = reason.into().map(str::to_owned);
        self
    }
}

impl<'a, T: Data> IntoFuture for Calling<'a, T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'a, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        let Calling {
            cx,
            name,
            input,
            feedback,
            ..
        } = self;
        async move {
            let input = input?;
            if let Some(step) = cx.shared().env.registry.step_of(name) {
                let output = step.call(cx.clone(), Value::json(input)).await?;
                return Ok(output.take()?);
            }
            let prompt = match input {
                Json::String(text) => text,
                value => value.to_string(),
            };
            let mut asked = Asked::new(cx.shared().agent(name)?, prompt);
            asked.feedback = feedback;
            let reply = super::agent::ask(cx, asked).await?;
            Ok(serde_json::from_value(reply.output)?)
        }
        .boxed()
    }
}

/// Several branches side by side; await it.
pub struct Concurrent<I, F, T> {
    cx: Cx,
    label: String,
    items: I,
    each: F,
    limit: usize,
    output: PhantomData<fn() -> T>,
}

impl<I, F, T> Concurrent<I, F, T> {
    /// Most branches at once; 8 where nothing says otherwise.
    #[must_use]
    pub fn max_parallel(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

impl<I, F, Fut, T> Concurrent<I, F, T>
where
    I: IntoIterator,
    F: Fn(Cx, I::Item) -> Fut,
    Fut: IntoFuture<Output = Result<T>>,
{
    /// Gives each result by itself instead of ending at the first failure.
    pub async fn collect(self) -> Vec<Result<T>> {
        use futures_util::stream::{self, StreamExt};
        let Concurrent {
            cx,
            label,
            items,
            each,
            limit,
            ..
        } = self;
        let position = cx.position();
        let branches: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(at, item)| each(cx.branch(format!("{position}.{label}[{at}]")), item).into_future())
            .collect();
        stream::iter(branches).buffered(limit).collect().await
    }
}

impl<I, F, Fut, T> IntoFuture for Concurrent<I, F, T>
where
    I: IntoIterator + Send + 'static,
    I::Item: Send,
    F: Fn(Cx, I::Item) -> Fut + Send + Sync + 'static,
    Fut: IntoFuture<Output = Result<T>> + Send,
    Fut::IntoFuture: Send + 'static,
    T: Send + 'static,
{
    type Output = Result<Vec<T>>;
    type IntoFuture = BoxFuture<'static, Result<Vec<T>>>;

    fn into_future(self) -> Self::IntoFuture {
        use futures_util::stream::{self, StreamExt, TryStreamExt};
        let Concurrent {
            cx,
            label,
            items,
            each,
            limit,
            ..
        } = self;
        let position = cx.position();
        let branches: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(at, item)| each(cx.branch(format!("{position}.{label}[{at}]")), item).into_future())
            .collect();
        async move { stream::iter(branches).buffered(limit).try_collect().await }.boxed()
    }
}

/// A question to a person; await it.
pub struct Asking<'a, T> {
    cx: &'a Cx,
    ask: Ask,
    output: PhantomData<fn() -> T>,
}

impl<T> Asking<'_, T> {
    /// More than fits on one line.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.ask.text = Some(text.into());
        self
    }

    /// What is known so far: a value that is written as a JSON object.
    #[must_use]
    pub fn known(mut self, known: impl Serialize) -> Self {
        self.ask.known = match serde_json::to_value(known) {
            Ok(Json::Object(known)) => known,
            _ => Map::new(),
        };
        self
    }

    /// Which facts are missing, by name.
    #[must_use]
    pub fn missing(mut self, missing: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ask.missing = missing.into_iter().map(Into::into).collect();
        self
    }

    /// How long to wait for an answer. Then the default is taken, or the step fails.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.ask.timeout = Some(timeout);
        self
    }

    /// The answer when nobody gives one in time.
    #[must_use]
    pub fn or(mut self, default: impl Serialize) -> Self {
        self.ask.default = serde_json::to_value(default).ok();
        self
    }
}

impl<'a, T: DeserializeOwned + JsonSchema + Send + 'static> IntoFuture for Asking<'a, T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'a, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        let Asking { cx, mut ask, .. } = self;
        async move {
            let position = cx.position();
            if let Some(answer) = cx.answer(&position) {
                let json = answer.to_json()?;
                return serde_json::from_value(json.as_ref().clone())
                    .map_err(|error| Failure::new(ErrorKind::SchemaMismatch, error.to_string()).into());
            }
            ask.position = position;
            cx.suspend(ask).await
        }
        .boxed()
    }
}
