//! Operations: what the decision asks of an engine, and what the engine answers.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use crate::clock::Time;
use crate::error::{ErrorKind, Failure, Spent};
use crate::log::Unit;
use crate::question::Ask;
use crate::value::Value;

/// What an engine is asked to do. Each is asked once and answered once, except those that say otherwise.
#[derive(Debug)]
pub(crate) enum Op {
    /// Run one attempt of a unit's body; answered by [`OpResult::Attempt`].
    Attempt(StepCall),
    /// Wait before the next attempt of a unit; answered by [`OpResult::Slept`].
    Sleep {
        /// The unit whose next attempt waits.
        unit: Unit,
        /// How long.
        delay: Duration,
    },
    /// Put a question to a person; answered by [`OpResult::Answered`] or [`OpResult::Expired`].
    Ask {
        /// The unit that waits for the answer.
        unit: Unit,
        /// Which question of that unit it is, from 1.
        count: u32,
        /// The question.
        ask: Box<Ask>,
    },
    /// Start a deadline over a unit or a whole run; answered by [`OpResult::Deadline`] when it passes, if it does.
    Deadline {
        /// What it is over.
        unit: Unit,
        /// How long.
        limit: Duration,
    },
    /// The deadline stands still while a person is waited for; not answered.
    Hold(Unit),
    /// It goes on; not answered.
    Resume(Unit),
    /// Nothing waits for the unit's deadline, its wait or its question any more; not answered.
    Release(Unit),
    /// Abort the running attempt of a unit; the attempt is answered as aborted, and within the grace period.
    Abort(Unit),
}

/// One attempt of a unit's body.
#[derive(Debug)]
pub(crate) struct StepCall {
    /// The unit.
    pub unit: Unit,
    /// The attempt, from 1.
    pub attempt: u32,
    /// What goes in.
    pub inputs: Inputs,
    /// Deadline of this attempt.
    pub timeout: Option<Duration>,
    /// What the attempt before left behind.
    pub before: Option<Arc<Before>>,
    /// What is to be done.
    pub phase: Phase,
}

/// What the attempts before left for the next one.
#[derive(Debug, Default, Clone)]
pub(crate) struct Before {
    /// Why the last attempt was refused.
    pub reason: Option<String>,
    /// The kind of error it failed with; none when the step itself asked for another attempt.
    pub kind: Option<ErrorKind>,
    /// The output that was refused.
    pub previous: Option<Value>,
    /// How many answers were refused so far: what is asked for again is asked under another key.
    pub rejected: u32,
    /// Answers to the questions the step asked, by where it asked them.
    pub answers: IndexMap<String, Value>,
    /// What the pipelines gave that it called as tools, by where it called them.
    pub called: IndexMap<String, Called>,
}

/// Pipelines that an attempt has called as tools. It goes on when all of them are over.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    /// In the order in which it called them.
    pub calls: Vec<PipelineCall>,
    /// What is left of its deadline, where it has one.
    pub left: Option<Duration>,
}

/// A pipeline called as a tool.
#[derive(Debug, Clone)]
pub(crate) struct PipelineCall {
    /// Where in the attempt.
    pub position: String,
    /// The tool, as its agent knows it.
    pub tool: String,
    /// What its program is found by: the hash of its plan.
    pub pipeline: String,
    /// What goes in.
    pub input: Value,
    /// Its deadline as a tool: of one try.
    pub timeout: Option<Duration>,
    /// More tries after a failure.
    pub retries: u32,
    /// When it was called.
    pub began: Time,
}

/// What a pipeline gave that was called as a tool.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    /// When it was called.
    pub began: Time,
    /// Its output, or why there is none.
    pub result: Result<Value, Arc<Failure>>,
}

/// Which part of a unit is to run.
#[derive(Debug, Clone, Default)]
pub(crate) enum Phase {
    /// Its condition, before anything of it starts.
    When,
    /// The body.
    #[default]
    Body,
    /// The value that takes the place of a failed unit.
    Recover(Arc<Failure>),
    /// The inputs of the fallback pipeline of a failed scope.
    Fallback(Arc<Failure>),
    /// The output and the artifacts of a scope whose steps are settled.
    Finish,
    /// The artifacts of a failed scope: those whose steps are done.
    Salvage,
}

/// What goes into a unit.
#[derive(Debug, Clone, Default)]
pub(crate) enum Inputs {
    /// Nothing.
    #[default]
    None,
    /// One typed value.
    One(Value),
    /// Several, in the order of the parameters.
    Many(Vec<Value>),
    /// What expressions of a pipeline file may read.
    Facts(Arc<Facts>),
}

/// What an engine answers.
#[derive(Debug)]
pub(crate) enum OpResult {
    /// An attempt ended.
    Attempt {
        /// The unit.
        unit: Unit,
        /// How.
        end: End,
        /// What it spent, also when it failed.
        spent: Option<Box<Spent>>,
    },
    /// The wait before an attempt is over.
    Slept(Unit),
    /// A deadline passed.
    Deadline(Unit),
    /// A person answered.
    Answered {
        /// The unit that asked.
        unit: Unit,
        /// The answer, already checked against the form.
        value: Value,
        /// Who.
        by: String,
    },
    /// Nobody answered in time.
    Expired(Unit),
    /// The run is to be cancelled.
    Cancel {
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It did what it was for.
    Did(Done),
    /// It failed.
    Failed(Box<Failure>),
    /// It wants another attempt.
    Again {
        /// Why.
        reason: String,
        /// The output that was refused.
        previous: Option<Value>,
    },
    /// It waits for a person.
    Waits(Box<Ask>),
    /// It waits for pipelines that it has called.
    Calls(Box<Calls>),
    /// It was aborted.
    Aborted,
}

/// What an attempt did.
#[derive(Debug)]
pub(crate) enum Done {
    /// It made an output.
    Output(Value),
    /// Its condition was true: the body may run.
    Admit,
    /// Its condition was false.
    Skip,
    /// It is a map: this list has its items.
    Expand(Value),
    /// It is a nested pipeline: this goes into it.
    Enter(Value),
    /// It is a route: this is its choice.
    Choose(Box<Choice>),
    /// It is one round of a repeat.
    Round {
        /// What it made.
        output: Value,
        /// Whether it was the last.
        last: bool,
    },
}

/// What a route chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Choice {
    /// The arm.
    pub arm: String,
    /// How: `value expression code model fallback split`.
    pub by: Cow<'static, str>,
    /// Why, when there is something to say.
    pub reason: Option<String>,
    /// What a split was sticky by.
    pub key: Option<String>,
}
