//! Questions: a run waits for a person.
//!
//! A step asks ([`Ask`]), the run records a [`Question`] and rests, somebody answers. The answer is checked against the
//! form before it is accepted; a bad one leaves the question open.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::clock::Time;
use crate::id::{QuestionId, RunId};
use crate::schema::Schema;

/// What a step wants to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// One line.
    pub title: String,
    /// More, when one line is not enough.
    pub text: Option<String>,
    /// What an answer looks like.
    pub form: Schema,
    /// What is known so far.
    pub known: Map<String, Json>,
    /// Which facts are missing, by name.
    pub missing: Vec<String>,
    /// How long to wait for an answer.
    pub timeout: Option<Duration>,
    /// The answer when nobody gave one in time.
    pub default: Option<Json>,
    /// What it is about.
    pub kind: QuestionKind,
    /// Whether known and answer together are the output of the step.
    pub(crate) completes: bool,
    /// Where in the step it was asked, so that the answer finds its way back.
    pub(crate) position: String,
    /// The limit that was met, for a paused budget.
    pub(crate) budget: Option<crate::error::Limit>,
    /// The tool call that wants approval.
    pub(crate) approval: Option<Approval>,
}

/// The exact tool call a person is asked to approve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// The tool.
    pub tool: String,
    /// Its arguments, exactly.
    pub arguments: Json,
    /// SHA-256 of the canonical arguments.
    pub arguments_hash: String,
    /// The agent that wants to call it.
    pub agent: Option<String>,
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionKind {
    /// A step wants to know something.
    Question,
    /// A tool call wants approval.
    Approval,
    /// A budget is used up and may be raised.
    Budget,
    /// How to go on after an interruption.
    Decision,
}

/// Where a question stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionStatus {
    /// Nobody answered yet.
    Open,
    /// Answered.
    Answered,
    /// Its deadline passed.
    Expired,
    /// The run ended before.
    Cancelled,
}

/// A question as it stands in the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Its id.
    pub id: QuestionId,
    /// What it is about.
    pub kind: QuestionKind,
    /// The run that waits.
    pub run: RunId,
    /// The pipeline of that run.
    pub pipeline: String,
    /// Path of the step that asks.
    pub step: String,
    /// One line.
    pub title: String,
    /// More.
    pub text: Option<String>,
    /// JSON Schema of an answer.
    pub form: Json,
    /// What is known so far.
    pub known: Map<String, Json>,
    /// What is missing.
    pub missing: Vec<String>,
    /// The answer when nobody gives one in time.
    pub default: Option<Json>,
    /// When it was asked.
    pub asked: Time,
    /// Until when an answer is waited for.
    pub deadline: Option<Time>,
    /// Where it stands.
    pub status: QuestionStatus,
    /// The tool call, for an approval.
    pub approval: Option<Approval>,
    /// The limit, for a paused budget.
    pub budget: Option<crate::error::Limit>,
    /// Answers that did not fit.
    #[serde(default)]
    pub refused: Vec<RefusedAnswer>,
    /// The answer.
    pub answer: Option<Json>,
    /// Who answered.
    pub answered_by: Option<String>,
}

/// An answer that did not fit its question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefusedAnswer {
    /// When.
    pub time: Time,
    /// Who gave it.
    pub by: String,
    /// What was wrong with it.
    pub errors: Vec<String>,
}

impl Ask {
    /// A question with a form of its own.
    pub fn new(title: impl Into<String>, form: Schema) -> Self {
        Self {
            title: title.into(),
            text: None,
            form,
            known: Map::new(),
            missing: Vec::new(),
            timeout: None,
            default: None,
            kind: QuestionKind::Question,
            completes: false,
            position: String::new(),
            budget: None,
            approval: None,
        }
    }

    /// A question whose answer is a `T`.
    pub fn of<T: JsonSchema + 'static>(title: impl Into<String>) -> Self {
        Self::new(title, Schema::of::<T>())
    }

    pub(crate) fn incomplete(known: impl Serialize, missing: Vec<String>) -> Self {
        let known = match serde_json::to_value(known) {
            Ok(Json::Object(known)) => known,
            _ => Map::new(),
        };
        let properties: Map<String, Json> = missing
            .iter()
            .map(|name| (name.clone(), json!({"type": ["string", "number", "boolean"]})))
            .collect();
        let form = json!({
            "type": "object", "properties": properties, "required": missing, "additionalProperties": false,
        });
        let mut ask = Self::new(format!("missing: {}", missing.join(", ")), Schema::trusted(form));
        ask.known = known;
        ask.missing = missing;
        ask.completes = true;
        ask
    }
}
