//! OpenAI's responses. Nothing is stored there: each request has the whole conversation, and thoughts travel encrypted.

use reqwest::header::HeaderMap;
use segue::Usage;
use segue::model::{Finish, Message, Role};
use serde_json::{Map, Value as Json, json};

use super::tally::{self, Tally, sound};
use super::{Asked, Broken, Draft, End, Form, Reader, Written, as_text, data_url, object, put};

/// The phase of a text that is the answer.
const FINAL: &str = "final_answer";

pub(super) fn write(asked: &Asked<'_>) -> Written {
    let settings = &asked.settings;
    let mut body = Map::new();
    body.insert("model".to_owned(), asked.model.into());
    let instructions = asked.instructions();
    put(
        &mut body,
        "instructions",
        Some(instructions).filter(|text| !text.is_empty()),
    );
    let input: Vec<Json> = asked.talk().flat_map(|message| items(asked, message)).collect();
    body.insert("input".to_owned(), input.into());
    body.insert("stream".to_owned(), true.into());
    body.insert("store".to_owned(), false.into());
    body.insert("max_output_tokens".to_owned(), asked.max_tokens().into());
    put(&mut body, "temperature", settings.temperature);
    put(&mut body, "top_p", settings.top_p);
    if let Some(effort) = &settings.reasoning {
        body.insert("reasoning".to_owned(), json!({"effort": effort}));
    }
    if asked.thinks().is_some() {
        body.insert("include".to_owned(), json!(["reasoning.encrypted_content"]));
    }
    let tools: Vec<Json> = asked
        .request
        .tools
        .iter()
        .map(|tool| function(asked, tool))
        .collect();
    put(&mut body, "tools", Some(tools).filter(|tools| !tools.is_empty()));
    put(&mut body, "text", format(asked));
    Written {
        url: asked.provider.url(&["responses"]),
        headers: HeaderMap::new(),
        body: body.into(),
    }
}

fn function(asked: &Asked<'_>, tool: &segue::ToolSpec) -> Json {
    // Strict is the default here, and refuses schemas that tools have; the run checks arguments anyway.
    json!({
        "type": "function",
        "name": asked.names.sent(&tool.name),
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": false,
    })
}

fn format(asked: &Asked<'_>) -> Option<Json> {
    let schema = asked.request.output.as_ref()?;
    let format = match asked.form {
        Form::Native => {
            json!({"type": "json_schema", "name": "answer", "schema": schema.as_json(), "strict": true})
        }
        Form::Object => json!({"type": "json_object"}),
        _ => return None,
    };
    Some(json!({"format": format}))
}

fn items(asked: &Asked<'_>, message: &Message) -> Vec<Json> {
    match message.role {
        Role::System | Role::User => {
            let text = json!({"type": "input_text", "text": message.text});
            let images = message.images.iter();
            let images = images
                .map(|image| json!({"type": "input_image", "detail": "auto", "image_url": data_url(image)}));
            let parts: Vec<Json> = std::iter::once(text).chain(images).collect();
            vec![json!({"role": "user", "content": parts})]
        }
        Role::Assistant => {
            let kept = asked.opaque(message).and_then(Json::as_array);
            let (phases, mut items): (Vec<Json>, Vec<Json>) = kept
                .cloned()
                .unwrap_or_default()
                .into_iter()
                .partition(|item| item.get("phase").is_some());
            if !message.text.is_empty() || message.tool_calls.is_empty() {
                let mut said = json!({"role": "assistant", "content": message.text});
                if let Some(kept) = phases.first() {
                    said["phase"] = kept["phase"].clone();
                }
                items.push(said);
            }
            items.extend(message.tool_calls.iter().map(|call| {
                json!({
                    "type": "function_call", "call_id": call.id, "name": asked.names.sent(&call.tool),
                    "arguments": as_text(&call.arguments),
                })
            }));
            items
        }
        Role::Tool => {
            vec![json!({"type": "function_call_output", "call_id": message.call, "output": message.text})]
        }
    }
}

/// Reads events until the one that has the whole response.
#[derive(Default)]
pub(super) struct ResponsesReader {
    /// Items that are done, for servers whose last event repeats none.
    items: Vec<Json>,
}

impl Reader for ResponsesReader {
    fn take(&mut self, draft: &mut Draft, data: &str) -> Result<(), Broken> {
        let event: Json = serde_json::from_str(data)
            .map_err(|error| Broken::Reply(format!("sent an event that is not JSON ({error}): {data}")))?;
        let delta = event.get("delta").and_then(Json::as_str).unwrap_or_default();
        match event.get("type").and_then(Json::as_str) {
            Some("response.output_text.delta") => draft.text.push_str(delta),
            Some("response.refusal.delta") => draft.refusal.push_str(delta),
            Some("response.output_item.done") => self.items.extend(event.get("item").cloned()),
            Some("response.completed" | "response.incomplete") => self.ends(draft, &event["response"])?,
            Some("response.failed") => return Err(Broken::Error(event["response"]["error"].clone())),
            Some("error") => {
                // An object in the event in one version, its fields in the event itself in another.
                let error = event.get("error").filter(|error| error.is_object());
                return Err(Broken::Error(error.unwrap_or(&event).clone()));
            }
            // Thoughts and arguments come again as a whole; here they are signs of life.
            Some(_) if !delta.is_empty() => draft.unseen += delta.len(),
            Some(_) => {}
            None => {
                object(data)?;
                return Err(Broken::Reply(format!("sent an event without a type: {data}")));
            }
        }
        Ok(())
    }
}

impl ResponsesReader {
    fn ends(&mut self, draft: &mut Draft, response: &Json) -> Result<(), Broken> {
        let items = response.get("output").and_then(Json::as_array);
        let items = match items {
            Some(items) if !items.is_empty() => items.clone(),
            _ => std::mem::take(&mut self.items),
        };
        (draft.unseen, draft.finish) = (0, Some(finish(response)?));
        let (mut said, mut refusal, mut kept) = (Vec::new(), String::new(), Vec::new());
        for item in &items {
            match item.get("type").and_then(Json::as_str) {
                Some("message") => {
                    let mut text = String::new();
                    for part in item.get("content").and_then(Json::as_array).into_iter().flatten() {
                        text.push_str(part.get("text").and_then(Json::as_str).unwrap_or_default());
                        refusal.push_str(part.get("refusal").and_then(Json::as_str).unwrap_or_default());
                    }
                    said.push((item.get("phase").and_then(Json::as_str), text));
                }
                Some("function_call") => {
                    let field = |name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default();
                    draft.whole_call(field("call_id"), field("name"), &item["arguments"])?;
                }
                // A thought without its encrypted content is only a name for something that is not stored.
                Some("reasoning") if item.get("encrypted_content").is_some_and(Json::is_string) => {
                    kept.push(item.clone());
                }
                _ => {}
            }
        }
        // What it says on its way is no part of the answer it comes to.
        if said.iter().any(|(phase, _)| *phase == Some(FINAL)) {
            said.retain(|(phase, _)| *phase == Some(FINAL));
        }
        // It wants to be told again which of the two a text was.
        kept.extend(
            said.iter()
                .rev()
                .find_map(|(phase, _)| *phase)
                .map(|phase| json!({"phase": phase})),
        );
        let text: String = said.into_iter().map(|(_, text)| text).collect();
        if !text.is_empty() {
            draft.text = text;
        }
        if !refusal.is_empty() {
            draft.refusal = refusal;
        }
        draft.kept = (!kept.is_empty()).then(|| kept.into());
        draft.usage = response.get("usage").and_then(usage_of);
        draft.end = End::Over;
        Ok(())
    }
}

fn finish(response: &Json) -> Result<Finish, Broken> {
    let status = response.get("status").and_then(Json::as_str);
    let reason = response["incomplete_details"].get("reason");
    match (status, reason.and_then(Json::as_str)) {
        (Some("completed"), _) => Ok(Finish::Stop),
        (Some("incomplete"), Some("max_output_tokens")) => Ok(Finish::Length),
        (Some("incomplete"), Some("content_filter")) => Ok(Finish::Refused),
        (status, reason) => {
            let (status, reason) = (status.unwrap_or("none"), reason.unwrap_or("none"));
            Err(Broken::Reply(format!(
                "ended its answer with status `{status}` for an unknown reason: {reason}"
            )))
        }
    }
}

fn usage_of(usage: &Json) -> Option<Usage> {
    let tally = Tally(usage);
    let input = "input_tokens_details";
    let (input_tokens, read) = (
        tally.count(&["input_tokens"])?,
        tally.or_zero(&[input, "cached_tokens"])?,
    );
    let written = tally.or_zero(&[input, "cache_write_tokens"])?;
    sound(Usage {
        input_tokens,
        output_tokens: tally.count(&["output_tokens"])?,
        cache_read_tokens: read,
        cache_write_tokens: tally::rest(input_tokens, read, written),
        reasoning_tokens: tally.or_zero(&["output_tokens_details", "reasoning_tokens"])?,
        ..Usage::default()
    })
}
