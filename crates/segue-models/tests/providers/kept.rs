//! What goes back to a model with its answer when the conversation goes on: thoughts, and what a text was.

use segue::ToolSpec;
use segue::model::{Message, Model, Role};
use segue_models::Api;
use serde_json::{Value as Json, json};

use crate::asking;
use crate::official::faults_of_events;
use crate::say::{message, numbered, pieces, response, text};
use crate::server::{Server, Turn};

#[tokio::test]
async fn signed_thoughts_go_back_to_the_model_that_made_them_and_to_no_other() {
    let thought = json!({"type": "reasoning", "id": "t1", "summary": [], "encrypted_content": "c2VjcmV0"});
    let call = json!({"type": "function_call", "call_id": "id-1", "name": "add", "arguments": "{}"});
    let responses = numbered(vec![
        json!({"type": "response.completed", "response": response(json!({"output": [thought, call]}))}),
    ]);
    let block = |index: u32, block: Json| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |kind: &str, name: &str, piece: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": kind, name: piece}});
    let anthropic = vec![
        json!({"type": "message_start", "message": message(json!({}))}),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta("thinking_delta", "thinking", "Hm."),
        delta("signature_delta", "signature", "c2ln"),
        block(
            1,
            json!({"type": "tool_use", "id": "id-1", "name": "add", "input": {}}),
        ),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ];
    let part = json!({"functionCall": {"name": "add", "args": {}}, "thoughtSignature": "c2ln"});
    let gemini = vec![json!({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})];
    let line = |message: Json, done: bool| {
        json!({"model": "m-1", "created_at": "2026-11-01T00:00:00Z",
        "message": message, "done": done, "done_reason": if done { json!("stop") } else { json!(null) }})
    };
    let call = json!({"function": {"name": "add", "arguments": {}}});
    let ollama = vec![
        line(
            json!({"role": "assistant", "content": "", "thinking": "Hm"}),
            false,
        ),
        line(
            json!({"role": "assistant", "content": "", "thinking": "."}),
            false,
        ),
        line(
            json!({"role": "assistant", "content": "", "tool_calls": [call]}),
            false,
        ),
        line(json!({"role": "assistant", "content": ""}), true),
    ];
    for (api, events, at, expected) in [
        (Api::Responses, responses, "/input/1", thought.clone()),
        (
            Api::Anthropic,
            anthropic,
            "/messages/1/content/0",
            json!({"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}),
        ),
        (Api::Gemini, gemini, "/contents/1/parts/0", part.clone()),
        (Api::Ollama, ollama, "/messages/2/thinking", json!("Hm.")),
    ] {
        assert_eq!(faults_of_events(api, &events), [""; 0], "{api}");
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
async fn what_is_said_on_the_way_is_no_part_of_the_answer_and_the_phase_goes_back() {
    let said = |id: &str, phase: &str, text: &str| {
        let part = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
        json!({"type": "message", "id": id, "status": "completed", "role": "assistant", "content": [part], "phase": phase})
    };
    let ends = |output: Json| {
        numbered(vec![
            json!({"type": "response.completed", "response": response(json!({"output": output}))}),
        ])
    };
    let (way, end) = (
        said("i1", "commentary", "I look."),
        said("i2", "final_answer", "It is 7."),
    );
    for (output, expected, phase) in [
        (json!([way, end]), "It is 7.", "final_answer"),
        (json!([way]), "I look.", "commentary"),
    ] {
        let api = Api::Responses;
        let events = ends(output);
        assert_eq!(faults_of_events(api, &events), [""; 0]);
        let answers = [events, crate::say::events(api, &text("Yes."))];
        let server = Server::new(answers.map(|events| Turn::stream(api, &pieces(api, &events))));
        let model = server.model(api);
        let mut request = asking("How many?");
        let response = model.answer(&request).await.unwrap();
        assert_eq!(response.text, expected);
        let mut answer = Message::new(Role::Assistant, response.text);
        answer.opaque = response.opaque;
        request
            .messages
            .extend([answer, Message::new(Role::User, "Sure?")]);
        model.answer(&request).await.unwrap();
        let body = server.seen().pop().unwrap().body;
        assert_eq!(
            body["input"][1],
            json!({"role": "assistant", "content": expected, "phase": phase})
        );
    }
}
