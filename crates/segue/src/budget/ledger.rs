//! The ledger: who may spend how much, and what is already spoken for.
//!
//! A pure state machine. The caller opens an [account](Ledger::open) for each budget, and for each
//! model call reserves its upper bound, makes the call, and settles what it really cost; what
//! happens in between is the caller's affair. There is no clock, no waiting and no lock in here:
//! whoever shares a ledger guards it, and [`Decision::Wait`] only says that waiting would help.
//!
//! While no call costs more than was reserved for it, spent + reserved + uncertain stays within
//! every limit. A call that costs more is counted in full, and so stands in the way of the next.

mod decision;
mod reservation;
mod verdict;

#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod model_tests;

pub(crate) use decision::Answer;
pub use decision::{Ask, Decision, Refusal, RefusalKind};
pub use reservation::{Reservation, Settled, Truth, Uncertain};
pub(crate) use verdict::Beside;

use verdict::{Above, Verdict};

use crate::budget::Budget;
use crate::budget::account::{Account, Counts, nanos};
use crate::budget::limit::{Amount, BudgetState, Unit};
use crate::budget::slots::{Slot, Slots};
use crate::money::Nanousd;
use crate::usage::Usage;

/// All accounts and everything reserved against them.
#[derive(Debug, Default)]
pub struct Ledger {
    accounts: Slots<Account>,
    holds: Slots<Hold>,
    /// The accounts of the call at hand, kept so that a decision need not allocate.
    path: Vec<AccountId>,
    /// Lists of accounts of ended holds, kept for the next ones.
    spare: Vec<Vec<AccountId>>,
}

/// Names an account of one ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Slot);

/// The ledger was asked about something it does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The account was closed, or belongs to another ledger.
    #[error("the budget account is not open in this ledger")]
    UnknownAccount,
    /// The reservation belongs to another ledger.
    #[error("the reservation is not held by this ledger")]
    UnknownReservation,
    /// The account cannot be closed yet.
    #[error("budget account `{name}` still has {reservations} reservations and {children} accounts below it")]
    InUse {
        /// The account's name.
        name: String,
        /// Reservations, in flight or uncertain.
        reservations: u32,
        /// Accounts opened with this one as their parent.
        children: u32,
    },
}

/// What the ledger keeps of a reservation.
#[derive(Debug)]
struct Hold {
    state: State,
    accounts: Vec<AccountId>,
    amounts: Counts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    InFlight,
    Uncertain,
}

impl Ledger {
    /// A ledger without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens an account. Whatever counts against it counts against `parent` too.
    ///
    /// Daily limits need an account of their own, opened with [`Budget::daily`].
    ///
    /// # Errors
    /// When `parent` is not open.
    pub fn open(
        &mut self,
        name: impl Into<String>,
        budget: Budget,
        parent: Option<AccountId>,
    ) -> Result<AccountId, LedgerError> {
        if let Some(parent) = parent {
            self.account_mut(parent)?.children += 1;
        }
        Ok(AccountId(self.accounts.insert(Account::new(
            name.into(),
            budget,
            parent,
        ))))
    }

    /// Closes an account and gives back the last standing of its limits.
    ///
    /// # Errors
    /// When it is not open, or still has reservations or accounts below it.
    pub fn close(&mut self, id: AccountId) -> Result<Vec<BudgetState>, LedgerError> {
        let account = self.account(id)?;
        let (reservations, children) = (account.holds, account.children);
        if reservations > 0 || children > 0 {
            return Err(LedgerError::InUse {
                name: account.name.clone(),
                reservations,
                children,
            });
        }
        let account = self.accounts.remove(id.0).ok_or(LedgerError::UnknownAccount)?;
        if let Some(parent) = account.parent {
            self.account_mut(parent)?.children -= 1;
        }
        Ok(account.states().collect())
    }

    /// Sets an account's limits anew, higher or lower; they hold from the next reservation on.
    ///
    /// # Errors
    /// When the account is not open.
    pub fn raise(&mut self, id: AccountId, budget: Budget) -> Result<(), LedgerError> {
        self.account_mut(id)?.budget = budget;
        Ok(())
    }

    /// Reserves the upper bound of a call against `accounts` and all above them, each once, or
    /// against none of them.
    ///
    /// A call that fits is granted as asked. One that would fit if the calls in flight cost nothing
    /// is to wait. Otherwise its output is cut to what is left, though not below the largest
    /// `min_tokens` of the accounts. What still does not fit is refused.
    ///
    /// # Errors
    /// When one of `accounts` is not open.
    pub fn reserve(&mut self, accounts: &[AccountId], ask: &Ask) -> Result<Decision, LedgerError> {
        Ok(match self.verdict(accounts, &[], ask)? {
            Verdict::Grant { max_tokens, need } => Decision::Granted(self.hold(ask, max_tokens, need)),
            Verdict::Wait(place) => Decision::Wait {
                account: place.account().expect("nothing is beside the accounts"),
            },
            Verdict::Refuse(refusal) => Decision::Refused(refusal),
        })
    }

    /// As [`Ledger::reserve`], where budgets beside the accounts have to have room too. What is granted is booked on the
    /// accounts only: whoever keeps the others books it there.
    ///
    /// # Errors
    /// When one of `accounts` is not open.
    pub(crate) fn reserve_beside(
        &mut self,
        accounts: &[AccountId],
        beside: &[Beside],
        ask: &Ask,
    ) -> Result<Answer<Reservation>, LedgerError> {
        Ok(match self.verdict(accounts, beside, ask)? {
            Verdict::Grant { max_tokens, need } => Answer::Granted(self.hold(ask, max_tokens, need)),
            Verdict::Wait(place) => Answer::Wait {
                beside: place.beside(),
            },
            Verdict::Refuse(refusal) => Answer::Refused(refusal),
        })
    }

    /// What [`Ledger::reserve`] would decide, without booking anything.
    ///
    /// # Errors
    /// When one of `accounts` is not open.
    pub(crate) fn look(&mut self, accounts: &[AccountId], ask: &Ask) -> Result<Answer<()>, LedgerError> {
        Ok(match self.verdict(accounts, &[], ask)? {
            Verdict::Grant { .. } => Answer::Granted(()),
            Verdict::Wait(_) => Answer::Wait { beside: None },
            Verdict::Refuse(refusal) => Answer::Refused(refusal),
        })
    }

    /// Books a reservation that was granted before, without asking whether it fits: for building
    /// the ledger anew from a record.
    ///
    /// # Errors
    /// When one of `accounts` is not open.
    pub fn adopt(
        &mut self,
        accounts: &[AccountId],
        nanousd: Nanousd,
        tokens: u64,
        max_tokens: u64,
    ) -> Result<Reservation, LedgerError> {
        self.gather(accounts)?;
        let id = self.book([nanos(nanousd), tokens, Ask::REQUESTS]);
        Ok(Reservation {
            id,
            max_tokens,
            clamped_from: None,
            nanousd,
            tokens,
        })
    }

    /// Ends a reservation with what its call used and cost. The cost of an unpriced call is zero.
    ///
    /// A call that was made counts as one request even where `usage` counts none.
    ///
    /// # Errors
    /// When the reservation belongs to another ledger.
    pub fn settle(
        &mut self,
        held: Reservation,
        usage: &Usage,
        cost: Nanousd,
    ) -> Result<Settled, LedgerError> {
        self.end(held.id, State::InFlight, Some((usage, cost)))
    }

    /// Ends a reservation whose call was never sent: all of it is free again.
    ///
    /// # Errors
    /// When the reservation belongs to another ledger.
    pub fn release(&mut self, held: Reservation) -> Result<(), LedgerError> {
        self.end(held.id, State::InFlight, None).map(drop)
    }

    /// Keeps a reservation counted in full because nobody knows what became of its call.
    ///
    /// # Errors
    /// When the reservation belongs to another ledger.
    pub fn mark_uncertain(&mut self, held: Reservation) -> Result<Uncertain, LedgerError> {
        let hold = self
            .holds
            .get_mut(held.id)
            .filter(|hold| hold.state == State::InFlight);
        let hold = hold.ok_or(LedgerError::UnknownReservation)?;
        hold.state = State::Uncertain;
        for id in &hold.accounts {
            let account = self
                .accounts
                .get_mut(id.0)
                .expect("an account with a hold is not closed");
            for (i, amount) in hold.amounts.into_iter().enumerate() {
                account.reserved[i] = account.reserved[i].saturating_sub(amount);
                account.uncertain[i] = account.uncertain[i].saturating_add(amount);
            }
        }
        Ok(Uncertain {
            id: held.id,
            nanousd: held.nanousd,
        })
    }

    /// Ends the uncertainty about a call.
    ///
    /// # Errors
    /// When it belongs to another ledger.
    pub fn resolve_uncertain(&mut self, held: Uncertain, truth: Truth) -> Result<Settled, LedgerError> {
        match truth {
            Truth::Sent { usage, cost } => self.end(held.id, State::Uncertain, Some((&usage, cost))),
            Truth::NeverSent => self.end(held.id, State::Uncertain, None),
        }
    }

    /// What a call that was made counts as: nano-dollars, tokens and requests.
    pub(crate) fn counts(usage: &Usage, cost: Nanousd) -> [u64; 3] {
        [
            nanos(cost),
            usage.total_tokens(),
            usage.requests.max(Ask::REQUESTS),
        ]
    }

    /// The limits of an account.
    ///
    /// # Errors
    /// When the account is not open.
    pub fn budget(&self, id: AccountId) -> Result<Budget, LedgerError> {
        Ok(self.account(id)?.budget)
    }

    /// An account's name.
    ///
    /// # Errors
    /// When the account is not open.
    pub fn name(&self, id: AccountId) -> Result<&str, LedgerError> {
        Ok(&self.account(id)?.name)
    }

    /// The standing of every limit that is set on an account.
    ///
    /// # Errors
    /// When the account is not open.
    pub fn states(&self, id: AccountId) -> Result<Vec<BudgetState>, LedgerError> {
        Ok(self.account(id)?.states().collect())
    }

    /// What has been spent on an account, in each unit of [`Unit::ALL`], limited or not.
    ///
    /// # Errors
    /// When the account is not open.
    pub fn spent(&self, id: AccountId) -> Result<[Amount; 3], LedgerError> {
        let spent = self.account(id)?.spent;
        Ok(Unit::ALL.map(|unit| Amount::new(unit, spent[unit as usize])))
    }

    fn account(&self, id: AccountId) -> Result<&Account, LedgerError> {
        self.accounts.get(id.0).ok_or(LedgerError::UnknownAccount)
    }

    fn account_mut(&mut self, id: AccountId) -> Result<&mut Account, LedgerError> {
        self.accounts.get_mut(id.0).ok_or(LedgerError::UnknownAccount)
    }

    /// Lists the accounts of a call in `path`: each one given and all above it, each once.
    fn gather(&mut self, given: &[AccountId]) -> Result<(), LedgerError> {
        self.path.clear();
        for first in given {
            let mut next = Some(*first);
            // Whatever is above an account already listed is listed too.
            while let Some(id) = next.filter(|id| !self.path.contains(id)) {
                next = self.account(id)?.parent;
                self.path.push(id);
            }
        }
        Ok(())
    }

    fn verdict(
        &mut self,
        accounts: &[AccountId],
        beside: &[Beside],
        ask: &Ask,
    ) -> Result<Verdict, LedgerError> {
        self.gather(accounts)?;
        let above = Above {
            accounts: &self.accounts,
            path: &self.path,
            beside,
        };
        Ok(above.decide(ask))
    }

    fn hold(&mut self, ask: &Ask, max_tokens: u64, need: Counts) -> Reservation {
        let [money, tokens, _] = need;
        let id = self.book(need);
        Reservation {
            id,
            max_tokens,
            clamped_from: (max_tokens < ask.max_tokens).then_some(ask.max_tokens),
            nanousd: i64::try_from(money)
                .ok()
                .and_then(Nanousd::from_nanos)
                .unwrap_or(Nanousd::MAX),
            tokens,
        }
    }

    /// Adds `amounts` to what is reserved on every account of `path`.
    fn book(&mut self, amounts: Counts) -> Slot {
        for id in &self.path {
            let account = self.accounts.get_mut(id.0).expect("`gather` saw that it is open");
            account.holds += 1;
            for (reserved, amount) in account.reserved.iter_mut().zip(amounts) {
                *reserved = reserved.saturating_add(amount);
            }
        }
        let mut accounts = self.spare.pop().unwrap_or_default();
        accounts.clone_from(&self.path);
        self.holds.insert(Hold {
            state: State::InFlight,
            accounts,
            amounts,
        })
    }

    /// Ends a hold that is in `state`; `actual` is `None` for a call that was never sent.
    fn end(
        &mut self,
        id: Slot,
        state: State,
        actual: Option<(&Usage, Nanousd)>,
    ) -> Result<Settled, LedgerError> {
        let hold = match self.holds.get(id) {
            Some(hold) if hold.state == state => self.holds.remove(id),
            _ => None,
        };
        let hold = hold.ok_or(LedgerError::UnknownReservation)?;
        let spent = actual.map_or(Counts::default(), |(usage, cost)| Self::counts(usage, cost));
        for id in &hold.accounts {
            let account = self
                .accounts
                .get_mut(id.0)
                .expect("an account with a hold is not closed");
            account.holds -= 1;
            let held = match state {
                State::InFlight => &mut account.reserved,
                State::Uncertain => &mut account.uncertain,
            };
            for i in 0..spent.len() {
                held[i] = held[i].saturating_sub(hold.amounts[i]);
                account.spent[i] = account.spent[i].saturating_add(spent[i]);
            }
        }
        let [reserved, tokens, _] = hold.amounts;
        self.spare.push(hold.accounts);
        let over = spent[0].saturating_sub(reserved);
        Ok(Settled {
            overrun: i64::try_from(over)
                .ok()
                .and_then(Nanousd::from_nanos)
                .unwrap_or(Nanousd::MAX),
            overrun_tokens: spent[1].saturating_sub(tokens),
        })
    }
}
