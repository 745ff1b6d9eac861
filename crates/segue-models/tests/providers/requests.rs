//! What is sent: every request fits what its provider publishes, and says what it was made to say, field by field.

use segue::model::{Image, Message, Model, Request, Role, ToolCall};
use segue::plan::ModelSettings;
use segue::{ToolClass, ToolSpec};
use segue_models::Api;
use serde_json::{Value as Json, json};

use crate::asking;
use crate::say::{events, pieces, text};
use crate::server::{KEY, Seen, Server, Turn};

const SCHEMAS: [(Api, &str); 5] = [
    (Api::Chat, include_str!("schemas/chat.json")),
    (Api::Responses, include_str!("schemas/responses.json")),
    (Api::Anthropic, include_str!("schemas/anthropic.json")),
    (Api::Gemini, include_str!("schemas/gemini.json")),
    (Api::Ollama, include_str!("schemas/ollama.json")),
];

/// What a model of this protocol sends for a request; it fits the published schema.
pub(crate) async fn sent_by(api: Api, model: &str, request: &Request) -> Seen {
    let server = Server::new([Turn::stream(api, &pieces(api, &events(api, &text("{}"))))]);
    server
        .model_called(api, model)
        .answer(request)
        .await
        .unwrap_or_else(|failure| panic!("{api}: {failure}"));
    let seen = server.seen().pop().expect("it was asked");
    let (_, schema) = SCHEMAS.iter().find(|(of, _)| *of == api).expect("each has one");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).expect("it is JSON"))
        .expect("it is a schema");
    let wrong: Vec<String> = schema
        .iter_errors(&seen.body)
        .map(|wrong| wrong.to_string())
        .collect();
    assert_eq!(wrong, [""; 0], "{api}: {:#}", seen.body);
    seen
}

pub(crate) async fn sent(api: Api, request: &Request) -> Json {
    sent_by(api, "m-1", request).await.body
}

/// Looks into a request, place by place.
pub(crate) fn check(api: Api, body: &Json, places: &[(&str, Json)]) {
    for (place, expected) in places {
        let there = body.pointer(place).unwrap_or(&Json::Null);
        assert_eq!(there, expected, "{api} {place}: {body:#}");
    }
}

#[tokio::test]
async fn who_asks_where_and_with_which_key() {
    for (api, path, key) in [
        (Api::Chat, "/v1/chat/completions", "authorization"),
        (Api::Responses, "/v1/responses", "authorization"),
        (Api::Anthropic, "/v1/messages", "x-api-key"),
        (
            Api::Gemini,
            "/v1beta/models/m-1:streamGenerateContent?alt=sse",
            "x-goog-api-key",
        ),
        (Api::Ollama, "/api/chat", "authorization"),
    ] {
        let seen = sent_by(api, "m-1", &asking("Hello?")).await;
        assert_eq!(seen.path, path);
        let header = |name: &str| seen.headers.get(name).map(String::as_str);
        let bearer = format!("Bearer {KEY}");
        assert_eq!(
            header(key),
            Some(if key == "authorization" { &bearer } else { KEY }),
            "{api}"
        );
        let with_key = seen.headers.values().filter(|value| value.contains(KEY)).count();
        assert_eq!(
            (with_key, seen.body.to_string().contains(KEY)),
            (1, false),
            "{api}"
        );
        assert_eq!(header("content-type"), Some("application/json"), "{api}");
        assert_eq!(header("accept-encoding"), None, "{api}");
        let idempotency = matches!(api, Api::Chat | Api::Responses).then_some("key-1");
        assert_eq!(header("idempotency-key"), idempotency, "{api}");
        let version = (api == Api::Anthropic).then_some("2026-10-21");
        assert_eq!(header("anthropic-version"), version);
    }
}

#[tokio::test]
async fn instructions_are_in_their_own_place_and_most_tokens_are_always_said() {
    for (api, places) in [
        (
            Api::Chat,
            vec![
                ("/model", json!("m-1")),
                (
                    "/messages",
                    json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]),
                ),
                ("/max_completion_tokens", json!(1000)),
            ],
        ),
        (
            Api::Responses,
            vec![
                ("/model", json!("m-1")),
                ("/instructions", json!("Be brief.")),
                (
                    "/input",
                    json!([{"role": "user", "content": [{"type": "input_text", "text": "Hello?"}]}]),
                ),
                ("/max_output_tokens", json!(1000)),
            ],
        ),
        (
            Api::Anthropic,
            vec![
                ("/model", json!("m-1")),
                ("/system", json!([{"type": "text", "text": "Be brief."}])),
                (
                    "/messages",
                    json!([{"role": "user", "content": [{"type": "text", "text": "Hello?"}]}]),
                ),
                ("/max_tokens", json!(1000)),
            ],
        ),
        (
            Api::Gemini,
            vec![
                ("/systemInstruction", json!({"parts": [{"text": "Be brief."}]})),
                (
                    "/contents",
                    json!([{"role": "user", "parts": [{"text": "Hello?"}]}]),
                ),
                ("/generationConfig", json!({"maxOutputTokens": 1000})),
            ],
        ),
        (
            Api::Ollama,
            vec![
                ("/model", json!("m-1")),
                (
                    "/messages",
                    json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}]),
                ),
                ("/options", json!({"num_predict": 1000})),
            ],
        ),
    ] {
        let mut request = asking("Hello?");
        check(api, &sent(api, &request).await, &places);
        // What is not said is not sent.
        request.messages.remove(0);
        let body = sent(api, &request).await;
        check(
            api,
            &body,
            &[
                ("/instructions", json!(null)),
                ("/system", json!(null)),
                ("/systemInstruction", json!(null)),
            ],
        );
        assert!(!body.to_string().contains("brief"), "{api}");
    }
}

#[tokio::test]
async fn a_compatible_server_is_told_the_most_tokens_in_the_older_word() {
    let server = Server::new([Turn::stream(
        Api::Chat,
        &pieces(Api::Chat, &events(Api::Chat, &text("hi"))),
    )]);
    let mut house = server.provider(Api::Chat);
    house.name = "house".to_owned();
    let model = segue_models::Hosted::new(crate::server::client(), house.into(), "big/one");
    model.answer(&asking("Hello?")).await.unwrap();
    let body = server.seen().pop().unwrap().body;
    let expected = [
        ("/max_tokens", json!(1000)),
        ("/max_completion_tokens", json!(null)),
        ("/model", json!("big/one")),
    ];
    check(Api::Chat, &body, &expected);
}

#[tokio::test]
async fn each_setting_goes_where_the_provider_has_it_and_nowhere_else() {
    let mut request = asking("Hello?");
    request.settings = ModelSettings {
        temperature: Some(1.5),
        max_tokens: Some(4000),
        top_p: Some(0.5),
        seed: Some(1 << 40),
        stop: Some(vec!["END".to_owned()]),
        reasoning: None,
        cache: Some("auto".to_owned()),
    };
    for (api, places) in [
        (
            Api::Chat,
            vec![
                ("/temperature", json!(1.5)),
                ("/top_p", json!(0.5)),
                ("/seed", json!(1_u64 << 40)),
                ("/stop", json!(["END"])),
            ],
        ),
        (
            Api::Responses,
            vec![
                ("/temperature", json!(1.5)),
                ("/top_p", json!(0.5)),
                ("/seed", json!(null)),
                ("/stop", json!(null)),
            ],
        ),
        (
            Api::Anthropic,
            vec![
                ("/temperature", json!(1.0)),
                ("/top_p", json!(0.5)),
                ("/seed", json!(null)),
                ("/stop_sequences", json!(["END"])),
                ("/system/0/cache_control", json!({"type": "ephemeral"})),
            ],
        ),
        (
            Api::Gemini,
            vec![(
                "/generationConfig",
                json!({
                    "maxOutputTokens": 4000, "temperature": 1.5, "topP": 0.5, "seed": 0, "stopSequences": ["END"],
                }),
            )],
        ),
        (
            Api::Ollama,
            vec![(
                "/options",
                json!({
                    "num_predict": 4000, "temperature": 1.5, "top_p": 0.5, "seed": 1_u64 << 40, "stop": ["END"],
                }),
            )],
        ),
    ] {
        check(api, &sent(api, &request).await, &places);
    }
}

#[tokio::test]
async fn what_requests_have_in_common_is_marked_also_without_instructions() {
    let mut request = conversation();
    request.messages.remove(0);
    request.settings.cache = Some("auto".to_owned());
    let mark = json!({"type": "ephemeral"});
    let places = [("/system", json!(null)), ("/tools/0/cache_control", mark)];
    check(Api::Anthropic, &sent(Api::Anthropic, &request).await, &places);
}

#[tokio::test]
async fn a_temperature_is_said_in_the_version_that_has_one() {
    let mut request = asking("Hello?");
    request.settings.temperature = Some(0.5);
    for (model, version, temperature) in [
        ("claude-sonnet-4-6", "2023-06-01", json!(0.5)),
        ("claude-opus-5-5", "2026-10-21", json!(null)),
    ] {
        let seen = sent_by(Api::Anthropic, model, &request).await;
        assert_eq!(seen.headers["anthropic-version"], version, "{model}");
        check(Api::Anthropic, &seen.body, &[("/temperature", temperature)]);
    }
}

#[tokio::test]
async fn how_much_a_model_thinks_is_said_in_its_own_words() {
    for (api, model, word, most, places) in [
        (
            Api::Chat,
            "m",
            "none",
            4000,
            vec![("/reasoning_effort", json!("none"))],
        ),
        (
            Api::Chat,
            "m",
            "high",
            4000,
            vec![("/reasoning_effort", json!("high"))],
        ),
        (
            Api::Responses,
            "m",
            "none",
            4000,
            vec![
                ("/reasoning", json!({"effort": "none"})),
                ("/include", json!(null)),
            ],
        ),
        (
            Api::Responses,
            "m",
            "low",
            4000,
            vec![
                ("/reasoning", json!({"effort": "low"})),
                ("/include", json!(["reasoning.encrypted_content"])),
            ],
        ),
        (
            Api::Anthropic,
            "claude-sonnet-4-5",
            "none",
            4000,
            vec![("/thinking", json!(null)), ("/temperature", json!(0.5))],
        ),
        (
            Api::Anthropic,
            "claude-sonnet-4-5",
            "low",
            8000,
            vec![
                ("/thinking", json!({"type": "enabled", "budget_tokens": 2000})),
                ("/temperature", json!(null)),
            ],
        ),
        (
            Api::Anthropic,
            "claude-sonnet-4-5",
            "low",
            2000,
            vec![("/thinking/budget_tokens", json!(1024))],
        ),
        (
            Api::Anthropic,
            "claude-sonnet-4-5",
            "high",
            1024,
            vec![("/thinking", json!(null))],
        ),
        (
            Api::Anthropic,
            "claude-3-7-sonnet-latest",
            "high",
            4000,
            vec![("/thinking/budget_tokens", json!(3200))],
        ),
        (
            Api::Anthropic,
            "claude-opus-4-7",
            "medium",
            4000,
            vec![
                ("/thinking", json!({"type": "adaptive"})),
                ("/output_config", json!({"effort": "medium"})),
                ("/temperature", json!(null)),
            ],
        ),
        (
            Api::Anthropic,
            "claude-opus-5-5",
            "none",
            4000,
            vec![
                ("/thinking", json!({"type": "disabled"})),
                ("/temperature", json!(null)),
            ],
        ),
        (
            Api::Gemini,
            "gemini-2.5-flash",
            "none",
            4000,
            vec![("/generationConfig/thinkingConfig", json!({"thinkingBudget": 0}))],
        ),
        (
            Api::Gemini,
            "gemini-2.5-flash",
            "medium",
            4000,
            vec![(
                "/generationConfig/thinkingConfig",
                json!({"thinkingBudget": 8192}),
            )],
        ),
        (
            Api::Gemini,
            "gemini-3-pro",
            "high",
            4000,
            vec![(
                "/generationConfig/thinkingConfig",
                json!({"thinkingLevel": "HIGH"}),
            )],
        ),
        (
            Api::Gemini,
            "gemini-3-pro",
            "none",
            4000,
            vec![(
                "/generationConfig/thinkingConfig",
                json!({"thinkingLevel": "LOW"}),
            )],
        ),
        (Api::Ollama, "m", "none", 4000, vec![("/think", json!(false))]),
        (
            Api::Ollama,
            "m",
            "medium",
            4000,
            vec![("/think", json!("medium"))],
        ),
    ] {
        let mut request = asking("Hello?");
        request.settings.max_tokens = Some(most);
        request.settings.temperature = Some(0.5);
        request.settings.reasoning = Some(word.to_owned());
        check(api, &sent_by(api, model, &request).await.body, &places);
    }
}

pub(crate) fn adds() -> ToolSpec {
    let numbers = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    ToolSpec::new("math.add", "Adds.", numbers).class(ToolClass::ReadOnly)
}

/// A conversation with two calls of one turn, their results, and a second question with an image.
pub(crate) fn conversation() -> Request {
    let mut request = asking("Add.");
    request.tools = vec![adds()];
    let call = |id: &str, n: Json| ToolCall {
        id: id.to_owned(),
        tool: "math.add".to_owned(),
        arguments: n,
    };
    let mut turn = Message::new(Role::Assistant, "");
    turn.tool_calls = vec![call("id-1", json!({"n": 1})), call("id-2", json!("{\"n\":"))];
    request.messages.push(turn);
    for (id, result) in [("id-1", "2"), ("id-2", "error: the arguments do not fit")] {
        let result = Message {
            call: Some(id.to_owned()),
            ..Message::new(Role::Tool, result)
        };
        request.messages.push(result);
    }
    request.messages.push(Message::new(Role::Assistant, "It is 2."));
    let mut last = Message::new(Role::User, "And this?");
    last.images = vec![Image::new("dot.png", "image/png", *b"\x89PNG")];
    request.messages.push(last);
    request
}

#[tokio::test]
async fn a_conversation_with_tools_and_an_image() {
    let parameters = adds().parameters;
    for (api, places) in [
        (
            Api::Chat,
            vec![
                (
                    "/tools",
                    json!([{"type": "function", "function": {"name": "math_add", "description": "Adds.", "parameters": parameters}}]),
                ),
                ("/tool_choice", json!(null)),
                (
                    "/messages/2",
                    json!({"role": "assistant", "content": null, "tool_calls": [
                        {"id": "id-1", "type": "function", "function": {"name": "math_add", "arguments": "{\"n\":1}"}},
                        {"id": "id-2", "type": "function", "function": {"name": "math_add", "arguments": "{\"n\":"}},
                    ]}),
                ),
                (
                    "/messages/3",
                    json!({"role": "tool", "tool_call_id": "id-1", "content": "2"}),
                ),
                ("/messages/4/tool_call_id", json!("id-2")),
                ("/messages/5", json!({"role": "assistant", "content": "It is 2."})),
                (
                    "/messages/6/content",
                    json!([
                        {"type": "text", "text": "And this?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                    ]),
                ),
            ],
        ),
        (
            Api::Responses,
            vec![
                (
                    "/tools/0",
                    json!({"type": "function", "name": "math_add", "description": "Adds.", "parameters": parameters, "strict": false}),
                ),
                (
                    "/input/1",
                    json!({"type": "function_call", "call_id": "id-1", "name": "math_add", "arguments": "{\"n\":1}"}),
                ),
                ("/input/2/arguments", json!("{\"n\":")),
                (
                    "/input/3",
                    json!({"type": "function_call_output", "call_id": "id-1", "output": "2"}),
                ),
                ("/input/5", json!({"role": "assistant", "content": "It is 2."})),
                (
                    "/input/6/content/1",
                    json!({"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBORw=="}),
                ),
            ],
        ),
        (
            Api::Anthropic,
            vec![
                (
                    "/tools",
                    json!([{"name": "math_add", "description": "Adds.", "input_schema": parameters}]),
                ),
                (
                    "/messages/1",
                    json!({"role": "assistant", "content": [
                        {"type": "tool_use", "id": "id-1", "name": "math_add", "input": {"n": 1}},
                        {"type": "tool_use", "id": "id-2", "name": "math_add", "input": {"arguments": "{\"n\":"}},
                    ]}),
                ),
                (
                    "/messages/2",
                    json!({"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": "id-1", "content": "2"},
                        {"type": "tool_result", "tool_use_id": "id-2", "content": "error: the arguments do not fit"},
                    ]}),
                ),
                (
                    "/messages/4/content",
                    json!([
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}},
                        {"type": "text", "text": "And this?"},
                    ]),
                ),
            ],
        ),
        (
            Api::Gemini,
            vec![
                (
                    "/tools",
                    json!([{"functionDeclarations": [{"name": "math_add", "description": "Adds.", "parametersJsonSchema": parameters}]}]),
                ),
                (
                    "/contents/1/parts/0",
                    json!({"functionCall": {"name": "math_add", "args": {"n": 1}}}),
                ),
                (
                    "/contents/2",
                    json!({"role": "user", "parts": [
                        {"functionResponse": {"id": "id-1", "name": "math_add", "response": {"output": "2"}}},
                        {"functionResponse": {"id": "id-2", "name": "math_add", "response": {"output": "error: the arguments do not fit"}}},
                    ]}),
                ),
                (
                    "/contents/4/parts/1",
                    json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}),
                ),
            ],
        ),
        (
            Api::Ollama,
            vec![
                ("/tools/0/function/name", json!("math_add")),
                (
                    "/messages/2/tool_calls/0",
                    json!({"function": {"name": "math_add", "arguments": {"n": 1}}}),
                ),
                (
                    "/messages/3",
                    json!({"role": "tool", "tool_name": "math_add", "content": "2"}),
                ),
                (
                    "/messages/6",
                    json!({"role": "user", "content": "And this?", "images": ["iVBORw=="]}),
                ),
            ],
        ),
    ] {
        check(api, &sent(api, &conversation()).await, &places);
    }
}
