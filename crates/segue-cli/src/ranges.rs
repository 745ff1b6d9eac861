//! Ranges: what steps and a run cost at least, likely and at most, from the plan and from what earlier runs have used. A
//! figure that cannot be known is none, and named.

use segue::money::Nanousd;
use segue::price::PriceBook;
use serde::Serialize;

use crate::bounds::Bounds;
use crate::history::History;

/// What a step costs.
#[derive(Debug, Serialize)]
pub(crate) struct StepCost {
    min_usd: Option<String>,
    pub(crate) likely_usd: Option<String>,
    pub(crate) max_usd: Option<String>,
    pub(crate) basis: Basis,
}

/// What the figures of a step rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Basis {
    /// It costs exactly that.
    Exact,
    /// Earlier runs: the least and the middle of them.
    History,
    /// The most that its limits let it cost.
    Bound,
    /// Nothing.
    Unknown,
}

/// What the run costs.
#[derive(Debug, Serialize)]
pub(crate) struct CostRange {
    min_usd: Option<String>,
    pub(crate) likely_usd: Option<String>,
    pub(crate) max_usd: Option<String>,
    pub(crate) unknown: Vec<String>,
}

/// Amounts that are known.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    min: Option<Nanousd>,
    likely: Option<Nanousd>,
    max: Option<Nanousd>,
}

/// The ranges of the steps of a run, added up.
pub(crate) struct Ranges<'a> {
    history: &'a History,
    prices: &'a PriceBook,
    sum: Figures,
    unknown: Vec<String>,
}

impl<'a> Ranges<'a> {
    pub(crate) fn new(history: &'a History, prices: &'a PriceBook) -> Self {
        let none = Some(Nanousd::ZERO);
        Self {
            history,
            prices,
            sum: Figures {
                min: none,
                likely: none,
                max: none,
            },
            unknown: Vec::new(),
        }
    }

    /// Adds a step with its bound, and the models it would ask.
    pub(crate) fn step(&mut self, path: &str, bounds: &Bounds, models: &[&str], is_sure: bool) -> StepCost {
        let seen = self.history.cost(path, models, self.prices);
        let within = |amount: Nanousd| bounds.max.map_or(amount, |max| amount.min(max));
        let (figures, basis) = match (bounds.max, seen) {
            _ if bounds.is_free() => (Figures::of(Nanousd::ZERO), Basis::Exact),
            (max, Some(seen)) => {
                let min = if is_sure {
                    within(seen.least)
                } else {
                    Nanousd::ZERO
                };
                let figures = Figures {
                    min: Some(min),
                    likely: Some(within(seen.middle)),
                    max,
                };
                (figures, Basis::History)
            }
            (max, None) => {
                let figures = Figures {
                    min: Some(Nanousd::ZERO),
                    likely: None,
                    max,
                };
                (
                    figures,
                    if max.is_some() {
                        Basis::Bound
                    } else {
                        Basis::Unknown
                    },
                )
            }
        };
        match &bounds.unknown {
            Some(why) => self.unknown.push(format!("{path}: {why}")),
            None if figures.likely.is_none() => {
                let models = models.join(", ");
                self.unknown.push(format!(
                    "{path}: what it is likely to cost, as no whole run with {models} is kept"
                ));
            }
            None => {}
        }
        self.sum = self.sum.and(figures);
        StepCost {
            min_usd: text(figures.min),
            likely_usd: text(figures.likely),
            max_usd: text(figures.max),
            basis,
        }
    }

    /// What all of them cost together, within the budget of the run.
    pub(crate) fn run(self, budget: Option<Nanousd>) -> CostRange {
        let within = |amount: Option<Nanousd>| match (amount, budget) {
            (Some(amount), Some(budget)) => Some(amount.min(budget)),
            (amount, _) => amount,
        };
        CostRange {
            min_usd: text(within(self.sum.min)),
            likely_usd: text(within(self.sum.likely)),
            max_usd: text(within(self.sum.max).or(budget)),
            unknown: self.unknown,
        }
    }
}

impl Figures {
    fn of(amount: Nanousd) -> Self {
        Self {
            min: Some(amount),
            likely: Some(amount),
            max: Some(amount),
        }
    }

    fn and(self, other: Self) -> Self {
        let add = |a: Option<Nanousd>, b: Option<Nanousd>| a.zip(b).and_then(|(a, b)| a.checked_add(b));
        Self {
            min: add(self.min, other.min),
            likely: add(self.likely, other.likely),
            max: add(self.max, other.max),
        }
    }
}

fn text(amount: Option<Nanousd>) -> Option<String> {
    amount.map(|amount| amount.to_string())
}
