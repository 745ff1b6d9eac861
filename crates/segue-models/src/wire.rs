//! Protocols: how a request is written and an answer read, one module each. Pure: nothing here sends anything.
//!
//! All of them stream, so that a provider that falls silent is noticed; what comes out is the assembled whole. The protocols
//! are our own over plain HTTP rather than genai's (0.7.2), which loses what the contract needs: keep-alive comments reset
//! its timeout, nothing caps what it reads, and usage that is not as expected becomes zero.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderMap;
use segue::model::{Image, Message, Request, Role};
use segue::plan::ModelSettings;
use serde_json::{Map, Value as Json, json};
use url::Url;

use crate::provider::{Api, Provider};

mod anthropic;
mod chat;
mod claude;
mod draft;
mod fit;
mod form;
mod gemini;
mod names;
mod ollama;
mod responses;
mod tally;
mod whole;

pub(crate) use anthropic::VERSION as ANTHROPIC_VERSION;
pub(crate) use draft::{Broken, Draft, End};
pub(crate) use fit::Fit;
pub(crate) use form::Form;
use names::Names;
pub(crate) use whole::events as events_of;

/// Most output tokens where a request does not say; the run always says.
const MAX_TOKENS: u32 = 4096;

/// What a request is written from.
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    pub(crate) provider: &'a Provider,
    /// The model as the provider names it.
    pub(crate) model: &'a str,
    /// How an answer that fits a schema is asked for.
    pub(crate) form: Form,
    /// The settings of the request, as far as this model takes them.
    settings: ModelSettings,
    names: Names,
}

/// A request as it is sent.
pub(crate) struct Written {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Json,
}

/// How events are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// One JSON value a line.
    Lines,
}

/// Reads the events of one answer into a draft.
pub(crate) trait Reader: Send {
    /// # Errors
    /// When the event is not one of the protocol, or says that there is no answer.
    fn take(&mut self, draft: &mut Draft, data: &str) -> Result<(), Broken>;
}

impl<'a> Asked<'a> {
    pub(crate) fn new(request: &'a Request, provider: &'a Provider, model: &'a str, form: Form) -> Self {
        Self {
            request,
            provider,
            model,
            form,
            settings: Fit::of(provider.api, model, &request.settings).settings,
            names: Names::of(&request.tools),
        }
    }

    /// The request in the provider's protocol.
    pub(crate) fn written(&self) -> Written {
        match self.provider.api {
            Api::Chat => chat::write(self),
            Api::Responses => responses::write(self),
            Api::Anthropic => anthropic::write(self),
            Api::Gemini => gemini::write(self),
            Api::Ollama => ollama::write(self),
        }
    }

    /// What an answer is, put together.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn answered(&self, draft: Draft) -> Result<segue::model::Response, Broken> {
        draft.whole(self)
    }

    /// The instructions, in one text, with what the answer has to fit where only words can say so.
    fn instructions(&self) -> String {
        let said = self.request.messages.iter();
        let said = said.filter(|message| message.role == Role::System && !message.text.is_empty());
        let mut parts: Vec<String> = said.map(|message| message.text.clone()).collect();
        if let Some(schema) = &self.request.output {
            parts.extend(self.form.told(schema));
        }
        parts.join("\n\n")
    }

    /// What was said after the instructions.
    fn talk(&self) -> impl Iterator<Item = &'a Message> + use<'a> {
        let said = self.request.messages.iter();
        said.filter(|message| message.role != Role::System)
    }

    /// The whole conversation as a list, the instructions first.
    fn listed(&self, said: impl Fn(&'a Message) -> Json) -> Vec<Json> {
        let instructions = self.instructions();
        let system = (!instructions.is_empty()).then(|| json!({"role": "system", "content": instructions}));
        system.into_iter().chain(self.talk().map(said)).collect()
    }

    /// What was said, with everything one side says in a row together: each with who says it.
    fn by_side(
        &self,
        said: impl Fn(&'a Message) -> (&'static str, Vec<Json>),
    ) -> Vec<(&'static str, Vec<Json>)> {
        let mut sides: Vec<(&'static str, Vec<Json>)> = Vec::new();
        for message in self.talk() {
            let (role, parts) = said(message);
            match sides.last_mut() {
                Some((last, before)) if *last == role => before.extend(parts),
                _ if parts.is_empty() => {}
                _ => sides.push((role, parts)),
            }
        }
        sides
    }

    fn max_tokens(&self) -> u32 {
        self.settings.max_tokens.unwrap_or(MAX_TOKENS)
    }

    /// How much it thinks: `low medium high`, or none where nothing is said or it must not.
    fn thinks(&self) -> Option<&str> {
        thinks(&self.settings)
    }

    /// Whether it must not think.
    fn thinks_not(&self) -> bool {
        thinks_not(&self.settings)
    }

    /// What this very model wanted to get back with a message.
    fn opaque(&self, message: &'a Message) -> Option<&'a Json> {
        let opaque = message.opaque.as_ref()?;
        (opaque.get("model").and_then(Json::as_str) == Some(self.name().as_str())).then(|| &opaque["kept"])
    }

    /// What goes back with the next request, so that only this model gets it.
    fn to_keep(&self, kept: Json) -> Json {
        json!({"model": self.name(), "kept": kept})
    }

    fn name(&self) -> String {
        format!("{}/{}", self.provider.name, self.model)
    }

    /// The tool whose call a message is the result of.
    fn tool_of(&self, result: &Message) -> &'a str {
        let calls = self.request.messages.iter().rev();
        let mut calls = calls.flat_map(|message| &message.tool_calls);
        let call = calls.find(|call| Some(&call.id) == result.call.as_ref());
        call.map_or("", |call| call.tool.as_str())
    }

    /// The id of the n-th call of this answer, where the provider gives none: no other of the conversation has it.
    fn call_id(&self, n: usize) -> String {
        let before: usize = self
            .request
            .messages
            .iter()
            .map(|message| message.tool_calls.len())
            .sum();
        format!("{OWN_ID}{}", before + n)
    }
}

fn thinks(settings: &ModelSettings) -> Option<&str> {
    settings.reasoning.as_deref().filter(|word| *word != "none")
}

fn thinks_not(settings: &ModelSettings) -> bool {
    settings.reasoning.as_deref() == Some("none")
}

/// What ids of our own begin with.
const OWN_ID: &str = "call_";

/// The reader of a protocol.
pub(crate) fn reader(api: Api) -> Box<dyn Reader> {
    match api {
        Api::Chat => Box::new(chat::ChatReader),
        Api::Responses => Box::<responses::ResponsesReader>::default(),
        Api::Anthropic => Box::<anthropic::AnthropicReader>::default(),
        Api::Gemini => Box::<gemini::GeminiReader>::default(),
        Api::Ollama => Box::<ollama::OllamaReader>::default(),
    }
}

/// How the events of a protocol are told apart.
pub(crate) fn framing(api: Api) -> Framing {
    match api {
        Api::Ollama => Framing::Lines,
        _ => Framing::Events,
    }
}

/// One event.
///
/// # Errors
/// When it is no object, or an error.
fn object(data: &str) -> Result<Json, Broken> {
    let event: Json = serde_json::from_str(data)
        .map_err(|error| Broken::Reply(format!("sent an event that is not JSON ({error}): {data}")))?;
    if !event.is_object() {
        return Err(Broken::Reply(format!("sent an event that is no object: {data}")));
    }
    match event.get("error") {
        None | Some(Json::Null) => Ok(event),
        Some(error) => Err(Broken::Error(error.clone())),
    }
}

/// Arguments as the object some protocols want, also where a model gave something else.
fn as_object(arguments: &Json) -> Json {
    match arguments {
        Json::Object(_) => arguments.clone(),
        other => json!({"arguments": other}),
    }
}

/// Arguments as the text other protocols want.
fn as_text(arguments: &Json) -> String {
    match arguments {
        Json::String(raw) => raw.clone(),
        other => other.to_string(),
    }
}

fn base64_of(image: &Image) -> String {
    BASE64_STANDARD.encode(image.content())
}

fn data_url(image: &Image) -> String {
    image.to_data_url()
}

/// Sets a field where there is something to say.
fn put(fields: &mut Map<String, Json>, name: &str, value: Option<impl Into<Json>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}
