//! The ways in which a value can be come by, read from the keywords of its schema.

use serde_json::{Map, Value, json};

use super::flat::{flat, types};

/// A way to come by a value.
pub(super) enum Way {
    Given(Value),
    Schema(Value),
    Null,
    Boolean,
    Number { whole: bool },
    Step { whole: bool, count: usize },
    Text,
    List,
    Object,
}

impl Way {
    pub(super) fn typed(name: &str) -> Vec<Self> {
        let number = |whole: bool| {
            // Where `not` forbids the first number, one a few steps on may be allowed.
            let steps = (0..8).map(move |count| Self::Step { whole, count });
            [Self::Number { whole }].into_iter().chain(steps).collect()
        };
        match name {
            "null" => vec![Self::Null],
            "boolean" => vec![Self::Boolean, Self::Given(json!(true)), Self::Given(json!(false))],
            "integer" => number(true),
            "number" => number(false),
            "array" => vec![Self::List],
            "object" => vec![Self::Object],
            _ => vec![Self::Text],
        }
    }
}

/// The types that keywords other than `type` speak of, then the simple ones.
pub(super) fn implied_types(keywords: &Map<String, Value>) -> Vec<&'static str> {
    let has = |names: &[&str]| names.iter().any(|name| keywords.contains_key(*name));
    let mut names = Vec::new();
    if has(&[
        "properties",
        "required",
        "additionalProperties",
        "minProperties",
        "patternProperties",
    ]) {
        names.push("object");
    }
    if has(&[
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "contains",
        "uniqueItems",
    ]) {
        names.push("array");
    }
    if has(&[
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
    ]) {
        names.push("number");
    }
    let simple = ["string", "number", "object", "array", "boolean", "null"]
        .into_iter()
        .filter(|name| !names.contains(name));
    let simple: Vec<&str> = simple.collect();
    names.extend(simple);
    names
}

/// How much a branch asks for: nothing, a fixed or simple value, or a value with parts.
pub(super) fn weight(root: &Value, branch: &Value) -> u8 {
    let Some(keywords) = flat(root, branch) else {
        return 3;
    };
    let names = keywords.get("type").map(types).unwrap_or_default();
    match names[..] {
        ["null"] => 0,
        _ if keywords.get("const").is_some_and(Value::is_null) => 0,
        _ if keywords.contains_key("const") || keywords.contains_key("enum") => 1,
        ["array" | "object", ..] => 2,
        [] => 2,
        _ => 1,
    }
}

/// What a branch says of itself, to be compared as a label.
pub(super) fn words_of(root: &Value, branch: &Value) -> String {
    let keywords = flat(root, branch).unwrap_or_default();
    let said = ["title", "description"]
        .iter()
        .filter_map(|keyword| keywords.get(*keyword)?.as_str());
    let fixed = keywords
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(_, schema)| schema.get("const")?.as_str());
    said.chain(fixed)
        .chain(keywords.get("const").and_then(Value::as_str))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{implied_types, weight, words_of};

    #[test]
    fn keywords_imply_types() {
        let keywords = json!({ "minItems": 1 });
        assert_eq!(
            implied_types(keywords.as_object().expect("keywords")).first(),
            Some(&"array")
        );
    }

    #[test]
    fn null_weighs_least_and_parts_most() {
        let root = json!({ "$defs": { "none": { "type": "null" } } });
        let weights = [
            json!({ "$ref": "#/$defs/none" }),
            json!({ "type": "string" }),
            json!({ "type": "object" }),
            json!(false),
        ];
        assert_eq!(weights.map(|branch| weight(&root, &branch)), [0, 1, 2, 3]);
    }

    #[test]
    fn a_branch_is_known_by_its_title_and_constants() {
        let branch = json!({ "title": "Refund", "properties": { "kind": { "const": "refund" } } });
        assert_eq!(words_of(&json!({}), &branch), "Refund refund");
    }
}
