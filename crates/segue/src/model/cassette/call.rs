//! One recorded call: the request as the model saw it, and what came of it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::error::{ErrorKind, Failure};
use crate::model::{Message, Request, Response};
use crate::money::{Cost, Nanousd, optional_decimal};
use crate::plan::{ModelSettings, hash_of};
use crate::tool::ToolSpec;

/// A recorded model call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelCall {
    /// Path of the step that made it; for whoever reads, never compared.
    pub(super) step: String,
    /// Its agent; never compared.
    pub(super) agent: String,
    /// The model as it was asked for.
    pub(super) model: String,
    /// The model that answered.
    pub(super) answered_by: String,
    pub(super) request: RecordedRequest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<Response>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<RecordedError>,
    /// What it cost; none where the model had no price.
    #[serde(default, with = "optional_decimal", skip_serializing_if = "Option::is_none")]
    pub(super) cost_usd: Option<Nanousd>,
}

/// A request as a model saw it. Tools are named and stand at the end of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedRequest {
    /// The conversation.
    pub messages: Vec<Message>,
    /// The type of the answer; none is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    /// The tools it could call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Temperature and so on.
    #[serde(default, skip_serializing_if = "ModelSettings::is_empty")]
    pub settings: ModelSettings,
}

/// An error that a call ended with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedError {
    /// Which kind.
    pub kind: ErrorKind,
    /// What it said.
    pub message: String,
    /// The pause the provider asked for, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// A recorded tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolCall {
    /// Path of the step that made it; never compared.
    pub(super) step: String,
    pub(super) tool: String,
    pub(super) arguments: Json,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<RecordedError>,
}

impl ModelCall {
    /// What a request has to be for this call to answer it.
    pub(super) fn key(&self, tools: &IndexMap<String, ToolSpec>) -> String {
        hash_of(&self.canonical(tools))
    }

    /// The request with its tools written out.
    pub(super) fn canonical(&self, tools: &IndexMap<String, ToolSpec>) -> Json {
        let request = &self.request;
        let tools = request.tools.iter().map(|name| match tools.get(name) {
            Some(spec) => told(spec),
            None => json!({ "name": name }),
        });
        canonical(
            &json!(request.messages),
            request.output.as_ref(),
            tools.collect(),
            &request.settings,
        )
    }

    /// What came of it.
    pub(super) fn outcome(&self) -> Result<Response, Failure> {
        match (&self.response, &self.error) {
            (Some(response), _) => Ok(response.clone()),
            (None, Some(error)) => Err(error.failure()),
            (None, None) => Err(Failure::new(
                ErrorKind::Internal,
                "the recorded call has no outcome",
            )),
        }
    }

    /// What it cost when it was recorded.
    pub(super) fn cost(&self) -> Cost {
        self.cost_usd.map_or(Cost::unpriced(), Cost::of)
    }
}

impl ToolCall {
    pub(super) fn key(&self) -> String {
        tool_key(&self.tool, &self.arguments)
    }
}

/// What a tool call has to be for a recorded one to answer it.
pub(super) fn tool_key(tool: &str, arguments: &Json) -> String {
    hash_of(&json!([tool, arguments]))
}

impl RecordedError {
    pub(super) fn of(failure: &Failure) -> Self {
        Self {
            kind: failure.kind,
            message: failure.message.clone(),
            retry_after_ms: failure.retry_after_ms,
        }
    }

    pub(super) fn failure(&self) -> Failure {
        Failure {
            retry_after_ms: self.retry_after_ms,
            ..Failure::new(self.kind, self.message.clone())
        }
    }
}

/// A request as recorded ones are compared with it.
pub(super) fn canonical_of(request: &Request) -> Json {
    let output = request.output.as_ref().map(crate::schema::Schema::as_json);
    let tools = request.tools.iter().map(told).collect();
    canonical(&json!(request.messages), output, tools, &request.settings)
}

/// The most output tokens are left aside: a budget may have lowered them.
fn canonical(messages: &Json, output: Option<&Json>, tools: Vec<Json>, settings: &ModelSettings) -> Json {
    let mut settings = settings.clone();
    settings.max_tokens = None;
    json!({"messages": messages, "output": output, "tools": tools, "settings": settings})
}

/// What a model is told of a tool.
fn told(spec: &ToolSpec) -> Json {
    json!({"name": spec.name, "description": spec.description, "parameters": spec.parameters})
}
