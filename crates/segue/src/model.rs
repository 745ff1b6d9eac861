//! Models: what answers an agent's requests, behind one trait.
//!
//! This crate has the models that need no network: [`Extractive`] works on the text it is given, [`Sampled`] and
//! [`Scripted`] simulate, [`mod@cassette`] plays what was recorded. Hosted providers implement the same trait in a crate of their own. Which model a name means
//! is decided by [`Models`] before a run starts; nothing is simulated that was not asked for by name.

use std::fmt;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{ErrorKind, Failure};
use crate::money::Cost;
use crate::plan::ModelSettings;
use crate::schema::Schema;
use crate::tool::ToolSpec;
use crate::usage::Usage;

pub mod cassette;
mod catalog;
pub mod extractive;
mod gate;
mod image;
mod listener;
mod local;
pub mod sample;
pub(crate) mod script;

pub use catalog::{Chosen, Found, ModelSource, Models};
pub use gate::{CIRCUIT, Gate, Pass, Told, Wait, WaitReason};
pub use image::Image;
pub use listener::Listener;
pub use local::{Extractive, Sampled};
pub use script::{Malformed, Rule, Scripted};

/// Something that answers requests.
///
/// A model makes exactly one try: retries, repairs, limits, prices and the record are the run's. Only the policy of the
/// step repeats a call; neither a model nor its gate does.
pub trait Model: Send + Sync + 'static {
    /// `provider/model`, for example `local/extractive`; names its price.
    fn name(&self) -> &str;

    /// Answers one request. Dropping the future aborts the call.
    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>>;

    /// What its calls have to go through, where they share something with others: the limits of a key, for example.
    fn gate(&self) -> Option<&dyn Gate> {
        None
    }

    /// Answers one request, and says whether the answer was given before. Only models that play recorded answers have
    /// to say more than [`Model::answer`] does, and those that stand before another model.
    fn answered<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answered> {
        Box::pin(async move {
            Answered {
                result: self.answer(request).await,
                recorded: None,
            }
        })
    }

    /// What of these settings a request to it leaves out or changes, in words that follow the model's name; a note of the run
    /// says so. Empty where it takes all of them.
    ///
    /// ```
    /// use segue::Model;
    /// use segue::model::Extractive;
    /// use segue::plan::ModelSettings;
    ///
    /// let settings = ModelSettings { seed: Some(7), ..ModelSettings::default() };
    /// assert!(Extractive.unsent(&settings).is_empty(), "there is nothing to ask a provider for");
    /// ```
    fn unsent(&self, settings: &ModelSettings) -> Vec<String> {
        let _ = settings;
        Vec::new()
    }

    /// What it remembers of a run, where its answers depend on that. No hosted model does.
    fn memory(&self) -> Option<&dyn Memory> {
        None
    }
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The answer, or why there is none.
    pub result: Result<Response, Failure>,
    /// Where it was given before, what it cost then. It costs nothing now.
    pub recorded: Option<Cost>,
}

/// What a model remembers of the runs it has answered, which another process has to be told when it takes one up.
pub trait Memory {
    /// Nothing is remembered of this run.
    fn forget(&self, run: &str);

    /// This request was answered.
    fn recall(&self, request: &Request);
}

/// One request to a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    /// The conversation so far; the first message is the instructions.
    pub messages: Vec<Message>,
    /// What the answer must fit; none is free text.
    pub output: Option<Schema>,
    /// What the model may call.
    pub tools: Vec<ToolSpec>,
    /// Temperature, most tokens and so on; `max_tokens` is always there.
    pub settings: ModelSettings,
    /// The same for the same call after a crash.
    pub idempotency_key: String,
    /// Who asks, for models that answer by rules: never sent to a provider.
    #[serde(skip)]
    pub from: From,
    /// Who hears the answer while it is written.
    #[serde(skip)]
    pub listener: Listener,
}

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct From {
    /// The run, as text; what a script counts `times` by.
    pub run: String,
    /// Path of the step, map items included.
    pub step: String,
    /// The agent.
    pub agent: String,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The kind of error that the attempt before failed with; none in a first attempt, and where the step itself asked for
    /// another.
    pub after: Option<ErrorKind>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The instructions.
    System,
    /// The request, and what the run says.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub text: String,
    /// What the model wants to call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What is shown with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// What the model that said it wants to get back with it, as in [`Response::opaque`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Json>,
}

impl Message {
    /// A message of plain text.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            tool_calls: Vec::new(),
            call: None,
            images: Vec::new(),
            opaque: None,
        }
    }
}

/// A tool call a model wants made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's id for it.
    pub id: String,
    /// The tool.
    pub tool: String,
    /// Its arguments, as the model gave them.
    pub arguments: Json,
}

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Its text; JSON as text where a schema was asked for.
    pub text: String,
    /// Tool calls it wants made before it goes on.
    pub tool_calls: Vec<ToolCall>,
    /// Why it stopped.
    pub finish: Finish,
    /// What it used, where the model says so.
    pub usage: Option<Usage>,
    /// What this model wants to get back with the answer when the conversation goes on: signed thoughts, for example.
    /// Nobody else reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<Json>,
}

impl Response {
    /// An answer of plain text whose usage is counted here.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tool_calls: Vec::new(),
            finish: Finish::Stop,
            usage: None,
            opaque: None,
        }
    }
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// It was done.
    Stop,
    /// It reached its most tokens: the answer is cut.
    Length,
    /// It wants tools called.
    ToolCalls,
    /// It refused.
    Refused,
}

impl fmt::Display for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::ToolCalls => "tool_calls",
            Finish::Refused => "refused",
        })
    }
}

/// An upper estimate of the tokens of a text, used for reservations and where a model does not say what it used.
///
/// One token for every three bytes, rounded up: common tokenizers need about one for four bytes of English and more
/// for other scripts, whose characters have more bytes.
#[must_use]
pub fn tokens_of(text: &str) -> u64 {
    (text.len() as u64).div_ceil(BYTES_PER_TOKEN)
}

/// How many bytes of text an estimated token has.
pub(crate) const BYTES_PER_TOKEN: u64 = 3;

impl Request {
    /// An upper estimate of its input tokens, with eight for the frame of each message.
    #[must_use]
    pub fn input_tokens(&self) -> u64 {
        let mut tokens = 0;
        for message in &self.messages {
            tokens += 8 + tokens_of(&message.text);
            tokens += Image::TOKENS * message.images.len() as u64;
            for call in &message.tool_calls {
                tokens += 8 + tokens_of(&call.arguments.to_string());
            }
        }
        let schema = self
            .output
            .as_ref()
            .map_or(0, |schema| tokens_of(&schema.as_json().to_string()));
        let tools: u64 = self
            .tools
            .iter()
            .map(|tool| 8 + tokens_of(&tool.description) + tokens_of(&tool.parameters.to_string()))
            .sum();
        tokens + schema + tools
    }
}
