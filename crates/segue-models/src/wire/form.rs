//! Forms: how an answer that fits a schema is asked for. Whatever the form, the run checks the answer and has it repaired.

use segue::model::Request;
use segue::schema::Schema;
use serde_json::{Value as Json, json};

use super::claude::Claude;
use crate::provider::Api;

/// How an answer that fits a schema is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing is asked for.
    Free,
    /// The provider enforces the schema while the model writes.
    Native,
    /// The provider enforces an object, words say which.
    Object,
    /// The answer is the arguments of a tool.
    Tool,
    /// Words only.
    Told,
}

/// The name of the one field that a schema which is no object is wrapped in.
const FIELD: &str = "answer";

impl Form {
    /// The best form a protocol and a model have for a request.
    pub(crate) fn of(api: Api, model: &str, request: &Request) -> Self {
        let Some(schema) = &request.output else {
            return Form::Free;
        };
        match api {
            Api::Chat | Api::Responses if !is_object(schema) => Form::Told,
            Api::Chat | Api::Responses if schema.is_strict() => Form::Native,
            Api::Chat | Api::Responses => Form::Object,
            Api::Anthropic if is_object(schema) && is_plain(schema) && Claude::called(model).enforces() => {
                Form::Native
            }
            Api::Anthropic if is_object(schema) || !refers(schema.as_json()) => Form::Tool,
            Api::Anthropic => Form::Told,
            // A schema constrains every word of the answer: no tool could be called.
            Api::Gemini | Api::Ollama if !request.tools.is_empty() => Form::Told,
            Api::Gemini | Api::Ollama => Form::Native,
        }
    }

    /// Whether a provider may refuse it and still take the request in words.
    pub(crate) fn may_be_refused(self) -> bool {
        matches!(self, Form::Native | Form::Object)
    }

    /// What is asked for after this form was refused.
    pub(crate) fn instead(self, api: Api) -> Self {
        match (api, self) {
            (Api::Anthropic, Form::Native) => Form::Tool,
            _ => Form::Told,
        }
    }

    /// What the model is told of the schema.
    pub(super) fn told(self, schema: &Schema) -> Option<String> {
        let words = match self {
            Form::Free | Form::Native | Form::Tool => return None,
            Form::Object | Form::Told => "Answer with JSON that fits this JSON Schema, and nothing else:",
        };
        Some(format!("{words}\n{}", schema.as_json()))
    }
}

fn is_object(schema: &Schema) -> bool {
    schema.as_json().get("type").is_some_and(|kind| kind == "object")
}

/// Whether a schema has only what Anthropic enforces: no bounds of any kind, and no other fields.
fn is_plain(schema: &Schema) -> bool {
    const BOUNDS: [&str; 14] = [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "oneOf",
    ];
    fn has_bounds(schema: &Json) -> bool {
        match schema {
            // A field of such a name is taken for one, and the schema asked for by tool.
            Json::Object(fields) => {
                BOUNDS.iter().any(|word| fields.contains_key(*word)) || fields.values().any(has_bounds)
            }
            Json::Array(items) => items.iter().any(has_bounds),
            _ => false,
        }
    }
    schema.is_strict() && !has_bounds(schema.as_json())
}

/// Whether a schema points into itself, so that it cannot be moved into another one.
fn refers(schema: &Json) -> bool {
    match schema {
        Json::Object(fields) => fields.contains_key("$ref") || fields.values().any(refers),
        Json::Array(items) => items.iter().any(refers),
        _ => false,
    }
}

/// The arguments of a tool that takes the answer.
pub(super) fn wrapped(schema: &Schema) -> Json {
    match is_object(schema) {
        true => schema.as_json().clone(),
        false => json!({
            "type": "object", "properties": {FIELD: schema.as_json()}, "required": [FIELD],
            "additionalProperties": false,
        }),
    }
}

/// The answer in the arguments of that tool. What does not have the form is left for the run to judge.
pub(super) fn unwrapped(schema: Option<&Schema>, arguments: &Json) -> String {
    let inner = match schema {
        Some(schema) if !is_object(schema) => arguments.get(FIELD),
        _ => None,
    };
    inner.unwrap_or(arguments).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(json: Json) -> Schema {
        Schema::from_json(json).unwrap()
    }

    #[test]
    fn an_answer_that_is_no_object_is_wrapped_and_unwrapped() {
        let object = schema(json!({"type": "object", "properties": {"answer": {"type": "integer"}}}));
        assert_eq!(wrapped(&object), *object.as_json());
        assert_eq!(unwrapped(Some(&object), &json!({"answer": 1})), r#"{"answer":1}"#);
        let word = schema(json!({"enum": ["yes", "no"]}));
        assert_eq!(wrapped(&word)["properties"]["answer"], *word.as_json());
        assert_eq!(unwrapped(Some(&word), &json!({"answer": "yes"})), "\"yes\"");
        // What the model made of it is for the run to judge.
        assert_eq!(unwrapped(Some(&word), &json!({"other": 1})), r#"{"other":1}"#);
    }

    #[test]
    fn a_schema_that_points_into_itself_is_not_moved() {
        let list = schema(
            json!({"type": "array", "items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "integer"}}}),
        );
        assert!(refers(list.as_json()));
        let plain = schema(json!({"type": "array", "items": {"enum": ["$ref"]}}));
        assert!(!refers(plain.as_json()));
    }
}
