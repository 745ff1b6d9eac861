//! Accounts: budgets that several runs share, over a window of time.

use std::fmt;

use crate::id::{CallId, RunId};

/// Names the account of a shared budget in one window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// The budget, for example `pipeline:research/day`.
    pub name: String,
    /// The window, for example `2026-03-01`.
    pub window: String,
}

/// Nano-dollars, tokens and requests.
pub type Amounts = [u64; 3];

/// How a shared account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Which.
    pub key: AccountKey,
    /// What calls have cost.
    pub spent: Amounts,
    /// What is set aside for calls in flight.
    pub reserved: Amounts,
    /// What is set aside for calls of which nobody knows what became of them.
    pub uncertain: Amounts,
}

/// What a call holds against shared accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The call.
    pub call: CallId,
    /// Its run.
    pub run: RunId,
    /// The fence under which that is held.
    pub fence: u64,
    /// How it stands.
    pub state: HoldState,
    /// What is set aside for it.
    pub amounts: Amounts,
}

/// How a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// The call is in flight.
    Reserved,
    /// Nobody knows what became of it.
    Uncertain,
}

/// How a hold ends, or becomes uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settlement {
    /// The call was made and cost this.
    Spent(Amounts),
    /// The call was never sent.
    Released,
    /// Nobody knows.
    Uncertain,
}

/// Decides about a reservation when it is known how the accounts stand: how much is set aside, or none.
pub type Decide = Box<dyn FnOnce(&[Account]) -> Option<Amounts> + Send>;

impl Account {
    /// An account against which nothing has gone yet.
    #[must_use]
    pub fn new(key: AccountKey) -> Self {
        Self {
            key,
            spent: [0; 3],
            reserved: [0; 3],
            uncertain: [0; 3],
        }
    }

    /// Sets `amounts` aside.
    pub fn hold(&mut self, amounts: &Amounts) {
        add(&mut self.reserved, amounts);
    }

    /// Ends what was set aside, or makes it uncertain.
    pub fn settle(&mut self, state: HoldState, held: &Amounts, settlement: Settlement) {
        match state {
            HoldState::Reserved => take(&mut self.reserved, held),
            HoldState::Uncertain => take(&mut self.uncertain, held),
        }
        match settlement {
            Settlement::Spent(amounts) => add(&mut self.spent, &amounts),
            Settlement::Released => {}
            Settlement::Uncertain => add(&mut self.uncertain, held),
        }
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.window)
    }
}

fn add(to: &mut Amounts, amounts: &Amounts) {
    for (to, amount) in to.iter_mut().zip(amounts) {
        *to = to.saturating_add(*amount);
    }
}

fn take(from: &mut Amounts, amounts: &Amounts) {
    for (from, amount) in from.iter_mut().zip(amounts) {
        *from = from.saturating_sub(*amount);
    }
}
