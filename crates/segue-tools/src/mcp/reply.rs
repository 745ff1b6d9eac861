//! What a call gave: the structured content of a server's answer where it has any, else its text. Where the server says
//! what its tool gives, it is held to that: the protocol makes it a duty of the server, and nobody is told anything else.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use segue::schema::Schema;
use serde_json::Value as Json;

/// Violations that are told of one answer; the first is mostly enough.
const TOLD: usize = 3;

/// Why there is nothing of use in an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Unusable {
    /// The tool has failed: what the server says of that.
    Failed(String),
    /// The tool has given something else than its output schema says; what is wrong with it.
    Unlike(String),
}

/// What a tool gives, held against what its server says it gives.
pub(super) fn read(result: CallToolResult, output: Option<&Schema>) -> Result<Json, Unusable> {
    if result.is_error == Some(true) {
        let said = text(&result.content);
        let structured = result.structured_content.map(|value| value.to_string());
        return Err(Unusable::Failed(match (said.trim(), structured) {
            ("", Some(structured)) => structured,
            ("", None) => "the server does not say why".to_owned(),
            (said, _) => said.to_owned(),
        }));
    }
    match (result.structured_content, output) {
        (Some(given), Some(output)) => match output.validate(&given) {
            Ok(()) => Ok(given),
            Err(violations) => {
                let told: Vec<String> = violations.iter().take(TOLD).map(ToString::to_string).collect();
                Err(Unusable::Unlike(told.join("; ")))
            }
        },
        (Some(given), None) => Ok(given),
        (None, Some(_)) => Err(Unusable::Unlike("there is no structured content".to_owned())),
        (None, None) => Ok(Json::String(text(&result.content))),
    }
}

/// The parts of an answer as one text. What is no text is named and left out: bytes in a model's prompt help nobody.
fn text(content: &[ContentBlock]) -> String {
    let parts: Vec<String> = content.iter().map(part).collect();
    parts.join("\n")
}

fn part(block: &ContentBlock) -> String {
    match block {
        ContentBlock::Text(text) => text.text.clone(),
        ContentBlock::Image(image) => left_out("image", Some(&image.mime_type), &image.data),
        ContentBlock::Audio(audio) => left_out("audio", Some(&audio.mime_type), &audio.data),
        ContentBlock::Resource(embedded) => match &embedded.resource {
            ResourceContents::TextResourceContents { text, .. } => text.clone(),
            ResourceContents::BlobResourceContents { mime_type, blob, .. } => {
                left_out("file", mime_type.as_deref(), blob)
            }
            _ => "[a resource of an unknown kind, left out]".to_owned(),
        },
        ContentBlock::ResourceLink(link) => format!("[{}: {}]", link.name, link.uri),
        _ => "[content of an unknown kind, left out]".to_owned(),
    }
}

/// `base64` has four characters for three bytes.
fn left_out(what: &str, media_type: Option<&str>, base64: &str) -> String {
    let bytes = base64.trim_end_matches('=').len() * 3 / 4;
    let media_type = media_type
        .map(|media_type| format!(" {media_type}"))
        .unwrap_or_default();
    format!("[{what}{media_type} of {bytes} bytes, left out]")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(value: Json) -> Result<Json, String> {
        let read = read(serde_json::from_value(value).expect("it is a result"), None);
        read.map_err(|unusable| match unusable {
            Unusable::Failed(why) => why,
            Unusable::Unlike(why) => panic!("it is held against nothing: {why}"),
        })
    }

    #[test]
    fn what_is_given_is_held_against_what_the_server_says_it_gives() {
        let output = json!({
            "type": "object", "properties": {"sum": {"type": "number"}, "of": {"type": "array", "items": {"type": "number"}}},
            "required": ["sum"],
        });
        let output = Schema::from_json(output).expect("a schema");
        let held = |value: Json| {
            read(
                serde_json::from_value(value).expect("it is a result"),
                Some(&output),
            )
        };
        let unlike = |why: &str| Err(Unusable::Unlike(why.to_owned()));
        let given = |given: Json| held(json!({"content": [], "structuredContent": given}));
        assert_eq!(given(json!({"sum": 3})), Ok(json!({"sum": 3})));
        assert_eq!(
            given(json!({"sum": "3"})),
            unlike("/sum: needs a number, found the text `3`")
        );
        assert_eq!(
            given(json!({"of": [1, null]})),
            unlike("`sum` is missing; /of/1: needs a number, found null")
        );
        assert_eq!(given(Json::Null), unlike("needs an object, found null"));
        assert_eq!(
            held(json!({"content": [{"type": "text", "text": "{\"sum\": 3}"}]})),
            unlike("there is no structured content")
        );
        // A tool that fails owes nothing else.
        let failed = json!({"content": [{"type": "text", "text": "no"}], "isError": true});
        assert_eq!(held(failed), Err(Unusable::Failed("no".to_owned())));
    }

    #[test]
    fn structured_content_comes_first_and_text_is_joined() {
        let both =
            json!({"content": [{"type": "text", "text": "{\"sum\": 3}"}], "structuredContent": {"sum": 3}});
        assert_eq!(result(both), Ok(json!({"sum": 3})));
        let two = json!({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]});
        assert_eq!(result(two), Ok(json!("a\nb")));
        assert_eq!(result(json!({"content": []})), Ok(json!("")));
        assert_eq!(
            result(json!({"content": [], "structuredContent": null})),
            Ok(Json::Null)
        );
    }

    #[test]
    fn what_is_no_text_is_named_and_left_out() {
        let content = json!({"content": [
            {"type": "text", "text": "See"},
            {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
            {"type": "resource", "resource": {"uri": "file:///b", "blob": "aGVsbG8=", "mimeType": "application/zip"}},
            {"type": "resource_link", "uri": "https://example.com/c", "name": "c"},
        ]});
        let text = "See\n[image image/png of 5 bytes, left out]\ninside\n[file application/zip of 5 bytes, left out]\n[c: https://example.com/c]";
        assert_eq!(result(content), Ok(json!(text)));
    }

    #[test]
    fn an_error_says_what_the_server_says() {
        let said = json!({"content": [{"type": "text", "text": "no such file"}], "isError": true});
        assert_eq!(result(said), Err("no such file".to_owned()));
        let structured = json!({"content": [], "structuredContent": {"code": 7}, "isError": true});
        assert_eq!(result(structured), Err("{\"code\":7}".to_owned()));
        let silent = json!({"content": [], "isError": true});
        assert_eq!(result(silent), Err("the server does not say why".to_owned()));
    }
}
