//! Budgets that runs share, counted in this process because no store keeps them. The same arithmetic as that of a store;
//! of each budget only the present window is kept.

use std::collections::HashMap;

use super::SharedBudget;
use crate::store::{Account, AccountKey, Amounts, HoldState, Settlement};

/// Shared budgets by name.
#[derive(Debug, Default)]
pub(super) struct Windows(HashMap<String, Account>);

impl Windows {
    /// How they stand, in the order asked for.
    pub(super) fn standing(&self, shared: &[SharedBudget]) -> Vec<Account> {
        let stands = |key: &AccountKey| self.0.get(&key.name).filter(|account| account.key == *key);
        let each = shared.iter().map(|budget| {
            let account = stands(&budget.key).cloned();
            account.unwrap_or_else(|| Account::new(budget.key.clone()))
        });
        each.collect()
    }

    /// Sets amounts aside, in each once; gives where. What an earlier window has counted is forgotten.
    pub(super) fn hold(&mut self, shared: &[SharedBudget], amounts: &Amounts) -> Vec<AccountKey> {
        let mut held: Vec<AccountKey> = Vec::with_capacity(shared.len());
        for SharedBudget { key, .. } in shared {
            if held.contains(key) {
                continue;
            }
            let fresh = || Account::new(key.clone());
            let account = self.0.entry(key.name.clone()).or_insert_with(fresh);
            if account.key.window < key.window {
                *account = fresh();
            }
            // Of a window that was over before the call got here nothing is known any more.
            if account.key == *key {
                account.hold(amounts);
                held.push(key.clone());
            }
        }
        held
    }

    /// Ends what was set aside, or makes it uncertain, where its window is still the present one.
    pub(super) fn settle(&mut self, held: &[AccountKey], amounts: &Amounts, settlement: Settlement) {
        for key in held {
            if let Some(account) = self.0.get_mut(&key.name).filter(|account| account.key == *key) {
                account.settle(HoldState::Reserved, amounts, settlement);
            }
        }
    }
}
