//! Bounds: between which amounts a run can cost, as far as that is known before it. Nothing is guessed: what cannot be
//! known is named.

use segue::Plan;
use segue::money::Nanousd;
use segue::price::PriceBook;

use crate::clock;
use crate::sites::{self, Offer, Site};

/// What something costs at least and at most; none where that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// At least.
    pub(crate) min: Option<Nanousd>,
    /// At most.
    pub(crate) max: Option<Nanousd>,
    /// Why a bound is not known.
    pub(crate) unknown: Vec<String>,
}

/// The bounds of a run of a plan. Its budget is a bound as well.
pub(crate) fn of(plan: &Plan, models: Offer<'_>, total: Option<Nanousd>) -> Bounds {
    let prices = PriceBook::new(clock::today());
    let mut run = Bounds {
        min: Some(Nanousd::ZERO),
        max: Some(Nanousd::ZERO),
        unknown: Vec::new(),
    };
    for site in sites::of(plan) {
        let step = of_site(&site, models, &prices);
        run.max = run.max.zip(step.max).and_then(|(a, b)| a.checked_add(b));
        run.unknown.extend(step.unknown);
    }
    run.max = match (run.max, total) {
        (Some(max), Some(total)) => Some(max.min(total)),
        (max, total) => max.or(total),
    };
    run
}

/// The bounds of one step without what is nested in it.
pub(crate) fn of_site(site: &Site<'_>, models: Offer<'_>, prices: &PriceBook) -> Bounds {
    let free = Bounds {
        min: Some(Nanousd::ZERO),
        max: Some(Nanousd::ZERO),
        unknown: Vec::new(),
    };
    let unknown = |why: String| Bounds {
        min: Some(Nanousd::ZERO),
        max: None,
        unknown: vec![format!("{}: {why}", site.path)],
    };
    if site.asks().is_none() {
        return free;
    }
    let Some(meaning) = sites::meaning(site, models) else {
        return unknown("its agent is registered in the program".to_owned());
    };
    if meaning.found.is_empty() {
        return unknown(format!(
            "no model of {} is to be had here",
            meaning.asked.join(", ")
        ));
    }
    let priced = meaning.found.iter().find(|model| {
        let (provider, name) = model.chosen.split_once('/').unwrap_or(("", &model.chosen));
        prices.look_up(provider, name).price != Some(segue::price::Price::FREE)
    });
    match priced {
        None => free,
        Some(model) => unknown(format!("how long the prompt for {} will be", model.chosen)),
    }
}
