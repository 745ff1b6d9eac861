//! Anthropic's messages.
//!
//! Newer Claude models are held to a schema while they write. For all others, an answer that fits one is the arguments of a tool
//! `answer`. It has to call it where there is no other tool and it does not think; else it is told to.

use reqwest::header::{HeaderMap, HeaderValue};
use segue::Usage;
use segue::model::{Finish, Message, Role};
use serde_json::{Map, Value as Json, json};

use super::claude::Claude;
use super::fit::LEAST_THOUGHT;
use super::tally::{Tally, sound};
use super::{Asked, Broken, Draft, End, Form, Reader, Written, as_object, base64_of, form, object, put};

/// The version of the protocol spoken here …
pub(crate) const VERSION: &str = "2026-10-21";
/// … and the one before, which still has a temperature, for models that take one.
const BEFORE: &str = "2023-06-01";

pub(super) fn write(asked: &Asked<'_>) -> Written {
    let settings = &asked.settings;
    let mut body = Map::new();
    body.insert("model".to_owned(), asked.model.into());
    body.insert("max_tokens".to_owned(), asked.max_tokens().into());
    put(&mut body, "system", system(asked));
    body.insert("messages".to_owned(), messages(asked).into());
    body.insert("stream".to_owned(), true.into());
    let thinks = think(asked, &mut body);
    put(&mut body, "temperature", settings.temperature);
    put(&mut body, "top_p", settings.top_p);
    put(&mut body, "stop_sequences", settings.stop.clone());
    if let (Form::Native, Some(schema)) = (asked.form, &asked.request.output) {
        let config = body.entry("output_config").or_insert_with(|| json!({}));
        config["format"] = json!({"type": "json_schema", "schema": schema.as_json()});
    }
    let mut tools = tools(asked);
    if let Some(last) = tools.last_mut().filter(|_| !body.contains_key("system")) {
        mark(asked, last);
    }
    if asked.form == Form::Tool && asked.request.tools.is_empty() && !thinks {
        body.insert(
            "tool_choice".to_owned(),
            json!({"type": "tool", "name": answer_tool(asked)}),
        );
    }
    put(&mut body, "tools", Some(tools).filter(|tools| !tools.is_empty()));
    let version = match settings.temperature.is_some() || settings.top_p.is_some() {
        true => BEFORE,
        false => VERSION,
    };
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", HeaderValue::from_static(version));
    Written {
        url: asked.provider.url(&["messages"]),
        headers,
        body: body.into(),
    }
}

/// Says how much it thinks, and whether it does.
fn think(asked: &Asked<'_>, body: &mut Map<String, Json>) -> bool {
    let claude = Claude::called(asked.model);
    let Some(effort) = asked.thinks() else {
        if asked.thinks_not() && claude.thinks_unasked() {
            body.insert("thinking".to_owned(), json!({"type": "disabled"}));
        }
        return false;
    };
    if !claude.thinks_by_budget() {
        body.insert("thinking".to_owned(), json!({"type": "adaptive"}));
        body.insert("output_config".to_owned(), json!({"effort": effort}));
        return true;
    }
    let most = asked.max_tokens();
    let budget = match effort {
        "low" => most / 4,
        "medium" => most / 2,
        _ => most - most / 5,
    };
    // It has to be below the most tokens of the answer, thoughts included; settings that fit leave room for that.
    let budget = budget.max(LEAST_THOUGHT).min(most - 1);
    body.insert(
        "thinking".to_owned(),
        json!({"type": "enabled", "budget_tokens": budget}),
    );
    true
}

/// The name of the tool that takes the answer.
pub(super) fn answer_tool(asked: &Asked<'_>) -> String {
    asked.names.free("answer")
}

fn tools(asked: &Asked<'_>) -> Vec<Json> {
    let mut tools: Vec<Json> = asked
        .request
        .tools
        .iter()
        .map(|tool| {
            json!({
                "name": asked.names.sent(&tool.name), "description": tool.description,
                "input_schema": tool.parameters,
            })
        })
        .collect();
    if let (Form::Tool, Some(schema)) = (asked.form, &asked.request.output) {
        tools.push(json!({
            "name": answer_tool(asked),
            "description": "Takes your final answer.",
            "input_schema": form::wrapped(schema),
        }));
    }
    tools
}

/// Has everything up to here kept: tools and instructions, what requests have in common.
fn mark(asked: &Asked<'_>, last: &mut Json) {
    if asked.settings.cache.as_deref() == Some("auto") {
        last["cache_control"] = json!({"type": "ephemeral"});
    }
}

fn system(asked: &Asked<'_>) -> Option<Json> {
    let mut text = asked.instructions();
    if asked.form == Form::Tool {
        let told = format!(
            "Give your final answer by calling the tool `{}`.",
            answer_tool(asked)
        );
        text = if text.is_empty() {
            told
        } else {
            format!("{text}\n\n{told}")
        };
    }
    if text.is_empty() {
        return None;
    }
    let mut block = json!({"type": "text", "text": text});
    mark(asked, &mut block);
    Some(json!([block]))
}

/// What was said: results of tools have to come together.
fn messages(asked: &Asked<'_>) -> Vec<Json> {
    let message = |(role, content)| json!({"role": role, "content": content});
    asked
        .by_side(|message| said(asked, message))
        .into_iter()
        .map(message)
        .collect()
}

fn said(asked: &Asked<'_>, message: &Message) -> (&'static str, Vec<Json>) {
    // A block of no text is refused.
    let text = (!message.text.is_empty()).then(|| json!({"type": "text", "text": message.text}));
    match message.role {
        Role::System | Role::User => {
            let images = message.images.iter().map(|image| {
                json!({"type": "image", "source": {
                    "type": "base64", "media_type": image.media_type, "data": base64_of(image),
                }})
            });
            ("user", images.chain(text).collect())
        }
        Role::Assistant => {
            let thoughts = asked
                .opaque(message)
                .and_then(Json::as_array)
                .cloned()
                .unwrap_or_default();
            let calls = message.tool_calls.iter().map(|call| {
                json!({
                    "type": "tool_use", "id": call.id, "name": asked.names.sent(&call.tool),
                    "input": as_object(&call.arguments),
                })
            });
            let blocks: Vec<Json> = text.into_iter().chain(calls).collect();
            match blocks.is_empty() {
                true => ("assistant", blocks),
                false => ("assistant", thoughts.into_iter().chain(blocks).collect()),
            }
        }
        Role::Tool => {
            let result = json!({"type": "tool_result", "tool_use_id": message.call, "content": message.text});
            ("user", vec![result])
        }
    }
}

/// Reads events until `message_stop`.
#[derive(Default)]
pub(super) struct AnthropicReader {
    /// What the first event says of usage; the last one adds what was written.
    begun: Json,
    /// Thoughts, by the number of their block.
    thoughts: Vec<(u64, Json)>,
}

impl Reader for AnthropicReader {
    fn take(&mut self, draft: &mut Draft, data: &str) -> Result<(), Broken> {
        let event = object(data)?;
        let index = event.get("index").and_then(Json::as_u64).unwrap_or(0);
        match event.get("type").and_then(Json::as_str) {
            Some("message_start") => self.begun = event["message"]["usage"].clone(),
            Some("content_block_start") => self.opens(draft, index, &event["content_block"])?,
            Some("content_block_delta") => self.adds(draft, index, &event["delta"])?,
            Some("message_delta") => {
                if let Some(reason) = event["delta"]
                    .get("stop_reason")
                    .filter(|reason| !reason.is_null())
                {
                    draft.finish = Some(finish(reason)?);
                }
                if let Some(why) = event["delta"]["stop_details"]["explanation"].as_str() {
                    draft.refusal = why.to_owned();
                }
                // It comes more than once where there is more to say.
                if event["usage"].is_object() {
                    draft.usage = self.usage(&event["usage"]);
                }
            }
            Some("message_stop") => {
                let thoughts: Vec<Json> = self.thoughts.drain(..).map(|(_, thought)| thought).collect();
                draft.kept = (!thoughts.is_empty()).then(|| thoughts.into());
                draft.end = End::Over;
            }
            // `ping` says nothing, and new types may come.
            Some(_) => {}
            None => return Err(Broken::Reply(format!("sent an event without a type: {data}"))),
        }
        Ok(())
    }
}

impl AnthropicReader {
    fn opens(&mut self, draft: &mut Draft, index: u64, block: &Json) -> Result<(), Broken> {
        let field = |name: &str| block.get(name).and_then(Json::as_str).unwrap_or_default();
        match field("type") {
            "text" => draft.text.push_str(field("text")),
            "tool_use" => {
                let call = draft.call(index)?;
                (call.id, call.tool) = (field("id").to_owned(), field("name").to_owned());
                if let Some(Json::Object(input)) = block.get("input")
                    && !input.is_empty()
                {
                    call.arguments = Json::Object(input.clone()).to_string();
                }
            }
            "thinking" | "redacted_thinking" => {
                draft.unseen += field("thinking").len() + field("data").len();
                self.thoughts.push((index, block.clone()));
            }
            _ => {}
        }
        Ok(())
    }

    fn adds(&mut self, draft: &mut Draft, index: u64, delta: &Json) -> Result<(), Broken> {
        let field = |name: &str| delta.get(name).and_then(Json::as_str).unwrap_or_default();
        match field("type") {
            "text_delta" => draft.text.push_str(field("text")),
            "input_json_delta" => draft.call(index)?.arguments.push_str(field("partial_json")),
            "thinking_delta" => self.thinks(draft, index, "thinking", field("thinking")),
            "signature_delta" => self.thinks(draft, index, "signature", field("signature")),
            _ => {}
        }
        Ok(())
    }

    fn thinks(&mut self, draft: &mut Draft, index: u64, name: &str, piece: &str) {
        draft.unseen += piece.len();
        if let Some((_, thought)) = self.thoughts.iter_mut().rfind(|(at, _)| *at == index) {
            let so_far = thought.get(name).and_then(Json::as_str).unwrap_or_default();
            thought[name] = format!("{so_far}{piece}").into();
        }
    }

    /// What it says of thoughts: nothing, in older versions.
    fn thought(&self, last: Tally<'_>) -> Option<u64> {
        let path = ["output_tokens_details", "thinking_tokens"];
        Some(last.or_zero(&path)?.max(Tally(&self.begun).or_zero(&path)?))
    }

    /// Cached tokens are counted beside the others here, and what was written is counted anew in each event.
    fn usage(&self, last: &Json) -> Option<Usage> {
        let (begun, last) = (Tally(&self.begun), Tally(last));
        let field = |name: &str| match last.0.get(name) {
            None | Some(Json::Null) => begun.or_zero(&[name]),
            Some(_) => last.count(&[name]),
        };
        begun.count(&["input_tokens"])?;
        let (read, written) = (
            field("cache_read_input_tokens")?,
            field("cache_creation_input_tokens")?,
        );
        sound(Usage {
            input_tokens: field("input_tokens")? + read + written,
            output_tokens: last.count(&["output_tokens"])?,
            cache_read_tokens: read,
            cache_write_tokens: written,
            reasoning_tokens: self.thought(last)?,
            ..Usage::default()
        })
    }
}

fn finish(reason: &Json) -> Result<Finish, Broken> {
    match reason.as_str() {
        Some("end_turn" | "stop_sequence") => Ok(Finish::Stop),
        Some("max_tokens" | "model_context_window_exceeded") => Ok(Finish::Length),
        Some("tool_use") => Ok(Finish::ToolCalls),
        Some("refusal") => Ok(Finish::Refused),
        _ => Err(Broken::Reply(format!(
            "ended its answer for an unknown reason: {reason}"
        ))),
    }
}
