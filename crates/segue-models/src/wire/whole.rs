//! Whole answers: some servers ignore that events were asked for, and answer with one object. It says the same, so it is read
//! as the events it stands for.

use serde_json::{Value as Json, json};

use crate::provider::Api;

/// The events a whole answer stands for; none where it is no answer of this protocol.
pub(crate) fn events(api: Api, answer: &Json) -> Option<Vec<String>> {
    let events = match api {
        Api::Chat => chat(answer)?,
        Api::Responses => responses(answer)?,
        Api::Anthropic => anthropic(answer)?,
        // Events have the form of whole answers there.
        Api::Gemini => vec![answer.get("candidates").map(|_| answer.clone())?],
        Api::Ollama => vec![answer.get("done").map(|_| answer.clone())?],
    };
    let mut events: Vec<String> = events.iter().map(Json::to_string).collect();
    if api == Api::Chat {
        events.push("[DONE]".to_owned());
    }
    Some(events)
}

fn chat(answer: &Json) -> Option<Vec<Json>> {
    let choice = answer.get("choices")?.get(0)?;
    let delta = choice.get("message")?;
    let choice = json!({"delta": delta, "finish_reason": choice.get("finish_reason")});
    Some(vec![json!({"choices": [choice], "usage": answer.get("usage")})])
}

fn responses(answer: &Json) -> Option<Vec<Json>> {
    let kind = match answer.get("status").and_then(Json::as_str)? {
        "failed" => "response.failed",
        "incomplete" => "response.incomplete",
        _ => "response.completed",
    };
    answer.get("output")?;
    Some(vec![json!({"type": kind, "response": answer})])
}

fn anthropic(answer: &Json) -> Option<Vec<Json>> {
    let blocks = answer.get("content")?.as_array()?;
    let usage = answer.get("usage");
    let mut events = vec![json!({"type": "message_start", "message": {"usage": usage}})];
    for (index, block) in blocks.iter().enumerate() {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
    }
    let delta = json!({"stop_reason": answer.get("stop_reason"), "stop_details": answer.get("stop_details")});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": usage}));
    events.push(json!({"type": "message_stop"}));
    Some(events)
}
