//! The reader answers what a schema's places ask for with what the document says.
//!
//! The name of a property decides first, then its description, then, where both say nothing, the request. Where the text has
//! no evidence the answer is the empty one: an empty text, zero, false, an empty list.

mod source;

use std::cell::OnceCell;

use super::document::{Document, Focus, first_words};
use super::finds::{self, Figure};
use super::labels::{self, Evidence};
use super::measures::Measures;
use super::names::{Kind, Name, names};
use super::request::{Request, content_words, focus};
use super::shape::Place;
use super::terms::key_terms;
use super::vocabulary::NEGATION;
use super::wanted::{Wanted, wanted};
use super::words::{self, of_name};

/// A document together with what is asked about it.
pub(super) struct Reader<'a> {
    document: Document<'a>,
    questions: [&'a str; 2],
    focus: Focus,
    max_words: usize,
    measures: Measures,
    names: OnceCell<Vec<Name>>,
    figures: OnceCell<Vec<Figure>>,
    drawn: usize,
}

/// Lists without a bound of their own have at most this many entries.
const MOST_NAMES: usize = 32;
const MOST_TERMS: usize = 8;
const MOST_SENTENCES: usize = 5;
/// The part of the highest relevance that a quoted sentence has to have.
const NEAR: f64 = 0.45;

impl<'a> Reader<'a> {
    pub(super) fn of(text: &'a str, instructions: &'a str, max_words: usize) -> Self {
        let request = Request::of(text);
        let document = Document::read(request.document);
        let questions = [request.lead_in, instructions];
        Self {
            focus: focus(&document, &questions),
            measures: Measures::of(&document),
            document,
            questions,
            max_words,
            names: OnceCell::new(),
            figures: OnceCell::new(),
            drawn: 0,
        }
    }

    /// The best sentences in their order, at most `limit` words; what the request is about comes first.
    pub(super) fn summary(&self, limit: usize) -> String {
        let chosen = self
            .document
            .best(&self.document.scores(&self.focus), limit, usize::MAX);
        if !chosen.is_empty() {
            return self.joined(&chosen);
        }
        let scores = self.document.scores(&self.focus);
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]).then(b.cmp(a)));
        match best {
            Some(at) => first_words(&self.document.sentence(at), limit),
            None => "the given text has no words".to_owned(),
        }
    }

    /// The summary of the length that the request allows.
    pub(super) fn answer(&self) -> String {
        self.summary(self.max_words)
    }

    fn joined(&self, sentences: &[usize]) -> String {
        let mut text = String::new();
        for at in sentences {
            let sentence = self.document.sentence(*at);
            // Scripts with full stops of their own write no space after them.
            if !text.is_empty() && !text.ends_with(['。', '！', '？']) {
                text.push(' ');
            }
            text.push_str(&sentence);
        }
        text
    }

    fn wanted(&self, place: &Place<'_>) -> Option<Wanted> {
        wanted(place.name, place.description, &self.questions)
    }

    fn names(&self) -> &[Name] {
        self.names.get_or_init(|| names(&self.document, 2000))
    }

    fn figures(&self) -> &[Figure] {
        self.figures
            .get_or_init(|| finds::figures(&self.document).collect())
    }

    /// The words that say what the value is about, with those of the item it belongs to.
    fn about(&self, place: &Place<'_>) -> Vec<String> {
        content_words(&[place.name, place.description, place.subject.unwrap_or("")])
    }

    fn focus_on(&self, place: &Place<'_>) -> Focus {
        let own = focus(
            &self.document,
            &[place.name, place.description, place.subject.unwrap_or("")],
        );
        if own.is_empty() { self.focus.clone() } else { own }
    }

    fn sentences(&self, focus: &Focus, most: usize) -> Vec<String> {
        let mut relevance = self.document.relevance(focus);
        let top = relevance.iter().copied().fold(0.0, f64::max);
        let asked = top > 0.0;
        // A sentence that only brushes the question is no answer beside one that has its words.
        relevance
            .iter_mut()
            .filter(|part| **part < NEAR * top)
            .for_each(|part| *part = 0.0);
        let scores = if asked {
            relevance
        } else {
            self.document.scores(&Focus::new())
        };
        let most = if asked { most } else { most.min(3) };
        self.document
            .best(&scores, usize::MAX, most)
            .iter()
            .map(|at| self.document.sentence(*at))
            .collect()
    }

    fn kinds(&self, wanted: Wanted, most: usize) -> Vec<String> {
        let fits = |kind: Kind| match wanted {
            Wanted::People => kind == Kind::Person,
            Wanted::Organisations => kind == Kind::Organisation,
            Wanted::Places => kind == Kind::Place,
            _ => true,
        };
        self.names()
            .iter()
            .filter(|name| fits(name.kind))
            .take(most)
            .map(|name| name.text.clone())
            .collect()
    }

    /// The entries of a list of `wanted`; empty where the text has none.
    fn entries(&self, wanted: Wanted, place: &Place<'_>, most: usize) -> Vec<String> {
        let text = self.document.text;
        match wanted {
            Wanted::Names => {
                let names = self.kinds(wanted, most.min(MOST_NAMES));
                // A text without capitals has names that cannot be seen; its terms are the nearest thing.
                if names.is_empty() {
                    key_terms(&self.document, &self.focus, most.min(MOST_TERMS))
                } else {
                    names
                }
            }
            Wanted::People | Wanted::Organisations | Wanted::Places => {
                self.kinds(wanted, most.min(MOST_NAMES))
            }
            Wanted::Terms | Wanted::Topic => key_terms(&self.document, &self.focus, most.min(MOST_TERMS)),
            Wanted::Questions => {
                let asking = (0..self.document.sentences.len()).map(|at| self.document.sentence(at));
                asking
                    .filter(|sentence| sentence.ends_with(['?', '？', '؟']))
                    .take(most.min(MOST_SENTENCES))
                    .collect()
            }
            Wanted::Observations => self.measures.observations().into_iter().take(most).collect(),
            Wanted::Amounts => finds::amounts(&self.document, most.min(MOST_NAMES)),
            Wanted::Dates => finds::dates(&self.document, most.min(MOST_NAMES)),
            Wanted::Emails => finds::emails(text, most.min(MOST_NAMES)),
            Wanted::Links => finds::links(text, most.min(MOST_NAMES)),
            Wanted::Title => vec![self.title()],
            Wanted::Language => words::language(text).map(str::to_owned).into_iter().collect(),
            _ => self.sentences(&self.focus_on(place), most.min(MOST_SENTENCES)),
        }
    }

    fn title(&self) -> String {
        let document = &self.document;
        let heading = (0..document.sentences.len().min(200)).find(|at| document.sentences[*at].heading);
        let first_line = document
            .sentences
            .first()
            .filter(|first| first.fragment && document.words_of(0).len() <= 12)
            .map(|_| 0);
        if let Some(at) = heading.or(first_line) {
            return document.sentence(at);
        }
        let scores = document.scores(&self.focus);
        let best = document
            .best(&scores, usize::MAX, 1)
            .first()
            .map(|at| document.sentence(*at))
            .unwrap_or_default();
        let clause = best
            .split([',', ';', '–', '，', '、'])
            .next()
            .unwrap_or("")
            .trim_end_matches(['.', '。', '!', '?']);
        first_words(clause, 12)
    }

    fn mood_word(&self) -> &'static str {
        match labels::mood(&self.document) {
            mood if mood > 0.15 => "positive",
            mood if mood < -0.15 => "negative",
            _ => "neutral",
        }
    }

    fn topic_word(&self, place: &Place<'_>) -> String {
        let topics: Vec<String> = super::vocabulary::TOPICS
            .iter()
            .filter_map(|topic| topic.labels.split_whitespace().next())
            .map(str::to_owned)
            .collect();
        self.fitting(place, &topics)
            .first()
            .and_then(|at| topics.get(*at))
            .map_or_else(|| "other".to_owned(), Clone::clone)
    }

    fn fitting(&self, place: &Place<'_>, labels: &[String]) -> Vec<usize> {
        let mut about = content_words(&[place.name, place.description]);
        if about.is_empty() {
            about = content_words(&self.questions);
        }
        let focus = focus(&self.document, &[place.name, place.description]);
        let near = place.subject.map(|subject| {
            let own = super::request::focus(&self.document, &[subject]);
            let mut parts = vec![subject.to_owned()];
            parts.extend(self.sentences(&own, 3).into_iter().filter(|_| !own.is_empty()));
            parts.join("\n\n")
        });
        let narrowed = near.as_deref().map(Document::read);
        let narrow_measures = narrowed.as_ref().map(Measures::of);
        labels::fitting(
            labels,
            &Evidence {
                document: narrowed.as_ref().unwrap_or(&self.document),
                measures: narrow_measures.as_ref().unwrap_or(&self.measures),
                names: self.names(),
                focus: &focus,
                about: &about,
                subject: place.subject,
            },
        )
    }

    fn labelled(&self, place: &Place<'_>) -> Option<String> {
        finds::labelled(self.document.text, &of_name(place.name))
    }

    /// A text in the form that `format` names.
    fn formatted(&self, format: &str) -> Option<String> {
        let text = self.document.text;
        let found =
            |list: Vec<String>, none: &str| list.into_iter().next().unwrap_or_else(|| none.to_owned());
        // The fall-backs are valid and cannot be taken for something found.
        Some(match format {
            "email" | "idn-email" => found(finds::emails(text, 1), "nobody@example.invalid"),
            "uri" | "uri-reference" | "iri" | "url" => {
                let links = finds::links(text, 20)
                    .into_iter()
                    .filter(|link| link.starts_with("http") && link.is_ascii())
                    .collect();
                found(links, "about:blank")
            }
            "date" => finds::iso_date(text).unwrap_or_else(|| "0001-01-01".to_owned()),
            "date-time" => format!(
                "{}T00:00:00Z",
                finds::iso_date(text).unwrap_or_else(|| "0001-01-01".to_owned())
            ),
            "time" => "00:00:00Z".to_owned(),
            "duration" => "PT0S".to_owned(),
            "uuid" => "00000000-0000-0000-0000-000000000000".to_owned(),
            "ipv4" => "0.0.0.0".to_owned(),
            "ipv6" => "::".to_owned(),
            "hostname" | "idn-hostname" => "example.invalid".to_owned(),
            _ => return None,
        })
    }

    /// The number that stands nearest to one of `about` within a sentence; a number before the word is nearer than one after it.
    fn nearest_figure(&self, about: &[String]) -> Option<f64> {
        let stems: Vec<u32> = about
            .iter()
            .filter_map(|word| self.document.stems.id_of(word))
            .collect();
        let mut best: Option<(usize, f64)> = None;
        for figure in self.figures() {
            let words = self.document.words_of(figure.sentence);
            let from = figure.at.saturating_sub(8);
            for (at, word) in words.iter().enumerate().skip(from).take(17) {
                if !stems.contains(&word.stem) {
                    continue;
                }
                let distance = if at > figure.at {
                    2 * (at - figure.at)
                } else {
                    2 * (figure.at - at) + 1
                };
                if best.is_none_or(|(least, _)| distance < least) {
                    best = Some((distance, figure.value));
                }
            }
        }
        best.map(|(_, value)| value)
    }

    /// The share of the words asked about that the text has; without such words, how much text there is to go by.
    fn confidence(&self, place: &Place<'_>) -> f64 {
        let asked = content_words(&self.questions);
        if asked.is_empty() || place.subject.is_some() {
            let words = self.measures.words as f64;
            return words / (words + 40.0);
        }
        let present = asked
            .iter()
            .filter(|word| self.document.stems.count_of(word) > 0)
            .count() as f64;
        let topical = if self.focus.is_empty() { 0.0 } else { 0.25 };
        (present / asked.len() as f64).max(topical)
    }

    fn says(&self, about: &[String]) -> bool {
        let stems: Vec<u32> = about
            .iter()
            .filter_map(|word| self.document.stems.id_of(word))
            .collect();
        let needed = about.len().div_ceil(2).max(1);
        stems.len() >= needed
            && (0..self.document.sentences.len()).any(|at| {
                let words = self.document.words_of(at);
                let present = stems
                    .iter()
                    .filter(|stem| words.iter().any(|word| word.stem == **stem))
                    .count();
                let denied = words
                    .iter()
                    .any(|word| NEGATION.contains(&self.document.written(word).to_lowercase().as_str()));
                present >= needed && !denied
            })
    }
}
