//! The items of `segue` that the macros name, with nothing behind them.

use std::fmt;

pub(crate) trait Route: Sized {
    const ARMS: &'static [&'static str];
    fn arm(&self) -> &'static str;
    fn from_arm(arm: &str) -> Option<Self>;
    fn all() -> Vec<Self>;
}

pub(crate) trait Tool: Send + Sync + 'static {
    fn spec(&self) -> ToolSpec;
    fn call<'a>(
        &'a self,
        cx: ToolCx,
        arguments: serde_json::Value,
    ) -> __private::BoxFuture<'a, Result<serde_json::Value, StepError>>;
}

#[derive(Debug, PartialEq)]
pub(crate) struct ToolSpec {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) parameters: serde_json::Value,
    pub(crate) class: Option<ToolClass>,
}

impl ToolSpec {
    pub(crate) fn new(
        name: impl Into<String>,
        description: impl Into<String>,
        parameters: serde_json::Value,
    ) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters,
            class: None,
        }
    }

    pub(crate) fn class(self, class: ToolClass) -> Self {
        Self {
            class: Some(class),
            ..self
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ToolClass {
    ReadOnly,
    Idempotent,
    Effectful,
}

#[derive(Clone, Default)]
pub(crate) struct ToolCx;

#[derive(Debug, PartialEq)]
pub(crate) enum StepError {
    BadArguments(String),
    Fatal(String),
    Again(String),
}

impl StepError {
    pub(crate) fn bad_arguments(message: impl Into<String>) -> Self {
        Self::BadArguments(message.into())
    }

    pub(crate) fn fatal(reason: impl fmt::Display) -> Self {
        Self::Fatal(reason.to_string())
    }
}

impl<E: std::error::Error> From<E> for StepError {
    fn from(error: E) -> Self {
        Self::Again(error.to_string())
    }
}

pub(crate) mod __private {
    pub(crate) use ::{schemars, serde, serde_json};

    pub(crate) type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
}
