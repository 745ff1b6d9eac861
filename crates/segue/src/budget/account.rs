//! One budget and what has gone against it.
//!
//! The [`ledger`](super::ledger) owns all accounts; an account never looks at another one.

use super::ledger::{AccountId, Ask};
use super::limit::{Amount, BudgetState, LimitReached, Unit};
use super::{Budget, PerCall};
use crate::money::Nanousd;

/// A count for each unit in the order of [`Unit::ALL`]; money in nano-dollars.
pub(super) type Counts = [u64; 3];

/// More than any call needs. Money stops sooner, so that every amount is a [`Nanousd`].
const UNLIMITED: Counts = [Nanousd::MAX.nanos().unsigned_abs(), u64::MAX, u64::MAX];

#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) parent: Option<AccountId>,
    /// Open accounts that have this one as their parent.
    pub(super) children: u32,
    /// Reservations, in flight or uncertain, that count here.
    pub(super) holds: u32,
    pub(super) budget: Budget,
    pub(super) spent: Counts,
    pub(super) reserved: Counts,
    pub(super) uncertain: Counts,
}

/// How little a limit leaves for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    /// The most output tokens the call can have, or `None` when it does not fit with none at all.
    pub(super) output: Option<u64>,
    pub(super) unit: Unit,
}

impl Account {
    pub(super) fn new(name: String, budget: Budget, parent: Option<AccountId>) -> Self {
        let none = Counts::default();
        Self {
            name,
            parent,
            children: 0,
            holds: 0,
            budget,
            spent: none,
            reserved: none,
            uncertain: none,
        }
    }

    /// What is left now. Nothing, where a call cost more than was reserved for it.
    pub(super) fn room(&self) -> Counts {
        let held = self.reserved;
        let mut room = self.room_once_settled();
        for (left, held) in room.iter_mut().zip(held) {
            *left = left.saturating_sub(held);
        }
        room
    }

    /// What would be left if every call in flight turned out to cost nothing.
    pub(super) fn room_once_settled(&self) -> Counts {
        let mut room = limits(&self.budget);
        for (left, (spent, uncertain)) in room.iter_mut().zip(self.spent.into_iter().zip(self.uncertain)) {
            *left = left.saturating_sub(spent).saturating_sub(uncertain);
        }
        room
    }

    /// What each single call may use at most, or `None` when that is not limited.
    pub(super) fn room_per_call(&self) -> Option<Counts> {
        let PerCall { usd, tokens } = self.budget.per_call;
        (usd.is_some() || tokens.is_some()).then(|| {
            let [money, count, requests] = UNLIMITED;
            [usd.map_or(money, nanos), tokens.unwrap_or(count), requests]
        })
    }

    /// Whether money is limited in any way here.
    pub(super) fn limits_money(&self) -> bool {
        self.budget.usd.is_some() || self.budget.per_call.usd.is_some()
    }

    /// Whether calls are cut to fit here, so that `min_tokens` has a meaning.
    pub(super) fn cuts_output(&self) -> bool {
        self.limits_money() || self.budget.tokens.is_some() || self.budget.per_call.tokens.is_some()
    }

    /// The standing of every limit that is set.
    pub(super) fn states(&self) -> impl Iterator<Item = BudgetState> + '_ {
        let Budget {
            usd,
            tokens,
            requests,
            on_exceed,
            ..
        } = self.budget;
        let limits = [usd.map(nanos), tokens, requests];
        Unit::ALL
            .into_iter()
            .zip(limits)
            .filter_map(move |(unit, limit)| {
                let limit = Amount::new(unit, limit?);
                let [spent, held, uncertain] = self.standing(unit);
                Some(BudgetState {
                    name: self.name.clone(),
                    unit,
                    limit,
                    spent,
                    reserved: held,
                    uncertain,
                    on_exceed,
                })
            })
    }

    /// Why a call that may need `needed` was refused by this account's limit on `unit`.
    pub(super) fn reached(&self, unit: Unit, needed: Option<u64>) -> LimitReached {
        let [spent, reserved, _] = self.standing(unit);
        LimitReached {
            name: self.name.clone(),
            unit,
            limit: Amount::new(unit, limits(&self.budget)[unit as usize]),
            spent,
            reserved,
            needed: needed.map(|count| Amount::new(unit, count)),
        }
    }

    /// Why a call was refused by this account's limit `room` on single calls.
    pub(super) fn reached_per_call(&self, unit: Unit, room: &Counts, needed: Option<u64>) -> LimitReached {
        let none = Amount::new(unit, 0);
        LimitReached {
            name: format!("{}/call", self.name),
            unit,
            limit: Amount::new(unit, room[unit as usize]),
            spent: none,
            reserved: none,
            needed: needed.map(|count| Amount::new(unit, count)),
        }
    }

    /// Spent; held, the uncertain part included; the uncertain part.
    fn standing(&self, unit: Unit) -> [Amount; 3] {
        let i = unit as usize;
        let held = self.reserved[i].saturating_add(self.uncertain[i]);
        [self.spent[i], held, self.uncertain[i]].map(|count| Amount::new(unit, count))
    }
}

/// The unit of which `room` leaves least for a call.
pub(super) fn tightest(room: &Counts, ask: &Ask) -> Fit {
    let [money, tokens, requests] = *room;
    let fixed = ask.input_tokens.saturating_add(ask.reasoning_tokens);
    let by_money = match &ask.price {
        Some(price) => Nanousd::from_nanos(i64::try_from(money).unwrap_or(i64::MAX))
            .and_then(|money| price.output_within(ask.input_tokens, money))
            .and_then(|output| output.checked_sub(ask.reasoning_tokens)),
        None => Some(u64::MAX),
    };
    let by_requests = (requests >= Ask::REQUESTS).then_some(u64::MAX);
    let fits = [by_money, tokens.checked_sub(fixed), by_requests];
    let [money, tokens, requests] = fits;
    let fit = |output, unit| Fit { output, unit };
    fit(money, Unit::Usd)
        .min(fit(tokens, Unit::Tokens))
        .min(fit(requests, Unit::Requests))
}

/// Whether every count of `need` is within `room`.
pub(super) fn fits(need: &Counts, room: &Counts) -> bool {
    need.iter().zip(room).all(|(need, room)| need <= room)
}

pub(super) fn nanos(money: Nanousd) -> u64 {
    money.nanos().unsigned_abs()
}

fn limits(budget: &Budget) -> Counts {
    let [money, tokens, requests] = UNLIMITED;
    [
        budget.usd.map_or(money, nanos),
        budget.tokens.unwrap_or(tokens),
        budget.requests.unwrap_or(requests),
    ]
}
