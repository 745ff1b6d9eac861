//! What one run knows of the budgets that it shares with others: which it has met, and how far it may go beyond.
//!
//! The limit of such a budget belongs to the definition or to the operator. What a person allows a run beyond it holds for
//! the calls of that run alone: they fit as long as all runs together stay below the raised limit, whichever run has
//! spent what. So nobody ever spends more than the highest limit that somebody has named, and runs that nobody was asked
//! about keep to the limit that was set.

use super::SharedBudget;
use crate::budget::Budget;

/// The shared budgets of one run; few, so a list.
#[derive(Debug, Default)]
pub(super) struct Shares(Vec<Share>);

#[derive(Debug)]
struct Share {
    name: String,
    /// What the run was last told of it.
    limits: Budget,
    window: String,
    /// What a person has raised it to, for this run.
    raised: Option<Budget>,
}

impl Shares {
    /// The limits of a shared budget as they hold for this run.
    pub(super) fn limits(&self, shared: &SharedBudget) -> Budget {
        let raised = self.find(&shared.key.name).and_then(|share| share.raised);
        raised.map_or(shared.budget, |raised| beyond(shared.budget, raised))
    }

    /// The run meets a budget. Gives its limits where it has not met it so before.
    pub(super) fn meet(&mut self, shared: &SharedBudget) -> Option<Budget> {
        let limits = self.limits(shared);
        let (name, window) = (&shared.key.name, &shared.key.window);
        if let Some(share) = self.find(name)
            && (share.limits, &share.window) == (limits, window)
        {
            return None;
        }
        self.was_met(name, limits, window);
        Some(limits)
    }

    pub(super) fn was_met(&mut self, name: &str, limits: Budget, window: &str) {
        let share = self.share(name, limits);
        share.limits = limits;
        window.clone_into(&mut share.window);
    }

    /// Lays limits over those of a budget, where they are higher; gives what held before and what holds now. None of one
    /// that the run has not met.
    pub(super) fn raise(&mut self, name: &str, limits: Budget) -> Option<(Budget, Budget)> {
        let from = self.find(name)?.limits;
        let to = match limits == Budget::UNLIMITED {
            true => Budget {
                usd: None,
                tokens: None,
                requests: None,
                ..from
            },
            false => Budget {
                usd: from.usd.map(|usd| limits.usd.map_or(usd, |to| to.max(usd))),
                tokens: from.tokens.map(|n| limits.tokens.map_or(n, |to| to.max(n))),
                requests: from.requests.map(|n| limits.requests.map_or(n, |to| to.max(n))),
                ..from
            },
        };
        self.was_raised(name, to);
        Some((from, to))
    }

    pub(super) fn was_raised(&mut self, name: &str, to: Budget) {
        let share = self.share(name, to);
        share.limits = to;
        share.raised = Some(to);
    }

    fn find(&self, name: &str) -> Option<&Share> {
        self.0.iter().find(|share| share.name == name)
    }

    fn share(&mut self, name: &str, limits: Budget) -> &mut Share {
        let at = match self.0.iter().position(|share| share.name == name) {
            Some(at) => at,
            None => {
                self.0.push(Share {
                    name: name.to_owned(),
                    limits,
                    window: String::new(),
                    raised: None,
                });
                self.0.len() - 1
            }
        };
        &mut self.0[at]
    }
}

/// The limits that hold for a run that was allowed more. Where the definition or the operator has set a limit higher
/// since, that holds; a limit that was lifted stays lifted.
fn beyond(set: Budget, raised: Budget) -> Budget {
    fn higher<T: Ord>(set: Option<T>, raised: Option<T>) -> Option<T> {
        Some(set?.max(raised?))
    }
    Budget {
        usd: higher(set.usd, raised.usd),
        tokens: higher(set.tokens, raised.tokens),
        requests: higher(set.requests, raised.requests),
        ..set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::cents;
    use crate::store::AccountKey;

    fn shared(window: &str, budget: Budget) -> SharedBudget {
        let (name, window) = ("budget:all/day".to_owned(), window.to_owned());
        SharedBudget {
            key: AccountKey { name, window },
            budget,
            resets: crate::clock::Time::from_micros(0),
        }
    }

    #[test]
    fn a_budget_is_met_once_in_each_window_and_whenever_its_limits_change() {
        let mut shares = Shares::default();
        let (five, six) = (Budget::from(cents(5)), Budget::from(cents(6)));
        assert_eq!(shares.meet(&shared("1", five)), Some(five));
        assert_eq!(shares.meet(&shared("1", five)), None);
        assert_eq!(shares.meet(&shared("2", five)), Some(five));
        assert_eq!(shares.meet(&shared("2", six)), Some(six));
        assert_eq!(shares.meet(&shared("2", six)), None);
    }

    #[test]
    fn a_raise_holds_for_this_run_in_every_window_and_never_lowers() {
        let mut shares = Shares::default();
        let five = Budget::from(cents(5)).requests(9);
        let name = "budget:all/day";
        assert_eq!(shares.raise(name, Budget::from(cents(8))), None, "it was not met");
        shares.meet(&shared("1", five));
        let eight = Budget::from(cents(8)).requests(9);
        assert_eq!(shares.raise(name, Budget::from(cents(8))), Some((five, eight)));
        assert_eq!(shares.meet(&shared("1", five)), None, "the run was told");
        assert_eq!(shares.limits(&shared("2", five)), eight);
        assert_eq!(shares.raise(name, Budget::from(cents(3))), Some((eight, eight)));
        assert_eq!(
            shares.raise(name, Budget::UNLIMITED.tokens(3)),
            Some((eight, eight)),
            "a raise sets no limit where there was none"
        );
        let nine = Budget::from(cents(9)).requests(9);
        assert_eq!(
            shares.limits(&shared("2", nine)),
            nine,
            "the operator has set it higher since"
        );
        let (_, lifted) = shares.raise(name, Budget::UNLIMITED).expect("it was met");
        assert_eq!((lifted.usd, lifted.requests), (None, None));
        assert_eq!(shares.limits(&shared("3", five)), Budget::UNLIMITED);
    }
}
