//! Matchers: what is wanted of a value. Test files say with them what a case expects, scripts which prompts a rule is for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value as Json;

use crate::fault::quote;
use crate::schema::Schema;
use crate::template::Expr;

/// Conditions that must all hold; without any, every value will do.
#[derive(Debug, Clone, Default)]
pub struct Matcher(pub(crate) Vec<Condition>);

/// One condition.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// The very value; numbers by what they are worth.
    Equals(Json),
    /// Text in text, an element in a list, a key in a map.
    Contains(Json),
    /// A pattern somewhere in text.
    Matches(Regex),
    Not(Matcher),
    Min(f64),
    Max(f64),
    /// Characters of text, elements of a list, keys of a map.
    Length(u64, u64),
    OneOf(Vec<Json>),
    Schema(Schema),
    /// An expression over `value`.
    That(Arc<Expr>),
    /// A list of as many elements, each of which fits its own.
    Each(Vec<Matcher>),
    /// Anything but nothing.
    There,
}

impl Matcher {
    /// A value as it is.
    pub(crate) fn equals(value: Json) -> Self {
        Self(vec![Condition::Equals(value)])
    }

    pub(crate) fn push(&mut self, condition: Condition) {
        self.0.push(condition);
    }

    /// The first condition that does not hold.
    pub(crate) fn unmet(&self, got: &Json) -> Option<&Condition> {
        self.0.iter().find(|condition| !condition.holds(got))
    }

    /// What is wanted, as JSON: a plain value as it is, else the condition in words.
    pub(crate) fn wanted(&self, unmet: &Condition) -> Json {
        match unmet {
            Condition::Equals(value) => value.clone(),
            other => Json::String(other.to_string()),
        }
    }
}

impl Condition {
    /// Negations and lists nest no deeper than the file they were read from.
    fn holds(&self, got: &Json) -> bool {
        match self {
            Self::Equals(wanted) => equal(wanted, got),
            Self::Contains(wanted) => contains(got, wanted),
            Self::Matches(pattern) => got.as_str().is_some_and(|text| pattern.is_match(text)),
            Self::Not(matcher) => matcher.unmet(got).is_some(),
            Self::Min(least) => got.as_f64().is_some_and(|got| got >= *least),
            Self::Max(most) => got.as_f64().is_some_and(|got| got <= *most),
            Self::Length(least, most) => length(got).is_some_and(|got| (*least..=*most).contains(&got)),
            Self::OneOf(wanted) => wanted.iter().any(|wanted| equal(wanted, got)),
            Self::Schema(schema) => schema.is_valid(got),
            Self::That(expr) => {
                let scope = BTreeMap::from([("value".to_owned(), Arc::new(got.clone()))]);
                expr.eval(&scope)
                    .is_ok_and(|value| crate::template::truthy(&value))
            }
            Self::Each(matchers) => got.as_array().is_some_and(|items| {
                let mut pairs = matchers.iter().zip(items);
                items.len() == matchers.len() && pairs.all(|(matcher, item)| matcher.unmet(item).is_none())
            }),
            Self::There => !got.is_null(),
        }
    }
}

/// Equal values; whole numbers and others are the same where they are worth the same.
pub(crate) fn equal(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            a == b || (a.is_f64() || b.is_f64()) && a.as_f64() == b.as_f64()
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
        }
        (a, b) => a == b,
    }
}

fn contains(got: &Json, wanted: &Json) -> bool {
    match (got, wanted) {
        (Json::String(text), Json::String(part)) => text.contains(part.as_str()),
        (Json::Array(items), wanted) => items.iter().any(|item| equal(item, wanted)),
        (Json::Object(fields), Json::String(key)) => fields.contains_key(key),
        _ => false,
    }
}

fn length(got: &Json) -> Option<u64> {
    match got {
        Json::String(text) => Some(text.chars().count() as u64),
        Json::Array(items) => Some(items.len() as u64),
        Json::Object(fields) => Some(fields.len() as u64),
        _ => None,
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, condition) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(" and ")?;
            }
            condition.fmt(f)?;
        }
        Ok(())
    }
}

/// What follows "want".
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(value) => write!(f, "{value}"),
            Self::Contains(part) => write!(f, "something that contains {part}"),
            Self::Matches(pattern) => write!(f, "text that matches {}", quote(pattern.as_str())),
            Self::Not(matcher) => write!(f, "anything but {matcher}"),
            Self::Min(least) => write!(f, "{least} or more"),
            Self::Max(most) => write!(f, "{most} or less"),
            Self::Length(least, u64::MAX) => write!(f, "a length of {least} or more"),
            Self::Length(least, most) if least == most => write!(f, "a length of {least}"),
            Self::Length(least, most) => write!(f, "a length of {least} to {most}"),
            Self::OneOf(values) => write!(f, "one of {}", Json::Array(values.clone())),
            Self::Schema(schema) => write!(f, "what fits {}", schema.as_json()),
            Self::That(expr) => write!(f, "that {}", quote(expr.source())),
            Self::Each(matchers) => {
                let each: Vec<String> = matchers.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", each.join(", "))
            }
            Self::There => f.write_str("something"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_condition_holds_and_fails() {
        let that = |source| Condition::That(Arc::new(Expr::parse(source).expect("an expression")));
        let schema = Schema::from_json(json!({"type": "integer", "minimum": 2})).expect("a schema");
        let equals = |value| Matcher::equals(value);
        let contains = |part: &str| Condition::Contains(json!(part));
        let two_parts = Matcher(vec![contains("a"), contains("b")]);
        for (condition, held, failed) in [
            (
                Condition::Equals(json!({"a": [1]})),
                json!({"a": [1.0]}),
                json!({"a": [2]}),
            ),
            (Condition::Equals(json!(0.0123)), json!(0.0123), json!("0.0123")),
            (Condition::Contains(json!("b")), json!("abc"), json!("ac")),
            (Condition::Contains(json!(2)), json!([1, 2.0]), json!([1])),
            (
                Condition::Contains(json!("k")),
                json!({"k": 1}),
                json!({"l": "k"}),
            ),
            (
                Condition::Matches(Regex::new("^a.c").expect("a pattern")),
                json!("abcd"),
                json!("xabc"),
            ),
            (Condition::Not(equals(json!(1))), json!(2), json!(1)),
            (Condition::Not(two_parts), json!("a"), json!("ab")),
            (Condition::Min(2.0), json!(2), json!(1.9)),
            (Condition::Max(2.0), json!(2), json!("1")),
            (Condition::Length(1, 2), json!("äö"), json!("")),
            (Condition::Length(2, 2), json!("äö"), json!("a")),
            (Condition::Length(2, 2), json!([1, 2]), json!(2)),
            (Condition::Length(3, u64::MAX), json!("abcd"), json!("ab")),
            (
                Condition::OneOf(vec![json!(1), json!("a")]),
                json!("a"),
                json!("b"),
            ),
            (Condition::Schema(schema), json!(2), json!(1)),
            (that("value.a > 1"), json!({"a": 2}), json!({"a": 1})),
            // What cannot be worked out does not hold.
            (that("value.a > 1"), json!({"a": 3}), json!({"a": "3"})),
            (
                Condition::Each(vec![equals(json!(1)), equals(json!(2))]),
                json!([1, 2]),
                json!([1, 2, 3]),
            ),
            (Condition::There, json!(0), Json::Null),
        ] {
            assert!(condition.holds(&held), "{condition} should hold for {held}");
            assert!(
                !condition.holds(&failed),
                "{condition} should not hold for {failed}"
            );
            assert!(!condition.to_string().is_empty());
        }
    }

    #[test]
    fn all_must_hold_and_the_first_that_does_not_is_named() {
        let matcher = Matcher(vec![Condition::Min(1.0), Condition::Max(2.0)]);
        assert!(matcher.unmet(&json!(1.5)).is_none());
        let unmet = matcher.unmet(&json!(3)).expect("too much");
        assert_eq!(matcher.wanted(unmet), json!("2 or less"));
        assert_eq!(matcher.to_string(), "1 or more and 2 or less");
        let mut matcher = Matcher::default();
        assert!(matcher.unmet(&json!("")).is_none());
        matcher.push(Condition::Contains(json!("a")));
        matcher.push(Condition::Contains(json!("b")));
        assert!(matcher.unmet(&json!("ab")).is_none());
        let unmet = matcher.unmet(&json!("a")).expect("one is missing");
        assert_eq!(unmet.to_string(), "something that contains \"b\"");
    }
}
