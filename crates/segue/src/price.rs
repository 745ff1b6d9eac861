//! Prices: what a model charges, and what a call therefore costs.
//!
//! A [`PriceBook`] is asked once per model when a run resolves its models; the [`Price`] it gives
//! is then used for every call: [`Price::upper_bound`] before, to reserve, and [`Price::cost_of`]
//! after, to settle. All of it is integer arithmetic, rounded up once per call. A model the book
//! does not know is unpriced, never free. Nothing here reads a clock or the network.

mod book;
mod list;

pub use book::{PriceBook, PriceOverride};

use serde::{Deserialize, Serialize};

use crate::money::{Nanousd, optional_decimal};
use crate::usage::Usage;

/// What a model charges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// The rates of an ordinary call.
    pub rates: Rates,
    /// The rates of a call with a long input, where the provider charges more for those.
    pub long_input: Option<LongInput>,
    /// A charge for each request, whatever its size.
    pub request: Nanousd,
}

/// Rates for each kind of token, each in nano-dollars for a million tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Input tokens that were not cached.
    pub input: Nanousd,
    /// Output tokens, reasoning included.
    pub output: Nanousd,
    /// Input tokens read from the cache.
    pub cache_read: Nanousd,
    /// Input tokens written to the cache.
    pub cache_write: Nanousd,
    /// Tokens that carry audio, where they are charged apart from text.
    pub audio: Option<Nanousd>,
}

/// Rates that replace the ordinary ones for the whole call once its input is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongInput {
    /// The largest count of input tokens that still has the ordinary rates.
    pub above: u64,
    /// None of these is below its ordinary rate, so the bound of a call holds for a shorter one.
    pub rates: Rates,
}

const MILLION: i128 = 1_000_000;

/// The arithmetic of a price went beyond [`Nanousd::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cost of the call is more than the largest amount, {max} dollars", max = Nanousd::MAX)]
pub struct CostTooLarge;

impl Price {
    /// The price of what costs nothing.
    pub const FREE: Self = Self {
        rates: Rates::flat(Nanousd::ZERO, Nanousd::ZERO),
        long_input: None,
        request: Nanousd::ZERO,
    };

    /// A price with one rate for input and one for output, in nano-dollars per million tokens.
    pub const fn per_million(input: Nanousd, output: Nanousd) -> Self {
        Self {
            rates: Rates::flat(input, output),
            long_input: None,
            request: Nanousd::ZERO,
        }
    }

    /// The cost of one call, rounded up to a nano-dollar.
    ///
    /// Cached tokens are parts of `input_tokens`. Should a provider report more cached tokens than
    /// input, they are charged all the same: wrong counts never lower a cost. Which side audio
    /// tokens were on is not counted, so they are charged as if on the cheaper side before.
    ///
    /// # Errors
    /// When the cost is beyond [`Nanousd::MAX`].
    pub fn cost_of(&self, usage: &Usage) -> Result<Nanousd, CostTooLarge> {
        let rates = self.rates_at(usage.input_tokens);
        let cached = usage.cache_read_tokens.saturating_add(usage.cache_write_tokens);
        let mut sum = Sum::of(self.request);
        sum.add(usage.input_tokens.saturating_sub(cached), rates.input)?;
        sum.add(usage.cache_read_tokens, rates.cache_read)?;
        sum.add(usage.cache_write_tokens, rates.cache_write)?;
        sum.add(usage.output_tokens, rates.output)?;
        if let Some(audio) = rates.audio {
            let text = rates.input.min(rates.output);
            sum.add(usage.audio_tokens, audio.checked_sub(text).unwrap_or_default())?;
        }
        sum.rounded_up()
    }

    /// The most a text call can cost, rounded up to a nano-dollar.
    ///
    /// The input is taken at the dearest rate it can have: a cache write costs more than plain
    /// input with some providers, and which tokens are cached is known only afterwards.
    ///
    /// # Errors
    /// When the cost is beyond [`Nanousd::MAX`].
    pub fn upper_bound(&self, input_tokens: u64, max_output_tokens: u64) -> Result<Nanousd, CostTooLarge> {
        let rates = self.rates_at(input_tokens);
        let mut sum = Sum::of(self.request);
        sum.add(input_tokens, rates.dearest_input())?;
        sum.add(max_output_tokens, rates.output)?;
        sum.rounded_up()
    }

    /// The most output tokens for which [`Price::upper_bound`] stays within `money`, or `None`
    /// when the input alone is more than that.
    pub fn output_within(&self, input_tokens: u64, money: Nanousd) -> Option<u64> {
        let rates = self.rates_at(input_tokens);
        let mut before_output = Sum::of(self.request);
        before_output.add(input_tokens, rates.dearest_input()).ok()?;
        let left = i128::from(money.nanos()) * MILLION - before_output.0;
        if left < 0 {
            return None;
        }
        match i128::from(rates.output.nanos()) {
            0 => Some(u64::MAX),
            rate => Some(u64::try_from(left / rate).unwrap_or(u64::MAX)),
        }
    }

    fn rates_at(&self, input_tokens: u64) -> &Rates {
        match &self.long_input {
            Some(long) if input_tokens > long.above => &long.rates,
            _ => &self.rates,
        }
    }
}

impl Rates {
    /// Rates without separate ones for cached tokens and audio.
    pub const fn flat(input: Nanousd, output: Nanousd) -> Self {
        Self {
            input,
            output,
            cache_read: input,
            cache_write: input,
            audio: None,
        }
    }

    fn dearest_input(&self) -> Nanousd {
        self.input.max(self.cache_read).max(self.cache_write)
    }
}

/// A cost being added up, in millionths of a nano-dollar, so that it is rounded only once.
struct Sum(i128);

impl Sum {
    fn of(nanousd: Nanousd) -> Self {
        Self(i128::from(nanousd.nanos()) * MILLION)
    }

    fn add(&mut self, tokens: u64, rate: Nanousd) -> Result<(), CostTooLarge> {
        let part = i128::from(tokens)
            .checked_mul(i128::from(rate.nanos()))
            .ok_or(CostTooLarge)?;
        self.0 = self.0.checked_add(part).ok_or(CostTooLarge)?;
        Ok(())
    }

    fn rounded_up(self) -> Result<Nanousd, CostTooLarge> {
        let up = self.0 / MILLION + i128::from(self.0 % MILLION > 0);
        i64::try_from(up)
            .ok()
            .and_then(Nanousd::from_nanos)
            .ok_or(CostTooLarge)
    }
}

/// Where a price came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PriceSource {
    /// The public price list built into the program.
    List,
    /// The operator's own prices.
    Override,
    /// A model in this process, or on a server of this machine that runs it itself, which costs nothing.
    Local,
    /// Nowhere: the price is unknown.
    Unpriced,
    /// A recorded call that is replayed.
    Recorded,
}

/// A model's price, if it has one, and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priced {
    /// `None` when the model is unpriced.
    pub price: Option<Price>,
    /// Where `price` came from.
    pub source: PriceSource,
}

impl Priced {
    /// A model without a known price.
    pub const UNPRICED: Self = Self {
        price: None,
        source: PriceSource::Unpriced,
    };

    /// The price as a call's record keeps it.
    pub fn record(&self) -> PriceRecord {
        PriceRecord {
            source: self.source,
            input: self.price.map(|price| price.rates.input),
            output: self.price.map(|price| price.rates.output),
        }
    }
}

/// The price of a recorded call: its source, and the rates as decimal dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRecord {
    /// Where the price came from.
    pub source: PriceSource,
    /// The ordinary input rate; absent for an unpriced model.
    #[serde(default, with = "optional_decimal")]
    pub input: Option<Nanousd>,
    /// The ordinary output rate; absent for an unpriced model.
    #[serde(default, with = "optional_decimal")]
    pub output: Option<Nanousd>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::usd;
    use proptest::prelude::*;

    fn nanos(nanos: i64) -> Nanousd {
        Nanousd::from_nanos(nanos).expect("test amounts are at least zero")
    }

    /// $1.25, $10, cached reads at a tenth, cache writes a quarter dearer.
    fn cached() -> Price {
        let mut price = Price::per_million(usd(1.25), usd(10.0));
        price.rates.cache_read = usd(0.125);
        price.rates.cache_write = usd(1.5625);
        price
    }

    #[test]
    fn a_call_is_rounded_up_once() {
        let third = Price::per_million(nanos(333_333), nanos(333_333));
        let one_each = Usage {
            input_tokens: 1,
            output_tokens: 1,
            ..Usage::default()
        };
        assert_eq!(third.cost_of(&one_each), Ok(nanos(1)));
        assert_eq!(third.cost_of(&Usage::default()), Ok(Nanousd::ZERO));
        assert_eq!(third.upper_bound(3, 1), Ok(nanos(2)));
    }

    #[test]
    fn cached_tokens_have_their_own_rate() {
        let usage = Usage {
            input_tokens: 1_000_000,
            cache_read_tokens: 600_000,
            cache_write_tokens: 200_000,
            output_tokens: 100_000,
            reasoning_tokens: 90_000,
            ..Usage::default()
        };
        // 0.2 × 1.25 + 0.6 × 0.125 + 0.2 × 1.5625 + 0.1 × 10
        assert_eq!(cached().cost_of(&usage), Ok(usd(1.6375)));
    }

    #[test]
    fn impossible_counts_never_lower_a_cost() {
        let usage = Usage {
            input_tokens: 10,
            cache_read_tokens: 1_000_000,
            ..Usage::default()
        };
        assert_eq!(cached().cost_of(&usage), Ok(usd(0.125)));
        let absurd = Usage {
            input_tokens: u64::MAX,
            ..Usage::default()
        };
        assert_eq!(cached().cost_of(&absurd), Err(CostTooLarge));
    }

    #[test]
    fn long_inputs_change_the_rates_of_the_whole_call() {
        let long_input = Some(LongInput {
            above: 1_000,
            rates: Rates::flat(usd(2.0), usd(20.0)),
        });
        let price = Price {
            long_input,
            ..Price::per_million(usd(1.0), usd(10.0))
        };
        assert_eq!(price.upper_bound(1_000, 100), Ok(usd(0.002)));
        assert_eq!(price.upper_bound(1_001, 100), Ok(usd(0.004002)));
    }

    #[test]
    fn records_have_the_published_shape() {
        let priced = Priced {
            price: Some(cached()),
            source: PriceSource::List,
        };
        let text = serde_json::to_string(&priced.record()).expect("a record is serializable");
        assert_eq!(text, r#"{"source":"list","input":"1.25","output":"10.00"}"#);
        assert_eq!(
            serde_json::from_str::<PriceRecord>(&text).ok(),
            Some(priced.record())
        );
        let none = serde_json::to_string(&Priced::UNPRICED.record()).expect("a record is serializable");
        assert_eq!(none, r#"{"source":"unpriced","input":null,"output":null}"#);
        assert!(serde_json::from_str::<PriceOverride>(r#"{"input":0.25,"output":"2"}"#).is_err());
    }

    prop_compose! {
        fn any_rates()(r in prop::array::uniform4(0_i64..100_000_000_000)) -> Rates {
            let [input, output, cache_read, cache_write] = r.map(nanos);
            Rates { input, output, cache_read, cache_write, audio: None }
        }
    }

    proptest! {
        #[test]
        fn no_call_within_its_bounds_costs_more_than_reserved(
            rates in any_rates(), dearer in 0_i64..1_000_000_000, above in 0_u64..20_000,
            input in 0_u64..20_000, max in 0_u64..20_000, parts in prop::array::uniform4(0..=100_u64),
        ) {
            let up = |rate: Nanousd| nanos(rate.nanos() + dearer);
            let long = Rates {
                input: up(rates.input), output: up(rates.output),
                cache_read: up(rates.cache_read), cache_write: up(rates.cache_write), audio: None,
            };
            let price = Price { rates, long_input: Some(LongInput { above, rates: long }), request: nanos(7) };
            let part = |of: u64, percent: u64| of * percent / 100;
            let actual = part(input, parts[0]);
            let cache_read_tokens = part(actual, parts[1]);
            let usage = Usage {
                input_tokens: actual,
                cache_read_tokens,
                cache_write_tokens: part(actual - cache_read_tokens, parts[2]),
                output_tokens: part(max, parts[3]),
                ..Usage::default()
            };
            prop_assert!(price.cost_of(&usage)? <= price.upper_bound(input, max)?);
        }

        #[test]
        fn the_output_that_fits_is_the_largest(rates in any_rates(), input in 0_u64..5_000, money in 0_i64..1_000_000_000) {
            let price = Price { rates, request: nanos(3), ..Price::default() };
            let money = nanos(money);
            match price.output_within(input, money) {
                None => prop_assert!(price.upper_bound(input, 0)? > money),
                Some(u64::MAX) => prop_assert_eq!(rates.output, Nanousd::ZERO),
                Some(most) => {
                    prop_assert!(price.upper_bound(input, most)? <= money);
                    prop_assert!(price.upper_bound(input, most + 1)? > money);
                }
            }
        }
    }
}
