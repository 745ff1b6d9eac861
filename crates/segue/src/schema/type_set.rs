//! Which JSON types a schema lets through.

use std::fmt;

use serde_json::Value;

use super::limits::{MAX_FOLLOWED, resolve};

/// A set of JSON types; integers are apart from other numbers, because the format keeps them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TypeSet(u8);

impl TypeSet {
    /// No type: no value at all.
    pub const NOTHING: Self = Self(0);
    /// null.
    pub const NULL: Self = Self(1);
    /// true and false.
    pub const BOOLEAN: Self = Self(1 << 1);
    /// Whole numbers.
    pub const INTEGER: Self = Self(1 << 2);
    /// All numbers.
    pub const NUMBER: Self = Self(1 << 2 | 1 << 3);
    /// Text.
    pub const STRING: Self = Self(1 << 4);
    /// Lists.
    pub const ARRAY: Self = Self(1 << 5);
    /// Maps.
    pub const OBJECT: Self = Self(1 << 6);
    /// Every type.
    pub const ANY: Self = Self(0x7f);

    const WORDS: [(&'static str, Self); 7] = [
        ("null", Self::NULL),
        ("boolean", Self::BOOLEAN),
        ("number", Self::NUMBER),
        ("integer", Self::INTEGER),
        ("string", Self::STRING),
        ("array", Self::ARRAY),
        ("object", Self::OBJECT),
    ];

    /// The set that a word of `type` stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS
            .iter()
            .find(|(name, _)| *name == word)
            .map(|&(_, set)| set)
    }

    /// The type of a value.
    pub fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => {
                Self::INTEGER
            }
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// Whether every type of the other set is in this one.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the sets have a type in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Types in both.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Types in either.
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the types of the other.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// As messages say it: "a string or null".
impl fmt::Display for TypeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ANY {
            return f.write_str("anything");
        }
        let mut rest = *self;
        let mut words = Vec::new();
        for (word, set) in Self::WORDS {
            if rest.contains(set) {
                rest = rest.without(set);
                words.push(match word {
                    "null" => "null".to_owned(),
                    "integer" | "array" | "object" => format!("an {word}"),
                    _ => format!("a {word}"),
                });
            }
        }
        match words.is_empty() {
            true => f.write_str("nothing"),
            false => f.write_str(&words.join(" or ")),
        }
    }
}

/// The types a schema lets through, as far as its keywords about types say.
pub(super) fn of(schema: &Value, root: &Value) -> TypeSet {
    of_at(schema, root, MAX_FOLLOWED)
}

fn of_at(schema: &Value, root: &Value, left: usize) -> TypeSet {
    let map = match schema {
        Value::Bool(false) => return TypeSet::NOTHING,
        Value::Object(map) if left > 0 => map,
        _ => return TypeSet::ANY,
    };
    let mut types = match map.get("type") {
        Some(Value::String(word)) => TypeSet::from_word(word).unwrap_or(TypeSet::ANY),
        Some(Value::Array(words)) => words
            .iter()
            .filter_map(|word| TypeSet::from_word(word.as_str()?))
            .fold(TypeSet::NOTHING, TypeSet::or),
        _ => TypeSet::ANY,
    };
    if let Some(value) = map.get("const") {
        types = types.and(TypeSet::of_value(value));
    }
    if let Some(Value::Array(values)) = map.get("enum") {
        types = types.and(
            values
                .iter()
                .map(TypeSet::of_value)
                .fold(TypeSet::NOTHING, TypeSet::or),
        );
    }
    if let Some(target) = map.get("$ref").and_then(|target| resolve(target, root)) {
        types = types.and(of_at(target, root, left - 1));
    }
    for branch in list(map.get("allOf")) {
        types = types.and(of_at(branch, root, left - 1));
    }
    for keyword in ["anyOf", "oneOf"] {
        if map.contains_key(keyword) {
            let branches = list(map.get(keyword))
                .iter()
                .map(|branch| of_at(branch, root, left - 1));
            types = types.and(branches.fold(TypeSet::NOTHING, TypeSet::or));
        }
    }
    types
}

/// The elements of a keyword that holds a list.
pub(super) fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
