//! Types of Rust: their schemas, and what steps ask about them.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::{Schema, TypeSet, Violation};

/// Schemas of Rust types, made once in a process: describing a type costs more than running a step.
static KNOWN: LazyLock<Mutex<HashMap<TypeId, Schema>>> = LazyLock::new(Mutex::default);

impl Schema {
    /// The type of a Rust type.
    #[must_use]
    pub fn of<T: JsonSchema + 'static>() -> Self {
        let id = TypeId::of::<T>();
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(schema) = known.get(&id) {
            return schema.clone();
        }
        let mut json = schemars::schema_for!(T).to_value();
        if let Some(fields) = json.as_object_mut() {
            fields.remove("$schema");
        }
        let schema = Self::derived(json);
        known.insert(id, schema.clone());
        schema
    }

    /// A schema the crate has written itself.
    pub(crate) fn trusted(json: Value) -> Self {
        Self::derived(json)
    }

    /// What is wrong with a value; nothing when it fits.
    pub(crate) fn violations(&self, value: &Value) -> Vec<Violation> {
        self.validate(value).err().unwrap_or_default()
    }

    /// Whether it is text and nothing more is said about it.
    pub(crate) fn is_plain_text(&self) -> bool {
        let Some(fields) = self.as_json().as_object() else {
            return false;
        };
        fields.get("type") == Some(&json!("string"))
            && fields
                .keys()
                .all(|key| matches!(key.as_str(), "type" | "title" | "description"))
    }

    /// Whether a plain text can be one of its values.
    pub(crate) fn takes_text(&self) -> bool {
        self.types().contains(TypeSet::STRING)
    }

    /// The object of only these fields, where they are known.
    pub(crate) fn only(&self, names: &[String]) -> Option<Self> {
        let all = self.as_json().get("properties")?.as_object()?;
        let mut properties = Map::new();
        for name in names {
            properties.insert(name.clone(), all.get(name)?.clone());
        }
        let mut only = json!({
            "type": "object", "properties": properties, "required": names, "additionalProperties": false,
        });
        if let Some(definitions) = self.as_json().get("$defs") {
            only["$defs"] = definitions.clone();
        }
        Some(Self::derived(only))
    }
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_json(Value::deserialize(deserializer)?).map_err(|flaw| D::Error::custom(flaw.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Contact {
        name: String,
        age: u32,
    }

    #[test]
    fn text_is_told_from_other_types() {
        assert!(Schema::of::<String>().is_plain_text());
        assert!(!Schema::of::<Contact>().is_plain_text());
        assert!(Schema::of::<String>().takes_text());
        assert!(!Schema::of::<Contact>().takes_text());
    }

    #[test]
    fn the_form_of_missing_fields_has_their_types() {
        let form = Schema::of::<Contact>()
            .only(&["age".to_owned()])
            .expect("the field is known");
        assert!(form.is_valid(&json!({"age": 3})));
        assert!(!form.is_valid(&json!({"age": "three"})));
        assert!(!form.is_valid(&json!({"age": 3, "name": "x"})));
        assert!(Schema::of::<Contact>().only(&["size".to_owned()]).is_none());
    }
}
