//! Models that answer in process: `local/extractive`, and `sim/schema`, which only simulates.

use futures_util::future::{BoxFuture, FutureExt, ready};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{Model, Request, Response, Role, extractive, sample, tokens_of};
use crate::error::Failure;
use crate::usage::Usage;

/// `local/extractive`: sentences, key terms, labels and measures taken from the text it is given. Deterministic, free,
/// and no language model: its answers are as good as what stands in the text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Extractive;

/// `sim/schema`: an answer that fits the schema, equal for equal requests. It says nothing about the request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sampled;

impl Model for Extractive {
    fn name(&self) -> &str {
        "local/extractive"
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        let instructions = text_of(request, |role| role == Role::System);
        let text = text_of(request, |role| matches!(role, Role::User | Role::Tool));
        let ask = extractive::Ask {
            instructions: &instructions,
            text: &text,
            schema: request.output.as_ref().map(super::super::schema::Schema::as_json),
            max_words: request
                .settings
                .max_tokens
                .map(|tokens| (tokens as usize).min(60)),
        };
        ready(Ok(response(request, &extractive::answer(&ask)))).boxed()
    }
}

impl Model for Sampled {
    fn name(&self) -> &str {
        "sim/schema"
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        let mut hash = Sha256::new();
        for message in &request.messages {
            hash.update(message.text.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        let mut seed = [0u8; 8];
        seed.copy_from_slice(&digest[..8]);
        let text_schema = serde_json::json!({"type": "string"});
        let schema = request
            .output
            .as_ref()
            .map_or(&text_schema, |schema| schema.as_json());
        ready(Ok(response(
            request,
            &sample::sample(schema, u64::from_le_bytes(seed)),
        )))
        .boxed()
    }
}

/// An answer with the usage of the estimate, so that a walk through a pipeline shows what it would use.
fn response(request: &Request, value: &Json) -> Response {
    let text = match value {
        Json::String(text) if request.output.is_none() => text.clone(),
        value => value.to_string(),
    };
    let usage = Usage {
        input_tokens: request.input_tokens(),
        output_tokens: tokens_of(&text),
        ..Usage::default()
    };
    Response {
        usage: Some(usage),
        ..Response::text(text)
    }
}

fn text_of(request: &Request, is: impl Fn(Role) -> bool) -> String {
    let texts: Vec<&str> = request
        .messages
        .iter()
        .filter(|message| is(message.role))
        .map(|message| message.text.as_str())
        .collect();
    texts.join("\n\n")
}
