//! Declared types: JSON Schema 2020-12 with short forms, checked once when read and cheap to share.
//!
//! Files, Rust pipelines and tools all describe values with [`Schema`]. The check compares schemas along edges and looks
//! up fields in them; a run validates values against them. A schema never reaches outside its own document, its patterns
//! run in linear time, and reading one is total.

mod compare;
mod field;
mod limits;
mod rust;
mod short;
mod strict;
mod text;
mod type_set;
mod violation;

use std::fmt;
use std::sync::{Arc, OnceLock};

use jsonschema::{Draft, PatternOptions, Validator};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::fault::Code;

pub use compare::Fit;
pub use field::Known;
pub use limits::{MAX_DEPTH, MAX_SCHEMA_BYTES};
pub use type_set::TypeSet;
pub use violation::Violation;

/// The most memory a pattern may compile to, in bytes; a longer one is refused instead of slow.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// The most violations reported for one value.
const MAX_VIOLATIONS: usize = 20;

/// How a schema marks values that are files; validators pass over formats they do not know.
const FILE_FORMAT: &str = "segue-file";

/// A type: what a value may be.
#[derive(Clone)]
pub struct Schema(Arc<Inner>);

struct Inner {
    json: Value,
    /// Compiled on first use; none if the library refuses a part cut out of a larger schema.
    validator: OnceLock<Option<Validator>>,
}

/// Why something is no type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFlaw {
    /// `bad_schema`, `bad_pattern`, `too_deep` or `too_large`.
    pub code: Code,
    /// JSON pointer into what was read.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl SchemaFlaw {
    fn new(code: Code, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code,
            pointer: pointer.into(),
            message: message.into(),
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Schema {
    /// Any of these types; unknown if one of them is, or refers to a part of itself.
    pub(crate) fn any_of(types: impl IntoIterator<Item = Option<Schema>>) -> Option<Schema> {
        let mut distinct: Vec<Value> = Vec::new();
        for schema in types {
            let schema = schema?;
            if schema.as_json().to_string().contains("\"$ref\"") {
                return None;
            }
            if !distinct.contains(schema.as_json()) {
                distinct.push(schema.as_json().clone());
            }
        }
        Some(match distinct.len() {
            1 => Schema::trusted(distinct.remove(0)),
            _ => Schema::trusted(serde_json::json!({"anyOf": distinct})),
        })
    }

    /// Reads a type as files write it: a short form, or a full JSON Schema with short forms inside.
    ///
    /// `files` is asked for the content of a `{file: PATH}`, with the JSON pointer of the path and the path; none means
    /// that it has reported why there is none.
    ///
    /// # Errors
    ///
    /// Every flaw found; empty when only `files` had something to report.
    pub fn read(
        value: &Value,
        files: &mut dyn FnMut(&str, &str) -> Option<Value>,
    ) -> Result<Self, Vec<SchemaFlaw>> {
        if let Some(flaw) = limits::check_size(value) {
            return Err(vec![flaw]);
        }
        let json = short::expand(value, files)?;
        Self::from_json(json).map_err(|flaw| vec![flaw])
    }

    /// Takes a plain JSON Schema, as tools and Rust types declare them.
    ///
    /// # Errors
    ///
    /// `bad_schema` where it is none or refers outside itself, `bad_pattern`, and `too_large` or `too_deep` beyond 64 KB
    /// or 32 levels.
    pub fn from_json(json: Value) -> Result<Self, SchemaFlaw> {
        limits::check(&json)?;
        let validator = compile(&json)?;
        let compiled = OnceLock::new();
        let _ = compiled.set(Some(validator));
        Ok(Self(Arc::new(Inner {
            json,
            validator: compiled,
        })))
    }

    /// The type of any value.
    pub fn any() -> Self {
        Self::derived(json!({}))
    }

    /// The type of text.
    pub fn string() -> Self {
        Self::derived(json!({"type": "string"}))
    }

    /// The type of an uploaded or named file.
    pub fn file() -> Self {
        Self::derived(file_json())
    }

    /// The type of a list whose elements have this type.
    pub fn array(&self) -> Self {
        Self::derived(json!({"type": "array", "items": self.standalone()}))
    }

    /// This type, or null.
    pub fn or_null(&self) -> Self {
        match self.may_be_null() {
            true => self.clone(),
            false => Self::derived(json!({"anyOf": [self.standalone(), {"type": "null"}]})),
        }
    }

    /// The JSON Schema.
    pub fn as_json(&self) -> &Value {
        &self.0.json
    }

    /// Whether it says nothing about the value.
    pub fn is_any(&self) -> bool {
        limits::is_unconstrained(self.as_json())
    }

    /// Whether values are files.
    pub fn is_file(&self) -> bool {
        self.as_json().get("format").and_then(Value::as_str) == Some(FILE_FORMAT)
    }

    /// The value used when none is given.
    pub fn default_value(&self) -> Option<&Value> {
        self.as_json().get("default")
    }

    /// The words that describe it to a person or a model.
    pub fn description(&self) -> Option<&str> {
        self.as_json().get("description").and_then(Value::as_str)
    }

    /// Whether null is one of its values.
    pub fn may_be_null(&self) -> bool {
        self.types().contains(TypeSet::NULL)
    }

    /// Which JSON types its values may have.
    pub fn types(&self) -> TypeSet {
        type_set::of(self.as_json(), self.as_json())
    }

    /// Checks a value.
    ///
    /// # Errors
    ///
    /// At most 20 violations, each with the JSON pointer of the part it is about.
    pub fn validate(&self, value: &Value) -> Result<(), Vec<Violation>> {
        let Some(validator) = self.validator() else {
            return Ok(());
        };
        if validator.is_valid(value) {
            return Ok(());
        }
        Err(violation::explain(validator.iter_errors(value), MAX_VIOLATIONS))
    }

    /// Whether a value has this type.
    pub fn is_valid(&self, value: &Value) -> bool {
        self.validator().is_none_or(|validator| validator.is_valid(value))
    }

    /// A schema put together or cut out of checked ones.
    fn derived(json: Value) -> Self {
        Self(Arc::new(Inner {
            json,
            validator: OnceLock::new(),
        }))
    }

    fn validator(&self) -> Option<&Validator> {
        self.0
            .validator
            .get_or_init(|| compile(&self.0.json).ok())
            .as_ref()
    }

    /// The schema with its own references written out, fit to stand inside another one.
    fn standalone(&self) -> Value {
        field::written_out(self.as_json(), self.as_json())
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schema({})", self.0.json)
    }
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.0.json == other.0.json
    }
}

impl Serialize for Schema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.json.serialize(serializer)
    }
}

fn compile(json: &Value) -> Result<Validator, SchemaFlaw> {
    let patterns = PatternOptions::regex()
        .size_limit(MAX_PATTERN_BYTES)
        .dfa_size_limit(MAX_PATTERN_BYTES);
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(patterns)
        .offline()
        .build(json)
        .map_err(|error| violation::schema_flaw(&error))
}

fn file_json() -> Value {
    json!({
        "type": "object",
        "format": FILE_FORMAT,
        "properties": {
            "name": {"type": "string"},
            "media_type": {"type": "string"},
            "bytes": {"type": "integer", "minimum": 0},
            "artifact": {"type": ["string", "null"]},
            "text": {"type": ["string", "null"]}
        },
        "required": ["name", "media_type", "bytes", "artifact", "text"],
        "additionalProperties": false
    })
}

#[cfg(test)]
pub(crate) mod tests;
