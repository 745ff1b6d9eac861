//! Money in nano-dollars and sizes in bytes, both read from text without passing through a float.

use super::{Flaw, null_hint};
use crate::fault::{Code, quote};
use crate::file::yaml::{Kind, Node, Resolved};
use crate::money::{MoneyError, Nanousd};

const SIZE_UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1 << 10),
    ("MB", 1 << 20),
    ("GB", 1 << 30),
    ("B", 1),
];

/// An amount in dollars, from decimal text or a plain number as it is written.
///
/// # Errors
///
/// `wrong_type` for another spelling, `number_range` for a sign, too many places or too much money.
pub fn money(node: &Node) -> Result<Nanousd, Flaw> {
    let text = match (&node.kind, node.resolve()) {
        (
            Kind::Scalar(scalar),
            Some(Resolved::Str(_) | Resolved::Int(_) | Resolved::Float(_) | Resolved::Unfit(_)),
        ) => &*scalar.text,
        _ => return Err(null_hint(Flaw::needs("an amount in dollars", node), node)),
    };
    let needs = |code| {
        Flaw::new(
            code,
            format!("needs an amount in dollars such as `0.50`, found {}", quote(text)),
        )
    };
    text.parse::<Nanousd>().map_err(|error| match error {
        MoneyError::Malformed(_) if text.len() > 1 && text.starts_with(['-', '+']) => {
            needs(Code::NumberRange).hint("leave out the sign")
        }
        MoneyError::Malformed(_) => match Nanousd::parse_dollars(text) {
            Ok(amount) => needs(Code::WrongType).hint(format!("write `{amount}`")),
            Err(_) => needs(Code::WrongType).hint("digits, and at most 9 of them after a point"),
        },
        MoneyError::TooPrecise(_, places) => needs(Code::NumberRange).hint(format!(
            "it has {places} digits after the point, at most 9 are kept"
        )),
        MoneyError::TooLarge(_) => needs(Code::NumberRange).hint(format!("at most {}", Nanousd::MAX)),
    })
}

/// A size in bytes, such as `64KB`; units are powers of 1024.
///
/// # Errors
///
/// `wrong_type` for another spelling, `number_range` beyond 64 bits.
pub fn size(node: &Node) -> Result<u64, Flaw> {
    match node.resolve() {
        Some(Resolved::Str(text)) => size_text(text),
        Some(Resolved::Int(value)) if value >= 0 => {
            let spelled = match value % 1024 {
                0 if value > 0 => format!("{}KB", value / 1024),
                _ => format!("{value}B"),
            };
            Err(Flaw::needs("a size with its unit", node).hint(format!("write `{spelled}`")))
        }
        _ => Err(null_hint(Flaw::needs("a size such as `64KB`", node), node)),
    }
}

/// A size in bytes from text.
///
/// # Errors
///
/// As [`size`].
pub fn size_text(text: &str) -> Result<u64, Flaw> {
    let wrong = || {
        Flaw::new(
            Code::WrongType,
            format!("needs a size, found the text {}", quote(text)),
        )
        .hint("write it as `512B`, `64KB`, `2MB` or `1GB`")
    };
    let too_large = || Flaw::new(Code::NumberRange, format!("{} does not fit", quote(text)));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let Some((_, bytes)) = SIZE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(wrong());
    };
    if number.is_empty() {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| too_large())?;
    number.checked_mul(*bytes).ok_or_else(too_large)
}
