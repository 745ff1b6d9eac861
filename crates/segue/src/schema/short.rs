//! Short forms written out as JSON Schema: `string|null`, `[T]`, `{a: T}`, `file`.

use serde_json::{Map, Value, json};

use super::{SchemaFlaw, file_json};
use crate::fault::{Code, quote};
use crate::file::suggest::Nearest;
use crate::file::yaml::escape_pointer;

/// Words that name a type in a short form.
const TYPE_WORDS: [&str; 7] = ["string", "integer", "number", "boolean", "object", "null", "any"];

/// Words that `type` takes in a full schema, where `items` can say what an array holds.
const FULL_TYPE_WORDS: [&str; 8] = [
    "string", "integer", "number", "boolean", "object", "null", "any", "array",
];

/// Words of other languages, and what they are called here.
const OTHER_WORDS: [(&str, &str); 12] = [
    ("str", "string"),
    ("text", "string"),
    ("int", "integer"),
    ("long", "integer"),
    ("float", "number"),
    ("double", "number"),
    ("bool", "boolean"),
    ("dict", "object"),
    ("map", "object"),
    ("none", "null"),
    ("list", "[T]"),
    ("array", "[T]"),
];

/// A map with one of these as a key is a full JSON Schema.
const FULL_WORDS: [&str; 8] = ["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "file"];

/// Keywords of JSON Schema 2020-12 whose values are not types.
const PLAIN_KEYWORDS: [&str; 36] = [
    "enum",
    "const",
    "$ref",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "$schema",
    "$id",
    "$anchor",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "required",
    "minProperties",
    "maxProperties",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minContains",
    "maxContains",
    "dependentRequired",
    "contentMediaType",
    "contentEncoding",
    "$vocabulary",
    "discriminator",
];
/// Keywords whose value is a type.
const TYPE_KEYWORDS: [&str; 11] = [
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "propertyNames",
    "contains",
    "contentSchema",
    "not",
    "if",
    "then",
    "else",
];
/// Keywords whose value is a list of types.
const LIST_KEYWORDS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords whose value is a map of types.
const MAP_KEYWORDS: [&str; 5] = [
    "properties",
    "patternProperties",
    "dependentSchemas",
    "$defs",
    "definitions",
];

/// Writes out a type as JSON Schema. Depth was checked before.
pub(super) fn expand(
    value: &Value,
    files: &mut dyn FnMut(&str, &str) -> Option<Value>,
) -> Result<Value, Vec<SchemaFlaw>> {
    let mut expansion = Expansion {
        files,
        flaws: Vec::new(),
        failed: false,
    };
    let mut pointer = String::new();
    let schema = expansion.short(value, &mut pointer);
    match expansion.failed {
        true => Err(expansion.flaws),
        false => Ok(schema),
    }
}

struct Expansion<'a> {
    files: &'a mut dyn FnMut(&str, &str) -> Option<Value>,
    flaws: Vec<SchemaFlaw>,
    failed: bool,
}

impl Expansion<'_> {
    /// A type in any form.
    fn short(&mut self, value: &Value, pointer: &mut String) -> Value {
        match value {
            Value::String(words) => self.union(words, &TYPE_WORDS, pointer),
            Value::Array(items) => match items.as_slice() {
                [item] => json!({"type": "array", "items": self.inside(item, pointer, "0")}),
                _ => {
                    let message = format!("a list type has one element type, found {}", items.len());
                    self.flaw(
                        pointer,
                        message,
                        "write `[T]`, such as `[string]` or `[integer|string]`",
                    )
                }
            },
            Value::Object(map) if map.is_empty() => json!({}),
            Value::Object(map) if map.keys().any(|key| FULL_WORDS.contains(&key.as_str())) => {
                self.full(map, pointer)
            }
            Value::Object(map) => self.fields(map, pointer),
            other => {
                let message = format!(
                    "a type is a word, a list or a map, found {}",
                    quote(&other.to_string())
                );
                self.flaw(
                    pointer,
                    message,
                    "a full schema has one of `type`, `enum`, `const`, `anyOf`, `$ref`",
                )
            }
        }
    }

    /// `string|null` and the like.
    fn union(&mut self, words: &str, known: &[&str], pointer: &str) -> Value {
        let words: Vec<&str> = words.split('|').map(str::trim).collect();
        for (index, word) in words.iter().enumerate() {
            if !known.contains(word) && *word != "file" {
                return self.unknown_word(word, pointer);
            }
            if words[..index].contains(word) {
                return self.flaw(
                    pointer,
                    format!("{} is named twice", quote(word)),
                    "name each type once",
                );
            }
        }
        match words.as_slice() {
            ["any"] => json!({}),
            ["file"] => file_json(),
            [word] => json!({"type": word}),
            words if words.contains(&"any") => {
                self.flaw(pointer, "`any` is every type already", "write `any` alone")
            }
            words if words.contains(&"file") => {
                let branches: Vec<Value> = words
                    .iter()
                    .map(|word| {
                        if *word == "file" {
                            file_json()
                        } else {
                            json!({"type": word})
                        }
                    })
                    .collect();
                json!({"anyOf": branches})
            }
            words => json!({"type": words}),
        }
    }

    fn unknown_word(&mut self, word: &str, pointer: &str) -> Value {
        let message = format!("there is no type {}", quote(word));
        let hint = match OTHER_WORDS
            .iter()
            .find(|(other, _)| word.eq_ignore_ascii_case(other))
        {
            Some((_, ours)) => format!("write `{ours}`"),
            None => match word.strip_suffix('?') {
                Some(base) if TYPE_WORDS.contains(&base) => format!("write `{base}|null`"),
                _ => Nearest::of(word, TYPE_WORDS, "types").hint.unwrap_or_default(),
            },
        };
        self.flaw(pointer, message, hint)
    }

    /// `{a: T}`: all fields required, no others.
    fn fields(&mut self, map: &Map<String, Value>, pointer: &mut String) -> Value {
        let properties: Map<String, Value> = map
            .iter()
            .map(|(name, value)| (name.clone(), self.inside(value, pointer, name)))
            .collect();
        let required: Vec<&String> = map.keys().collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    }

    /// A JSON Schema with short forms inside.
    fn full(&mut self, map: &Map<String, Value>, pointer: &mut String) -> Value {
        if map.contains_key("file") {
            return self.named_file(map, pointer);
        }
        let mut schema = Map::new();
        for (keyword, value) in map {
            match value {
                Value::String(words) if keyword == "type" => {
                    let length = pointer.len();
                    pointer.push_str("/type");
                    let Value::Object(written_out) = self.union(words, &FULL_TYPE_WORDS, pointer) else {
                        continue;
                    };
                    pointer.truncate(length);
                    for (keyword, value) in written_out {
                        schema.entry(keyword).or_insert(value);
                    }
                }
                _ => {
                    if let Some(value) = self.keyword(keyword, value, pointer) {
                        schema.insert(keyword.clone(), value);
                    }
                }
            }
        }
        Value::Object(schema)
    }

    fn keyword(&mut self, keyword: &str, value: &Value, pointer: &mut String) -> Option<Value> {
        match value {
            Value::Bool(_) if TYPE_KEYWORDS.contains(&keyword) => Some(value.clone()),
            _ if TYPE_KEYWORDS.contains(&keyword) => Some(self.inside(value, pointer, keyword)),
            Value::Array(items) if LIST_KEYWORDS.contains(&keyword) => {
                let length = pointer.len();
                pointer.push_str(&format!("/{keyword}"));
                let items = items.iter().enumerate();
                let items = items
                    .map(|(index, item)| self.inside(item, pointer, &index.to_string()))
                    .collect();
                pointer.truncate(length);
                Some(Value::Array(items))
            }
            Value::Object(entries) if MAP_KEYWORDS.contains(&keyword) => {
                let length = pointer.len();
                pointer.push_str(&format!("/{keyword}"));
                let entries = entries.iter();
                let entries = entries
                    .map(|(name, item)| (name.clone(), self.inside(item, pointer, name)))
                    .collect();
                pointer.truncate(length);
                Some(Value::Object(entries))
            }
            _ if keyword == "type"
                || keyword.starts_with("x-")
                || PLAIN_KEYWORDS.contains(&keyword)
                || LIST_KEYWORDS.contains(&keyword)
                || MAP_KEYWORDS.contains(&keyword) =>
            {
                Some(value.clone())
            }
            _ => {
                let known = PLAIN_KEYWORDS
                    .iter()
                    .chain(&TYPE_KEYWORDS)
                    .chain(&LIST_KEYWORDS)
                    .chain(&MAP_KEYWORDS);
                let nearest = Nearest::of(keyword, known.copied(), "keywords");
                let hint = match nearest.suggestion {
                    Some(_) => nearest.hint.unwrap_or_default(),
                    None => "a field called `type`, `enum` or the like needs the long form: \
                             `{type: object, properties: {…}}`"
                        .to_owned(),
                };
                let pointer = format!("{pointer}/{}", escape_pointer(keyword));
                self.flaw(
                    &pointer,
                    format!("{} is no keyword of a schema", quote(keyword)),
                    hint,
                );
                None
            }
        }
    }

    /// `{file: PATH}`, with nothing beside it but a default and a description.
    fn named_file(&mut self, map: &Map<String, Value>, pointer: &mut String) -> Value {
        let Some(Value::String(path)) = map.get("file") else {
            return self.flaw(
                &format!("{pointer}/file"),
                "`file` needs a path",
                "write `{file: schemas/x.json}`",
            );
        };
        if let Some(other) = map
            .keys()
            .find(|key| !["file", "default", "description", "title"].contains(&key.as_str()))
        {
            let message = format!("{} cannot stand beside `file`", quote(other));
            return self.flaw(
                &format!("{pointer}/{}", escape_pointer(other)),
                message,
                "put it into the file",
            );
        }
        let Some(mut schema) = (self.files)(&format!("{pointer}/file"), path) else {
            self.failed = true;
            return json!({});
        };
        if !is_plain_schema(&schema) {
            if schema.get("file").is_some() {
                return self.flaw(
                    pointer,
                    "a schema file cannot name another file",
                    "put the schema into one file",
                );
            }
            let found = self.flaws.len();
            schema = self.short(&schema, &mut String::new());
            // Places inside the other file mean nothing here: they become part of the message.
            for flaw in &mut self.flaws[found..] {
                flaw.message = format!("{} at `{}`: {}", quote(path), flaw.pointer, flaw.message);
                flaw.pointer = format!("{pointer}/file");
            }
        }
        if !pointer.is_empty() && schema.to_string().contains("\"$ref\"") {
            return self.flaw(
                pointer,
                "a schema file with `$ref` cannot be part of another type",
                "use it as the whole type",
            );
        }
        if let Value::Object(schema) = &mut schema {
            let beside = map.iter().filter(|(key, _)| *key != "file");
            schema.extend(beside.map(|(key, value)| (key.clone(), value.clone())));
        }
        schema
    }

    fn inside(&mut self, value: &Value, pointer: &mut String, segment: &str) -> Value {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&escape_pointer(segment));
        let schema = self.short(value, pointer);
        pointer.truncate(length);
        schema
    }

    fn flaw(&mut self, pointer: &str, message: impl Into<String>, hint: impl Into<String>) -> Value {
        self.failed = true;
        self.flaws
            .push(SchemaFlaw::new(Code::BadSchema, pointer, message).hint(hint));
        json!({})
    }
}

/// Whether the content of a file is JSON Schema as other tools write it.
fn is_plain_schema(schema: &Value) -> bool {
    let is_keyword = |key: &str| {
        key == "type"
            || PLAIN_KEYWORDS.contains(&key)
            || TYPE_KEYWORDS.contains(&key)
            || LIST_KEYWORDS.contains(&key)
            || MAP_KEYWORDS.contains(&key)
    };
    match schema {
        Value::Object(map) => map.contains_key("$schema") || map.keys().all(|key| is_keyword(key)),
        _ => false,
    }
}
