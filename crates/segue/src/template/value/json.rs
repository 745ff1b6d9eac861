//! What a value is outside: JSON with its type, or text.

use std::io;

use minijinja::Value;
use minijinja::value::ValueKind;
use serde_json::Value as Json;

use super::super::fault::Problem;
use super::super::limit::{self, Meter};
use super::{BuiltList, BuiltMap, View, number_in_range, weigh, weigh_json};

/// The JSON of a value, with its type.
pub(in super::super) fn to_json(value: &Value, meter: &mut Meter) -> Result<Json, Problem> {
    weigh(value, meter)?;
    let mut bytes = 0;
    copy(value, &mut bytes)
}

fn copy(value: &Value, bytes: &mut usize) -> Result<Json, Problem> {
    *bytes += value.as_str().map_or(0, str::len);
    limit::fits(*bytes)?;
    if let Some(view) = value.downcast_object_ref::<View>() {
        return Ok(view.json().clone());
    }
    if let Some(list) = value.downcast_object_ref::<BuiltList>() {
        return list
            .items
            .iter()
            .map(|item| copy(item, bytes))
            .collect::<Result<_, _>>()
            .map(Json::Array);
    }
    if let Some(map) = value.downcast_object_ref::<BuiltMap>() {
        let fields = map
            .entries
            .iter()
            .map(|(name, item)| Ok((name.clone(), copy(item, bytes)?)));
        return fields.collect::<Result<_, Problem>>().map(Json::Object);
    }
    Ok(match value.kind() {
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::String => Json::from(value.as_str().unwrap_or_default()),
        ValueKind::Number => {
            let value = number_in_range(value)?;
            match (value.is_integer(), value.as_i64()) {
                (true, Some(number)) => Json::from(number),
                (true, None) => u64::try_from(value).map_or(Json::Null, Json::from),
                (false, _) => f64::try_from(value).map_or(Json::Null, Json::from),
            }
        }
        _ => Json::Null,
    })
}

/// What a value prints as within text: text as itself, anything else as compact JSON.
///
/// # Errors
///
/// `none_in_text` for none.
pub(in super::super) fn to_text(value: &Value, meter: &mut Meter) -> Result<String, Problem> {
    if let Some(text) = value.as_str() {
        meter.bytes(text.len())?;
        return Ok(text.to_owned());
    }
    if value.is_none() {
        return Err(
            Problem::new("none_in_text", "the value is none, which has no text")
                .hint("give a text to use instead: `or ''`"),
        );
    }
    match value.downcast_object_ref::<View>() {
        Some(view) => {
            weigh_json(view.json(), meter)?;
            json_text(view.json(), false)
        }
        None => json_text(&to_json(value, meter)?, false),
    }
}

/// Refuses JSON that is larger than the limit of results; the quotes of a single text do not count.
pub(in super::super) fn json_fits(json: &Json) -> Result<(), Problem> {
    match json {
        Json::String(text) => limit::fits(text.len()),
        _ => serde_json::to_writer(Counted { bytes: 0 }, json).map_err(|_| limit::too_large()),
    }
}

/// JSON as text, compact or indented by two blanks.
pub(in super::super) fn json_text(json: &Json, pretty: bool) -> Result<String, Problem> {
    let mut text = Bounded { bytes: Vec::new() };
    let written = match pretty {
        true => serde_json::to_writer_pretty(&mut text, json),
        false => serde_json::to_writer(&mut text, json),
    };
    match written {
        Ok(()) => {
            String::from_utf8(text.bytes).map_err(|_| Problem::new("kind_mismatch", "the value is not text"))
        }
        Err(_) => Err(limit::too_large()),
    }
}

/// Counts what is written, and fails beyond the limit of results.
struct Counted {
    bytes: usize,
}

impl io::Write for Counted {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.bytes += part.len();
        match self.bytes > limit::RESULT {
            true => Err(io::ErrorKind::FileTooLarge.into()),
            false => Ok(part.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Text that stops growing at the limit of results: blanks for indenting can be many times the value.
struct Bounded {
    bytes: Vec<u8>,
}

impl io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > limit::RESULT {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
