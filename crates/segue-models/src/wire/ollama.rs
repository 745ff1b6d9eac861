//! Ollama's own chat: one JSON value a line. Calls have no ids, so they get some here.

use reqwest::header::HeaderMap;
use segue::Usage;
use segue::model::{Finish, Message, Role};
use serde_json::{Map, Value as Json, json};

use super::tally::{Tally, sound};
use super::{Asked, Broken, Draft, End, Form, Reader, Written, as_object, base64_of, chat, object, put};

pub(super) fn write(asked: &Asked<'_>) -> Written {
    let settings = &asked.settings;
    let mut body = Map::new();
    body.insert("model".to_owned(), asked.model.into());
    body.insert(
        "messages".to_owned(),
        asked.listed(|message| said(asked, message)).into(),
    );
    body.insert("stream".to_owned(), true.into());
    let tools: Vec<Json> = asked
        .request
        .tools
        .iter()
        .map(|tool| chat::function(asked, tool))
        .collect();
    put(&mut body, "tools", Some(tools).filter(|tools| !tools.is_empty()));
    if let (Form::Native, Some(schema)) = (asked.form, &asked.request.output) {
        body.insert("format".to_owned(), schema.as_json().clone());
    }
    if asked.thinks_not() {
        body.insert("think".to_owned(), false.into());
    }
    put(&mut body, "think", asked.thinks());
    let mut options = Map::new();
    options.insert("num_predict".to_owned(), asked.max_tokens().into());
    put(&mut options, "temperature", settings.temperature);
    put(&mut options, "top_p", settings.top_p);
    put(&mut options, "seed", settings.seed);
    put(&mut options, "stop", settings.stop.clone());
    body.insert("options".to_owned(), options.into());
    Written {
        url: asked.provider.url(&["api", "chat"]),
        headers: HeaderMap::new(),
        body: body.into(),
    }
}

fn said(asked: &Asked<'_>, message: &Message) -> Json {
    match message.role {
        Role::System | Role::User => {
            let mut said = json!({"role": "user", "content": message.text});
            if !message.images.is_empty() {
                said["images"] = message.images.iter().map(base64_of).collect();
            }
            said
        }
        Role::Assistant => {
            let mut said = json!({"role": "assistant", "content": message.text});
            if let Some(thoughts) = asked.opaque(message).filter(|kept| kept.is_string()) {
                said["thinking"] = thoughts.clone();
            }
            let calls: Vec<Json> = message
                .tool_calls
                .iter()
                .map(|call| {
                    json!({"function": {
                        "name": asked.names.sent(&call.tool), "arguments": as_object(&call.arguments),
                    }})
                })
                .collect();
            if !calls.is_empty() {
                said["tool_calls"] = calls.into();
            }
            said
        }
        Role::Tool => {
            let tool = asked.names.sent(asked.tool_of(message));
            json!({"role": "tool", "tool_name": tool, "content": message.text})
        }
    }
}

/// Reads lines until the one that is `done`.
#[derive(Default)]
pub(super) struct OllamaReader {
    /// What it thinks; it gets that back with the results of the tools it wants.
    thoughts: String,
}

impl Reader for OllamaReader {
    fn take(&mut self, draft: &mut Draft, data: &str) -> Result<(), Broken> {
        let line = object(data)?;
        let message = &line["message"];
        let text = |name: &str| message.get(name).and_then(Json::as_str).unwrap_or_default();
        draft.text.push_str(text("content"));
        draft.unseen += text("thinking").len();
        self.thoughts.push_str(text("thinking"));
        for call in message
            .get("tool_calls")
            .and_then(Json::as_array)
            .into_iter()
            .flatten()
        {
            let function = &call["function"];
            let name = function.get("name").and_then(Json::as_str).unwrap_or_default();
            let id = call.get("id").and_then(Json::as_str).unwrap_or_default();
            draft.whole_call(id, name, function.get("arguments").unwrap_or(&Json::Null))?;
        }
        if line.get("done") == Some(&Json::Bool(true)) {
            draft.finish = Some(finish(line.get("done_reason"))?);
            draft.usage = usage_of(&line);
            if !draft.calls.is_empty() && !self.thoughts.is_empty() {
                draft.kept = Some(std::mem::take(&mut self.thoughts).into());
            }
            draft.end = End::Over;
        }
        Ok(())
    }
}

fn finish(reason: Option<&Json>) -> Result<Finish, Broken> {
    match reason.and_then(Json::as_str) {
        Some("stop") => Ok(Finish::Stop),
        Some("length") => Ok(Finish::Length),
        _ => {
            let reason = reason.unwrap_or(&Json::Null);
            Err(Broken::Reply(format!(
                "ended its answer for an unknown reason: {reason}"
            )))
        }
    }
}

fn usage_of(line: &Json) -> Option<Usage> {
    let tally = Tally(line);
    sound(Usage {
        input_tokens: tally.count(&["prompt_eval_count"])?,
        output_tokens: tally.count(&["eval_count"])?,
        ..Usage::default()
    })
}
