//! Which of the given labels fits a text: by topic words, mood, size, urgency, language, or the label's own words.

use super::document::{Document, Focus};
use super::measures::Measures;
use super::names::{Kind, Name, is_company_word};
use super::vocabulary::{NEGATION, NEGATIVE, POSITIVE, TOPICS, URGENT};
use super::words::{self, of_name, stem};

/// What the labels are compared with.
pub(super) struct Evidence<'e> {
    pub(super) document: &'e Document<'e>,
    pub(super) measures: &'e Measures,
    pub(super) names: &'e [Name],
    /// What is asked, as weighted stems of the document; decides between yes and no.
    pub(super) focus: &'e Focus,
    /// The words of the property's name and description.
    pub(super) about: &'e [String],
    /// The thing in question, where it is one of several things in the text.
    pub(super) subject: Option<&'e str>,
}

/// The numbers of the labels that have evidence, best first; empty if no label has any.
pub(super) fn fitting(labels: &[String], evidence: &Evidence<'_>) -> Vec<usize> {
    let read: Vec<Vec<String>> = labels.iter().map(|label| of_name(label)).collect();
    let mut scored: Vec<(usize, f64)> = read
        .iter()
        .enumerate()
        .map(|(at, label)| (at, score(label, evidence)))
        .filter(|(_, score)| *score > 0.0)
        .collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    scored.into_iter().map(|(at, _)| at).collect()
}

/// The label that says "none of these": `other`, `unknown` and their like.
pub(super) fn none_of_these(labels: &[String]) -> Option<usize> {
    const NONE: [&str; 12] = [
        "other",
        "unknown",
        "none",
        "misc",
        "miscellaneous",
        "general",
        "neutral",
        "unclear",
        "uncategorized",
        "na",
        "sonstiges",
        "autre",
    ];
    labels
        .iter()
        .position(|label| NONE.contains(&label.to_lowercase().replace(['/', ' ', '_', '-'], "").as_str()))
}

/// Praise minus complaint over all words of mood, from -1 to 1; words after a negation count the other way.
pub(super) fn mood(document: &Document<'_>) -> f64 {
    let lists = [(POSITIVE, 1.0), (NEGATIVE, -1.0)];
    let signs: std::collections::HashMap<u32, f64> = lists
        .iter()
        .flat_map(|(list, sign)| list.split_whitespace().map(move |word| (word, *sign)))
        .filter_map(|(word, sign)| Some((document.stems.id_of(word)?, sign)))
        .collect();
    let (mut sum, mut all) = (0.0, 0.0);
    for at in 0..document.sentences.len() {
        let sentence = document.words_of(at);
        for (place, word) in sentence.iter().enumerate() {
            let Some(sign) = signs.get(&word.stem) else {
                continue;
            };
            let before = &sentence[place.saturating_sub(3)..place];
            let turned = before
                .iter()
                .any(|word| NEGATION.contains(&document.written(word).to_lowercase().as_str()));
            sum += if turned { -sign } else { *sign };
            all += 1.0;
        }
    }
    // One word of mood in a text is a hint, not a verdict.
    if all == 0.0 { 0.0 } else { sum / (all + 1.0) }
}

/// The words of the topic that `label` names, if it names one.
pub(super) fn topic_words(label: &str) -> Option<&'static str> {
    let wanted = stem(label);
    TOPICS
        .iter()
        .find(|topic| topic.labels.split_whitespace().any(|known| stem(known) == wanted))
        .map(|topic| topic.words)
}

fn score(label: &[String], evidence: &Evidence<'_>) -> f64 {
    let words: Vec<&str> = label.iter().map(String::as_str).collect();
    let named: f64 = words.iter().map(|word| special(word, evidence)).sum();
    // Where a measure decides, words of the text that happen to be the label's do not.
    if named != 0.0 {
        named
    } else {
        own_words(&words, evidence) + topic(&words, evidence)
    }
}

/// Labels that name a measure rather than a topic. Above zero fits, below zero does not fit, zero is no such label.
fn special(label: &str, evidence: &Evidence<'_>) -> f64 {
    let near = |value: f64, at: f64| 1.0 - (value - at).abs();
    let mood = || mood(evidence.document);
    let scale = || level(evidence);
    match label {
        "positive" | "happy" | "good" | "positiv" | "positif" => mood() - 0.15,
        "negative" | "unhappy" | "bad" | "angry" | "negativ" | "négatif" => -mood() - 0.15,
        "neutral" | "mixed" => 0.15 - mood().abs() + if label == "mixed" { -0.01 } else { 0.0 },
        "simple" | "easy" | "short" | "beginner" | "basic" | "trivial" => {
            near(evidence.measures.complexity(), 0.0) - 0.5
        }
        "complex" | "difficult" | "hard" | "long" | "advanced" | "expert" => {
            near(evidence.measures.complexity(), 1.0) - 0.5
        }
        "low" | "minor" | "small" | "p3" => near(scale(), 0.0) - 0.01,
        "medium" | "moderate" | "normal" | "intermediate" | "p2" => near(scale(), 0.5),
        "high" | "major" | "large" | "urgent" | "p1" => near(scale(), 1.0) - 0.01,
        "critical" | "severe" | "blocker" | "p0" => near(scale(), 1.25),
        "yes" | "true" | "relevant" | "valid" => asked_for(evidence) - 0.5,
        "no" | "false" | "irrelevant" | "invalid" => 0.5 - asked_for(evidence),
        "person" | "people" => kind(evidence, Kind::Person),
        "organization" | "organisation" | "company" | "org" if evidence.subject.is_some() => {
            kind(evidence, Kind::Organisation)
        }
        "place" | "location" | "city" | "country" | "gpe" => kind(evidence, Kind::Place),
        "english" | "en" => language(evidence, "en"),
        "german" | "deutsch" | "de" => language(evidence, "de"),
        "french" | "français" | "fr" => language(evidence, "fr"),
        "spanish" | "español" | "es" => language(evidence, "es"),
        "italian" | "italiano" | "it" if evidence.about.iter().any(|word| word.starts_with("lang")) => {
            language(evidence, "it")
        }
        "japanese" | "ja" => language(evidence, "ja"),
        "chinese" | "zh" => language(evidence, "zh"),
        _ => 0.0,
    }
}

/// Where the text stands between low (0) and high (1): in haste, in length and difficulty, or in how much there is of what is asked.
fn level(evidence: &Evidence<'_>) -> f64 {
    let asks = |words: &[&str]| evidence.about.iter().any(|word| words.contains(&word.as_str()));
    if asks(&["confidence", "relevance", "relevant", "match"]) {
        return asked_for(evidence);
    }
    if asks(&["complexity", "difficulty", "effort", "length"]) {
        return evidence.measures.complexity();
    }
    let hits: u32 = URGENT
        .split_whitespace()
        .map(|word| evidence.document.stems.count_of(word).min(3))
        .sum();
    let dense = f64::from(hits) / (evidence.document.sentences.len().max(1) as f64).sqrt();
    (0.15 + 0.45 * dense).min(1.2)
}

/// The share of what is asked that the text has, from 0 to 1.
fn asked_for(evidence: &Evidence<'_>) -> f64 {
    let total = evidence.about.len().max(1) as f64;
    let present = evidence
        .about
        .iter()
        .filter(|word| evidence.document.stems.count_of(word) > 0)
        .count() as f64;
    (present / total).max(if evidence.focus.is_empty() { 0.0 } else { 0.51 })
}

fn kind(evidence: &Evidence<'_>, wanted: Kind) -> f64 {
    let Some(subject) = evidence.subject else {
        return 0.0;
    };
    let known = evidence.names.iter().find(|name| name.text == subject);
    if known.is_some_and(|name| name.kind == wanted) {
        1.0
    } else {
        -0.5
    }
}

fn language(evidence: &Evidence<'_>, code: &str) -> f64 {
    if words::language(evidence.document.text) == Some(code) {
        1.0
    } else {
        -0.5
    }
}

/// The label's own words in the text; all of them together count most.
fn own_words(label: &[&str], evidence: &Evidence<'_>) -> f64 {
    let content: Vec<&&str> = label.iter().filter(|word| !words::is_stop(word)).collect();
    if content.is_empty() {
        return 0.0;
    }
    let count: f64 = content
        .iter()
        .map(|word| (1.0 + f64::from(evidence.document.stems.count_of(word))).ln())
        .sum::<f64>();
    2.0 * count / content.len() as f64
}

/// The words of the topic that the label names.
fn topic(label: &[&str], evidence: &Evidence<'_>) -> f64 {
    let mut sum = 0.0;
    for word in label {
        let Some(list) = topic_words(word) else { continue };
        sum += list
            .split_whitespace()
            .map(|word| (1.0 + f64::from(evidence.document.stems.count_of(word))).ln())
            .sum::<f64>();
        if ["business", "company", "corporate", "industry", "market"].contains(word) {
            // Names of companies speak for business even where nothing else is said about them.
            let companies = evidence
                .names
                .iter()
                .filter(|name| name.text.split(' ').skip(1).any(is_company_word))
                .count();
            sum += (1.0 + companies as f64).ln();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::super::document::{Document, Focus};
    use super::super::measures::Measures;
    use super::super::names::names;
    use super::{Evidence, fitting, mood, none_of_these};

    fn best(labels: &[&str], text: &str) -> Option<String> {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let document = Document::read(text);
        let evidence = Evidence {
            document: &document,
            measures: &Measures::of(&document),
            names: &names(&document, 50),
            focus: &Focus::new(),
            about: &[],
            subject: None,
        };
        fitting(&labels, &evidence).first().map(|at| labels[*at].clone())
    }

    #[test]
    fn topics_are_told_apart() {
        let topics = ["business", "technology", "science", "politics", "sport", "other"];
        assert_eq!(
            best(&topics, "The coach praised the team after the match.").as_deref(),
            Some("sport")
        );
        assert_eq!(
            best(&topics, "The parliament will vote after the election.").as_deref(),
            Some("politics")
        );
        assert_eq!(
            best(&topics, "The server runs software in the cloud.").as_deref(),
            Some("technology")
        );
        assert_eq!(best(&topics, "qwerty asdf"), None);
    }

    #[test]
    fn a_negation_turns_praise_around() {
        assert!(mood(&Document::read("It is good and easy.")) > 0.0);
        assert!(mood(&Document::read("It is not good.")) < 0.0);
    }

    #[test]
    fn haste_is_a_level() {
        let levels = ["low", "medium", "high"];
        assert_eq!(best(&levels, "Some tea would be nice.").as_deref(), Some("low"));
        assert_eq!(
            best(
                &levels,
                "Urgent: the server is down, a critical outage, help immediately!"
            )
            .as_deref(),
            Some("high")
        );
    }

    #[test]
    fn some_labels_mean_none_of_these() {
        let labels = ["red".to_owned(), "N/A".to_owned()];
        assert_eq!(none_of_these(&labels), Some(1));
    }
}
