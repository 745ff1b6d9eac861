//! The filters that are ours: their inputs have been weighed and have the right kind.

use std::sync::Arc;

use minijinja::Value;
use serde_json::Value as Json;

use super::super::fault::Problem;
use super::super::kinds::Kind;
use super::super::limit::{self, Meter};
use super::super::operators::{self, Operator};
use super::super::value::{self, cut, kind};
use super::{Given, at_path, wrong};

pub(super) fn join(input: &Value, given: &Given, meter: &mut Meter) -> Result<String, Problem> {
    let separator = given.text("join", 0, "d")?.unwrap_or_default();
    let attribute = given.text("join", 1, "attribute")?;
    let mut joined = String::new();
    for (place, item) in value::iterate(input)?.enumerate() {
        let item = match attribute {
            Some(path) => at_path(&item, path).ok_or_else(|| {
                Problem::new(
                    "unknown_field",
                    format!("item {place} has no field `{}`", cut(path)),
                )
            })?,
            None => item,
        };
        if place > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&value::to_text(&item, meter)?);
        limit::fits(joined.len())?;
    }
    Ok(joined)
}

pub(super) fn sum(input: &Value, given: &Given, meter: &mut Meter) -> Result<Value, Problem> {
    let attribute = given.text("sum", 0, "attribute")?;
    let mut total = given.get(1, "start").cloned().unwrap_or_else(|| Value::from(0));
    for (place, item) in value::iterate(input)?.enumerate() {
        let item = match attribute {
            Some(path) => at_path(&item, path).ok_or_else(|| {
                Problem::new(
                    "unknown_field",
                    format!("item {place} has no field `{}`", cut(path)),
                )
            })?,
            None => item,
        };
        if kind(&total) != Kind::Number || kind(&item) != Kind::Number {
            return Err(wrong(
                "sum",
                Kind::Number,
                if kind(&total) == Kind::Number {
                    &item
                } else {
                    &total
                },
            ));
        }
        total = operators::apply(Operator::Add, &total, &item, meter)?;
    }
    Ok(total)
}

/// The first `n` words, separated as they were; `…` shows that there were more.
pub(super) fn truncate_words(text: &str, n: usize) -> String {
    let mut words = 0;
    let mut in_word = false;
    for (place, character) in text.char_indices() {
        let blank = character.is_whitespace();
        if !blank && !in_word {
            words += 1;
            if words > n {
                return format!("{}…", text[..place].trim_end());
            }
        }
        in_word = !blank;
    }
    text.to_owned()
}

/// Letters and digits in lower case, everything between them one hyphen.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        if character.is_alphanumeric() {
            slug.extend(character.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

pub(super) fn from_json(text: &str, meter: &mut Meter) -> Result<Value, Problem> {
    // A parsed document takes several times the room of its text.
    meter.bytes(text.len().saturating_mul(4))?;
    let json: Json = serde_json::from_str(text).map_err(|error| {
        Problem::new("kind_mismatch", format!("the text is not JSON: {error}"))
            .hint("ask for JSON with an output schema instead of reading it from text")
    })?;
    Ok(value::from_json(&Arc::new(json)))
}

pub(super) fn to_json(
    name: &str,
    input: &Value,
    given: &Given,
    meter: &mut Meter,
) -> Result<String, Problem> {
    let json = value::to_json(input, meter)?;
    let pretty = name == "pprint" || given.get(0, "indent").is_some_and(value::truthy);
    value::json_text(&json, pretty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_and_counted_at_unicode_blanks() {
        assert_eq!(truncate_words("one two\u{2003}three", 2), "one two…");
        assert_eq!(truncate_words("  one ", 1), "  one ");
        assert_eq!(truncate_words("one", 0), "…");
        assert_eq!(slug("  Über uns: 2 Ideen!  "), "über-uns-2-ideen");
    }
}
