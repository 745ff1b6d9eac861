//! Whether what one step gives can be what another takes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::Schema;
use super::limits::{is_annotation, is_unconstrained};
use super::type_set::{self, TypeSet, list};
use crate::fault::quote;

/// How many pairs of schemas are compared before the question is left to the run.
const MAX_PAIRS: usize = 10_000;

/// The deepest fields that are compared.
const MAX_LEVELS: usize = 32;

/// Keywords whose meaning the comparison covers in full.
const COVERED: [&str; 6] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "format",
];

/// Whether values of one type are values of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Every value fits.
    Yes,
    /// No value fits, for this reason: "gives a string, needs an integer".
    No(String),
    /// Only the run can tell.
    Unknown,
}

impl Schema {
    /// Whether values of this type, the producer, are values of `consumer`.
    pub fn compatible(&self, consumer: &Schema) -> Fit {
        if self == consumer {
            return Fit::Yes;
        }
        let (producer, consumer) = (self.standalone(), consumer.standalone());
        let mut comparison = Comparison {
            left: MAX_PAIRS,
            path: Vec::new(),
        };
        comparison.compare(&producer, &consumer)
    }
}

/// What holds of all values when this holds of some: that these do not fit leaves the others open.
fn of_some(are_all: bool, fit: Fit) -> Fit {
    match fit {
        Fit::No(_) if !are_all => Fit::Unknown,
        fit => fit,
    }
}

struct Comparison {
    left: usize,
    /// The field being compared.
    path: Vec<String>,
}

impl Comparison {
    fn compare(&mut self, producer: &Value, consumer: &Value) -> Fit {
        if self.left == 0 || self.path.len() > MAX_LEVELS {
            return Fit::Unknown;
        }
        self.left -= 1;
        if is_unconstrained(consumer) || producer == consumer {
            return Fit::Yes;
        }
        let (Value::Object(gives), Value::Object(needs)) = (producer, consumer) else {
            return Fit::Unknown;
        };
        let (given, needed) = (type_set::of(producer, producer), type_set::of(consumer, consumer));
        if given != TypeSet::NOTHING && !given.meets(needed) {
            return self.no(format!("gives {given}, needs {needed}"));
        }
        if let Some(values) = listed(gives) {
            return self.compare_values(&values, consumer);
        }
        if let Some(branches) = alternatives(gives) {
            return all(branches
                .iter()
                .map(|branch| self.compare(branch, consumer))
                .collect());
        }
        if let Some(branches) = alternatives(needs) {
            let only = needs
                .keys()
                .all(|keyword| keyword == "anyOf" || is_annotation(keyword));
            return any(
                branches
                    .iter()
                    .map(|branch| self.compare(producer, branch))
                    .collect(),
                only,
            );
        }
        let mut fits = Vec::new();
        if !needed.contains(given) {
            fits.push(Fit::Unknown);
        }
        if given.meets(TypeSet::OBJECT) {
            let fields = self.compare_fields(gives, needs);
            fits.push(of_some(given == TypeSet::OBJECT, fields));
        }
        if given.meets(TypeSet::ARRAY)
            && let Some(needed) = needs.get("items")
        {
            self.path.push("[]".to_owned());
            let items = match gives.get("items") {
                Some(given) => self.compare(given, needed),
                None => Fit::Unknown,
            };
            fits.push(of_some(given == TypeSet::ARRAY, items));
            self.path.pop();
        }
        if !needs
            .keys()
            .all(|keyword| COVERED.contains(&keyword.as_str()) || is_annotation(keyword))
        {
            fits.push(Fit::Unknown);
        }
        both(fits)
    }

    fn compare_values(&self, values: &[Value], consumer: &Value) -> Fit {
        let consumer = Schema::derived(consumer.clone());
        let fitting = values.iter().filter(|value| consumer.is_valid(value)).count();
        match (fitting, values.first()) {
            (0, Some(first)) => {
                let reason = consumer
                    .validate(first)
                    .err()
                    .and_then(|violations| violations.into_iter().next());
                let reason = reason.map(|violation| violation.message).unwrap_or_default();
                self.no(format!("gives {}: {reason}", quote(&plain(first))))
            }
            _ if fitting == values.len() => Fit::Yes,
            _ => Fit::Unknown,
        }
    }

    fn compare_fields(&mut self, gives: &Map<String, Value>, needs: &Map<String, Value>) -> Fit {
        let empty = Map::new();
        let fields = |map: &'_ Map<String, Value>| map.get("properties").and_then(Value::as_object).cloned();
        let (given, needed) = (fields(gives).unwrap_or_default(), fields(needs).unwrap_or(empty));
        let (always, required) = (names(gives), names(needs));
        let closed = |map: &Map<String, Value>| map.get("additionalProperties") == Some(&Value::Bool(false));
        let mut fits = Vec::new();
        for name in &required {
            if !given.contains_key(*name) {
                let missing = closed(gives) && !gives.contains_key("patternProperties");
                fits.push(match missing {
                    true => self.no(format!("gives no field {}", quote(name))),
                    false => Fit::Unknown,
                });
            } else if !always.contains(name) {
                fits.push(Fit::Unknown);
            }
        }
        for (name, given) in &given {
            let fit = match needed.get(name) {
                Some(needed) => {
                    self.path.push(name.clone());
                    let fit = self.compare(given, needed);
                    self.path.pop();
                    fit
                }
                None if closed(needs) && !needs.contains_key("patternProperties") => {
                    self.no(format!("gives the field {}, which is not taken", quote(name)))
                }
                None => match needs.get("additionalProperties") {
                    None | Some(Value::Bool(true)) => Fit::Yes,
                    _ => Fit::Unknown,
                },
            };
            // What is wrong with a field that may be left out is wrong only when it is there.
            let certain = always.contains(name.as_str());
            fits.push(if certain || fit == Fit::Yes {
                fit
            } else {
                Fit::Unknown
            });
        }
        let takes_any = matches!(needs.get("additionalProperties"), None | Some(Value::Bool(true)));
        if !closed(gives) && (!takes_any || !needed.is_empty()) {
            fits.push(Fit::Unknown);
        }
        both(fits)
    }

    fn no(&self, reason: String) -> Fit {
        Fit::No(match self.path.is_empty() {
            true => reason,
            false => format!("field {} {reason}", quote(&self.path.join("."))),
        })
    }
}

/// Conditions that must all hold.
fn both(fits: Vec<Fit>) -> Fit {
    let mut result = Fit::Yes;
    for fit in fits {
        match fit {
            Fit::No(_) => return fit,
            Fit::Unknown => result = Fit::Unknown,
            Fit::Yes => {}
        }
    }
    result
}

/// Alternatives of the producer: any of them may come.
fn all(fits: Vec<Fit>) -> Fit {
    if fits.iter().all(|fit| *fit == Fit::Yes) {
        return Fit::Yes;
    }
    match fits.iter().all(|fit| matches!(fit, Fit::No(_))) {
        true => fits.into_iter().next().unwrap_or(Fit::Unknown),
        false => Fit::Unknown,
    }
}

/// Alternatives of the consumer: one of them is enough, if nothing else is asked for.
fn any(fits: Vec<Fit>, nothing_else: bool) -> Fit {
    if nothing_else && fits.contains(&Fit::Yes) {
        return Fit::Yes;
    }
    match fits.iter().all(|fit| matches!(fit, Fit::No(_))) {
        true => fits.into_iter().next().unwrap_or(Fit::Unknown),
        false => Fit::Unknown,
    }
}

fn listed(map: &Map<String, Value>) -> Option<Vec<Value>> {
    match (map.get("const"), map.get("enum")) {
        (Some(value), _) => Some(vec![value.clone()]),
        (None, Some(Value::Array(values))) => Some(values.clone()),
        _ => None,
    }
}

fn alternatives(map: &Map<String, Value>) -> Option<&[Value]> {
    map.get("anyOf")
        .or_else(|| map.get("oneOf"))
        .map(|branches| list(Some(branches)))
}

fn names(map: &Map<String, Value>) -> BTreeSet<&str> {
    list(map.get("required"))
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::tests::{any_json, read, yaml};
    use super::*;

    #[test]
    fn compatible_types() {
        let no = |reason: &str| Fit::No(reason.to_owned());
        let table = [
            ("string", "string", Fit::Yes),
            ("string", "any", Fit::Yes),
            ("string", "string|null", Fit::Yes),
            ("integer", "number", Fit::Yes),
            ("any", "string", Fit::Unknown),
            ("string|null", "string", Fit::Unknown),
            ("number", "integer", Fit::Unknown),
            ("string", "integer", no("gives a string, needs an integer")),
            (
                "string|null",
                "integer|boolean",
                no("gives a null or a string, needs a boolean or an integer"),
            ),
            ("{a: string}", "{a: string}", Fit::Yes),
            ("{a: string}", "object", Fit::Yes),
            (
                "{a: string}",
                "{a: integer}",
                no("field `a` gives a string, needs an integer"),
            ),
            (
                "{a: {b: string}}",
                "{a: {b: integer}}",
                no("field `a.b` gives a string, needs an integer"),
            ),
            ("{a: string}", "{a: string, b: string}", no("gives no field `b`")),
            (
                "{a: string, b: string}",
                "{a: string}",
                no("gives the field `b`, which is not taken"),
            ),
            ("object", "{a: string}", Fit::Unknown),
            (
                "{type: object, properties: {a: string}, additionalProperties: false}",
                "{a: string}",
                Fit::Unknown,
            ),
            ("[string]", "[string|integer]", Fit::Yes),
            (
                "[string]",
                "[integer]",
                no("field `[]` gives a string, needs an integer"),
            ),
            ("[string]", "string", no("gives an array, needs a string")),
            ("{enum: [a, b]}", "string", Fit::Yes),
            ("{enum: [a, b]}", "{enum: [a, b, c]}", Fit::Yes),
            ("{enum: [a, b]}", "{enum: [b, c]}", Fit::Unknown),
            ("{enum: [a]}", "{enum: [c]}", no("gives `a`: `a` is not `c`")),
            ("string", "{enum: [a]}", Fit::Unknown),
            ("string", "{type: string, minLength: 1}", Fit::Unknown),
            ("{type: string, minLength: 2}", "string", Fit::Yes),
            (
                "{anyOf: [string, integer]}",
                "{anyOf: [integer, string, 'null']}",
                Fit::Yes,
            ),
            ("{anyOf: [string, integer]}", "string", Fit::Unknown),
            (
                "{anyOf: [string, integer]}",
                "object",
                no("gives an integer or a string, needs an object"),
            ),
        ];
        for (producer, consumer, expected) in table {
            let expected = match expected {
                Fit::No(reason) => Fit::No(reason.replace("a null", "null")),
                other => other,
            };
            assert_eq!(
                yaml(producer).compatible(&yaml(consumer)),
                expected,
                "{producer} to {consumer}"
            );
        }
    }

    #[test]
    fn what_is_said_of_objects_and_lists_counts_where_a_value_may_be_one() {
        let given = |json: Value| Schema::from_json(json).expect("a schema");
        let anything = || given(json!({}));
        for consumer in [
            json!({"additionalProperties": false}),
            json!({"additionalProperties": {"type": "string"}}),
            json!({"required": ["a"]}),
            json!({"items": {"type": "string"}}),
        ] {
            assert_eq!(
                anything().compatible(&given(consumer.clone())),
                Fit::Unknown,
                "{consumer}"
            );
        }
        let maybe = given(json!({"type": ["object", "null"], "properties": {"b": {"type": "string"}}}));
        let needs = given(json!({"properties": {"b": {"type": "integer"}}}));
        assert_eq!(maybe.compatible(&needs), Fit::Unknown);
    }

    #[test]
    fn recursive_types_can_be_compared() {
        let tree = |leaf: &str| {
            read(
                json!({"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {
                "v": {"type": leaf}, "l": {"$ref": "#/$defs/n"}, "r": {"$ref": "#/$defs/n"}}, "required": ["v"]}}}),
            )
        };
        assert_eq!(tree("string").compatible(&tree("string")), Fit::Yes);
        assert!(matches!(tree("string").compatible(&tree("integer")), Fit::No(_)));
    }

    proptest! {
        #[test]
        fn a_yes_or_no_of_the_comparison_holds_for_values(producer in any_json(), consumer in any_json(), value in any_json()) {
            if let (Ok(producer), Ok(consumer)) = (Schema::from_json(producer), Schema::from_json(consumer))
                && producer.is_valid(&value)
            {
                let empty_list = value.as_array().is_some_and(Vec::is_empty);
                match producer.compatible(&consumer) {
                    Fit::Yes => prop_assert!(consumer.is_valid(&value)),
                    // A list of the wrong elements counts as impossible although the empty list would pass.
                    Fit::No(_) => prop_assert!(!consumer.is_valid(&value) || empty_list || value.is_object()),
                    Fit::Unknown => {}
                }
            }
        }
    }
}
