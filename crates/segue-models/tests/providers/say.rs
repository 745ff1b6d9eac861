//! How each provider says things: the same answer in five protocols.

use segue_models::Api;
use serde_json::{Value as Json, json};

/// An answer, whoever gives it.
#[derive(Clone, Default)]
pub(crate) struct Said {
    pub(crate) text: &'static str,
    /// Id, tool as it was sent, arguments.
    pub(crate) calls: Vec<(&'static str, &'static str, Json)>,
    pub(crate) end: Why,
}

/// Why it ends.
#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Why {
    #[default]
    Done,
    Cut,
    Filtered,
    Unknown,
}

/// The events of an answer: 30 tokens in, 12 of them cached; 9 out, 4 of them thoughts where the provider says so.
pub(crate) fn events(api: Api, said: &Said) -> Vec<Json> {
    match api {
        Api::Chat => chat(said),
        Api::Responses => responses(said),
        Api::Anthropic => anthropic(said),
        Api::Gemini => gemini(said),
        Api::Ollama => ollama(said),
    }
}

/// The events as the bytes of a stream, each a piece of its own.
pub(crate) fn pieces(api: Api, events: &[Json]) -> Vec<String> {
    let mut pieces: Vec<String> = events
        .iter()
        .map(|event| match api {
            Api::Ollama => format!("{event}\n"),
            Api::Responses | Api::Anthropic => {
                format!(
                    "event: {}\ndata: {event}\n\n",
                    event["type"].as_str().expect("events have a type")
                )
            }
            Api::Chat | Api::Gemini => format!("data: {event}\n\n"),
        })
        .collect();
    if api == Api::Chat {
        pieces.push("data: [DONE]\n\n".to_owned());
    }
    pieces
}

/// An answer of this text and nothing else.
pub(crate) fn text(text: &'static str) -> Said {
    Said {
        text,
        ..Said::default()
    }
}

/// The text in two halves, so that it has to be put together.
fn halves(text: &str) -> [&str; 2] {
    let middle = (0..=text.len() / 2)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .expect("zero is one");
    [&text[..middle], &text[middle..]]
}

/// A chunk of a chat completion.
pub(crate) fn chunk(delta: Json, reason: Json) -> Json {
    json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "usage": null,
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason, "logprobs": null}]})
}

fn chat(said: &Said) -> Vec<Json> {
    let mut events = vec![chunk(
        json!({"role": "assistant", "content": "", "refusal": null}),
        json!(null),
    )];
    for half in halves(said.text) {
        events.push(chunk(json!({"content": half}), json!(null)));
    }
    for (index, (id, tool, arguments)) in said.calls.iter().enumerate() {
        let opened = json!({"index": index, "id": id, "type": "function", "function": {"name": tool, "arguments": ""}});
        events.push(chunk(json!({"tool_calls": [opened]}), json!(null)));
        for half in halves(&arguments.to_string()) {
            let more = json!({"index": index, "function": {"arguments": half}});
            events.push(chunk(json!({"tool_calls": [more]}), json!(null)));
        }
    }
    let reason = match said.end {
        Why::Done if said.calls.is_empty() => "stop",
        Why::Done => "tool_calls",
        Why::Cut => "length",
        Why::Filtered => "content_filter",
        Why::Unknown => "sulking",
    };
    events.push(chunk(json!({}), json!(reason)));
    events.push(
        json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [],
        "usage": {"prompt_tokens": 30, "completion_tokens": 9, "total_tokens": 39,
            "prompt_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 3, "audio_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 1}}}),
    );
    events
}

/// The usage of a response.
pub(crate) fn usage() -> Json {
    json!({"input_tokens": 30, "input_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 3}, "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 39})
}

/// A whole response: what `more` says, and everything that it has to have.
pub(crate) fn response(more: Json) -> Json {
    let mut response = json!({"id": "r1", "object": "response", "created_at": 1, "model": "m-1", "status": "completed",
        "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "output": [],
        "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0, "usage": null});
    for (name, value) in more.as_object().expect("it is one") {
        response[name] = value.clone();
    }
    response
}

/// Events with their numbers.
pub(crate) fn numbered(mut events: Vec<Json>) -> Vec<Json> {
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    events
}

fn responses(said: &Said) -> Vec<Json> {
    let begun = response(json!({"status": "in_progress"}));
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
    ];
    let mut output = Vec::new();
    if !said.text.is_empty() {
        let part =
            |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
        let item = |status: &str, content: Json| json!({"type": "message", "id": "i1", "role": "assistant", "status": status, "content": content});
        let place = |kind: &str, more: Json| {
            let mut event = json!({"type": kind, "item_id": "i1", "output_index": 0, "content_index": 0});
            event
                .as_object_mut()
                .expect("it is one")
                .extend(more.as_object().expect("it is one").clone());
            event
        };
        let opened = item("in_progress", json!([]));
        events.push(json!({"type": "response.output_item.added", "output_index": 0, "item": opened}));
        events.push(place("response.content_part.added", json!({"part": part("")})));
        for half in halves(said.text) {
            events.push(place(
                "response.output_text.delta",
                json!({"delta": half, "logprobs": []}),
            ));
        }
        events.push(place(
            "response.output_text.done",
            json!({"text": said.text, "logprobs": []}),
        ));
        events.push(place(
            "response.content_part.done",
            json!({"part": part(said.text)}),
        ));
        let item = item("completed", json!([part(said.text)]));
        events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
        output.push(item);
    }
    for (id, tool, arguments) in &said.calls {
        let (index, text) = (output.len(), arguments.to_string());
        let item = |status: &str, text: &str| json!({"type": "function_call", "id": "i2", "call_id": id, "name": tool, "arguments": text, "status": status});
        let opened = item("in_progress", "");
        events.push(json!({"type": "response.output_item.added", "output_index": index, "item": opened}));
        for half in halves(&text) {
            events.push(json!({"type": "response.function_call_arguments.delta", "item_id": "i2", "output_index": index, "delta": half}));
        }
        events.push(
            json!({"type": "response.function_call_arguments.done", "item_id": "i2", "output_index": index,
            "arguments": text}),
        );
        let item = item("completed", &text);
        events.push(json!({"type": "response.output_item.done", "output_index": index, "item": item}));
        output.push(item);
    }
    let (kind, status, details) = match said.end {
        Why::Done => ("response.completed", "completed", json!(null)),
        Why::Cut => (
            "response.incomplete",
            "incomplete",
            json!({"reason": "max_output_tokens"}),
        ),
        Why::Filtered => (
            "response.incomplete",
            "incomplete",
            json!({"reason": "content_filter"}),
        ),
        Why::Unknown => ("response.incomplete", "incomplete", json!({"reason": "sulking"})),
    };
    let response = response(
        json!({"status": status, "incomplete_details": details, "output": output, "usage": usage()}),
    );
    events.push(json!({"type": kind, "response": response}));
    numbered(events)
}

/// A message of Claude's: what `more` says, and everything that it has to have.
pub(crate) fn message(more: Json) -> Json {
    let mut message = json!({"id": "m1", "type": "message", "role": "assistant", "content": [], "model": "m-1",
        "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 15, "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 12, "output_tokens": 1}});
    for (name, value) in more.as_object().expect("it is one") {
        message[name] = value.clone();
    }
    message
}

fn anthropic(said: &Said) -> Vec<Json> {
    let mut events = vec![
        json!({"type": "message_start", "message": message(json!({}))}),
        json!({"type": "ping"}),
    ];
    let mut index = 0;
    if !said.text.is_empty() {
        events.push(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        );
        for half in halves(said.text) {
            let delta = json!({"type": "text_delta", "text": half});
            events.push(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": 0}));
        index = 1;
    }
    for (id, tool, arguments) in &said.calls {
        let block = json!({"type": "tool_use", "id": id, "name": tool, "input": {}});
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        for half in halves(&arguments.to_string()) {
            let delta = json!({"type": "input_json_delta", "partial_json": half});
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
        index += 1;
    }
    let reason = match said.end {
        Why::Done if said.calls.is_empty() => "end_turn",
        Why::Done => "tool_use",
        Why::Cut => "max_tokens",
        Why::Filtered => "refusal",
        Why::Unknown => "sulking",
    };
    events.push(
        json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}}),
    );
    events.push(json!({"type": "message_stop"}));
    events
}

fn gemini(said: &Said) -> Vec<Json> {
    let piece = |parts: Vec<Json>| json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}}]});
    let mut events = Vec::new();
    if !said.text.is_empty() {
        events.extend(halves(said.text).map(|half| piece(vec![json!({"text": half})])));
    }
    for (_, tool, arguments) in &said.calls {
        events.push(piece(vec![
            json!({"functionCall": {"name": tool, "args": arguments}}),
        ]));
    }
    let reason = match said.end {
        Why::Done => "STOP",
        Why::Cut => "MAX_TOKENS",
        Why::Filtered => "SAFETY",
        Why::Unknown => "SULKING",
    };
    events.push(json!({"candidates": [{"index": 0, "finishReason": reason}],
        "usageMetadata": {"promptTokenCount": 30, "cachedContentTokenCount": 12, "candidatesTokenCount": 5,
            "thoughtsTokenCount": 4, "totalTokenCount": 39,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 28}, {"modality": "AUDIO", "tokenCount": 2}]}}));
    events
}

fn ollama(said: &Said) -> Vec<Json> {
    let line = |message: Json| json!({"model": "m-1", "created_at": "2026-11-01T00:00:00Z", "message": message, "done": false});
    let mut events: Vec<Json> = halves(said.text)
        .map(|half| line(json!({"role": "assistant", "content": half})))
        .into();
    for (_, tool, arguments) in &said.calls {
        let call = json!({"function": {"name": tool, "arguments": arguments}});
        events.push(line(
            json!({"role": "assistant", "content": "", "tool_calls": [call]}),
        ));
    }
    let reason = match said.end {
        Why::Done => "stop",
        Why::Cut => "length",
        Why::Filtered | Why::Unknown => "sulking",
    };
    events.push(json!({"model": "m-1", "created_at": "2026-11-01T00:00:01Z", "message": {"role": "assistant", "content": ""},
        "done": true, "done_reason": reason, "prompt_eval_count": 30, "eval_count": 9, "total_duration": 5}));
    events
}
