//! What of two values differs, as JSON pointers.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::value::ValueRef;

/// A place where two values differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// JSON pointer to it; empty for the value as a whole.
    pub pointer: String,
    /// What the one has there; null also where it has nothing.
    pub a: Json,
    /// What the other has there.
    pub b: Json,
    /// Where the one's value is, when it is too large to stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub a_ref: Option<ValueRef>,
    /// Where the other's value is, when it is too large to stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b_ref: Option<ValueRef>,
}

/// Every place where two values differ: fields of objects by name, items of lists by place. In the order of the one's
/// fields, then of those that only the other has.
pub(super) fn differences(a: &Json, b: &Json) -> Vec<Difference> {
    let mut found = Vec::new();
    // What is still to be compared, the next one last: values of an author's types may be deep.
    let mut open = vec![(String::new(), Some(a), Some(b))];
    while let Some((pointer, a, b)) = open.pop() {
        let begun = open.len();
        match (a, b) {
            (Some(Json::Object(of_a)), Some(Json::Object(of_b))) => {
                let only_b = of_b.keys().filter(|name| !of_a.contains_key(*name));
                for name in of_a.keys().chain(only_b) {
                    let below = format!("{pointer}/{}", escaped(name));
                    open.push((below, of_a.get(name), of_b.get(name)));
                }
            }
            (Some(Json::Array(of_a)), Some(Json::Array(of_b))) => {
                for at in 0..of_a.len().max(of_b.len()) {
                    open.push((format!("{pointer}/{at}"), of_a.get(at), of_b.get(at)));
                }
            }
            (a, b) if a == b => {}
            (a, b) => found.push(Difference {
                pointer,
                a: a.cloned().unwrap_or_default(),
                b: b.cloned().unwrap_or_default(),
                a_ref: None,
                b_ref: None,
            }),
        }
        open[begun..].reverse();
    }
    found
}

/// A name as it stands in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
