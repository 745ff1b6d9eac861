//! What is asked and of which text: a short lead-in such as `Extract entities:` is a question, the rest is the document.
//!
//! Words of the question only raise what is relevant. Nothing in the document is taken as an instruction.

use super::document::{Document, Focus};
use super::labels::topic_words;
use super::vocabulary::REQUEST;
use super::words::{is_stop, of_name, stem};

/// A request taken apart.
#[derive(Debug)]
pub(super) struct Request<'a> {
    /// The words before the colon, if the text starts with a lead-in.
    pub(super) lead_in: &'a str,
    /// The text to be read.
    pub(super) document: &'a str,
}

impl<'a> Request<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let whole = Self {
            lead_in: "",
            document: text,
        };
        let shown = text.trim_start();
        let Some(colon) = shown
            .char_indices()
            .take(LONGEST_LEAD_IN)
            .find(|(_, c)| matches!(c, ':' | '：'))
        else {
            return whole;
        };
        let lead_in = &shown[..colon.0];
        let document = &shown[colon.0 + colon.1.len_utf8()..];
        let ends_word = colon.1 == '：' || document.is_empty() || document.starts_with(char::is_whitespace);
        let words = of_name(lead_in);
        let plain = !lead_in.trim().contains(['\n', '.', '?', '!', '。', '#'])
            && !words.is_empty()
            && words.len() <= 16;
        if !ends_word || !plain {
            return whole;
        }
        // `Extract entities:` with nothing after it asks about an empty text; `Ingredients:` alone is the text.
        if document.trim().is_empty() && !words.first().is_some_and(|word| is_request_word(word)) {
            return whole;
        }
        Self { lead_in, document }
    }
}

/// The stems of `document` that `questions` are about. Topics named in a question bring their words along at less weight.
pub(super) fn focus(document: &Document<'_>, questions: &[&str]) -> Focus {
    let mut focus = Focus::new();
    let mut raise = |word: &str, weight: f64| {
        if let Some(id) = document.stems.id_of(word) {
            let entry = focus.entry(id).or_insert(0.0);
            *entry = entry.max(weight);
        }
    };
    for word in content_words(questions) {
        raise(&word, 1.0);
        for related in topic_words(&word).into_iter().flat_map(str::split_whitespace) {
            raise(related, 0.3);
        }
    }
    focus
}

/// The words of `questions` that say what is asked about, each once.
pub(super) fn content_words(questions: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in questions
        .iter()
        .flat_map(|question| of_name(question))
        .take(MOST_WORDS)
    {
        if !is_stop(&word) && !is_request_word(&word) && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// A lead-in is a line, not a page: this many characters.
const LONGEST_LEAD_IN: usize = 200;
/// Long instructions are about many things; the first words weigh enough.
const MOST_WORDS: usize = 200;

fn is_request_word(word: &str) -> bool {
    let wanted = stem(word);
    REQUEST
        .split_whitespace()
        .any(|known| known == word || stem(known) == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Request, content_words};

    #[test]
    fn a_lead_in_is_no_part_of_the_document() {
        let request = Request::of("Extract entities: Northwind: a story.");
        assert_eq!(
            (request.lead_in, request.document.trim()),
            ("Extract entities", "Northwind: a story.")
        );
    }

    #[test]
    fn times_links_and_late_colons_are_no_lead_in() {
        for text in [
            "12:30 we met",
            "https://example.org is down",
            "It rained. Then: sun.",
            "Ingredients:",
            "",
        ] {
            assert_eq!(Request::of(text).document, text);
        }
    }

    #[test]
    fn a_request_about_nothing_has_an_empty_document() {
        assert_eq!(Request::of("Classify based on: ").document.trim(), "");
    }

    #[test]
    fn words_of_the_request_itself_ask_about_nothing() {
        assert_eq!(
            content_words(&[
                "Sentences about the business market and money in",
                "Copy the sentences."
            ]),
            ["business", "market", "money"]
        );
    }
}
