//! Calls by name: a step asks a registered agent, or runs a registered step or tool, and the record keeps what it gave.

use std::future::IntoFuture;
use std::marker::PhantomData;

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value as Json;

use super::agent::{Asked, ask};
use super::cx::Cx;
use super::ready::ReadyTool;
use super::tool;
use crate::error::{ErrorKind, Result, StepError, Why};
use crate::plan::hash_of;
use crate::registry::NamedStep;
use crate::value::{Data, Value};

/// A call by name; await it.
pub struct Calling<T> {
    cx: Cx,
    name: String,
    input: Result<Json>,
    feedback: Option<String>,
    output: PhantomData<fn() -> T>,
}

impl<T> Calling<T> {
    pub(super) fn new(cx: Cx, name: String, input: Result<Json>) -> Self {
        Self {
            cx,
            name,
            input,
            feedback: None,
            output: PhantomData,
        }
    }

    /// Tells the agent why the last answer was refused; nothing when there is no reason.
    #[must_use]
    pub fn feedback<'r>(mut self, reason: impl Into<Option<&'r str>>) -> Self {
        self.feedback = reason.into().map(str::to_owned);
        self
    }

    async fn call(self) -> Result<Json> {
        let input = self.input?;
        let registry = &self.cx.shared().env.registry;
        if let Some(step) = registry.step_of(&self.name) {
            return run_step(&self.cx, &self.name, &**step, input).await;
        }
        if let Some(tool) = registry.tool_of(&self.name) {
            tool.available()?;
            let tool = ReadyTool::new(tool, None)?;
            return tool::call(&self.cx, &tool, input).await;
        }
        let prompt = match input {
            Json::String(text) => text,
            value => value.to_string(),
        };
        let mut asked = Asked::new(self.cx.shared().agent(&self.name)?, prompt);
        asked.feedback = self.feedback;
        asked.for_step = true;
        asked.last_attempt = self.cx.is_last_attempt();
        Ok(ask(&self.cx, asked).await?.output)
    }
}

impl<T: Data> IntoFuture for Calling<T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'static, Result<T>>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let name = self.name.clone();
            let output = self.call().await?;
            serde_json::from_value(output).map_err(|error| {
                let message = format!("what `{name}` gave does not fit the type it is read as: {error}");
                StepError::of(ErrorKind::SchemaMismatch, message)
            })
        }
        .boxed()
    }
}

/// Runs a registered step as one recorded call; the calls it makes itself are recorded below it.
async fn run_step(cx: &Cx, name: &str, step: &dyn NamedStep, input: Json) -> Result<Json> {
    let position = cx.position();
    let key = format!("step {name} {}", hash_of(&input));
    if let Some(recorded) = cx.recorded(&position, &key)? {
        return recorded.map_err(StepError::from);
    }
    let result = step.call(cx.within(&position)?, Value::json(input)).await;
    let mut result = match result.map_err(StepError::into_why) {
        Ok(output) => Ok(output.to_json()?.as_ref().clone()),
        Err(Why::Failed(failure)) => Err(failure),
        // What it asks for is for the whole attempt.
        Err(Why::Again { reason }) => return Err(StepError::again(reason)),
        Err(Why::Waits(ask)) => return Err((*ask).into()),
    };
    cx.shared().env.redactor.result(&mut result);
    cx.keep(&position, &key, result.clone());
    result.map_err(StepError::from)
}
