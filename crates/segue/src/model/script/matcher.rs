//! Conditions on text, as rules put them on prompts.

use std::fmt;
use std::ops::RangeInclusive;

use regex::Regex;

use crate::fault::quote;
use crate::file::suggest::alternatives;

/// Conditions that must all hold; without any, every text will do.
#[derive(Clone, Debug, Default)]
pub(super) struct Matcher(Vec<Condition>);

/// One condition.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// The very text.
    Equals(String),
    /// The text somewhere in it.
    Contains(String),
    /// A pattern somewhere in it.
    Matches(Regex),
    /// One of several texts.
    OneOf(Vec<String>),
    /// So many characters.
    Length(RangeInclusive<u64>),
    /// Not all of these.
    Not(Matcher),
}

impl Matcher {
    pub(super) fn push(&mut self, condition: Condition) {
        self.0.push(condition);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first condition that does not hold.
    pub(super) fn unmet(&self, text: &str) -> Option<&Condition> {
        self.0.iter().find(|condition| !condition.holds(text))
    }
}

impl Condition {
    /// Negations nest no deeper than the file they were read from, whose reader sets a limit.
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::Equals(wanted) => text == wanted,
            Self::Contains(wanted) => text.contains(wanted.as_str()),
            Self::Matches(pattern) => pattern.is_match(text),
            Self::OneOf(wanted) => wanted.iter().any(|wanted| text == wanted),
            Self::Length(range) => range.contains(&(text.chars().count() as u64)),
            Self::Not(matcher) => matcher.unmet(text).is_some(),
        }
    }
}

/// Several conditions read as one: "that contains `a` and of 3 characters".
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

/// What follows "needs text".
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(wanted) => write!(f, "equal to {}", quote(wanted)),
            Self::Contains(wanted) => write!(f, "that contains {}", quote(wanted)),
            Self::Matches(pattern) => write!(f, "that matches {}", quote(pattern.as_str())),
            Self::OneOf(wanted) => {
                let wanted: Vec<String> = wanted.iter().map(|wanted| quote(wanted)).collect();
                write!(f, "equal to {}", alternatives(&wanted))
            }
            Self::Length(range) => match (*range.start(), *range.end()) {
                (least, u64::MAX) => write!(f, "of {least} characters or more"),
                (least, most) if least == most => write!(f, "of {least} characters"),
                (least, most) => write!(f, "of {least} to {most} characters"),
            },
            Self::Not(matcher) => write!(f, "other than text {matcher}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        text.to_owned()
    }

    #[test]
    fn each_condition_holds_and_fails() {
        let contains = |part| Condition::Contains(text(part));
        let two_parts = Matcher(vec![contains("a"), contains("b")]);
        let pattern = Regex::new("^o.d").expect("a pattern");
        for (condition, held, failed, words) in [
            (
                Condition::Equals(text("order")),
                "order",
                "orders",
                "equal to `order`",
            ),
            (contains("rde"), "order", "Rder", "that contains `rde`"),
            (
                Condition::Matches(pattern),
                "oldest",
                "gold",
                "that matches `^o.d`",
            ),
            (
                Condition::OneOf(vec![text("a"), text("b")]),
                "b",
                "c",
                "equal to `a` or `b`",
            ),
            (Condition::Length(2..=2), "äö", "a", "of 2 characters"),
            (Condition::Length(1..=2), "a", "", "of 1 to 2 characters"),
            (
                Condition::Length(3..=u64::MAX),
                "abcd",
                "ab",
                "of 3 characters or more",
            ),
            (
                Condition::Not(two_parts),
                "a",
                "ab",
                "other than text that contains `a` and that contains `b`",
            ),
        ] {
            assert!(condition.holds(held), "{condition} {held}");
            assert!(!condition.holds(failed), "{condition} {failed}");
            assert_eq!(condition.to_string(), words);
        }
    }

    #[test]
    fn all_conditions_must_hold() {
        let mut matcher = Matcher::default();
        assert!(matcher.unmet("").is_none());
        matcher.push(Condition::Contains(text("a")));
        matcher.push(Condition::Contains(text("b")));
        assert!(matcher.unmet("ab").is_none());
        assert_eq!(
            matcher.unmet("a").map(ToString::to_string),
            Some(text("that contains `b`"))
        );
    }
}
