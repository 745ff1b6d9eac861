//! Records at rest: one entry of a run's log as a store keeps it, and back.
//!
//! An entry holds what was decided on (results, which only the run understands) and what followed (records). Values
//! stand in a table of their own, so that an output is written once, however many records speak of it; one that is too
//! large is kept elsewhere and stands there as a reference. The form has a version and is JSON: whoever has the file can
//! read it, and a later release reads what an earlier one wrote.

use std::sync::Arc;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::event::{ChosenModel, EventKind};
use super::record::{Begun, KeptCall, More, Record, ScopeInfo, Site, What};
use super::unit::Unit;
use crate::clock::Time;
use crate::error::Spent;
use crate::plan::{Pinned, Plan};
use crate::settings::Call;
use crate::store::Parent;
use crate::value::{Value, ValueRef};

mod reuse;

use reuse::StoredReuse;

/// The version of the form.
const VERSION: u32 = 1;

/// The values of an entry.
#[derive(Debug, Default)]
pub(crate) struct Values(Vec<Listed>);

#[derive(Debug)]
struct Listed {
    value: Value,
    /// Its text, where that was made already.
    text: Option<Box<RawValue>>,
    /// Where it is kept, though it is here too.
    kept: Option<ValueRef>,
}

impl Listed {
    fn of(value: Value) -> Self {
        Self {
            value,
            text: None,
            kept: None,
        }
    }
}

/// Place of a value in its entry's table.
pub(crate) type Place = u32;

impl Values {
    /// The place of a value: a new one, unless it is in the table already.
    pub(crate) fn put(&mut self, value: &Value) -> Place {
        let known = self.0.iter().position(|known| known.value.is(value));
        let at = known.unwrap_or_else(|| {
            self.0.push(Listed::of(value.clone()));
            self.0.len() - 1
        });
        at as Place
    }

    /// Whether a value is in the table.
    pub(crate) fn has(&self, value: &Value) -> bool {
        self.0.iter().any(|known| known.value.is(value))
    }

    /// Puts a value whose text was made already.
    pub(crate) fn put_written(&mut self, value: &Value, text: Box<RawValue>) {
        self.0.push(Listed {
            text: Some(text),
            ..Listed::of(value.clone())
        });
    }

    /// Puts a value that stays here and is written as where it is kept.
    pub(crate) fn put_kept(&mut self, value: &Value, kept: &Value) {
        let kept = kept.stored_at().cloned();
        self.0.push(Listed {
            kept,
            ..Listed::of(value.clone())
        });
    }

    /// Where the values are that are not here.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = &ValueRef> {
        self.0.iter().filter_map(|listed| listed.value.stored_at())
    }

    /// The value at a place.
    ///
    /// # Errors
    /// When the table has no such place.
    pub(crate) fn get(&self, place: Place) -> Result<Value, Unreadable> {
        let value = self.0.get(place as usize).map(|listed| listed.value.clone());
        value.ok_or_else(|| Unreadable::new(format!("value {place} is missing")))
    }
}

/// Why an entry cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(String);

impl Unreadable {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<serde_json::Error> for Unreadable {
    fn from(error: serde_json::Error) -> Self {
        Self(error.to_string())
    }
}

/// Writes an entry. `results` have put their values into `values` already.
///
/// # Errors
/// When a value refuses to be written as JSON.
pub(crate) fn write<'a, R: Serialize>(
    at: Time,
    results: &R,
    mut values: Values,
    records: impl Iterator<Item = &'a Record>,
) -> Result<Vec<u8>, serde_json::Error> {
    let records: Vec<StoredRecord<'a>> = records
        .map(|record| StoredRecord::of(record, at, &mut values))
        .collect();
    let mut bytes = Vec::with_capacity(256);
    let body = BodyOut {
        v: VERSION,
        at: at.micros(),
        vals: &values,
        results,
        records,
    };
    serde_json::to_writer(&mut bytes, &body)?;
    Ok(bytes)
}

/// Reads an entry: what it was decided on, and its records. Scopes that it opens are added to `scopes`.
///
/// # Errors
/// When it is of another version, or damaged.
pub(crate) fn read<R: DeserializeOwned>(
    body: &[u8],
    pinned: &Arc<Pinned>,
    scopes: &mut Vec<ScopeInfo>,
) -> Result<(R, Values, Vec<Record>), Unreadable> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let Version { v } = serde_json::from_slice(body)?;
    if v != VERSION {
        return Err(Unreadable(format!(
            "it has version {v}, and this release reads version {VERSION}"
        )));
    }
    let body: BodyIn<R> = serde_json::from_slice(body)?;
    let values = body.vals.into_iter().map(|value| Listed::of(value.into_value()));
    let values = Values(values.collect());
    let at = Time::from_micros(body.at);
    let records = body.records.into_iter();
    let records = records.map(|record| record.into_record(at, &values, pinned, scopes));
    let records = records.collect::<Result<_, _>>()?;
    Ok((body.results, values, records))
}

#[derive(Serialize)]
struct BodyOut<'a, R> {
    v: u32,
    at: i64,
    #[serde(skip_serializing_if = "Values::is_empty")]
    vals: &'a Values,
    #[serde(rename = "in")]
    results: &'a R,
    #[serde(rename = "rec")]
    records: Vec<StoredRecord<'a>>,
}

#[derive(Deserialize)]
struct BodyIn<R> {
    at: i64,
    #[serde(default)]
    vals: Vec<StoredValue>,
    #[serde(rename = "in")]
    results: R,
    #[serde(rename = "rec")]
    records: Vec<StoredRecord<'static>>,
}

impl Values {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference to the reference"
    )]
    fn is_empty(this: &&Self) -> bool {
        this.0.is_empty()
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(|listed| {
            let kept = listed.kept.as_ref().or_else(|| listed.value.stored_at());
            match (kept, &listed.text) {
                (Some(at), _) => StoredValueOut::Ref(at),
                (None, Some(text)) => StoredValueOut::Text(text),
                (None, None) => StoredValueOut::Json(&listed.value),
            }
        }))
    }
}

#[derive(Serialize)]
enum StoredValueOut<'a> {
    #[serde(rename = "j")]
    Json(&'a Value),
    #[serde(rename = "j")]
    Text(&'a RawValue),
    #[serde(rename = "ref")]
    Ref(&'a ValueRef),
}

#[derive(Deserialize)]
enum StoredValue {
    #[serde(rename = "j")]
    Json(Json),
    #[serde(rename = "ref")]
    Ref(ValueRef),
}

impl StoredValue {
    fn into_value(self) -> Value {
        match self {
            StoredValue::Json(json) => Value::json(json),
            StoredValue::Ref(at) => Value::stored(at),
        }
    }
}

/// One record: its unit, how long after the entry's time it was written, and what happened.
#[derive(Serialize, Deserialize)]
struct StoredRecord<'a> {
    u: Unit,
    #[serde(default, skip_serializing_if = "is_zero")]
    t: i64,
    w: StoredWhat<'a>,
}

/// Whether a number need not be written.
fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

/// Whether the call of a run said nothing.
fn is_silent(call: &Arc<Call>) -> bool {
    *call == Call::silent()
}

#[derive(Serialize, Deserialize)]
enum StoredWhat<'a> {
    #[serde(rename = "begun")]
    Begun(Box<StoredBegun>),
    #[serde(rename = "ready")]
    Ready,
    #[serde(rename = "started")]
    Started,
    #[serde(rename = "begins")]
    ReadyAndStarted,
    #[serde(rename = "attempt")]
    Attempt(u32),
    /// The unit has its output.
    #[serde(rename = "done")]
    Succeeded {
        o: Place,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        n: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        s: Option<Box<[Spent; 2]>>,
    },
    /// The run has its output.
    #[serde(rename = "ended")]
    Ended {
        o: Place,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        fallback: bool,
        #[serde(default, skip_serializing_if = "Spent::is_zero")]
        spent: Spent,
    },
    #[serde(rename = "event")]
    Event(#[serde(with = "event")] EventOf<'a>),
    #[serde(rename = "scope")]
    Scope {
        #[serde(default, skip_serializing_if = "is_zero")]
        number: u32,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        prefix: Box<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Unit>,
        #[serde(default, skip_serializing_if = "str::is_empty")]
        arm: Box<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<Arc<Plan>>,
    },
    #[serde(rename = "kept")]
    Kept(KeptCall),
    #[serde(rename = "reuse")]
    Reuse(Box<StoredReuse>),
}

/// An event that is written where it is and read as one's own.
enum EventOf<'a> {
    Lent(&'a EventKind),
    Own(Box<EventKind>),
}

mod event {
    use super::{Deserialize, Deserializer, EventKind, EventOf, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(event: &EventOf<'_>, to: S) -> Result<S::Ok, S::Error> {
        match event {
            EventOf::Lent(event) => event.serialize(to),
            EventOf::Own(event) => event.serialize(to),
        }
    }

    pub(super) fn deserialize<'de, 'a, D: Deserializer<'de>>(from: D) -> Result<EventOf<'a>, D::Error> {
        EventKind::deserialize(from).map(|event| EventOf::Own(Box::new(event)))
    }
}

#[derive(Serialize, Deserialize)]
struct StoredBegun {
    #[serde(default, skip_serializing_if = "is_zero")]
    input: Place,
    #[serde(default, skip_serializing_if = "is_silent")]
    call: Arc<Call>,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    models: IndexMap<String, ChosenModel>,
    /// Another engine than the local one, which earlier releases named as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Parent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    begins: bool,
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    relied: IndexMap<String, Json>,
}

impl<'a> StoredRecord<'a> {
    fn of(record: &'a Record, at: Time, values: &mut Values) -> Self {
        let w = match &record.what {
            What::Begun(begun) => {
                let more = begun.more();
                StoredWhat::Begun(Box::new(StoredBegun {
                    input: values.put(&begun.input),
                    call: begun.call.clone(),
                    models: more.models.clone(),
                    engine: more.engine.clone(),
                    parent: more.parent.clone(),
                    owner: more.owner.clone(),
                    begins: begun.begins,
                    relied: more.relied.clone(),
                }))
            }
            What::Ready => StoredWhat::Ready,
            What::Started => StoredWhat::Started,
            What::ReadyAndStarted => StoredWhat::ReadyAndStarted,
            What::Attempt(attempt) => StoredWhat::Attempt(*attempt),
            What::Succeeded(output, attempt, spent) => StoredWhat::Succeeded {
                o: values.put(output),
                n: (*attempt != 1).then_some(*attempt),
                s: spent.clone(),
            },
            What::Other(kind) => match &**kind {
                EventKind::RunSucceeded {
                    output,
                    fallback,
                    usage,
                    cost,
                    ..
                } => StoredWhat::Ended {
                    o: values.put(output),
                    fallback: *fallback,
                    spent: Spent {
                        usage: *usage,
                        cost: *cost,
                    },
                },
                kind => StoredWhat::Event(EventOf::Lent(kind)),
            },
            What::Scope(number, scope) => StoredWhat::Scope {
                number: *number,
                prefix: scope.site.prefix().into(),
                parent: scope.site.parent(),
                arm: scope.site.arm().into(),
                plan: scope.is_apart.then(|| scope.plan.clone()),
            },
            What::Kept(kept) => StoredWhat::Kept(KeptCall::clone(kept)),
            What::Reuse(reuse) => StoredWhat::Reuse(Box::new(StoredReuse::of(reuse, values))),
        };
        Self {
            u: record.unit,
            t: record.at.micros() - at.micros(),
            w,
        }
    }

    fn into_record(
        self,
        at: Time,
        values: &Values,
        pinned: &Arc<Pinned>,
        scopes: &mut Vec<ScopeInfo>,
    ) -> Result<Record, Unreadable> {
        let what = match self.w {
            StoredWhat::Begun(begun) => What::Begun(Box::new(Begun {
                pinned: pinned.clone(),
                input: values.get(begun.input)?,
                call: begun.call,
                begins: begun.begins,
                more: More {
                    engine: begun.engine.and_then(More::engine_called),
                    models: begun.models,
                    parent: begun.parent,
                    relied: begun.relied,
                    owner: begun.owner,
                }
                .boxed(),
            })),
            StoredWhat::Ready => What::Ready,
            StoredWhat::Started => What::Started,
            StoredWhat::ReadyAndStarted => What::ReadyAndStarted,
            StoredWhat::Attempt(attempt) => What::Attempt(attempt),
            StoredWhat::Succeeded { o, n, s } => What::Succeeded(values.get(o)?, n.unwrap_or(1), s),
            StoredWhat::Ended { o, fallback, spent } => What::Other(Box::new(EventKind::RunSucceeded {
                output: values.get(o)?,
                output_ref: None,
                fallback,
                usage: spent.usage,
                cost: spent.cost,
            })),
            StoredWhat::Event(EventOf::Own(event)) => What::Other(event),
            StoredWhat::Event(EventOf::Lent(event)) => What::Other(Box::new(event.clone())),
            StoredWhat::Scope {
                number,
                prefix,
                parent,
                arm,
                plan,
            } => {
                if number as usize != scopes.len() {
                    return Err(Unreadable(format!("scope {number} is not the next one")));
                }
                let is_apart = plan.is_some();
                let plan = plan
                    .or_else(|| plan_of(&pinned.plan, scopes, parent, &arm))
                    .ok_or_else(|| Unreadable(format!("nothing in the plan runs below `{prefix}`")))?;
                let site = match parent {
                    None => Site::default(),
                    Some(unit) => Site::below(unit, prefix, arm),
                };
                let scope = ScopeInfo { plan, site, is_apart };
                scopes.push(scope.clone());
                What::Scope(number, Box::new(scope))
            }
            StoredWhat::Kept(kept) => What::Kept(Box::new(kept)),
            StoredWhat::Reuse(reuse) => What::Reuse(Arc::new(reuse.into_reuse(values)?)),
        };
        Ok(Record {
            at: Time::from_micros(at.micros().saturating_add(self.t)),
            unit: self.u,
            what,
        })
    }
}

/// The plan of a scope: the run's own, or what the plan around it has below a step.
fn plan_of(own: &Arc<Plan>, scopes: &[ScopeInfo], parent: Option<Unit>, arm: &str) -> Option<Arc<Plan>> {
    let Some(parent) = parent else {
        return Some(own.clone());
    };
    let around = &scopes.get(parent.scope as usize)?.plan;
    around.below((parent.step < Unit::SCOPE).then_some(parent.step), arm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_run_says_what_was_spent_where_anything_was() {
        let mut asked = Spent::default();
        asked.usage.requests = 1;
        for (spent, is_said) in [(Spent::default(), false), (asked, true)] {
            let (o, fallback) = (0, false);
            let text = serde_json::to_string(&StoredWhat::Ended { o, fallback, spent }).expect("it is JSON");
            assert_eq!(text.contains("spent"), is_said, "{text}");
            let read = serde_json::from_str(&text).expect("it is read");
            assert!(matches!(read, StoredWhat::Ended { spent: read, .. } if read == spent));
        }
    }
    #[test]
    fn a_beginning_of_before_is_read_and_what_is_usual_is_not_written() {
        let before = r#"{"begun":{"input":0,"call":{},"models":{},"engine":"local","parent":null,"owner":"own_1","begins":true}}"#;
        let StoredWhat::Begun(mut begun) = serde_json::from_str(before).expect("it is read") else {
            panic!("it is a beginning");
        };
        begun.engine = begun.engine.and_then(More::engine_called);
        let text = serde_json::to_string(&StoredWhat::Begun(begun)).expect("it is JSON");
        assert_eq!(text, r#"{"begun":{"owner":"own_1","begins":true}}"#);

        let before = r#"{"scope":{"number":0,"prefix":"","parent":null,"arm":""}}"#;
        let scope: StoredWhat<'_> = serde_json::from_str(before).expect("it is read");
        let text = serde_json::to_string(&scope).expect("it is JSON");
        assert_eq!(text, r#"{"scope":{}}"#);
        assert!(serde_json::from_str::<StoredWhat<'_>>(&text).is_ok());
    }
}
