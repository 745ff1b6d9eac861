//! A call that asks to be made, and the answer.

use super::{AccountId, Reservation};
use crate::budget::OnExceed;
use crate::budget::account::{Counts, nanos};
use crate::budget::limit::LimitReached;
use crate::price::{CostTooLarge, Price};

/// A model call that wants to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// What the model charges; `None` when that is unknown.
    pub price: Option<Price>,
    /// The most input tokens the call can have.
    pub input_tokens: u64,
    /// The output tokens wished for; they may be cut.
    pub max_tokens: u64,
    /// The most tokens of reasoning the model may add to `max_tokens`; they are not cut.
    pub reasoning_tokens: u64,
}

impl Ask {
    /// How many requests one call counts as.
    pub(in crate::budget) const REQUESTS: u64 = 1;

    /// A call without reasoning beyond its `max_tokens`.
    pub const fn new(price: Option<Price>, input_tokens: u64, max_tokens: u64) -> Self {
        Self {
            price,
            input_tokens,
            max_tokens,
            reasoning_tokens: 0,
        }
    }

    /// The most this call can use with so many output tokens.
    pub(super) fn need(&self, max_tokens: u64) -> Counts {
        let output = max_tokens.saturating_add(self.reasoning_tokens);
        let money = match self
            .price
            .map(|price| price.upper_bound(self.input_tokens, output))
        {
            Some(Ok(money)) => nanos(money),
            // Beyond every limit, and beyond what an unlimited account holds.
            Some(Err(CostTooLarge)) => u64::MAX,
            None => 0,
        };
        [money, self.input_tokens.saturating_add(output), Self::REQUESTS]
    }
}

/// What is to become of a call.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// It may be made; its upper bound is reserved.
    Granted(Reservation),
    /// Nothing is reserved. It may fit once calls in flight have settled.
    Wait {
        /// The account that has no room now.
        account: AccountId,
    },
    /// Nothing is reserved, and waiting would not help.
    Refused(Refusal),
}

/// What is to become of a call that other budgets than those of the ledger hold too.
#[derive(Debug)]
#[must_use]
pub(crate) enum Answer<G> {
    /// It may be made.
    Granted(G),
    /// It may fit once calls in flight have settled.
    Wait {
        /// Which budget has no room now, of those beside the accounts; none where it is an account.
        beside: Option<usize>,
    },
    /// Waiting would not help.
    Refused(Refusal),
}

/// A call that does not fit a budget, even with every other call settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{limit}")]
pub struct Refusal {
    /// Why it was refused.
    pub kind: RefusalKind,
    /// The tightest limit.
    pub limit: LimitReached,
    /// What that limit's budget wants done now.
    pub on_exceed: OnExceed,
}

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// It may use more than is left.
    Budget,
    /// Money is limited and its model has no price.
    Unpriced,
}
