//! What a group sets aside and settles against budgets that runs share.

use segue::store::{Account, AccountKey, Amounts, Hold, HoldState, Settlement, StoreError};
use segue::{CallId, RunId};

use super::{Group, Held, Standings};
use crate::postgres::write::Decision;

impl Group<'_> {
    /// Sets aside what the decision says, against all accounts or none.
    pub(super) fn reserve(
        &mut self,
        hold: &Hold,
        accounts: &[AccountKey],
        decision: &Decision,
    ) -> Result<Option<Amounts>, StoreError> {
        let line = self
            .runs
            .get(&hold.run)
            .ok_or_else(|| StoreError::unknown(hold.run))?;
        if line.fence != hold.fence {
            return Err(StoreError::lost(hold.run));
        }
        if let Some(Held { hold: Some(held), .. }) = self.holds.get(&hold.call) {
            // The same once more, because its answer was lost.
            return if held.run == hold.run && held.state == HoldState::Reserved {
                Ok(Some(held.amounts))
            } else {
                Err(StoreError::second_hold(hold.call))
            };
        }
        let standing: Vec<Account> = accounts
            .iter()
            .map(|key| match self.accounts.get(key) {
                Some(known) => known.account.clone(),
                None => Account::new(key.clone()),
            })
            .collect();
        let Some(amounts) = decision.on(&standing)? else {
            return Ok(None);
        };
        let mut keys: Vec<AccountKey> = Vec::with_capacity(accounts.len());
        for mut account in standing {
            if !keys.contains(&account.key) {
                keys.push(account.key.clone());
                account.hold(&amounts);
                let moved = Standings {
                    account,
                    is_fresh: false,
                    is_changed: true,
                };
                self.accounts.insert(moved.account.key.clone(), moved);
            }
        }
        let held = Held {
            hold: Some(Hold {
                amounts,
                state: HoldState::Reserved,
                ..hold.clone()
            }),
            accounts: keys,
            is_changed: true,
        };
        self.holds.insert(hold.call, held);
        Ok(Some(amounts))
    }

    /// Ends a hold of a run, or makes it uncertain. One that is not there was settled before.
    pub(super) fn settle(&mut self, run: RunId, call: CallId, settlement: Settlement) {
        let Some(held) = self.holds.get_mut(&call) else {
            return;
        };
        let Some(hold) = held.hold.as_mut().filter(|hold| hold.run == run) else {
            return;
        };
        for key in &held.accounts {
            if let Some(known) = self.accounts.get_mut(key) {
                known.account.settle(hold.state, &hold.amounts, settlement);
                known.is_changed = true;
            }
        }
        held.is_changed = true;
        if settlement == Settlement::Uncertain {
            hold.state = HoldState::Uncertain;
        } else {
            held.hold = None;
        }
    }
}
