//! The tree: maps, lists and scalars with their spans.

use serde_json::{Map, Number, Value};

use super::core_schema::{self, Resolved};
use crate::fault::{Span, quote};

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// Where it is written; of an alias, where the anchored value is.
    pub span: Span,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Keys in the order written, each once.
    Mapping(Vec<(Key, Node)>),
    /// Values in the order written.
    Sequence(Vec<Node>),
    /// A single value.
    Scalar(Scalar),
}

/// A key and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key without quotes.
    pub name: Box<str>,
    /// Where it is written.
    pub span: Span,
}

/// A single value: its text after unquoting and folding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text; empty for a value that was left out.
    pub text: Box<str>,
    /// How it is written.
    pub style: Style,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes; the only style that can be anything but text.
    Plain,
    /// In single quotes.
    SingleQuoted,
    /// In double quotes, with escapes.
    DoubleQuoted,
    /// After `|`, line by line.
    Literal,
    /// After `>`, lines joined.
    Folded,
}

impl Scalar {
    /// What the text stands for under the YAML 1.2 core schema.
    pub fn resolve(&self) -> Resolved<'_> {
        match self.style {
            Style::Plain => core_schema::resolve(&self.text),
            _ => Resolved::Str(&self.text),
        }
    }
}

impl Node {
    /// The entries of a map.
    pub fn as_mapping(&self) -> Option<&[(Key, Node)]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The values of a list.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// What a scalar stands for.
    pub fn resolve(&self) -> Option<Resolved<'_>> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar.resolve()),
            _ => None,
        }
    }

    /// The text of a value that is text; a number or a boolean is not.
    pub fn as_str(&self) -> Option<&str> {
        match self.resolve() {
            Some(Resolved::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether it is `null` or was left out.
    pub fn is_null(&self) -> bool {
        self.resolve() == Some(Resolved::Null)
    }

    /// The value under a key of a map; looks through the entries one by one.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entry(name).map(|(_, value)| value)
    }

    /// Key and value under a key of a map.
    pub fn entry(&self, name: &str) -> Option<&(Key, Node)> {
        self.as_mapping()?.iter().find(|(key, _)| &*key.name == name)
    }

    /// The value that a JSON pointer relative to this node leads to.
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        if pointer.is_empty() {
            return Some(self);
        }
        let mut node = self;
        for segment in pointer.strip_prefix('/')?.split('/') {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            node = match &node.kind {
                Kind::Mapping(_) => node.get(&segment)?,
                Kind::Sequence(items) => items.get(segment.parse::<usize>().ok()?)?,
                Kind::Scalar(_) => return None,
            };
        }
        Some(node)
    }

    /// The deepest value on the way along a JSON pointer, for faults about what is missing.
    pub fn nearest(&self, pointer: &str) -> &Node {
        let mut end = pointer.len();
        loop {
            if let Some(node) = self.at(&pointer[..end]) {
                return node;
            }
            end = pointer[..end].rfind('/').unwrap_or(0);
        }
    }

    /// The value as JSON, keys in the order written; numbers that fit nowhere, already reported, become null.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Mapping(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.name.to_string(), value.to_json()))
                    .collect::<Map<_, _>>(),
            ),
            Kind::Sequence(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null | Resolved::Unfit(_) => Value::Null,
                Resolved::Bool(value) => Value::Bool(value),
                Resolved::Int(value) => Value::from(value),
                Resolved::Float(text) => core_schema::float(text)
                    .and_then(Number::from_f64)
                    .map_or(Value::Null, Value::Number),
                Resolved::Str(text) => Value::from(text),
            },
        }
    }

    /// The value as messages name it: "the number 30", "the text `x`", "a list".
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Mapping(_) => "a map".to_owned(),
            Kind::Sequence(_) => "a list".to_owned(),
            Kind::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null if scalar.text.is_empty() => "nothing".to_owned(),
                Resolved::Null => "`null`".to_owned(),
                Resolved::Bool(value) => format!("the boolean {value}"),
                Resolved::Int(_) | Resolved::Float(_) | Resolved::Unfit(_) => {
                    format!("the number {}", scalar.text)
                }
                Resolved::Str("") => "empty text".to_owned(),
                Resolved::Str(text) => format!("the text {}", quote(text)),
            },
        }
    }
}

/// A key as one segment of a JSON pointer.
pub fn escape_pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
