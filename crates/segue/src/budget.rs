//! Budgets: the limits an author or operator sets on spending.
//!
//! A [`Budget`] only says what is allowed. The [`ledger`] keeps count and decides about each call;
//! [`limit`] is how a limit and its standing are shown. None of it knows a run, reads a clock or asks a store:
//! the caller opens an account for each budget and tells the ledger what happened. A [`StandingBudget`]
//! is the operator's, over many runs.

pub mod ledger;
pub mod limit;

mod account;
mod slots;
mod standing;
pub(crate) mod window;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::money::{MoneyError, Nanousd, optional_decimal};

pub(crate) use standing::Caller;
pub use standing::{StandingBudget, TimeZone, Utc};

/// Limits on spending. All that are set hold together; what is not set is unlimited, and zero
/// means no such spending at all.
///
/// ```text
/// {usd: "0.50", tokens: 20000, requests: 10, per_call: {usd, tokens}, per_day: {usd, tokens, requests},
///  on_exceed: fail, allow_unpriced: false, min_tokens: 256}
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// The most money.
    #[serde(with = "optional_decimal", skip_serializing_if = "Option::is_none")]
    pub usd: Option<Nanousd>,
    /// The most tokens, input and output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// The most model calls, free ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Limits on each single call.
    #[serde(skip_serializing_if = "PerCall::is_unlimited")]
    pub per_call: PerCall,
    /// Limits on all runs of a day together.
    #[serde(skip_serializing_if = "PerDay::is_unlimited")]
    pub per_day: PerDay,
    /// What becomes of a call that does not fit.
    pub on_exceed: OnExceed,
    /// Whether a model without a price may be called although money is limited.
    pub allow_unpriced: bool,
    /// The fewest output tokens to which a call may be cut to make it fit.
    pub min_tokens: u32,
}

/// Limits on each single call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PerCall {
    /// The most money for one call.
    #[serde(with = "optional_decimal", skip_serializing_if = "Option::is_none")]
    pub usd: Option<Nanousd>,
    /// The most tokens for one call, input and output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// Limits on all runs of a day together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PerDay {
    /// The most money in a day.
    #[serde(with = "optional_decimal", skip_serializing_if = "Option::is_none")]
    pub usd: Option<Nanousd>,
    /// The most tokens in a day, input and output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// The most model calls in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
}

/// What becomes of a call that does not fit its budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnExceed {
    /// It fails.
    #[default]
    Fail,
    /// Its run waits until a person raises the budget.
    Pause,
}

impl Budget {
    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        usd: None,
        tokens: None,
        requests: None,
        per_call: PerCall {
            usd: None,
            tokens: None,
        },
        per_day: PerDay {
            usd: None,
            tokens: None,
            requests: None,
        },
        on_exceed: OnExceed::Fail,
        allow_unpriced: false,
        min_tokens: 256,
    };

    /// The same budget with at most `most` tokens, input and output together.
    #[must_use]
    pub const fn tokens(self, most: u64) -> Self {
        Self {
            tokens: Some(most),
            ..self
        }
    }

    /// The same budget with at most `most` model calls.
    #[must_use]
    pub const fn requests(self, most: u64) -> Self {
        Self {
            requests: Some(most),
            ..self
        }
    }

    /// The same budget with limits on each single call.
    #[must_use]
    pub const fn per_call(self, limits: PerCall) -> Self {
        Self {
            per_call: limits,
            ..self
        }
    }

    /// The same budget with limits on all runs of a day.
    #[must_use]
    pub const fn per_day(self, limits: PerDay) -> Self {
        Self {
            per_day: limits,
            ..self
        }
    }

    /// The same budget with another answer to a call that does not fit.
    #[must_use]
    pub const fn on_exceed(self, answer: OnExceed) -> Self {
        Self {
            on_exceed: answer,
            ..self
        }
    }

    /// The same budget, open to models without a price.
    #[must_use]
    pub const fn allow_unpriced(self) -> Self {
        Self {
            allow_unpriced: true,
            ..self
        }
    }

    /// The same budget with another floor for cutting a call's output, in tokens.
    #[must_use]
    pub const fn min_tokens(self, fewest: u32) -> Self {
        Self {
            min_tokens: fewest,
            ..self
        }
    }

    /// The daily limits as the budget of an account of their own, or `None` without any.
    pub fn daily(&self) -> Option<Self> {
        let PerDay {
            usd,
            tokens,
            requests,
        } = self.per_day;
        let none = (PerCall::default(), PerDay::default());
        (!self.per_day.is_unlimited()).then_some(Self {
            usd,
            tokens,
            requests,
            per_call: none.0,
            per_day: none.1,
            ..*self
        })
    }

    /// Checks what the single members cannot say.
    ///
    /// # Errors
    /// When unpriced models are allowed under a limit on money, and nothing else limits them.
    pub fn check(&self) -> Result<(), BudgetError> {
        let money = self.usd.or(self.per_call.usd).or(self.per_day.usd).is_some();
        let other = self
            .tokens
            .or(self.requests)
            .or(self.per_day.tokens)
            .or(self.per_day.requests)
            .is_some();
        if self.allow_unpriced && money && !other {
            Err(BudgetError::NothingLimitsUnpriced)
        } else {
            Ok(())
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

impl From<Nanousd> for Budget {
    fn from(most: Nanousd) -> Self {
        Self {
            usd: Some(most),
            ..Self::UNLIMITED
        }
    }
}

impl PerCall {
    fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

impl PerDay {
    fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// Why something is not a budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// An amount of money could not be read.
    #[error(transparent)]
    Money(#[from] MoneyError),
    /// A count could not be read.
    #[error("`{name}={text}` is not a count; write digits only, such as `{name}=20000`")]
    Count {
        /// The limit it was given for.
        name: String,
        /// What was written instead of a count.
        text: String,
    },
    /// A limit of another name.
    #[error("`{0}` is not a limit; the limits are `usd`, `tokens` and `requests`")]
    UnknownLimit(String),
    /// The same limit twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// `allow_unpriced` would leave calls without any limit.
    #[error(
        "`allow_unpriced` needs a limit on `tokens` or `requests`, because `usd` cannot hold those calls"
    )]
    NothingLimitsUnpriced,
    /// A standing budget that cannot be called so.
    #[error("{} is no name of a budget: 1 to 64 characters, without spaces and `/`", crate::fault::quote(.0))]
    Name(String),
    /// A standing budget without any limit.
    #[error("budget `{0}` limits nothing")]
    NoLimit(String),
}

/// The spelling of the command line: `0.50`, `$0.50`, `usd=0.5,tokens=20000,requests=30` or `none`.
impl FromStr for Budget {
    type Err = BudgetError;

    fn from_str(text: &str) -> Result<Self, BudgetError> {
        if text == "none" {
            return Ok(Self::UNLIMITED);
        }
        if !text.contains('=') {
            return Ok(Nanousd::parse_dollars(text)?.into());
        }
        let mut budget = Self::UNLIMITED;
        for limit in text.split(',') {
            let (name, value) = limit.split_once('=').unwrap_or((limit, ""));
            let twice = match name {
                "usd" => budget.usd.replace(Nanousd::parse_dollars(value)?).is_some(),
                "tokens" => budget.tokens.replace(count(name, value)?).is_some(),
                "requests" => budget.requests.replace(count(name, value)?).is_some(),
                _ => return Err(BudgetError::UnknownLimit(name.to_owned())),
            };
            if twice {
                return Err(BudgetError::Twice(name.to_owned()));
            }
        }
        Ok(budget)
    }
}

fn count(name: &str, text: &str) -> Result<u64, BudgetError> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let count = if digits { text.parse().ok() } else { None };
    count.ok_or_else(|| BudgetError::Count {
        name: name.to_owned(),
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::{cents, usd};

    #[test]
    fn budgets_read_well_in_source() {
        let budget = Budget::from(usd(2.00))
            .tokens(20_000)
            .requests(10)
            .on_exceed(OnExceed::Pause);
        assert_eq!(budget.usd, Some(cents(200)));
        assert_eq!((budget.tokens, budget.requests), (Some(20_000), Some(10)));
        assert_eq!((budget.on_exceed, budget.min_tokens), (OnExceed::Pause, 256));
    }

    #[test]
    fn the_command_line_spells_budgets() {
        for (text, want) in [
            ("0.50", Budget::from(cents(50))),
            ("$0.50", Budget::from(cents(50))),
            ("none", Budget::UNLIMITED),
            (
                "usd=0.5,tokens=20000,requests=30",
                Budget::from(cents(50)).tokens(20_000).requests(30),
            ),
            ("requests=0", Budget::UNLIMITED.requests(0)),
        ] {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
        for text in [
            "",
            "-1",
            "1e3",
            "nan",
            "None",
            "usd=",
            "usd=-1",
            "tokens=1.5",
            "tokens=+5",
            "tokens=",
            "tokens=1,",
            "calls=3",
            "usd=1,usd=2",
            "tokens=99999999999999999999",
            " 1",
            "usd=1, tokens=2",
        ] {
            assert!(text.parse::<Budget>().is_err(), "{text:?}");
        }
        let unknown = "calls=3".parse::<Budget>().expect_err("there is no such limit");
        assert_eq!(
            unknown.to_string(),
            "`calls` is not a limit; the limits are `usd`, `tokens` and `requests`"
        );
    }

    #[test]
    fn files_spell_budgets() {
        let text = r#"{"usd":"0.50","requests":10,"per_call":{"usd":"0.05"},"per_day":{"tokens":9},"on_exceed":"pause","allow_unpriced":true,"min_tokens":16}"#;
        let budget: Budget = serde_json::from_str(text).expect("the published form");
        assert_eq!(
            budget.per_call,
            PerCall {
                usd: Some(cents(5)),
                tokens: None
            }
        );
        assert_eq!(
            serde_json::to_string(&budget).expect("a budget is serializable"),
            text
        );

        let read = |text| serde_json::from_str::<Budget>(text);
        assert_eq!(read("{}").ok(), Some(Budget::UNLIMITED));
        assert_eq!(read(r#"{"usd":2}"#).ok(), Some(Budget::from(usd(2.0))));
        for wrong in [
            r#"{"usd":0.5}"#,
            r#"{"usd":-1}"#,
            r#"{"usd":"-1"}"#,
            r#"{"usd":"$1"}"#,
            r#"{"usd":true}"#,
            r#"{"dollars":"1"}"#,
            r#"{"per_call":{"requests":1}}"#,
            r#"{"tokens":-1}"#,
            r#"{"tokens":1.5}"#,
            r#"{"on_exceed":"stop"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn daily_limits_are_a_budget_of_their_own() {
        assert_eq!(Budget::from(cents(1)).daily(), None);
        let day = PerDay {
            requests: Some(3),
            ..PerDay::default()
        };
        let budget = Budget::from(cents(1)).per_day(day).on_exceed(OnExceed::Pause);
        assert_eq!(
            budget.daily(),
            Some(Budget::UNLIMITED.requests(3).on_exceed(OnExceed::Pause))
        );
    }

    #[test]
    fn unpriced_calls_need_some_limit() {
        let budget = Budget::from(cents(1)).allow_unpriced();
        assert_eq!(budget.check(), Err(BudgetError::NothingLimitsUnpriced));
        assert_eq!(budget.tokens(5).check(), Ok(()));
        assert_eq!(Budget::UNLIMITED.allow_unpriced().check(), Ok(()));
    }
}
