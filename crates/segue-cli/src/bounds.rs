//! Bounds: what a run can cost at most, as far as its plan says. Nothing is guessed: what cannot be known is named.

use std::collections::BTreeSet;

use segue::Plan;
use segue::model::{Chosen, tokens_of};
use segue::money::Nanousd;
use segue::plan::{Complete, Kind, PlannedAgent};
use segue::price::{Price, PriceBook};
use serde_json::{Map, Value as Json};

use crate::planned::Prompt;
use crate::sites::{self, Meaning, Offer, Site};

/// Most output tokens of a call where nothing says otherwise, as agents have it.
const MAX_TOKENS: u32 = 4096;
/// Most tokens of what an agent is told about an answer that was refused, besides what that repeats of the answer: five
/// violations, each with what is asked for.
const TOLD: u64 = 2_000;
/// Tokens for the frame of instructions and prompt.
const FRAMES: u64 = 16;

/// What something costs at most; none where that is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// At most.
    pub(crate) max: Option<Nanousd>,
    /// Why that is not known.
    pub(crate) unknown: Option<String>,
}

impl Bounds {
    pub(crate) const FREE: Self = Self {
        max: Some(Nanousd::ZERO),
        unknown: None,
    };

    pub(crate) fn is_free(&self) -> bool {
        self.max == Some(Nanousd::ZERO)
    }

    fn unknown(why: impl Into<String>) -> Self {
        Self {
            max: None,
            unknown: Some(why.into()),
        }
    }
}

/// The bound of a run of a plan. Its budget is a bound as well.
pub(crate) fn of(
    plan: &Plan,
    offer: Offer<'_>,
    inputs: &Map<String, Json>,
    total: Option<Nanousd>,
) -> Option<Nanousd> {
    let sites = sites::of(plan);
    let mut max = Some(Nanousd::ZERO);
    for site in &sites {
        let prompt = Prompt::of(site, inputs);
        let bounds = of_site(site, around(&sites, site), offer, &prompt);
        max = max.zip(bounds.max).and_then(|(a, b)| a.checked_add(b));
    }
    match (max, total) {
        (Some(max), Some(total)) => Some(max.min(total)),
        (max, total) => max.or(total),
    }
}

/// The sites that a site is nested in.
pub(crate) fn around<'s, 'p>(
    sites: &'s [Site<'p>],
    site: &Site<'p>,
) -> impl Iterator<Item = &'s Site<'p>> + use<'s, 'p> {
    let path = site.path.clone();
    sites.iter().filter(move |other| {
        let rest = path.strip_prefix(other.path.as_str());
        rest.is_some_and(|rest| rest.starts_with('/'))
    })
}

/// The bound of one step, without what is nested in it.
pub(crate) fn of_site<'s, 'p: 's>(
    site: &'s Site<'p>,
    around: impl Iterator<Item = &'s Site<'p>>,
    offer: Offer<'_>,
    prompt: &Prompt,
) -> Bounds {
    if site.asks().is_none() {
        return Bounds::FREE;
    }
    let Some(meaning) = sites::meaning(site, offer) else {
        return Bounds::unknown("its agent is registered in the program");
    };
    if meaning.found.is_empty() {
        return Bounds::unknown(match offer.is_at_rest {
            true => format!(
                "which model {} means is found out by a run",
                meaning.asked.join(", ")
            ),
            false => format!("no model of {} is to be had here", meaning.asked.join(", ")),
        });
    }
    let bounds = paid(site, around, &meaning, offer.prices, prompt);
    let budget = site.settings().budget.and_then(|budget| budget.usd);
    match (bounds.max, budget) {
        (Some(max), Some(budget)) => Bounds {
            max: Some(max.min(budget)),
            unknown: None,
        },
        (None, Some(budget)) => Bounds {
            max: Some(budget),
            unknown: None,
        },
        _ => bounds,
    }
}

fn paid<'s, 'p: 's>(
    site: &'s Site<'p>,
    around: impl Iterator<Item = &'s Site<'p>>,
    meaning: &Meaning,
    prices: &PriceBook,
    prompt: &Prompt,
) -> Bounds {
    let mut priced = Vec::new();
    for model in &meaning.found {
        match price(model, prices) {
            None => return Bounds::unknown(format!("what {} costs: it has no price here", model.chosen)),
            Some(price) if price == Price::FREE => {}
            Some(price) => priced.push((model, price)),
        }
    }
    let Some((first, _)) = priced.first() else {
        return Bounds::FREE;
    };
    let Some(agent) = site.asks().and_then(|asked| site.plan.agents.get(&asked.agent)) else {
        return Bounds::unknown("its agent is registered in the program");
    };
    let mut times = 1_u64;
    let mut callers = BTreeSet::new();
    for site in around.chain([site]) {
        match site.step.kind {
            _ if site.step.each.is_some() => return Bounds::unknown("the number of items"),
            Kind::Repeat => return Bounds::unknown("the number of rounds"),
            // Whatever is around it begins it again with each of its own attempts.
            _ => times = times.saturating_mul(u64::from(site.settings().retry.max_attempts)),
        }
        let Some(called) = &site.called else { continue };
        // The steps of one pipeline are in it side by side: what calls it counts once.
        if !callers.insert((called.by, called.tool.name.as_str())) {
            continue;
        }
        let limits = &called.tool.limits;
        let Some(most) = limits.max_calls else {
            return Bounds::unknown(format!("how often `{}` will be called", called.tool.name));
        };
        let tries = u64::from(limits.retries.unwrap_or(0)) + 1;
        times = times.saturating_mul(u64::from(most)).saturating_mul(tries);
    }
    if !agent.tools.is_empty() {
        return Bounds::unknown("what its tools will tell it");
    }
    let Some(known) = prompt.exactly() else {
        return Bounds::unknown(format!("how long the prompt for {} will be", first.chosen));
    };
    let mut sum = Some(Nanousd::ZERO);
    for (model, price) in &priced {
        let attempt = attempt(agent, price, known, most_tokens(site, agent, model), times > 1);
        let all = attempt.and_then(|attempt| {
            let nanos = i64::try_from(times)
                .ok()
                .and_then(|times| attempt.nanos().checked_mul(times));
            nanos.and_then(Nanousd::from_nanos)
        });
        sum = sum.zip(all).and_then(|(a, b)| a.checked_add(b));
    }
    match sum {
        Some(max) => Bounds {
            max: Some(max),
            unknown: None,
        },
        None => Bounds::unknown("an amount beyond the largest"),
    }
}

/// What one attempt costs at most with a model: its first answer, and each time it is told what was wrong with one.
fn attempt(agent: &PlannedAgent, price: &Price, known: u64, most: u64, is_again: bool) -> Option<Nanousd> {
    let nudges = match &agent.complete {
        Complete::Marker { max_nudges, .. } => u64::from(*max_nudges),
        _ => 0,
    };
    let turns = (u64::from(agent.repairs) + nudges + 1).min(u64::from(agent.max_turns));
    let schema = agent
        .output
        .as_ref()
        .map_or(0, |schema| tokens_of(&schema.as_json().to_string()));
    let first = known + FRAMES + schema + if is_again { most + TOLD } else { 0 };
    (0..turns).try_fold(Nanousd::ZERO, |sum, turn| {
        let input = first + turn * (2 * most + TOLD);
        sum.checked_add(price.upper_bound(input, most).ok()?)
    })
}

/// Most output tokens of a call, as the run will have it.
fn most_tokens(site: &Site<'_>, agent: &PlannedAgent, model: &Chosen) -> u64 {
    let own = site.asks().and_then(|asked| asked.over.settings.max_tokens);
    let most = own
        .or(agent.model_settings.max_tokens)
        .or(model.settings.max_tokens);
    u64::from(most.unwrap_or(MAX_TOKENS))
}

/// The price of a model here.
pub(crate) fn price(model: &Chosen, prices: &PriceBook) -> Option<Price> {
    price_of(&model.chosen, prices)
}

pub(crate) fn price_of(model: &str, prices: &PriceBook) -> Option<Price> {
    let (provider, name) = model.split_once('/').unwrap_or(("", model));
    prices.look_up(provider, name).price
}
