//! What can be counted in a text, and what may honestly be said from the counts.

use super::document::Document;

/// Counts of a text.
#[derive(Debug)]
pub(super) struct Measures {
    pub(super) words: usize,
    pub(super) sentences: usize,
    /// Unicode scalar values.
    pub(super) characters: usize,
    pub(super) paragraphs: usize,
    distinct: usize,
    long_words: usize,
    longest_sentence: usize,
    fragments: usize,
    most_used: Option<(String, u32)>,
}

impl Measures {
    pub(super) fn of(document: &Document<'_>) -> Self {
        let content = document.words.iter().filter(|word| !word.stop);
        // The first of equally frequent words is kept, so that equal texts give equal answers.
        let most_used = content.fold(None::<(&super::words::Word, u32)>, |best, word| {
            let count = document.stems.count(word.stem);
            if best.is_none_or(|(_, most)| count > most) {
                Some((word, count))
            } else {
                best
            }
        });
        Self {
            words: document.words.len(),
            sentences: document.sentences.len(),
            characters: document.text.chars().count(),
            paragraphs: paragraphs(document.text),
            distinct: document.stems.len(),
            long_words: document
                .words
                .iter()
                .filter(|word| document.written(word).chars().nth(6).is_some())
                .count(),
            longest_sentence: (0..document.sentences.len())
                .map(|at| document.words_of(at).len())
                .max()
                .unwrap_or(0),
            fragments: document
                .sentences
                .iter()
                .filter(|sentence| sentence.fragment)
                .count(),
            most_used: most_used.map(|(word, count)| (document.written(word).to_lowercase(), count)),
        }
    }

    /// Ease of reading from 0 (hard) to 1 (easy): the LIX index, words per sentence plus percentage of words of more than
    /// six letters, with 20 as 1 and 70 as 0. It needs no syllables and so serves any language.
    pub(super) fn readability(&self) -> f64 {
        if self.words == 0 {
            return 0.0;
        }
        let lix = self.sentence_length() + 100.0 * self.long_words as f64 / self.words as f64;
        ((70.0 - lix) / 50.0).clamp(0.0, 1.0)
    }

    /// From 0 (short and easy) to 1 (500 words or more, hard to read).
    pub(super) fn complexity(&self) -> f64 {
        if self.words == 0 {
            return 0.0;
        }
        let length = (self.words as f64 / 500.0).min(1.0);
        0.6 * length + 0.4 * (1.0 - self.readability())
    }

    /// Whole minutes at 200 words a minute, at least one where there is a word.
    pub(super) fn reading_minutes(&self) -> usize {
        self.words.div_ceil(200)
    }

    /// Words per sentence.
    pub(super) fn sentence_length(&self) -> f64 {
        self.words as f64 / self.sentences.max(1) as f64
    }

    /// What the counts show, each with its number, most useful first; never empty.
    pub(super) fn observations(&self) -> Vec<String> {
        let mut list = Vec::new();
        let mean = self.sentence_length();
        if self.words == 0 {
            return vec!["the text has no words; nothing can be suggested".to_owned()];
        }
        if mean > 22.0 {
            list.push(format!(
                "sentences have {mean:.0} words on average; shorten them to 20 or fewer"
            ));
        }
        if self.longest_sentence > 35 {
            list.push(format!(
                "the longest sentence has {} words; split it",
                self.longest_sentence
            ));
        }
        let long = 100 * self.long_words / self.words;
        if long > 30 {
            list.push(format!(
                "{long} percent of the words have more than six letters; use plainer words"
            ));
        }
        if let Some((word, count)) = self
            .most_used
            .as_ref()
            .filter(|(_, count)| *count > 3 && 100.0 * f64::from(*count) > 2.5 * self.words as f64)
        {
            list.push(format!(
                "`{word}` occurs {count} times; vary it or make it the heading"
            ));
        }
        if self.words > 80 && 2 * self.distinct < self.words.min(400) {
            list.push(format!(
                "only {} of {} words are distinct; cut repetitions",
                self.distinct, self.words
            ));
        }
        if self.words > 150 && self.paragraphs == 1 {
            list.push(format!("{} words stand in one paragraph; divide it", self.words));
        }
        if self.words > 300 && self.fragments == 0 {
            list.push(format!("{} words have no heading; add some", self.words));
        }
        if self.words < 50 {
            list.push(format!("the text has only {} words; add detail", self.words));
        }
        list.push(format!(
            "readability is {:.2} of 1 at {mean:.0} words per sentence; {}",
            self.readability(),
            if self.readability() < 0.5 {
                "simplify long words and sentences"
            } else {
                "keep it"
            }
        ));
        list
    }
}

fn paragraphs(text: &str) -> usize {
    let mut count = 0;
    let mut inside = false;
    for line in text.lines() {
        let blank = line.trim().is_empty();
        count += usize::from(!blank && !inside);
        inside = !blank;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::Measures;

    #[test]
    fn counts_are_those_of_the_text() {
        let measures = Measures::of(&Document::read("Ein Satz. Noch ein Satz!\n\nEnde gut."));
        assert_eq!(
            (
                measures.words,
                measures.sentences,
                measures.paragraphs,
                measures.reading_minutes()
            ),
            (7, 3, 2, 1)
        );
    }

    #[test]
    fn short_words_read_more_easily_than_long_ones() {
        let easy = Measures::of(&Document::read("The cat sat. The dog ran. We had tea."));
        let hard = Measures::of(&Document::read(
            "Notwithstanding considerable methodological limitations, multidimensional parametrisation substantially outperformed conventional alternatives.",
        ));
        assert!(easy.readability() > 0.9);
        assert!(hard.readability() < 0.1);
    }

    #[test]
    fn observations_give_their_numbers() {
        let list = Measures::of(&Document::read("Too short.")).observations();
        assert!(list[0].contains("2 words"), "{list:?}");
    }
}
