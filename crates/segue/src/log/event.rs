//! Events: the one vocabulary of what happens in a run.
//!
//! An event is an envelope (run, sequence number, time, step, attempt) and what happened. In JSON the fields of both
//! stand side by side, with `type` naming what happened. Sequence numbers start at 1 and have no gaps.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::budget::Budget;
use crate::clock::Time;
use crate::error::Failure;
use crate::id::{ArtifactId, CallId, QuestionId, RunId};
use crate::money::{Cost, Nanousd};
use crate::price::PriceRecord;
use crate::question::{Question, QuestionKind};
use crate::store::Parent;
use crate::usage::Usage;
use crate::value::{Value, ValueRef};
use crate::view::{SkipReason, SkipWhy, StepStatus};

mod wire;

/// The name and version of this shape.
pub const EVENT_SCHEMA: &str = "segue.event/1";

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The run.
    pub run: RunId,
    /// Place in the log, from 1, without gaps.
    pub seq: u64,
    /// When.
    pub time: Time,
    /// Path of the step, map item or nested step it is about.
    pub step: Option<String>,
    /// What happened.
    pub kind: EventKind,
}

/// What became of an attempt that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Another attempt follows.
    Retried,
    /// The error is not worth another, or none is left.
    GaveUp,
    /// The attempt wanted another and none is left.
    Exhausted,
}

/// What happened, with its facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum EventKind {
    /// The run exists.
    #[serde(rename = "run.queued")]
    RunQueued {
        /// The pipeline.
        pipeline: String,
        /// The plan it is pinned to.
        plan_hash: String,
        /// What went in.
        inputs: Json,
        /// Filters.
        labels: IndexMap<String, String>,
        /// Who or what started it: `cli http ui mcp schedule library chat`.
        trigger: String,
        /// Model names as asked for, and what they resolved to.
        models: IndexMap<String, ChosenModel>,
        /// A note of who started it.
        note: Option<String>,
        /// The workspace it works in.
        #[serde(default)]
        key: Option<String>,
        /// The run it came from.
        #[serde(default)]
        parent: Option<Parent>,
        /// Where the definition came from.
        #[serde(default)]
        definition: Option<String>,
        /// The key of the request that made it.
        #[serde(default)]
        request_key: Option<String>,
        /// The schedule that started it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schedule: Option<String>,
    },
    /// It began.
    #[serde(rename = "run.started")]
    RunStarted {
        /// Where it runs.
        engine: String,
        /// Who runs it, where it outlives its process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// How often it was taken up, where it outlives its process.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fence: Option<u64>,
    },
    /// It goes on: a step of it after an answer, or all of it in another process.
    #[serde(rename = "run.resumed")]
    RunResumed {
        /// `answer recovery budget_raised resume unhalted`.
        reason: String,
        /// Who answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Who runs it from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
        /// How often it was taken up.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fence: Option<u64>,
    },
    /// Something it is made of is not what it was when the run began.
    #[serde(rename = "run.drift")]
    RunDrift {
        /// `definition step tool agent`.
        what: String,
        /// Which.
        names: Vec<String>,
        /// What the run goes on with, by kind and name.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        now: IndexMap<String, Json>,
    },
    /// It rests and waits for people.
    #[serde(rename = "run.waiting")]
    RunWaiting {
        /// The open questions.
        questions: Vec<QuestionId>,
        /// What for: `question approval budget needs_decision definition_changed`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Somebody wants it cancelled.
    #[serde(rename = "run.cancel_requested")]
    RunCancelRequested {
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// It was cancelled.
    #[serde(rename = "run.cancelled")]
    RunCancelled {
        /// Why, with partial outputs.
        error: Arc<Failure>,
        /// Everything used.
        usage: Usage,
        /// Everything spent.
        cost: Cost,
    },
    /// It has its output.
    #[serde(rename = "run.succeeded")]
    RunSucceeded {
        /// The output; null where it is elsewhere.
        output: Value,
        /// Where an output is that is too large to stand here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_ref: Option<ValueRef>,
        /// Whether the fallback pipeline made it.
        fallback: bool,
        /// Everything used.
        usage: Usage,
        /// Everything spent.
        cost: Cost,
    },
    /// It failed.
    #[serde(rename = "run.failed")]
    RunFailed {
        /// Every failed step, partial outputs, everything spent.
        error: Arc<Failure>,
        /// Everything used.
        usage: Usage,
        /// Everything spent.
        cost: Cost,
    },
    /// The step's dependencies are met.
    #[serde(rename = "step.ready")]
    StepReady {},
    /// Its first attempt begins.
    #[serde(rename = "step.started")]
    StepStarted {
        /// `function agent tool route handoff map repeat question pipeline set`.
        kind: String,
        /// The agent, for an agent step.
        agent: Option<String>,
    },
    /// It is a map of so many items.
    #[serde(rename = "step.expanded")]
    StepExpanded {
        /// Items.
        total: u64,
    },
    /// It waits for a person.
    #[serde(rename = "step.waiting")]
    StepWaiting {
        /// What for.
        reason: QuestionKind,
    },
    /// It has its output.
    #[serde(rename = "step.succeeded")]
    StepSucceeded {
        /// The output; null where it is elsewhere.
        output: Value,
        /// Where an output is that is too large to stand here.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_ref: Option<ValueRef>,
        /// Used in all attempts and items.
        usage: Usage,
        /// Spent in all attempts and items.
        cost: Cost,
    },
    /// It failed for good.
    #[serde(rename = "step.failed")]
    StepFailed {
        /// Why.
        error: Arc<Failure>,
        /// What that means: `fail skip keep use run`.
        on_error: String,
        /// Used in all attempts and items.
        usage: Usage,
        /// Spent in all attempts and items.
        cost: Cost,
    },
    /// Its result was taken over from an earlier run.
    #[serde(rename = "step.reused")]
    StepReused(Box<Reused>),
    /// It was left out.
    #[serde(rename = "step.skipped")]
    StepSkipped {
        /// Why.
        reason: SkipWhy,
        /// Which steps led to it.
        because: Vec<String>,
        /// The same in words.
        text: String,
    },
    /// It was cancelled.
    #[serde(rename = "step.cancelled")]
    StepCancelled {
        /// Why.
        reason: String,
    },
    /// The step says how far it is.
    #[serde(rename = "step.note")]
    StepNote {
        /// What it says.
        text: String,
        /// 0 to 100.
        percent: Option<u8>,
    },
    /// An attempt begins.
    #[serde(rename = "attempt.started")]
    AttemptStarted {
        /// From 1.
        attempt: u32,
    },
    /// It did what it was for.
    #[serde(rename = "attempt.succeeded")]
    AttemptSucceeded {
        /// From 1.
        attempt: u32,
        /// Used by it.
        usage: Usage,
        /// Spent by it.
        cost: Cost,
    },
    /// It failed.
    #[serde(rename = "attempt.failed")]
    AttemptFailed {
        /// From 1.
        attempt: u32,
        /// Why.
        error: Box<Failure>,
        /// What follows.
        resolution: Resolution,
        /// When the next begins, in milliseconds from now.
        retry_in_ms: Option<u64>,
        /// Used by it.
        usage: Usage,
        /// Spent by it.
        cost: Cost,
    },
    /// It asks for another.
    #[serde(rename = "attempt.again")]
    AttemptAgain {
        /// From 1.
        attempt: u32,
        /// Why.
        reason: String,
        /// What follows.
        resolution: Resolution,
        /// When the next begins, in milliseconds from now.
        retry_in_ms: Option<u64>,
        /// Used by it.
        usage: Usage,
        /// Spent by it.
        cost: Cost,
    },
    /// A call's upper bound is reserved.
    #[serde(rename = "call.reserved")]
    CallReserved {
        /// The call.
        call: CallId,
        /// `model` or `tool`.
        kind: CallKind,
        /// The model as `provider/model`.
        model: Option<String>,
        /// The tool.
        tool: Option<String>,
        /// The agent that makes it.
        agent: Option<String>,
        /// The attempt it belongs to.
        attempt: u32,
        /// Where in the attempt it is made.
        position: String,
        /// The upper bound.
        reserved_nanousd: Nanousd,
        /// Input and output tokens at most.
        reserved_tokens: u64,
        /// The budgets it was reserved against.
        budgets: Vec<String>,
        /// What most output tokens were lowered to.
        max_tokens_clamped_to: Option<u32>,
    },
    /// It is sent.
    #[serde(rename = "call.started")]
    CallStarted {
        /// The call.
        call: CallId,
        /// The same after a crash, so that a provider can tell a repeat.
        idempotency_key: String,
        /// What is sent: messages of a model, arguments of a tool.
        request: Json,
    },
    /// It waits.
    #[serde(rename = "call.waiting")]
    CallWaiting {
        /// The call.
        call: CallId,
        /// `budget halted rate_limit retry_after`.
        reason: String,
        /// Until when at least, where that is known.
        #[serde(default)]
        until: Option<Time>,
    },
    /// It gave an answer.
    #[serde(rename = "call.succeeded")]
    CallSucceeded {
        /// The call.
        call: CallId,
        /// What it used.
        usage: Usage,
        /// What it cost.
        cost: Cost,
        /// The price of a model call.
        price: Option<PriceRecord>,
        /// `stop length tool_calls`.
        finish_reason: Option<String>,
        /// The answer.
        response: Json,
        /// Whether the usage is our own estimate.
        estimated: bool,
        /// From its start to the first piece of the answer, where the model streams.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_token_ms: Option<u64>,
    },
    /// It failed.
    #[serde(rename = "call.failed")]
    CallFailed {
        /// The call.
        call: CallId,
        /// Why.
        error: Box<Failure>,
        /// What it used.
        usage: Usage,
        /// What it cost.
        cost: Cost,
        /// The price of a model call that was sent.
        #[serde(default)]
        price: Option<PriceRecord>,
    },
    /// A budget or a policy refused it.
    #[serde(rename = "call.refused")]
    CallRefused {
        /// The call.
        call: CallId,
        /// Why.
        error: Box<Failure>,
    },
    /// Its outcome is unknown; the reservation stays counted.
    #[serde(rename = "call.uncertain")]
    CallUncertain {
        /// The call.
        call: CallId,
        /// What stays counted.
        held_nanousd: Nanousd,
    },
    /// It was made before and is not made again.
    #[serde(rename = "call.replayed")]
    CallReplayed {
        /// Where in the attempt.
        position: String,
        /// `log` or `cassette`.
        source: String,
        /// The call, where a cassette answers it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
        /// What it cost when it was recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recorded: Option<Cost>,
    },
    /// A route took an arm.
    #[serde(rename = "route.chosen")]
    RouteChosen {
        /// The arm.
        arm: String,
        /// `value expression code model fallback split`.
        by: String,
        /// Why.
        reason: Option<String>,
        /// What a split was sticky by.
        key: Option<String>,
    },
    /// A question was put.
    #[serde(rename = "question.asked")]
    QuestionAsked {
        /// The question.
        question: Box<Question>,
    },
    /// It was answered.
    #[serde(rename = "question.answered")]
    QuestionAnswered {
        /// The question.
        question: QuestionId,
        /// Who.
        by: String,
        /// Through what: `cli http ui mcp library link`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<String>,
        /// The answer.
        answer: Json,
    },
    /// An answer was refused; the question stays open.
    #[serde(rename = "question.refused")]
    QuestionRefused {
        /// The question.
        question: QuestionId,
        /// Who.
        by: String,
        /// What was wrong.
        errors: Vec<String>,
    },
    /// Nobody answered in time.
    #[serde(rename = "question.expired")]
    QuestionExpired {
        /// The question.
        question: QuestionId,
        /// Whether its default was taken.
        default_used: bool,
    },
    /// An artifact was saved.
    #[serde(rename = "artifact.saved")]
    ArtifactSaved {
        /// Its id.
        artifact: ArtifactId,
        /// Its name.
        name: String,
        /// Length.
        bytes: u64,
        /// SHA-256 of its bytes.
        sha256: String,
        /// Media type.
        media_type: String,
    },
    /// A link moved to it.
    #[serde(rename = "artifact.linked")]
    ArtifactLinked {
        /// The link.
        link: String,
        /// The artifact.
        artifact: ArtifactId,
    },
    /// A budget is met for the first time in the run; one that runs share, for the first time in a window.
    #[serde(rename = "budget.opened")]
    BudgetOpened {
        /// Which: `run`, `step:PATH`, `pipeline:PATH`; of runs together `pipeline:NAME/day`, `budget:NAME/day`,
        /// `budget:NAME/month`.
        name: String,
        /// Its limits, as they hold for this run.
        budget: Budget,
        /// The day or month that it is counted in, where runs share it: `2026-11-29`, `2026-11`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<String>,
    },
    /// A budget was raised.
    #[serde(rename = "budget.raised")]
    BudgetRaised {
        /// Which.
        name: String,
        /// Its limits before.
        from: Budget,
        /// Its limits from now on.
        to: Budget,
        /// By whom.
        by: String,
    },
    /// A span of the step's own began.
    #[serde(rename = "span.opened")]
    SpanOpened {
        /// Which, within the attempt.
        span: String,
        /// What it is called.
        name: String,
    },
    /// It ended.
    #[serde(rename = "span.closed")]
    SpanClosed {
        /// Which.
        span: String,
        /// `ok` or `error`.
        status: String,
    },
}

/// A result that was taken over from an earlier run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reused {
    /// The run that made it.
    pub from_run: Option<RunId>,
    /// How the step ended there: `succeeded` or `skipped`.
    pub status: StepStatus,
    /// The output; null where it is elsewhere, or where the step was skipped.
    pub output: Value,
    /// Where an output is that is too large to stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_ref: Option<ValueRef>,
    /// Content hash of the output.
    pub output_hash: Option<String>,
    /// Whether a person has edited it.
    pub edited: bool,
    /// Hashes of the results it was built on, by step; none for one that was skipped.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub built_on: IndexMap<String, Option<String>>,
    /// The arm a route took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// Why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkipReason>,
}

/// A model or a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// To a model.
    Model,
    /// To a tool.
    Tool,
}

/// What a model name came to mean in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenModel {
    /// What was asked for, in fallback order.
    pub asked: Vec<String>,
    /// What was chosen.
    pub chosen: String,
    /// Why that: `key local simulated program`.
    pub source: String,
}
