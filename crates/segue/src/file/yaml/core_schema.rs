//! What a plain scalar stands for: the YAML 1.2 core schema, with numbers that do not fit kept apart instead of rounded.

/// What a scalar stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved<'a> {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer of at most 64 bits with its sign.
    Int(i64),
    /// A finite number with a point or an exponent, as text so that money never passes through a float.
    Float(&'a str),
    /// A number that fits neither, as written.
    Unfit(&'a str),
    /// Text.
    Str(&'a str),
}

/// Resolves a plain scalar.
pub(super) fn resolve(text: &str) -> Resolved<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Unfit(text),
        _ => {}
    }
    if let Some(digits) = text
        .strip_prefix("0o")
        .filter(|digits| is_all(digits, |b| matches!(b, b'0'..=b'7')))
    {
        return integer(digits, 8, text);
    }
    if let Some(digits) = text
        .strip_prefix("0x")
        .filter(|digits| is_all(digits, |b| b.is_ascii_hexdigit()))
    {
        return integer(digits, 16, text);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if is_all(unsigned, |b| b.is_ascii_digit()) {
        return integer(text, 10, text);
    }
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Resolved::Unfit(text);
    }
    if !is_float(unsigned) {
        return Resolved::Str(text);
    }
    match float(text) {
        Some(_) => Resolved::Float(text),
        None => Resolved::Unfit(text),
    }
}

/// The nearest finite number.
pub(super) fn float(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| number.is_finite())
}

fn integer<'a>(digits: &str, radix: u32, text: &'a str) -> Resolved<'a> {
    i64::from_str_radix(digits, radix).map_or(Resolved::Unfit(text), Resolved::Int)
}

/// `( "." digits | digits ( "." digits? )? ) ( [eE] sign? digits )?` after the sign.
fn is_float(unsigned: &str) -> bool {
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| is_all(text, |b| b.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
        None => digits(mantissa),
    };
    mantissa_fits
        && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent)))
}

/// Whether there is text and every byte of it passes.
fn is_all(text: &str, passes: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(passes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling() {
        use Resolved::{Bool, Float, Int, Null, Str, Unfit};
        let table = [
            ("", Null),
            ("~", Null),
            ("null", Null),
            ("nUll", Str("nUll")),
            ("true", Bool(true)),
            ("FALSE", Bool(false)),
            ("yes", Str("yes")),
            ("no", Str("no")),
            ("on", Str("on")),
            ("Off", Str("Off")),
            ("y", Str("y")),
            ("0", Int(0)),
            ("-0", Int(0)),
            ("+12", Int(12)),
            ("007", Int(7)),
            ("0o17", Int(15)),
            ("0o18", Str("0o18")),
            ("0xfF", Int(255)),
            ("0x", Str("0x")),
            ("-0x1", Str("-0x1")),
            ("1_000", Str("1_000")),
            ("9223372036854775807", Int(i64::MAX)),
            ("-9223372036854775808", Int(i64::MIN)),
            ("9223372036854775808", Unfit("9223372036854775808")),
            ("12345678901234567890", Unfit("12345678901234567890")),
            ("0xffffffffffffffffff", Unfit("0xffffffffffffffffff")),
            ("1.5", Float("1.5")),
            ("1.", Float("1.")),
            (".5", Float(".5")),
            ("-.5", Float("-.5")),
            ("1e3", Float("1e3")),
            ("1.e+3", Float("1.e+3")),
            ("1e999", Unfit("1e999")),
            ("-.inf", Unfit("-.inf")),
            (".NaN", Unfit(".NaN")),
            ("inf", Str("inf")),
            ("nan", Str("nan")),
            (".", Str(".")),
            ("-", Str("-")),
            ("e3", Str("e3")),
            ("1e", Str("1e")),
            ("1.2.3", Str("1.2.3")),
            ("12:30", Str("12:30")),
            ("2026-01-01", Str("2026-01-01")),
            ("٣", Str("٣")),
        ];
        for (text, expected) in table {
            assert_eq!(resolve(text), expected, "{text}");
        }
    }
}
