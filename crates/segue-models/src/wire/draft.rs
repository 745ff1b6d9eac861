//! Drafts: an answer while it is read. Bounded; what comes of it is an answer only if the provider has said that it is over.

use segue::Usage;
use segue::model::{Finish, Response, ToolCall, tokens_of};
use serde_json::{Value as Json, json};

use super::Asked;
use super::form::{self, Form};

/// More tool calls in one answer are no answer.
const MOST_CALLS: usize = 1_000;
/// What a call counts for beside its arguments.
const CALL_BYTES: usize = 64;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The provider sent this error in place of one.
    Error(Json),
    /// What came is not the protocol: what it did, in words that follow the model's name.
    Reply(String),
}

/// Whether an answer is over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// It is not.
    #[default]
    Open,
    /// The connection may end now.
    Possible,
    /// Nothing more belongs to it.
    Over,
}

/// An answer while it is read.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) text: String,
    /// What the model says in place of an answer.
    pub(crate) refusal: String,
    pub(crate) calls: Vec<Piece>,
    /// Bytes of what is not handed on: thoughts, and pieces that come again as a whole.
    pub(crate) unseen: usize,
    pub(crate) finish: Option<Finish>,
    pub(crate) usage: Option<Usage>,
    /// What the model wants to get back.
    pub(crate) kept: Option<Json>,
    pub(crate) end: End,
}

/// A tool call while it is read.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// The provider's number for it.
    slot: u64,
    pub(crate) id: String,
    /// The tool, as the provider names it.
    pub(crate) tool: String,
    pub(crate) arguments: String,
}

impl Draft {
    /// How much of it there is, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let arguments: usize = self
            .calls
            .iter()
            .map(|call| CALL_BYTES + call.arguments.len())
            .sum();
        self.text.len() + self.refusal.len() + self.unseen + arguments
    }

    /// What changes with every event that says something.
    pub(crate) fn mark(&self) -> (usize, End, Option<Finish>, Option<Usage>) {
        (self.bytes(), self.end, self.finish, self.usage)
    }

    /// An upper bound of the tokens it took to write it.
    pub(crate) fn tokens(&self) -> u64 {
        let text = tokens_of(&self.text) + tokens_of(&self.refusal);
        let calls = self
            .calls
            .iter()
            .map(|call| tokens_of(&call.tool) + tokens_of(&call.arguments));
        text + calls.sum::<u64>() + self.unseen.div_ceil(3) as u64
    }

    /// The call with this number of the provider's.
    ///
    /// # Errors
    /// When there are more calls than any answer has.
    pub(super) fn call(&mut self, slot: u64) -> Result<&mut Piece, Broken> {
        // Pieces nearly always belong to the last one.
        let at = self.calls.iter().rposition(|call| call.slot == slot);
        let at = match at {
            Some(at) => at,
            None if self.calls.len() >= MOST_CALLS => {
                return Err(Broken::Reply(format!(
                    "wants more than {MOST_CALLS} tools called at once"
                )));
            }
            None => {
                self.calls.push(Piece {
                    slot,
                    ..Piece::default()
                });
                self.calls.len() - 1
            }
        };
        Ok(&mut self.calls[at])
    }

    /// A call that came as a whole.
    ///
    /// # Errors
    /// As [`Draft::call`].
    pub(super) fn whole_call(&mut self, id: &str, tool: &str, arguments: &Json) -> Result<(), Broken> {
        let slot = self.calls.last().map_or(0, |last| last.slot + 1);
        let call = self.call(slot)?;
        (call.id, call.tool) = (id.to_owned(), tool.to_owned());
        call.arguments = match arguments {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            value => value.to_string(),
        };
        Ok(())
    }

    /// The answer, put together.
    ///
    /// # Errors
    /// When the provider did not say why it is over, or says what does not go together.
    pub(super) fn whole(self, asked: &Asked<'_>) -> Result<Response, Broken> {
        let Some(finish) = self.finish else {
            return Err(Broken::Reply("did not say why its answer ended".to_owned()));
        };
        let mut text = self.text;
        let mut calls: Vec<Piece> = self.calls;
        let mut was_answer = false;
        if asked.form == Form::Tool {
            let name = super::anthropic::answer_tool(asked);
            let (answers, others): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.tool == name);
            calls = others;
            if let (Some(answer), true) = (answers.last(), calls.is_empty()) {
                text = form::unwrapped(asked.request.output.as_ref(), &arguments(&answer.arguments));
            }
            was_answer = !answers.is_empty();
        }
        let finish = match finish {
            _ if !self.refusal.is_empty() => Finish::Refused,
            Finish::Stop | Finish::ToolCalls if !calls.is_empty() => Finish::ToolCalls,
            Finish::ToolCalls if was_answer => Finish::Stop,
            Finish::ToolCalls => {
                return Err(Broken::Reply("wants tools called and names none".to_owned()));
            }
            other => other,
        };
        // Why it refuses says more than what it had written until then.
        if finish == Finish::Refused && !self.refusal.is_empty() {
            text = self.refusal;
        }
        let tool_calls = calls.into_iter().enumerate().map(|(n, call)| ToolCall {
            id: if call.id.is_empty() {
                asked.call_id(n)
            } else {
                call.id
            },
            tool: asked.names.own(&call.tool),
            arguments: arguments(&call.arguments),
        });
        Ok(Response {
            text,
            tool_calls: tool_calls.collect(),
            finish,
            usage: self.usage,
            opaque: self.kept.map(|kept| asked.to_keep(kept)),
        })
    }
}

/// Arguments as the model gave them: what is not JSON stays text, which fits no tool, so that the model is told.
fn arguments(text: &str) -> Json {
    match text.trim() {
        "" => json!({}),
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}
