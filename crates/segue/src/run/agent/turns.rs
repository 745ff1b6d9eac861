//! The calls an agent makes to its models: one a turn, and the next of the fallback list where one is not to be had.

use super::Asked;
use crate::error::{ErrorKind, Failure, Result};
use crate::model::{CIRCUIT, Chosen, Finish, From, Listener, Message, Request, Response};
use crate::plan::ModelSettings;
use crate::run::{Cx, call};

/// Most output tokens where nothing says otherwise.
const MAX_TOKENS: u32 = 4096;

/// The turns of one request to an agent.
pub(super) struct Turns<'a> {
    cx: &'a Cx,
    asked: &'a Asked,
    place: String,
    turns: u32,
    calls: u32,
    /// Which model of the list is asked. A model that failed is not asked again.
    model: usize,
    /// Whose settings were looked at: how many of the list.
    noted: usize,
}

impl<'a> Turns<'a> {
    pub(super) fn new(cx: &'a Cx, asked: &'a Asked, place: String) -> Self {
        Self {
            cx,
            asked,
            place,
            turns: 0,
            calls: 0,
            model: 0,
            noted: 0,
        }
    }

    /// Turns made so far.
    pub(super) fn made(&self) -> u32 {
        self.turns
    }

    /// The place of the next call, to a model or a tool.
    pub(super) fn position(&mut self) -> String {
        let position = format!("{}.{}", self.place, self.calls);
        self.calls += 1;
        position
    }

    /// The answer to a conversation, and the model that gave it.
    ///
    /// # Errors
    /// When all turns are used up, or no model of the list gave an answer.
    pub(super) async fn next(&mut self, messages: &[Message]) -> Result<(Response, String)> {
        let agent = &self.asked.agent;
        if self.turns >= self.asked.max_turns {
            let message = format!(
                "agent `{}` used all {} turns without an answer",
                agent.spec.name, self.turns
            );
            return Err(Failure::new(ErrorKind::NoProgress, message)
                .limit("max_turns", "turns", self.asked.max_turns)
                .hint("raise `max_turns`, or give the agent fewer tools")
                .into());
        }
        self.turns += 1;
        loop {
            let model = &agent.models[self.model];
            let request = self.request(model, messages);
            if self.noted <= self.model {
                self.noted = self.model + 1;
                for what in model.model.unsent(&request.settings) {
                    self.cx.note(format!("`{}`: {what}", model.chosen));
                }
            }
            let position = self.position();
            let answered = call::call(self.cx, &agent.spec.name, model, request, &position).await;
            let failure = match answered.and_then(|response| self.whole(response, model)) {
                Ok(response) => return Ok((response, model.chosen.clone())),
                Err(failure) => failure,
            };
            let Some(next) = agent
                .models
                .get(self.model + 1)
                .filter(|_| self.falls_back(&failure))
            else {
                return Err(failure.into());
            };
            self.model += 1;
            self.cx.note(format!(
                "`{}` failed ({}); asking `{}`",
                model.chosen, failure.message, next.chosen
            ));
        }
    }

    /// An answer that is neither cut nor refused: a cut one is no answer, and its tool calls are never made.
    fn whole(&self, response: Response, model: &Chosen) -> Result<Response, Failure> {
        match response.finish {
            Finish::Stop | Finish::ToolCalls => Ok(response),
            Finish::Length => {
                let most = self.settings(model).max_tokens.unwrap_or(MAX_TOKENS);
                let message = format!("the answer of `{}` was cut at {most} tokens", model.chosen);
                Err(Failure::new(ErrorKind::IncompleteResponse, message)
                    .limit("max_tokens", "tokens", most)
                    .hint("raise `max_tokens`, or ask for less"))
            }
            Finish::Refused => {
                let message = format!(
                    "`{}` refused to answer: {}",
                    model.chosen,
                    shortened(&response.text)
                );
                Err(Failure::new(ErrorKind::BadRequest, message))
            }
        }
    }

    /// Whether the next model of the list is asked after this error. What a budget, a person or the operator refused is
    /// refused for every model.
    fn falls_back(&self, failure: &Failure) -> bool {
        match failure.kind {
            ErrorKind::Budget
            | ErrorKind::Unpriced
            | ErrorKind::Cancelled
            | ErrorKind::Halted
            | ErrorKind::ReplayMismatch
            | ErrorKind::Internal => false,
            _ => !failure.retryable || self.asked.last_attempt || is_left_alone(failure),
        }
    }

    /// The model's own settings, under those of the agent and the step.
    fn settings(&self, model: &Chosen) -> ModelSettings {
        let mut settings = model.settings.clone();
        settings.lay(&self.asked.settings);
        settings.max_tokens.get_or_insert(MAX_TOKENS);
        settings
    }

    fn request(&self, model: &Chosen, messages: &[Message]) -> Request {
        let agent = &self.asked.agent;
        Request {
            messages: messages.to_vec(),
            output: self.asked.output.clone(),
            tools: agent.tools.iter().map(|tool| tool.spec.clone()).collect(),
            settings: self.settings(model),
            idempotency_key: String::new(),
            from: From {
                run: self.cx.run_id().to_string(),
                step: self.cx.path(),
                agent: agent.spec.name.clone(),
                attempt: self.cx.attempt(),
                after: self.cx.last_attempt().and_then(|last| last.kind),
            },
            listener: Listener::default(),
        }
    }
}

/// Whether a provider is not asked at all for now: like one that is not to be had.
fn is_left_alone(failure: &Failure) -> bool {
    failure.limit.as_ref().is_some_and(|limit| limit.name == CIRCUIT)
}

/// The beginning of a text, for a message.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
