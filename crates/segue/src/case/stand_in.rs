//! Stand-ins: tools that give what a test file says, and tools that nobody stands in for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Value as Json, json};

use super::StandIn;
use super::watch::Watch;
use crate::error::{ErrorKind, Failure, StepError};
use crate::fault::quote;
use crate::plan::ToolLimits;
use crate::tool::{Tool, ToolCx, ToolSpec};

/// A tool in the place of the real one.
pub(crate) struct Stand {
    spec: ToolSpec,
    limits: ToolLimits,
    gives: Gives,
    watch: Arc<Watch>,
}

enum Gives {
    /// In order; a single one for ever.
    These(Vec<StandIn>, AtomicUsize),
    /// What another one gives.
    Another(Arc<dyn Tool>),
    /// Nothing: it must not be called.
    Nothing,
}

impl Stand {
    /// Gives these in order.
    pub(crate) fn of(spec: ToolSpec, gives: &[StandIn], watch: Arc<Watch>) -> Self {
        Self::new(spec, Gives::These(gives.to_vec(), AtomicUsize::new(0)), watch)
    }

    /// Gives what another one does: one that plays a recording, or that records.
    pub(crate) fn before(tool: Arc<dyn Tool>, watch: Arc<Watch>) -> Self {
        Self::new(tool.spec(), Gives::Another(tool), watch)
    }

    /// Must not be called.
    pub(crate) fn nothing(spec: ToolSpec, watch: Arc<Watch>) -> Self {
        Self::new(spec, Gives::Nothing, watch)
    }

    fn new(spec: ToolSpec, gives: Gives, watch: Arc<Watch>) -> Self {
        Self {
            spec,
            limits: ToolLimits::default(),
            gives,
            watch,
        }
    }

    /// Within the limits of the tool it stands for: whoever approves its calls is asked here too.
    pub(crate) fn within(mut self, limits: ToolLimits) -> Self {
        self.limits = limits;
        self
    }

    fn given(&self, gives: &[StandIn], place: usize) -> Result<Json, Failure> {
        let name = &self.spec.name;
        match gives.get(if gives.len() == 1 { 0 } else { place }) {
            Some(StandIn::Returns(value)) => Ok(value.clone()),
            Some(StandIn::Fails(text)) => Err(Failure {
                retryable: false,
                ..Failure::new(ErrorKind::Tool, text.clone())
            }),
            None => {
                let message = format!(
                    "tool {} is called for the {}. time, and its stand-in gives {} answers",
                    quote(name),
                    place + 1,
                    gives.len()
                );
                self.watch.refused(message.clone());
                Err(Failure::new(ErrorKind::ToolDenied, message))
            }
        }
    }
}

/// A tool that is known by nothing but its name takes whatever it is given.
pub(crate) fn unknown(name: &str) -> ToolSpec {
    let parameters = json!({"type": "object", "additionalProperties": true});
    ToolSpec::new(name, "A stand-in.", parameters)
}

impl Tool for Stand {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn limits(&self) -> ToolLimits {
        self.limits.clone()
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            if self.watch.called(&cx.path(), None, cx.attempt()) {
                return std::future::pending().await;
            }
            match &self.gives {
                Gives::These(gives, place) => {
                    let place = place.fetch_add(1, Ordering::Relaxed);
                    Ok(self.given(gives, place)?)
                }
                Gives::Another(tool) => {
                    let path = cx.path();
                    let given = tool.call(cx, arguments).await;
                    if let Err(error) = &given
                        && let Some(failure) = error.failure()
                        && failure.kind == ErrorKind::CassetteMiss
                    {
                        self.watch.missed(&path, failure);
                    }
                    given
                }
                Gives::Nothing => {
                    let message = format!("tool {} has no stand-in", quote(&self.spec.name));
                    self.watch.refused(message.clone());
                    Err(Failure::new(ErrorKind::ToolDenied, message)
                        .hint("say in the test file what it gives: `tools: { NAME: { returns: VALUE } }`")
                        .into())
                }
            }
        }
        .boxed()
    }
}
