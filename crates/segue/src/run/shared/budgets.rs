//! Budgets of a process: one ledger for the budgets of all its runs, and whoever waits for headroom.
//!
//! Budgets that runs share are kept by the store of a run: it says how they stand, and what is decided here holds there.
//! Where a run has no store they are counted here ([`windows`]), for as long as the process lives.
//!
//! A call may hold more than one lock: of the store, then of this, then of a log, never the other way round.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::budget::ledger::{AccountId, Answer, Ask, Beside, Ledger, Reservation};
use crate::budget::limit::BudgetState;
use crate::budget::{Budget, BudgetError, PerCall};
use crate::clock::Time;
use crate::error::{ErrorKind, Failure};
use crate::id::RunId;
use crate::lock::lock;
use crate::log::Unit;
use crate::money::Nanousd;
use crate::store::{Account, AccountKey, Amounts, Settlement};
use crate::usage::Usage;

mod shares;
mod windows;

use shares::Shares;
use windows::Windows;

/// The budgets of a process.
#[derive(Default)]
pub(crate) struct Budgets {
    inner: Mutex<Inner>,
    /// Told whenever something reserved was settled or a limit was raised.
    pub(crate) freed: Notify,
    /// Calls that wait for room in budgets that runs share, by budget: one at a time asks the store again.
    queues: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Default)]
struct Inner {
    ledger: Ledger,
    accounts: HashMap<(RunId, Unit), AccountId>,
    /// What runs know of the budgets they share.
    shares: HashMap<RunId, Shares>,
    /// How these stand, where no store keeps them.
    windows: Windows,
}

/// A budget that runs share, in the window that a call falls into.
#[derive(Debug, Clone)]
pub(crate) struct SharedBudget {
    pub(crate) key: AccountKey,
    pub(crate) budget: Budget,
    /// When it begins anew.
    pub(crate) resets: Time,
}

/// What is set aside for a call: in the ledger, and here in budgets that runs share where no store keeps them.
#[derive(Debug)]
#[must_use]
pub(crate) struct Held {
    pub(crate) reservation: Reservation,
    windows: Vec<AccountKey>,
}

/// What happens while a call is reserved.
pub(crate) enum Met<'a> {
    /// A budget is met for the first time in the run, or in another window than before.
    Budget {
        name: &'a str,
        budget: &'a Budget,
        /// Of one that runs share.
        window: Option<&'a str>,
    },
    /// The call is reserved.
    Granted(&'a Reservation),
}

impl Held {
    fn of(reservation: Reservation) -> Self {
        Self {
            reservation,
            windows: Vec::new(),
        }
    }

    /// In nano-dollars, tokens and requests.
    pub(crate) fn amounts(&self) -> Amounts {
        let Reservation { nanousd, tokens, .. } = self.reservation;
        [nanousd.nanos().unsigned_abs(), tokens, 1]
    }
}

impl Inner {
    /// The accounts, those that are met for the first time opened; `note` is told of these.
    fn open(
        &mut self,
        run: RunId,
        accounts: &[(Unit, String, Budget)],
        mut note: impl FnMut(Met<'_>),
    ) -> Result<Vec<AccountId>, Failure> {
        let mut ids = Vec::with_capacity(accounts.len());
        for (unit, name, budget) in accounts {
            let id = match self.accounts.get(&(run, *unit)) {
                Some(id) => *id,
                None => {
                    let id = self.ledger.open(name.clone(), *budget, None).map_err(internal)?;
                    self.accounts.insert((run, *unit), id);
                    let window = None;
                    note(Met::Budget { name, budget, window });
                    id
                }
            };
            ids.push(id);
        }
        Ok(ids)
    }

    /// Budgets that runs share as they stand for a run: with its own limits where those were raised.
    fn beside(&self, run: RunId, shared: &[SharedBudget], standing: &[Account]) -> Vec<Beside> {
        if shared.is_empty() {
            return Vec::new();
        }
        let shares = self.shares.get(&run);
        let each = shared.iter().zip(standing);
        let each = each.map(|(budget, stands)| {
            let limits = shares.map_or(budget.budget, |shares| shares.limits(budget));
            let counts = [stands.spent, stands.reserved, stands.uncertain];
            Beside::new(budget.key.name.clone(), limits, counts)
        });
        each.collect()
    }
}

impl Budgets {
    /// Reserves the upper bound of a call against the run's accounts and the budgets it shares in this process, or says
    /// why not.
    ///
    /// What is decided is written down by `note` before anybody else can reserve or settle, so that the log tells of
    /// them in the order in which they happened. It is also told of every budget that was met for the first time.
    ///
    /// # Errors
    /// Only by a fault of our own.
    pub(crate) fn reserve(
        &self,
        run: RunId,
        accounts: &[(Unit, String, Budget)],
        shared: &[SharedBudget],
        ask: &Ask,
        mut note: impl FnMut(Met<'_>),
    ) -> Result<Answer<Held>, Failure> {
        let inner = &mut *lock(&self.inner);
        let ids = inner.open(run, accounts, &mut note)?;
        inner.meet(run, shared, &mut note);
        let standing = inner.windows.standing(shared);
        let beside = inner.beside(run, shared, &standing);
        let answer = inner.ledger.reserve_beside(&ids, &beside, ask);
        Ok(match answer.map_err(internal)? {
            Answer::Granted(reservation) => {
                note(Met::Granted(&reservation));
                let mut held = Held::of(reservation);
                held.windows = inner.windows.hold(shared, &held.amounts());
                Answer::Granted(held)
            }
            Answer::Wait { beside } => Answer::Wait { beside },
            Answer::Refused(refusal) => Answer::Refused(refusal),
        })
    }

    /// What the run's accounts alone say of a call, before a store is asked about the budgets that it shares. `note` is
    /// told of every budget that is met for the first time.
    ///
    /// # Errors
    /// Only by a fault of our own.
    pub(crate) fn look(
        &self,
        run: RunId,
        accounts: &[(Unit, String, Budget)],
        shared: &[SharedBudget],
        ask: &Ask,
        mut note: impl FnMut(Met<'_>),
    ) -> Result<Answer<()>, Failure> {
        let inner = &mut *lock(&self.inner);
        let ids = inner.open(run, accounts, &mut note)?;
        inner.meet(run, shared, &mut note);
        inner.ledger.look(&ids, ask).map_err(internal)
    }

    /// Reserves the upper bound of a call against the run's accounts where budgets that stand so in a store have room for
    /// it too. Whoever asks holds it there.
    ///
    /// # Errors
    /// Only by a fault of our own.
    pub(crate) fn decide(
        &self,
        run: RunId,
        accounts: &[(Unit, String, Budget)],
        shared: &[SharedBudget],
        standing: &[Account],
        ask: &Ask,
    ) -> Result<Answer<Held>, Failure> {
        let inner = &mut *lock(&self.inner);
        let ids = inner.open(run, accounts, |_| ())?;
        let beside = inner.beside(run, shared, standing);
        let answer = inner.ledger.reserve_beside(&ids, &beside, ask);
        Ok(match answer.map_err(internal)? {
            Answer::Granted(reservation) => Answer::Granted(Held::of(reservation)),
            Answer::Wait { beside } => Answer::Wait { beside },
            Answer::Refused(refusal) => Answer::Refused(refusal),
        })
    }

    /// Opens accounts that were met in another process.
    ///
    /// # Errors
    /// Only by a fault of our own.
    pub(crate) fn open(&self, run: RunId, accounts: &[(Unit, String, Budget)]) -> Result<(), Failure> {
        lock(&self.inner).open(run, accounts, |_| ()).map(drop)
    }

    /// Books the reservation of a call that was granted before, without asking whether it fits.
    ///
    /// # Errors
    /// Only by a fault of our own.
    pub(crate) fn adopt(
        &self,
        run: RunId,
        accounts: &[(Unit, String, Budget)],
        nanousd: Nanousd,
        tokens: u64,
        max_tokens: u64,
    ) -> Result<Held, Failure> {
        let inner = &mut *lock(&self.inner);
        let ids = inner.open(run, accounts, |_| ())?;
        let adopted = inner.ledger.adopt(&ids, nanousd, tokens, max_tokens);
        adopted.map(Held::of).map_err(internal)
    }

    /// Gives back what was set aside for a call that was never sent.
    pub(crate) fn release(&self, held: Held, note: impl FnOnce()) {
        {
            let inner = &mut *lock(&self.inner);
            inner
                .windows
                .settle(&held.windows, &held.amounts(), Settlement::Released);
            let released = inner.ledger.release(held.reservation);
            debug_assert!(released.is_ok(), "a reservation ends once");
            note();
        }
        self.freed.notify_waiters();
    }

    /// Settles a call that was made, and writes that down.
    pub(crate) fn settle(&self, held: Held, usage: &Usage, cost: Nanousd, note: impl FnOnce()) {
        {
            let inner = &mut *lock(&self.inner);
            let spent = Settlement::Spent(Ledger::counts(usage, cost));
            inner.windows.settle(&held.windows, &held.amounts(), spent);
            let settled = inner.ledger.settle(held.reservation, usage, cost);
            debug_assert!(settled.is_ok(), "a reservation is settled once");
            note();
        }
        self.freed.notify_waiters();
    }

    /// The outcome of a call is unknown: what was reserved stays counted.
    pub(crate) fn uncertain(&self, held: Held, note: impl FnOnce(Nanousd)) {
        {
            let inner = &mut *lock(&self.inner);
            inner
                .windows
                .settle(&held.windows, &held.amounts(), Settlement::Uncertain);
            let held = inner.ledger.mark_uncertain(held.reservation);
            note(held.map(|held| held.nanousd).unwrap_or_default());
        }
        self.freed.notify_waiters();
    }

    /// Lays limits over those of a budget of a run, by the name that a refusal gave; gives what held before and what
    /// holds now. What the limits do not name stays as it was; without any, the budget's are lifted.
    ///
    /// A budget that runs share is raised for this run alone, and never lowered: the others keep to the limit that the
    /// definition or the operator has set.
    ///
    /// # Errors
    /// When the run has met no such budget, or the limits contradict each other.
    pub(crate) fn raise(&self, run: RunId, name: &str, limits: Budget) -> Result<(Budget, Budget), Failure> {
        // A limit on single calls is named after its account.
        let account = name.strip_suffix("/call").unwrap_or(name);
        let inner = &mut *lock(&self.inner);
        let (from, to) = match inner.find(run, account) {
            Some(id) => {
                let from = inner.ledger.budget(id).map_err(internal)?;
                let to = raised(from, limits, account != name);
                to.check()
                    .map_err(|error: BudgetError| Failure::new(ErrorKind::Usage, error.to_string()))?;
                inner.ledger.raise(id, to).map_err(internal)?;
                (from, to)
            }
            None => {
                let shares = inner.shares.get_mut(&run);
                let raised = shares.and_then(|shares| shares.raise(account, limits));
                raised.ok_or_else(|| no_such_budget(name))?
            }
        };
        self.freed.notify_waiters();
        Ok((from, to))
    }

    /// The limits of a budget of a run were raised to these, perhaps in another process.
    pub(crate) fn was_raised(&self, run: RunId, name: &str, to: Budget) {
        let account = name.strip_suffix("/call").unwrap_or(name);
        let inner = &mut *lock(&self.inner);
        match inner.find(run, account) {
            Some(id) => {
                // It was found, so it is open.
                let _ = inner.ledger.raise(id, to);
            }
            None => inner.shares.entry(run).or_default().was_raised(account, to),
        }
    }

    /// A run has met a budget that it shares, perhaps in another process.
    pub(crate) fn was_met(&self, run: RunId, name: &str, budget: Budget, window: &str) {
        let inner = &mut *lock(&self.inner);
        inner.shares.entry(run).or_default().was_met(name, budget, window);
    }

    /// Whether a run has met budgets that it shares with others.
    pub(crate) fn shares(&self, run: RunId) -> bool {
        lock(&self.inner).shares.contains_key(&run)
    }

    /// Waits for a turn to ask again whether a budget that runs share has room.
    pub(crate) async fn turn(&self, budget: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let queue = lock(&self.queues).entry(budget.to_owned()).or_default().clone();
        queue.lock_owned().await
    }

    /// Where the budgets of a run stand, but those that it shares.
    pub(crate) fn states(&self, run: RunId) -> Vec<BudgetState> {
        let inner = lock(&self.inner);
        let mut mine: Vec<(Unit, AccountId)> = inner
            .accounts
            .iter()
            .filter(|((of, _), _)| *of == run)
            .map(|((_, unit), id)| (*unit, *id))
            .collect();
        mine.sort_by_key(|(unit, _)| (unit.scope, std::cmp::Reverse(unit.step)));
        mine.into_iter()
            .filter_map(|(_, id)| inner.ledger.states(id).ok())
            .flatten()
            .collect()
    }

    /// Forgets the accounts of a run that is over.
    pub(crate) fn close(&self, run: RunId) {
        let inner = &mut *lock(&self.inner);
        inner.shares.remove(&run);
        let mine: Vec<(RunId, Unit)> = inner
            .accounts
            .keys()
            .filter(|(of, _)| *of == run)
            .copied()
            .collect();
        for key in mine {
            if let Some(id) = inner.accounts.remove(&key) {
                // An account with calls of unknown outcome stays open: they stay counted above it.
                let _ = inner.ledger.close(id);
            }
        }
    }
}

impl Inner {
    /// The account of a run with this name.
    fn find(&self, run: RunId, name: &str) -> Option<AccountId> {
        let mine = self.accounts.iter().filter(|((of, _), _)| *of == run);
        let mut mine = mine.map(|(_, id)| *id);
        mine.find(|id| self.ledger.name(*id) == Ok(name))
    }

    /// A run meets budgets that it shares; `note` is told of those that are new to it, or stand in another window.
    fn meet(&mut self, run: RunId, shared: &[SharedBudget], mut note: impl FnMut(Met<'_>)) {
        if shared.is_empty() {
            return;
        }
        let shares = self.shares.entry(run).or_default();
        for budget in shared {
            if let Some(limits) = shares.meet(budget) {
                note(Met::Budget {
                    name: &budget.key.name,
                    budget: &limits,
                    window: Some(&budget.key.window),
                });
            }
        }
    }
}

/// `limits` laid over `from`, on all calls together or on each.
fn raised(from: Budget, limits: Budget, of_each_call: bool) -> Budget {
    fn lay<T>(lifts: bool, from: Option<T>, to: Option<T>) -> Option<T> {
        if lifts { None } else { to.or(from) }
    }
    let lifts = limits == Budget::UNLIMITED;
    if of_each_call {
        let per_call = PerCall {
            usd: lay(lifts, from.per_call.usd, limits.usd),
            tokens: lay(lifts, from.per_call.tokens, limits.tokens),
        };
        return Budget { per_call, ..from };
    }
    Budget {
        usd: lay(lifts, from.usd, limits.usd),
        tokens: lay(lifts, from.tokens, limits.tokens),
        requests: lay(lifts, from.requests, limits.requests),
        ..from
    }
}

fn no_such_budget(name: &str) -> Failure {
    Failure::new(ErrorKind::NotFound, format!("the run has no budget `{name}`"))
}

fn internal(error: crate::budget::ledger::LedgerError) -> Failure {
    Failure::new(ErrorKind::Internal, error.to_string())
}
