//! The turns of an agent: ask the model, run the tools it wants, check the answer, say what was wrong, until it is
//! complete or a limit is met.

use std::sync::Arc;

use serde_json::Value as Json;

use super::cx::Cx;
use super::shared::ReadyAgent;
use super::tool::ToolLoop;
use crate::error::{ErrorKind, Failure, Result, StepError};
use crate::model::{Chosen, Finish, From, Message, Request, Response, Role};
use crate::plan::{Complete, ModelSettings};
use crate::schema::Schema;
use crate::value::Data;

/// Most output tokens where nothing says otherwise.
const MAX_TOKENS: u32 = 4096;

/// An agent's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<T> {
    /// The answer.
    pub output: T,
    /// The model that gave it, as `provider/model`.
    pub model: String,
    /// Model calls it took.
    pub turns: u32,
}

impl<T: Data> Reply<T> {
    pub(super) fn typed(reply: Reply<Json>) -> Result<Self> {
        let Reply { output, model, turns } = reply;
        let output = serde_json::from_value(output).map_err(|error| {
            StepError::of(
                ErrorKind::OutputInvalid,
                format!("the answer does not fit its type: {error}"),
            )
        })?;
        Ok(Self { output, model, turns })
    }
}

/// What an agent is asked.
pub(crate) struct Asked {
    pub(crate) agent: Arc<ReadyAgent>,
    /// Its instructions, rendered.
    pub(crate) instructions: String,
    pub(crate) prompt: String,
    /// Why the last answer was refused.
    pub(crate) feedback: Option<String>,
    /// Type of the answer, where it is another than the agent's.
    pub(crate) output: Option<Schema>,
    pub(crate) max_turns: u32,
    pub(crate) settings: ModelSettings,
    pub(crate) complete: Complete,
    /// No attempt of the step follows this one: a retryable error of a model sends the request to the next.
    pub(crate) last_attempt: bool,
}

impl Asked {
    pub(crate) fn new(agent: Arc<ReadyAgent>, prompt: String) -> Self {
        Self {
            instructions: agent.spec.instructions.clone(),
            prompt,
            feedback: None,
            output: agent.spec.output.clone(),
            max_turns: agent.spec.max_turns,
            settings: agent.spec.model_settings.clone(),
            complete: Complete::Schema,
            last_attempt: true,
            agent,
        }
    }
}

/// Asks an agent until its answer is complete.
///
/// # Errors
/// Whatever it ends with.
pub(crate) async fn ask(cx: &Cx, asked: Asked) -> Result<Reply<Json>> {
    let place = cx.position();
    let mut turn = Turns {
        cx,
        asked: &asked,
        place,
        turns: 0,
        calls: 0,
        model: 0,
    };
    let mut messages = vec![
        Message::new(Role::System, asked.instructions.clone()),
        Message::new(Role::User, asked.prompt.clone()),
    ];
    if let Some(reason) = &asked.feedback {
        let text = format!("Your last answer was refused: {reason}\nImprove on it.");
        messages.push(Message::new(Role::User, text));
    }
    let mut tools = ToolLoop::new(cx, &asked.agent);
    let (mut repairs, mut nudges) = (0, 0);
    loop {
        let (response, model) = turn.next(&messages).await?;
        let mut said = Message::new(Role::Assistant, response.text.clone());
        said.tool_calls.clone_from(&response.tool_calls);
        match response.finish {
            Finish::Length => {
                let failure = Failure::new(
                    ErrorKind::IncompleteResponse,
                    format!("the answer of `{model}` was cut at {} tokens", turn.max_tokens()),
                );
                return Err(failure.hint("raise `max_tokens`, or ask for less").into());
            }
            Finish::Refused => {
                let message = format!("`{model}` refused to answer: {}", shortened(&response.text));
                return Err(StepError::of(ErrorKind::BadRequest, message));
            }
            Finish::Stop | Finish::ToolCalls => {}
        }
        if !response.tool_calls.is_empty() {
            messages.push(said);
            let results = tools
                .run(&response.tool_calls, &turn.place, &mut turn.calls)
                .await?;
            messages.extend(results);
            continue;
        }
        let wrong = match complete(cx, &asked, &response.text) {
            Completed::Yes(output) => {
                return Ok(Reply {
                    output,
                    model,
                    turns: turn.turns,
                });
            }
            Completed::Wrong(wrong) => wrong,
            Completed::Nudge(text) => {
                let Complete::Marker { max_nudges, .. } = &asked.complete else {
                    return Err(StepError::of(ErrorKind::Internal, "only a marker has reminders"));
                };
                if nudges >= *max_nudges {
                    let message = format!("the answer never ended with its marker, after {nudges} reminders");
                    return Err(StepError::of(ErrorKind::IncompleteOutput, message));
                }
                nudges += 1;
                messages.push(said);
                messages.push(Message::new(Role::User, text));
                continue;
            }
            Completed::Missing(missing) => {
                let message = format!("artifacts are missing: {}", missing.join(", "));
                let mut failure = Failure::new(ErrorKind::IncompleteOutput, message);
                failure.missing = missing;
                return Err(failure.into());
            }
        };
        if repairs >= asked.agent.spec.repairs {
            let kind = if response.text.trim().is_empty() {
                ErrorKind::IncompleteOutput
            } else {
                ErrorKind::OutputInvalid
            };
            let message = format!(
                "the answer of `{model}` is not what was asked for, after {repairs} repairs: {wrong}"
            );
            return Err(StepError::of(kind, message));
        }
        repairs += 1;
        messages.push(said);
        let text = format!(
            "That is not what was asked for: {wrong}\nAnswer again, with nothing but the corrected answer."
        );
        messages.push(Message::new(Role::User, text));
    }
}

/// Whether an answer is complete.
enum Completed {
    Yes(Json),
    /// It is told what is wrong.
    Wrong(String),
    /// It is reminded.
    Nudge(String),
    /// These artifacts are not saved.
    Missing(Vec<String>),
}

fn complete(cx: &Cx, asked: &Asked, text: &str) -> Completed {
    let mut text = text;
    match &asked.complete {
        Complete::Schema => {}
        Complete::Marker { marker, nudge, .. } => {
            let trimmed = text.trim_end();
            let (before, last) = trimmed.rsplit_once('\n').unwrap_or(("", trimmed));
            if last.trim() != marker {
                return Completed::Nudge(nudge.clone());
            }
            text = before.trim_end();
        }
        Complete::Saved(names) => {
            let saved = cx.shared().env.shelf.of_run(cx.run_id());
            let missing: Vec<String> = names
                .iter()
                .filter(|name| !saved.iter().any(|artifact| artifact.name == **name))
                .cloned()
                .collect();
            if !missing.is_empty() {
                return Completed::Missing(missing);
            }
        }
    }
    let Some(schema) = &asked.output else {
        return if text.trim().is_empty() {
            Completed::Wrong("it is empty".into())
        } else {
            Completed::Yes(Json::String(text.to_owned()))
        };
    };
    let value = match serde_json::from_str::<Json>(text) {
        Ok(value) => value,
        // A label or a plain text needs no quotes.
        Err(_) if schema.takes_text() => Json::String(text.trim().to_owned()),
        Err(error) => return Completed::Wrong(format!("it is not JSON: {error}")),
    };
    let errors = schema.violations(&value);
    if errors.is_empty() {
        return Completed::Yes(value);
    }
    let errors: Vec<String> = errors.iter().take(5).map(ToString::to_string).collect();
    Completed::Wrong(errors.join("; "))
}

/// The calls an agent makes to its models.
struct Turns<'a> {
    cx: &'a Cx,
    asked: &'a Asked,
    place: String,
    turns: u32,
    calls: u32,
    /// Which model of the list is asked.
    model: usize,
}

impl Turns<'_> {
    async fn next(&mut self, messages: &[Message]) -> Result<(Response, String)> {
        if self.turns >= self.asked.max_turns {
            let message = format!(
                "agent `{}` used all {} turns without an answer",
                self.asked.agent.spec.name, self.turns
            );
            return Err(Failure::new(ErrorKind::NoProgress, message)
                .limit("max_turns", "turns", self.asked.max_turns)
                .hint("raise `max_turns`, or give the agent fewer tools")
                .into());
        }
        self.turns += 1;
        loop {
            let model = &self.asked.agent.models[self.model];
            let request = self.request(model, messages);
            let position = format!("{}.{}", self.place, self.calls);
            self.calls += 1;
            let name = &self.asked.agent.spec.name;
            match super::call::call(self.cx, name, model, request, &position).await {
                Ok(response) => return Ok((response, model.chosen.clone())),
                Err(failure) => {
                    let left = self.model + 1 < self.asked.agent.models.len();
                    if !left || !self.falls_back(&failure) {
                        return Err(failure.into());
                    }
                    self.model += 1;
                    let next = &self.asked.agent.models[self.model].chosen;
                    self.cx.note(format!(
                        "`{}` failed ({}); asking `{next}`",
                        model.chosen, failure.message
                    ));
                }
            }
        }
    }

    /// Whether the next model of the list is asked after this error.
    fn falls_back(&self, failure: &Failure) -> bool {
        match failure.kind {
            ErrorKind::Budget
            | ErrorKind::Unpriced
            | ErrorKind::Cancelled
            | ErrorKind::Halted
            | ErrorKind::ReplayMismatch
            | ErrorKind::ApprovalRejected
            | ErrorKind::ApprovalExpired => false,
            _ => !failure.retryable || self.asked.last_attempt,
        }
    }

    fn max_tokens(&self) -> u32 {
        self.settings(&self.asked.agent.models[self.model])
            .max_tokens
            .unwrap_or(MAX_TOKENS)
    }

    /// The model's own settings, under those of the agent and the step.
    fn settings(&self, model: &Chosen) -> ModelSettings {
        let mut settings = model.settings.clone();
        settings.lay(&self.asked.settings);
        settings.max_tokens.get_or_insert(MAX_TOKENS);
        settings
    }

    fn request(&self, model: &Chosen, messages: &[Message]) -> Request {
        Request {
            messages: messages.to_vec(),
            output: self.asked.output.clone(),
            tools: self
                .asked
                .agent
                .tools
                .iter()
                .map(|tool| tool.spec.clone())
                .collect(),
            settings: self.settings(model),
            idempotency_key: String::new(),
            from: From {
                run: self.cx.run_id().to_string(),
                step: self.cx.path(),
                agent: self.asked.agent.spec.name.clone(),
                attempt: self.cx.attempt(),
            },
        }
    }
}

/// The beginning of a text, for a message.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
