//! Segue runs multi-agent pipelines: steps with typed edges, checked before they run, paid from budgets that are
//! reserved before each call, and recorded so that everything a person sees is a fold of what happened.
//!
//! ```
//! use segue::{Agent, Cx, Pipeline, Result};
//!
//! async fn shorten(_cx: Cx, text: String) -> Result<String> {
//!     Ok(text.lines().next().unwrap_or_default().to_owned())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let summarizer = Agent::<String>::new("summarizer").instructions("Summarize.").model("local/extractive");
//! let pipeline = Pipeline::define("summary", |p, document| {
//!     let summary = p.step("summarize", summarizer.as_step(|text: String| text), document);
//!     p.step("shorten", shorten, summary)
//! })?;
//! let done = pipeline.run("Segue runs pipelines. It records what happens.".to_owned()).await?;
//! assert!(!done.output.is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! The way of the data: a definition ([`Pipeline`], or a pipeline file in [`mod@file`]) becomes a checked [`Plan`]; a run
//! turns it into events ([`Event`]); views ([`view`]) are folds of plan and events. With a [`store`] a [`Runner`] keeps what
//! happened: a run then outlives its process, waits for people, and can be run again from any of its steps.

#![warn(clippy::print_stdout, clippy::print_stderr)]

extern crate self as segue;

mod agent;
pub mod artifact;
pub mod audit;
pub mod budget;
pub mod case;
mod clock;
mod error;
mod fail;
pub mod fault;
pub mod file;
mod id;
mod lazily;
mod link;
mod lock;
pub mod log;
mod matcher;
pub mod model;
pub mod money;
mod pattern;
mod pipeline;
pub mod plan;
pub mod price;
pub mod question;
pub mod redact;
mod registry;
mod run;
mod runner;
pub mod schema;
mod secret;
pub mod settings;
mod step;
pub mod store;
mod template;
#[cfg(feature = "testing")]
pub mod testing;
mod tool;
mod usage;
mod value;
pub mod view;

pub use agent::Agent;
pub use artifact::Artifact;
pub use budget::{Budget, OnExceed};
pub use clock::{Time, millis, mins, secs};
pub use error::{Cause, Error, ErrorKind, FailedStep, Failure, Limit, PlanError, Result, Spent, StepError};
pub use id::{ArtifactId, BadId, CallId, CountingIds, Ids, QuestionId, RandomIds, RunId};
pub use log::{Delta, Event, EventKind, Events, Heard, Live, RunLog};
pub use model::cassette::Cassette;
pub use model::{Extractive, Model, Models, Rule, Sampled, Scripted};
pub use money::{Cost, Nanousd, cents, usd};
pub use pattern::{Arrangement, Pattern, Strategy, Turn};
pub use pipeline::{
    Build, IntoInput, IntoMap, Kept, Out, Pipeline, RepeatBuilder, Route, RouteBuilder, RouteWith,
};
pub use plan::{FailurePolicy, Plan};
pub use question::{Question, QuestionKind};
pub use registry::Registry;
#[doc(hidden)]
pub use run::PipelineTool;
pub use run::{
    ArtifactReader, ArtifactWriter, Artifacts, Asking, Attempt, Calling, Concurrent, Cx, LastAttempt, Reply,
    Retrying,
};
pub use runner::{
    CallBudget, DocumentValue, Done, Launch, Listen, Outcome, Recovered, Rerun, RerunPreview, RunHandle,
    Runner, RunnerBuilder, Start, Workspace,
};
pub use secret::Secret;
pub use segue_macros::{Route, tool};
pub use settings::{Backoff, OnError, OnInterrupt, RetryLayer, Setting, Settings};
pub use step::{
    AgentAsStep, Configured, FromFn, IntoStep, KeepErrors, Step, StepDefinition, blocking, from_fn,
};
pub use tool::{Tool, ToolClass, ToolCx, ToolSpec, means_tool};
pub use usage::Usage;
pub use value::{Data, Value, ValueRef};
pub use view::{RunStatus, RunView, StepStatus};

/// What the macros of this crate write. Not for anybody else.
#[doc(hidden)]
pub mod __private {
    pub use futures_util::future::BoxFuture;
    pub use {schemars, serde, serde_json};
}
