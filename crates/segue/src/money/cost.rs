//! What calls have cost, and what is not known about it.
//!
//! Kept for each call and added up for attempts, steps, agents, models and runs.

use std::fmt;
use std::iter::Sum;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::Nanousd;

/// What calls have cost, with what is not known about it.
///
/// Serializes with one derived member, `usd`: the same amount as an exact decimal text. It is
/// ignored when read back, because `nanousd` is the truth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredCost", into = "StoredCost")]
pub struct Cost {
    /// The known cost.
    pub nanousd: Nanousd,
    /// Calls of models without a price; their cost is in none of the amounts.
    pub unpriced_calls: u32,
    /// Calls whose usage was estimated here because the provider did not report it.
    pub estimated_calls: u32,
    /// Reserved for calls whose outcome is unknown; counted beside `nanousd`, not in it.
    pub uncertain_nanousd: Nanousd,
}

impl Cost {
    /// The cost of one priced call.
    pub const fn of(nanousd: Nanousd) -> Self {
        Self {
            nanousd,
            unpriced_calls: 0,
            estimated_calls: 0,
            uncertain_nanousd: Nanousd::ZERO,
        }
    }

    /// The cost of one call of a model without a price.
    pub const fn unpriced() -> Self {
        Self {
            unpriced_calls: 1,
            ..Self::of(Nanousd::ZERO)
        }
    }

    /// The cost of one call whose outcome is unknown and for which `reserved` was set aside.
    pub const fn uncertain(reserved: Nanousd) -> Self {
        Self {
            uncertain_nanousd: reserved,
            ..Self::of(Nanousd::ZERO)
        }
    }

    /// The same cost, marked as resting on estimated usage.
    #[must_use]
    pub const fn estimated(self) -> Self {
        Self {
            estimated_calls: 1,
            ..self
        }
    }

    /// Whether nothing was spent and nothing is unknown.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// The sum, or `None` when a member of it is too large to hold.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            nanousd: self.nanousd.checked_add(other.nanousd)?,
            unpriced_calls: self.unpriced_calls.checked_add(other.unpriced_calls)?,
            estimated_calls: self.estimated_calls.checked_add(other.estimated_calls)?,
            uncertain_nanousd: self.uncertain_nanousd.checked_add(other.uncertain_nanousd)?,
        })
    }
}

/// Totals for views: each member stops at its largest value, so that no log, however wrong, can
/// end a program that only wants to show it. What decides about money uses [`Cost::checked_add`].
impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        let sum = |a: Nanousd, b: Nanousd| a.checked_add(b).unwrap_or(Nanousd::MAX);
        *self = Self {
            nanousd: sum(self.nanousd, other.nanousd),
            unpriced_calls: self.unpriced_calls.saturating_add(other.unpriced_calls),
            estimated_calls: self.estimated_calls.saturating_add(other.estimated_calls),
            uncertain_nanousd: sum(self.uncertain_nanousd, other.uncertain_nanousd),
        };
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |mut total, cost| {
            total += cost;
            total
        })
    }
}

/// `$0.0123`, followed by what is not in that amount: `$0.0123 + 2 unpriced calls`.
impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.nanousd.human())?;
        if !self.uncertain_nanousd.is_zero() {
            write!(f, " + {} uncertain", self.uncertain_nanousd.human())?;
        }
        match self.unpriced_calls {
            0 => Ok(()),
            1 => f.write_str(" + 1 unpriced call"),
            n => write!(f, " + {n} unpriced calls"),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredCost {
    nanousd: Nanousd,
    #[serde(default, skip_deserializing)]
    usd: String,
    #[serde(default)]
    unpriced_calls: u32,
    #[serde(default)]
    estimated_calls: u32,
    #[serde(default)]
    uncertain_nanousd: Nanousd,
}

impl From<Cost> for StoredCost {
    fn from(cost: Cost) -> Self {
        Self {
            nanousd: cost.nanousd,
            usd: cost.nanousd.to_string(),
            unpriced_calls: cost.unpriced_calls,
            estimated_calls: cost.estimated_calls,
            uncertain_nanousd: cost.uncertain_nanousd,
        }
    }
}

impl From<StoredCost> for Cost {
    fn from(stored: StoredCost) -> Self {
        Self {
            nanousd: stored.nanousd,
            unpriced_calls: stored.unpriced_calls,
            estimated_calls: stored.estimated_calls,
            uncertain_nanousd: stored.uncertain_nanousd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::cents;

    fn nanos(nanos: i64) -> Nanousd {
        Nanousd::from_nanos(nanos).expect("test amounts are at least zero")
    }

    #[test]
    fn a_cost_says_what_it_leaves_out() {
        let mut cost = Cost::of(nanos(12_300_000));
        assert_eq!(cost.to_string(), "$0.0123");
        cost += Cost::unpriced();
        cost += Cost::uncertain(cents(1));
        assert_eq!(cost.to_string(), "$0.0123 + $0.01 uncertain + 1 unpriced call");
        assert!(!Cost::unpriced().is_zero());
        assert_eq!(Cost::of(Nanousd::MAX).checked_add(Cost::of(nanos(1))), None);
    }

    #[test]
    fn a_stored_cost_has_the_published_shape() {
        let cost = Cost::of(nanos(12_300_000)).estimated();
        let text = serde_json::to_string(&cost).expect("a cost is serializable");
        assert_eq!(
            text,
            r#"{"nanousd":12300000,"usd":"0.0123","unpriced_calls":0,"estimated_calls":1,"uncertain_nanousd":0}"#
        );
        let lying = text.replace("0.0123", "99.00");
        assert_eq!(serde_json::from_str::<Cost>(&lying).ok(), Some(cost));
        assert!(serde_json::from_str::<Cost>(r#"{"nanousd":-1}"#).is_err());
    }
}
