//! Results at rest: what the decision was told, so that another process can tell it again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::op::{Calls, Choice, Done, End, OpResult, PipelineCall};
use crate::clock::Time;
use crate::error::{Failure, Spent};
use crate::log::Unit;
use crate::log::stored::{Place, Unreadable, Values};
use crate::question::Ask;

/// A result as it is stored: values stand in the table of its entry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StoredResult {
    /// An attempt ended.
    #[serde(rename = "a")]
    Attempt {
        u: Unit,
        e: StoredEnd,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        s: Option<Box<Spent>>,
    },
    #[serde(rename = "slept")]
    Slept(Unit),
    #[serde(rename = "late")]
    Deadline(Unit),
    #[serde(rename = "answer")]
    Answered { u: Unit, v: Place, by: String },
    #[serde(rename = "expired")]
    Expired(Unit),
    #[serde(rename = "cancel")]
    Cancel { by: String, reason: Option<String> },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StoredEnd {
    #[serde(rename = "o")]
    Output(Place),
    #[serde(rename = "admit")]
    Admit,
    #[serde(rename = "skip")]
    Skip,
    #[serde(rename = "expand")]
    Expand(Place),
    #[serde(rename = "enter")]
    Enter(Place),
    #[serde(rename = "choose")]
    Choose(Box<Choice>),
    #[serde(rename = "round")]
    Round { o: Place, last: bool },
    #[serde(rename = "failed")]
    Failed(Box<Failure>),
    #[serde(rename = "again")]
    Again { reason: String, previous: Option<Place> },
    #[serde(rename = "waits")]
    Waits(Box<Ask>),
    #[serde(rename = "calls")]
    Calls {
        calls: Vec<StoredCall>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left: Option<Duration>,
    },
    #[serde(rename = "aborted")]
    Aborted,
}

/// A pipeline called as a tool.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredCall {
    position: String,
    tool: String,
    pipeline: String,
    input: Place,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Duration>,
    #[serde(default)]
    retries: u32,
    /// Microseconds.
    began: i64,
}

impl StoredCall {
    fn of(call: &PipelineCall, values: &mut Values) -> Self {
        Self {
            position: call.position.clone(),
            tool: call.tool.clone(),
            pipeline: call.pipeline.clone(),
            input: values.put(&call.input),
            timeout: call.timeout,
            retries: call.retries,
            began: call.began.micros(),
        }
    }

    fn into_call(self, values: &Values) -> Result<PipelineCall, Unreadable> {
        Ok(PipelineCall {
            position: self.position,
            tool: self.tool,
            pipeline: self.pipeline,
            input: values.get(self.input)?,
            timeout: self.timeout,
            retries: self.retries,
            began: Time::from_micros(self.began),
        })
    }
}

impl StoredResult {
    pub(super) fn of(result: &OpResult, values: &mut Values) -> Self {
        match result {
            OpResult::Attempt { unit, end, spent } => StoredResult::Attempt {
                u: *unit,
                e: StoredEnd::of(end, values),
                s: spent.clone(),
            },
            OpResult::Slept(unit) => StoredResult::Slept(*unit),
            OpResult::Deadline(unit) => StoredResult::Deadline(*unit),
            OpResult::Answered { unit, value, by } => StoredResult::Answered {
                u: *unit,
                v: values.put(value),
                by: by.clone(),
            },
            OpResult::Expired(unit) => StoredResult::Expired(*unit),
            OpResult::Cancel { by, reason } => StoredResult::Cancel {
                by: by.clone(),
                reason: reason.clone(),
            },
        }
    }

    /// The result again.
    ///
    /// # Errors
    /// When the entry has no such value.
    pub(crate) fn into_result(self, values: &Values) -> Result<OpResult, Unreadable> {
        Ok(match self {
            StoredResult::Attempt { u, e, s } => OpResult::Attempt {
                unit: u,
                end: e.into_end(values)?,
                spent: s,
            },
            StoredResult::Slept(unit) => OpResult::Slept(unit),
            StoredResult::Deadline(unit) => OpResult::Deadline(unit),
            StoredResult::Answered { u, v, by } => OpResult::Answered {
                unit: u,
                value: values.get(v)?,
                by,
            },
            StoredResult::Expired(unit) => OpResult::Expired(unit),
            StoredResult::Cancel { by, reason } => OpResult::Cancel { by, reason },
        })
    }
}

impl StoredEnd {
    fn of(end: &End, values: &mut Values) -> Self {
        match end {
            End::Did(Done::Output(output)) => StoredEnd::Output(values.put(output)),
            End::Did(Done::Admit) => StoredEnd::Admit,
            End::Did(Done::Skip) => StoredEnd::Skip,
            End::Did(Done::Expand(items)) => StoredEnd::Expand(values.put(items)),
            End::Did(Done::Enter(input)) => StoredEnd::Enter(values.put(input)),
            End::Did(Done::Choose(choice)) => StoredEnd::Choose(choice.clone()),
            End::Did(Done::Round { output, last }) => StoredEnd::Round {
                o: values.put(output),
                last: *last,
            },
            End::Failed(failure) => StoredEnd::Failed(failure.clone()),
            End::Again { reason, previous } => StoredEnd::Again {
                reason: reason.clone(),
                previous: previous.as_ref().map(|previous| values.put(previous)),
            },
            End::Waits(ask) => StoredEnd::Waits(ask.clone()),
            End::Calls(called) => StoredEnd::Calls {
                calls: called
                    .calls
                    .iter()
                    .map(|call| StoredCall::of(call, values))
                    .collect(),
                left: called.left,
            },
            End::Aborted => StoredEnd::Aborted,
        }
    }

    fn into_end(self, values: &Values) -> Result<End, Unreadable> {
        Ok(match self {
            StoredEnd::Output(at) => End::Did(Done::Output(values.get(at)?)),
            StoredEnd::Admit => End::Did(Done::Admit),
            StoredEnd::Skip => End::Did(Done::Skip),
            StoredEnd::Expand(at) => End::Did(Done::Expand(values.get(at)?)),
            StoredEnd::Enter(at) => End::Did(Done::Enter(values.get(at)?)),
            StoredEnd::Choose(choice) => End::Did(Done::Choose(choice)),
            StoredEnd::Round { o, last } => End::Did(Done::Round {
                output: values.get(o)?,
                last,
            }),
            StoredEnd::Failed(failure) => End::Failed(failure),
            StoredEnd::Again { reason, previous } => End::Again {
                reason,
                previous: previous.map(|at| values.get(at)).transpose()?,
            },
            StoredEnd::Waits(ask) => End::Waits(ask),
            StoredEnd::Calls { calls, left } => {
                let calls = calls.into_iter().map(|call| call.into_call(values));
                let calls = calls.collect::<Result<_, _>>()?;
                End::Calls(Box::new(Calls { calls, left }))
            }
            StoredEnd::Aborted => End::Aborted,
        })
    }
}
