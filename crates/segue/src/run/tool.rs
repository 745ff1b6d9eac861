//! Tool calls: checked, limited, approved, cut off when they hang, recorded by position and key.
//!
//! A call is made for a step ([`call`]) or for an agent ([`ToolTurns`]), where a tool that fails tells the model and does
//! not fail the step unless somebody said so.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::cx::{AttemptState, Cx};
use super::ready::ReadyTool;
use crate::clock;
use crate::error::{ErrorKind, Failure, Result, Spent, StepError, Why};
use crate::id::CallId;
use crate::log::{CallKind, EventKind, KeptCall};
use crate::money::{Cost, Nanousd};
use crate::plan::hash_of;
use crate::usage::Usage;

mod agent;
mod approval;
mod built_in;
mod interrupted;
mod pipeline;
mod turns;

pub(super) use agent::AgentTool;
pub(super) use built_in::{PREFIX as BUILT_IN, all as built_in};
pub(super) use pipeline::Referred;

pub(super) use turns::ToolTurns;

/// Deadline of a tool call where nothing says otherwise. Agents have limits of their own.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Makes a tool call of a step: what it gives, or why there is nothing.
///
/// # Errors
/// When the arguments do not fit, the call is not approved, or the tool fails.
pub(crate) async fn call(cx: &Cx, tool: &ReadyTool, arguments: Json) -> Result<Json> {
    let violations = tool.takes.violations(&arguments);
    if let Some(first) = violations.first() {
        let message = format!("the arguments of `{}` do not fit: {first}", tool.spec.name);
        return Err(StepError::of(ErrorKind::SchemaMismatch, message));
    }
    let call = Call {
        cx,
        agent: None,
        tool,
        arguments: &arguments,
        position: cx.position(),
    };
    match call.permitted().await? {
        Ok(()) => call.made().await?.map_err(StepError::from),
        Err(failure) => Err(failure.into()),
    }
}

/// One tool call.
struct Call<'a> {
    cx: &'a Cx,
    agent: Option<&'a str>,
    tool: &'a ReadyTool,
    arguments: &'a Json,
    position: String,
}

impl Call<'_> {
    fn name(&self) -> &str {
        &self.tool.spec.name
    }

    fn key(&self) -> String {
        format!("tool {} {}", self.name(), hash_of(self.arguments))
    }

    fn state(&self) -> &AttemptState {
        self.cx.state()
    }

    /// What the call gave when it was made before.
    fn recorded(&self) -> Result<Option<Result<Json, Failure>>> {
        Ok(self.cx.recorded(&self.position, &self.key())?)
    }

    /// Whether the call was made, or refused, before the step waited for an answer.
    fn was_made(&self) -> Result<bool> {
        let state = self.state();
        Ok(state
            .run
            .journals
            .look(state.unit, &self.position, &self.key())?
            .is_some())
    }

    fn keep(&self, result: &Result<Json, Failure>) {
        self.cx.keep(&self.position, &self.key(), result.clone());
    }

    /// Makes the call under its deadline and retries. The outer error is one the whole attempt ends with.
    async fn made(&self) -> Result<Result<Json, Failure>> {
        if let Some(recorded) = self.recorded()? {
            return Ok(recorded);
        }
        if let Some(pipeline) = &self.tool.pipeline {
            return self.through(pipeline).await;
        }
        let result = match self.after_interruption().await? {
            Some(result) => result,
            None => match self.fits_the_run() {
                Ok(()) => {
                    let result = self.tried().await?;
                    self.cx.remember(&self.position, &self.key(), result.clone());
                    self.cx.write_soon();
                    return Ok(result);
                }
                Err(failure) => Err(failure),
            },
        };
        self.keep(&result);
        self.cx.write_soon();
        Ok(result)
    }

    /// Counts the call against what the pipeline allows in a run.
    fn fits_the_run(&self) -> Result<(), Failure> {
        let Some(most) = self.tool.max_per_run else {
            return Ok(());
        };
        if self.state().run.count_tool_call(self.name()) <= most {
            return Ok(());
        }
        let message = format!("`{}` has no call left in this run, of {most}", self.name());
        let mut failure = Failure::new(ErrorKind::Tool, message).limit("max_calls", "tool_calls", most);
        failure.retryable = false;
        Err(failure)
    }

    async fn tried(&self) -> Result<Result<Json, Failure>> {
        let mut tries = self.tool.limits.retries.unwrap_or(0);
        loop {
            let failure = match self.once(tries == 0).await? {
                Ok(value) => return Ok(Ok(value)),
                Err(failure) => failure,
            };
            if !failure.retryable || tries == 0 {
                return Ok(Err(failure));
            }
            tries -= 1;
        }
    }

    /// One try, in the record with how it ended.
    async fn once(&self, is_last: bool) -> Result<Result<Json, Failure>> {
        let limit = match self.tool.limits.timeout {
            Some(limit) => Some(limit),
            None => (!self.tool.is_agent).then_some(TIMEOUT),
        };
        let id = CallId::new(&*self.state().run.env.ids);
        self.cx.unhalted(id).await;
        let mut flight = self.reserve(id);
        self.cx.event(EventKind::CallStarted {
            call: flight.id,
            idempotency_key: self.idempotency_key(),
            request: self.arguments.clone(),
        });
        self.cx.written().await;
        let inner = self.cx.within(&self.position)?.in_flight(self.idempotency_key());
        let result = clock::within(limit, self.tool.tool.call(inner, self.arguments.clone())).await;
        crate::fail::point("K7");
        let mut result = match result {
            Some(Ok(value)) => Ok(value),
            Some(Err(error)) => Err(match error.into_why() {
                Why::Failed(failure) => failure,
                Why::Again { reason } => Failure::new(ErrorKind::Tool, reason),
                Why::Waits(ask) => return Err(StepError::from(*ask)),
            }),
            None => Err(self.late(limit.unwrap_or_default())),
        };
        self.state().run.env.redactor.result(&mut result);
        let is_over = match &result {
            Ok(_) => true,
            Err(failure) => is_last || !failure.retryable,
        };
        let key = self.key();
        flight.land(
            &result,
            is_over.then_some(|| KeptCall::of(&self.position, &key, &result)),
        );
        Ok(result)
    }

    fn late(&self, limit: Duration) -> Failure {
        let ms = limit.as_millis();
        let message = format!("tool `{}` did not answer within {ms}ms", self.name());
        Failure::new(ErrorKind::Tool, message)
            .limit("tool", "ms", ms)
            .hint("raise the tool's `timeout`")
    }

    /// The same for the same call after a crash, for tools that take one.
    fn idempotency_key(&self) -> String {
        let state = self.state();
        let (run, path) = (state.run.id.to_string(), state.path());
        hash_of(&json!([
            run,
            path,
            self.position,
            self.name(),
            self.arguments,
            self.cx.rejected()
        ]))
    }

    fn reserve(&self, id: CallId) -> Flight<'_> {
        let state = self.state();
        self.cx.event(EventKind::CallReserved {
            call: id,
            kind: CallKind::Tool,
            model: None,
            tool: Some(self.name().to_owned()),
            agent: self.agent.map(str::to_owned),
            attempt: state.attempt,
            position: self.position.clone(),
            reserved_nanousd: Nanousd::ZERO,
            reserved_tokens: 0,
            budgets: Vec::new(),
            max_tokens_clamped_to: None,
        });
        Flight {
            state,
            id,
            name: self.name(),
            began: clock::now(),
            took: None,
            landed: false,
        }
    }
}

/// A tool call under way. One that is dropped before it lands was cut off, and the record says so.
struct Flight<'a> {
    state: &'a AttemptState,
    id: CallId,
    name: &'a str,
    began: Instant,
    /// How long it was under way, where that is not since it began here.
    took: Option<Duration>,
    landed: bool,
}

impl Flight<'_> {
    fn land(&mut self, result: &Result<Json, Failure>, kept: Option<impl FnOnce() -> KeptCall>) {
        self.landed = true;
        let usage = Usage {
            tool_calls: 1,
            tool_ms: match self.took {
                Some(took) => u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                None => clock::millis_since(self.began),
            },
            ..Usage::default()
        };
        let cost = Cost::default();
        self.state.add(&Spent { usage, cost });
        let event = match result {
            Ok(value) => EventKind::CallSucceeded {
                call: self.id,
                usage,
                cost,
                price: None,
                finish_reason: None,
                response: value.clone(),
                estimated: false,
                first_token_ms: None,
            },
            Err(failure) => EventKind::CallFailed {
                call: self.id,
                error: Box::new(failure.clone()),
                usage,
                cost,
                price: None,
            },
        };
        self.state.run.log.end_call(self.state.unit, Some(event), kept);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        if !self.landed {
            let message = format!("tool `{}` was cut off with its attempt", self.name);
            let cut_off = Err(Failure::new(ErrorKind::Cancelled, message));
            self.land(&cut_off, None::<fn() -> KeptCall>);
        }
    }
}
