//! Budgets as the events of a run tell of them: opened with their limits, reserved against, settled, raised. Of a budget
//! that runs share this is what the run itself has spent and holds of it, in the window it was last met in.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::budget::Budget;
use crate::budget::limit::{Amount, BudgetState, Unit};
use crate::error::Spent;
use crate::id::CallId;
use crate::log::EventKind;

/// Every budget a run has met, and how it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Budgets {
    open: IndexMap<String, Standing>,
    held: BTreeMap<CallId, Held>,
}

#[derive(Debug, Clone, PartialEq)]
struct Standing {
    budget: Budget,
    /// The window it is counted in, where runs share it.
    window: Option<String>,
    spent: Counts,
    reserved: Counts,
    uncertain: Counts,
}

/// Nano-dollars, tokens and requests.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counts {
    nanos: u64,
    tokens: u64,
    requests: u64,
}

#[derive(Debug, Clone, PartialEq)]
struct Held {
    /// Each with its window.
    budgets: Vec<(String, Option<String>)>,
    counts: Counts,
}

impl Budgets {
    pub(super) fn apply(&mut self, kind: &EventKind) {
        match kind {
            EventKind::BudgetOpened { name, budget, window } => {
                let fresh = Standing {
                    budget: *budget,
                    window: window.clone(),
                    spent: Counts::default(),
                    reserved: Counts::default(),
                    uncertain: Counts::default(),
                };
                match self.open.get_mut(name) {
                    // Its limits were set anew.
                    Some(standing) if standing.window == *window => standing.budget = *budget,
                    Some(standing) => *standing = fresh,
                    None => {
                        self.open.insert(name.clone(), fresh);
                    }
                }
            }
            EventKind::BudgetRaised { name, to, .. } => {
                if let Some(standing) = self.open.get_mut(name) {
                    standing.budget = *to;
                }
            }
            EventKind::CallReserved {
                call,
                budgets,
                reserved_nanousd,
                reserved_tokens,
                ..
            } if !budgets.is_empty() => {
                let nanos = u64::try_from(reserved_nanousd.nanos()).unwrap_or(0);
                let counts = Counts {
                    nanos,
                    tokens: *reserved_tokens,
                    requests: 1,
                };
                let window = |name: &String| self.open.get(name).and_then(|standing| standing.window.clone());
                let budgets = budgets.iter().map(|name| (name.clone(), window(name)));
                let held = Held {
                    budgets: budgets.collect(),
                    counts,
                };
                self.each(&held.budgets, |standing| standing.reserved.add(counts));
                self.held.insert(*call, held);
            }
            EventKind::CallSucceeded {
                call, usage, cost, ..
            }
            | EventKind::CallFailed {
                call, usage, cost, ..
            } => {
                self.settle(
                    *call,
                    &Spent {
                        usage: *usage,
                        cost: *cost,
                    },
                );
            }
            EventKind::CallUncertain { call, .. } => {
                if let Some(Held { budgets, counts }) = self.held.remove(call) {
                    self.each(&budgets, |standing| standing.uncertain.add(counts));
                }
            }
            _ => {}
        }
    }

    /// How each limit of each budget stands, in the order in which the budgets were met.
    pub(super) fn states(&self) -> impl Iterator<Item = BudgetState> {
        self.open.iter().flat_map(|(name, standing)| {
            Unit::ALL.into_iter().filter_map(move |unit| {
                let limit = match unit {
                    Unit::Usd => standing.budget.usd.map(Amount::Usd),
                    Unit::Tokens => standing.budget.tokens.map(Amount::Tokens),
                    Unit::Requests => standing.budget.requests.map(Amount::Requests),
                };
                Some(BudgetState {
                    name: name.clone(),
                    unit,
                    limit: limit?,
                    spent: standing.spent.of(unit),
                    reserved: standing.reserved.of(unit),
                    uncertain: standing.uncertain.of(unit),
                    on_exceed: standing.budget.on_exceed,
                })
            })
        })
    }

    fn settle(&mut self, call: CallId, spent: &Spent) {
        let Some(Held { budgets, counts }) = self.held.remove(&call) else {
            return;
        };
        // One that used nothing at all was never sent.
        let requests = u64::from(!spent.is_zero());
        let actual = Counts {
            nanos: u64::try_from(spent.cost.nanousd.nanos()).unwrap_or(0),
            tokens: spent.usage.total_tokens(),
            requests,
        };
        self.each(&budgets, |standing| {
            standing.reserved.sub(counts);
            standing.spent.add(actual);
        });
    }

    /// Changes budgets whose window is still the present one.
    fn each(&mut self, budgets: &[(String, Option<String>)], mut change: impl FnMut(&mut Standing)) {
        for (name, window) in budgets {
            if let Some(standing) = self.open.get_mut(name).filter(|now| now.window == *window) {
                change(standing);
            }
        }
    }
}

impl Counts {
    fn add(&mut self, other: Counts) {
        self.nanos = self.nanos.saturating_add(other.nanos);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.requests = self.requests.saturating_add(other.requests);
    }

    fn sub(&mut self, other: Counts) {
        self.nanos = self.nanos.saturating_sub(other.nanos);
        self.tokens = self.tokens.saturating_sub(other.tokens);
        self.requests = self.requests.saturating_sub(other.requests);
    }

    fn of(self, unit: Unit) -> Amount {
        match unit {
            Unit::Usd => Amount::new(unit, self.nanos),
            Unit::Tokens => Amount::new(unit, self.tokens),
            Unit::Requests => Amount::new(unit, self.requests),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::CallKind;
    use crate::money::{Cost, cents};
    use crate::usage::Usage;
    use crate::{CountingIds, Failure};

    #[test]
    fn reserved_becomes_spent_or_stays_uncertain_and_a_raise_shows() {
        let ids = CountingIds::default();
        let mut budgets = Budgets::default();
        budgets.apply(&EventKind::BudgetOpened {
            name: "run".into(),
            budget: cents(10).into(),
            window: None,
        });
        let calls: Vec<CallId> = (0..2).map(|_| CallId::new(&ids)).collect();
        for call in &calls {
            budgets.apply(&EventKind::CallReserved {
                call: *call,
                kind: CallKind::Model,
                model: None,
                tool: None,
                agent: None,
                attempt: 1,
                position: "0".into(),
                reserved_nanousd: cents(3),
                reserved_tokens: 100,
                budgets: vec!["run".into()],
                max_tokens_clamped_to: None,
            });
        }
        let state = |budgets: &Budgets| {
            let state = budgets.states().next().expect("the budget is open");
            (
                state.limit.to_string(),
                state.spent.to_string(),
                state.reserved.to_string(),
                state.uncertain.to_string(),
            )
        };
        let row = |limit: &str, spent: &str, reserved: &str, uncertain: &str| {
            (
                limit.to_owned(),
                spent.to_owned(),
                reserved.to_owned(),
                uncertain.to_owned(),
            )
        };
        assert_eq!(state(&budgets), row("$0.10", "$0.00", "$0.06", "$0.00"));
        budgets.apply(&EventKind::CallFailed {
            call: calls[0],
            error: Box::new(Failure::new(crate::ErrorKind::Provider, "no")),
            usage: Usage::default(),
            cost: Cost::of(cents(2)),
            price: None,
        });
        budgets.apply(&EventKind::CallUncertain {
            call: calls[1],
            held_nanousd: cents(3),
        });
        budgets.apply(&EventKind::BudgetRaised {
            name: "run".into(),
            from: cents(10).into(),
            to: cents(20).into(),
            by: "me".into(),
        });
        assert_eq!(state(&budgets), row("$0.20", "$0.02", "$0.03", "$0.03"));
    }
}
