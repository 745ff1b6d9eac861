//! Values: what travels along an edge.
//!
//! A typed value passes by reference count and is never serialized inside a process; JSON is made only when somebody
//! asks: a store, an event, an expression of a pipeline file, another engine. A value that came from JSON (a file
//! pipeline, a stored result) becomes typed where a typed step takes it.

use std::any::Any;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use serde_json::value::RawValue;

mod digest;
mod pieces;
mod text;

pub(crate) use digest::{SHORT, written};
pub(crate) use text::Unquoting;

use digest::{Part, part};
use pieces::Pieces;
use text::Text;

/// What can travel along an edge: any owned type that can be cloned, written as JSON, read back, and described.
pub trait Data: Clone + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static {}

impl<T: Clone + Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static> Data for T {}

/// One value on an edge, typed in memory, JSON at rest. Cloning copies a pointer.
#[derive(Clone)]
pub struct Value(Arc<dyn Held>);

/// What a [`Value`] holds: a type of the author's, or JSON.
trait Held: Send + Sync {
    fn json(&self) -> Result<Arc<Json>, serde_json::Error>;
    fn as_any(&self) -> &dyn Any;

    /// Writes the JSON without making it a tree first.
    fn write(&self, to: &mut Pieces<'_>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(to, &*self.json()?)
    }

    /// What it is to the hash of a list or a map around it.
    fn part(&self) -> Result<Part, serde_json::Error> {
        part(&*self.json()?)
    }

    /// The JSON, where it is held as a tree and by nobody else.
    fn take_json(&mut self) -> Option<Json> {
        None
    }

    /// Where the value is, when it is not here.
    fn stored_at(&self) -> Option<&ValueRef> {
        None
    }
}

/// Where a value is that is too large to stand in a log: in the artifact store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ValueRef {
    /// The artifact that holds it.
    pub artifact: crate::id::ArtifactId,
    /// Length of its JSON in bytes.
    pub bytes: u64,
    /// SHA-256 of that JSON, hexadecimal.
    pub sha256: String,
    /// Its media type: `application/json`.
    pub media_type: String,
    /// The content hash of the value, whatever the order of its keys: `sha256:…`.
    pub hash: String,
}

/// A value that is kept elsewhere, and has to be loaded before anybody can look at it.
struct Elsewhere(ValueRef);

impl Held for Elsewhere {
    fn json(&self) -> Result<Arc<Json>, serde_json::Error> {
        let message = format!("a value of {} bytes was not loaded", self.0.bytes);
        Err(serde::de::Error::custom(message))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn stored_at(&self) -> Option<&ValueRef> {
        Some(&self.0)
    }
}

struct Typed<T> {
    value: T,
    json: OnceLock<Arc<Json>>,
}

impl<T: Data> Held for Typed<T> {
    fn json(&self) -> Result<Arc<Json>, serde_json::Error> {
        if let Some(json) = self.json.get() {
            return Ok(json.clone());
        }
        let json = Arc::new(serde_json::to_value(&self.value)?);
        Ok(self.json.get_or_init(|| json).clone())
    }

    fn write(&self, to: &mut Pieces<'_>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(to, &self.value)
    }

    fn part(&self) -> Result<Part, serde_json::Error> {
        part(&self.value)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct AtRest(Arc<Json>);

impl Held for AtRest {
    fn json(&self) -> Result<Arc<Json>, serde_json::Error> {
        Ok(self.0.clone())
    }

    fn take_json(&mut self) -> Option<Json> {
        Arc::get_mut(&mut self.0).map(Json::take)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A list or a map made of values.
struct Made {
    /// The names of a map's values.
    names: Option<Vec<String>>,
    items: Vec<Value>,
    json: OnceLock<Arc<Json>>,
}

/// What a list or a map was made of.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    /// The names of a map's values.
    pub(crate) names: Option<&'a [String]>,
    pub(crate) items: &'a [Value],
}

impl Held for Made {
    fn json(&self) -> Result<Arc<Json>, serde_json::Error> {
        if let Some(json) = self.json.get() {
            return Ok(json.clone());
        }
        let items = self
            .items
            .iter()
            .map(|item| item.to_json().map(|json| json.as_ref().clone()));
        let json = match &self.names {
            None => Json::Array(items.collect::<Result<_, _>>()?),
            Some(names) => {
                let fields = names.iter().zip(items);
                let fields = fields.map(|(name, item)| Ok((name.clone(), item?)));
                Json::Object(fields.collect::<Result<_, serde_json::Error>>()?)
            }
        };
        Ok(self.json.get_or_init(|| Arc::new(json)).clone())
    }

    fn write(&self, to: &mut Pieces<'_>) -> Result<(), serde_json::Error> {
        let (open, close) = match self.names {
            Some(_) => (b"{", b"}"),
            None => (b"[", b"]"),
        };
        let mark = |to: &mut Pieces<'_>, mark: &[u8]| to.write_all(mark).map_err(serde::ser::Error::custom);
        mark(to, open)?;
        for (at, item) in self.items.iter().enumerate() {
            if at > 0 {
                mark(to, b",")?;
            }
            if let Some(names) = &self.names {
                serde_json::to_writer(&mut *to, &names[at])?;
                mark(to, b":")?;
            }
            item.0.write(to)?;
        }
        mark(to, close)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Value {
    /// A list of values; JSON only when somebody asks for it.
    #[must_use]
    pub fn list(items: Vec<Value>) -> Self {
        Self(Arc::new(Made {
            names: None,
            items,
            json: OnceLock::new(),
        }))
    }

    /// A map of values; JSON only when somebody asks for it.
    #[must_use]
    pub fn map(fields: impl IntoIterator<Item = (String, Value)>) -> Self {
        let (names, items) = fields.into_iter().unzip();
        Self(Arc::new(Made {
            names: Some(names),
            items,
            json: OnceLock::new(),
        }))
    }

    /// A typed value.
    pub fn new<T: Data>(value: T) -> Self {
        Self(Arc::new(Typed {
            value,
            json: OnceLock::new(),
        }))
    }

    /// A value that is already JSON.
    #[must_use]
    pub fn json(value: Json) -> Self {
        Self(Arc::new(AtRest(Arc::new(value))))
    }

    /// The value as JSON text. Nothing of it is kept.
    ///
    /// # Errors
    /// When the author's type refuses to be written.
    pub(crate) fn text(&self) -> Result<Box<RawValue>, serde_json::Error> {
        let text = self.text_within(usize::MAX)?;
        text.ok_or_else(|| serde::ser::Error::custom("its text is too long"))
    }

    /// The value as JSON text of at most so many bytes; none when it is longer, or refuses to be written after that many.
    ///
    /// # Errors
    /// When the author's type refuses to be written.
    pub(crate) fn text_within(&self, most: usize) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        let mut is_longer = false;
        let mut give = |_| {
            is_longer = true;
            Err(io::ErrorKind::FileTooLarge.into())
        };
        let mut pieces = Pieces::new(most.saturating_add(1), &mut give);
        let written = self.0.write(&mut pieces);
        let text = pieces.rest();
        if is_longer {
            return Ok(None);
        }
        written?;
        let text = String::from_utf8(text).map_err(serde::ser::Error::custom)?;
        RawValue::from_string(text).map(Some)
    }

    /// Writes the value as JSON text, in pieces of so many bytes and a last one; stops where a piece is not taken.
    ///
    /// # Errors
    /// When the author's type refuses to be written, or a piece was not taken.
    pub(crate) fn write(
        &self,
        size: usize,
        mut give: impl FnMut(Vec<u8>) -> io::Result<()>,
    ) -> Result<(), serde_json::Error> {
        let mut pieces = Pieces::new(size, &mut give);
        self.0.write(&mut pieces)?;
        let last = pieces.rest();
        give(last).map_err(serde::ser::Error::custom)
    }

    /// What a list or a map was made of, when it was made of values.
    pub(crate) fn parts(&self) -> Option<Parts<'_>> {
        let made = self.0.as_any().downcast_ref::<Made>()?;
        Some(Parts {
            names: made.names.as_deref(),
            items: &made.items,
        })
    }

    /// Whether it is kept elsewhere, or some of what it was made of is.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.stored_at().is_some()
            || self
                .parts()
                .is_some_and(|parts| parts.items.iter().any(Value::is_elsewhere))
    }

    /// The items of a list, whether it was made of values or of JSON.
    ///
    /// # Errors
    /// When it is no list, or refuses to be written as JSON.
    pub(crate) fn to_items(&self) -> Result<Vec<Value>, serde_json::Error> {
        if let Some(Parts { names: None, items }) = self.parts() {
            return Ok(items.to_vec());
        }
        match &*self.to_json()? {
            Json::Array(items) => Ok(items.iter().cloned().map(Self::json).collect()),
            _ => Err(serde::de::Error::custom("it is no list")),
        }
    }

    /// A value that is kept elsewhere.
    pub(crate) fn stored(at: ValueRef) -> Self {
        Self(Arc::new(Elsewhere(at)))
    }

    /// Where the value is, when it is not here.
    pub(crate) fn stored_at(&self) -> Option<&ValueRef> {
        self.0.stored_at()
    }

    /// Whether both are one value, not only equal ones.
    pub(crate) fn is(&self, other: &Value) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// JSON `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::json(Json::Null)
    }

    /// The value as JSON, made once and shared.
    ///
    /// # Errors
    /// When the author's type refuses to be written, for example a map whose keys are no strings.
    pub fn to_json(&self) -> Result<Arc<Json>, serde_json::Error> {
        self.0.json()
    }

    /// The value as `T`: cloned, for the record of the run keeps it too; read from JSON when it is of another type.
    ///
    /// # Errors
    /// When the JSON form does not fit `T`.
    pub fn take<T: Data>(mut self) -> Result<T, serde_json::Error> {
        if let Some(value) = self.get::<T>() {
            return Ok(value.clone());
        }
        if let Some(text) = self.0.as_any().downcast_ref::<Text>() {
            return text.read();
        }
        // What was loaded for this alone need not be there twice.
        if let Some(json) = Arc::get_mut(&mut self.0).and_then(Held::take_json) {
            return serde_json::from_value(json);
        }
        serde_json::from_value(self.0.json()?.as_ref().clone())
    }

    /// A reference to the value inside when it is a `T` in memory.
    #[must_use]
    pub fn get<T: Data>(&self) -> Option<&T> {
        self.0.as_any().downcast_ref::<Typed<T>>().map(|held| &held.value)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.stored_at() {
            return write!(f, "(kept as {})", at.artifact);
        }
        match self.to_json() {
            Ok(json) => write!(f, "{json}"),
            Err(error) => write!(f, "(not JSON: {error})"),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        if let (Some(a), Some(b)) = (self.stored_at(), other.stored_at()) {
            return a.sha256 == b.sha256;
        }
        self.is(other) || matches!((self.to_json(), other.to_json()), (Ok(a), Ok(b)) if a == b)
    }
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json()
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Self::json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize, JsonSchema)]
    struct Point {
        x: u32,
        y: u32,
    }

    #[test]
    fn a_typed_value_keeps_its_type_and_has_one_json_form() {
        let value = Value::new(Point { x: 1, y: 2 });
        assert_eq!(value.get::<Point>(), Some(&Point { x: 1, y: 2 }));
        assert_eq!(
            *value.to_json().expect("a point is JSON"),
            serde_json::json!({"x": 1, "y": 2})
        );
        assert_eq!(
            value.take::<Point>().expect("the same type"),
            Point { x: 1, y: 2 }
        );
    }

    #[test]
    fn json_becomes_typed_where_it_fits_and_an_error_where_not() {
        let value = Value::json(serde_json::json!({"x": 3, "y": 4}));
        assert_eq!(
            value.clone().take::<Point>().expect("it fits"),
            Point { x: 3, y: 4 }
        );
        assert!(value.take::<u64>().is_err());
    }
}
