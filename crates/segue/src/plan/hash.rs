//! Content hashes: SHA-256 over canonical JSON, so that equal content has one hash in every process.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::Plan;

/// The content hash of a plan, written `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlanHash(String);

impl PlanHash {
    pub(super) fn of(plan: &Plan) -> Self {
        let json = serde_json::to_value(plan).expect("a plan has text keys only");
        Self(hash_of(&json))
    }

    /// The hash as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `sha256:…` of a JSON value, whatever the order of its keys.
#[must_use]
pub fn hash_of(value: &Json) -> String {
    let mut canonical = value.clone();
    canonical.sort_all_objects();
    let bytes = serde_json::to_vec(&canonical).expect("a JSON value can always be written");
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in Sha256::digest(&bytes) {
        use fmt::Write;
        write!(text, "{byte:02x}").expect("writing to a string never fails");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::hash_of;
    use serde_json::json;

    #[test]
    fn the_order_of_keys_does_not_count_and_everything_else_does() {
        let a = json!({"x": 1, "y": [{"b": 2, "a": 1}]});
        let b = json!({"y": [{"a": 1, "b": 2}], "x": 1});
        assert_eq!(hash_of(&a), hash_of(&b));
        assert_ne!(hash_of(&a), hash_of(&json!({"x": 1, "y": [{"b": 2, "a": 2}]})));
        assert_ne!(hash_of(&json!([1, 2])), hash_of(&json!([2, 1])));
    }
}
