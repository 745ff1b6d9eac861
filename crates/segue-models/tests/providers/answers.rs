//! What is read back: the same answers in every protocol come to the same response.

use std::sync::{Arc, Mutex};

use segue::model::{Finish, Listener, Model, Response, ToolCall};
use segue::schema::Schema;
use segue::{ErrorKind, Failure, ToolSpec, Usage};
use segue_models::Api;
use serde_json::{Value as Json, json};

use crate::asking;
use crate::official::{faults_of_answer, faults_of_events};
use crate::say::{Said, Why, chunk, events, message, numbered, pieces, response, text, usage};
use crate::server::{Server, Turn};

/// What a model of this protocol makes of these events, which are such as its provider sends.
async fn read(api: Api, events: &[Json]) -> Result<Response, Failure> {
    let faults = faults_of_events(api, events);
    assert_eq!(faults, [""; 0], "{api}: {events:#?}");
    read_odd(api, events).await
}

/// What it makes of events that nobody publishes.
async fn read_odd(api: Api, events: &[Json]) -> Result<Response, Failure> {
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
            cache_write_tokens: 3,
            reasoning_tokens: 4,
            ..Usage::default()
        };
        let expected = match api {
            Api::Chat => Usage {
                audio_tokens: 3,
                ..all
            },
            Api::Responses | Api::Anthropic => all,
            Api::Gemini => Usage {
                audio_tokens: 2,
                cache_write_tokens: 0,
                ..all
            },
            Api::Ollama => Usage {
                input_tokens: 30,
                output_tokens: 9,
                ..Usage::default()
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
            let answered = match why {
                Why::Unknown => read_odd(api, &events(api, &answer)).await,
                _ => read(api, &events(api, &answer)).await,
            };
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
    let chat = vec![
        chunk(json!({"refusal": "I will "}), json!(null)),
        chunk(json!({"refusal": "not."}), json!("stop")),
    ];
    let part = json!({"type": "refusal", "refusal": "I will not."});
    let item =
        json!({"type": "message", "id": "i1", "status": "completed", "role": "assistant", "content": [part]});
    let responses = numbered(vec![
        json!({"type": "response.completed", "response": response(json!({"output": [item]}))}),
    ]);
    let mut anthropic = events(Api::Anthropic, &text("I will tell you"));
    let end = anthropic.len() - 2;
    anthropic[end]["delta"] = json!({"stop_reason": "refusal", "stop_sequence": null, "stop_details":
        {"type": "refusal", "category": "cyber", "explanation": "I will not."}});
    let blocked = vec![json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})];
    let mut cut = events(Api::Gemini, &text("I will tell you"));
    let end = cut.len() - 1;
    cut[end]["candidates"][0]["finishReason"] = json!("ESCALATION");
    cut[end]["candidates"][0]["finishMessage"] = json!("I will not.");
    for (api, events, expected) in [
        (Api::Chat, chat, "I will not."),
        (Api::Responses, responses, "I will not."),
        (Api::Anthropic, anthropic, "I will not."),
        (
            Api::Gemini,
            blocked,
            "the request was blocked: PROHIBITED_CONTENT",
        ),
        (Api::Gemini, cut, "I will not."),
    ] {
        let response = read(api, &events).await.unwrap();
        assert_eq!(
            (response.finish, response.text.as_str()),
            (Finish::Refused, expected),
            "{api}"
        );
    }
}

#[tokio::test]
async fn an_end_that_is_no_answer_says_what_the_provider_says_of_it() {
    for (reason, why, expected) in [
        (
            "MALFORMED_FUNCTION_CALL",
            json!("add(n=)"),
            "ended its answer with MALFORMED_FUNCTION_CALL: add(n=)",
        ),
        ("OTHER", json!(null), "ended its answer with OTHER"),
    ] {
        let mut events = events(Api::Gemini, &text("half of"));
        let end = events.len() - 1;
        events[end]["candidates"][0]["finishReason"] = json!(reason);
        events[end]["candidates"][0]["finishMessage"] = why;
        let failure = read(Api::Gemini, &events).await.unwrap_err();
        assert_eq!((failure.kind, failure.retryable), (ErrorKind::Provider, true));
        assert!(failure.message.ends_with(expected), "{failure}");
    }
}

/// Events that say nothing to us: of tools that run at the provider, of thoughts, of safety, and one that nobody knows yet.
fn beside(api: Api) -> Vec<Json> {
    match api {
        Api::Chat => vec![
            json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m-1",
            "choices": [], "obfuscation": "xx", "service_tier": "default"}),
        ],
        Api::Responses => vec![
            json!({"type": "response.queued", "response": response(json!({"status": "queued"}))}),
            json!({"type": "response.reasoning_summary_text.delta", "item_id": "t1", "output_index": 0, "summary_index": 0,
                "delta": "Hm."}),
            json!({"type": "response.web_search_call.searching", "item_id": "w1", "output_index": 0}),
            json!({"type": "response.output_text.annotation.added", "item_id": "i1", "output_index": 0, "content_index": 0,
                "annotation_index": 0, "annotation": {"type": "url_citation", "url": "https://a.example", "title": "A",
                "start_index": 0, "end_index": 2}}),
        ],
        Api::Anthropic => {
            let search = json!({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}});
            let cited = json!({"type": "page_location", "cited_text": "x", "document_index": 0, "document_title": null,
                "start_page_number": 1, "end_page_number": 2, "file_id": null});
            vec![
                json!({"type": "content_block_start", "index": 7, "content_block": search}),
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": cited}}),
                json!({"type": "content_block_stop", "index": 7}),
            ]
        }
        Api::Gemini => {
            let code = json!({"executableCode": {"language": "PYTHON", "code": "1 + 1"}});
            vec![
                json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [code]},
                    "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}]}]}),
                json!({"modelVersion": "m-1", "responseId": "r1"}),
            ]
        }
        Api::Ollama => vec![
            json!({"model": "m-1", "created_at": "2026-11-01T00:00:00Z", "done": false,
            "message": {"role": "assistant", "content": "", "thinking": "Hm."}}),
        ],
    }
}

#[tokio::test]
async fn events_that_say_nothing_to_us_change_nothing() {
    for api in Api::ALL {
        let mut all = events(api, &text("hello"));
        let last = all.pop().unwrap();
        all.extend(beside(api));
        all.push(last);
        if api == Api::Responses {
            all = numbered(all);
        }
        let heard = read(api, &all)
            .await
            .unwrap_or_else(|failure| panic!("{api}: {failure}"));
        assert_eq!(
            (heard.text.as_str(), heard.finish),
            ("hello", Finish::Stop),
            "{api}"
        );
        // Nor does one of a kind that nobody knows yet.
        all.insert(
            1,
            json!({"type": "something.new", "index": 0, "delta": {"type": "new_delta", "text": "no"}}),
        );
        let heard = read_odd(api, &all)
            .await
            .unwrap_or_else(|failure| panic!("{api}: {failure}"));
        assert_eq!(
            (heard.text.as_str(), heard.finish),
            ("hello", Finish::Stop),
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
        let fine = read_odd(api, &with_usage(api, json!({input: 20, output: 3})))
            .await
            .unwrap();
        assert!(fine.usage.is_some_and(|usage| usage.output_tokens == 3), "{api}");
        for odd in [json!("20"), json!(-1), json!(2.5), json!(10_000_001), json!([20])] {
            let broken = json!({input: odd, output: 3});
            let response = read_odd(api, &with_usage(api, broken)).await.unwrap();
            assert_eq!(
                (response.text.as_str(), response.usage),
                ("hello", None),
                "{api}: input {odd}"
            );
            let broken = json!({input: 20, output: odd});
            let response = read_odd(api, &with_usage(api, broken)).await.unwrap();
            assert_eq!(response.usage, None, "{api}: output {odd}");
        }
        let missing = read_odd(api, &with_usage(api, json!(null))).await.unwrap();
        assert_eq!(missing.usage, None, "{api}");
    }
    // More cached than sent, more thought than written.
    let odd =
        json!({"prompt_tokens": 20, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 21}});
    assert_eq!(
        read_odd(Api::Chat, &with_usage(Api::Chat, odd))
            .await
            .unwrap()
            .usage,
        None
    );
}

#[tokio::test]
async fn arguments_that_are_not_json_stay_as_they_were_for_the_model_to_be_told() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "add", "arguments": "{\"n\": "}});
    let chunk = chunk(json!({"tool_calls": [call]}), json!("tool_calls"));
    let response = read(Api::Chat, &[chunk]).await.unwrap();
    assert_eq!(response.tool_calls[0].arguments, json!("{\"n\":"));
}

#[tokio::test]
async fn calls_without_a_number_are_told_apart_by_their_ids() {
    let call = |id: &str, n: u32| json!({"id": id, "function": {"name": "add", "arguments": json!({"n": n}).to_string()}});
    let delta = json!({"tool_calls": [call("a", 1), call("b", 2)]});
    let chunk = json!({"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]});
    let response = read_odd(Api::Chat, &[chunk]).await.unwrap();
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
    assert_eq!(read_odd(Api::Chat, &[chunk]).await.unwrap().tool_calls.len(), 1);
    let many: Vec<Json> = (0..1001)
        .map(|n| json!({"index": n, "id": n.to_string(), "function": {"name": "add"}}))
        .collect();
    let chunk =
        json!({"choices": [{"index": 0, "delta": {"tool_calls": many}, "finish_reason": "tool_calls"}]});
    let failure = read_odd(Api::Chat, &[chunk]).await.unwrap_err();
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
    let said = json!({"role": "assistant", "content": "Let me see.", "refusal": null, "tool_calls": [call]});
    let chat = json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m-1",
        "choices": [{"index": 0, "message": said, "finish_reason": "tool_calls", "logprobs": null}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 9, "total_tokens": 39}});
    let part = json!({"type": "output_text", "text": "Let me see.", "annotations": [], "logprobs": []});
    let item =
        json!({"type": "message", "id": "i1", "role": "assistant", "status": "completed", "content": [part]});
    let call = json!({"type": "function_call", "call_id": "id-1", "name": "add", "arguments": "{\"n\":1}"});
    let responses = response(json!({"output": [item, call], "usage": usage()}));
    let blocks = json!([{"type": "text", "text": "Let me see."}, {"type": "tool_use", "id": "id-1", "name": "add", "input": {"n": 1}}]);
    let anthropic = message(json!({"content": blocks, "stop_reason": "tool_use",
        "usage": {"input_tokens": 30, "output_tokens": 9}}));
    let parts =
        json!([{"text": "Let me see."}, {"functionCall": {"name": "add", "args": {"n": 1}, "id": "id-1"}}]);
    let gemini = json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 30, "candidatesTokenCount": 9}});
    let call = json!({"id": "id-1", "function": {"name": "add", "arguments": {"n": 1}}});
    let ollama = json!({"model": "m-1", "message": {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
        "done": true, "done_reason": "stop", "prompt_eval_count": 30, "eval_count": 9});
    for (api, answer) in Api::ALL
        .into_iter()
        .zip([chat, responses, anthropic, gemini, ollama])
    {
        assert_eq!(faults_of_answer(api, &answer), [""; 0], "{api}");
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
