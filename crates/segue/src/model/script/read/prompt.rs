//! Matchers as YAML has them: what a rule asks of a prompt.

use regex::RegexBuilder;

use super::super::matcher::{Condition, Matcher};
use super::{Reader, Spot};
use crate::fault::Code;
use crate::file::scalar;
use crate::file::yaml::Node;

/// The most memory a pattern may compile to, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

const MATCHER_KEYS: [&str; 6] = ["equals", "contains", "matches", "not", "length", "one_of"];
const LENGTH_KEYS: [&str; 2] = ["min", "max"];

impl<'a> Reader<'a> {
    /// Text alone, or a map of conditions. Nests no deeper than the YAML reader lets a file nest.
    pub(super) fn matcher(&mut self, spot: &Spot, node: &'a Node) -> Option<Matcher> {
        let mut matcher = Matcher::default();
        if node.as_mapping().is_none() {
            matcher.push(Condition::Equals(self.text(spot, node)?));
            return Some(matcher);
        }
        for (key, value) in self.entries(spot, node) {
            let at = spot.key(&key.name);
            let condition = match &*key.name {
                "equals" => self.text(&at, value).map(Condition::Equals),
                "contains" => self.text(&at, value).map(Condition::Contains),
                "matches" => self.pattern(&at, value),
                "not" => self.matcher(&at, value).map(Condition::Not),
                "length" => self.length(&at, value),
                "one_of" => self.one_of(&at, value),
                "min" | "max" => {
                    let message = format!("{} compares numbers, and this is text", at.subject);
                    let hint = format!("bound how long it is: `length: {{ {}: 3 }}`", key.name);
                    self.fault(Code::KindMismatch, key.span, &at, message, Some(&hint));
                    None
                }
                _ => {
                    self.unknown_key(spot, key, &MATCHER_KEYS);
                    None
                }
            };
            if let Some(condition) = condition {
                matcher.push(condition);
            }
        }
        (!matcher.is_empty()).then_some(matcher)
    }

    fn pattern(&mut self, spot: &Spot, node: &Node) -> Option<Condition> {
        let pattern = self.text(spot, node)?;
        match RegexBuilder::new(&pattern).size_limit(MAX_PATTERN_BYTES).build() {
            Ok(pattern) => Some(Condition::Matches(pattern)),
            Err(error) => {
                // The library draws the pattern with a caret over several lines; the last one says what is wrong.
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default();
                let why = why.strip_prefix("error: ").unwrap_or(why);
                let message = format!("{} is no pattern: {why}", spot.subject);
                self.fault(Code::BadPattern, node.span, spot, message, None);
                None
            }
        }
    }

    /// A number of characters, or the least and the most.
    fn length(&mut self, spot: &Spot, node: &'a Node) -> Option<Condition> {
        if node.as_mapping().is_none() {
            let exact = self.value(spot, node, scalar::count(node, 0..=u64::MAX))?;
            return Some(Condition::Length(exact..=exact));
        }
        let (mut least, mut most) = (0, u64::MAX);
        for (key, value) in self.entries(spot, node) {
            let bound = match &*key.name {
                "min" => &mut least,
                "max" => &mut most,
                _ => {
                    self.unknown_key(spot, key, &LENGTH_KEYS);
                    continue;
                }
            };
            *bound = self.value(&spot.key(&key.name), value, scalar::count(value, 0..=u64::MAX))?;
        }
        if least > most {
            let message = format!(
                "{} has a `min` of {least} above its `max` of {most}",
                spot.subject
            );
            self.fault(Code::NumberRange, node.span, spot, message, None);
        }
        Some(Condition::Length(least..=most))
    }

    fn one_of(&mut self, spot: &Spot, node: &'a Node) -> Option<Condition> {
        let items = self.items(spot, node, "texts");
        let texts: Vec<_> = items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| self.text(&spot.item(index), item))
            .collect();
        (!texts.is_empty()).then_some(Condition::OneOf(texts))
    }
}
