//! Budgets of a process: one ledger for all its runs, and whoever waits for headroom.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::lock;
use crate::budget::ledger::{AccountId, Ask, Decision, Ledger, Reservation};
use crate::budget::limit::BudgetState;
use crate::budget::{Budget, BudgetError, PerCall};
use crate::error::{ErrorKind, Failure};
use crate::id::RunId;
use crate::log::Unit;
use crate::money::Nanousd;
use crate::usage::Usage;

/// The budgets of a process.
#[derive(Default)]
pub(crate) struct Budgets {
    inner: Mutex<Inner>,
    /// Told whenever something reserved was settled or a limit was raised.
    pub(crate) freed: Notify,
}

#[derive(Default)]
struct Inner {
    ledger: Ledger,
    accounts: HashMap<(RunId, Unit), AccountId>,
    /// Per pipeline, the day and the account of its `per_day` limits.
    days: HashMap<String, (i64, AccountId)>,
}

impl Inner {
    /// The accounts, those that are met for the first time opened; `note` is told of these.
    fn open(
        &mut self,
        run: RunId,
        accounts: &[(Unit, String, Budget)],
        mut note: impl FnMut(Met<'_>),
    ) -> Result<Vec<AccountId>, Failure> {
        let mut ids = Vec::with_capacity(accounts.len() + 1);
        for (unit, name, budget) in accounts {
            let id = match self.accounts.get(&(run, *unit)) {
                Some(id) => *id,
                None => {
                    let id = self.ledger.open(name.clone(), *budget, None).map_err(internal)?;
                    self.accounts.insert((run, *unit), id);
                    note(Met::Budget(name, budget));
                    id
                }
            };
            ids.push(id);
        }
        Ok(ids)
    }
}

impl Budgets {
    /// Reserves the upper bound of a call against the accounts, or says why not.
    ///
    /// What is decided is written down by `note` before anybody else can reserve or settle, so that the log tells of
    /// them in the order in which they happened. It is also told of every budget that was met for the first time.
    pub(crate) fn reserve(
        &self,
        run: RunId,
        accounts: &[(Unit, String, Budget)],
        day: Option<(&str, i64, Budget)>,
        ask: &Ask,
        mut note: impl FnMut(Met<'_>),
    ) -> Result<Decision, Failure> {
        let inner = &mut *lock(&self.inner);
        let mut ids = inner.open(run, accounts, &mut note)?;
        if let Some((pipeline, day, budget)) = day {
            let id = match inner.days.get(pipeline) {
                Some((known, id)) if *known == day => *id,
                _ => {
                    let id = inner
                        .ledger
                        .open(day_name(pipeline), budget, None)
                        .map_err(internal)?;
                    inner.days.insert(pipeline.to_owned(), (day, id));
                    id
                }
            };
            ids.push(id);
        }
        let decision = inner.ledger.reserve(&ids, ask).map_err(internal)?;
        if let Decision::Granted(reserved) = &decision {
            note(Met::Granted(reserved));
        }
        Ok(decision)
    }

    /// Opens accounts that were met in another process.
    ///
    /// # Errors
    /// Only by a fault of our own.
    pub(crate) fn open(&self, run: RunId, accounts: &[(Unit, String, Budget)]) -> Result<(), Failure> {
        lock(&self.inner).open(run, accounts, |_| ()).map(drop)
    }

    /// Books the reservation of a call that was granted in another process, without asking whether it fits.
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
    ) -> Result<Reservation, Failure> {
        let inner = &mut *lock(&self.inner);
        let ids = inner.open(run, accounts, |_| ())?;
        inner
            .ledger
            .adopt(&ids, nanousd, tokens, max_tokens)
            .map_err(internal)
    }

    /// Gives back the reservation of a call that was never sent.
    pub(crate) fn release(&self, held: Reservation, note: impl FnOnce()) {
        {
            let inner = &mut *lock(&self.inner);
            let released = inner.ledger.release(held);
            debug_assert!(released.is_ok(), "a reservation ends once");
            note();
        }
        self.freed.notify_waiters();
    }

    /// Settles a call that was made, and writes that down.
    pub(crate) fn settle(&self, held: Reservation, usage: &Usage, cost: Nanousd, note: impl FnOnce()) {
        {
            let inner = &mut *lock(&self.inner);
            let settled = inner.ledger.settle(held, usage, cost);
            debug_assert!(settled.is_ok(), "a reservation is settled once");
            note();
        }
        self.freed.notify_waiters();
    }

    /// The outcome of a call is unknown: what was reserved stays counted.
    pub(crate) fn uncertain(&self, held: Reservation, note: impl FnOnce(Nanousd)) {
        {
            let inner = &mut *lock(&self.inner);
            let held = inner.ledger.mark_uncertain(held);
            note(held.map(|held| held.nanousd).unwrap_or_default());
        }
        self.freed.notify_waiters();
    }

    /// Lays limits over those of an account of a run, by the name that a refusal gave; gives what held before and what
    /// holds now. What the limits do not name stays as it was; without any, the account's are lifted.
    ///
    /// # Errors
    /// When the run has no such account, or the limits contradict each other.
    pub(crate) fn raise(&self, run: RunId, name: &str, limits: Budget) -> Result<(Budget, Budget), Failure> {
        // A limit on single calls is named after its account.
        let account = name.strip_suffix("/call").unwrap_or(name);
        let inner = &mut *lock(&self.inner);
        let mine = inner
            .accounts
            .iter()
            .filter(|((of, _), _)| *of == run)
            .map(|(_, id)| *id);
        let days = inner.days.values().map(|(_, id)| *id);
        let found = mine.chain(days).find(|id| inner.ledger.name(*id) == Ok(account));
        let Some(id) = found else {
            return Err(Failure::new(
                ErrorKind::NotFound,
                format!("the run has no budget `{name}`"),
            ));
        };
        let from = inner.ledger.budget(id).map_err(internal)?;
        let to = raised(from, limits, account != name);
        to.check()
            .map_err(|error: BudgetError| Failure::new(ErrorKind::Usage, error.to_string()))?;
        inner.ledger.raise(id, to).map_err(internal)?;
        self.freed.notify_waiters();
        Ok((from, to))
    }

    /// Where the budgets of a run stand.
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

/// The name of a budget over all runs of a pipeline in a day.
pub(crate) fn day_name(pipeline: &str) -> String {
    format!("pipeline:{pipeline}/day")
}

/// What happens while a call is reserved.
pub(crate) enum Met<'a> {
    /// A budget is met for the first time in the run.
    Budget(&'a str, &'a Budget),
    /// The call is reserved.
    Granted(&'a Reservation),
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

fn internal(error: crate::budget::ledger::LedgerError) -> Failure {
    Failure::new(ErrorKind::Internal, error.to_string())
}
