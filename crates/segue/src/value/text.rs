//! Text at rest: a value as it was read from where it is kept. It becomes a typed value without being a tree first.

use std::any::Any;
use std::io::Write;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::pieces::Pieces;
use super::{Held, Value};

/// A value as the JSON text that it was read as.
pub(super) struct Text {
    text: Box<RawValue>,
    json: OnceLock<Arc<Json>>,
}

impl Text {
    /// The value as a `T`.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.text.get())
    }
}

impl Held for Text {
    fn json(&self) -> Result<Arc<Json>, serde_json::Error> {
        if let Some(json) = self.json.get() {
            return Ok(json.clone());
        }
        let json = Arc::new(self.read()?);
        Ok(self.json.get_or_init(|| json).clone())
    }

    fn write(&self, to: &mut Pieces<'_>) -> Result<(), serde_json::Error> {
        to.write_all(self.text.get().as_bytes())
            .map_err(serde::ser::Error::custom)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Value {
    /// A value whose JSON text was read.
    ///
    /// # Errors
    /// When it is no JSON.
    pub(crate) fn of_text(text: Vec<u8>) -> Result<Self, serde_json::Error> {
        let text = String::from_utf8(text).map_err(serde::de::Error::custom)?;
        Ok(Self(Arc::new(Text {
            text: RawValue::from_string(text)?,
            json: OnceLock::new(),
        })))
    }
}

/// The text inside a JSON string that comes piece by piece: what was read is not kept beside what it means.
#[derive(Default)]
pub(crate) struct Unquoting {
    /// What was read and is not understood yet: the beginning of an escape or of a character.
    pending: Vec<u8>,
    text: String,
    begun: bool,
}

impl Unquoting {
    /// Reads a piece; false when it is no string after all, and nothing is known then.
    pub(crate) fn push(&mut self, piece: &[u8], expected: usize) -> bool {
        self.pending.extend_from_slice(piece);
        if !self.begun {
            match self.pending.first() {
                None => return true,
                Some(b'"') => {}
                Some(_) => return false,
            }
            self.pending.remove(0);
            self.begun = true;
            // Where there is no room for all of it, it fails where it grows.
            let _ = self.text.try_reserve_exact(expected.saturating_sub(2));
        }
        let until = whole(&self.pending);
        self.take(until)
    }

    /// The text; none when the string was not closed.
    pub(crate) fn finish(mut self) -> Option<String> {
        let closed = self.begun && self.pending.pop() == Some(b'"');
        let until = self.pending.len();
        (closed && self.take(until)).then_some(self.text)
    }

    fn take(&mut self, until: usize) -> bool {
        let mut quoted = Vec::with_capacity(until + 2);
        quoted.push(b'"');
        quoted.extend(self.pending.drain(..until));
        quoted.push(b'"');
        let Ok(text) = serde_json::from_slice::<String>(&quoted) else {
            return false;
        };
        self.text.push_str(&text);
        true
    }
}

/// How much of this part of a string can be understood by itself: up to an escape that may go on behind it, or a
/// character that does, or its last byte, which may close the string.
fn whole(part: &[u8]) -> usize {
    const UNIT: usize = r"\u0000".len();
    let mut until = part.len().saturating_sub(1);
    let mut at = 0;
    while let Some(found) = part[at..until].iter().position(|byte| *byte == b'\\') {
        let start = at + found;
        let length = match part.get(start + 1) {
            // Two of them may be one character.
            Some(b'u') => match &part[start..] {
                [_, _, b'd' | b'D', b'8' | b'9' | b'a' | b'A' | b'b' | b'B', ..] => 2 * UNIT,
                _ => UNIT,
            },
            _ => 2,
        };
        at = start + length;
        if at > until {
            until = start;
            break;
        }
    }
    match std::str::from_utf8(&part[..until]) {
        Ok(_) => until,
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        // It is refused where it is read.
        Err(_) => until,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unquoted(text: &[u8], piece: usize) -> Option<String> {
        let mut unquoting = Unquoting::default();
        let all_read = text.chunks(piece).all(|piece| unquoting.push(piece, text.len()));
        all_read.then(|| unquoting.finish()).flatten()
    }

    proptest! {
        #[test]
        fn a_string_is_read_whatever_its_pieces(text in "(\\PC|[\\x00-\\x1f\"\\\\🫖é]){0,40}", piece in 1usize..9) {
            let json = serde_json::to_vec(&text).expect("text is JSON");
            prop_assert_eq!(unquoted(&json, piece), Some(text));
        }

        #[test]
        fn what_is_no_string_is_not_taken_for_one(text in "[\"\\\\u0d8cx\\[]{0,14}", piece in 1usize..4) {
            let read = serde_json::from_str::<String>(&text).ok();
            prop_assert_eq!(unquoted(text.as_bytes(), piece), read);
        }
    }

    #[test]
    fn escaped_pairs_stay_together_in_whatever_pieces() {
        let json = br#""a\ud83e\uded6\n\u00e9\\""#;
        for piece in 1..json.len() {
            assert_eq!(unquoted(json, piece).as_deref(), Some("a🫖\né\\"), "{piece}");
        }
    }
}
