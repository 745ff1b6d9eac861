//! Matchers as YAML has them: a plain value, or a map of conditions.

use std::sync::Arc;

use regex::RegexBuilder;

use super::reader::Reader;
use super::yaml::{Key, Node, Resolved};
use super::{keys, scalar};
use crate::fault::{Code, quote};
use crate::matcher::{Condition, Matcher};
use crate::template::Expr;

/// The most memory a pattern may compile to, in bytes.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// What a matcher is put to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Anything,
    Text,
}

impl<'d> Reader<'_, '_, 'd> {
    /// What is wanted of any value: a plain one, or a map of conditions. Nests no deeper than the YAML reader lets a file
    /// nest.
    pub(super) fn matcher(&mut self, node: &'d Node, subject: &str) -> Option<Matcher> {
        let is_matcher = |entries: &[(Key, Node)]| {
            let mut keys = entries.iter();
            keys.any(|(key, _)| keys::MATCHER.key(&key.name).is_some())
        };
        if !node.as_mapping().is_some_and(is_matcher) {
            return Some(Matcher::equals(node.to_json()));
        }
        let conditions = self.conditions(node, subject, &[])?;
        (!conditions.is_empty()).then_some(Matcher(conditions))
    }

    /// What is wanted of a text. What no text can be is a fault, and not a condition that never holds.
    pub(super) fn text_matcher(&mut self, node: &'d Node, subject: &str) -> Option<Matcher> {
        match node.as_mapping() {
            None => {
                let text = self.value(node, subject, scalar::text)?;
                Some(Matcher::equals(text.into()))
            }
            Some([]) => {
                let message = format!("{subject} has nothing in it");
                self.report(Code::EmptyDefinition, node.span, message);
                None
            }
            Some(_) => self.conditions_on(Of::Text, node, subject, &[]).map(Matcher),
        }
    }

    /// The conditions of a map, which may have other keys too.
    pub(super) fn conditions(
        &mut self,
        node: &'d Node,
        subject: &str,
        beside: &[&str],
    ) -> Option<Vec<Condition>> {
        self.conditions_on(Of::Anything, node, subject, beside)
    }

    fn conditions_on(
        &mut self,
        of: Of,
        node: &'d Node,
        subject: &str,
        beside: &[&str],
    ) -> Option<Vec<Condition>> {
        let mut conditions = Vec::new();
        let mut is_good = true;
        for (key, value) in node.as_mapping().unwrap_or_default() {
            if beside.contains(&&*key.name) {
                continue;
            }
            let below = format!("`{}` of {subject}", key.name);
            let condition = match &*key.name {
                "equals" => self.compared(of, value, &below).map(Condition::Equals),
                "contains" => self.compared(of, value, &below).map(Condition::Contains),
                "matches" => self.pattern(value, &below),
                "not" if of == Of::Text => self.text_matcher(value, &below).map(Condition::Not),
                "not" => self.matcher(value, &below).map(Condition::Not),
                "min" | "max" if of == Of::Text => self.no_number(key, &below),
                "min" => self.bound(value, &below).map(Condition::Min),
                "max" => self.bound(value, &below).map(Condition::Max),
                "length" => self.length(value, &below),
                "one_of" => self.one_of(of, value, &below),
                "schema" => self.schema(value, &below).map(Condition::Schema),
                "that" => self.that(value, &below),
                _ => {
                    let message = format!(
                        "unknown key {} among the conditions of {subject}",
                        quote(&key.name)
                    );
                    let known = keys::MATCHER.keys().map(|key| key.name);
                    let known = known.chain(beside.iter().copied());
                    self.unknown(Code::UnknownKey, key.span, message, &key.name, known, "keys");
                    None
                }
            };
            is_good &= condition.is_some();
            conditions.extend(condition);
        }
        is_good.then_some(conditions)
    }

    /// A value that another is compared with.
    fn compared(&mut self, of: Of, node: &'d Node, subject: &str) -> Option<serde_json::Value> {
        match of {
            Of::Anything => Some(node.to_json()),
            Of::Text => self.value(node, subject, scalar::text).map(Into::into),
        }
    }

    fn one_of(&mut self, of: Of, node: &'d Node, subject: &str) -> Option<Condition> {
        let items = self.list(node, subject)?;
        let values: Vec<_> = items
            .iter()
            .filter_map(|item| self.compared(of, item, subject))
            .collect();
        (values.len() == items.len()).then_some(Condition::OneOf(values))
    }

    /// A bound of numbers where there is text.
    fn no_number(&mut self, key: &Key, subject: &str) -> Option<Condition> {
        let message = format!("{subject} compares numbers, and this is text");
        let hint = format!("bound how long it is: `length: {{ {}: 3 }}`", key.name);
        self.report_with(Code::KindMismatch, key.span, message, hint);
        None
    }

    fn pattern(&mut self, node: &'d Node, subject: &str) -> Option<Condition> {
        let pattern = self.value(node, subject, scalar::text)?;
        match RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build() {
            Ok(pattern) => Some(Condition::Matches(pattern)),
            Err(error) => {
                // The library draws the pattern with a caret over several lines; the last one says what is wrong.
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default();
                let why = why.strip_prefix("error: ").unwrap_or(why);
                self.report(
                    Code::BadPattern,
                    node.span,
                    format!("{subject} is no pattern: {why}"),
                );
                None
            }
        }
    }

    fn bound(&mut self, node: &'d Node, subject: &str) -> Option<f64> {
        self.value(node, subject, |node| scalar::number(node, f64::MIN..=f64::MAX))
    }

    /// A number, or the least and the most.
    fn length(&mut self, node: &'d Node, subject: &str) -> Option<Condition> {
        let count = |node| scalar::count(node, 0..=i64::MAX as u64);
        if node.as_mapping().is_none() {
            let exact = self.value(node, subject, count)?;
            return Some(Condition::Length(exact, exact));
        }
        let section = self.section(node, &keys::LENGTH, node.span, subject)?;
        let least = self.read(&section, "min", count).unwrap_or(0);
        let most = self.read(&section, "max", count).unwrap_or(u64::MAX);
        if least > most {
            let message = format!("{subject} has a `min` of {least} above its `max` of {most}");
            self.report(Code::NumberRange, node.span, message);
        }
        Some(Condition::Length(least, most))
    }

    /// An expression over `value`, and nothing else.
    fn that(&mut self, node: &'d Node, subject: &str) -> Option<Condition> {
        let source = match node.resolve() {
            Some(Resolved::Str(_) | Resolved::Bool(_) | Resolved::Int(_)) => match &node.kind {
                crate::file::yaml::Kind::Scalar(scalar) => &*scalar.text,
                _ => "",
            },
            _ => {
                let message = format!("{subject} needs an expression, found {}", node.describe());
                self.report(Code::WrongType, node.span, message);
                return None;
            }
        };
        let expr = match Expr::parse(source) {
            Ok(expr) => expr,
            Err(faults) => {
                for fault in faults {
                    let fault = self.text_fault(fault, node, None);
                    self.push(fault);
                }
                return None;
            }
        };
        let unknown = expr
            .references()
            .iter()
            .find(|reference| reference.root != "value");
        if let Some(reference) = unknown {
            let range = reference.offset..reference.offset + reference.len;
            let message = format!("{} is not in scope here (here: `value`)", quote(&reference.root));
            let fault = crate::fault::Fault::new(Code::UnknownReference, message);
            let fault = self.at_text(fault, node, None, range);
            self.push(fault);
            return None;
        }
        Some(Condition::That(Arc::new(expr)))
    }
}
