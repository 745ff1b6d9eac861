//! What is read back: the same answers in every protocol come to the same response.

use std::sync::{Arc, Mutex};

use segue::model::{Finish, Listener, Message, Model, Response, Role, ToolCall};
use segue::schema::Schema;
use segue::{ErrorKind, Failure, ToolSpec, Usage};
use segue_models::Api;
use serde_json::{Value as Json, json};

use crate::asking;
use crate::say::{Said, Why, events, pieces, text};
use crate::server::{Server, Turn};

/// What a model of this protocol makes of these events.
async fn read(api: Api, events: &[Json]) -> Result<Response, Failure> {
    let server = Server::new([Turn::stream(api, &pieces(api, events))]);
    let mut request = asking("Hello?");
    request.tools = vec![
        ToolSpec::new("files.read", "Reads.", json!({"type": "object"})),
        ToolSpec::new("add", "Adds.", json!({"type": "object"})),
    ];
    server.model(api).answer(&request).await
}

async fn said(api: Api, said: Said) -> Response {
    let answered = read(api, &events(api, &said)).await;
    answered.unwrap_or_else(|failure| panic!("{api}: {failure}"))
}

#[tokio::test]
async fn a_text_comes_whole_with_what_it_used() {
    for api in Api::ALL {
        let response = said(api, text("héllo wörld")).await;
        assert_eq!(response.text, "héllo wörld", "{api}");
        assert_eq!(
            (response.finish, response.tool_calls.len()),
            (Finish::Stop, 0),
            "{api}"
        );
        let all = Usage {
            input_tokens: 30,
            output_tokens: 9,
            cache_read_tokens: 12,
            reasoning_tokens: 4,
            ..Usage::default()
        };
        let expected = match api {
            Api::Chat => Usage {
                audio_tokens: 3,
                ..all
            },
            Api::Responses => all,
            Api::Anthropic => Usage {
                cache_write_tokens: 3,
                reasoning_tokens: 0,
                ..all
            },
            Api::Gemini => Usage {
                audio_tokens: 2,
                ..all
            },
            Api::Ollama => Usage {
                cache_read_tokens: 0,
                reasoning_tokens: 0,
                ..all
            },
        };
        assert_eq!(response.usage, Some(expected), "{api}");
    }
}

#[tokio::test]
async fn several_tool_calls_keep_their_order_their_ids_and_their_arguments() {
    for api in Api::ALL {
        let answer = Said {
            text: "Let me see.",
            calls: vec![
                ("id-1", "files_read", json!({"path": "a \"b\".txt"})),
                ("id-2", "add", json!({"n": [1, 2], "deep": {"x": null}})),
                ("id-3", "add", json!({})),
            ],
            ..Said::default()
        };
        let response = said(api, answer).await;
        let ids = match api {
            Api::Gemini | Api::Ollama => ["call_0", "call_1", "call_2"],
            _ => ["id-1", "id-2", "id-3"],
        };
        let call = |at: usize, tool: &str, arguments: Json| ToolCall {
            id: ids[at].to_owned(),
            tool: tool.to_owned(),
            arguments,
        };
        let expected = [
            call(0, "files.read", json!({"path": "a \"b\".txt"})),
            call(1, "add", json!({"n": [1, 2], "deep": {"x": null}})),
            call(2, "add", json!({})),
        ];
        assert_eq!(response.tool_calls, expected, "{api}");
        assert_eq!(
            (response.text.as_str(), response.finish),
            ("Let me see.", Finish::ToolCalls),
            "{api}"
        );
    }
}

#[tokio::test]
async fn why_an_answer_ended_is_told_apart() {
    for api in Api::ALL {
        for (why, expected) in [
            (Why::Cut, Some(Finish::Length)),
            (Why::Filtered, Some(Finish::Refused)),
            (Why::Unknown, None),
        ] {
            let answer = Said {
                end: why,
                ..text("half of")
            };
            let answered = read(api, &events(api, &answer)).await;
            if api == Api::Ollama && why == Why::Filtered {
                // It has no filter.
                continue;
            }
            match expected {
                Some(finish) => assert_eq!(answered.map(|response| response.finish), Ok(finish), "{api}"),
                None => {
                    let failure = answered.expect_err("it is no answer");
                    assert_eq!(
                        (failure.kind, failure.retryable),
                        (ErrorKind::Provider, true),
                        "{api}"
                    );
                    assert!(
                        failure.message.to_lowercase().contains("sulking"),
                        "{api}: {failure}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_refusal_is_no_answer_and_says_why() {
    let chunk = |delta: Json, reason: Json| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]});
    let chat = [
        chunk(json!({"refusal": "I will "}), json!(null)),
        chunk(json!({"refusal": "not."}), json!("stop")),
    ];
    let part = json!({"type": "refusal", "refusal": "I will not."});
    let message = json!({"type": "message", "role": "assistant", "content": [part]});
    let responses =
        [json!({"type": "response.completed", "response": {"status": "completed", "output": [message]}})];
    let gemini = [json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})];
    for (api, events, expected) in [
        (Api::Chat, &chat[..], "I will not."),
        (Api::Responses, &responses[..], "I will not."),
        (
            Api::Gemini,
            &gemini[..],
            "the request was blocked: PROHIBITED_CONTENT",
        ),
    ] {
        let response = read(api, events).await.unwrap();
        assert_eq!(
            (response.finish, response.text.as_str()),
            (Finish::Refused, expected),
            "{api}"
        );
    }
}

/// The same answer with another usage object.
fn with_usage(api: Api, usage: Json) -> Vec<Json> {
    let mut events = events(api, &text("hello"));
    let last = events.len() - 1;
    match api {
        Api::Chat => events[last]["usage"] = usage,
        Api::Responses => events[last]["response"]["usage"] = usage,
        Api::Anthropic => events[last - 1]["usage"] = usage,
        Api::Gemini => events[last]["usageMetadata"] = usage,
        Api::Ollama => {
            events[last]["prompt_eval_count"] = usage["in"].clone();
            events[last]["eval_count"] = usage["out"].clone();
        }
    }
    events
}

#[tokio::test]
async fn a_count_that_cannot_be_one_makes_the_usage_unknown_and_never_zero() {
    for api in Api::ALL {
        let (input, output) = match api {
            Api::Chat => ("prompt_tokens", "completion_tokens"),
            Api::Responses | Api::Anthropic => ("input_tokens", "output_tokens"),
            Api::Gemini => ("promptTokenCount", "candidatesTokenCount"),
            Api::Ollama => ("in", "out"),
        };
        let fine = read(api, &with_usage(api, json!({input: 20, output: 3})))
            .await
            .unwrap();
        assert!(fine.usage.is_some_and(|usage| usage.output_tokens == 3), "{api}");
        for odd in [json!("20"), json!(-1), json!(2.5), json!(10_000_001), json!([20])] {
            let broken = json!({input: odd, output: 3});
            let response = read(api, &with_usage(api, broken)).await.unwrap();
            assert_eq!(
                (response.text.as_str(), response.usage),
                ("hello", None),
                "{api}: input {odd}"
            );
            let broken = json!({input: 20, output: odd});
            let response = read(api, &with_usage(api, broken)).await.unwrap();
            assert_eq!(response.usage, None, "{api}: output {odd}");
        }
        let missing = read(api, &with_usage(api, json!(null))).await.unwrap();
        assert_eq!(missing.usage, None, "{api}");
    }
    // More cached than sent, more thought than written.
    let odd =
        json!({"prompt_tokens": 20, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 21}});
    assert_eq!(
        read(Api::Chat, &with_usage(Api::Chat, odd)).await.unwrap().usage,
        None
    );
}

#[tokio::test]
async fn arguments_that_are_not_json_stay_as_they_were_for_the_model_to_be_told() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"n\": "}});
    let chunk =
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    let response = read(Api::Chat, &[chunk]).await.unwrap();
    assert_eq!(response.tool_calls[0].arguments, json!("{\"n\":"));
}

#[tokio::test]
async fn calls_without_a_number_are_told_apart_by_their_ids() {
    let call = |id: &str, n: u32| json!({"id": id, "function": {"name": "add", "arguments": json!({"n": n}).to_string()}});
    let delta = json!({"tool_calls": [call("a", 1), call("b", 2)]});
    let chunk = json!({"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]});
    let response = read(Api::Chat, &[chunk]).await.unwrap();
    let numbers: Vec<&Json> = response
        .tool_calls
        .iter()
        .map(|call| &call.arguments["n"])
        .collect();
    assert_eq!(numbers, [&json!(1), &json!(2)]);
}

#[tokio::test]
async fn a_number_of_a_call_cannot_ask_for_memory() {
    let call = json!({"index": u64::MAX, "id": "a", "function": {"name": "add", "arguments": "{}"}});
    let chunk =
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    assert_eq!(read(Api::Chat, &[chunk]).await.unwrap().tool_calls.len(), 1);
    let many: Vec<Json> = (0..1001)
        .map(|n| json!({"index": n, "id": n.to_string(), "function": {"name": "add"}}))
        .collect();
    let chunk =
        json!({"choices": [{"index": 0, "delta": {"tool_calls": many}, "finish_reason": "tool_calls"}]});
    let failure = read(Api::Chat, &[chunk]).await.unwrap_err();
    assert!(failure.message.contains("more than 1000 tools"), "{failure}");
}

#[tokio::test]
async fn an_answer_that_fits_a_schema_is_json_in_every_protocol() {
    for api in Api::ALL {
        for (schema, json) in [
            (
                json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false}),
                json!({"n": 7}),
            ),
            (
                json!({"type": "array", "items": {"type": "integer"}}),
                json!([1, 2]),
            ),
        ] {
            let mut answer = text("");
            let by_tool = match json.is_array() {
                true => json!({"answer": json}),
                false => json.clone(),
            };
            let written = json.to_string();
            match api {
                Api::Anthropic => answer.calls = vec![("id-1", "answer", by_tool)],
                _ => answer.text = written.clone().leak(),
            }
            let server = Server::new([Turn::stream(api, &pieces(api, &events(api, &answer)))]);
            let mut request = asking("How many?");
            request.output = Some(Schema::from_json(schema).unwrap());
            let response = server.model(api).answer(&request).await.unwrap();
            assert_eq!((response.text, response.finish), (written, Finish::Stop), "{api}");
            assert_eq!(response.tool_calls, [], "{api}");
        }
    }
}

#[tokio::test]
async fn signed_thoughts_go_back_to_the_model_that_made_them_and_to_no_other() {
    let thought = json!({"type": "reasoning", "id": "t1", "summary": [], "encrypted_content": "c2VjcmV0"});
    let call = json!({"type": "function_call", "call_id": "id-1", "name": "add", "arguments": "{}"});
    let responses = vec![
        json!({"type": "response.completed", "response": {"status": "completed", "output": [thought, call]}}),
    ];
    let block = |index: u32, block: Json| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |kind: &str, name: &str, piece: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: piece}});
    let anthropic = vec![
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 1}}}),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta("thinking_delta", "thinking", "Hm."),
        delta("signature_delta", "signature", "c2ln"),
        block(
            1,
            json!({"type": "tool_use", "id": "id-1", "name": "add", "input": {}}),
        ),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ];
    let part = json!({"functionCall": {"name": "add", "args": {}}, "thoughtSignature": "c2ln"});
    let gemini = vec![json!({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})];
    for (api, events, at, expected) in [
        (Api::Responses, responses, "/input/1", thought.clone()),
        (
            Api::Anthropic,
            anthropic,
            "/messages/1/content/0",
            json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}),
        ),
        (Api::Gemini, gemini, "/contents/1/parts/0", part.clone()),
    ] {
        let server = Server::new([Turn::stream(api, &pieces(api, &events))]);
        let mut request = asking("Add.");
        request.tools = vec![ToolSpec::new("add", "Adds.", json!({"type": "object"}))];
        let response = server.model(api).answer(&request).await.unwrap();
        let mut answer = Message::new(Role::Assistant, response.text);
        (answer.tool_calls, answer.opaque) = (response.tool_calls, response.opaque);
        let result = Message {
            call: Some(answer.tool_calls[0].id.clone()),
            ..Message::new(Role::Tool, "3")
        };
        request.messages.extend([answer, result]);
        for (model, is_same) in [("m-1", true), ("m-2", false)] {
            server.push(Turn::stream(
                api,
                &pieces(api, &crate::say::events(api, &text("Done."))),
            ));
            server.model_called(api, model).answer(&request).await.unwrap();
            let seen = server.seen().pop().unwrap().body;
            assert_eq!(
                seen.pointer(at) == Some(&expected),
                is_same,
                "{api} {model}: {seen:#}"
            );
        }
    }
}

#[tokio::test]
async fn whoever_listens_hears_the_pieces_of_the_text() {
    for api in Api::ALL {
        let server = Server::new([Turn::stream(
            api,
            &pieces(api, &events(api, &text("hello world"))),
        )]);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut request = asking("Hello?");
        let kept = heard.clone();
        request.listener = Listener::new(move |piece: &str| kept.lock().unwrap().push(piece.to_owned()));
        server.model(api).answer(&request).await.unwrap();
        let heard = heard.lock().unwrap();
        assert_eq!(heard.concat(), "hello world", "{api}");
        assert!(heard.len() > 1, "{api}: {heard:?}");
    }
}

#[tokio::test]
async fn a_server_that_sends_no_events_is_understood_too() {
    let call =
        json!({"id": "id-1", "type": "function", "function": {"name": "add", "arguments": "{\"n\":1}"}});
    let message = json!({"role": "assistant", "content": "Let me see.", "tool_calls": [call]});
    let chat = json!({"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 9}});
    let text = json!({"type": "message", "content": [{"type": "output_text", "text": "Let me see."}]});
    let call = json!({"type": "function_call", "call_id": "id-1", "name": "add", "arguments": "{\"n\":1}"});
    let responses = json!({"object": "response", "status": "completed", "error": null, "output": [text, call],
        "usage": {"input_tokens": 30, "output_tokens": 9}});
    let blocks = json!([{"type": "text", "text": "Let me see."}, {"type": "tool_use", "id": "id-1", "name": "add", "input": {"n": 1}}]);
    let anthropic = json!({"type": "message", "role": "assistant", "content": blocks, "stop_reason": "tool_use",
        "usage": {"input_tokens": 30, "output_tokens": 9}});
    let parts =
        json!([{"text": "Let me see."}, {"functionCall": {"name": "add", "args": {"n": 1}, "id": "id-1"}}]);
    let gemini = json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 9}});
    let call = json!({"id": "id-1", "function": {"name": "add", "arguments": {"n": 1}}});
    let ollama = json!({"message": {"content": "Let me see.", "tool_calls": [call]}, "done": true, "done_reason": "stop",
        "prompt_eval_count": 30, "eval_count": 9});
    for (api, answer) in Api::ALL
        .into_iter()
        .zip([chat, responses, anthropic, gemini, ollama])
    {
        let header = "content-type: application/json; charset=utf-8";
        let body = format!("{answer:#}");
        let server = Server::new([Turn::status("200 OK", &[header], &body)]);
        let mut request = asking("Add.");
        request.tools = vec![ToolSpec::new("add", "Adds.", json!({"type": "object"}))];
        let response = server
            .model(api)
            .answer(&request)
            .await
            .unwrap_or_else(|failure| panic!("{api}: {failure}"));
        assert_eq!(
            (response.text.as_str(), response.finish),
            ("Let me see.", Finish::ToolCalls),
            "{api}"
        );
        let [call] = &response.tool_calls[..] else {
            panic!("{api}: {response:?}")
        };
        assert_eq!(
            (call.id.as_str(), call.tool.as_str(), &call.arguments),
            ("id-1", "add", &json!({"n": 1})),
            "{api}"
        );
        assert_eq!(
            response.usage.map(|usage| usage.total_tokens()),
            Some(39),
            "{api}"
        );
        // Half of it is nothing.
        let half = &body[..body.len() / 2];
        let server = Server::new([Turn::status("200 OK", &[header], half)]);
        let failure = server.model(api).answer(&request).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.retryable),
            (ErrorKind::Provider, true),
            "{api}"
        );
    }
}
