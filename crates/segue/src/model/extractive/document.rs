//! A text read once: its sentences, its words and how often each stem occurs.
//!
//! Everything the answer says is taken from here, so every question costs at most one more pass over the words.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::sentences::{self, Sentence};
use super::words::{self, Stems, Word};

/// A text with its sentences and words.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    pub(super) sentences: Vec<Sentence>,
    pub(super) words: Vec<Word>,
    pub(super) stems: Stems,
    spans: Vec<Range<usize>>,
}

/// Weights of stems that a question is about, by stem number.
pub(super) type Focus = BTreeMap<u32, f64>;

impl<'a> Document<'a> {
    pub(super) fn read(text: &'a str) -> Self {
        let sentences = sentences::split(text);
        let mut words = Vec::new();
        let mut stems = Stems::default();
        let mut spans = Vec::with_capacity(sentences.len());
        for sentence in &sentences {
            let from = words.len();
            words::read(text, sentence.start, sentence.end, &mut stems, &mut words);
            spans.push(from..words.len());
        }
        Self {
            text,
            sentences,
            words,
            stems,
            spans,
        }
    }

    /// The words of the sentence numbered `at`.
    pub(super) fn words_of(&self, at: usize) -> &[Word] {
        self.spans
            .get(at)
            .and_then(|span| self.words.get(span.clone()))
            .unwrap_or(&[])
    }

    /// The sentence numbered `at` on one line.
    pub(super) fn sentence(&self, at: usize) -> String {
        self.sentences.get(at).map_or_else(String::new, |sentence| {
            one_line(&self.text[sentence.start..sentence.end])
        })
    }

    /// The text of `word` as it is written.
    pub(super) fn written(&self, word: &Word) -> &'a str {
        &self.text[word.start..word.end]
    }

    /// How much each sentence says of what the whole text says, raised by its part in `focus`; in order of the text.
    pub(super) fn scores(&self, focus: &Focus) -> Vec<f64> {
        let relevance = self.relevance(focus);
        let most = relevance.iter().copied().fold(0.0, f64::max);
        (0..self.sentences.len())
            .map(|at| {
                let near = if most > 0.0 { relevance[at] / most } else { 0.0 };
                self.centrality(at) * (1.0 + 1.5 * near)
            })
            .collect()
    }

    /// How much of `focus` each sentence has; rare stems count more. Zero where it has none.
    pub(super) fn relevance(&self, focus: &Focus) -> Vec<f64> {
        let all = self.sentences.len() as f64;
        (0..self.sentences.len())
            .map(|at| {
                if focus.is_empty() {
                    return 0.0;
                }
                let seen: HashSet<u32> = self.words_of(at).iter().map(|word| word.stem).collect();
                focus
                    .iter()
                    .filter(|(stem, _)| seen.contains(stem))
                    .map(|(stem, weight)| {
                        weight * (1.0 + all / f64::from(self.stems.count(*stem).max(1))).ln()
                    })
                    .sum()
            })
            .collect()
    }

    /// The best sentences by `scores` that together have at most `limit` words, in the order of the text; repetitions are left out.
    pub(super) fn best(&self, scores: &[f64], limit: usize, most: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.sentences.len()).filter(|at| scores[*at] > 0.0).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        let mut left = limit;
        let mut chosen: Vec<usize> = Vec::new();
        for at in order.into_iter().take(TRIED) {
            let length = self.words_of(at).len();
            if chosen.len() == most || left == 0 {
                break;
            }
            if length <= left && !chosen.iter().any(|other| self.alike(*other, at)) {
                left -= length;
                chosen.push(at);
            }
        }
        chosen.sort_unstable();
        chosen
    }

    fn centrality(&self, at: usize) -> f64 {
        let words = self.words_of(at);
        let content: HashSet<u32> = words
            .iter()
            .filter(|word| !word.stop)
            .map(|word| word.stem)
            .collect();
        if content.is_empty() {
            return 0.001;
        }
        let mut stems: Vec<u32> = content.into_iter().collect();
        // Sums of floats depend on their order, and the order of a hash set differs between processes.
        stems.sort_unstable();
        let weight: f64 = stems
            .iter()
            .map(|stem| (1.0 + f64::from(self.stems.count(*stem))).ln())
            .sum();
        // The mean favours short sentences and the sum long ones; the square root lies between.
        let dense = weight / (stems.len() as f64).sqrt();
        let position = if at == 0 {
            1.35
        } else {
            1.0 + 0.25 / (at as f64 + 1.0)
        };
        let length = match words.len() {
            0..=4 => 0.4,
            5..=40 => 1.0,
            more => 40.0 / more as f64,
        };
        let form = if self.sentences[at].fragment { 0.35 } else { 1.0 };
        dense * position * length * form
    }

    fn alike(&self, a: usize, b: usize) -> bool {
        let set = |at: usize| -> HashSet<u32> {
            self.words_of(at)
                .iter()
                .filter(|word| !word.stop)
                .map(|word| word.stem)
                .collect()
        };
        let (a, b) = (set(a), set(b));
        let shared = a.intersection(&b).count();
        shared * 10 >= 6 * a.union(&b).count().max(1)
    }
}

/// How many of the highest ranked sentences are looked at when a limit of words is filled.
const TRIED: usize = 400;

/// `text` with every run of whitespace as one space.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for part in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
    }
    line
}

/// The first `limit` words of `text`, with an ellipsis where something is left out.
pub(super) fn first_words(text: &str, limit: usize) -> String {
    let mut read = Vec::new();
    words::read(text, 0, text.len(), &mut Stems::default(), &mut read);
    match read.get(limit.max(1) - 1) {
        Some(last) if read.len() > limit.max(1) => format!("{}…", &text[..last.end]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Document, Focus, first_words};

    #[test]
    fn a_question_raises_the_sentence_that_has_its_words() {
        let text = "Bread needs flour and water. Bread needs time. The oven of the bakery is hot in winter.";
        let document = Document::read(text);
        let plain = document.best(&document.scores(&Focus::new()), 8, 1);
        let oven = document.stems.id_of("oven").expect("the word is in the text");
        let asked = document.best(&document.scores(&Focus::from([(oven, 1.0)])), 12, 1);
        assert_ne!(plain, asked);
        assert_eq!(asked, [2]);
    }

    #[test]
    fn the_chosen_sentences_keep_their_order_and_the_limit() {
        let text =
            "One red fox ran. Two red foxes slept here. Red foxes eat berries in the red wood. Snow fell.";
        let document = Document::read(text);
        let chosen = document.best(&document.scores(&Focus::new()), 14, 9);
        assert!(chosen.is_sorted());
        assert!(
            chosen
                .iter()
                .map(|at| document.words_of(*at).len())
                .sum::<usize>()
                <= 14
        );
    }

    #[test]
    fn a_cut_is_made_after_a_word() {
        assert_eq!(first_words("größer als zuvor", 1), "größer…");
        assert_eq!(first_words("one two", 2), "one two");
    }
}
