//! Names in a text: sequences of capitalised words, told apart from words that only start a sentence.
//!
//! Where every noun has a capital, as in German, a single capitalised word is only taken after a preposition of place.
//! Nothing is looked up: what kind of thing a name stands for is read from the words beside it.

use std::collections::{BTreeMap, HashSet};

use super::document::Document;
use super::words::Word;

/// What a name seems to stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Person,
    Organisation,
    Place,
    Unknown,
}

/// A name and what it seems to stand for.
#[derive(Debug, Clone)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) kind: Kind,
}

/// At most `limit` names of the document in order of first mention; a part of a longer name is not repeated.
pub(super) fn names(document: &Document<'_>, limit: usize) -> Vec<Name> {
    let all_nouns = capitalises_nouns(document);
    let inside = capitals_inside(document);
    let mut found: BTreeMap<String, Candidate> = BTreeMap::new();
    let mut order = 0;
    for at in 0..document.sentences.len() {
        for candidate in candidates(document, at, all_nouns, &inside) {
            order += 1;
            if found.len() >= MOST && !found.contains_key(&candidate.text) {
                continue;
            }
            let entry = found
                .entry(candidate.text.clone())
                .or_insert(Candidate { order, ..candidate });
            entry.add(&candidate.evidence);
        }
    }
    let mut list: Vec<Candidate> = found.into_values().collect();
    list.sort_by_key(|candidate| candidate.order);
    let mut longer: HashSet<String> = HashSet::new();
    for candidate in &list {
        let words: Vec<&str> = candidate.text.split(' ').collect();
        for length in 1..words.len() {
            longer.extend(words.windows(length).map(|part| part.join(" ")));
        }
    }
    list.retain(|candidate| !longer.contains(&candidate.text));
    list.into_iter()
        .take(limit)
        .map(|candidate| Name {
            kind: candidate.kind(),
            text: candidate.text,
        })
        .collect()
}

/// More distinct names than this are not kept apart; the bound keeps a telephone directory affordable.
const MOST: usize = 5000;

#[derive(Debug, Clone, Copy, Default)]
struct Evidence {
    person: u32,
    organisation: u32,
    place: u32,
}

#[derive(Debug, Clone)]
struct Candidate {
    text: String,
    order: usize,
    evidence: Evidence,
}

impl Candidate {
    fn add(&mut self, more: &Evidence) {
        self.evidence.person = self.evidence.person.saturating_add(more.person);
        self.evidence.organisation = self.evidence.organisation.saturating_add(more.organisation);
        self.evidence.place = self.evidence.place.saturating_add(more.place);
    }

    fn kind(&self) -> Kind {
        let Evidence {
            person,
            organisation,
            place,
        } = self.evidence;
        let most = person.max(organisation).max(place);
        match most {
            0 => Kind::Unknown,
            _ if organisation == most => Kind::Organisation,
            _ if person == most => Kind::Person,
            _ => Kind::Place,
        }
    }
}

fn candidates(document: &Document<'_>, at: usize, all_nouns: bool, inside: &HashSet<u32>) -> Vec<Candidate> {
    let words = document.words_of(at);
    let mut found = Vec::new();
    let mut next = 0;
    while next < words.len() {
        if !is_capital(document, &words[next]) {
            next += 1;
            continue;
        }
        let mut end = next + 1;
        while end < words.len() && end - next < 6 {
            if !adjoins(document, words, end) {
                break;
            }
            if is_capital(document, &words[end]) || is_number_after_name(document, &words[end]) {
                end += 1;
            } else if end + 1 < words.len()
                && (!all_nouns && CONNECTORS.contains(&document.written(&words[end])))
                && adjoins(document, words, end + 1)
                && is_capital(document, &words[end + 1])
            {
                end += 2;
            } else {
                break;
            }
        }
        let mut from = next;
        // A first word has its capital from the sentence unless another place shows that it is a name.
        if from == 0 && !starts_name(document, words, end, inside) {
            from += 1;
            while from < end && !is_capital(document, &words[from]) {
                from += 1;
            }
        }
        while from + 1 < end && ROLES.contains(&document.written(&words[from]).to_lowercase().as_str()) {
            from += 1;
        }
        next = end;
        if from < end && is_name(document, words, from, end, all_nouns) {
            let text = words[from..end].iter().map(|word| {
                document
                    .written(word)
                    .trim_end_matches("'s")
                    .trim_end_matches("’s")
            });
            let text = text.collect::<Vec<_>>().join(" ");
            found.push(Candidate {
                evidence: evidence(document, words, from, end),
                text,
                order: 0,
            });
        }
    }
    found
}

fn starts_name(document: &Document<'_>, words: &[Word], end: usize, inside: &HashSet<u32>) -> bool {
    let written = document.written(&words[0]);
    if words[0].stop || STARTERS.contains(&written) {
        return false;
    }
    let camel = written.chars().skip(1).any(char::is_uppercase);
    let followed = end > 1 && is_capital(document, &words[1]);
    inside.contains(&words[0].stem)
        || camel
        || followed
        || (words.len() <= 2 && document.sentences.len() <= 2)
}

fn is_name(document: &Document<'_>, words: &[Word], from: usize, end: usize, all_nouns: bool) -> bool {
    let first = document.written(&words[from]);
    if end - from == 1 && (words[from].stop || DATES.contains(&first.to_lowercase().as_str())) {
        return false;
    }
    if !all_nouns || end - from > 1 {
        return true;
    }
    let before = from
        .checked_sub(1)
        .map(|at| document.written(&words[at]).to_lowercase());
    let noun_ending = ["ung", "heit", "keit", "schaft", "tion", "tät"]
        .iter()
        .any(|ending| first.ends_with(ending));
    let inner_capital = first.chars().skip(1).any(char::is_uppercase);
    inner_capital
        || (!noun_ending && before.is_some_and(|word| ["in", "aus", "nach"].contains(&word.as_str())))
}

fn evidence(document: &Document<'_>, words: &[Word], from: usize, end: usize) -> Evidence {
    let lower = |at: usize| {
        words
            .get(at)
            .map(|word| document.written(word).to_lowercase())
            .unwrap_or_default()
    };
    let before = from.checked_sub(1).map(lower).unwrap_or_default();
    let after = lower(end);
    let last = document.written(&words[end - 1]);
    let has = |list: &[&str], word: &str| list.contains(&word);
    let length = end - from;
    let plain = words[from..end]
        .iter()
        .all(|word| !document.written(word).contains(char::is_numeric));
    let organisation = 3 * u32::from(is_company_word(last)) + u32::from(has(&ACTS, &after));
    let place = 2 * u32::from(length == 1 && has(&PLACED, &before));
    let spoken =
        has(&SPEAKS, &after) || has(&SPEAKS, &before) || has(&ROLES, &before) || has(&ROLES, &lower(from));
    let person = 2 * u32::from(spoken && organisation == 0)
        + u32::from((2..=3).contains(&length) && plain && organisation == 0 && !has(&PLACED, &before));
    Evidence {
        person,
        organisation,
        place,
    }
}

/// Whether `word` commonly ends the name of a company or an institution.
pub(super) fn is_company_word(word: &str) -> bool {
    COMPANY.contains(&word)
}

fn is_capital(document: &Document<'_>, word: &Word) -> bool {
    let written = document.written(word);
    let mut chars = written.chars();
    let capital = chars.next().is_some_and(char::is_uppercase);
    capital
        && (chars.next().is_some() || !word.stop)
        && !(word.stop && written.chars().count() <= 4 && !written.chars().all(char::is_uppercase))
}

/// `Windows 11` and `Apollo 13`: a number that directly follows a name belongs to it; years do not.
fn is_number_after_name(document: &Document<'_>, word: &Word) -> bool {
    let written = document.written(word);
    written.len() <= 2 && written.bytes().all(|b| b.is_ascii_digit())
}

fn adjoins(document: &Document<'_>, words: &[Word], at: usize) -> bool {
    let gap = document
        .text
        .get(words[at - 1].end..words[at].start)
        .unwrap_or("");
    gap == " "
        || gap == " & "
        || (!gap.is_empty() && gap.trim().is_empty() && !gap.contains("\n\n"))
        || gap == ". "
}

fn capitals_inside(document: &Document<'_>) -> HashSet<u32> {
    (0..document.sentences.len())
        .flat_map(|at| document.words_of(at).iter().skip(1))
        .filter(|word| !word.stop && is_capital(document, word))
        .map(|word| word.stem)
        .collect()
}

/// Whether nouns have capitals: many capitals inside sentences, and words of German grammar.
fn capitalises_nouns(document: &Document<'_>) -> bool {
    let (mut capitals, mut all, mut articles) = (0, 0, 0);
    for at in 0..document.sentences.len().min(400) {
        for word in document.words_of(at).iter().skip(1) {
            all += 1;
            capitals += usize::from(is_capital(document, word));
            articles += usize::from(
                ["der", "die", "das", "und", "den", "ein", "eine"].contains(&document.written(word)),
            );
        }
    }
    capitals * 8 > all && articles * 25 > all
}

const CONNECTORS: [&str; 18] = [
    "of", "de", "da", "di", "du", "del", "della", "von", "van", "der", "den", "zu", "la", "le", "the", "al",
    "bin", "y",
];
const PLACED: [&str; 13] = [
    "in", "from", "to", "near", "across", "around", "nach", "aus", "à", "en", "visiting", "region", "city",
];
const SPEAKS: [&str; 14] = [
    "said",
    "says",
    "told",
    "wrote",
    "writes",
    "explained",
    "argued",
    "asked",
    "added",
    "sagte",
    "sagt",
    "erklärte",
    "déclare",
    "dit",
];
const ACTS: [&str; 10] = [
    "announced",
    "announces",
    "acquired",
    "launched",
    "reported",
    "shares",
    "plans",
    "released",
    "employs",
    "sells",
];
const ROLES: [&str; 24] = [
    "executive",
    "president",
    "minister",
    "director",
    "chair",
    "chairman",
    "ceo",
    "professor",
    "dr",
    "mr",
    "mrs",
    "ms",
    "chief",
    "analyst",
    "author",
    "judge",
    "senator",
    "doctor",
    "coach",
    "frau",
    "herr",
    "chefin",
    "chef",
    "mme",
];
const STARTERS: [&str; 18] = [
    "Later",
    "Earlier",
    "Meanwhile",
    "Yesterday",
    "Today",
    "Tomorrow",
    "Now",
    "Finally",
    "Recently",
    "Instead",
    "Dear",
    "Hello",
    "Hi",
    "Liebe",
    "Lieber",
    "Leider",
    "Heute",
    "Gestern",
];
const COMPANY: [&str; 34] = [
    "Inc",
    "Ltd",
    "Corp",
    "Corporation",
    "Company",
    "Co",
    "Group",
    "Holdings",
    "Capital",
    "Bank",
    "Partners",
    "Devices",
    "Mobile",
    "Motors",
    "Systems",
    "Technologies",
    "Labs",
    "Industries",
    "University",
    "Institute",
    "Foundation",
    "Ministry",
    "Council",
    "Agency",
    "Association",
    "Airlines",
    "Energy",
    "Media",
    "Insurance",
    "Ventures",
    "AG",
    "GmbH",
    "SE",
    "SA",
];
const DATES: [&str; 35] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "montag",
    "dienstag",
    "mittwoch",
    "donnerstag",
    "freitag",
    "samstag",
    "sonntag",
    "januar",
    "februar",
    "märz",
    "mai",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "internet",
];

#[cfg(test)]
mod tests {
    use super::super::document::Document;
    use super::{Kind, names};

    fn found(text: &str) -> Vec<String> {
        names(&Document::read(text), 20)
            .into_iter()
            .map(|name| name.text)
            .collect()
    }

    #[test]
    fn a_first_word_alone_is_no_name() {
        assert_eq!(
            found("Customers like it. Shares of Northwind rose. Analysts at Bergen Capital agree."),
            ["Northwind", "Bergen Capital"]
        );
    }

    #[test]
    fn parts_of_a_longer_name_are_not_repeated() {
        assert_eq!(
            found("Ada Lovelace wrote it. Later Lovelace met the Duke of Wellington."),
            ["Ada Lovelace", "Duke of Wellington"]
        );
    }

    #[test]
    fn german_nouns_are_no_names() {
        let text = "Die Firma baut ein Werk in Leipzig. Der Bürgermeister und die Chefin Marta Olsen eröffnen das Gebäude im Mai.";
        assert_eq!(found(text), ["Leipzig", "Marta Olsen"]);
    }

    #[test]
    fn the_words_beside_a_name_tell_its_kind() {
        let text = "The chief executive Marta Olsen spoke in Leipzig. Bergen Capital agreed.";
        let kinds: Vec<Kind> = names(&Document::read(text), 9)
            .iter()
            .map(|name| name.kind)
            .collect();
        assert_eq!(kinds, [Kind::Person, Kind::Place, Kind::Organisation]);
    }
}
