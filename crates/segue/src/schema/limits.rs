//! What a schema may be made of: its size, its depth, its references, and how much work checking a value can be.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::SchemaFlaw;
use crate::fault::{Code, quote};
use crate::file::yaml::escape_pointer;

/// The largest schema, in bytes of JSON.
pub const MAX_SCHEMA_BYTES: usize = 64 << 10;

/// The deepest nesting of maps and lists in a schema.
pub const MAX_DEPTH: usize = 32;

/// How many references and alternatives are followed within each other before a question is left open.
pub(super) const MAX_FOLLOWED: usize = 64;

/// The most schemas that one value may be checked against once every reference is written out.
const MAX_WEIGHT: u64 = 50_000;

/// Keywords that hold one schema for the value itself.
const SELF: [&str; 4] = ["not", "if", "then", "else"];
/// Keywords that hold a list of schemas for the value itself.
const SELF_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords that hold one schema for parts of the value.
const PART: [&str; 7] = [
    "items",
    "additionalProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "propertyNames",
    "contains",
    "contentSchema",
];
/// Keywords that hold schemas by name for parts of the value.
const PART_MAPS: [&str; 2] = ["properties", "patternProperties"];
/// Keywords that only hold schemas for references.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];

/// Keywords that reach for another document, or whose target depends on the way a validator came.
const REFUSED: [&str; 4] = [
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "$recursiveAnchor",
];

/// Keywords that describe and do not constrain.
const ANNOTATIONS: [&str; 12] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
    "$schema",
    "$id",
    "$defs",
    "definitions",
];

/// How a schema inside another one is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Applies {
    /// To the value itself.
    ToValue,
    /// To a part of the value.
    ToPart,
    /// Only through references.
    Nowhere,
}

/// Refuses what is too large to look at, before anything recursive does.
pub(super) fn check_size(json: &Value) -> Option<SchemaFlaw> {
    if let Some(pointer) = too_deep(json) {
        let message = format!("a schema is at most {MAX_DEPTH} levels deep");
        return Some(SchemaFlaw::new(Code::TooDeep, pointer, message));
    }
    let bytes = json.to_string().len();
    (bytes > MAX_SCHEMA_BYTES).then(|| {
        let message = format!("a schema has at most {MAX_SCHEMA_BYTES} bytes, this one has {bytes}");
        SchemaFlaw::new(Code::TooLarge, "", message)
    })
}

/// Refuses schemas that reach outside themselves, never end, or grow too much when references are written out.
pub(super) fn check(json: &Value) -> Result<(), SchemaFlaw> {
    match check_size(json) {
        Some(flaw) => Err(flaw),
        None => Survey::of(json)?.check_work(),
    }
}

/// The schemas directly inside one, with the rest of the pointer to each.
pub(super) fn children(map: &Map<String, Value>) -> Vec<(String, &Value, Applies)> {
    let mut children = Vec::new();
    for (keyword, value) in map {
        let keyword_is = |list: &[&str]| list.contains(&keyword.as_str());
        let applies = if keyword_is(&SELF) || keyword_is(&SELF_LISTS) || keyword == "dependentSchemas" {
            Applies::ToValue
        } else if keyword_is(&DEFINITIONS) {
            Applies::Nowhere
        } else {
            Applies::ToPart
        };
        match value {
            Value::Array(items) if keyword_is(&SELF_LISTS) || keyword == "prefixItems" => {
                let items = items.iter().enumerate();
                children.extend(items.map(|(index, item)| (format!("/{keyword}/{index}"), item, applies)));
            }
            Value::Object(entries)
                if keyword_is(&PART_MAPS) || keyword_is(&DEFINITIONS) || keyword == "dependentSchemas" =>
            {
                let entries = entries.iter();
                children.extend(entries.map(|(name, item)| {
                    (
                        format!("/{}/{}", escape_pointer(keyword), escape_pointer(name)),
                        item,
                        applies,
                    )
                }));
            }
            Value::Object(_) | Value::Bool(_) if keyword_is(&SELF) || keyword_is(&PART) => {
                children.push((format!("/{keyword}"), value, applies));
            }
            _ => {}
        }
    }
    children
}

/// The target of a reference inside the same document.
pub(super) fn resolve<'a>(reference: &Value, root: &'a Value) -> Option<&'a Value> {
    let fragment = reference.as_str()?.strip_prefix('#')?;
    if fragment.is_empty() {
        return Some(root);
    }
    root.pointer(&percent_decode(fragment))
}

/// Whether a schema lets every value through.
pub(super) fn is_unconstrained(schema: &Value) -> bool {
    match schema {
        Value::Bool(all) => *all,
        Value::Object(map) => map.keys().all(|keyword| ANNOTATIONS.contains(&keyword.as_str())),
        _ => false,
    }
}

/// Whether a keyword describes and does not constrain.
pub(super) fn is_annotation(keyword: &str) -> bool {
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

/// All schemas within one document, and which of them are applied to the same value as which.
struct Survey<'a> {
    schemas: Vec<(String, &'a Value)>,
    /// For each schema, those applied to the same value.
    same_value: Vec<Vec<usize>>,
}

impl<'a> Survey<'a> {
    fn of(root: &'a Value) -> Result<Self, SchemaFlaw> {
        let mut schemas = vec![(String::new(), root)];
        let mut same_value: Vec<Vec<usize>> = vec![Vec::new()];
        let mut at = 0;
        while at < schemas.len() {
            let (pointer, schema) = schemas[at].clone();
            if let Value::Object(map) = schema {
                refuse_keywords(map, &pointer)?;
                for (rest, child, applies) in children(map) {
                    if applies == Applies::ToValue {
                        same_value[at].push(schemas.len());
                    }
                    schemas.push((format!("{pointer}{rest}"), child));
                    same_value.push(Vec::new());
                }
            }
            at += 1;
        }
        let mut survey = Self { schemas, same_value };
        survey.follow_references(root)?;
        Ok(survey)
    }

    fn follow_references(&mut self, root: &Value) -> Result<(), SchemaFlaw> {
        let by_address: HashMap<*const Value, usize> = self
            .schemas
            .iter()
            .enumerate()
            .map(|(index, (_, schema))| (std::ptr::from_ref(*schema), index))
            .collect();
        for (index, (pointer, schema)) in self.schemas.iter().enumerate() {
            let Some(reference) = schema.get("$ref") else {
                continue;
            };
            let written = reference.as_str().unwrap_or_default();
            let flaw = |message: String| {
                Err(SchemaFlaw::new(
                    Code::BadSchema,
                    format!("{pointer}/$ref"),
                    message,
                ))
            };
            if !written.starts_with("#/") && written != "#" {
                return flaw(format!(
                    "`$ref` needs a place in this schema, found {}",
                    quote(written)
                ))
                .map_err(|flaw: SchemaFlaw| flaw.hint("write it as `#/$defs/NAME`"));
            }
            let target =
                resolve(reference, root).and_then(|target| by_address.get(&std::ptr::from_ref(target)));
            match target {
                Some(&target) => self.same_value[index].push(target),
                None => return flaw(format!("there is no schema at {}", quote(written))),
            }
        }
        Ok(())
    }

    /// Works out, from the innermost conditions outwards, how many schemas are applied to one value.
    fn check_work(&self) -> Result<(), SchemaFlaw> {
        let count = self.schemas.len();
        let mut waiting: Vec<usize> = self.same_value.iter().map(Vec::len).collect();
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); count];
        for (index, conditions) in self.same_value.iter().enumerate() {
            for &condition in conditions {
                users[condition].push(index);
            }
        }
        let mut weight = vec![1u64; count];
        let mut levels = vec![1usize; count];
        let mut ready: Vec<usize> = (0..count).filter(|&index| waiting[index] == 0).collect();
        let mut done = 0;
        while let Some(index) = ready.pop() {
            done += 1;
            if weight[index] > MAX_WEIGHT || levels[index] > MAX_FOLLOWED {
                let message = "references apply too many schemas to one value";
                return Err(SchemaFlaw::new(
                    Code::TooLarge,
                    self.schemas[index].0.clone(),
                    message,
                ));
            }
            for &user in &users[index] {
                weight[user] = weight[user].saturating_add(weight[index]);
                levels[user] = levels[user].max(levels[index] + 1);
                waiting[user] -= 1;
                if waiting[user] == 0 {
                    ready.push(user);
                }
            }
        }
        match (0..count).find(|&index| waiting[index] > 0) {
            Some(index) if done < count => Err(SchemaFlaw::new(
                Code::BadSchema,
                self.schemas[index].0.clone(),
                "this type is defined by itself",
            )
            .hint("a type may contain itself only in a field or an element")),
            _ => Ok(()),
        }
    }
}

fn refuse_keywords(map: &Map<String, Value>, pointer: &str) -> Result<(), SchemaFlaw> {
    let refused = map
        .keys()
        .find(|keyword| REFUSED.contains(&keyword.as_str()) || (*keyword == "$id" && !pointer.is_empty()));
    match refused {
        Some(keyword) => {
            let message = format!("{} is not read", quote(keyword));
            let pointer = format!("{pointer}/{}", escape_pointer(keyword));
            Err(SchemaFlaw::new(Code::BadSchema, pointer, message)
                .hint("refer to `#/$defs/NAME` with `$ref`"))
        }
        None => Ok(()),
    }
}

/// The pointer of a value nested too deeply, if there is one; does not recurse.
fn too_deep(json: &Value) -> Option<String> {
    let mut open = vec![(json, String::new(), 1)];
    while let Some((value, pointer, depth)) = open.pop() {
        let inner: Vec<(&Value, String)> = match value {
            Value::Object(map) => map
                .iter()
                .map(|(key, value)| (value, format!("{pointer}/{}", escape_pointer(key))))
                .collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, value)| (value, format!("{pointer}/{index}")))
                .collect(),
            _ => continue,
        };
        if depth > MAX_DEPTH {
            return Some(pointer);
        }
        open.extend(
            inner
                .into_iter()
                .map(|(value, pointer)| (value, pointer, depth + 1)),
        );
    }
    None
}

fn percent_decode(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
