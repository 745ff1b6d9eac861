//! Answers: whether what a model said completes what it was asked. Judged by the marker, schema or artifacts the author
//! named, never by words in the text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

use super::Asked;
use crate::error::ErrorKind;
use crate::plan::Complete;
use crate::run::Cx;
use crate::schema::Schema;

/// Violations a model is told at once; more help it no further.
const MOST_TOLD: usize = 5;

/// What an answer is worth.
pub(super) enum Verdict {
    Complete(Json),
    /// It has nothing in it.
    Empty,
    /// It is not of the type asked for.
    Misfit(String),
    /// Its last line is not the marker.
    NoMarker,
    /// These artifacts are not saved.
    Unsaved(Vec<String>),
}

impl Verdict {
    /// What the agent is told.
    pub(super) fn wrong(&self) -> String {
        match self {
            Verdict::Complete(_) => String::new(),
            Verdict::Empty => "it is empty".to_owned(),
            Verdict::Misfit(wrong) => wrong.clone(),
            Verdict::NoMarker => "its last line is not the marker".to_owned(),
            Verdict::Unsaved(names) => format!("artifacts are missing: {}", names.join(", ")),
        }
    }

    /// What the attempt fails with when nothing better comes.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Verdict::Misfit(_) => ErrorKind::OutputInvalid,
            _ => ErrorKind::IncompleteOutput,
        }
    }
}

pub(super) fn judge(cx: &Cx, asked: &Asked, text: &str) -> Verdict {
    let text = match &asked.complete {
        Complete::Schema => text,
        Complete::Marker { marker, .. } => match before_marker(text, marker) {
            Some(text) => text,
            None => return Verdict::NoMarker,
        },
        Complete::Saved(names) => {
            let is_missing = |name: &&String| cx.shared().saved.find(name).is_none();
            let missing: Vec<String> = names.iter().filter(is_missing).cloned().collect();
            if !missing.is_empty() {
                return Verdict::Unsaved(missing);
            }
            text
        }
    };
    match &asked.output {
        _ if text.trim().is_empty() => Verdict::Empty,
        None => Verdict::Complete(Json::String(text.to_owned())),
        Some(schema) => typed(schema, text),
    }
}

/// The text above the marker, when the marker is the last line.
fn before_marker<'t>(text: &'t str, marker: &str) -> Option<&'t str> {
    let trimmed = text.trim_end();
    let (before, last) = trimmed.rsplit_once('\n').unwrap_or(("", trimmed));
    (last.trim() == marker.trim()).then(|| before.trim_end())
}

fn typed(schema: &Schema, text: &str) -> Verdict {
    let value = match serde_json::from_str::<Exact>(text) {
        Ok(Exact(value)) => value,
        // A label or a plain text needs no quotes.
        Err(_) if schema.takes_text() => Json::String(text.trim().to_owned()),
        Err(error) => return Verdict::Misfit(format!("it is not JSON: {error}")),
    };
    if value.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Verdict::Empty;
    }
    let violations = schema.violations(&value);
    if violations.is_empty() {
        return Verdict::Complete(value);
    }
    let told: Vec<String> = violations
        .iter()
        .take(MOST_TOLD)
        .map(ToString::to_string)
        .collect();
    Verdict::Misfit(told.join("; "))
}

/// JSON in which no object names a field twice: which of the two was meant is not for us to guess.
struct Exact(Json);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExactVisitor).map(Exact)
    }
}

struct ExactVisitor;

impl<'de> Visitor<'de> for ExactVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(Exact(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom(format!("field `{name}` is there twice")));
            }
            let Exact(value) = fields.next_value()?;
            map.insert(name, value);
        }
        Ok(Json::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_marker_counts_only_as_the_last_line_and_is_cut_off() {
        for (text, expected) in [
            ("all done\nDONE", Some("all done")),
            ("all done\n\n  DONE  \n\n", Some("all done")),
            ("DONE", Some("")),
            ("DONE\nnot yet", None),
            ("it is DONE", None),
            ("", None),
        ] {
            assert_eq!(before_marker(text, "DONE"), expected, "{text:?}");
        }
    }

    #[test]
    fn json_is_read_exactly() {
        let text = r#"{"a": [1, -2, 2.5, null, true], "b": {"c": "x"}}"#;
        let exact: Exact = serde_json::from_str(text).expect("it is JSON");
        assert_eq!(exact.0, json!({"a": [1, -2, 2.5, null, true], "b": {"c": "x"}}));
        for wrong in [
            r#"{"a": 1, "a": 2}"#,
            r#"[{"a": {"b": 1, "b": 1}}]"#,
            "```json\n{}\n```",
            "{} and that is it",
            "NaN",
            &"[".repeat(100_000),
        ] {
            assert!(serde_json::from_str::<Exact>(wrong).is_err(), "{wrong:.40}");
        }
    }
}
