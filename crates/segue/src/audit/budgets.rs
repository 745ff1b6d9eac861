//! Budgets: no reservation takes what is spent and reserved beyond a limit.
//!
//! Only a reservation can: what is settled takes the place of what was reserved, and where it is more, that was paid and
//! stands in the way of the next. Of a budget that runs share the log has this run's part, which cannot be beyond its limit
//! either.

use std::collections::HashMap;

use super::{At, Rule};
use crate::budget::Budget;
use crate::budget::limit::{Amount, Unit};
use crate::id::CallId;
use crate::log::EventKind;
use crate::store::Amounts;

/// The budgets a run has met, and what is held against them.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    accounts: Vec<Account>,
    /// By name the account that has it now: a part of a run that begins again begins with accounts of its own.
    by_name: HashMap<String, usize>,
    held: HashMap<CallId, Held>,
}

#[derive(Debug)]
struct Account {
    budget: Budget,
    spent: Amounts,
    reserved: Amounts,
    uncertain: Amounts,
}

#[derive(Debug)]
struct Held {
    accounts: Vec<usize>,
    amounts: Amounts,
}

impl Budgets {
    pub(super) fn apply(&mut self, kind: &EventKind, at: &mut At<'_>) {
        match kind {
            EventKind::BudgetOpened { name, budget, .. } => {
                self.by_name.insert(name.clone(), self.accounts.len());
                self.accounts.push(Account {
                    budget: *budget,
                    spent: [0; 3],
                    reserved: [0; 3],
                    uncertain: [0; 3],
                });
            }
            EventKind::BudgetRaised { name, to, .. } => {
                // A limit on single calls is named after its budget.
                let account = name.strip_suffix("/call").unwrap_or(name);
                if let Some(known) = self.by_name.get(account) {
                    self.accounts[*known].budget = *to;
                }
            }
            EventKind::CallReserved {
                call,
                reserved_nanousd,
                reserved_tokens,
                budgets,
                ..
            } if !budgets.is_empty() => {
                let nanos = u64::try_from(reserved_nanousd.nanos()).unwrap_or(0);
                self.reserve(*call, [nanos, *reserved_tokens, 1], budgets, at);
            }
            EventKind::CallSucceeded {
                call, usage, cost, ..
            }
            | EventKind::CallFailed {
                call, usage, cost, ..
            } => {
                let nanos = u64::try_from(cost.nanousd.nanos()).unwrap_or(0);
                // One that used nothing at all was never sent.
                let was_sent = !usage.is_zero() || !cost.is_zero();
                let spent = [nanos, usage.total_tokens(), u64::from(was_sent)];
                self.settle(*call, |account| add(&mut account.spent, &spent));
            }
            EventKind::CallUncertain { call, .. } => {
                if let Some(amounts) = self.held.get(call).map(|held| held.amounts) {
                    self.settle(*call, |account| add(&mut account.uncertain, &amounts));
                }
            }
            _ => {}
        }
    }

    fn reserve(&mut self, call: CallId, amounts: Amounts, names: &[String], at: &mut At<'_>) {
        let known = names
            .iter()
            .filter_map(|name| Some((name, *self.by_name.get(name)?)));
        let known: Vec<(&String, usize)> = known.collect();
        for (name, account) in &known {
            let account = &mut self.accounts[*account];
            add(&mut account.reserved, &amounts);
            if let Some(beyond) = account.beyond() {
                at.push(Rule::Budget, format!("{call} takes budget `{name}` {beyond}"));
            }
            if let Some(beyond) = beyond_each(&account.budget, &amounts) {
                at.push(
                    Rule::Budget,
                    format!("{call} may use more than budget `{name}` lets each call: {beyond}"),
                );
            }
        }
        let accounts = known.into_iter().map(|(_, account)| account).collect();
        self.held.insert(call, Held { accounts, amounts });
    }

    fn settle(&mut self, call: CallId, mut end: impl FnMut(&mut Account)) {
        let Some(Held { accounts, amounts }) = self.held.remove(&call) else {
            return;
        };
        for account in accounts {
            let account = &mut self.accounts[account];
            for (reserved, amount) in account.reserved.iter_mut().zip(amounts) {
                *reserved = reserved.saturating_sub(amount);
            }
            end(account);
        }
    }
}

impl Account {
    /// By how much the first of its limits is passed, in words.
    fn beyond(&self) -> Option<String> {
        let limits = [
            self.budget.usd.map(|usd| u64::try_from(usd.nanos()).unwrap_or(0)),
            self.budget.tokens,
            self.budget.requests,
        ];
        Unit::ALL.into_iter().zip(limits).enumerate().find_map(|(at, (unit, limit))| {
            let parts = [self.spent[at], self.reserved[at], self.uncertain[at]];
            let total = parts.iter().fold(0_u64, |sum, part| sum.saturating_add(*part));
            let limit = limit.filter(|limit| total > *limit)?;
            let [total, limit, spent, reserved, uncertain] =
                [total, limit, parts[0], parts[1], parts[2]].map(|amount| Amount::new(unit, amount));
            Some(format!(
                "to {total} where {limit} are allowed: spent {spent}, reserved {reserved}, uncertain {uncertain}"
            ))
        })
    }
}

/// What a single call may use beyond what each may, in words.
fn beyond_each(budget: &Budget, amounts: &Amounts) -> Option<String> {
    let usd = budget
        .per_call
        .usd
        .map(|usd| u64::try_from(usd.nanos()).unwrap_or(0));
    let limits = [usd, budget.per_call.tokens, None];
    Unit::ALL
        .into_iter()
        .zip(limits)
        .zip(amounts)
        .find_map(|((unit, limit), amount)| {
            let limit = limit.filter(|limit| amount > limit)?;
            let [amount, limit] = [*amount, limit].map(|amount| Amount::new(unit, amount));
            Some(format!("{amount} of {limit}"))
        })
}

fn add(to: &mut Amounts, amounts: &Amounts) {
    for (to, amount) in to.iter_mut().zip(amounts) {
        *to = to.saturating_add(*amount);
    }
}
