//! What a place in the schema gets from the reader, by the type of its value.

use serde_json::{Map, Value, json};

use super::super::finds;
use super::super::labels;
use super::super::request::content_words;
use super::super::shape::{Pattern, Place, Source};
use super::super::terms::key_terms;
use super::super::wanted::Wanted;
use super::super::words::{self, is_stop, of_name};
use super::{MOST_NAMES, MOST_SENTENCES, MOST_TERMS, Reader};

impl Source for Reader<'_> {
    fn text(&mut self, place: &Place<'_>, _least: usize, most: usize) -> String {
        if let Some(text) = self.formatted(place.format) {
            return text;
        }
        if let Some(subject) = place.subject {
            let naming = [
                "name", "title", "text", "value", "entity", "term", "label", "sentence", "quote", "word",
                "keyword", "topic", "content", "point", "fact",
            ];
            if place.item || naming.contains(&place.name) {
                return subject.to_owned();
            }
        }
        if let Some(value) = self.labelled(place) {
            return value;
        }
        let top = place.name.is_empty() && !place.item;
        match self.wanted(place).filter(|_| !top) {
            _ if top => self.answer(),
            Some(Wanted::Summary) => self.summary(self.max_words.min(most.saturating_div(5).max(8))),
            Some(Wanted::Report) => self.summary(2 * self.max_words),
            Some(Wanted::Title) => self.title(),
            Some(Wanted::Mood) => self.mood_word().to_owned(),
            Some(Wanted::Topic) => self.topic_word(place),
            Some(Wanted::Language) => words::language(self.document.text).unwrap_or("und").to_owned(),
            Some(Wanted::Sentences) => self.sentences(&self.focus_on(place), 1).concat(),
            Some(wanted @ (Wanted::Readability | Wanted::Complexity | Wanted::Confidence)) => match wanted {
                Wanted::Readability => format!("{:.2}", self.measures.readability()),
                Wanted::Complexity => format!("{:.2}", self.measures.complexity()),
                _ => format!("{:.2}", self.confidence(place)),
            },
            Some(Wanted::Words) => self.measures.words.to_string(),
            Some(Wanted::ReadingTime) => format!("{} min", self.measures.reading_minutes()),
            Some(Wanted::Observations) => self.measures.observations().join("; "),
            Some(Wanted::Terms) => self.entries(Wanted::Terms, place, MOST_TERMS).join(", "),
            Some(wanted) => self.entries(wanted, place, 1).concat(),
            None => self.sentences(&self.focus_on(place), 1).concat(),
        }
    }

    fn matching(&mut self, place: &Place<'_>, pattern: &Pattern) -> Option<String> {
        let near = place.subject.unwrap_or("");
        let pieces = near
            .split_whitespace()
            .chain(self.document.text.split_whitespace())
            .take(5000);
        let mut forms = pieces.flat_map(|piece| [piece, piece.trim_matches(|c: char| !c.is_alphanumeric())]);
        forms
            .find(|piece| !piece.is_empty() && piece.len() < 200 && pattern.matches(piece))
            .map(str::to_owned)
    }

    fn number(&mut self, place: &Place<'_>, low: Option<f64>, high: Option<f64>) -> f64 {
        if let (Some(subject), true) = (place.subject, place.item) {
            return subject.split_whitespace().find_map(finds::number).unwrap_or(0.0);
        }
        if let Some(value) = self
            .labelled(place)
            .and_then(|value| value.split_whitespace().find_map(finds::number))
        {
            return value;
        }
        let scaled = |share: f64, from: f64, to: f64| {
            let (from, to) = (low.unwrap_or(from), high.unwrap_or(to));
            let value = from + share.clamp(0.0, 1.0) * (to - from);
            // Three digits are what such a measure can carry.
            format!("{value:.3}").parse().unwrap_or(value)
        };
        let measures = &self.measures;
        match self.wanted(place) {
            Some(Wanted::Readability) => return scaled(measures.readability(), 0.0, 1.0),
            Some(Wanted::Complexity) => return scaled(measures.complexity(), 0.0, 1.0),
            Some(Wanted::Confidence) => return scaled(self.confidence(place), 0.0, 1.0),
            Some(Wanted::Mood) => return scaled(f64::midpoint(labels::mood(&self.document), 1.0), -1.0, 1.0),
            Some(Wanted::Words) => return measures.words as f64,
            Some(Wanted::SentenceCount) => return measures.sentences as f64,
            Some(Wanted::Characters) => return measures.characters as f64,
            Some(Wanted::Paragraphs) => return measures.paragraphs as f64,
            Some(Wanted::ReadingTime) => return measures.reading_minutes() as f64,
            _ => {}
        }
        let name = of_name(place.name);
        match name
            .iter()
            .map(String::as_str)
            .find(|word| ["words", "sentences", "characters", "paragraphs"].contains(word))
        {
            Some("words") => return measures.words as f64,
            Some("sentences") => return measures.sentences as f64,
            Some("characters") => return measures.characters as f64,
            Some(_) => return measures.paragraphs as f64,
            None => {}
        }
        let mut about = self.about(place);
        if about.is_empty() {
            about = content_words(&self.questions);
        }
        if let Some(value) = self.nearest_figure(&about) {
            return value;
        }
        if name
            .iter()
            .any(|word| ["score", "quality", "rating", "grade"].contains(&word.as_str()))
        {
            return scaled(measures.readability(), 0.0, 1.0);
        }
        if name
            .iter()
            .any(|word| ["count", "number", "total", "mentions"].contains(&word.as_str()))
        {
            return about
                .iter()
                .map(|word| f64::from(self.document.stems.count_of(word)))
                .sum();
        }
        if place.name.is_empty() {
            self.figures().first().map_or(0.0, |figure| figure.value)
        } else {
            0.0
        }
    }

    fn boolean(&mut self, place: &Place<'_>) -> bool {
        if let Some(value) = self.labelled(place) {
            let first = value
                .split(|c: char| !c.is_alphanumeric())
                .next()
                .unwrap_or("")
                .to_lowercase();
            if ["yes", "true", "ja", "oui", "on", "y", "1", "done", "ok"].contains(&first.as_str()) {
                return true;
            }
            if ["no", "false", "nein", "non", "off", "n", "0"].contains(&first.as_str()) {
                return false;
            }
        }
        if let (Some(subject), true) = (place.subject, place.item) {
            return !is_stop(subject) && self.document.stems.count_of(subject) > 0;
        }
        let name: Vec<String> = of_name(place.name)
            .into_iter()
            .filter(|word| !is_stop(word) && word != "requires")
            .collect();
        let about = match (name.is_empty(), place.description.is_empty()) {
            (false, _) => name,
            (true, false) => content_words(&[place.description]),
            (true, true) => content_words(&self.questions),
        };
        self.says(&about)
    }

    fn choose(&mut self, place: &Place<'_>, labels: &[String]) -> Vec<usize> {
        let fitting = self.fitting(place, labels);
        if fitting.is_empty() {
            vec![labels::none_of_these(labels).unwrap_or(0)]
        } else {
            fitting
        }
    }

    fn subjects(&mut self, place: &Place<'_>, kind: &str, least: usize, most: usize) -> Vec<String> {
        if ["number", "integer"].contains(&kind) {
            return self
                .figures()
                .iter()
                .take(most.min(MOST_NAMES))
                .map(|figure| figure.value.to_string())
                .collect();
        }
        if kind == "boolean" {
            return Vec::new();
        }
        let wanted = self.wanted(place);
        let mut list = match wanted {
            Some(wanted) => self.entries(wanted, place, most),
            None => {
                let named = of_name(place.name);
                let present = named.iter().any(|word| self.document.stems.count_of(word) > 0);
                if present || kind == "object" || place.name.is_empty() {
                    let focus = self.focus_on(place);
                    self.sentences(&focus, most.min(MOST_SENTENCES))
                } else {
                    key_terms(&self.document, &self.focus, most.min(MOST_TERMS))
                }
            }
        };
        if list.len() < least {
            let more = key_terms(&self.document, &self.focus, least.min(200))
                .into_iter()
                .chain(self.sentences(&self.focus, least.min(200)));
            let more: Vec<String> = more.filter(|entry| !list.contains(entry)).collect();
            list.extend(more.into_iter().take(least - list.len()));
        }
        list
    }

    fn free_object(&mut self, place: &Place<'_>) -> Map<String, Value> {
        let named = Place {
            name: "entities",
            ..*place
        };
        let fields = [
            ("summary", json!(self.answer())),
            (
                "key_terms",
                json!(key_terms(&self.document, &self.focus, MOST_TERMS)),
            ),
            ("entities", json!(self.entries(Wanted::Names, &named, MOST_NAMES))),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn absent(&mut self, place: &Place<'_>) -> bool {
        if self.document.words.is_empty() {
            return true;
        }
        if place.name.is_empty() || place.subject.is_some() || self.labelled(place).is_some() {
            return false;
        }
        match self.wanted(place) {
            Some(
                wanted @ (Wanted::People
                | Wanted::Organisations
                | Wanted::Places
                | Wanted::Questions
                | Wanted::Amounts
                | Wanted::Dates
                | Wanted::Emails
                | Wanted::Links
                | Wanted::Language),
            ) => self.entries(wanted, place, 1).is_empty(),
            Some(_) => false,
            None => !self
                .about(place)
                .iter()
                .any(|word| self.document.stems.count_of(word) > 0),
        }
    }

    fn draw(&mut self, ways: usize) -> usize {
        // Texts of a pattern are drawn from the words of the document, so that other texts give other ones.
        let seen = self
            .document
            .words
            .get(self.drawn % self.document.words.len().max(1))
            .map_or(0, |word| word.end - word.start);
        self.drawn += 1;
        (seen + self.drawn) % ways.max(1)
    }
}
