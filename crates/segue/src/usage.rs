//! Usage: what calls consumed, counted.
//!
//! One [`Usage`] is kept per call and summed per attempt, step, agent, model, route and run. It
//! knows nothing of money; [`crate::price`] turns it into a cost.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

/// Counts of tokens, calls and milliseconds.
///
/// Members missing in stored usage read as zero. Sums stop at [`u64::MAX`] instead of wrapping.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens sent to models, cached ones included.
    pub input_tokens: u64,
    /// Tokens produced by models, reasoning included.
    pub output_tokens: u64,
    /// Input tokens read from a provider's cache.
    pub cache_read_tokens: u64,
    /// Input tokens written to a provider's cache.
    pub cache_write_tokens: u64,
    /// Output tokens spent on reasoning.
    pub reasoning_tokens: u64,
    /// Input or output tokens that carried audio.
    pub audio_tokens: u64,
    /// Model calls sent.
    pub requests: u64,
    /// Tool calls made.
    pub tool_calls: u64,
    /// Time spent in model calls, in milliseconds.
    pub model_ms: u64,
    /// Time spent in tool calls, in milliseconds.
    pub tool_ms: u64,
}

impl Usage {
    /// Whether nothing was counted.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Input and output tokens together; the other token counts are parts of these two.
    pub const fn total_tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cache_read_tokens: self.cache_read_tokens.saturating_add(other.cache_read_tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_add(other.cache_write_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
            audio_tokens: self.audio_tokens.saturating_add(other.audio_tokens),
            requests: self.requests.saturating_add(other.requests),
            tool_calls: self.tool_calls.saturating_add(other.tool_calls),
            model_ms: self.model_ms.saturating_add(other.model_ms),
            tool_ms: self.tool_ms.saturating_add(other.tool_ms),
        }
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(usages: I) -> Self {
        usages.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every member different, so that a sum that mixes two of them up is seen.
    const EACH: Usage = Usage {
        input_tokens: 1,
        output_tokens: 2,
        cache_read_tokens: 3,
        cache_write_tokens: 4,
        reasoning_tokens: 5,
        audio_tokens: 6,
        requests: 7,
        tool_calls: 8,
        model_ms: 9,
        tool_ms: 10,
    };

    #[test]
    fn stored_usage_has_the_published_shape() {
        let text = serde_json::to_string(&EACH).expect("usage is serializable");
        assert_eq!(
            text,
            concat!(
                r#"{"input_tokens":1,"output_tokens":2,"cache_read_tokens":3,"cache_write_tokens":4,"#,
                r#""reasoning_tokens":5,"audio_tokens":6,"requests":7,"tool_calls":8,"model_ms":9,"tool_ms":10}"#
            )
        );
        assert_eq!(serde_json::from_str::<Usage>(&text).ok(), Some(EACH));
    }

    #[test]
    fn sums_are_member_by_member_and_never_wrap() {
        let tripled: Usage = [EACH; 3].into_iter().sum();
        let text = serde_json::to_value(tripled).expect("usage is serializable");
        let members: Vec<u64> = text
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, n)| n.as_u64())
            .collect();
        assert_eq!(members, [3, 6, 9, 12, 15, 18, 21, 24, 27, 30]);

        let most = Usage {
            input_tokens: u64::MAX,
            ..EACH
        };
        assert_eq!((most + EACH).input_tokens, u64::MAX);
        assert_eq!(most.total_tokens(), u64::MAX);
        assert_eq!(EACH.total_tokens(), 3);
    }

    #[test]
    fn only_empty_usage_is_zero() {
        assert!(Usage::default().is_zero());
        assert!(
            !Usage {
                tool_ms: 1,
                ..Usage::default()
            }
            .is_zero()
        );
    }
}
