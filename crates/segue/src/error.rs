//! Errors: two words for a step's author, one opaque type with predicates for everybody else, one shape at rest.
//!
//! A step fails with a [`StepError`]: anything that comes by `?` is worth another attempt, [`StepError::fatal`] is not,
//! and [`StepError::again`] asks for one with a reason. What the record keeps is a [`Failure`]. What a caller of the
//! library gets is an [`Error`].

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::fault::{Faults, Severity};
use crate::id::RunId;
use crate::money::Cost;
use crate::question::Ask;
use crate::usage::Usage;

mod kind;

pub use kind::ErrorKind;

/// What a step returns.
pub type Result<T, E = StepError> = std::result::Result<T, E>;

/// Why a step did not return a value: it failed, wants another attempt, or waits for a person.
///
/// It deliberately does not implement [`std::error::Error`], so that `?` can turn every error into one.
pub struct StepError(Box<Why>);

#[expect(clippy::large_enum_variant, reason = "always behind the box of a `StepError`")]
pub(crate) enum Why {
    Failed(Failure),
    Again { reason: String },
    Waits(Box<Ask>),
}

impl StepError {
    /// An error that no further attempt can mend.
    pub fn fatal(message: impl fmt::Display) -> Self {
        let mut failure = Failure::new(ErrorKind::Step, message.to_string());
        failure.retryable = false;
        failure.into()
    }

    /// Asks for another attempt. The reason is recorded, shown, and given to the next attempt.
    pub fn again(reason: impl Into<String>) -> Self {
        Self(Box::new(Why::Again {
            reason: reason.into(),
        }))
    }

    /// An error of a kind of the contract, retryable as that kind is.
    pub fn of(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Failure::new(kind, message.to_string()).into()
    }

    /// "This is known, this is missing": the run waits for a person who fills in the missing fields; what is known and
    /// what is answered are together the output of the step.
    ///
    /// `known` is a JSON object; a value that is none counts as an empty one.
    pub fn incomplete(known: impl Serialize, missing: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Ask::incomplete(known, missing.into_iter().map(Into::into).collect()).into()
    }

    /// The error of a tool that was called with arguments it does not take; told to the model that called it.
    pub fn bad_arguments(message: impl fmt::Display) -> Self {
        Self::of(ErrorKind::Tool, message)
    }

    /// Adds a way out, shown on a `hint:` line.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Why::Failed(failure) = &mut *self.0 {
            failure.hints.push(hint.into());
        }
        self
    }

    /// The failure, when the step failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &*self.0 {
            Why::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    /// The reason, when the step asks for another attempt.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match &*self.0 {
            Why::Again { reason } => Some(reason),
            _ => None,
        }
    }

    pub(crate) fn into_why(self) -> Why {
        *self.0
    }
}

impl fmt::Debug for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Why::Failed(failure) => failure.fmt(f),
            Why::Again { reason } => write!(f, "again, because {reason}"),
            Why::Waits(ask) => write!(f, "waits for an answer to `{}`", ask.title),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for StepError {
    fn from(error: E) -> Self {
        // The error of a run that was started inside a step keeps its kind.
        let error: Box<dyn std::error::Error> = Box::new(error);
        match error.downcast::<Error>() {
            Ok(inner) => Failure::clone(inner.failure()).into(),
            Err(error) => Failure::new(ErrorKind::Step, with_sources(&*error)).into(),
        }
    }
}

impl From<Failure> for StepError {
    fn from(failure: Failure) -> Self {
        Self(Box::new(Why::Failed(failure)))
    }
}

impl From<Ask> for StepError {
    fn from(ask: Ask) -> Self {
        Self(Box::new(Why::Waits(Box::new(ask))))
    }
}

/// An error's text with the texts of what caused it.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

/// What failed, with which numbers, and the way out: the one shape of an error in the log, in JSON and in the library.
/// Facts that do not apply are null or empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Which kind of error.
    pub kind: ErrorKind,
    /// What happened, in the user's words.
    pub message: String,
    /// Whether another attempt may mend it.
    pub retryable: bool,
    /// Path of the step.
    pub step: Option<String>,
    /// The attempt, from 1.
    pub attempt: Option<u32>,
    /// The limit that was met.
    pub limit: Option<Limit>,
    /// Ways out.
    #[serde(default)]
    pub hints: Vec<String>,
    /// What led to it: the failed attempts of a step, in order.
    #[serde(default)]
    pub causes: Vec<Cause>,
    /// Every failed step of a run, in declaration order.
    #[serde(default)]
    pub failed_steps: Vec<FailedStep>,
    /// Outputs of the steps that were done.
    #[serde(default)]
    pub partial_outputs: Map<String, Json>,
    /// Everything spent until then.
    pub spent: Option<Spent>,
    /// What is missing, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// How long the provider asked to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Faults of a definition or of inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<Json>,
    /// Why the guard refused an address, in its own words: `scheme`, `syntax`, `userinfo`, `port`, `host`, `address`,
    /// `redirect`, `size`, `time` or `type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of a request that nothing recorded or scripted answers: what comes nearest to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<String>,
    /// Where the request first differs from that, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_difference: Option<String>,
}

/// A limit that was met: a deadline, a budget, a cap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Which one, for example `attempt`, `run` or `step:classify`.
    pub name: String,
    /// `ms`, `usd`, `tokens`, `requests`, `turns`, `tool_calls`, `items`.
    pub unit: String,
    /// The limit.
    pub limit: String,
    /// Spent of it, for a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spent: Option<String>,
    /// Reserved of it by calls in flight, for a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved: Option<String>,
    /// What the refused call needed, for a budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<String>,
}

/// One thing that led to a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Which kind of error; `none` where an attempt succeeded but was asked for again.
    pub kind: Option<ErrorKind>,
    /// The message, or the reason of the attempt.
    pub message: String,
    /// The attempt, from 1.
    pub attempt: Option<u32>,
    /// Path of the step.
    pub step: Option<String>,
}

/// A failed step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedStep {
    /// Path of the step.
    pub step: String,
    /// Its error.
    pub error: Arc<Failure>,
}

/// Usage and cost together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Tokens, requests, tool calls, time.
    pub usage: Usage,
    /// Money.
    pub cost: Cost,
}

impl Spent {
    /// Adds what another part spent.
    pub fn add(&mut self, other: &Spent) {
        self.usage += other.usage;
        self.cost += other.cost;
    }

    /// Whether nothing was used.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.usage.is_zero() && self.cost.is_zero()
    }
}

impl Failure {
    /// A failure of a kind, retryable as that kind is.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            retryable: kind.is_retryable(),
            step: None,
            attempt: None,
            limit: None,
            hints: Vec::new(),
            causes: Vec::new(),
            failed_steps: Vec::new(),
            partial_outputs: Map::new(),
            spent: None,
            missing: Vec::new(),
            retry_after_ms: None,
            faults: None,
            reason: None,
            nearest: None,
            first_difference: None,
        }
    }

    /// Adds a way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the limit that was met.
    #[must_use]
    pub fn limit(mut self, name: impl Into<String>, unit: &str, limit: impl fmt::Display) -> Self {
        self.limit = Some(Limit {
            name: name.into(),
            unit: unit.to_owned(),
            limit: limit.to_string(),
            spent: None,
            reserved: None,
            needed: None,
        });
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Why a pipeline could not be planned: every fault at once.
#[derive(Clone)]
pub struct PlanError {
    pipeline: String,
    faults: Faults,
}

impl PlanError {
    pub(crate) fn new(pipeline: impl Into<String>, faults: Faults) -> Self {
        Self {
            pipeline: pipeline.into(),
            faults,
        }
    }

    /// The faults, sorted by place.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = self.faults.summary(&self.pipeline);
        f.write_str(summary.strip_prefix("error: ").unwrap_or(&summary))?;
        for fault in self.faults.list() {
            if fault.severity == Severity::Error {
                write!(f, "\n  {}", fault.message)?;
                if let Some(advice) = fault.advice() {
                    write!(f, " ({advice})")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for PlanError {}

/// Why a run gave no output. What is known of it is asked by predicates; everything else is in [`Error::failure`].
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    run: Option<RunId>,
    failure: Arc<Failure>,
    question: Option<Box<crate::question::Question>>,
}

impl Error {
    pub(crate) fn new(run: Option<RunId>, failure: impl Into<Arc<Failure>>) -> Self {
        Self(Box::new(Inner {
            run,
            failure: failure.into(),
            question: None,
        }))
    }

    /// The error of a run that rests; `completed` adds what is known of it so far.
    pub(crate) fn waiting(
        run: RunId,
        question: crate::question::Question,
        completed: impl FnOnce(Failure) -> Failure,
    ) -> Self {
        let message = format!("run {run} waits for an answer: {}", question.title);
        let failure = Failure::new(ErrorKind::Waiting, message)
            .hint("start it with a `Runner` to answer the question and go on");
        Self(Box::new(Inner {
            run: Some(run),
            failure: completed(failure).into(),
            question: Some(Box::new(question)),
        }))
    }

    /// Whether a budget refused a call.
    #[must_use]
    pub fn is_budget(&self) -> bool {
        self.any(|kind| matches!(kind, ErrorKind::Budget | ErrorKind::Unpriced))
    }

    /// Whether a deadline passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.any(|kind| kind == ErrorKind::Timeout)
    }

    /// Whether the run was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.any(|kind| kind == ErrorKind::Cancelled)
    }

    /// Whether a step asked for another attempt until none was left.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.any(|kind| kind == ErrorKind::Exhausted)
    }

    /// Whether the inputs did not fit and nothing was run.
    #[must_use]
    pub fn is_invalid_input(&self) -> bool {
        self.any(|kind| kind == ErrorKind::InvalidInput)
    }

    /// The open question, when the run rests and waits for a person.
    #[must_use]
    pub fn question(&self) -> Option<&crate::question::Question> {
        self.0.question.as_deref()
    }

    /// The kind of the first failed step in declaration order.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.failure.kind
    }

    /// The path of the first failed step in declaration order.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.0.failure.step.as_deref()
    }

    /// Everything the run had spent.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.0.failure.spent.unwrap_or_default()
    }

    /// Outputs of the steps that were done, by path.
    #[must_use]
    pub fn partial(&self) -> &Map<String, Json> {
        &self.0.failure.partial_outputs
    }

    /// The run, when one was started.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        self.0.run
    }

    /// All that is known.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    fn any(&self, is: impl Fn(ErrorKind) -> bool) -> bool {
        is(self.0.failure.kind) || self.0.failure.failed_steps.iter().any(|step| is(step.error.kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failure = &*self.0.failure;
        f.write_str(&failure.message)?;
        if failure.failed_steps.len() > 1 {
            for failed in &failure.failed_steps {
                write!(f, "\n  {}", failed.error.message)?;
            }
        }
        for hint in &failure.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

impl From<PlanError> for Error {
    fn from(error: PlanError) -> Self {
        let mut failure = Failure::new(ErrorKind::InvalidDefinition, error.to_string());
        failure.faults = serde_json::to_value(&error.faults).ok();
        Self::new(None, failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_error_by_question_mark_is_retryable_and_keeps_its_sources() {
        fn parse() -> Result<u32> {
            Ok("x".parse::<u32>()?)
        }
        let error = parse().expect_err("`x` is no number");
        let failure = error.failure().expect("it failed");
        assert!(failure.retryable);
        assert_eq!(failure.message, "invalid digit found in string");
    }

    #[test]
    fn a_run_inside_a_step_keeps_its_kind() {
        let inner = Error::new(None, Failure::new(ErrorKind::Budget, "no money left"));
        let outer = StepError::from(inner);
        assert_eq!(outer.failure().map(|f| f.kind), Some(ErrorKind::Budget));
        assert_eq!(outer.failure().map(|f| f.retryable), Some(false));
    }

    #[test]
    fn fatal_is_not_retryable() {
        assert!(!StepError::fatal("no").failure().expect("it failed").retryable);
    }
}
