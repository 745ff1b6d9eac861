//! Key terms: runs of content words, scored by how often their words and the whole run occur.

use std::collections::HashMap;

use super::document::{Document, one_line};

/// At most `limit` key terms of the document, best first, as they are first written; `raised` gives stems extra weight.
pub(super) fn key_terms(
    document: &Document<'_>,
    raised: &super::document::Focus,
    limit: usize,
) -> Vec<String> {
    let mut counts: HashMap<[u32; LONGEST], (usize, u32)> = HashMap::new();
    let mut phrases: Vec<Phrase> = Vec::new();
    for at in 0..document.sentences.len() {
        each_run(document, at, |run| {
            for length in 1..=LONGEST.min(run.len()) {
                for words in run.windows(length) {
                    let mut key = [u32::MAX; LONGEST];
                    for (slot, word) in key.iter_mut().zip(words) {
                        *slot = word.stem;
                    }
                    let whole = length == run.len();
                    let entry = counts.entry(key).or_insert_with(|| {
                        phrases.push(Phrase {
                            key,
                            length,
                            start: words[0].start,
                            end: words[length - 1].end,
                            score: 0.0,
                        });
                        (phrases.len() - 1, 0)
                    });
                    // A run that stands alone between words of grammar is more likely to be a term than a part of one.
                    entry.1 = entry.1.saturating_add(if whole { 3 } else { 1 });
                }
            }
        });
    }
    let total = phrases.len().max(1) as f64;
    for phrase in &mut phrases {
        let count = counts.get(&phrase.key).map_or(0, |(_, count)| *count);
        phrase.score = score(document, raised, phrase, count)
            * (1.0 + 0.3 * (1.0 - phrase.start as f64 / document.text.len().max(1) as f64));
        phrase.score += 1.0 / total;
    }
    phrases.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then(a.start.cmp(&b.start))
            .then(b.length.cmp(&a.length))
    });
    let mut chosen: Vec<Phrase> = Vec::new();
    for phrase in phrases.into_iter().take(20 * limit.max(1)) {
        if chosen.len() == limit {
            break;
        }
        if !chosen.iter().any(|other| other.overlaps(&phrase)) {
            chosen.push(phrase);
        }
    }
    chosen.iter().map(|phrase| shown(document, phrase)).collect()
}

/// Terms have at most this many words; longer runs are rarely terms.
const LONGEST: usize = 3;

struct Phrase {
    key: [u32; LONGEST],
    length: usize,
    start: usize,
    end: usize,
    score: f64,
}

impl Phrase {
    fn stems(&self) -> &[u32] {
        &self.key[..self.length]
    }

    /// Whether the two share more than half of the words of the shorter one.
    fn overlaps(&self, other: &Self) -> bool {
        let shared = self
            .stems()
            .iter()
            .filter(|stem| other.stems().contains(stem))
            .count();
        2 * shared > self.length.min(other.length)
    }
}

fn score(document: &Document<'_>, raised: &super::document::Focus, phrase: &Phrase, count: u32) -> f64 {
    let words: f64 = phrase
        .stems()
        .iter()
        .map(|stem| {
            let extra = raised.get(stem).copied().unwrap_or(0.0);
            (1.0 + f64::from(document.stems.count(*stem))).ln() * (1.0 + extra)
        })
        .sum();
    // Long words carry more meaning; one letter more is not worth a repetition.
    let letters = (phrase.end - phrase.start) as f64 / phrase.length as f64;
    words / (phrase.length as f64).sqrt() * (1.0 + f64::from(count)).ln() * (0.6 + 0.05 * letters.min(12.0))
}

fn shown(document: &Document<'_>, phrase: &Phrase) -> String {
    let text = one_line(&document.text[phrase.start..phrase.end]);
    let starts_sentence = document
        .sentences
        .binary_search_by_key(&phrase.start, |sentence| sentence.start)
        .is_ok();
    let mut chars = text.chars();
    match chars.next() {
        // The capital of a first word belongs to the sentence, unless a second capital shows a name.
        Some(first) if starts_sentence && !chars.as_str().contains(char::is_uppercase) => {
            let lower = first.to_lowercase().chain(chars).collect();
            if document.text.contains(&lower) {
                lower
            } else {
                text
            }
        }
        _ => text,
    }
}

/// Calls `with` for every run of content words of a sentence that only spaces separate; numbers alone are no terms.
fn each_run(document: &Document<'_>, at: usize, mut with: impl FnMut(&[super::words::Word])) {
    let words = document.words_of(at);
    let mut from = 0;
    for (next, word) in words.iter().enumerate() {
        let usable = !word.stop
            && document.written(word).chars().any(char::is_alphabetic)
            && !in_address(document, word);
        let adjoins = next > from
            && document
                .text
                .get(words[next - 1].end..word.start)
                .is_some_and(|gap| !gap.is_empty() && gap.trim().is_empty());
        if (!adjoins || !usable) && next > from {
            with(&words[from..next]);
            from = next;
        }
        if !usable {
            from = next + 1;
        }
    }
    if from < words.len() {
        with(&words[from..]);
    }
}

/// Whether a word is a part of a link or a mail address.
fn in_address(document: &Document<'_>, word: &super::words::Word) -> bool {
    let before = document.text[..word.start].chars().next_back();
    let mut after = document.text[word.end..].chars();
    let next = after.next();
    let goes_on = after.next().is_some_and(|c| c.is_alphanumeric() || c == '/');
    matches!(before, Some('@' | '/' | '.'))
        || next == Some('@')
        || (matches!(next, Some('.' | '/' | ':')) && goes_on)
}

#[cfg(test)]
mod tests {
    use super::super::document::{Document, Focus};
    use super::key_terms;

    #[test]
    fn repeated_phrases_come_first() {
        let text = "Heat pumps save energy. A heat pump in the cellar is quiet. Many people like heat pumps, cats and books.";
        let terms = key_terms(&Document::read(text), &Focus::new(), 3);
        assert_eq!(terms[0].to_lowercase(), "heat pumps");
        assert_eq!(terms.len(), 3);
    }

    #[test]
    fn words_of_grammar_give_no_terms() {
        assert!(
            key_terms(
                &Document::read("It is not what they will have had. 12 34"),
                &Focus::new(),
                5
            )
            .is_empty()
        );
    }
}
