//! Money: whole nano-dollars, and what a call or a run has cost.
//!
//! [`Nanousd`] is the one representation of an amount, in memory and at rest. Prices, budgets and
//! the log all use it. An amount is never negative and never passes through floating point, with
//! the one exception of [`usd`], which exists so that a limit reads well in Rust source. Text is
//! parsed strictly: what is not plainly an amount is an error, never a guess.

mod cost;

pub use cost::Cost;

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

const NANOS_PER_USD: i64 = 1_000_000_000;
const NANOS_PER_CENT: i64 = NANOS_PER_USD / 100;

/// An amount of money of at least zero, in nano-dollars (a billionth of a US dollar).
///
/// Displays as an exact decimal number of dollars with two to nine decimals; serializes as an
/// integer of nano-dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Nanousd(i64);

impl Nanousd {
    /// No money at all.
    pub const ZERO: Self = Self(0);
    /// The largest amount there is, a little over 9.2 billion dollars.
    pub const MAX: Self = Self(i64::MAX);

    /// An amount from a count of nano-dollars, or `None` below zero.
    pub const fn from_nanos(nanos: i64) -> Option<Self> {
        if nanos < 0 { None } else { Some(Self(nanos)) }
    }

    /// The amount as a count of nano-dollars.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// Whether this is no money at all.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` beyond [`Nanousd::MAX`].
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// What is left after taking `other` away, or `None` when that is more than there is.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        if other.0 > self.0 {
            None
        } else {
            Some(Self(self.0 - other.0))
        }
    }

    /// Parses an amount as a person types it on the command line: like [`str::parse`], with an
    /// optional leading `$`.
    ///
    /// # Errors
    /// As for [`str::parse`].
    pub fn parse_dollars(text: &str) -> Result<Self, MoneyError> {
        text.strip_prefix('$').unwrap_or(text).parse()
    }

    /// The amount for people: `$` and at most four decimals, or two significant digits when it is
    /// less than a tenth of a cent.
    pub fn human(self) -> Human {
        Human(self)
    }
}

/// A number of US dollars written in Rust source, such as `usd(2.00)`, rounded to the nearest
/// nano-dollar.
///
/// Never panics. Below zero and NaN give zero, which as a limit stops every paid call; beyond
/// [`Nanousd::MAX`] gives that.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the cast saturates and turns NaN into 0, as documented"
)]
pub const fn usd(dollars: f64) -> Nanousd {
    let nanos = (dollars * NANOS_PER_USD as f64).round() as i64;
    if nanos < 0 { Nanousd::ZERO } else { Nanousd(nanos) }
}

/// A number of US cents, such as `cents(10)`; beyond [`Nanousd::MAX`] gives that.
pub const fn cents(cents: u64) -> Nanousd {
    Nanousd(
        0_i64
            .saturating_add_unsigned(cents)
            .saturating_mul(NANOS_PER_CENT),
    )
}

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The text is not digits with at most one decimal point between them.
    #[error("`{0}` is not an amount of dollars; write it like `0.50`, without sign or exponent")]
    Malformed(String),
    /// The text has more decimals than a nano-dollar can hold.
    #[error("`{0}` has {1} decimals; an amount of dollars has at most 9")]
    TooPrecise(String, usize),
    /// The amount is beyond [`Nanousd::MAX`].
    #[error("`{0}` is more than the largest amount, {max} dollars", max = Nanousd::MAX)]
    TooLarge(String),
}

impl FromStr for Nanousd {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let malformed = || MoneyError::Malformed(shortened(text));
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(malformed()),
            Some(parts) => parts,
            None => (text, ""),
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) {
            return Err(malformed());
        }
        if fraction.len() > 9 {
            return Err(MoneyError::TooPrecise(shortened(text), fraction.len()));
        }
        let shown = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
        whole
            .bytes()
            .chain(shown)
            .try_fold(0_i64, |sum, digit| {
                sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'))
            })
            .map(Self)
            .ok_or_else(|| MoneyError::TooLarge(shortened(text)))
    }
}

impl fmt::Display for Nanousd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, mut fraction) = (self.0 / NANOS_PER_USD, self.0 % NANOS_PER_USD);
        let mut decimals = 9;
        while decimals > 2 && fraction % 10 == 0 {
            fraction /= 10;
            decimals -= 1;
        }
        f.pad(&format!("{dollars}.{fraction:0decimals$}"))
    }
}

impl<'de> Deserialize<'de> for Nanousd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let nanos = i64::deserialize(deserializer)?;
        Self::from_nanos(nanos)
            .ok_or_else(|| D::Error::custom(format_args!("{nanos} nano-dollars is below zero")))
    }
}

/// An amount displayed for people, made by [`Nanousd::human`].
#[derive(Debug, Clone, Copy)]
pub struct Human(Nanousd);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.nanos();
        let step = match nanos {
            // Four decimals would show a small cost as none, so the grain follows the amount.
            0..1_000_000 => 10_i64.pow(nanos.max(1).ilog10().saturating_sub(1)),
            _ => NANOS_PER_USD / 10_000,
        };
        let rest = nanos % step;
        let down = nanos - rest;
        let rounded = if rest * 2 >= step {
            down.saturating_add(step)
        } else {
            down
        };
        f.pad(&format!("${}", Nanousd(rounded)))
    }
}

/// Amounts that people write: decimal text such as `"0.50"` on the wire, [`Nanousd`] in Rust. For
/// use as `#[serde(with = "…")]`.
///
/// A whole number is read as dollars too, since it is exact. A number with a decimal point has
/// already lost its digits when it arrives here, so it is refused.
pub mod decimal {
    use super::{Deserializer, Nanousd, fmt};
    use serde::Serializer;
    use serde::de::{Error, Unexpected, Visitor};

    /// Writes the exact decimal text.
    pub fn serialize<S: Serializer>(amount: &Nanousd, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(amount)
    }

    /// Reads text or a whole number of dollars.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Nanousd, D::Error> {
        from.deserialize_any(Dollars)
    }

    struct Dollars;

    impl Visitor<'_> for Dollars {
        type Value = Nanousd;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an amount of dollars as text, such as \"0.50\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Nanousd, E> {
            text.parse().map_err(E::custom)
        }

        fn visit_u64<E: Error>(self, dollars: u64) -> Result<Nanousd, E> {
            self.visit_str(&dollars.to_string())
        }

        fn visit_i64<E: Error>(self, dollars: i64) -> Result<Nanousd, E> {
            match u64::try_from(dollars) {
                Ok(dollars) => self.visit_u64(dollars),
                Err(_) => Err(E::invalid_value(Unexpected::Signed(dollars), &self)),
            }
        }
    }
}

/// Like [`decimal`], for amounts that may be absent.
pub mod optional_decimal {
    use super::{Deserialize, Deserializer, Nanousd, decimal};
    use serde::Serializer;

    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Amount(#[serde(with = "decimal")] Nanousd);

    /// Writes the exact decimal text, or null.
    pub fn serialize<S: Serializer>(amount: &Option<Nanousd>, to: S) -> Result<S::Ok, S::Error> {
        match amount {
            Some(amount) => decimal::serialize(amount, to),
            None => to.serialize_none(),
        }
    }

    /// Reads text, a whole number of dollars or null.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Nanousd>, D::Error> {
        Ok(Option::<Amount>::deserialize(from)?.map(|Amount(amount)| amount))
    }
}

/// As much of a rejected text as an error message should repeat.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nanos(nanos: i64) -> Nanousd {
        Nanousd::from_nanos(nanos).expect("test amounts are at least zero")
    }

    #[test]
    fn text_is_parsed_exactly() {
        for (text, want) in [
            ("0", 0),
            ("0.50", 500_000_000),
            ("00.5", 500_000_000),
            ("2", 2_000_000_000),
            ("0.000000001", 1),
            ("9223372036.854775807", i64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(nanos(want)), "{text}");
        }
    }

    #[test]
    fn what_is_not_plainly_an_amount_is_refused() {
        for text in [
            "", " ", ".", ".5", "5.", "-1", "+1", "1e3", "NaN", "inf", " 1", "1 ", "1,5", "1_000", "$1",
            "1.2.3", "٣", "0x1",
        ] {
            let malformed = matches!(text.parse::<Nanousd>(), Err(MoneyError::Malformed(_)));
            assert!(malformed, "{text:?}");
        }
        assert!(matches!(
            "0.0000000001".parse::<Nanousd>(),
            Err(MoneyError::TooPrecise(_, 10))
        ));
        assert!(matches!(
            "9223372036.854775808".parse::<Nanousd>(),
            Err(MoneyError::TooLarge(_))
        ));
        assert!(matches!(
            "9".repeat(400).parse::<Nanousd>(),
            Err(MoneyError::TooLarge(_))
        ));
    }

    #[test]
    fn a_dollar_sign_is_for_the_command_line_only() {
        assert_eq!(Nanousd::parse_dollars("$0.50"), Ok(cents(50)));
        assert_eq!(Nanousd::parse_dollars("0.50"), Ok(cents(50)));
        for text in ["$", "$$1", "$-1", "$ 1", "1$"] {
            assert!(Nanousd::parse_dollars(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn source_code_amounts_never_panic() {
        const TWO: Nanousd = usd(2.00);
        assert_eq!(TWO, cents(200));
        assert_eq!(usd(0.1), cents(10));
        assert_eq!(usd(0.000_000_001_4), nanos(1));
        assert_eq!(usd(-3.0), Nanousd::ZERO);
        assert_eq!(usd(f64::NAN), Nanousd::ZERO);
        assert_eq!(usd(f64::INFINITY), Nanousd::MAX);
        assert_eq!(cents(u64::MAX), Nanousd::MAX);
    }

    #[test]
    fn people_see_short_amounts() {
        for (amount, want) in [
            (0, "$0.00"),
            (1, "$0.000000001"),
            (12_345, "$0.000012"),
            (999_999, "$0.001"),
            (12_300_000, "$0.0123"),
            (12_345_678, "$0.0123"),
            (2_000_000_000, "$2.00"),
            (1_234_567_890_123, "$1234.5679"),
        ] {
            assert_eq!(nanos(amount).human().to_string(), want);
        }
    }

    proptest! {
        #[test]
        fn display_and_parse_are_inverse(amount in 0..=i64::MAX) {
            let text = nanos(amount).to_string();
            let decimals = text.split_once('.').map_or(0, |(_, d)| d.len());
            prop_assert!((2..=9).contains(&decimals));
            prop_assert_eq!(text.parse(), Ok(nanos(amount)));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,40}") {
            let _ = text.parse::<Nanousd>();
        }
    }
}
