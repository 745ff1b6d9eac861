//! Answers that fit a schema: how they are asked for, and what becomes of a server that cannot enforce one.

use segue::Model;
use segue::schema::Schema;
use segue_models::Api;
use serde_json::{Value as Json, json};

use crate::asking;
use crate::requests::{adds, check, sent, sent_by};
use crate::say::{Said, events, pieces, text};
use crate::server::{Server, Turn};

#[tokio::test]
async fn an_answer_that_fits_a_schema_is_asked_for_as_the_provider_does_it() {
    let strict = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
    let open = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let list = json!({"type": "array", "items": {"type": "string"}});
    let told = |schema: &Json| {
        format!("Be brief.\n\nAnswer with JSON that fits this JSON Schema, and nothing else:\n{schema}")
    };
    let format =
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": strict, "strict": true}});
    let tool = |schema: &Json| json!({"name": "answer", "description": "Takes your final answer.", "input_schema": schema});
    let wrapped = json!({"type": "object", "properties": {"answer": list}, "required": ["answer"], "additionalProperties": false});
    for (api, schema, places) in [
        (
            Api::Chat,
            &strict,
            vec![
                ("/response_format", format),
                ("/messages/0/content", json!("Be brief.")),
            ],
        ),
        (
            Api::Chat,
            &open,
            vec![
                ("/response_format", json!({"type": "json_object"})),
                ("/messages/0/content", json!(told(&open))),
            ],
        ),
        (
            Api::Chat,
            &list,
            vec![
                ("/response_format", json!(null)),
                ("/messages/0/content", json!(told(&list))),
            ],
        ),
        (
            Api::Responses,
            &strict,
            vec![
                (
                    "/text/format",
                    json!({"type": "json_schema", "name": "answer", "schema": strict, "strict": true}),
                ),
                ("/instructions", json!("Be brief.")),
            ],
        ),
        (
            Api::Responses,
            &open,
            vec![
                ("/text/format", json!({"type": "json_object"})),
                ("/instructions", json!(told(&open))),
            ],
        ),
        (
            Api::Anthropic,
            &strict,
            vec![
                ("/tools/0", tool(&strict)),
                ("/tool_choice", json!({"type": "tool", "name": "answer"})),
            ],
        ),
        (
            Api::Anthropic,
            &list,
            vec![("/tools/0", tool(&wrapped)), ("/tools/1", json!(null))],
        ),
        (
            Api::Gemini,
            &strict,
            vec![
                ("/generationConfig/responseJsonSchema", strict.clone()),
                ("/generationConfig/responseMimeType", json!("application/json")),
            ],
        ),
        (
            Api::Ollama,
            &list,
            vec![
                ("/format", list.clone()),
                ("/messages/0/content", json!("Be brief.")),
            ],
        ),
    ] {
        let mut request = asking("How many?");
        request.output = Some(Schema::from_json(schema.clone()).unwrap());
        check(api, &sent(api, &request).await, &places);
    }
    // A newer model of Anthropic's is held to it, with tools and without; one with bounds is asked for by tool there too.
    let bounded = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"], "additionalProperties": false});
    for (schema, tools, places) in [
        (
            &strict,
            vec![adds()],
            vec![
                (
                    "/output_config",
                    json!({"format": {"type": "json_schema", "schema": strict}}),
                ),
                ("/tools/1", json!(null)),
                ("/tool_choice", json!(null)),
            ],
        ),
        (
            &bounded,
            vec![],
            vec![("/output_config", json!(null)), ("/tools/0", tool(&bounded))],
        ),
    ] {
        let mut request = asking("How many?");
        request.output = Some(Schema::from_json(schema.clone()).unwrap());
        request.tools = tools;
        let seen = sent_by(Api::Anthropic, "claude-sonnet-4-6", &request).await;
        check(Api::Anthropic, &seen.body, &places);
    }
    // Where tools are to be called too, nothing may force the form.
    for (api, place, expected) in [
        (Api::Anthropic, "/tool_choice", json!(null)),
        (Api::Gemini, "/generationConfig/responseJsonSchema", json!(null)),
        (Api::Ollama, "/format", json!(null)),
    ] {
        let mut request = asking("How many?");
        request.output = Some(Schema::from_json(strict.clone()).unwrap());
        request.tools = vec![adds()];
        let body = sent(api, &request).await;
        check(api, &body, &[(place, expected)]);
        let said = if api == Api::Anthropic {
            "calling the tool `answer`"
        } else {
            "fits this JSON Schema"
        };
        assert!(body.to_string().contains(said), "{api}: {body:#}");
    }
}

#[tokio::test]
async fn a_model_of_anthropics_that_cannot_be_held_to_a_schema_is_given_the_tool() {
    let api = Api::Anthropic;
    let no = r#"{"type": "error", "error": {"type": "invalid_request_error", "message": "output_config.format: no"}}"#;
    let answer = Said {
        calls: vec![("id-1", "answer", json!({"n": 7}))],
        ..Said::default()
    };
    let answer = || Turn::stream(api, &pieces(api, &events(api, &answer)));
    let server = Server::new([Turn::status("400 Bad Request", &[], no), answer(), answer()]);
    let model = server.model_called(api, "claude-haiku-4-5");
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
    let mut request = asking("How many?");
    request.output = Some(Schema::from_json(schema).unwrap());
    for _ in 0..2 {
        assert_eq!(model.answer(&request).await.unwrap().text, "{\"n\":7}");
    }
    let seen = server.seen();
    let by_tool: Vec<bool> = seen.iter().map(|seen| seen.body.get("tools").is_some()).collect();
    assert_eq!(by_tool, [false, true, true]);
}

#[tokio::test]
async fn a_server_that_cannot_enforce_a_schema_is_told_once_and_remembered() {
    let api = Api::Chat;
    let answer = || Turn::stream(api, &pieces(api, &events(api, &text("{\"n\":7}"))));
    let no = || {
        Turn::status(
            "400 Bad Request",
            &[],
            r#"{"error": {"message": "response_format is not supported"}}"#,
        )
    };
    let server = Server::new([no(), answer(), answer()]);
    let model = server.model(api);
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false});
    let mut request = asking("How many?");
    request.output = Some(Schema::from_json(schema).unwrap());
    for _ in 0..2 {
        assert_eq!(model.answer(&request).await.unwrap().text, "{\"n\":7}");
    }
    let seen = server.seen();
    let formats: Vec<bool> = seen
        .iter()
        .map(|seen| seen.body.get("response_format").is_some())
        .collect();
    assert_eq!(formats, [true, false, false]);
    // Another request has another key; the refused one had no effect.
    assert_eq!(server.ledger().len(), 2);
    // A request that is wrong in itself is refused once more, and says so in the first words.
    let server = Server::new([no(), Turn::status("400 Bad Request", &[], "still wrong")]);
    let failure = server.model(api).answer(&request).await.unwrap_err();
    assert!(
        failure.message.ends_with("response_format is not supported"),
        "{failure}"
    );
}
