//! Values while a template is evaluated: MiniJinja's, in a closed set of shapes.
//!
//! A value is a scalar, a [`View`] into JSON that came from outside (shared, never copied to be looked at), or a [`BuiltList`] or [`BuiltMap`] that the
//! template made itself and that knows its own depth, so that nothing deep enough to exhaust the stack can be built.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use serde_json::Value as Json;

use super::fault::Problem;
use super::kinds::Kind;
use super::limit::{self, Meter};
use super::operators::Number;

mod json;

pub(super) use json::{json_fits, json_text, to_json, to_text};

/// Characters of a value a message shows at most.
const SHOWN: usize = 40;

/// The kind of a value, as rule 6 of the language counts them.
pub(super) fn kind(value: &Value) -> Kind {
    match value.kind() {
        ValueKind::Bool => Kind::Boolean,
        ValueKind::Number => Kind::Number,
        ValueKind::String | ValueKind::Bytes => Kind::Text,
        ValueKind::Seq | ValueKind::Iterable => Kind::List,
        ValueKind::Map | ValueKind::Plain => Kind::Map,
        _ => Kind::None,
    }
}

/// False, none, `''`, `[]`, `{}` and 0 count as no.
pub(super) fn truthy(value: &Value) -> bool {
    value.is_true()
}

/// A part of a JSON document that is shared with whoever owns it.
#[derive(Debug)]
pub(super) struct View {
    root: Arc<Json>,
    path: Vec<Key>,
}

#[derive(Debug, Clone)]
enum Key {
    Field(String),
    Index(usize),
}

impl View {
    /// The JSON this view shows.
    pub(super) fn json(&self) -> &Json {
        let found = self.path.iter().try_fold(&*self.root, |json, key| match key {
            Key::Field(name) => json.get(name.as_str()),
            Key::Index(index) => json.get(*index),
        });
        found.unwrap_or(&Json::Null)
    }

    fn child(&self, key: Key, json: &Json) -> Value {
        scalar(json).unwrap_or_else(|| {
            let mut path = self.path.clone();
            path.push(key);
            Value::from_object(View {
                root: Arc::clone(&self.root),
                path,
            })
        })
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        match self.json() {
            Json::Array(_) => ObjectRepr::Seq,
            _ => ObjectRepr::Map,
        }
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        match self.json() {
            Json::Array(items) => {
                let index = key.as_usize()?;
                Some(self.child(Key::Index(index), items.get(index)?))
            }
            Json::Object(fields) => {
                let name = key.as_str()?;
                Some(self.child(Key::Field(name.to_owned()), fields.get(name)?))
            }
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        match self.json() {
            Json::Array(items) => Enumerator::Seq(items.len()),
            Json::Object(fields) => {
                Enumerator::Values(fields.keys().map(|name| Value::from(name.as_str())).collect())
            }
            _ => Enumerator::Empty,
        }
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        match self.json() {
            Json::Array(items) => Some(items.len()),
            Json::Object(fields) => Some(fields.len()),
            _ => Some(0),
        }
    }
}

/// A list the template made.
#[derive(Debug)]
pub(super) struct BuiltList {
    items: Vec<Value>,
    depth: usize,
}

impl Object for BuiltList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.items.get(key.as_usize()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.items.len())
    }
}

/// A map the template made, in the order it was written; its keys are text.
#[derive(Debug)]
pub(super) struct BuiltMap {
    entries: Vec<(String, Value)>,
    places: BTreeMap<String, usize>,
    depth: usize,
}

impl Object for BuiltMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let place = self.places.get(key.as_str()?)?;
        self.entries.get(*place).map(|(_, value)| value.clone())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            self.entries
                .iter()
                .map(|(name, _)| Value::from(name.as_str()))
                .collect(),
        )
    }
}

/// A value that shows `json` without copying it.
pub(super) fn from_json(json: &Arc<Json>) -> Value {
    scalar(json).unwrap_or_else(|| {
        Value::from_object(View {
            root: Arc::clone(json),
            path: Vec::new(),
        })
    })
}

fn scalar(json: &Json) -> Option<Value> {
    match json {
        Json::Null => Some(Value::from(())),
        Json::Bool(yes) => Some(Value::from(*yes)),
        Json::Number(number) => Some(match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        }),
        Json::String(text) => Some(Value::from(text.as_str())),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// A list of values that are themselves of the closed set.
pub(super) fn list(items: Vec<Value>, meter: &mut Meter) -> Result<Value, Problem> {
    meter.elements(items.len())?;
    let depth = deeper(items.iter())?;
    Ok(Value::from_object(BuiltList { items, depth }))
}

/// A map of values that are themselves of the closed set; of two equal names the later value stays, in the earlier place.
pub(super) fn map(pairs: Vec<(String, Value)>, meter: &mut Meter) -> Result<Value, Problem> {
    meter.elements(pairs.len())?;
    let depth = deeper(pairs.iter().map(|(_, value)| value))?;
    let mut entries: Vec<(String, Value)> = Vec::with_capacity(pairs.len());
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (name, value) in pairs {
        match places.get(&name) {
            Some(&place) => entries[place].1 = value,
            None => {
                places.insert(name.clone(), entries.len());
                entries.push((name, value));
            }
        }
    }
    Ok(Value::from_object(BuiltMap {
        entries,
        places,
        depth,
    }))
}

fn deeper<'v>(values: impl Iterator<Item = &'v Value>) -> Result<usize, Problem> {
    let depth = 1 + values.map(depth).max().unwrap_or(0);
    if depth > limit::VALUE_DEPTH {
        return Err(Problem::limit(format!(
            "a value is nested deeper than {}",
            limit::VALUE_DEPTH
        )));
    }
    Ok(depth)
}

/// The depth of what the template built; a view counts as flat, its document was bounded when it was read.
fn depth(value: &Value) -> usize {
    if let Some(list) = value.downcast_object_ref::<BuiltList>() {
        list.depth
    } else if let Some(map) = value.downcast_object_ref::<BuiltMap>() {
        map.depth
    } else {
        0
    }
}

/// Brings what a MiniJinja filter gave back into the closed set.
///
/// `None` stands for MiniJinja's undefined: there was nothing to give.
pub(super) fn settle(value: Value, meter: &mut Meter) -> Result<Option<Value>, Problem> {
    let settled = match value.kind() {
        ValueKind::Undefined => return Ok(None),
        ValueKind::Number => number_in_range(&value)?,
        ValueKind::String => {
            let bytes = value.as_str().map_or(0, str::len);
            meter.bytes(bytes)?;
            limit::fits(bytes)?;
            value
        }
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::Plain if is_settled(&value) => {
            value
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let mut items = Vec::new();
            for item in iterate(&value)? {
                meter.elements(1)?;
                items.push(settle(item, meter)?.ok_or_else(missing_item)?);
            }
            list(items, meter)?
        }
        ValueKind::Map => {
            let mut pairs = Vec::new();
            for key in iterate(&value)? {
                meter.elements(1)?;
                let item = value.get_item(&key).unwrap_or_default();
                pairs.push((name_of(&key)?, settle(item, meter)?.ok_or_else(missing_item)?));
            }
            map(pairs, meter)?
        }
        _ => value,
    };
    Ok(Some(settled))
}

fn is_settled(value: &Value) -> bool {
    value.downcast_object_ref::<View>().is_some()
        || value.downcast_object_ref::<BuiltList>().is_some()
        || value.downcast_object_ref::<BuiltMap>().is_some()
}

fn missing_item() -> Problem {
    Problem::new("unknown_field", "an item of the list does not have the field")
        .hint("leave these items out with `selectattr`, or give `default=` to `map`")
}

/// The items of a list or the names of a map; nothing else can be gone through.
pub(super) fn iterate(value: &Value) -> Result<impl Iterator<Item = Value>, Problem> {
    match kind(value) {
        Kind::List | Kind::Map => value
            .try_iter()
            .map_err(|_| Problem::new("kind_mismatch", "the value cannot be gone through")),
        _ => Err(Problem::new(
            "kind_mismatch",
            format!("expected a list, found {}", describe(value)),
        )
        .hint(match kind(value) {
            Kind::None => "give an empty list with `or []`",
            _ => "only lists and maps have items",
        })),
    }
}

/// The text of a map's key.
pub(super) fn name_of(key: &Value) -> Result<String, Problem> {
    key.as_str().map(str::to_owned).ok_or_else(|| {
        Problem::new(
            "kind_mismatch",
            format!("the keys of a map are text, found {}", describe(key)),
        )
    })
}

/// Refuses numbers JSON cannot hold: not finite, or integers beyond 64 bits.
pub(super) fn number_in_range(value: &Value) -> Result<Value, Problem> {
    let fits = match value.is_integer() {
        true => value.as_i64().is_some() || u64::try_from(value.clone()).is_ok(),
        false => f64::try_from(value.clone()).is_ok_and(f64::is_finite),
    };
    match fits {
        true => Ok(value.clone()),
        false => Err(Problem::new(
            "number_range",
            format!("the number {} is out of range", cut(&value.to_string())),
        )),
    }
}

/// Walks a value the way something that reads all of it would, and pays for it.
pub(super) fn weigh(value: &Value, meter: &mut Meter) -> Result<(), Problem> {
    if let Some(view) = value.downcast_object_ref::<View>() {
        return weigh_json(view.json(), meter);
    }
    meter.elements(1)?;
    if let Some(text) = value.as_str() {
        return meter.bytes(text.len());
    }
    if let Some(list) = value.downcast_object_ref::<BuiltList>() {
        return list.items.iter().try_for_each(|item| weigh(item, meter));
    }
    if let Some(map) = value.downcast_object_ref::<BuiltMap>() {
        return map.entries.iter().try_for_each(|(name, item)| {
            meter.bytes(name.len())?;
            weigh(item, meter)
        });
    }
    Ok(())
}

fn weigh_json(json: &Json, meter: &mut Meter) -> Result<(), Problem> {
    // A list of what is left to look at: documents from outside may be deep.
    let mut rest = vec![json];
    while let Some(json) = rest.pop() {
        meter.elements(1)?;
        match json {
            Json::String(text) => meter.bytes(text.len())?,
            Json::Array(items) => rest.extend(items),
            Json::Object(fields) => {
                for (name, value) in fields {
                    meter.bytes(name.len())?;
                    rest.push(value);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Structural equality; numbers are compared by value, and values of different kinds are different.
pub(super) fn equal(left: &Value, right: &Value, meter: &mut Meter) -> Result<bool, Problem> {
    meter.elements(1)?;
    let (kind_left, kind_right) = (kind(left), kind(right));
    if kind_left != kind_right {
        return Ok(false);
    }
    match kind_left {
        Kind::None => Ok(true),
        Kind::Boolean => Ok(left.is_true() == right.is_true()),
        Kind::Number => Ok(Number::of(left)
            .zip(Number::of(right))
            .is_some_and(|(left, right)| left.compare(right).is_eq())),
        Kind::Text => {
            meter.bytes(left.as_str().map_or(0, str::len))?;
            Ok(left.as_str() == right.as_str())
        }
        Kind::List | Kind::Map if left.len() != right.len() => Ok(false),
        Kind::List => {
            for (left, right) in iterate(left)?.zip(iterate(right)?) {
                if !equal(&left, &right, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Kind::Map => {
            for key in iterate(left)? {
                let other = right.get_item(&key).unwrap_or_default();
                if other.is_undefined() || !equal(&left.get_item(&key).unwrap_or_default(), &other, meter)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
    }
}

/// A kind and a value for a message: ``text `abc` ``.
pub(super) fn describe(value: &Value) -> String {
    match value.is_none() {
        true => "none".to_owned(),
        false => {
            let mut shown = String::new();
            show(value, true, &mut shown);
            format!("{} `{}`", kind(value), cut(&shown))
        }
    }
}

/// Writes the beginning of a value as JSON; every level writes a character, so what is cut off bounds the recursion too.
fn show(value: &Value, outermost: bool, shown: &mut String) {
    if shown.chars().count() > SHOWN {
        return;
    }
    match (kind(value), value.as_str()) {
        (Kind::List, _) => show_items(value, ["[", "]"], shown, |item, shown| show(item, false, shown)),
        (Kind::Map, _) => show_items(value, ["{", "}"], shown, |name, shown| {
            show(name, false, shown);
            shown.push(':');
            show(&value.get_item(name).unwrap_or_default(), false, shown);
        }),
        (_, Some(text)) => {
            let text: String = text.chars().take(SHOWN + 1).collect();
            match outermost {
                true => shown.push_str(&text),
                false => shown.push_str(&Json::from(text).to_string()),
            }
        }
        (Kind::None, _) => shown.push_str("null"),
        (Kind::Boolean, _) => shown.push_str(if value.is_true() { "true" } else { "false" }),
        _ => shown.push_str(&value.to_string()),
    }
}

fn show_items(value: &Value, brackets: [&str; 2], shown: &mut String, each: impl Fn(&Value, &mut String)) {
    shown.push_str(brackets[0]);
    for (place, item) in value.try_iter().into_iter().flatten().enumerate() {
        if shown.chars().count() > SHOWN {
            return;
        }
        if place > 0 {
            shown.push(',');
        }
        each(&item, shown);
    }
    shown.push_str(brackets[1]);
}

/// At most 40 characters, control characters as `\u…`.
pub(super) fn cut(text: &str) -> String {
    let mut shown = String::new();
    for (place, character) in text.chars().enumerate() {
        if place == SHOWN {
            shown.push('…');
            break;
        }
        match character {
            c if c.is_control() => shown.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => shown.push(c),
        }
    }
    shown
}
