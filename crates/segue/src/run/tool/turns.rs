//! The tool calls of an agent's attempt: which are made, which are answered by telling the model what is wrong, and when
//! there are too many.

use std::collections::{HashMap, HashSet};

use futures_util::stream::{self, StreamExt};
use serde_json::Value as Json;

use super::Call;
use crate::error::{ErrorKind, Failure, Result, StepError};
use crate::model::{Message, Role, ToolCall};
use crate::plan::{ToolOnError, hash_of};
use crate::run::Cx;
use crate::run::ready::{ReadyAgent, ReadyTool};

/// Tool calls of one turn that run at once.
const PARALLEL: usize = 8;
/// Equal calls of one attempt that are made; further ones are not, and the model is told.
const EQUAL_MADE: u32 = 4;
/// Equal calls of one attempt after which it ends.
const EQUAL_TOLD: u32 = 6;
/// Bad calls in a row that end the attempt.
const BAD_IN_A_ROW: u32 = 3;
/// Violations a model is told at once.
const MOST_TOLD: usize = 5;

/// The tool calls of one attempt of an agent.
pub(in crate::run) struct ToolTurns<'a> {
    cx: &'a Cx,
    agent: &'a ReadyAgent,
    made: HashMap<String, u32>,
    equal: HashMap<String, u32>,
    total: u32,
    bad: u32,
}

/// What is to be done with one call of a turn.
enum Step<'a> {
    Make(Call<'a>),
    Tell(String),
}

impl<'a> ToolTurns<'a> {
    pub(in crate::run) fn new(cx: &'a Cx, agent: &'a ReadyAgent) -> Self {
        Self {
            cx,
            agent,
            made: HashMap::new(),
            equal: HashMap::new(),
            total: 0,
            bad: 0,
        }
    }

    /// Runs the tool calls of one turn, each at its position, side by side, and gives their results in the order in which
    /// the model asked.
    pub(in crate::run) async fn run(
        &mut self,
        calls: &[ToolCall],
        positions: Vec<String>,
    ) -> Result<Vec<Message>> {
        let mut ids = HashSet::new();
        let mut steps = Vec::with_capacity(calls.len());
        for (call, position) in calls.iter().zip(positions) {
            let is_new = ids.insert(call.id.as_str());
            steps.push(self.plan(call, position, is_new)?);
        }
        // Approvals are asked for one after another, before any tool of the turn has run.
        let mut permitted = Vec::with_capacity(steps.len());
        for step in steps {
            permitted.push(match step {
                Step::Make(call) => match call.permitted().await? {
                    Ok(()) => Step::Make(call),
                    Err(refusal) => Step::Tell(told(call.tool, refusal, true)?),
                },
                tell @ Step::Tell(_) => tell,
            });
        }
        let running: Vec<_> = permitted.into_iter().map(result).collect();
        let results: Vec<Result<String>> = stream::iter(running).buffered(PARALLEL).collect().await;
        let message = |(result, call): (Result<String>, &ToolCall)| {
            Ok(Message {
                call: Some(call.id.clone()),
                ..Message::new(Role::Tool, result?)
            })
        };
        results.into_iter().zip(calls).map(message).collect()
    }

    /// # Errors
    /// When the attempt has made too many calls, or too many bad or equal ones.
    fn plan<'c>(&mut self, call: &'c ToolCall, position: String, is_new: bool) -> Result<Step<'c>>
    where
        'a: 'c,
    {
        let agent = self.agent;
        self.total += 1;
        let most = agent.spec.max_tool_calls;
        if self.total > most {
            let message = format!("agent `{}` made more than {most} tool calls", agent.spec.name);
            return Err(Failure::new(ErrorKind::NoProgress, message)
                .limit("max_tool_calls", "tool_calls", most)
                .hint("raise `max_tool_calls`")
                .into());
        }
        let tool = match self.fitting(call, is_new) {
            Ok(tool) => tool,
            Err(wrong) => return self.bad(wrong),
        };
        self.bad = 0;
        if let Some(most) = tool.limits.max_calls {
            let made = self.made.entry(call.tool.clone()).or_default();
            *made += 1;
            if *made > most {
                let text = format!("error: `{}` has no call left, of {most}", call.tool);
                return Ok(Step::Tell(text));
            }
        }
        let key = format!("{} {}", call.tool, hash_of(&call.arguments));
        let equal = self.equal.entry(key).or_default();
        *equal += 1;
        if *equal > EQUAL_TOLD {
            let message = format!(
                "agent `{}` called `{}` with equal arguments {equal} times",
                agent.spec.name, call.tool
            );
            return Err(StepError::of(ErrorKind::NoProgress, message));
        }
        if *equal > EQUAL_MADE {
            let text = format!(
                "error: you have called `{}` with these arguments {equal} times; do something else",
                call.tool
            );
            return Ok(Step::Tell(text));
        }
        Ok(Step::Make(Call {
            cx: self.cx,
            agent: Some(&agent.spec.name),
            tool,
            arguments: &call.arguments,
            position,
        }))
    }

    /// The tool a call means, when it can be made as it stands; else what is wrong with it.
    fn fitting(&self, call: &ToolCall, is_new: bool) -> Result<&'a ReadyTool, String> {
        if !is_new {
            return Err(format!("two calls of one turn have the id `{}`", call.id));
        }
        let agent = self.agent;
        let Some(tool) = agent.tools.iter().find(|tool| tool.spec.name == call.tool) else {
            let known: Vec<&str> = agent.tools.iter().map(|tool| tool.spec.name.as_str()).collect();
            return Err(match known.as_slice() {
                [] => format!("there is no tool `{}`; there are no tools", call.tool),
                known => format!(
                    "there is no tool `{}`; the tools are: {}",
                    call.tool,
                    known.join(", ")
                ),
            });
        };
        let violations = tool.takes.violations(&call.arguments);
        if violations.is_empty() {
            return Ok(tool);
        }
        let violations: Vec<String> = violations
            .iter()
            .take(MOST_TOLD)
            .map(ToString::to_string)
            .collect();
        Err(format!("the arguments do not fit: {}", violations.join("; ")))
    }

    /// A bad call is told to the model, a few in a row end the attempt.
    fn bad<'c>(&mut self, wrong: String) -> Result<Step<'c>> {
        self.bad += 1;
        if self.bad < BAD_IN_A_ROW {
            return Ok(Step::Tell(format!("error: {wrong}")));
        }
        let message = format!(
            "agent `{}` made {} bad tool calls in a row: {wrong}",
            self.agent.spec.name, self.bad
        );
        Err(StepError::of(ErrorKind::Tool, message))
    }
}

/// What the model reads for one call.
async fn result(step: Step<'_>) -> Result<String> {
    let call = match step {
        Step::Tell(text) => return Ok(text),
        Step::Make(call) => call,
    };
    match call.made().await? {
        Ok(Json::String(text)) => Ok(text),
        Ok(value) => Ok(value.to_string()),
        Err(failure) => told(call.tool, failure, false),
    }
}

/// What the model is told of a call that failed or was refused. A refusal is always told with its reason.
fn told(tool: &ReadyTool, failure: Failure, is_refusal: bool) -> Result<String> {
    match &tool.limits.on_error {
        Some(ToolOnError::Fail) => Err(failure.into()),
        Some(ToolOnError::Text(text)) if !is_refusal => Ok(text.clone()),
        _ => Ok(format!("error: {}", failure.message)),
    }
}
