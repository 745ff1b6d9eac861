//! Hashing what is written: the digest of a type of the author's, which is that of its JSON.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{self, Error as _, Serializer};
use serde_json::{Error, Value as Json};

use super::{List, Map, Part, Scalar, part};

/// How `serde_json` marks JSON that is text already.
const RAW: &str = "$serde_json::private::RawValue";

/// Makes a [`Part`] of what is written.
pub(super) struct Hashing;

/// A map or a struct on its way.
pub(super) struct Fields {
    map: Map<'static>,
    name: Option<String>,
}

impl Fields {
    fn new() -> Self {
        Self {
            map: Map::default(),
            name: None,
        }
    }
}

/// A struct, or JSON that is text already.
pub(super) enum Struct {
    Fields(Fields),
    Raw(Part),
}

/// A variant of an enum around what it holds.
pub(super) struct Variant<T> {
    name: &'static str,
    held: T,
}

fn variant(name: &'static str, part: Part) -> Part {
    let mut map = Map::default();
    map.add(Cow::Borrowed(name), part);
    map.finish()
}

/// The name of a field, from whatever can be one.
fn name(key: &(impl Serialize + ?Sized)) -> Result<String, Error> {
    struct Only<'k, K: ?Sized>(&'k K);
    impl<K: Serialize + ?Sized> Serialize for Only<'_, K> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_map([(self.0, ())])
        }
    }
    match serde_json::to_value(Only(key))? {
        Json::Object(fields) => fields.into_iter().next().map(|(name, _)| name),
        _ => None,
    }
    .ok_or_else(|| Error::custom("a field has no name"))
}

macro_rules! scalars {
    ($($name:ident: $type:ty),*) => {
        $(fn $name(self, value: $type) -> Result<Part, Error> {
            Scalar::of(&value)
        })*
    };
}

impl Serializer for Hashing {
    type Ok = Part;
    type Error = Error;
    type SerializeSeq = List;
    type SerializeTuple = List;
    type SerializeTupleStruct = List;
    type SerializeTupleVariant = Variant<List>;
    type SerializeMap = Fields;
    type SerializeStruct = Struct;
    type SerializeStructVariant = Variant<Fields>;

    scalars!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_f64: f64,
        serialize_char: char, serialize_str: &str
    );

    // As numbers of JSON have it.
    fn serialize_f32(self, value: f32) -> Result<Part, Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_i128(self, value: i128) -> Result<Part, Error> {
        Scalar::of(&serde_json::to_value(value)?)
    }

    fn serialize_u128(self, value: u128) -> Result<Part, Error> {
        Scalar::of(&serde_json::to_value(value)?)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Part, Error> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<Part, Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Part, Error> {
        part(value)
    }

    fn serialize_unit(self) -> Result<Part, Error> {
        Scalar::of(&())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Part, Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<Part, Error> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Part, Error> {
        part(value)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<Part, Error> {
        Ok(variant(name, part(value)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List, Error> {
        Ok(List::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<List, Error> {
        Ok(List::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List, Error> {
        Ok(List::default())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Variant<List>, Error> {
        let held = List::default();
        Ok(Variant { name, held })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Fields, Error> {
        Ok(Fields::new())
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Struct, Error> {
        match name {
            RAW => Ok(Struct::Raw(self.serialize_unit()?)),
            _ => Ok(Struct::Fields(Fields::new())),
        }
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Variant<Fields>, Error> {
        let held = Fields::new();
        Ok(Variant { name, held })
    }
}

impl ser::SerializeSeq for List {
    type Ok = Part;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.add(&part(value)?);
        Ok(())
    }

    fn end(self) -> Result<Part, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeTuple for List {
    type Ok = Part;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Part, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleStruct for List {
    type Ok = Part;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Result<Part, Error> {
        Ok(self.finish())
    }
}

impl ser::SerializeTupleVariant for Variant<List> {
    type Ok = Part;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        ser::SerializeSeq::serialize_element(&mut self.held, value)
    }

    fn end(self) -> Result<Part, Error> {
        Ok(variant(self.name, self.held.finish()))
    }
}

impl ser::SerializeMap for Fields {
    type Ok = Part;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.name = Some(name(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let name = self.name.take();
        let name = name.ok_or_else(|| Error::custom("a field has no name"))?;
        self.map.add(Cow::Owned(name), part(value)?);
        Ok(())
    }

    fn end(self) -> Result<Part, Error> {
        Ok(self.map.finish())
    }
}

impl ser::SerializeStruct for Struct {
    type Ok = Part;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        match self {
            Struct::Fields(fields) => fields.map.add(Cow::Borrowed(name), part(value)?),
            Struct::Raw(raw) => {
                if let Json::String(text) = serde_json::to_value(value)? {
                    *raw = part(&serde_json::from_str::<Json>(&text)?)?;
                }
            }
        }
        Ok(())
    }

    fn end(self) -> Result<Part, Error> {
        Ok(match self {
            Struct::Fields(fields) => fields.map.finish(),
            Struct::Raw(part) => part,
        })
    }
}

impl ser::SerializeStructVariant for Variant<Fields> {
    type Ok = Part;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.held.map.add(Cow::Borrowed(name), part(value)?);
        Ok(())
    }

    fn end(self) -> Result<Part, Error> {
        Ok(variant(self.name, self.held.map.finish()))
    }
}
