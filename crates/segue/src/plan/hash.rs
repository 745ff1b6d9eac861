//! Content hashes: SHA-256 over canonical JSON, so that equal content has one hash in every process.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;
use std::{fmt, io};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::ser::Formatter;
use sha2::{Digest, Sha256};

use super::Plan;
use crate::value::written;

/// The content hash of a plan, written `sha256:` and 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlanHash(String);

impl PlanHash {
    pub(super) fn of(plan: &Plan) -> Self {
        Self(hashed(plan).expect("a plan has text keys only"))
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
    hashed(value).expect("a JSON value can always be written")
}

fn hashed(value: &impl Serialize) -> serde_json::Result<String> {
    let digest = Sha256::digest(canonical(value)?);
    Ok(written(&digest.into()))
}

/// Canonical JSON: as short as it goes, the keys of each object in order, of several alike the last. It never is a tree: a
/// plan of a thousand steps would be one of a hundred thousand parts.
fn canonical(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let text = Text::default();
    let format = Canonical {
        text: text.clone(),
        objects: Vec::new(),
    };
    let mut serializer = serde_json::Serializer::with_formatter(text.clone(), format);
    value.serialize(&mut serializer)?;
    Ok(text.0.take())
}

/// The text so far, which is written and put in order in turn.
#[derive(Default, Clone)]
struct Text(Rc<RefCell<Vec<u8>>>);

impl Text {
    fn len(&self) -> usize {
        self.0.borrow().len()
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Canonical {
    text: Text,
    /// The fields of each object that is open.
    objects: Vec<Vec<Field>>,
}

/// A field, each with a comma after it: where it begins, where its key ends, and where it ends.
struct Field {
    start: usize,
    key: usize,
    end: usize,
}

impl Formatter for Canonical {
    /// As the tree has it, where each number is a double.
    fn write_f32<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        self.write_f64(writer, value.into())
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.objects.push(Vec::new());
        writer.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W, _: bool) -> io::Result<()> {
        let start = self.text.len();
        if let Some(fields) = self.objects.last_mut() {
            fields.push(Field {
                start,
                key: start,
                end: start,
            });
        }
        Ok(())
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        let end = self.text.len();
        if let Some(field) = self.objects.last_mut().and_then(|fields| fields.last_mut()) {
            field.key = end;
        }
        Ok(())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b",")?;
        let end = self.text.len();
        if let Some(field) = self.objects.last_mut().and_then(|fields| fields.last_mut()) {
            field.end = end;
        }
        Ok(())
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        let fields = self.objects.pop().unwrap_or_default();
        if let Some(first) = fields.first() {
            let mut text = self.text.0.borrow_mut();
            let sorted = sorted(&text, &fields);
            text.truncate(first.start);
            text.extend_from_slice(&sorted);
            // The comma after the last one.
            text.pop();
        }
        writer.write_all(b"}")
    }
}

/// The fields in the order of their keys.
fn sorted(text: &[u8], fields: &[Field]) -> Vec<u8> {
    let mut keyed: Vec<(Cow<'_, [u8]>, &[u8])> = fields
        .iter()
        .map(|field| (key(&text[field.start..field.key]), &text[field.start..field.end]))
        .collect();
    keyed.reverse();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    keyed.dedup_by(|(a, _), (b, _)| a == b);
    let fields: Vec<&[u8]> = keyed.into_iter().map(|(_, field)| field).collect();
    fields.concat()
}

/// A key as it is, from how it is written.
fn key(written: &[u8]) -> Cow<'_, [u8]> {
    if written.contains(&b'\\')
        && let Ok(key) = serde_json::from_slice::<String>(written)
    {
        return Cow::Owned(key.into_bytes());
    }
    Cow::Borrowed(written.get(1..written.len() - 1).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use serde::Serialize;
    use serde_json::{Value as Json, json};

    use super::{canonical, hash_of};
    use crate::schema::tests::any_json;

    fn in_order(value: &impl Serialize) -> String {
        String::from_utf8(canonical(value).expect("it is JSON")).expect("it is text")
    }

    /// The same by way of a tree.
    fn by_tree(value: &impl Serialize) -> String {
        let mut tree = serde_json::to_value(value).expect("it is JSON");
        tree.sort_all_objects();
        tree.to_string()
    }

    #[derive(Serialize)]
    struct Anything {
        z: f32,
        nothing: Option<u8>,
        a: Json,
        pair: (u8, f64),
        kinds: Vec<Kind>,
        #[serde(flatten)]
        more: std::collections::BTreeMap<String, Json>,
    }

    #[derive(Serialize)]
    enum Kind {
        Unit,
        New(String),
        Fields { y: u64, b: i8 },
    }

    proptest! {
        #[test]
        fn it_is_written_as_a_tree_in_order_is(value in any_json(), single in any::<f32>(), text in "[\\PC\"\\\\\n]{0,9}") {
            let anything = Anything {
                z: single,
                nothing: None,
                a: value.clone(),
                pair: (1, single.into()),
                kinds: vec![Kind::Unit, Kind::New(text.clone()), Kind::Fields { y: 1, b: -1 }],
                // Once more a name that the type has.
                more: [("pair".into(), json!({})), (text.clone(), value.clone()), (format!("{text}\""), json!(1))].into(),
            };
            prop_assert_eq!(in_order(&anything), by_tree(&anything));
            prop_assert_eq!(in_order(&value), by_tree(&value));
        }
    }

    #[test]
    fn the_order_of_keys_does_not_count_and_everything_else_does() {
        let a = json!({"x": 1, "y": [{"b": 2, "a": 1}]});
        let b = json!({"y": [{"a": 1, "b": 2}], "x": 1});
        assert_eq!(hash_of(&a), hash_of(&b));
        assert_ne!(hash_of(&a), hash_of(&json!({"x": 1, "y": [{"b": 2, "a": 2}]})));
        assert_ne!(hash_of(&json!([1, 2])), hash_of(&json!([2, 1])));
    }
}
