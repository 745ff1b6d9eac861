//! Text of a command line read by the declared type, so that nobody quotes numbers or writes JSON for plain words.

use serde_json::Value;

use super::Schema;
use super::type_set::TypeSet;
use crate::fault::quote;

impl Schema {
    /// The value that text stands for; whether the schema accepts it is for [`Schema::validate`] to say.
    ///
    /// Listed values are matched by their text. Otherwise null, booleans, numbers, lists and maps are tried in this order,
    /// as far as the type has them, and text stays text if it may be text.
    ///
    /// # Errors
    ///
    /// Says what the type needs, for text that is none of it.
    pub fn parse_text(&self, text: &str) -> Result<Value, String> {
        let types = self.types();
        let known = self.enum_values().unwrap_or_default();
        if let Some(value) = known.iter().find(|value| is_spelled(value, text)) {
            return Ok(value.clone());
        }
        let json = serde_json::from_str::<Value>(text).ok();
        match json {
            Some(Value::String(_)) | None => {}
            Some(value) if types.contains(TypeSet::of_value(&value)) && is_exact(&value, text) => {
                return Ok(value);
            }
            Some(_) => {}
        }
        match types.contains(TypeSet::STRING) {
            true => Ok(Value::from(text)),
            false => Err(format!("needs {types}, found the text {}", quote(text))),
        }
    }
}

fn is_spelled(value: &Value, text: &str) -> bool {
    match value {
        Value::String(word) => word == text,
        other => serde_json::to_string(other).is_ok_and(|spelled| spelled == text),
    }
}

/// Whether a number was read as written: an integer beyond 64 bits would have been rounded.
fn is_exact(value: &Value, text: &str) -> bool {
    match value {
        Value::Number(number) if !number.is_i64() => text.contains(['.', 'e', 'E']),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::yaml;

    #[test]
    fn text_of_a_command_line() {
        let table = [
            ("string", "3", Ok(json!("3"))),
            ("string", "", Ok(json!(""))),
            ("integer", "3", Ok(json!(3))),
            ("number", "1e3", Ok(json!(1000.0))),
            ("boolean", "true", Ok(json!(true))),
            ("string|null", "null", Ok(json!(null))),
            ("string|null", "none", Ok(json!("none"))),
            ("integer|string", "3", Ok(json!(3))),
            ("integer|string", "three", Ok(json!("three"))),
            ("[string]", "[\"a\"]", Ok(json!(["a"]))),
            ("{a: integer}", "{\"a\": 1}", Ok(json!({"a": 1}))),
            ("{enum: [a, 3]}", "a", Ok(json!("a"))),
            ("{enum: [a, 3]}", "3", Ok(json!(3))),
            ("any", "3", Ok(json!(3))),
            ("any", "\"x\"", Ok(json!("\"x\""))),
            ("any", "x y", Ok(json!("x y"))),
            ("integer", "3.5", Err("needs an integer, found the text `3.5`")),
            (
                "integer",
                "three",
                Err("needs an integer, found the text `three`"),
            ),
            (
                "integer",
                "99999999999999999999",
                Err("needs an integer, found the text `99999999999999999999`"),
            ),
            ("boolean", "yes", Err("needs a boolean, found the text `yes`")),
            ("[string]", "a", Err("needs an array, found the text `a`")),
        ];
        for (schema, text, expected) in table {
            assert_eq!(
                yaml(schema).parse_text(text),
                expected.map_err(str::to_owned),
                "{schema} {text}"
            );
        }
    }
}
