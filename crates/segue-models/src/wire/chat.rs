//! OpenAI's chat completions, and what most other servers understand of them.
//!
//! Where the two differ, a provider called `openai` is spoken to as OpenAI wants it (`max_completion_tokens`), every other as
//! compatible servers do (`max_tokens`).

use reqwest::header::HeaderMap;
use segue::Usage;
use segue::model::{Finish, Message, Role};
use serde_json::{Map, Value as Json, json};

use super::tally::{self, Tally, sound};
use super::{Asked, Broken, Draft, End, Form, Reader, Written, as_text, data_url, object, put};

pub(super) fn write(asked: &Asked<'_>) -> Written {
    let settings = &asked.settings;
    let mut body = Map::new();
    body.insert("model".to_owned(), asked.model.into());
    body.insert(
        "messages".to_owned(),
        asked.listed(|message| said(asked, message)).into(),
    );
    body.insert("stream".to_owned(), true.into());
    body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    let most = match asked.provider.name.as_str() {
        "openai" => "max_completion_tokens",
        _ => "max_tokens",
    };
    body.insert(most.to_owned(), asked.max_tokens().into());
    put(&mut body, "temperature", settings.temperature);
    put(&mut body, "top_p", settings.top_p);
    put(&mut body, "seed", settings.seed);
    put(&mut body, "stop", settings.stop.clone());
    put(&mut body, "reasoning_effort", settings.reasoning.clone());
    let tools: Vec<Json> = asked
        .request
        .tools
        .iter()
        .map(|tool| function(asked, tool))
        .collect();
    put(&mut body, "tools", Some(tools).filter(|tools| !tools.is_empty()));
    put(&mut body, "response_format", format(asked));
    Written {
        url: asked.provider.url(&["chat", "completions"]),
        headers: HeaderMap::new(),
        body: body.into(),
    }
}

/// A tool, as Ollama takes it too.
pub(super) fn function(asked: &Asked<'_>, tool: &segue::ToolSpec) -> Json {
    json!({"type": "function", "function": {
        "name": asked.names.sent(&tool.name),
        "description": tool.description,
        "parameters": tool.parameters,
    }})
}

fn format(asked: &Asked<'_>) -> Option<Json> {
    let schema = asked.request.output.as_ref()?;
    match asked.form {
        Form::Native => Some(json!({"type": "json_schema", "json_schema": {
            "name": "answer", "schema": schema.as_json(), "strict": true,
        }})),
        Form::Object => Some(json!({"type": "json_object"})),
        _ => None,
    }
}

fn said(asked: &Asked<'_>, message: &Message) -> Json {
    match message.role {
        Role::System | Role::User if message.images.is_empty() => {
            json!({"role": "user", "content": message.text})
        }
        Role::System | Role::User => {
            let text = json!({"type": "text", "text": message.text});
            let images = message.images.iter();
            let images =
                images.map(|image| json!({"type": "image_url", "image_url": {"url": data_url(image)}}));
            let parts = std::iter::once(text).chain(images).collect::<Vec<_>>();
            json!({"role": "user", "content": parts})
        }
        Role::Assistant if message.tool_calls.is_empty() => {
            json!({"role": "assistant", "content": message.text})
        }
        Role::Assistant => {
            let text = Some(&message.text).filter(|text| !text.is_empty());
            let calls: Vec<Json> = message
                .tool_calls
                .iter()
                .map(|call| {
                    json!({"id": call.id, "type": "function", "function": {
                        "name": asked.names.sent(&call.tool), "arguments": as_text(&call.arguments),
                    }})
                })
                .collect();
            json!({"role": "assistant", "content": text, "tool_calls": calls})
        }
        Role::Tool => json!({"role": "tool", "tool_call_id": message.call, "content": message.text}),
    }
}

/// Reads chunks until `[DONE]`.
pub(super) struct ChatReader;

impl Reader for ChatReader {
    fn take(&mut self, draft: &mut Draft, data: &str) -> Result<(), Broken> {
        if data.trim() == "[DONE]" {
            draft.end = End::Over;
            return Ok(());
        }
        let chunk = object(data)?;
        if let Some(usage) = chunk.get("usage").filter(|usage| !usage.is_null()) {
            draft.usage = usage_of(usage);
        }
        // The last chunk has usage and no choice; only one choice is ever asked for.
        let Some(choice) = chunk.get("choices").and_then(|choices| choices.get(0)) else {
            return Ok(());
        };
        let delta = &choice["delta"];
        let text = |name: &str| delta.get(name).and_then(Json::as_str).unwrap_or_default();
        draft.text.push_str(text("content"));
        draft.refusal.push_str(text("refusal"));
        // Two names that servers of open models give their thoughts.
        draft.unseen += text("reasoning_content").len() + text("reasoning").len();
        for call in delta
            .get("tool_calls")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            read_call(draft, call)?;
        }
        match choice.get("finish_reason") {
            None | Some(Json::Null) => Ok(()),
            Some(reason) => {
                draft.finish = Some(finish(reason)?);
                Ok(())
            }
        }
    }
}

fn read_call(draft: &mut Draft, delta: &Json) -> Result<(), Broken> {
    let text = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or_default().to_owned();
    let id = text(delta.get("id"));
    let function = &delta["function"];
    let name = text(function.get("name"));
    // Some servers give no number and each call as a whole: whatever has an id of its own is a call of its own.
    let slot = match delta.get("index").and_then(Json::as_u64) {
        Some(index) => index,
        None => {
            let is_new = !id.is_empty() && draft.calls.iter().all(|call| call.id != id);
            (draft.calls.len() as u64).saturating_sub(u64::from(!is_new))
        }
    };
    let call = draft.call(slot)?;
    if call.id.is_empty() {
        call.id = id;
    }
    if call.tool.is_empty() {
        call.tool = name;
    }
    match function.get("arguments") {
        None | Some(Json::Null) => {}
        Some(Json::String(piece)) => call.arguments.push_str(piece),
        Some(value) => call.arguments.push_str(&value.to_string()),
    }
    Ok(())
}

fn finish(reason: &Json) -> Result<Finish, Broken> {
    match reason.as_str() {
        Some("stop") => Ok(Finish::Stop),
        Some("length") => Ok(Finish::Length),
        Some("tool_calls" | "function_call") => Ok(Finish::ToolCalls),
        Some("content_filter") => Ok(Finish::Refused),
        _ => Err(Broken::Reply(format!(
            "ended its answer for an unknown reason: {reason}"
        ))),
    }
}

fn usage_of(usage: &Json) -> Option<Usage> {
    let tally = Tally(usage);
    let (input, output) = ("prompt_tokens_details", "completion_tokens_details");
    let (input_tokens, read) = (
        tally.count(&["prompt_tokens"])?,
        tally.or_zero(&[input, "cached_tokens"])?,
    );
    let written = tally.or_zero(&[input, "cache_write_tokens"])?;
    sound(Usage {
        input_tokens,
        output_tokens: tally.count(&["completion_tokens"])?,
        cache_read_tokens: read,
        cache_write_tokens: tally::rest(input_tokens, read, written),
        reasoning_tokens: tally.or_zero(&[output, "reasoning_tokens"])?,
        audio_tokens: tally.or_zero(&[input, "audio_tokens"])? + tally.or_zero(&[output, "audio_tokens"])?,
        ..Usage::default()
    })
}
