//! The context of a step: the one way to models, tools, people and the record, so that nothing is spent, traced or
//! retried outside it.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::agent::{Asked, Reply};
use super::artifacts::Artifacts;
use super::asking::Asking;
use super::calling::Calling;
use super::concurrent::Concurrent;
use super::facts::Facts;
use super::op::{Called, PipelineCall};
use super::recorder::Batch;
use super::retrying::Retrying;
use super::shared::RunShared;
use crate::agent::Agent;
use crate::error::{ErrorKind, Failure, Result, StepError};
use crate::id::{CallId, RunId};
use crate::log::{EventKind, KeptCall};
use crate::plan::hash_of;
use crate::question::Ask;
use crate::value::{Data, Value};

mod attempt;
mod flight;
mod span;

pub(crate) use attempt::AttemptState;
use flight::InFlight;
use span::OpenSpan;

/// Calls within calls: agents that ask agents, steps that call steps.
const MAX_DEPTH: u32 = 8;

/// The context of a step. Cheap to clone; a clone is the same context.
#[derive(Clone)]
pub struct Cx {
    state: Arc<AttemptState>,
    branch: Option<Arc<Branch>>,
}

/// One of several branches of a step that run side by side: it counts its calls for itself.
pub(super) struct Branch {
    prefix: String,
    /// Calls it is inside of.
    depth: u32,
    /// The idempotency key of the tool call it is inside of.
    key: Option<String>,
    /// That call.
    flight: Option<Arc<InFlight>>,
    calls: AtomicU32,
}

/// What became of the attempt before.
#[derive(Debug, Clone, Copy)]
pub struct LastAttempt<'a> {
    /// Why it was refused.
    pub reason: &'a str,
    /// The kind of error it failed with; none when the step itself asked for another attempt.
    pub kind: Option<ErrorKind>,
    /// The output that was refused, when there was one.
    pub previous: Option<&'a Value>,
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
            kind: before.kind,
            previous: before.previous.as_ref(),
        })
    }

    /// What a model is told of the attempt before: why its answer was refused. A provider that was not to be reached is
    /// no fault of the answer, and is not told.
    pub(crate) fn feedback(&self) -> Option<String> {
        let last = self.last_attempt()?;
        let about_the_answer = match last.kind {
            None => true,
            Some(kind) => matches!(
                kind,
                ErrorKind::OutputInvalid
                    | ErrorKind::IncompleteOutput
                    | ErrorKind::IncompleteResponse
                    | ErrorKind::Step
            ),
        };
        about_the_answer.then(|| last.reason.to_owned())
    }

    /// Place of the item in its map, or of the round in its repeat, from 0.
    #[must_use]
    pub fn index(&self) -> Option<u32> {
        self.state.unit.is_item().then_some(self.state.unit.item)
    }

    /// The same for the same work after a crash, for whoever can tell a repeat by it: of a tool, its call; of a step, its
    /// attempt. It changes when an answer was refused and is asked for again, and in a re-run.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        let own = self.branch.as_ref().and_then(|branch| branch.key.clone());
        own.unwrap_or_else(|| hash_of(&json!([self.run_id().to_string(), self.path(), self.rejected()])))
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
        let ready = self.state.run.agent_held(&agent.planned(), agent.tools())?;
        let mut asked = Asked::new(ready, prompt);
        asked.feedback = feedback;
        asked.for_step = true;
        asked.last_attempt = self.is_last_attempt();
        Reply::typed(super::agent::ask(self, asked).await?)
    }

    /// Calls a registered agent, step or tool by name. What goes in is its prompt, its input or its arguments; a prompt
    /// that is no text is given as JSON.
    pub fn call<T: Data>(&self, name: impl Into<String>, input: impl Serialize) -> Calling<T> {
        let input = serde_json::to_value(input).map_err(StepError::from);
        Calling::new(self.clone(), name.into(), input)
    }

    /// Runs one call or several for each item, side by side and bounded, and gives the results in order. The first
    /// failure ends it, unless it collects.
    pub fn concurrent<I, F, Fut, T>(&self, label: &str, items: I, each: F) -> Concurrent<I, F, T>
    where
        I: IntoIterator,
        F: Fn(Cx, I::Item) -> Fut,
        Fut: IntoFuture<Output = Result<T>>,
    {
        Concurrent::new(self.clone(), label, items, each)
    }

    /// Attempts inside a step: `cx.retry("review").attempts(3).run(async |attempt| …)`.
    #[must_use]
    pub fn retry(&self, label: &str) -> Retrying {
        Retrying::new(self.clone(), label)
    }

    /// Asks a person: the run waits, and days later it goes on from here. Calls made before are not made again.
    pub fn ask<T: Data>(&self, title: impl Into<String>) -> Asking<T> {
        Asking::new(self.clone(), title.into())
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

    /// Runs something under a span of its own, which is closed also when it fails or is cut off.
    ///
    /// # Errors
    /// Those of what it runs.
    pub async fn span<T>(&self, name: &str, inside: impl Future<Output = Result<T>>) -> Result<T> {
        let mut span = OpenSpan::new(self, name);
        let result = inside.await;
        span.status = if result.is_ok() { "ok" } else { "error" };
        result
    }

    // ---- for the rest of the crate

    /// When the run began, as fixed text.
    pub(crate) fn run_started(&self) -> String {
        let run = &self.state.run;
        let started = run.started.get().copied();
        started.unwrap_or_else(|| run.log.clock().began()).to_string()
    }

    /// Who or what started the run.
    pub(crate) fn trigger(&self) -> &str {
        self.state.run.call.trigger()
    }

    pub(crate) fn state(&self) -> &Arc<AttemptState> {
        &self.state
    }

    pub(crate) fn shared(&self) -> &Arc<RunShared> {
        &self.state.run
    }

    pub(crate) fn event(&self, mut kind: EventKind) {
        self.state.run.env.redactor.event(&mut kind);
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
        self.branch_at(prefix, self.depth())
    }

    /// The context of what runs inside the call at `position`.
    ///
    /// # Errors
    /// When calls are nested too deeply: agents that ask each other for ever, for example.
    pub(super) fn within(&self, position: &str) -> Result<Cx> {
        let depth = self.depth() + 1;
        if depth > MAX_DEPTH {
            let message = format!("calls within calls more than {MAX_DEPTH} levels deep");
            return Err(StepError::of(ErrorKind::TooLarge, message));
        }
        Ok(self.branch_at(format!("{position}/in"), depth))
    }

    fn branch_at(&self, prefix: String, depth: u32) -> Cx {
        self.state.calls.fetch_max(1, Ordering::Relaxed);
        Cx {
            state: self.state.clone(),
            branch: Some(Arc::new(Branch {
                prefix,
                depth,
                key: None,
                flight: self.flight().cloned(),
                calls: AtomicU32::new(0),
            })),
        }
    }

    /// The context of a tool call that has this idempotency key and is in flight from now on.
    pub(super) fn in_flight(self, key: String) -> Cx {
        let flight = InFlight::new(self.state.clone(), self.flight().cloned());
        let Cx { state, branch } = self;
        let branch = branch.map(|branch| Branch {
            prefix: branch.prefix.clone(),
            depth: branch.depth,
            key: Some(key),
            flight: Some(flight),
            calls: AtomicU32::new(branch.calls.load(Ordering::Relaxed)),
        });
        Cx {
            state,
            branch: branch.map(Arc::new),
        }
    }

    /// How many answers were refused before this attempt.
    pub(super) fn rejected(&self) -> u32 {
        self.state.before.as_ref().map_or(0, |before| before.rejected)
    }

    /// The tool call it is inside of.
    fn flight(&self) -> Option<&Arc<InFlight>> {
        self.branch.as_ref()?.flight.as_ref()
    }

    /// Stops here until the attempt is dropped.
    async fn waits<T>(&self) -> T {
        if let Some(flight) = self.flight() {
            flight.waits();
        }
        self.state.signal.waker.wake();
        std::future::pending().await
    }

    fn depth(&self) -> u32 {
        self.branch.as_ref().map_or(0, |branch| branch.depth)
    }

    /// Whether no attempt of the step follows this one, whatever comes of it.
    pub(crate) fn is_last_attempt(&self) -> bool {
        let settings = self.state.run.settings(self.state.unit);
        settings.is_none_or(|settings| self.state.attempt >= settings.retry.max_attempts)
    }

    /// What the call at a position gave, when it was made before the step waited for an answer.
    ///
    /// # Errors
    /// Kind `replay_mismatch` when another call was made there.
    pub(super) fn recorded(
        &self,
        position: &str,
        key: &str,
    ) -> Result<Option<Result<Json, Failure>>, Failure> {
        let recorded = self.state.run.journals.look(self.state.unit, position, key)?;
        // An attempt that goes on with what it has called is no replay that anybody has to know of.
        let goes_on = self.state.before.as_ref();
        let goes_on = goes_on.is_some_and(|before| !before.called.is_empty());
        if recorded.is_some() && !goes_on {
            self.event(EventKind::CallReplayed {
                position: position.to_owned(),
                source: "log".into(),
                call: None,
                recorded: None,
            });
        }
        Ok(recorded)
    }

    /// Keeps what the call at a position gave, for when the step goes on after an answer or in another process.
    pub(super) fn keep(&self, position: &str, key: &str, result: Result<Json, Failure>) {
        let kept = || KeptCall::of(position, key, &result);
        self.state.run.log.keep(self.state.unit, kept);
        self.remember(position, key, result);
    }

    /// Knows in this process what the call at a position gave; it is in the log with the end of the call.
    pub(super) fn remember(&self, position: &str, key: &str, result: Result<Json, Failure>) {
        self.state
            .run
            .journals
            .keep(self.state.unit, position, key, result);
    }

    /// Waits until everything the step has written down so far outlives the process. Does not return when it cannot be
    /// written any more: the run is being stopped.
    pub(super) async fn written(&self) {
        let run = &self.state.run;
        let Some(recorder) = &run.recorder else { return };
        match recorder.flush(&run.log, Batch::default()).await {
            Ok(committed) if committed.halted => drop(run.env.halted.send_replace(true)),
            Ok(_) => {}
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits while the operator has stopped all new calls, of which this is one. The deadline of the attempt does not
    /// pass meanwhile.
    pub(super) async fn unhalted(&self, call: CallId) {
        let halted = &self.state.run.env.halted;
        if !*halted.borrow() {
            return;
        }
        self.event(EventKind::CallWaiting {
            call,
            reason: "halted".into(),
            until: None,
        });
        let _held = self.state.held_up();
        // The sender is at hand, so it is not closed.
        let _ = halted.subscribe().wait_for(|halted| !halted).await;
    }

    /// Sees to it that what the step has written down is written soon, without waiting for it.
    pub(super) fn write_soon(&self) {
        let run = &self.state.run;
        if let Some(recorder) = &run.recorder {
            recorder.flush_soon(&run.log);
        }
    }

    /// What expressions of a pipeline file may read here; none in a pipeline of Rust.
    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.state.facts.get().cloned()
    }

    /// The output of a step that this one needs.
    pub(crate) fn needed(&self, step: &str) -> Option<Value> {
        self.state.facts.get()?.step(step)?.output.clone()
    }

    /// The answer to the question at this position, when it was given.
    pub(crate) fn answer(&self, position: &str) -> Option<Value> {
        self.state.before.as_ref()?.answers.get(position).cloned()
    }

    /// What the pipeline gave that was called at this position, once it is over.
    pub(super) fn called(&self, position: &str) -> Option<Called> {
        self.state.before.as_ref()?.called.get(position).cloned()
    }

    /// Calls a pipeline and stops here: the attempt is dropped, and begins again when the pipeline is over.
    pub(super) async fn wait_for<T>(&self, call: PipelineCall) -> T {
        self.state.keep().calls.push(call);
        self.waits().await
    }

    /// Puts a question and stops here: the attempt is dropped and begins again when there is an answer.
    pub(crate) async fn suspend<T>(&self, ask: Ask) -> T {
        self.state.keep().ask = Some(Box::new(ask));
        self.waits().await
    }
}
