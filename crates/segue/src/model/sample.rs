//! Answers of the right shape with made-up contents: what `sim/schema` says.
//!
//! Equal seeds give equal values, other seeds other ones where the schema leaves room. The contents are short and named after
//! the properties, so that a person sees at once that they are made up. Nothing is read but the schema.

use serde_json::{Map, Value, json};

use super::extractive::shape::{Pattern, Place, Source, fill};

/// A value that `schema` accepts, drawn by `seed`; null where the schema cannot be satisfied here.
///
/// Patterns beyond simple ones (look-around, back references) are not met.
#[must_use]
pub fn sample(schema: &Value, seed: u64) -> Value {
    fill(schema, &mut Sampler { state: seed })
}

struct Sampler {
    state: u64,
}

const QUALITIES: [&str; 16] = [
    "amber", "brisk", "calm", "clear", "early", "fresh", "gentle", "green", "light", "lively", "plain",
    "quiet", "round", "silver", "steady", "warm",
];
const THINGS: [&str; 12] = [
    "apple", "bridge", "cedar", "garden", "harbour", "lantern", "meadow", "paper", "river", "stone",
    "valley", "window",
];

impl Sampler {
    /// The next 64 bits; the constants are those of SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, ways: usize) -> usize {
        let ways = u64::try_from(ways).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % ways).unwrap_or(0)
    }

    fn one_of(&mut self, words: &[&'static str]) -> &'static str {
        let at = self.below(words.len());
        words.get(at).copied().unwrap_or("plain")
    }

    fn formatted(&mut self, format: &str) -> Option<String> {
        let word = self.one_of(&THINGS);
        let number = self.below(90) + 10;
        Some(match format {
            "email" | "idn-email" => format!("{word}{number}@example.org"),
            "uri" | "uri-reference" | "iri" | "url" => format!("https://example.org/{word}/{number}"),
            "date" => self.date(),
            "date-time" => format!("{}T{:02}:{:02}:00Z", self.date(), self.below(24), self.below(60)),
            "time" => format!("{:02}:{:02}:00Z", self.below(24), self.below(60)),
            "duration" => format!("PT{number}M"),
            "uuid" => {
                let (high, low) = (self.next(), self.next());
                let hex = format!("{high:016x}{low:016x}");
                format!(
                    "{}-{}-4{}-8{}-{}",
                    &hex[..8],
                    &hex[8..12],
                    &hex[13..16],
                    &hex[17..20],
                    &hex[20..]
                )
            }
            "ipv4" => format!("192.0.2.{number}"),
            "ipv6" => format!("2001:db8::{number}"),
            "hostname" | "idn-hostname" => format!("{word}{number}.example.org"),
            _ => return None,
        })
    }

    fn date(&mut self) -> String {
        format!(
            "20{:02}-{:02}-{:02}",
            20 + self.below(10),
            1 + self.below(12),
            1 + self.below(28)
        )
    }
}

impl Source for Sampler {
    fn text(&mut self, place: &Place<'_>, least: usize, most: usize) -> String {
        if let Some(text) = self.formatted(place.format) {
            return text;
        }
        let name = if place.name.is_empty() {
            "answer"
        } else {
            place.name
        }
        .replace(['_', '-'], " ");
        let number = self.below(1000);
        let mut text = format!("{} {name} {number}", self.one_of(&QUALITIES));
        if text.chars().count() > most {
            // The number tells two short texts apart for longest.
            text = format!(
                "{}{number}",
                self.one_of(&THINGS)
                    .chars()
                    .take(most.saturating_sub(3))
                    .collect::<String>()
            );
        }
        while text.chars().count() < least && text.len() < 4000 {
            text = format!("{text} {} {}", self.one_of(&QUALITIES), self.one_of(&THINGS));
        }
        text
    }

    fn matching(&mut self, _place: &Place<'_>, _pattern: &Pattern) -> Option<String> {
        None
    }

    fn number(&mut self, _place: &Place<'_>, low: Option<f64>, high: Option<f64>) -> f64 {
        let share = self.below(1001) as f64 / 1000.0;
        let (from, to) = match (low, high) {
            (Some(low), Some(high)) => (low, high),
            (Some(low), None) => (low, low + 100.0),
            (None, Some(high)) => (high - 100.0, high),
            (None, None) => (0.0, 100.0),
        };
        let value = from + share * (to - from);
        format!("{value:.3}").parse().unwrap_or(value)
    }

    fn boolean(&mut self, _place: &Place<'_>) -> bool {
        self.below(2) == 1
    }

    fn choose(&mut self, _place: &Place<'_>, labels: &[String]) -> Vec<usize> {
        vec![self.below(labels.len())]
    }

    fn subjects(&mut self, place: &Place<'_>, _kind: &str, least: usize, most: usize) -> Vec<String> {
        let usual = 1 + self.below(3);
        let wanted = if least > 0 { least.max(usual) } else { usual }
            .min(most)
            .min(2000);
        (0..wanted)
            .map(|at| format!("{} {}", place.name, at + 1))
            .collect()
    }

    fn free_object(&mut self, place: &Place<'_>) -> Map<String, Value> {
        let text = self.text(place, 0, usize::MAX);
        [("value".to_owned(), json!(text))].into_iter().collect()
    }

    fn absent(&mut self, _place: &Place<'_>) -> bool {
        self.below(5) == 0
    }

    fn draw(&mut self, ways: usize) -> usize {
        self.below(ways)
    }
}
