//! Budgets of a process: one ledger for all its runs, and whoever waits for headroom.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::lock;
use crate::budget::ledger::{AccountId, Ask, Decision, Ledger, Reservation};
use crate::budget::limit::BudgetState;
use crate::budget::{Budget, BudgetError};
use crate::error::{ErrorKind, Failure};
use crate::id::RunId;
use crate::money::Nanousd;
use crate::run::unit::Unit;
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

impl Budgets {
    /// Reserves the upper bound of a call against the accounts, or says why not.
    pub(crate) fn reserve(
        &self,
        run: RunId,
        accounts: &[(Unit, String, Budget)],
        day: Option<(&str, i64, Budget)>,
        ask: &Ask,
    ) -> Result<Decision, Failure> {
        let inner = &mut *lock(&self.inner);
        let mut ids = Vec::with_capacity(accounts.len() + 1);
        for (unit, name, budget) in accounts {
            let id = match inner.accounts.get(&(run, *unit)) {
                Some(id) => *id,
                None => {
                    let id = inner.ledger.open(name.clone(), *budget, None).map_err(internal)?;
                    inner.accounts.insert((run, *unit), id);
                    id
                }
            };
            ids.push(id);
        }
        if let Some((pipeline, day, budget)) = day {
            let id = match inner.days.get(pipeline) {
                Some((known, id)) if *known == day => *id,
                _ => {
                    let name = format!("pipeline:{pipeline}/day");
                    let id = inner.ledger.open(name, budget, None).map_err(internal)?;
                    inner.days.insert(pipeline.to_owned(), (day, id));
                    id
                }
            };
            ids.push(id);
        }
        inner.ledger.reserve(&ids, ask).map_err(internal)
    }

    /// Settles a call that was made.
    pub(crate) fn settle(&self, held: Reservation, usage: &Usage, cost: Nanousd) {
        let settled = lock(&self.inner).ledger.settle(held, usage, cost);
        debug_assert!(settled.is_ok(), "a reservation is settled once");
        self.freed.notify_waiters();
    }

    /// The outcome of a call is unknown: what was reserved stays counted.
    pub(crate) fn uncertain(&self, held: Reservation) -> Nanousd {
        let held = lock(&self.inner).ledger.mark_uncertain(held);
        self.freed.notify_waiters();
        held.map(|held| held.nanousd).unwrap_or_default()
    }

    /// Replaces the limits of an account of a run, by its name.
    ///
    /// # Errors
    /// When the run has no such account, or the limits contradict each other.
    pub(crate) fn raise(&self, run: RunId, name: &str, budget: Budget) -> Result<(), Failure> {
        budget
            .check()
            .map_err(|error: BudgetError| Failure::new(ErrorKind::Usage, error.to_string()))?;
        let inner = &mut *lock(&self.inner);
        let mine = inner
            .accounts
            .iter()
            .filter(|((of, _), _)| *of == run)
            .map(|(_, id)| *id);
        let days = inner.days.values().map(|(_, id)| *id);
        let found = mine.chain(days).find(|id| inner.ledger.name(*id) == Ok(name));
        let Some(id) = found else {
            return Err(Failure::new(
                ErrorKind::NotFound,
                format!("the run has no budget `{name}`"),
            ));
        };
        inner.ledger.raise(id, budget).map_err(internal)?;
        self.freed.notify_waiters();
        Ok(())
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

fn internal(error: crate::budget::ledger::LedgerError) -> Failure {
    Failure::new(ErrorKind::Internal, error.to_string())
}
