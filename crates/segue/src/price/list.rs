//! The public price list, read through `genai-prices`.
//!
//! That crate answers only "what would this usage cost", in floating-point dollars. So each rate
//! is found by pricing a probe, and turned into an integer once. Used by [`super::PriceBook`]
//! alone, which remembers the answers.

use std::time::{Duration, SystemTime};

use genai_prices::{Calculator, PriceRequest, Usage, UsageKey};

use super::{LongInput, Price, Rates};
use crate::money::Nanousd;

/// More input tokens than any model takes: whatever a long input costs, this one costs.
const LONGEST: u64 = 10_000_000;

/// Reads the list now rather than at the first look-up.
pub(super) fn warm_up() {
    let _ = Calculator::bundled();
}

/// The price of a model on the UTC day of `as_of`, or `None` when the list has no price for both
/// its input and its output.
///
/// Where the list has several rates for one model, the result is never below any that can apply:
/// the dearest hour of the day counts, and several steps for long inputs become one.
pub(super) fn price(provider: &str, model: &str, as_of: SystemTime) -> Option<Price> {
    let model = Listed::find(provider, model)?;
    let hours = hours_of_day(as_of);
    let dearest = |tokens: u64| -> Option<Rates> {
        hours.iter().try_fold(Rates::default(), |dearest, &at| {
            Some(max(dearest, model.rates(tokens, at)?))
        })
    };
    let rates = dearest(1)?;
    let long = max(rates, dearest(LONGEST)?);
    let long_input = (long != rates).then(|| LongInput {
        above: model.last_ordinary_input(as_of),
        rates: long,
    });
    let request = nanousd_up(model.charge(&Usage::new(), as_of)?.total_price)?;
    Some(Price {
        rates,
        long_input,
        request,
    })
}

/// A model the list may have.
struct Listed<'a> {
    provider: &'static str,
    model: &'a str,
}

/// What a probe costs, and the input's and output's part of it, in dollars.
type Charge = genai_prices::PriceCalculation;

impl<'a> Listed<'a> {
    /// Takes only the list's own provider names and the two that differ here. The list would match
    /// by parts of names as well, and so give somebody's own server the prices of another company.
    fn find(provider: &str, model: &'a str) -> Option<Self> {
        let wanted = match provider {
            "gemini" => "google",
            "xai" => "x-ai",
            other => other,
        };
        let found = Calculator::bundled()
            .providers()
            .find(|listed| listed.id() == wanted)?;
        Some(Self {
            provider: found.id(),
            model,
        })
    }

    fn charge(&self, usage: &Usage, at: SystemTime) -> Option<Charge> {
        let request = PriceRequest::new(self.model, usage)
            .with_provider_id(self.provider)
            .with_timestamp(at);
        Calculator::bundled().calculate(&request).ok()
    }

    /// The rates of a call with so many input tokens; `None` without both rates for text, since
    /// the list leaves out what it does not know.
    fn rates(&self, tokens: u64, at: SystemTime) -> Option<Rates> {
        let (input, output) = self.text_rates(tokens, at)?;
        let part_of_input = |part: UsageKey| {
            let n = tokens as f64;
            let usage = Usage::from([(UsageKey::INPUT_TOKENS, n), (part, n)]);
            per_million(self.charge(&usage, at)?.input_price, tokens)
        };
        let heard = part_of_input(UsageKey::INPUT_AUDIO_TOKENS)?;
        let n = tokens as f64;
        let spoken = Usage::from([
            (UsageKey::INPUT_TOKENS, n),
            (UsageKey::OUTPUT_TOKENS, n),
            (UsageKey::OUTPUT_AUDIO_TOKENS, n),
        ]);
        let spoken = per_million(self.charge(&spoken, at)?.output_price, tokens)?;
        Some(Rates {
            input,
            output,
            cache_read: part_of_input(UsageKey::CACHE_READ_TOKENS)?,
            cache_write: part_of_input(UsageKey::CACHE_WRITE_TOKENS)?,
            audio: (heard != input || spoken != output).then(|| heard.max(spoken)),
        })
    }

    fn text_rates(&self, tokens: u64, at: SystemTime) -> Option<(Nanousd, Nanousd)> {
        let n = tokens as f64;
        let usage = Usage::from([(UsageKey::INPUT_TOKENS, n), (UsageKey::OUTPUT_TOKENS, n)]);
        let charge = self.charge(&usage, at)?;
        let input = per_million(charge.input_price, tokens)?;
        let output = per_million(charge.output_price, tokens)?;
        (!input.is_zero() && !output.is_zero()).then_some((input, output))
    }

    /// The most input tokens that have the rates of one, by bisection.
    fn last_ordinary_input(&self, at: SystemTime) -> u64 {
        let ordinary = self.text_rates(1, at);
        let (mut low, mut high) = (1, LONGEST);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.text_rates(middle, at) == ordinary {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// The start of each hour of a UTC day; a few models are cheaper at night.
fn hours_of_day(at: SystemTime) -> [SystemTime; 24] {
    const DAY: u64 = 86_400;
    let seconds = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let midnight = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds - seconds % DAY);
    std::array::from_fn(|hour| midnight + Duration::from_secs(hour as u64 * 3_600))
}

fn per_million(dollars: f64, tokens: u64) -> Option<Nanousd> {
    nanousd_up(dollars / tokens as f64 * 1e6)
}

/// Dollars as whole nano-dollars, rounded up unless the remainder is only floating-point noise.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked, and the number is whole"
)]
fn nanousd_up(dollars: f64) -> Option<Nanousd> {
    let nanos = dollars * 1e9;
    let nearest = nanos.round();
    let noise = 1e-6 + nanos * 1e-12;
    let whole = if (nanos - nearest).abs() <= noise {
        nearest
    } else {
        nanos.ceil()
    };
    // From 2^53 on the digits would no longer be the list's own.
    if whole.is_finite() && (0.0..9e15).contains(&whole) {
        Nanousd::from_nanos(whole as i64)
    } else {
        None
    }
}

fn max(a: Rates, b: Rates) -> Rates {
    Rates {
        input: a.input.max(b.input),
        output: a.output.max(b.output),
        cache_read: a.cache_read.max(b.cache_read),
        cache_write: a.cache_write.max(b.cache_write),
        audio: a.audio.max(b.audio),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_up_but_noise_is_not_a_remainder() {
        let nanos = |dollars| nanousd_up(dollars).map(Nanousd::nanos);
        assert_eq!(nanos(0.1 + 0.2), Some(300_000_000));
        assert_eq!(nanos(0.000_000_000_1), Some(1));
        assert_eq!(nanos(0.000_000_001_2), Some(2));
        assert_eq!(nanos(0.0), Some(0));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e30] {
            assert_eq!(nanos(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn models_all_over_the_list_can_be_looked_up() {
        let mut priced = 0;
        for provider in Calculator::bundled().providers() {
            for model in provider.models().step_by(10) {
                if let Some(price) = price(provider.id(), model.id(), SystemTime::UNIX_EPOCH) {
                    priced += 1;
                    if let Some(long) = price.long_input {
                        assert_eq!(max(price.rates, long.rates), long.rates, "{}", model.id());
                        assert!(long.above < LONGEST - 1, "{}", model.id());
                    }
                }
            }
        }
        assert!(priced > 100, "only {priced} models are priced");
    }

    #[test]
    fn cheaper_hours_are_not_counted_on() {
        let price = |at| {
            let price = price("deepseek", "deepseek-chat", at)?;
            Some((price.rates.input, price.rates.output))
        };
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(43_200);
        let night = SystemTime::UNIX_EPOCH + Duration::from_secs(72_000);
        assert!(price(noon).is_some());
        assert_eq!(price(noon), price(night));
    }
}
