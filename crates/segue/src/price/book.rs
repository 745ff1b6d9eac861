//! The price book: one place to ask what a model charges.
//!
//! Asked once for each model when a run resolves its models, and by the views that list prices.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::{Price, PriceSource, Priced, Rates, list};
use crate::money::{Nanousd, decimal, optional_decimal};

/// Finds the price of a model: the operator's, then the built-in list's; `local/…` and `sim/…`
/// cost nothing unless the operator says otherwise.
#[derive(Debug)]
pub struct PriceBook {
    overrides: BTreeMap<String, Price>,
    /// Providers that are servers on this machine, and send no bill.
    near: BTreeSet<String>,
    as_of: SystemTime,
    /// Look-ups in the list already made, by provider and model: the list is slow to search.
    known: RwLock<BTreeMap<String, BTreeMap<String, Priced>>>,
}

/// A copy begins with no look-ups made.
impl Clone for PriceBook {
    fn clone(&self) -> Self {
        Self {
            overrides: self.overrides.clone(),
            near: self.near.clone(),
            as_of: self.as_of,
            known: RwLock::default(),
        }
    }
}

impl PriceBook {
    /// A book with the list prices that hold on the UTC day of `as_of`.
    pub fn new(as_of: SystemTime) -> Self {
        Self {
            overrides: BTreeMap::new(),
            near: BTreeSet::new(),
            as_of,
            known: RwLock::default(),
        }
    }

    /// Sets the operator's price of `model`, named like `openai/gpt-5-mini`.
    #[must_use]
    pub fn with_override(mut self, model: impl Into<String>, price: impl Into<Price>) -> Self {
        self.overrides.insert(model.into(), price.into());
        self
    }

    /// Takes a provider for a server on this machine that runs its models itself: where the operator sets no price they cost
    /// nothing, but for those it has from elsewhere, which have `cloud` in their tag.
    #[must_use]
    pub fn with_local(mut self, provider: impl Into<String>) -> Self {
        self.near.insert(provider.into());
        self
    }

    /// The operator's prices, by model.
    pub fn overrides(&self) -> impl Iterator<Item = (&str, &Price)> {
        self.overrides
            .iter()
            .map(|(model, price)| (model.as_str(), price))
    }

    /// Reads the built-in list, which takes tens of milliseconds, so that the first look-up does
    /// not. Worth calling on a thread that nobody waits for.
    pub fn warm_up() {
        list::warm_up();
    }

    /// The price of a provider's model.
    pub fn look_up(&self, provider: &str, model: &str) -> Priced {
        if !self.overrides.is_empty()
            && let Some(price) = self.overrides.get(&format!("{provider}/{model}"))
        {
            return Priced {
                price: Some(*price),
                source: PriceSource::Override,
            };
        }
        if matches!(provider, "local" | "sim") || (self.near.contains(provider) && is_run_here(model)) {
            return Priced {
                price: Some(Price::FREE),
                source: PriceSource::Local,
            };
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(priced) = known.get(provider).and_then(|models| models.get(model)) {
            return *priced;
        }
        drop(known);
        let priced = match list::price(provider, model, self.as_of) {
            Some(price) => Priced {
                price: Some(price),
                source: PriceSource::List,
            },
            None => Priced::UNPRICED,
        };
        self.remember(provider, model, priced);
        priced
    }

    fn remember(&self, provider: &str, model: &str, priced: Priced) {
        // Names come from pipeline files, so a server may meet ever new ones.
        const MOST: usize = 4_096;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.values().map(BTreeMap::len).sum::<usize>() >= MOST {
            known.clear();
        }
        known
            .entry(provider.to_owned())
            .or_default()
            .insert(model.to_owned(), priced);
    }
}

/// Whether a server runs a model itself: `gpt-oss:120b-cloud` and `qwen3-coder:cloud` are somebody else's, and billed.
fn is_run_here(model: &str) -> bool {
    let tag = model.rsplit_once(':').map_or("", |(_, tag)| tag);
    tag != "cloud" && !tag.ends_with("-cloud")
}

/// A price set by the operator: decimal texts, each in dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceOverride {
    /// Input tokens that were not cached.
    #[serde(with = "decimal")]
    pub input: Nanousd,
    /// Output tokens, reasoning included.
    #[serde(with = "decimal")]
    pub output: Nanousd,
    /// Input tokens read from the cache; the input rate when absent.
    #[serde(default, with = "optional_decimal", skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Nanousd>,
    /// Input tokens written to the cache; the input rate when absent.
    #[serde(default, with = "optional_decimal", skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Nanousd>,
    /// Audio tokens; charged like text when absent.
    #[serde(default, with = "optional_decimal", skip_serializing_if = "Option::is_none")]
    pub audio: Option<Nanousd>,
}

impl From<PriceOverride> for Price {
    fn from(set: PriceOverride) -> Self {
        let rates = Rates {
            input: set.input,
            output: set.output,
            cache_read: set.cache_read.unwrap_or(set.input),
            cache_write: set.cache_write.unwrap_or(set.input),
            audio: set.audio,
        };
        Self {
            rates,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::money::{cents, usd};

    #[test]
    fn overrides_come_first_then_local_then_the_list() {
        let set: PriceOverride =
            serde_json::from_str(r#"{"input":"0.25","output":"2.00","cache_read":"0.025"}"#)
                .expect("the published form");
        let book = PriceBook::new(SystemTime::UNIX_EPOCH)
            .with_override("openai/gpt-5", set)
            .with_override("sim/schema", Price::per_million(cents(1), cents(2)));

        let ours = book.look_up("openai", "gpt-5");
        assert_eq!(ours.source, PriceSource::Override);
        let rates = ours.price.expect("it was set").rates;
        assert_eq!(
            (rates.input, rates.cache_read, rates.cache_write),
            (usd(0.25), usd(0.025), usd(0.25))
        );

        assert_eq!(book.look_up("sim", "schema").source, PriceSource::Override);
        assert_eq!(book.look_up("sim", "script").price, Some(Price::FREE));
        assert_eq!(book.look_up("local", "extractive").source, PriceSource::Local);
        assert_eq!(book.look_up("openai", "gpt-5-mini").source, PriceSource::List);
    }

    #[test]
    fn what_nobody_prices_is_unpriced() {
        let book = PriceBook::new(SystemTime::UNIX_EPOCH);
        for (provider, model) in [
            ("openai", "no-such-model"),
            ("my-openai-proxy", "gpt-5"),
            ("nobody", "gpt-5"),
            ("ollama", "qwen3"),
            ("openai", "text-embedding-3-small"),
            ("", ""),
        ] {
            assert_eq!(
                book.look_up(provider, model),
                Priced::UNPRICED,
                "{provider}/{model}"
            );
            assert_eq!(
                book.look_up(provider, model),
                Priced::UNPRICED,
                "again: {provider}/{model}"
            );
        }
    }

    #[test]
    fn a_server_on_this_machine_sends_no_bill_for_what_it_runs_itself() {
        let book = PriceBook::new(SystemTime::UNIX_EPOCH)
            .with_override("ollama/paid", Price::per_million(cents(1), cents(2)))
            .with_local("ollama");
        let source = |model: &str| book.look_up("ollama", model).source;
        assert_eq!(source("qwen3:8b"), PriceSource::Local);
        assert_eq!(book.look_up("ollama", "qwen3").price, Some(Price::FREE));
        assert_eq!(source("paid"), PriceSource::Override);
        assert_eq!(source("gpt-oss:120b-cloud"), PriceSource::Unpriced);
        assert_eq!(source("qwen3-coder:cloud"), PriceSource::Unpriced);
        assert_eq!(book.look_up("llama", "qwen3").source, PriceSource::Unpriced);
    }

    #[test]
    fn list_prices_are_exact_integers() {
        let day = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_323_200);
        let book = PriceBook::new(day);
        let price = book.look_up("openai", "gpt-5").price.expect("the list has it");
        assert_eq!(
            price.rates,
            Rates {
                cache_read: usd(0.125),
                ..Rates::flat(usd(1.25), usd(10.0))
            }
        );
        assert_eq!(price.long_input, None);

        let price = book
            .look_up("anthropic", "claude-sonnet-4-5")
            .price
            .expect("the list has it");
        assert_eq!(
            (price.rates.input, price.rates.cache_write),
            (usd(3.0), usd(3.75))
        );
        let long = price.long_input.expect("it charges more for long inputs");
        assert_eq!(
            (long.above, long.rates.input, long.rates.output),
            (200_000, usd(6.0), usd(22.5))
        );
        assert!(book.look_up("gemini", "gemini-2.5-flash").price.is_some());
    }
}
