//! Tools: what an agent may call, behind one trait. `#[tool]` writes one from a function.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{Failure, StepError};
use crate::plan::ToolLimits;
use crate::run::{Cx, PipelineTool};

/// The context of a tool call: the same as that of the step it is made in.
pub type ToolCx = Cx;

/// Something a model can call.
pub trait Tool: Send + Sync + 'static {
    /// Its name, what it is for, and what it takes.
    fn spec(&self) -> ToolSpec;

    /// Limits of whoever offers it. Files and agents that use it can narrow them and not widen them.
    fn limits(&self) -> ToolLimits {
        ToolLimits::default()
    }

    /// Whether it can be called at all, as far as that is known without starting or connecting to anything. Asked before a
    /// run starts that may call it, so that then nothing has run.
    ///
    /// # Errors
    /// Why it cannot be called, and the way out.
    fn available(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// The pipeline that a call of it runs, where it is one: that runs in the run of whoever calls it. For pipelines only.
    #[doc(hidden)]
    fn pipeline(&self) -> Option<PipelineTool> {
        None
    }

    /// Whether it can be reached now. Asked before a run that has begun goes on in another process and may still call it: a
    /// run that somebody has waited and paid for is left as it is rather than failed for want of a server. Connects to what
    /// has to be connected to.
    ///
    /// # Errors
    /// Why it cannot be reached, and the way out.
    fn reachable(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(std::future::ready(self.available()))
    }

    /// Runs it. The arguments have been checked against [`ToolSpec::parameters`].
    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>>;
}

/// What a model is told of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// JSON Schema of its arguments: an object.
    pub parameters: Json,
    /// What calling it twice means; none where nobody said so, which counts as effectful.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ToolClass>,
}

/// What calling a tool twice means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolClass {
    /// It changes nothing.
    ReadOnly,
    /// A second call with the same key changes nothing more.
    Idempotent,
    /// Each call has an effect. Asks for approval unless the operator says otherwise.
    Effectful,
}

/// Whether a name, or a glob in which `*` stands for any characters, means a tool of this name.
///
/// ```
/// assert!(segue::means_tool("files.*", "files.read"));
/// assert!(!segue::means_tool("files.read", "files.read_all"));
/// ```
#[must_use]
pub fn means_tool(glob: &str, name: &str) -> bool {
    crate::registry::matches(glob, name)
}

impl ToolSpec {
    /// A tool whose class nobody said.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Json) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters,
            class: None,
        }
    }

    /// Says what calling it twice means.
    #[must_use]
    pub fn class(mut self, class: ToolClass) -> Self {
        self.class = Some(class);
        self
    }
}

/// A tool within limits of the program that offers it.
pub(crate) struct Limited<T> {
    pub(crate) tool: T,
    pub(crate) limits: ToolLimits,
}

impl<T: Tool> Tool for Limited<T> {
    fn spec(&self) -> ToolSpec {
        self.tool.spec()
    }

    fn limits(&self) -> ToolLimits {
        self.limits.clone()
    }

    fn available(&self) -> Result<(), Failure> {
        self.tool.available()
    }

    fn pipeline(&self) -> Option<PipelineTool> {
        self.tool.pipeline()
    }

    fn reachable(&self) -> BoxFuture<'_, Result<(), Failure>> {
        self.tool.reachable()
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        self.tool.call(cx, arguments)
    }
}
