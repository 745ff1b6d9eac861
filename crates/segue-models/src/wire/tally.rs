//! Tallies: what a provider says a call used, read with suspicion. A number that cannot be one makes all of them unknown, and
//! the run counts by itself; it never becomes zero.

use segue::Usage;
use serde_json::Value as Json;

/// More tokens than this are in no call.
const MOST: u64 = 10_000_000;

/// The usage object of a provider.
#[derive(Clone, Copy)]
pub(super) struct Tally<'a>(pub(super) &'a Json);

impl<'a> Tally<'a> {
    /// A count that has to be there.
    pub(super) fn count(self, path: &[&str]) -> Option<u64> {
        count(self.at(path)?)
    }

    /// A count that is zero where nothing is said.
    pub(super) fn or_zero(self, path: &[&str]) -> Option<u64> {
        match self.at(path) {
            None | Some(Json::Null) => Some(0),
            Some(value) => count(value),
        }
    }

    fn at(self, path: &[&str]) -> Option<&'a Json> {
        // A `null` on the way is the same as nothing.
        path.iter().try_fold(self.0, |value, name| value.get(name))
    }
}

fn count(value: &Json) -> Option<u64> {
    value.as_u64().filter(|count| *count <= MOST)
}

/// Tokens written to a cache, where a provider counts them unadjusted: some can be among those that were read.
pub(super) fn rest(input: u64, read: u64, written: u64) -> u64 {
    written.min(input.saturating_sub(read))
}

/// The usage, if its parts are not more than the whole.
pub(super) fn sound(usage: Usage) -> Option<Usage> {
    let cached = usage.cache_read_tokens + usage.cache_write_tokens;
    let fits = cached <= usage.input_tokens
        && usage.reasoning_tokens <= usage.output_tokens
        && usage.audio_tokens <= usage.input_tokens + usage.output_tokens
        && usage.input_tokens <= MOST
        && usage.output_tokens <= MOST;
    fits.then_some(usage)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_count_is_unknown() {
        for odd in [
            json!(null),
            json!("12"),
            json!(-1),
            json!(1.5),
            json!(12.0),
            json!(10_000_001),
            json!(true),
            json!([1]),
        ] {
            let usage = json!({"a": odd});
            assert_eq!(Tally(&usage).count(&["a"]), None, "{odd}");
            let absent = odd.is_null().then_some(0);
            assert_eq!(Tally(&usage).or_zero(&["a"]), absent, "{odd}");
        }
        let usage = json!({"a": {"b": 7}, "c": null});
        assert_eq!(Tally(&usage).count(&["a", "b"]), Some(7));
        assert_eq!(Tally(&usage).or_zero(&["c", "b"]), Some(0));
    }

    #[test]
    fn parts_are_not_more_than_the_whole() {
        let usage = Usage {
            input_tokens: 10,
            output_tokens: 5,
            cache_read_tokens: 6,
            cache_write_tokens: 4,
            reasoning_tokens: 5,
            ..Usage::default()
        };
        assert_eq!(sound(usage), Some(usage));
        let cached = Usage {
            cache_read_tokens: 7,
            ..usage
        };
        let thought = Usage {
            reasoning_tokens: 6,
            ..usage
        };
        let heard = Usage {
            audio_tokens: 16,
            ..usage
        };
        assert_eq!([cached, thought, heard].map(sound), [None; 3]);
    }
}
