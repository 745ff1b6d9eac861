//! The turns of an agent: ask the model, run the tools it wants, check the answer, say what was wrong, until it is
//! complete or a limit is met.
//!
//! Steps, imperative code and other agents ask through [`ask`]. What it never does: retry a call (the step does), or
//! look for meaning in text that the author did not ask for.

use std::sync::Arc;

use serde_json::Value as Json;

use super::cx::Cx;
use super::ready::ReadyAgent;
use super::tool::ToolTurns;
use crate::error::{ErrorKind, Failure, Result, StepError};
use crate::model::{Image, Message, Response, Role};
use crate::plan::{Complete, ModelSettings};
use crate::schema::Schema;
use crate::value::Data;

mod answer;
mod turns;

use answer::Verdict;
use turns::Turns;

/// An agent's answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<T> {
    /// The answer.
    pub output: T,
    /// The model that gave it, as `provider/model`.
    pub model: String,
    /// Model calls it took, failed ones of a fallback list not counted.
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
    /// What is shown with the prompt.
    pub(crate) images: Vec<Image>,
    /// Why the last answer was refused.
    pub(crate) feedback: Option<String>,
    /// Type of the answer; none is text.
    pub(crate) output: Option<Schema>,
    pub(crate) max_turns: u32,
    pub(crate) settings: ModelSettings,
    pub(crate) complete: Complete,
    /// It is the step that asks, so that it is told what a person wants of a step that runs again.
    pub(crate) for_step: bool,
    /// No attempt of the step follows this one: a retryable error of a model sends the request to the next.
    pub(crate) last_attempt: bool,
}

impl Asked {
    pub(crate) fn new(agent: Arc<ReadyAgent>, prompt: String) -> Self {
        Self {
            instructions: agent.spec.instructions.clone(),
            prompt,
            images: Vec::new(),
            feedback: None,
            output: agent.spec.output.clone(),
            max_turns: agent.spec.max_turns,
            settings: agent.spec.model_settings.clone(),
            complete: agent.spec.complete.clone(),
            for_step: false,
            last_attempt: true,
            agent,
        }
    }

    /// The conversation before the first turn.
    fn opening(&self, note: Option<String>) -> Vec<Message> {
        let parts = [Some(self.prompt.clone()), note];
        let parts: Vec<String> = parts
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        let mut messages = vec![
            Message::new(Role::System, self.instructions.clone()),
            Message {
                images: self.images.clone(),
                ..Message::new(Role::User, parts.join("\n\n"))
            },
        ];
        if let Some(reason) = &self.feedback {
            let text = format!("Your last answer was refused: {reason}\nImprove on it.");
            messages.push(Message::new(Role::User, text));
        }
        messages
    }
}

/// Asks an agent until its answer is complete.
///
/// # Errors
/// Whatever it ends with.
pub(crate) async fn ask(cx: &Cx, asked: Asked) -> Result<Reply<Json>> {
    let place = cx.position();
    let mut turns = Turns::new(cx, &asked, place);
    let mut tools = ToolTurns::new(cx, &asked.agent);
    let mut patience = Patience::default();
    let note = match asked.for_step {
        true => rerun_note(cx).await?,
        false => None,
    };
    let mut messages = asked.opening(note);
    loop {
        let (response, model) = turns.next(&messages).await?;
        messages.push(said(&response));
        if !response.tool_calls.is_empty() {
            let positions = response.tool_calls.iter().map(|_| turns.position()).collect();
            messages.extend(tools.run(&response.tool_calls, positions).await?);
            continue;
        }
        let verdict = answer::judge(cx, &asked, &response.text);
        if let Verdict::Complete(output) = verdict {
            let turns = turns.made();
            return Ok(Reply { output, model, turns });
        }
        let text = patience.reply(&asked, verdict, &model)?;
        messages.push(Message::new(Role::User, text));
    }
}

/// What a person wants of the step now that it runs again, and what it gave before.
///
/// # Errors
/// When what it gave before cannot be read.
async fn rerun_note(cx: &Cx) -> Result<Option<String>> {
    let reuse = cx.shared().reuse.clone();
    let Some((note, present)) = reuse.as_ref().and_then(|reuse| reuse.note_for(&cx.path())) else {
        return Ok(None);
    };
    let mut text = format!("## Additional instructions\n{note}");
    if let Some(present) = present {
        let present = match present.stored_at() {
            Some(_) => super::load(cx.shared().blobs(), present).await?,
            None => present.clone(),
        };
        let present = match present.to_json()?.as_ref() {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            value => value.to_string(),
        };
        if !present.trim().is_empty() {
            text.push_str(&format!("\n\n## Present result\n{present}"));
        }
    }
    Ok(Some(text))
}

fn said(response: &Response) -> Message {
    let mut said = Message::new(Role::Assistant, response.text.clone());
    said.tool_calls.clone_from(&response.tool_calls);
    said.opaque.clone_from(&response.opaque);
    said
}

/// How often the agent has been told what its answer lacks.
#[derive(Default)]
struct Patience {
    repairs: u32,
    nudges: u32,
}

impl Patience {
    /// What the agent is told about an answer that is not complete.
    ///
    /// # Errors
    /// When it was told often enough.
    fn reply(&mut self, asked: &Asked, verdict: Verdict, model: &str) -> Result<String> {
        if let (
            Verdict::NoMarker,
            Complete::Marker {
                nudge, max_nudges, ..
            },
        ) = (&verdict, &asked.complete)
        {
            if self.nudges >= *max_nudges {
                let message = format!(
                    "the answer of `{model}` never ended with its marker, after {} reminders",
                    self.nudges
                );
                return Err(StepError::of(ErrorKind::IncompleteOutput, message));
            }
            self.nudges += 1;
            return Ok(nudge.clone());
        }
        let wrong = verdict.wrong();
        if self.repairs < asked.agent.spec.repairs {
            self.repairs += 1;
            return Ok(format!(
                "That is not what was asked for: {wrong}\nAnswer again, with nothing but the corrected answer."
            ));
        }
        let message = format!(
            "the answer of `{model}` is not what was asked for, after {} repairs: {wrong}",
            self.repairs
        );
        let mut failure = Failure::new(verdict.kind(), message);
        if let Verdict::Unsaved(missing) = verdict {
            failure.missing = missing;
        }
        Err(failure.into())
    }
}
