//! Whether a value satisfies a schema: the keywords that a value put together here can violate.
//!
//! Used to choose between branches. It is no validator for the outside: formats and patterns that are not understood pass.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::flat::{flat, types};
use super::pattern::Pattern;

/// A check of values against parts of one schema; each check has an end, whatever the schema refers to.
pub(super) struct Check<'r> {
    root: &'r Value,
    left: Cell<usize>,
}

impl<'r> Check<'r> {
    pub(super) fn within(root: &'r Value) -> Self {
        Self {
            root,
            left: Cell::new(MOST),
        }
    }

    /// Whether `schema` accepts `value`; one that refers to itself without end accepts nothing.
    pub(super) fn accepts(&self, schema: &Value, value: &Value, depth: usize) -> bool {
        self.left.set(self.left.get().saturating_sub(1));
        if depth > DEEPEST || self.left.get() == 0 {
            return false;
        }
        flat(self.root, schema).is_some_and(|keywords| self.accepts_flat(&keywords, value, depth))
    }

    /// Whether the folded `keywords` accept `value`.
    pub(super) fn accepts_flat(&self, keywords: &Map<String, Value>, value: &Value, depth: usize) -> bool {
        let holds = |schema: &Value| self.accepts(schema, value, depth + 1);
        keywords
            .iter()
            .all(|(keyword, rule)| match (keyword.as_str(), rule) {
                ("type", rule) => types(rule).iter().any(|name| is_type(name, value)),
                ("const", rule) => same(rule, value),
                ("enum", Value::Array(all)) => all.iter().any(|one| same(one, value)),
                ("anyOf", Value::Array(all)) => all.iter().any(holds),
                ("oneOf", Value::Array(all)) => all.iter().filter(|one| holds(one)).count() == 1,
                ("not", rule) => !holds(rule),
                ("if", condition) => keywords
                    .get(if holds(condition) { "then" } else { "else" })
                    .is_none_or(holds),
                _ => match value {
                    Value::String(text) => accepts_text(keyword, rule, text),
                    Value::Number(number) => number
                        .as_f64()
                        .is_none_or(|number| accepts_number(keyword, rule, number)),
                    Value::Array(items) => self.accepts_items(keywords, keyword, rule, items, depth),
                    Value::Object(object) => self.accepts_object(keywords, keyword, rule, object, depth),
                    _ => true,
                },
            })
    }

    fn accepts_items(
        &self,
        keywords: &Map<String, Value>,
        keyword: &str,
        rule: &Value,
        items: &[Value],
        depth: usize,
    ) -> bool {
        let prefix = keywords
            .get("prefixItems")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        match keyword {
            "minItems" => count(rule).is_none_or(|least| items.len() >= least),
            "maxItems" => count(rule).is_none_or(|most| items.len() <= most),
            "uniqueItems" => {
                rule.as_bool() != Some(true)
                    || (1..items.len()).all(|at| !items[..at].iter().any(|one| same(one, &items[at])))
            }
            "items" => items
                .iter()
                .skip(prefix)
                .all(|item| self.accepts(rule, item, depth + 1)),
            "prefixItems" => {
                let schemas = rule.as_array().map_or(&[][..], Vec::as_slice);
                schemas
                    .iter()
                    .zip(items)
                    .all(|(schema, item)| self.accepts(schema, item, depth + 1))
            }
            "contains" => {
                let found = items
                    .iter()
                    .filter(|item| self.accepts(rule, item, depth + 1))
                    .count();
                found >= keywords.get("minContains").and_then(count).unwrap_or(1)
            }
            _ => true,
        }
    }

    fn accepts_object(
        &self,
        keywords: &Map<String, Value>,
        keyword: &str,
        rule: &Value,
        object: &Map<String, Value>,
        depth: usize,
    ) -> bool {
        let declared = keywords.get("properties").and_then(Value::as_object);
        let patterns = keywords.get("patternProperties").and_then(Value::as_object);
        let by_pattern = |name: &str| {
            patterns.is_some_and(|map| {
                map.keys()
                    .any(|source| Pattern::read(source).is_some_and(|pattern| pattern.matches(name)))
            })
        };
        match (keyword, rule) {
            ("properties", Value::Object(map)) => map.iter().all(|(name, schema)| {
                object
                    .get(name)
                    .is_none_or(|value| self.accepts(schema, value, depth + 1))
            }),
            ("patternProperties", Value::Object(map)) => map.iter().all(|(source, schema)| {
                let pattern = Pattern::read(source);
                object
                    .iter()
                    .filter(|(name, _)| pattern.as_ref().is_some_and(|pattern| pattern.matches(name)))
                    .all(|(_, value)| self.accepts(schema, value, depth + 1))
            }),
            ("additionalProperties", rule) => object
                .iter()
                .filter(|(name, _)| !declared.is_some_and(|map| map.contains_key(*name)) && !by_pattern(name))
                .all(|(_, value)| self.accepts(rule, value, depth + 1)),
            ("propertyNames", rule) => object
                .keys()
                .all(|name| self.accepts(rule, &Value::String(name.clone()), depth + 1)),
            ("required", Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .all(|name| object.contains_key(name)),
            ("dependentRequired", Value::Object(map)) => map
                .iter()
                .filter(|(name, _)| object.contains_key(*name))
                .all(|(_, names)| {
                    names.as_array().is_none_or(|names| {
                        names
                            .iter()
                            .filter_map(Value::as_str)
                            .all(|name| object.contains_key(name))
                    })
                }),
            ("minProperties", rule) => count(rule).is_none_or(|least| object.len() >= least),
            ("maxProperties", rule) => count(rule).is_none_or(|most| object.len() <= most),
            _ => true,
        }
    }
}

/// How deep branches and values may nest.
const DEEPEST: usize = 96;
/// How many schemas one check looks at: far more than a value of a few thousand parts needs.
const MOST: usize = 200_000;

/// Whether `value` is of the type that `name` stands for; `1.0` is an integer.
fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    }
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && b.is_number() && a.as_f64() == b.as_f64())
}

fn accepts_text(keyword: &str, rule: &Value, text: &str) -> bool {
    match keyword {
        "minLength" => count(rule).is_none_or(|least| text.chars().count() >= least),
        "maxLength" => count(rule).is_none_or(|most| text.chars().count() <= most),
        "pattern" => rule
            .as_str()
            .and_then(Pattern::read)
            .is_none_or(|pattern| pattern.matches(text)),
        _ => true,
    }
}

fn accepts_number(keyword: &str, rule: &Value, number: f64) -> bool {
    let Some(bound) = rule.as_f64() else { return true };
    match keyword {
        "minimum" => number >= bound,
        "maximum" => number <= bound,
        "exclusiveMinimum" => number > bound,
        "exclusiveMaximum" => number < bound,
        "multipleOf" if bound > 0.0 => {
            let times = number / bound;
            (times - times.round()).abs() < 1e-9 * times.abs().max(1.0)
        }
        _ => true,
    }
}

/// A keyword's whole number; `2.0` is allowed by JSON Schema.
pub(super) fn count(value: &Value) -> Option<usize> {
    let whole = value
        .as_u64()
        .or_else(|| format!("{:.0}", value.as_f64()?).parse().ok())?;
    Some(usize::try_from(whole).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Check;

    fn check(schema: &Value, value: &Value) -> bool {
        Check::within(schema).accepts(schema, value, 0)
    }

    #[test]
    fn exactly_one_branch_has_to_hold() {
        let schema = json!({ "oneOf": [{ "type": "integer" }, { "minimum": 5 }] });
        assert!(check(&schema, &json!(3)));
        assert!(check(&schema, &json!(5.5)));
        assert!(!check(&schema, &json!(7)));
    }

    #[test]
    fn objects_are_checked_by_name() {
        let schema = json!({ "required": ["a"], "properties": { "a": { "maxLength": 2 } }, "additionalProperties": false });
        assert!(check(&schema, &json!({ "a": "xy" })));
        assert!(!check(&schema, &json!({ "a": "xyz" })));
        assert!(!check(&schema, &json!({ "a": "x", "b": 1 })));
        assert!(!check(&schema, &json!({})));
    }

    #[test]
    fn conditions_choose_the_branch() {
        let schema = json!({ "if": { "const": 1 }, "then": false, "else": { "type": "string" } });
        assert!(!check(&schema, &json!(1)));
        assert!(check(&schema, &json!("x")));
        assert!(!check(&schema, &json!(2)));
    }
}
