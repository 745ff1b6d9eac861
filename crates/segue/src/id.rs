//! Ids: how runs, calls, questions and artifacts are named.
//!
//! An id is a short prefix and 26 characters of `[a-z0-9]` made from 128 random bits. Where the bits come from is a
//! seam ([`Ids`]), so that a test can have the same ids twice; nothing else in the crate asks for randomness.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The digits of an id, in order.
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// 36^25 < 2^128 < 36^26, so 26 digits hold 128 bits.
const LENGTH: usize = 26;

/// Ids whose bits are asked for together: the call into the system costs as much as a short step.
const BLOCK: usize = 16;

/// Where the bits of new ids come from.
pub trait Ids: Send + Sync + 'static {
    /// 128 fresh bits.
    fn bits(&self) -> u128;
}

/// Bits from the operating system; the default.
#[derive(Debug, Default, Clone, Copy)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is the seam for randomness")]
    fn bits(&self) -> u128 {
        thread_local! {
            static FRESH: RefCell<Vec<u128>> = const { RefCell::new(Vec::new()) };
        }
        FRESH.with_borrow_mut(|fresh| {
            if let Some(bits) = fresh.pop() {
                return bits;
            }
            let mut bytes = [0u8; 16 * BLOCK];
            // A system without randomness cannot name runs safely; there is nothing sensible to go on with.
            getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
            let (blocks, _) = bytes.as_chunks::<16>();
            let (first, rest) = blocks.split_first().expect("a block holds several ids");
            fresh.extend(rest.iter().map(|bits| u128::from_le_bytes(*bits)));
            u128::from_le_bytes(*first)
        })
    }
}

/// Counting ids for tests and examples: the first is 1, and so on.
#[derive(Debug, Default)]
pub struct CountingIds(AtomicU64);

impl CountingIds {
    /// The first is the one after this number.
    #[must_use]
    pub fn after(last: u64) -> Self {
        Self(AtomicU64::new(last))
    }
}

impl Ids for CountingIds {
    fn bits(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// A text that is no id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id: it should be `{prefix}` and 26 characters of a-z and 0-9")]
pub struct BadId {
    text: String,
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// A new id from a source of bits.
            #[must_use]
            pub fn new(ids: &dyn Ids) -> Self {
                Self(ids.bits())
            }

            /// The id of these bits.
            #[must_use]
            pub fn from_bits(bits: u128) -> Self {
                Self(bits)
            }

            /// The 128 bits behind the id.
            #[must_use]
            pub fn bits(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_digits(self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                read_id(text, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// Names one run.
    RunId = "run_";
    /// Names one call to a model or a tool.
    CallId = "call_";
    /// Names one question to a person.
    QuestionId = "q_";
    /// Names one saved artifact.
    ArtifactId = "art_";
}

pub(crate) fn read_id(text: &str, prefix: &'static str) -> Result<u128, BadId> {
    let bits = text.strip_prefix(prefix).and_then(read_digits);
    bits.ok_or_else(|| BadId {
        text: text.chars().take(80).collect(),
        prefix,
    })
}

pub(crate) fn write_digits(mut bits: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut digits = [b'0'; LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(bits % 36) as usize];
        bits /= 36;
    }
    f.write_str(std::str::from_utf8(&digits).expect("the digits are ASCII"))
}

fn read_digits(text: &str) -> Option<u128> {
    if text.len() != LENGTH {
        return None;
    }
    text.bytes().try_fold(0u128, |bits, byte| {
        let digit = DIGITS.iter().position(|d| *d == byte)?;
        bits.checked_mul(36)?.checked_add(digit as u128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        for bits in [0, 1, 35, 36, u128::from(u64::MAX), u128::MAX] {
            let id = RunId(bits);
            assert_eq!(id.to_string().len(), 30);
            assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        }
    }

    #[test]
    fn what_is_no_id_is_refused() {
        let full = RunId(u128::MAX).to_string();
        for text in [
            "",
            "run_",
            "run_abc",
            &full.replace("run_", "call_"),
            &full.to_uppercase(),
            "run_zzzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text} was taken for a run id");
        }
    }

    #[test]
    fn counted_ids_come_in_order() {
        let ids = CountingIds::default();
        assert!(RunId::new(&ids) < RunId::new(&ids));
    }
}
