//! A limit and how it stands, as views and errors show it.
//!
//! The ledger makes these values; nothing here decides anything. Money is written as decimal text,
//! tokens and requests as numbers.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::OnExceed;
use crate::money::Nanousd;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Money.
    Usd,
    /// Input and output tokens.
    Tokens,
    /// Model calls.
    Requests,
}

impl Unit {
    /// Every unit, in the order in which views list them.
    pub const ALL: [Self; 3] = [Self::Usd, Self::Tokens, Self::Requests];
}

/// So much of one unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Money.
    Usd(Nanousd),
    /// Input and output tokens.
    Tokens(u64),
    /// Model calls.
    Requests(u64),
}

impl Amount {
    /// What is counted.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Usd(_) => Unit::Usd,
            Self::Tokens(_) => Unit::Tokens,
            Self::Requests(_) => Unit::Requests,
        }
    }

    /// `count` of `unit`, where money is counted in nano-dollars and stops at [`Nanousd::MAX`].
    #[must_use]
    pub fn new(unit: Unit, count: u64) -> Self {
        match unit {
            Unit::Usd => Self::Usd(
                i64::try_from(count)
                    .ok()
                    .and_then(Nanousd::from_nanos)
                    .unwrap_or(Nanousd::MAX),
            ),
            Unit::Tokens => Self::Tokens(count),
            Unit::Requests => Self::Requests(count),
        }
    }
}

/// `$0.10`, `20000 tokens`, `1 request`; money is exact.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: u64| if n == 1 { "" } else { "s" };
        match *self {
            Self::Usd(money) => write!(f, "${money}"),
            Self::Tokens(n) => write!(f, "{n} token{}", plural(n)),
            Self::Requests(n) => write!(f, "{n} request{}", plural(n)),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Usd(money) => to.collect_str(money),
            Self::Tokens(n) | Self::Requests(n) => to.serialize_u64(*n),
        }
    }
}

/// One limit of a budget as views list it.
///
/// What is held for calls with an unknown outcome is shown as reserved, so that limit, spent and
/// reserved explain on their own what is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BudgetState {
    /// The budget's name, such as `run` or `step:classify`.
    pub name: String,
    /// What is counted.
    pub unit: Unit,
    /// The most that may be spent.
    pub limit: Amount,
    /// What has been spent.
    pub spent: Amount,
    /// What is held for calls in flight and for those with an unknown outcome.
    pub reserved: Amount,
    /// The part of `reserved` that is held for calls with an unknown outcome.
    #[serde(skip)]
    pub uncertain: Amount,
    /// What becomes of a call that does not fit.
    pub on_exceed: OnExceed,
}

/// The limit that stopped a call, and why it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredLimit")]
pub struct LimitReached {
    /// The budget's name; a limit on single calls adds `/call`.
    pub name: String,
    /// What is counted.
    pub unit: Unit,
    /// The most that may be spent.
    pub limit: Amount,
    /// What has been spent.
    pub spent: Amount,
    /// What is held for calls in flight and for those with an unknown outcome.
    pub reserved: Amount,
    /// The most the call may need; `None` when its model has no price.
    pub needed: Option<Amount>,
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            limit,
            spent,
            reserved,
            ..
        } = self;
        write!(
            f,
            "budget `{name}` allows {limit}; spent {spent}, reserved {reserved}"
        )?;
        match self.needed {
            Some(needed) => write!(f, ", the call may need {needed}"),
            None => f.write_str(", and the model of the call has no price"),
        }
    }
}

#[derive(Deserialize)]
struct StoredLimit {
    name: String,
    unit: Unit,
    limit: Figure,
    spent: Figure,
    reserved: Figure,
    needed: Option<Figure>,
}

impl TryFrom<StoredLimit> for LimitReached {
    type Error = WrongUnit;

    fn try_from(stored: StoredLimit) -> Result<Self, WrongUnit> {
        let amount = |figure| match (stored.unit, figure) {
            (Unit::Usd, Figure::Money(money)) => Ok(Amount::Usd(money)),
            (Unit::Tokens, Figure::Count(n)) => Ok(Amount::Tokens(n)),
            (Unit::Requests, Figure::Count(n)) => Ok(Amount::Requests(n)),
            _ => Err(WrongUnit),
        };
        Ok(Self {
            unit: stored.unit,
            limit: amount(stored.limit)?,
            spent: amount(stored.spent)?,
            reserved: amount(stored.reserved)?,
            needed: stored.needed.map(amount).transpose()?,
            name: stored.name,
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the unit `usd` goes with amounts as text, other units with numbers")]
struct WrongUnit;

/// An amount as it is written, before its unit is known.
#[derive(Clone, Copy)]
enum Figure {
    Money(Nanousd),
    Count(u64),
}

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Written;

        impl Visitor<'_> for Written {
            type Value = Figure;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("dollars as text or a count")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Figure, E> {
                text.parse().map(Figure::Money).map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, count: u64) -> Result<Figure, E> {
                Ok(Figure::Count(count))
            }
        }

        from.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::cents;

    fn reached() -> LimitReached {
        LimitReached {
            name: "step:classify".to_owned(),
            unit: Unit::Usd,
            limit: Amount::Usd(cents(10)),
            spent: Amount::new(Unit::Usd, 94_200_000),
            reserved: Amount::Usd(Nanousd::ZERO),
            needed: Some(Amount::new(Unit::Usd, 12_000_000)),
        }
    }

    #[test]
    fn a_reached_limit_has_the_published_shape() {
        let text = serde_json::to_string(&reached()).expect("a limit is serializable");
        assert_eq!(
            text,
            r#"{"name":"step:classify","unit":"usd","limit":"0.10","spent":"0.0942","reserved":"0.00","needed":"0.012"}"#
        );
        assert_eq!(serde_json::from_str(&text).ok(), Some(reached()));
        let mixed = text.replace("\"usd\"", "\"tokens\"");
        assert!(serde_json::from_str::<LimitReached>(&mixed).is_err());
    }

    #[test]
    fn counts_are_numbers() {
        let tokens = LimitReached {
            unit: Unit::Tokens,
            limit: Amount::Tokens(20),
            spent: Amount::Tokens(19),
            reserved: Amount::Tokens(1),
            needed: None,
            ..reached()
        };
        let text = serde_json::to_string(&tokens).expect("a limit is serializable");
        assert!(
            text.ends_with(r#""unit":"tokens","limit":20,"spent":19,"reserved":1,"needed":null}"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str(&text).ok(), Some(tokens));
    }

    #[test]
    fn a_reached_limit_explains_itself() {
        assert_eq!(
            reached().to_string(),
            "budget `step:classify` allows $0.10; spent $0.0942, reserved $0.00, the call may need $0.012"
        );
    }
}
