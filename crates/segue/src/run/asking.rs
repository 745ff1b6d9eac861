//! Questions of a step: the run waits, and days later it goes on from there.

use std::future::IntoFuture;
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::cx::Cx;
use crate::error::{ErrorKind, Failure, Result};
use crate::question::Ask;
use crate::value::Data;

/// A question to a person; await it.
pub struct Asking<T> {
    cx: Cx,
    ask: Ask,
    output: PhantomData<fn() -> T>,
}

impl<T: Data> Asking<T> {
    pub(super) fn new(cx: Cx, title: String) -> Self {
        Self {
            cx,
            ask: Ask::of::<T>(title),
            output: PhantomData,
        }
    }
}

impl<T> Asking<T> {
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

impl<T: Data> IntoFuture for Asking<T> {
    type Output = Result<T>;
    type IntoFuture = BoxFuture<'static, Result<T>>;

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
