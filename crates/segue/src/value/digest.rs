//! Content hashes of values: equal content has one hash, wherever it is kept.
//!
//! A list or a map is hashed over the digests of its parts, so that the hash of one whose parts are kept elsewhere is
//! known without loading them. Numbers, words and short text stand for themselves. The order of keys does not count.

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::{Parts, Value};

/// The longest JSON of a value that is neither list nor map, in bytes, that stands for itself within one. Such values are
/// never kept elsewhere.
pub(crate) const SHORT: usize = 64;

/// SHA-256.
type Digest = [u8; 32];

/// What a part is to the list or map around it.
enum Part {
    Short(Vec<u8>),
    Hashed(Digest),
}

impl Value {
    /// The content hash, `sha256:` and 64 hexadecimal digits; none of a value that is no JSON.
    #[must_use]
    pub fn content_hash(&self) -> Option<String> {
        Some(written(&whole(self)?))
    }
}

/// The digest of a value by itself.
fn whole(value: &Value) -> Option<Digest> {
    if let Some(at) = value.stored_at() {
        return read(&at.hash);
    }
    match value.parts() {
        Some(parts) if value.is_elsewhere() => of_parts(&parts),
        _ => Some(of_json(&*value.to_json().ok()?)),
    }
}

fn of_parts(parts: &Parts<'_>) -> Option<Digest> {
    let part = |value: &Value| -> Option<Part> {
        match value.stored_at() {
            Some(_) => whole(value).map(Part::Hashed),
            None if value.is_elsewhere() => whole(value).map(Part::Hashed),
            None => Some(part(&*value.to_json().ok()?)),
        }
    };
    match parts.names {
        None => {
            let items: Option<Vec<Part>> = parts.items.iter().map(part).collect();
            Some(list(items?.into_iter()))
        }
        Some(names) => {
            let fields = names.iter().zip(parts.items);
            let fields: Option<Vec<(&str, Part)>> = fields
                .map(|(name, value)| Some((name.as_str(), part(value)?)))
                .collect();
            Some(map(fields?))
        }
    }
}

fn of_json(json: &Json) -> Digest {
    match json {
        Json::Array(items) => list(items.iter().map(part)),
        Json::Object(fields) => map(fields
            .iter()
            .map(|(name, value)| (name.as_str(), part(value)))
            .collect()),
        scalar => Sha256::digest(text(scalar)).into(),
    }
}

fn part(json: &Json) -> Part {
    match json {
        Json::Array(_) | Json::Object(_) => Part::Hashed(of_json(json)),
        scalar => {
            let text = text(scalar);
            if text.len() <= SHORT {
                Part::Short(text)
            } else {
                Part::Hashed(Sha256::digest(text).into())
            }
        }
    }
}

fn list(items: impl Iterator<Item = Part>) -> Digest {
    let mut hasher = Sha256::new_with_prefix(b"[");
    items.for_each(|item| add(&mut hasher, &item));
    hasher.finalize().into()
}

fn map(mut fields: Vec<(&str, Part)>) -> Digest {
    fields.sort_unstable_by_key(|(name, _)| *name);
    let mut hasher = Sha256::new_with_prefix(b"{");
    for (name, part) in &fields {
        hasher.update((name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        add(&mut hasher, part);
    }
    hasher.finalize().into()
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

fn text(scalar: &Json) -> Vec<u8> {
    serde_json::to_vec(scalar).unwrap_or_default()
}

fn written(digest: &Digest) -> String {
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
    use serde_json::json;

    use super::*;
    use crate::schema::tests::any_json;
    use crate::value::ValueRef;

    fn hash(json: Json) -> String {
        Value::json(json).content_hash().expect("it is JSON")
    }

    /// The value as it is known when its bytes are kept elsewhere.
    fn elsewhere(value: &Json) -> Value {
        let text = text(value);
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
