//! Settings as they are spelled: durations, money, sizes, counts, ratios, names.
//!
//! Every reader is total: a value, or a [`Flaw`] that says what was found and how to write it. Nothing is coerced. The
//! readers of text alone also serve the command line.

mod amount;
mod duration;
mod name;

use std::ops::RangeInclusive;

use super::suggest::{Nearest, alternatives};
use super::yaml::{Doc, Node, Resolved};
use crate::fault::{Code, Fault, Span, quote};

pub use amount::{money, size, size_text};
pub use duration::{duration, duration_or_none, duration_or_zero, duration_text, show_duration};
pub use name::{MAX_NAME_CHARS, MAX_TITLE_CHARS, check_name, check_title, name, title};

/// Why a value is not what a setting takes; the subject and the place are added by whoever knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The code of the fault it becomes.
    pub code: Code,
    /// What follows the subject: "needs a duration, found the number 30".
    pub message: String,
    /// How to write it.
    pub hint: Option<String>,
    /// The word that was probably meant.
    pub suggestion: Option<String>,
}

impl Flaw {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
            suggestion: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A value of the wrong type.
    fn needs(what: &str, node: &Node) -> Self {
        Self::new(
            Code::WrongType,
            format!("needs {what}, found {}", node.describe()),
        )
    }

    /// The fault about a subject such as "`timeout`", not yet at a place.
    pub fn into_fault(self, subject: &str) -> Fault {
        let mut fault = Fault::new(self.code, format!("{subject} {}", self.message));
        fault.hint = self.hint;
        fault.suggestion = self.suggestion;
        fault
    }
}

impl Doc {
    /// The fault for a flaw of the value at a span.
    pub fn flaw(&self, flaw: Flaw, subject: &str, span: Span) -> Fault {
        flaw.into_fault(subject).at(self.source.name(), self.place(span))
    }
}

/// `true` or `false`.
///
/// # Errors
///
/// `wrong_type`, also for the boolean words of YAML 1.1.
pub fn boolean(node: &Node) -> Result<bool, Flaw> {
    match node.resolve() {
        Some(Resolved::Bool(value)) => Ok(value),
        Some(Resolved::Str(text)) => {
            let flaw = Flaw::needs("`true` or `false`", node);
            Err(match text.to_ascii_lowercase().as_str() {
                "yes" | "on" | "y" => flaw.hint("write `true`"),
                "no" | "off" | "n" | "none" => flaw.hint("write `false`"),
                lower @ ("true" | "false") => flaw.hint(format!("write `{lower}` without quotes")),
                _ => flaw,
            })
        }
        _ => Err(null_hint(Flaw::needs("`true` or `false`", node), node)),
    }
}

/// Text; numbers and booleans need quotes to be text.
///
/// # Errors
///
/// `wrong_type`.
pub fn text(node: &Node) -> Result<&str, Flaw> {
    node.as_str().ok_or_else(|| {
        let flaw = Flaw::needs("text", node);
        match node.resolve() {
            Some(Resolved::Null) => null_hint(flaw, node),
            Some(_) => flaw.hint("put it in quotes to make it text"),
            None => flaw,
        }
    })
}

/// An integer within a range.
///
/// # Errors
///
/// `wrong_type` for anything but an integer, `number_range` outside the range.
pub fn count(node: &Node, range: RangeInclusive<u64>) -> Result<u64, Flaw> {
    let flaw = |node| Flaw::needs("an integer", node);
    match node.resolve() {
        Some(Resolved::Int(value)) => match u64::try_from(value) {
            Ok(value) if range.contains(&value) => Ok(value),
            _ => Err(out_of_range(&value.to_string(), &range)),
        },
        Some(Resolved::Unfit(text)) => Err(out_of_range(text, &range)),
        Some(Resolved::Float(text)) => Err(match whole(text) {
            Some(value) => flaw(node).hint(format!("write `{value}`")),
            None => flaw(node),
        }),
        Some(Resolved::Str(text)) => {
            let digits = text.replace('_', "");
            Err(match digits.parse::<i64>() {
                Ok(value) if digits == text => flaw(node).hint(format!("write `{value}` without quotes")),
                Ok(value) => flaw(node).hint(format!("write `{value}`")),
                Err(_) => flaw(node),
            })
        }
        _ => Err(null_hint(flaw(node), node)),
    }
}

/// A number from 0 to 1.
///
/// # Errors
///
/// `wrong_type` for anything but a number, `number_range` outside of 0 to 1.
pub fn ratio(node: &Node) -> Result<f64, Flaw> {
    number(node, 0.0..=1.0)
}

/// A finite number within a range.
///
/// # Errors
///
/// `wrong_type` for anything but a number, `number_range` outside the range.
pub fn number(node: &Node, range: RangeInclusive<f64>) -> Result<f64, Flaw> {
    let outside = |text: &str| {
        let message = format!(
            "needs a number from {} to {}, found {text}",
            range.start(),
            range.end()
        );
        Flaw::new(Code::NumberRange, message)
    };
    let (Some(Resolved::Float(text) | Resolved::Unfit(text)), value) = (match node.resolve() {
        Some(Resolved::Int(value)) => {
            let value = value as f64;
            return if range.contains(&value) {
                Ok(value)
            } else {
                Err(outside(&value.to_string()))
            };
        }
        resolved => (resolved, node.to_json().as_f64()),
    }) else {
        let flaw = Flaw::needs(
            &format!("a number from {} to {}", range.start(), range.end()),
            node,
        );
        return Err(match node.as_str().map(str::parse::<f64>) {
            Some(Ok(_)) => flaw.hint("write it without quotes"),
            _ => null_hint(flaw, node),
        });
    };
    value
        .filter(|value| range.contains(value))
        .ok_or_else(|| outside(text))
}

/// One of a few fixed words.
///
/// # Errors
///
/// `wrong_type`, with the words there are.
pub fn choice(node: &Node, words: &[&'static str]) -> Result<&'static str, Flaw> {
    let written = match node.as_str() {
        Some(text) => {
            if let Some(word) = words.iter().find(|word| **word == text) {
                return Ok(word);
            }
            text
        }
        None => "",
    };
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    let mut flaw = Flaw::needs(&alternatives(&quoted), node);
    if !written.is_empty() {
        let nearest = Nearest::of(written, words.iter().copied(), "words");
        if nearest.suggestion.is_some() {
            flaw.suggestion = nearest.suggestion;
            flaw.hint = nearest.hint;
        }
    } else if node.is_null() && words.contains(&"none") {
        flaw.hint = Some("write `none`, or leave the key out".to_owned());
    } else {
        flaw = null_hint(flaw, node);
    }
    Err(flaw)
}

/// Whether the value is the word that switches a setting off.
pub fn is_none(node: &Node) -> bool {
    node.as_str() == Some("none")
}

fn null_hint(flaw: Flaw, node: &Node) -> Flaw {
    match node.is_null() {
        true => flaw.hint("leave the key out for the default"),
        false => flaw,
    }
}

fn out_of_range(found: &str, range: &RangeInclusive<u64>) -> Flaw {
    let message = match (*range.start(), *range.end()) {
        (start, u64::MAX) => format!("needs an integer of {start} or more, found {found}"),
        (start, end) => format!("needs an integer from {start} to {end}, found {found}"),
    };
    Flaw::new(Code::NumberRange, message)
}

/// The integer that a number with a point or an exponent stands for, if it is one.
fn whole(text: &str) -> Option<i64> {
    let value: f64 = text.parse().ok()?;
    // Beyond 2^53 a float no longer says which integer was meant.
    (value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0).then_some(value as i64)
}

#[cfg(test)]
mod tests;
