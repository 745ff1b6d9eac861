//! The JSON Schema of the format, for editors: made from the tables the reader uses.

use serde_json::{Map, Value, json};

use super::keys::{self, Key, PIPELINE, Table, Takes};

/// The pattern of names.
const NAME: &str = "^[a-z][a-z0-9_-]{0,63}$";
/// The pattern of durations.
const DURATION: &str = "^(?=.)([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
/// The pattern of amounts of money written as text.
const MONEY: &str = "^[0-9]+(\\.[0-9]{1,9})?$";

/// The JSON Schema of a pipeline file, version 1.
///
/// It says which keys there are and what they take. What only shows across a file (names, edges, types) is found by
/// [`load`](super::load).
#[must_use]
pub fn schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Pipeline file, version 1",
    });
    let (Some(all), Value::Object(pipeline)) = (schema.as_object_mut(), section(&PIPELINE)) else {
        return schema;
    };
    all.extend(pipeline);
    all.insert(
        "anyOf".to_owned(),
        json!([{"required": ["steps"]}, {"required": ["patterns"]}]),
    );
    let definitions = json!({
        "name": {"type": "string", "pattern": NAME},
        "duration": {"type": "string", "pattern": DURATION},
        "type": {"description": "A type: a short form or JSON Schema.", "type": ["string", "array", "object"]},
        "step": any_of(keys::STEPS.iter().map(|(_, table)| section(table))),
        "arm": any_of(keys::ARMS.iter().map(|(_, table)| section(table))),
    });
    all.insert("$defs".to_owned(), definitions);
    schema
}

/// The JSON Schema of a test file, version 1.
#[must_use]
pub fn test_schema() -> Value {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Test file, version 1",
    });
    let (Some(all), Value::Object(test)) = (schema.as_object_mut(), section(&keys::TEST)) else {
        return schema;
    };
    all.extend(test);
    let definitions = json!({
        "name": {"type": "string", "pattern": NAME},
        "duration": {"type": "string", "pattern": DURATION},
        "type": {"description": "A type: a short form or JSON Schema.", "type": ["string", "array", "object"]},
    });
    all.insert("$defs".to_owned(), definitions);
    schema
}

fn section(table: &'static Table) -> Value {
    let properties: Map<String, Value> = table
        .keys()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<&str> = table
        .keys()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    })
}

fn property(key: &'static Key) -> Value {
    let mut schema = takes(&key.takes);
    if let Some(fields) = schema.as_object_mut() {
        fields.insert("description".to_owned(), key.doc.into());
    }
    schema
}

fn takes(takes_what: &'static Takes) -> Value {
    match takes_what {
        Takes::Version => json!({"const": 1}),
        Takes::Text | Takes::Template | Takes::Path => json!({"type": "string"}),
        Takes::Title => json!({"type": "string", "minLength": 1}),
        Takes::Name => json!({"$ref": "#/$defs/name"}),
        Takes::Boolean => json!({"type": "boolean"}),
        Takes::Count(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Takes::Number(least, most) => json!({"type": "number", "minimum": least, "maximum": most}),
        Takes::Duration => json!({"$ref": "#/$defs/duration"}),
        Takes::DurationOrNone => json!({"anyOf": [{"$ref": "#/$defs/duration"}, {"const": "none"}]}),
        Takes::Money => {
            json!({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": MONEY}]})
        }
        Takes::Words(words) => json!({"enum": words}),
        // `true` and numbers are expressions as YAML reads them.
        Takes::Expression => json!({"type": ["string", "boolean", "number"]}),
        Takes::TextOrFile => any_of([
            json!({"type": "string"}),
            json!({
                "type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"],
                "additionalProperties": false,
            }),
        ]),
        Takes::Type => json!({"$ref": "#/$defs/type"}),
        Takes::Value => json!({}),
        Takes::List(item) => json!({"type": "array", "items": takes(item)}),
        Takes::Map(value) => json!({"type": "object", "additionalProperties": takes(value)}),
        // Written once, as their fields hold maps of themselves.
        Takes::Section(table) if std::ptr::eq(*table, &keys::STEP) => json!({"$ref": "#/$defs/step"}),
        Takes::Section(table) if std::ptr::eq(*table, &keys::ARM) => json!({"$ref": "#/$defs/arm"}),
        Takes::Section(table) => section(table),
        Takes::AnyOf(several) => any_of(several.iter().map(takes)),
    }
}

fn any_of(schemas: impl IntoIterator<Item = Value>) -> Value {
    json!({"anyOf": schemas.into_iter().collect::<Vec<_>>()})
}
