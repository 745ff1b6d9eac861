//! What is wrong with a value, in words a person understands.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::SchemaFlaw;
use super::type_set::TypeSet;
use crate::fault::{Code, quote};
use crate::file::suggest::alternatives;
use crate::file::yaml::escape_pointer;

/// The most alternatives spelled out in a message.
const MAX_NAMED: usize = 12;

/// One thing that is wrong with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// JSON pointer of the part it is about.
    pub pointer: String,
    /// What is wrong, without a subject: "0 is below 1".
    pub message: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pointer.as_str() {
            "" => f.write_str(&self.message),
            pointer => write!(f, "{pointer}: {}", self.message),
        }
    }
}

/// The first violations of a value.
pub(super) fn explain<'a>(
    errors: impl Iterator<Item = ValidationError<'a>>,
    at_most: usize,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for error in errors {
        push(&error, &mut violations);
        if violations.len() >= at_most {
            violations.truncate(at_most);
            break;
        }
    }
    violations
}

/// Why the library refuses a schema.
pub(super) fn schema_flaw(error: &ValidationError<'_>) -> SchemaFlaw {
    let pointer = error.instance_path().as_str().to_owned();
    let is_pattern = matches!(error.kind(), ValidationErrorKind::Format { format } if format == "regex")
        || pointer.ends_with("/pattern");
    if is_pattern {
        let message = format!(
            "{} is no pattern that runs in linear time",
            shown(error.instance())
        );
        return SchemaFlaw::new(Code::BadPattern, pointer, message)
            .hint("look-around and back references are not read");
    }
    let mut reasons = Vec::new();
    push(error, &mut reasons);
    match reasons.into_iter().next() {
        Some(reason) => SchemaFlaw::new(Code::BadSchema, reason.pointer, reason.message),
        None => SchemaFlaw::new(Code::BadSchema, pointer, "this is no JSON Schema"),
    }
}

fn push(error: &ValidationError<'_>, out: &mut Vec<Violation>) {
    let pointer = error.instance_path().as_str();
    let at = |pointer: String, message: String| Violation { pointer, message };
    let unknown = |name: &String| {
        at(
            format!("{pointer}/{}", escape_pointer(name)),
            format!("unknown field {}", quote(name)),
        )
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            out.extend(unexpected.iter().map(unknown));
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            // The alternatives of another type are not what the author of the value had in mind.
            let mut near = context
                .iter()
                .filter(|errors| !errors.iter().any(|error| is_other_type(error, pointer)));
            match (near.next(), near.next()) {
                (Some(only), None) => only.iter().for_each(|error| push(error, out)),
                _ => {
                    let message = format!(
                        "{} fits none of {} alternatives",
                        shown(error.instance()),
                        context.len()
                    );
                    out.push(at(pointer.to_owned(), message));
                }
            }
        }
        kind => out.push(at(pointer.to_owned(), message(kind, error.instance()))),
    }
}

fn is_other_type(error: &ValidationError<'_>, pointer: &str) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { .. }) && error.instance_path().as_str() == pointer
}

fn message(kind: &ValidationErrorKind, value: &Value) -> String {
    use ValidationErrorKind as Kind;
    let found = shown(value);
    match kind {
        Kind::Type { kind } => format!("needs {}, found {}", wanted(kind), described(value)),
        Kind::Required { property } => format!("{} is missing", quote(property.as_str().unwrap_or_default())),
        Kind::Enum { options } => match options.as_array() {
            Some(options) if options.len() <= MAX_NAMED => {
                let options: Vec<String> = options.iter().map(shown).collect();
                format!("{found} is not {}", alternatives(&options))
            }
            Some(options) => format!("{found} is none of {} values", options.len()),
            None => format!("{found} is none of the values"),
        },
        Kind::Constant { expected_value } => format!("{found} is not {}", shown(expected_value)),
        Kind::Minimum { limit } => format!("{found} is below {limit}"),
        Kind::Maximum { limit } => format!("{found} is above {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("{found} is not above {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("{found} is not below {limit}"),
        Kind::MultipleOf { multiple_of } => format!("{found} is no multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("{found} is shorter than {limit} characters"),
        Kind::MaxLength { limit } => format!("{found} is longer than {limit} characters"),
        Kind::Pattern { pattern } => format!("{found} does not match {}", quote(pattern)),
        Kind::Format { format } => format!("{found} is no {format}"),
        Kind::MinItems { limit } => format!("has fewer than {limit} elements"),
        Kind::MaxItems { limit } => format!("has more than {limit} elements"),
        Kind::AdditionalItems { limit } => format!("has more than {limit} elements"),
        Kind::UniqueItems => "has an element twice".to_owned(),
        Kind::MinProperties { limit } => format!("has fewer than {limit} fields"),
        Kind::MaxProperties { limit } => format!("has more than {limit} fields"),
        Kind::PropertyNames { error } => format!(
            "has a field name that is refused: {}",
            message(error.kind(), error.instance())
        ),
        Kind::Contains => "has no element of the required kind".to_owned(),
        Kind::FalseSchema => "is not allowed here".to_owned(),
        Kind::Not { .. } => format!("{found} is excluded"),
        Kind::OneOfMultipleValid { .. } => format!("{found} fits more than one alternative"),
        other => format!("{found} is refused by `{}`", other.keyword()),
    }
}

fn wanted(kind: &TypeKind) -> String {
    let set = |kind: JsonType| TypeSet::from_word(kind.as_str()).unwrap_or(TypeSet::ANY);
    match kind {
        TypeKind::Single(kind) => set(*kind).to_string(),
        TypeKind::Multiple(kinds) => kinds
            .iter()
            .map(set)
            .fold(TypeSet::NOTHING, TypeSet::or)
            .to_string(),
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", quote(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(_) => "the list".to_owned(),
        Value::Object(_) => "the object".to_owned(),
        other => other.to_string(),
    }
}
