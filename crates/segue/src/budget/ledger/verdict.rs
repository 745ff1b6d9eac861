//! What becomes of a call, decided from how every budget above it stands. Pure: nothing is booked here.
//!
//! The [`Ledger`](super::Ledger) asks for its own accounts, and beside them for budgets that are kept elsewhere: those
//! that runs share live in a store, which tells how they stand when it is asked to set something aside.

use super::{AccountId, Ask, Refusal, RefusalKind};
use crate::budget::Budget;
use crate::budget::account::{Account, Counts, Fit, fits, tightest};
use crate::budget::limit::Unit;
use crate::budget::slots::Slots;

/// A budget that is kept elsewhere, as it stands at the moment of a decision.
#[derive(Debug)]
pub(crate) struct Beside(Account);

impl Beside {
    /// A budget with what is spent, reserved and uncertain of it, each in nano-dollars, tokens and requests.
    pub(crate) fn new(name: String, budget: Budget, [spent, reserved, uncertain]: [Counts; 3]) -> Self {
        Self(Account {
            spent,
            reserved,
            uncertain,
            ..Account::new(name, budget, None)
        })
    }
}

/// The budgets above a call, each once.
pub(super) struct Above<'a> {
    pub(super) accounts: &'a Slots<Account>,
    pub(super) path: &'a [AccountId],
    pub(super) beside: &'a [Beside],
}

/// Which budget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// An account of the ledger.
    Account(AccountId),
    /// One beside them, by its place in the list.
    Beside(usize),
}

impl Place {
    pub(super) fn account(self) -> Option<AccountId> {
        match self {
            Place::Account(id) => Some(id),
            Place::Beside(_) => None,
        }
    }

    pub(super) fn beside(self) -> Option<usize> {
        match self {
            Place::Account(_) => None,
            Place::Beside(at) => Some(at),
        }
    }
}

/// What is to become of a call.
pub(super) enum Verdict {
    /// It may be made with so many output tokens, and needs this at most.
    Grant { max_tokens: u64, need: Counts },
    /// It may fit once calls in flight have settled; this has no room now.
    Wait(Place),
    /// Waiting would not help.
    Refuse(Refusal),
}

impl Above<'_> {
    /// Decides about a call.
    pub(super) fn decide(&self, ask: &Ask) -> Verdict {
        if ask.price.is_none()
            && let Some(refusal) = self.unpriced()
        {
            return Verdict::Refuse(refusal);
        }
        let floor = self.floor(ask);
        let wanted = match self.wanted(ask, floor) {
            Ok(wanted) => wanted,
            Err(refusal) => return Verdict::Refuse(refusal),
        };

        let need = ask.need(wanted);
        let Some((blocking, _)) = self.all().find(|(_, account)| !fits(&need, &account.room())) else {
            return Verdict::Grant {
                max_tokens: wanted,
                need,
            };
        };
        if self
            .all()
            .all(|(_, account)| fits(&need, &account.room_once_settled()))
        {
            return Verdict::Wait(blocking);
        }

        let (blocking, _, now) = self.tightest(ask, Account::room);
        if let Some(output) = now.output.filter(|output| *output >= floor) {
            let max_tokens = output.min(wanted);
            return Verdict::Grant {
                max_tokens,
                need: ask.need(max_tokens),
            };
        }
        let (_, account, at_best) = self.tightest(ask, Account::room_once_settled);
        if at_best.output >= Some(floor) {
            return Verdict::Wait(blocking);
        }
        Verdict::Refuse(Refusal {
            kind: RefusalKind::Budget,
            limit: account.reached(at_best.unit, Some(need[at_best.unit as usize])),
            on_exceed: account.budget.on_exceed,
        })
    }

    /// Every budget: the ledger's own first.
    fn all(&self) -> impl Iterator<Item = (Place, &Account)> {
        let own = self.path.iter().map(|id| {
            let account = self.accounts.get(id.0).expect("`gather` saw that it is open");
            (Place::Account(*id), account)
        });
        let beside = self.beside.iter().enumerate();
        own.chain(beside.map(|(at, Beside(account))| (Place::Beside(at), account)))
    }

    fn unpriced(&self) -> Option<Refusal> {
        let (_, account) = self
            .all()
            .find(|(_, account)| account.limits_money() && !account.budget.allow_unpriced)?;
        let limit = match account.room_per_call() {
            Some(room) if account.budget.usd.is_none() => account.reached_per_call(Unit::Usd, &room, None),
            _ => account.reached(Unit::Usd, None),
        };
        Some(Refusal {
            kind: RefusalKind::Unpriced,
            limit,
            on_exceed: account.budget.on_exceed,
        })
    }

    /// The fewest output tokens the call may be cut to; what asks for less is not cut at all.
    fn floor(&self, ask: &Ask) -> u64 {
        let cutting = self.all().filter(|(_, account)| account.cuts_output());
        let floor = cutting
            .map(|(_, account)| u64::from(account.budget.min_tokens))
            .max();
        // A call that may not answer is of no use to anybody.
        floor.unwrap_or_default().max(1).min(ask.max_tokens)
    }

    /// The output tokens asked for, cut to what the limits on single calls allow.
    fn wanted(&self, ask: &Ask, floor: u64) -> Result<u64, Refusal> {
        let limits = self
            .all()
            .filter_map(|(_, account)| Some((account, account.room_per_call()?)));
        let tight = limits
            .map(|(account, room)| (tightest(&room, ask), account, room))
            .min_by_key(|(fit, ..)| *fit);
        let Some((fit, account, room)) = tight else {
            return Ok(ask.max_tokens);
        };
        match fit.output {
            Some(output) if output >= floor => Ok(output.min(ask.max_tokens)),
            _ => Err(Refusal {
                kind: RefusalKind::Budget,
                limit: account.reached_per_call(
                    fit.unit,
                    &room,
                    Some(ask.need(ask.max_tokens)[fit.unit as usize]),
                ),
                on_exceed: account.budget.on_exceed,
            }),
        }
    }

    /// The budget that leaves least for the call; the first of equals.
    fn tightest(&self, ask: &Ask, room: impl Fn(&Account) -> Counts) -> (Place, &Account, Fit) {
        let fits = self
            .all()
            .map(|(place, account)| (place, account, tightest(&room(account), ask)));
        fits.min_by_key(|(_, _, fit)| *fit)
            .expect("a call that does not fit has a budget it does not fit")
    }
}
