//! The keywords that hold for a value: `$ref` and `allOf` folded into one map.

use serde_json::{Map, Value, json};

/// The keywords of `schema` with references into `root` and `allOf` folded in; none if nothing can satisfy them.
pub(super) fn flat(root: &Value, schema: &Value) -> Option<Map<String, Value>> {
    let mut keywords = Map::new();
    let mut pending = vec![schema];
    let mut folded = 0;
    while let Some(next) = pending.pop() {
        folded += 1;
        if folded > MOST_FOLDED {
            return None;
        }
        match next {
            Value::Bool(false) => return None,
            Value::Object(map) => {
                for (keyword, value) in map {
                    match (keyword.as_str(), value) {
                        ("$ref", Value::String(reference)) => pending.push(resolve(root, reference)?),
                        ("allOf", Value::Array(parts)) => pending.extend(parts.iter().rev()),
                        _ => fold(&mut keywords, keyword, value)?,
                    }
                }
            }
            _ => {}
        }
    }
    Some(keywords)
}

/// The part of `root` that a reference such as `#/$defs/item` names.
pub(super) fn resolve<'r>(root: &'r Value, reference: &str) -> Option<&'r Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// A reference to itself folds forever; real schemas fold a handful of parts.
const MOST_FOLDED: usize = 256;

fn fold(keywords: &mut Map<String, Value>, keyword: &str, value: &Value) -> Option<()> {
    let Some(known) = keywords.get_mut(keyword) else {
        keywords.insert(keyword.to_owned(), value.clone());
        return Some(());
    };
    if known == value {
        return Some(());
    }
    match keyword {
        "const" => return None,
        "enum" => {
            if let (Value::Array(ours), Value::Array(theirs)) = (known, value) {
                ours.retain(|one| theirs.contains(one));
            }
        }
        "type" => *known = common_types(known, value)?,
        "required" => {
            if let (Value::Array(ours), Value::Array(theirs)) = (known, value) {
                let new: Vec<Value> = theirs
                    .iter()
                    .filter(|name| !ours.contains(name))
                    .cloned()
                    .collect();
                ours.extend(new);
            }
        }
        "properties" | "patternProperties" => {
            if let (Value::Object(ours), Value::Object(theirs)) = (known, value) {
                for (name, schema) in theirs {
                    let both = ours
                        .get(name)
                        .map_or_else(|| schema.clone(), |first| json!({ "allOf": [first, schema] }));
                    ours.insert(name.clone(), both);
                }
            }
        }
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" | "minContains"
            if value.as_f64() > known.as_f64() =>
        {
            *known = value.clone();
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties"
            if value.as_f64() < known.as_f64() =>
        {
            *known = value.clone();
        }
        "items" | "additionalProperties" | "propertyNames" | "contains" => {
            *known = json!({ "allOf": [known.take(), value] });
        }
        "anyOf" | "oneOf" => {
            if let Value::Array(branches) = known {
                for branch in branches {
                    *branch = json!({ "allOf": [branch.take(), { keyword: value }] });
                }
            }
        }
        "not" => *known = json!({ "anyOf": [known.take(), value] }),
        "uniqueItems" => *known = json!(known.as_bool() == Some(true) || value.as_bool() == Some(true)),
        // Titles and descriptions: the outer one is closer to the use. Patterns: the whole is checked in the end.
        _ => {}
    }
    Some(())
}

fn common_types(ours: &Value, theirs: &Value) -> Option<Value> {
    let (ours, theirs) = (types(ours), types(theirs));
    let has =
        |list: &[&str], name: &str| list.contains(&name) || (name == "integer" && list.contains(&"number"));
    let both = ours
        .iter()
        .chain(&theirs)
        .filter(|name| has(&ours, name) && has(&theirs, name));
    let mut common: Vec<Value> = Vec::new();
    for name in both {
        if !common.contains(&json!(name)) {
            common.push(json!(name));
        }
    }
    if common.is_empty() {
        None
    } else {
        Some(Value::Array(common))
    }
}

/// The names that the keyword `type` lists.
pub(super) fn types(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::flat;

    #[test]
    fn references_and_parts_become_one_map() {
        let root = json!({ "$defs": { "short": { "type": "string", "maxLength": 9 } } });
        let schema =
            json!({ "allOf": [{ "$ref": "#/$defs/short" }, { "maxLength": 5, "type": ["string", "null"] }] });
        let keywords = flat(&root, &schema).expect("the parts agree");
        assert_eq!(json!(keywords), json!({ "type": ["string"], "maxLength": 5 }));
    }

    #[test]
    fn contradictions_and_circles_have_no_keywords() {
        assert!(
            flat(
                &json!({}),
                &json!({ "allOf": [{ "type": "string" }, { "type": "array" }] })
            )
            .is_none()
        );
        let circle = json!({ "$ref": "#" });
        assert!(flat(&circle, &circle).is_none());
    }
}
