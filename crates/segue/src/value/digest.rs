//! Content hashes of values: equal content has one hash, wherever it is kept.
//!
//! A list or a map is hashed over the digests of its parts, so that the hash of one whose parts are kept elsewhere is
//! known without loading them. Numbers, words and short text stand for themselves. The order of keys does not count. A
//! typed value is hashed as it is written, without being a tree or a text first.

use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::Error;
use sha2::{Digest as _, Sha256};

use super::{Parts, Value};

mod hashing;

use hashing::Hashing;

/// The longest JSON of a value that is neither list nor map, in bytes, that stands for itself within one. Such values are
/// never kept elsewhere.
pub(crate) const SHORT: usize = 64;

/// SHA-256.
type Digest = [u8; 32];

/// What a part is to the list or map around it.
pub(super) enum Part {
    Short(Vec<u8>),
    Hashed(Digest),
}

impl Value {
    /// The content hash, `sha256:` and 64 hexadecimal digits; none of a value that is no JSON.
    #[must_use]
    pub fn content_hash(&self) -> Option<String> {
        self.hash().ok()
    }

    /// The content hash.
    ///
    /// # Errors
    /// When the author's type refuses to be written as JSON.
    pub(crate) fn hash(&self) -> Result<String, Error> {
        let digest: Digest = match self.part()? {
            Part::Short(text) => Sha256::digest(text).into(),
            Part::Hashed(digest) => digest,
        };
        Ok(written(&digest))
    }

    fn part(&self) -> Result<Part, Error> {
        if let Some(at) = self.stored_at() {
            let digest = read(&at.hash).ok_or_else(|| Error::custom("its hash is none"))?;
            return Ok(Part::Hashed(digest));
        }
        match self.parts() {
            Some(parts) => of_parts(&parts),
            None => self.0.part(),
        }
    }
}

fn of_parts(parts: &Parts<'_>) -> Result<Part, Error> {
    match parts.names {
        None => {
            let mut list = List::default();
            for item in parts.items {
                list.add(&item.part()?);
            }
            Ok(list.finish())
        }
        Some(names) => {
            let mut map = Map::default();
            for (name, item) in names.iter().zip(parts.items) {
                map.add(Cow::Borrowed(name), item.part()?);
            }
            Ok(map.finish())
        }
    }
}

/// What a value is to the list or map around it.
///
/// # Errors
/// When it refuses to be written as JSON.
pub(super) fn part(value: &(impl Serialize + ?Sized)) -> Result<Part, Error> {
    value.serialize(Hashing)
}

/// The text of a value that is neither list nor map, as it comes: kept while it is short, hashed when it is not.
#[derive(Default)]
struct Scalar {
    short: Vec<u8>,
    long: Option<Sha256>,
}

impl Scalar {
    fn of(value: &(impl Serialize + ?Sized)) -> Result<Part, Error> {
        let mut scalar = Self::default();
        serde_json::to_writer(&mut scalar, value)?;
        Ok(match scalar.long {
            None => Part::Short(scalar.short),
            Some(hasher) => Part::Hashed(hasher.finalize().into()),
        })
    }
}

impl io::Write for Scalar {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.long {
            None if self.short.len() + bytes.len() <= SHORT => self.short.extend_from_slice(bytes),
            None => {
                let hasher = self.long.insert(Sha256::new_with_prefix(&self.short));
                hasher.update(bytes);
            }
            Some(hasher) => hasher.update(bytes),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A list being hashed.
struct List(Sha256);

impl Default for List {
    fn default() -> Self {
        Self(Sha256::new_with_prefix(b"["))
    }
}

impl List {
    fn add(&mut self, item: &Part) {
        add(&mut self.0, item);
    }

    fn finish(self) -> Part {
        Part::Hashed(self.0.finalize().into())
    }
}

/// A map being hashed: its fields have an order only when all are there.
#[derive(Default)]
struct Map<'n>(Vec<(Cow<'n, str>, Part)>);

impl<'n> Map<'n> {
    fn add(&mut self, name: Cow<'n, str>, part: Part) {
        self.0.push((name, part));
    }

    fn finish(mut self) -> Part {
        // Of several fields of one name the last counts, as for whoever reads them.
        self.0.reverse();
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.0.dedup_by(|(a, _), (b, _)| a == b);
        let mut hasher = Sha256::new_with_prefix(b"{");
        for (name, part) in &self.0 {
            hasher.update((name.len() as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            add(&mut hasher, part);
        }
        Part::Hashed(hasher.finalize().into())
    }
}

/// Adds a part so that it cannot be taken for another.
fn add(hasher: &mut Sha256, part: &Part) {
    match part {
        Part::Short(text) => {
            hasher.update([text.len() as u8]);
            hasher.update(text);
        }
        Part::Hashed(digest) => {
            hasher.update([u8::MAX]);
            hasher.update(digest);
        }
    }
}

/// A digest as a content hash is written.
pub(crate) fn written(digest: &Digest) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in digest {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn read(hash: &str) -> Option<Digest> {
    let digits = hash.strip_prefix("sha256:").filter(|digits| digits.len() == 64)?;
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::schema::tests::any_json;
    use crate::value::ValueRef;

    fn hash(json: Json) -> String {
        Value::json(json).content_hash().expect("it is JSON")
    }

    /// The value as it is known when its bytes are kept elsewhere.
    fn elsewhere(value: &Json) -> Value {
        let text = serde_json::to_vec(value).expect("it is JSON");
        let short = !matches!(value, Json::Array(_) | Json::Object(_)) && text.len() <= SHORT;
        if short {
            return Value::json(value.clone());
        }
        Value::stored(ValueRef {
            artifact: crate::id::ArtifactId::from_bits(1),
            bytes: text.len() as u64,
            sha256: String::new(),
            media_type: "application/json".into(),
            hash: hash(value.clone()),
        })
    }

    #[test]
    fn the_order_of_keys_does_not_count_and_everything_else_does() {
        assert_eq!(
            hash(json!({"x": 1, "y": [{"b": 2, "a": 1}]})),
            hash(json!({"y": [{"a": 1, "b": 2}], "x": 1}))
        );
        let distinct = [
            json!(null),
            json!([]),
            json!([null]),
            json!({}),
            json!([[]]),
            json!([1, 2]),
            json!([2, 1]),
            json!([12]),
            json!(["1", 2]),
            json!("[1,2]"),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!(["a", 1]),
            json!({"ab": 1}),
            json!("x".repeat(100)),
            json!(["x".repeat(100)]),
        ];
        let hashes: std::collections::BTreeSet<String> = distinct.iter().cloned().map(hash).collect();
        assert_eq!(hashes.len(), distinct.len());
        assert!(
            hashes
                .iter()
                .all(|hash| hash.starts_with("sha256:") && hash.len() == 71)
        );
    }

    /// Whatever a type can be written as.
    #[derive(Clone, Debug, Serialize)]
    struct Anything {
        unit: (),
        marker: Marker,
        word: char,
        small: i8,
        large: u64,
        single: f32,
        double: f64,
        nothing: Option<u8>,
        something: Option<String>,
        pair: (u8, String),
        bytes: [u8; 3],
        wrapped: Wrapped,
        choices: Vec<Choice>,
        by_number: std::collections::BTreeMap<i32, String>,
        by_word: std::collections::BTreeMap<char, bool>,
        #[serde(flatten)]
        more: std::collections::BTreeMap<String, Json>,
        written: Box<serde_json::value::RawValue>,
    }

    #[derive(Clone, Debug, Serialize)]
    struct Marker;

    #[derive(Clone, Debug, Serialize)]
    struct Wrapped(String);

    #[derive(Clone, Debug, Serialize)]
    enum Choice {
        One,
        Two(String),
        Three(u8, f64),
        Four { a: Option<Box<Choice>>, b: Vec<u8> },
    }

    fn anything(text: &str, number: f64) -> Anything {
        let json = serde_json::to_string(&json!({"b": text, "a": [number]})).expect("it is JSON");
        Anything {
            unit: (),
            marker: Marker,
            word: text.chars().next().unwrap_or('x'),
            small: -3,
            large: u64::MAX,
            single: number as f32,
            double: number,
            nothing: None,
            something: Some(text.to_owned()),
            pair: (9, text.to_owned()),
            bytes: [1, 2, 3],
            wrapped: Wrapped(text.to_owned()),
            choices: vec![
                Choice::One,
                Choice::Two(text.to_owned()),
                Choice::Three(1, number),
                Choice::Four {
                    a: Some(Box::new(Choice::One)),
                    b: text.bytes().collect(),
                },
            ],
            by_number: (-2..2).map(|at| (at, text.to_owned())).collect(),
            by_word: [('a', true), ('\u{e9}', false)].into(),
            // Once more a name that the struct has.
            more: [
                ("word".to_owned(), json!(text)),
                ("other".to_owned(), json!([text])),
            ]
            .into(),
            written: serde_json::value::RawValue::from_string(format!(" {json} ")).expect("it is JSON"),
        }
    }

    #[test]
    fn hashes_are_what_they_were() {
        let nested = json!({"b": [1, "x".repeat(100)], "a": null});
        assert_eq!(
            hash(nested),
            "sha256:63493bae27563e8ebb651ce5fb0968eab84066be7be96c9a7b7b384a7ea6f493"
        );
        assert_eq!(
            hash("x".repeat(62).into()),
            "sha256:54313ab1988244854fb289b2c8386feb6c9e2599cf344b725d100381abb011c3"
        );
        assert_eq!(
            hash("x".repeat(63).into()),
            "sha256:349ce33d127f84be4af98c636166aa885fcaaaa3b7b4a92689a73af084d13413"
        );
    }

    #[test]
    fn what_is_no_json_has_no_hash() {
        let lists: std::collections::BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        assert!(part(&lists).is_err(), "a list is no name");
        assert!(part(&u128::MAX).is_err(), "that is no number of JSON");
        assert!(part(&7_u128).is_ok());
    }

    proptest! {
        #[test]
        fn a_type_has_the_hash_of_its_json(text in "\\PC{0,80}", number in any::<f64>()) {
            let anything = anything(&text, number);
            let json = serde_json::to_value(&anything).expect("it is JSON");
            let hashed = |part: Part| match part {
                Part::Short(text) => text,
                Part::Hashed(digest) => digest.to_vec(),
            };
            let typed = part(&anything).expect("it is JSON");
            prop_assert_eq!(hashed(typed), hashed(part(&json).expect("it is JSON")));
        }
    }

    proptest! {
        #[test]
        fn a_value_has_one_hash_whichever_of_its_parts_are_kept_elsewhere(
            parts in proptest::collection::vec((any_json(), any::<bool>()), 0..6),
        ) {
            let held: Vec<Value> = parts
                .iter()
                .map(|(json, away)| if *away { elsewhere(json) } else { Value::json(json.clone()) })
                .collect();
            let list: Vec<Json> = parts.iter().map(|(json, _)| json.clone()).collect();
            prop_assert_eq!(Value::list(held.clone()).content_hash(), Some(hash(Json::Array(list))));
            let named: Vec<(String, Value)> = held.into_iter().enumerate().map(|(at, value)| (format!("k{}", 9 - at), value)).collect();
            let map = parts.iter().enumerate().map(|(at, (json, _))| (format!("k{}", 9 - at), json.clone()));
            prop_assert_eq!(Value::map(named).content_hash(), Some(hash(Json::Object(map.collect()))));
        }
    }
}
