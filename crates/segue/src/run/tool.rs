//! Tool calls: found before the run, checked, limited, approved, cut off when they hang. A tool that fails tells the
//! model; it does not fail the step unless somebody said so.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value as Json, json};

use super::cx::Cx;
use super::shared::{Environment, ReadyAgent, ReadyTool};
use crate::clock;
use crate::error::{ErrorKind, Failure, Result, Spent, StepError, Why};
use crate::id::CallId;
use crate::log::{CallKind, EventKind};
use crate::model::{Message, Role, ToolCall};
use crate::money::{Cost, Nanousd};
use crate::plan::{Plan, PlannedAgent, ToolApproval, ToolLimits, ToolOnError, hash_of};
use crate::question::{Approval, Ask, QuestionKind};
use crate::schema::Schema;
use crate::tool::{Tool, ToolClass};
use crate::usage::Usage;

/// Deadline of a tool call where nothing says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Tool calls of one turn that run at once.
const PARALLEL: usize = 8;
/// Equal calls of one attempt after which the model is told, and after which the attempt ends.
const REPEATS: (u32, u32) = (4, 6);
/// Bad calls in a row that end the attempt.
const BAD_IN_A_ROW: u32 = 3;

/// Finds the tools of an agent: its own, then registered ones by name or glob.
///
/// # Errors
/// When a tool is unknown, or a glob matches nothing.
pub(super) fn bind(
    env: &Environment,
    agent: &PlannedAgent,
    own: &[Arc<dyn Tool>],
    plan: Option<&Plan>,
) -> Result<Vec<ReadyTool>, Failure> {
    let mut tools: Vec<ReadyTool> = own
        .iter()
        .map(|tool| ReadyTool {
            spec: tool.spec(),
            tool: tool.clone(),
            limits: ToolLimits::default(),
        })
        .collect();
    for wanted in &agent.tools {
        let found = env.registry.find_tools(&wanted.name)?;
        for tool in found {
            let spec = tool.spec();
            if tools.iter().any(|known| known.spec.name == spec.name) {
                continue;
            }
            let narrower = plan.and_then(|plan| limits_of(plan, &spec.name));
            let limits = narrowed(&wanted.limits, narrower);
            tools.push(ReadyTool { spec, tool, limits });
        }
    }
    Ok(tools)
}

/// The limits a plan has for a tool that a step calls itself.
pub(crate) fn limits(plan: &Plan, name: &str) -> ToolLimits {
    limits_of(plan, name).cloned().unwrap_or_default()
}

/// The limits a plan has for a tool, by name or glob.
fn limits_of<'a>(plan: &'a Plan, name: &str) -> Option<&'a ToolLimits> {
    plan.tools.get(name).or_else(|| {
        let glob = plan
            .tools
            .iter()
            .find(|(glob, _)| crate::registry::matches(glob, name));
        glob.map(|(_, limits)| limits)
    })
}

/// The narrower of two sets of limits, limit by limit.
fn narrowed(own: &ToolLimits, other: Option<&ToolLimits>) -> ToolLimits {
    let Some(other) = other else { return own.clone() };
    fn least<T: Ord + Copy>(a: Option<T>, b: Option<T>) -> Option<T> {
        match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
    ToolLimits {
        max_calls: least(own.max_calls, other.max_calls),
        timeout: least(own.timeout, other.timeout),
        retries: least(own.retries, other.retries),
        approval: stricter(own.approval.as_ref(), other.approval.as_ref()),
        approval_timeout: least(own.approval_timeout, other.approval_timeout),
        on_error: own.on_error.clone().or_else(|| other.on_error.clone()),
        on_interrupt: own.on_interrupt.clone().or_else(|| other.on_interrupt.clone()),
    }
}

fn stricter(a: Option<&ToolApproval>, b: Option<&ToolApproval>) -> Option<ToolApproval> {
    let rank = |approval: &ToolApproval| match approval {
        ToolApproval::Allow => 0,
        ToolApproval::When { .. } => 1,
        ToolApproval::Ask => 2,
        ToolApproval::Deny => 3,
    };
    [a, b]
        .into_iter()
        .flatten()
        .max_by_key(|approval| rank(approval))
        .cloned()
}

/// The tool calls of one attempt of an agent.
pub(super) struct ToolLoop<'a> {
    cx: &'a Cx,
    agent: &'a ReadyAgent,
    made: HashMap<String, u32>,
    repeats: HashMap<String, u32>,
    total: u32,
    bad: u32,
}

/// What is to be done with one call of a turn.
enum Planned<'a> {
    Run(&'a ReadyTool, String),
    Tell(String),
}

impl<'a> ToolLoop<'a> {
    pub(super) fn new(cx: &'a Cx, agent: &'a ReadyAgent) -> Self {
        Self {
            cx,
            agent,
            made: HashMap::new(),
            repeats: HashMap::new(),
            total: 0,
            bad: 0,
        }
    }

    /// Runs the tool calls of one turn, side by side, and gives their results in the order in which the model asked.
    pub(super) async fn run(
        &mut self,
        calls: &[ToolCall],
        place: &str,
        counter: &mut u32,
    ) -> Result<Vec<Message>> {
        let mut planned = Vec::with_capacity(calls.len());
        for call in calls {
            let position = format!("{place}.{counter}");
            *counter += 1;
            planned.push((call, self.plan(call, position)?));
        }
        let cx = self.cx;
        let agent = self.agent.spec.name.as_str();
        // Approvals are asked for one after another, before any tool of the turn has run.
        for (call, planned) in &planned {
            if let Planned::Run(tool, position) = planned {
                approve(cx, agent, tool, call, position).await?;
            }
        }
        let running = planned.into_iter().map(|(call, planned)| async move {
            let text = match planned {
                Planned::Tell(text) => text,
                Planned::Run(tool, position) => match make(cx, agent, tool, call, &position).await? {
                    Json::String(text) => text,
                    value => value.to_string(),
                },
            };
            Ok(Message {
                role: Role::Tool,
                text,
                tool_calls: Vec::new(),
                call: Some(call.id.clone()),
            })
        });
        let running: Vec<_> = running.collect();
        let results: Vec<Result<Message>> = stream::iter(running).buffered(PARALLEL).collect().await;
        results.into_iter().collect()
    }

    fn plan(&mut self, call: &ToolCall, position: String) -> Result<Planned<'a>> {
        self.total += 1;
        let most = self.agent.spec.max_tool_calls;
        if self.total > most {
            let message = format!(
                "agent `{}` made more than {most} tool calls",
                self.agent.spec.name
            );
            return Err(Failure::new(ErrorKind::NoProgress, message)
                .limit("max_tool_calls", "tool_calls", most)
                .hint("raise `max_tool_calls`")
                .into());
        }
        let Some(tool) = self.agent.tools.iter().find(|tool| tool.spec.name == call.tool) else {
            let known: Vec<&str> = self
                .agent
                .tools
                .iter()
                .map(|tool| tool.spec.name.as_str())
                .collect();
            return self.told(format!(
                "error: there is no tool `{}`; the tools are: {}",
                call.tool,
                known.join(", ")
            ));
        };
        let errors = Schema::trusted(closed(&tool.spec.parameters)).violations(&call.arguments);
        if !errors.is_empty() {
            let errors: Vec<String> = errors.iter().take(5).map(ToString::to_string).collect();
            return self.told(format!("error: the arguments do not fit: {}", errors.join("; ")));
        }
        self.bad = 0;
        let made = self.made.entry(call.tool.clone()).or_default();
        *made += 1;
        if let Some(most) = tool.limits.max_calls
            && *made > most
        {
            return Ok(Planned::Tell(format!(
                "error: `{}` may be called {most} times, and was",
                call.tool
            )));
        }
        let same = self
            .repeats
            .entry(format!("{} {}", call.tool, hash_of(&call.arguments)))
            .or_default();
        *same += 1;
        if *same > REPEATS.1 {
            let message = format!(
                "agent `{}` called `{}` with equal arguments {same} times",
                self.agent.spec.name, call.tool
            );
            return Err(StepError::of(ErrorKind::NoProgress, message));
        }
        if *same > REPEATS.0 {
            return Ok(Planned::Tell(format!(
                "error: you have called `{}` with these arguments {same} times; do something else",
                call.tool
            )));
        }
        Ok(Planned::Run(tool, position))
    }

    /// A bad call is told to the model, a few in a row end the attempt.
    fn told(&mut self, text: String) -> Result<Planned<'a>> {
        self.bad += 1;
        if self.bad >= BAD_IN_A_ROW {
            let message = format!(
                "agent `{}` made {} bad tool calls in a row: {text}",
                self.agent.spec.name, self.bad
            );
            return Err(StepError::of(ErrorKind::Tool, message));
        }
        Ok(Planned::Tell(text))
    }
}

/// Unknown arguments are refused unless the schema says otherwise.
fn closed(parameters: &Json) -> Json {
    let mut parameters = parameters.clone();
    if let Json::Object(schema) = &mut parameters {
        schema.entry("additionalProperties").or_insert(Json::Bool(false));
    }
    parameters
}

/// Asks a person where the tool's policy says so. The approval is bound to the exact arguments.
async fn approve(cx: &Cx, agent: &str, tool: &ReadyTool, call: &ToolCall, position: &str) -> Result<()> {
    let by_class = || match tool.spec.class {
        Some(ToolClass::Effectful) => ToolApproval::Ask,
        _ => ToolApproval::Allow,
    };
    let policy = tool.limits.approval.clone().unwrap_or_else(by_class);
    let policy = match policy {
        ToolApproval::When { deny, ask } => {
            crate::link::approval(deny.as_deref(), ask.as_deref(), &call.arguments)?
        }
        policy => policy,
    };
    match policy {
        ToolApproval::Allow | ToolApproval::When { .. } => return Ok(()),
        ToolApproval::Deny => {
            let message = format!("the policy of step `{}` denies `{}`", cx.path(), call.tool);
            return Err(StepError::of(ErrorKind::ToolDenied, message));
        }
        ToolApproval::Ask => {}
    }
    let position = format!("{position}.approval");
    if let Some(answer) = cx.answer(&position) {
        let answer = answer.to_json()?;
        if answer.get("approved") == Some(&Json::Bool(true)) {
            return Ok(());
        }
        let reason = answer
            .get("reason")
            .and_then(Json::as_str)
            .unwrap_or("no reason was given");
        let message = format!("the call of `{}` was rejected: {reason}", call.tool);
        return Err(StepError::of(ErrorKind::ApprovalRejected, message));
    }
    let form = Schema::trusted(json!({
        "type": "object",
        "properties": {"approved": {"type": "boolean"}, "reason": {"type": ["string", "null"]}},
        "required": ["approved"],
        "additionalProperties": false,
    }));
    let mut ask = Ask::new(format!("may `{agent}` call `{}`?", call.tool), form);
    ask.text = Some(serde_json::to_string_pretty(&call.arguments)?);
    ask.kind = QuestionKind::Approval;
    ask.position = position;
    ask.timeout = Some(
        tool.limits
            .approval_timeout
            .unwrap_or(Duration::from_secs(24 * 3600)),
    );
    ask.approval = Some(Approval {
        tool: call.tool.clone(),
        arguments: call.arguments.clone(),
        arguments_hash: hash_of(&call.arguments),
        agent: Some(agent.to_owned()),
    });
    cx.suspend(ask).await
}

/// Makes one tool call. What it gives, or what the model is told instead.
async fn make(cx: &Cx, agent: &str, tool: &ReadyTool, call: &ToolCall, position: &str) -> Result<Json> {
    match invoke(cx, Some(agent), tool, call.arguments.clone(), position).await {
        Ok(value) => Ok(value),
        Err(error) => {
            let failure = match error.into_why() {
                Why::Failed(failure) => failure,
                Why::Again { reason } => Failure::new(ErrorKind::Tool, reason),
                Why::Waits(ask) => return Err(StepError::from(*ask)),
            };
            match tool.limits.on_error.as_ref().unwrap_or(&ToolOnError::Tell) {
                ToolOnError::Tell => Ok(Json::String(format!("error: {}", failure.message))),
                ToolOnError::Text(text) => Ok(Json::String(text.clone())),
                ToolOnError::Fail => Err(failure.into()),
            }
        }
    }
}

/// Runs a tool under its deadline and retries, recorded by position and key.
pub(crate) async fn invoke(
    cx: &Cx,
    agent: Option<&str>,
    tool: &ReadyTool,
    arguments: Json,
    position: &str,
) -> Result<Json> {
    let state = cx.state();
    let name = &tool.spec.name;
    let key = format!("tool {name} {}", hash_of(&arguments));
    if let Some(recorded) = state.run.journals.look(state.unit, position, &key)? {
        cx.event(EventKind::CallReplayed {
            position: position.to_owned(),
            source: "log".into(),
        });
        return recorded.map_err(StepError::from);
    }
    let limit = tool.limits.timeout.unwrap_or(TIMEOUT);
    let tries = tool.limits.retries.unwrap_or(0) + 1;
    let mut last = None;
    for _ in 0..tries {
        let id = CallId::new(&*state.run.env.ids);
        cx.event(EventKind::CallReserved {
            call: id,
            kind: CallKind::Tool,
            model: None,
            tool: Some(name.clone()),
            agent: agent.map(str::to_owned),
            attempt: state.attempt,
            position: position.to_owned(),
            reserved_nanousd: Nanousd::ZERO,
            budgets: Vec::new(),
            max_tokens_clamped_to: None,
        });
        let idempotency_key = hash_of(&json!([
            state.run.id.to_string(),
            state.path(),
            position,
            name,
            arguments
        ]));
        cx.event(EventKind::CallStarted {
            call: id,
            idempotency_key,
            request: arguments.clone(),
        });
        let inner = cx.branch(format!("{position}/tool"));
        let result = clock::within(Some(limit), tool.tool.call(inner, arguments.clone())).await;
        let usage = Usage {
            tool_calls: 1,
            ..Usage::default()
        };
        let cost = Cost::default();
        state.add(&Spent { usage, cost });
        let failure = match result {
            Some(Ok(value)) => {
                cx.event(EventKind::CallSucceeded {
                    call: id,
                    usage,
                    cost,
                    price: None,
                    finish_reason: None,
                    response: value.clone(),
                    estimated: false,
                });
                state
                    .run
                    .journals
                    .keep(state.unit, position, &key, Ok(value.clone()));
                return Ok(value);
            }
            Some(Err(error)) => match error.into_why() {
                Why::Failed(failure) => failure,
                Why::Again { reason } => Failure::new(ErrorKind::Tool, reason),
                Why::Waits(ask) => return Err(StepError::from(*ask)),
            },
            None => Failure::new(
                ErrorKind::Tool,
                format!("tool `{name}` did not answer within {}ms", limit.as_millis()),
            )
            .limit("tool", "ms", limit.as_millis()),
        };
        cx.event(EventKind::CallFailed {
            call: id,
            error: Box::new(failure.clone()),
            usage,
            cost,
        });
        let fatal = !failure.retryable;
        last = Some(failure);
        if fatal {
            break;
        }
    }
    Err(last
        .unwrap_or_else(|| Failure::new(ErrorKind::Internal, "no try was made"))
        .into())
}
