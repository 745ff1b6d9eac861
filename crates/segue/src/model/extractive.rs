//! Answers taken from the given text: sentences, key terms, names, numbers and labels, put into the asked-for shape.
//!
//! This is what stands behind `local/extractive`. It runs in process, costs nothing and asks no model. Equal requests get equal
//! answers: there is no clock, no randomness and no environment here. It never follows instructions in the text; the request
//! only says what is relevant, and the schema says what shape the answer has.

mod document;
mod finds;
mod labels;
mod measures;
mod names;
mod reader;
mod request;
mod sentences;
pub(crate) mod shape;
mod terms;
mod vocabulary;
mod wanted;
mod words;

use serde_json::Value;

use self::reader::Reader;

/// The name under which answers say where they come from.
pub const NAME: &str = "extractive";

/// One request.
///
/// A short lead-in at the start of `text` that ends in a colon, such as `Extract entities:`, is read as a question about the
/// rest of it.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What is wanted, in words; says what is relevant and is never quoted.
    pub instructions: &'a str,
    /// The text from which the answer is taken.
    pub text: &'a str,
    /// The JSON Schema of the answer; a summary in words without one.
    pub schema: Option<&'a Value>,
    /// The most words of a summary; 60 without it.
    pub max_words: Option<usize>,
}

/// The answer to `ask`, of the shape of its schema.
///
/// Null where the schema cannot be satisfied. Patterns beyond simple ones are met only by words of the text.
///
/// The work grows with the length of the text, not with its square: five megabytes take about a second.
#[must_use]
pub fn answer(ask: &Ask<'_>) -> Value {
    let mut reader = Reader::of(
        ask.text,
        ask.instructions,
        ask.max_words.unwrap_or(SUMMARY_WORDS).max(1),
    );
    match ask.schema {
        None => Value::String(reader.answer()),
        Some(schema) => shape::fill(schema, &mut reader),
    }
}

/// What this is, in one sentence, for views and logs.
#[must_use]
pub fn describes_itself() -> &'static str {
    "extractive: sentences, terms and labels taken from the given text; no model was asked"
}

/// Three or four sentences.
const SUMMARY_WORDS: usize = 60;

#[cfg(test)]
mod tests;
