//! Durations: `250ms`, `30s`, `5m`, `2h`, `1d`, and sums from the largest unit down.

use std::time::Duration;

use super::{Flaw, is_none, null_hint};
use crate::fault::{Code, quote};
use crate::file::yaml::{Node, Resolved};

/// Units from the largest down, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A century: far beyond any run, and far from where adding to a clock overflows.
const MAX_DAYS: u64 = 36_500;

const SPELLING: &str = "write it as `250ms`, `30s`, `5m`, `2h` or `1d`, or as a sum such as `1h30m`";

/// A duration longer than zero.
///
/// # Errors
///
/// `wrong_type` for another spelling, `number_range` for zero and for more than a century.
pub fn duration(node: &Node) -> Result<Duration, Flaw> {
    let duration = duration_or_zero(node)?;
    match duration.is_zero() {
        true => Err(Flaw::new(Code::NumberRange, "needs to be longer than zero")),
        false => Ok(duration),
    }
}

/// A duration longer than zero, or the word `none`.
///
/// # Errors
///
/// As [`duration`].
pub fn duration_or_none(node: &Node) -> Result<Option<Duration>, Flaw> {
    if is_none(node) {
        return Ok(None);
    }
    duration(node)
        .map(Some)
        .map_err(|flaw| match (node.is_null(), flaw.code) {
            (true, _) | (_, Code::NumberRange) => flaw.hint("write `none`, or leave the key out"),
            _ => flaw,
        })
}

/// A duration, where `0s` has a meaning.
///
/// # Errors
///
/// `wrong_type` for another spelling, `number_range` for more than a century.
pub fn duration_or_zero(node: &Node) -> Result<Duration, Flaw> {
    match node.resolve() {
        Some(Resolved::Str(text)) => duration_text(text),
        Some(Resolved::Int(value)) if value >= 0 => {
            Err(Flaw::needs("a duration", node).hint(format!("write `{value}s`")))
        }
        Some(Resolved::Null) => Err(null_hint(Flaw::needs("a duration", node), node)),
        _ => Err(Flaw::needs("a duration", node).hint(SPELLING)),
    }
}

/// A duration from text, zero allowed.
///
/// # Errors
///
/// As [`duration_or_zero`].
pub fn duration_text(text: &str) -> Result<Duration, Flaw> {
    let wrong = || {
        Flaw::new(
            Code::WrongType,
            format!("needs a duration, found the text {}", quote(text)),
        )
    };
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong().hint(format!("write `{text}s`")));
    }
    let too_long = || Flaw::new(Code::NumberRange, format!("is longer than {MAX_DAYS}d"));
    let mut units = UNITS.as_slice();
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() || text.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let (unit, after) = after.split_at(letters);
        // Each unit once, the larger before the smaller: `30m1h` is more often a slip than meant.
        let (Some(index), false) = (
            units.iter().position(|(name, _)| *name == unit),
            number.is_empty(),
        ) else {
            return Err(wrong().hint(SPELLING));
        };
        let value: u64 = number.parse().map_err(|_| too_long())?;
        let part = value.checked_mul(units[index].1).ok_or_else(too_long)?;
        total = total.checked_add(part).ok_or_else(too_long)?;
        units = &units[index + 1..];
        rest = after;
    }
    match total > MAX_DAYS * UNITS[0].1 {
        true => Err(too_long()),
        false => Ok(Duration::from_millis(total)),
    }
}

/// A duration as it is spelled in a file; what is below a millisecond is dropped.
pub fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut shown = String::new();
    for (unit, milliseconds) in UNITS {
        let value = rest / milliseconds;
        rest %= milliseconds;
        if value > 0 {
            shown.push_str(&format!("{value}{unit}"));
        }
    }
    if shown.is_empty() {
        shown.push_str("0s");
    }
    shown
}
