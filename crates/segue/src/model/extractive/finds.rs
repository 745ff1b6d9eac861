//! Exact things in a text: addresses, links, dates, numbers with their units, labelled values.

use super::document::{Document, one_line};
use super::words::{Word, stem};

/// A number in the text and the number of the word that it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figure {
    pub(super) value: f64,
    pub(super) sentence: usize,
    /// Its place among the words of the sentence.
    pub(super) at: usize,
}

/// Mail addresses in order, each once.
pub(super) fn emails(text: &str, limit: usize) -> Vec<String> {
    pieces(text)
        .filter(|piece| is_email(piece))
        .map(str::to_owned)
        .fold(Vec::new(), |list, piece| add(list, piece, limit))
}

/// Links in order, each once.
pub(super) fn links(text: &str, limit: usize) -> Vec<String> {
    pieces(text)
        .filter(|piece| {
            ["http://", "https://", "www."]
                .iter()
                .any(|start| piece.starts_with(start) && piece.len() > start.len())
        })
        .map(str::to_owned)
        .fold(Vec::new(), |list, piece| add(list, piece, limit))
}

/// Dates as they are written, in order, each once: days, months, years from 1900 to 2100.
pub(super) fn dates(document: &Document<'_>, limit: usize) -> Vec<String> {
    let mut list = Vec::new();
    for at in 0..document.sentences.len() {
        let words = document.words_of(at);
        let mut next = 0;
        while next < words.len() {
            let mut end = next;
            let mut certain = false;
            while end < words.len() && end - next < 5 {
                let part = date_part(document, words, end);
                certain |= part == Some(true);
                if part.is_none() || (end > next && !close(document, &words[end - 1], &words[end])) {
                    break;
                }
                end += 1;
            }
            if certain && end > next {
                list = add(
                    list,
                    one_line(&document.text[words[next].start..words[end - 1].end]),
                    limit,
                );
                next = end;
            } else {
                next += 1;
            }
        }
        if list.len() >= limit {
            break;
        }
    }
    list
}

/// The first date written as year, month and day, such as `2024-05-31`.
pub(super) fn iso_date(text: &str) -> Option<String> {
    pieces(text).find_map(|piece| {
        let digits = piece.get(..10)?;
        let parts: Vec<&str> = digits.split('-').collect();
        let [year, month, day] = parts[..] else {
            return None;
        };
        let number = |part: &str, low: u32, high: u32| {
            part.bytes().all(|b| b.is_ascii_digit())
                && part.parse().is_ok_and(|n: u32| (low..=high).contains(&n))
        };
        let longest = match month {
            "02" => 28,
            "04" | "06" | "09" | "11" => 30,
            _ => 31,
        };
        let known = year.len() == 4
            && number(year, 1, 9999)
            && month.len() == 2
            && number(month, 1, 12)
            && day.len() == 2
            && number(day, 1, longest);
        known.then(|| digits.to_owned())
    })
}

/// Numbers with what they count, as they are written, in order, each once.
pub(super) fn amounts(document: &Document<'_>, limit: usize) -> Vec<String> {
    let mut list = Vec::new();
    for figure in figures(document) {
        let words = document.words_of(figure.sentence);
        let Some(word) = words.get(figure.at) else {
            continue;
        };
        if is_year(document.written(word)) {
            continue;
        }
        let mut end = figure.at + 1;
        while end < words.len() && end - figure.at < 3 && close(document, &words[end - 1], &words[end]) {
            let scale = scale_of(document.written(&words[end])).is_some();
            if words[end].stop && !scale && !is_unit(document.written(&words[end])) {
                break;
            }
            end += 1;
            if !scale {
                break;
            }
        }
        // `bring this down to three` counts nothing that is named.
        if end == figure.at + 1 && !document.written(word).starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let before = document.text[..word.start]
            .chars()
            .next_back()
            .filter(|c| matches!(c, '$' | '€' | '£' | '¥'));
        let start = word.start - before.map_or(0, char::len_utf8);
        let last = words[end - 1].end;
        let mark = document.text[last..]
            .trim_start_matches(' ')
            .chars()
            .next()
            .filter(|c| matches!(c, '%' | '€' | '$' | '£' | '°'));
        let mut shown = one_line(&document.text[start..last]);
        if let (Some(mark), None) = (mark, before) {
            shown.push(mark);
        }
        list = add(list, shown, limit);
        if list.len() >= limit {
            break;
        }
    }
    list
}

/// Every number of the text in order; `12.4 million` is one number.
pub(super) fn figures<'d>(document: &'d Document<'_>) -> impl Iterator<Item = Figure> + 'd {
    (0..document.sentences.len()).flat_map(move |sentence| {
        let words = document.words_of(sentence);
        words.iter().enumerate().filter_map(move |(at, word)| {
            let value = number(document.written(word))?;
            let scale = words
                .get(at + 1)
                .and_then(|next| scale_of(document.written(next)))
                .unwrap_or(1.0);
            Some(Figure {
                value: value * scale,
                sentence,
                at,
            })
        })
    })
}

/// The value that the text gives under a label made of `words`: `Ship to: London` gives `London` for `ship_to`.
pub(super) fn labelled(text: &str, words: &[String]) -> Option<String> {
    if words.is_empty() {
        return None;
    }
    let wanted: Vec<String> = words.iter().map(|word| stem(word)).collect();
    text.lines()
        .take(LABELLED_LINES)
        .flat_map(|line| line.split([';', ',']).chain([line]))
        .find_map(|part| {
            let (label, value) = part.split_once([':', '='])?;
            if label.len() > 80 || value.starts_with("//") {
                return None;
            }
            let label: Vec<String> = super::words::of_name(label)
                .iter()
                .map(|word| stem(word))
                .collect();
            let value = value
                .trim()
                .trim_end_matches('.')
                .trim_matches(['"', '*', '`'])
                .trim();
            (label == wanted && !value.is_empty()).then(|| one_line(value))
        })
}

/// Labels stand at the start of a record; a long report is not searched to its end for every property.
const LABELLED_LINES: usize = 2000;

/// The number that `word` is, with decimal point, thousands commas, or in words up to twelve.
pub(super) fn number(word: &str) -> Option<f64> {
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        let word = word.trim_end_matches(|c: char| c.is_alphabetic());
        let groups: Vec<&str> = word.split(',').collect();
        let thousands = groups.len() > 1
            && groups[1..]
                .iter()
                .all(|group| group.split('.').next().is_some_and(|digits| digits.len() == 3));
        let plain = if thousands {
            groups.concat()
        } else {
            word.replace(',', ".")
        };
        return plain.parse().ok().filter(|value: &f64| value.is_finite());
    }
    let lower = word.to_lowercase();
    NUMBERS
        .iter()
        .position(|known| known.split('|').any(|form| form == lower))
        .map(|at| at as f64 + 2.0)
}

const NUMBERS: [&str; 11] = [
    "two|zwei|deux",
    "three|drei|trois",
    "four|vier|quatre",
    "five|fünf|cinq",
    "six|sechs",
    "seven|sieben|sept",
    "eight|acht|huit",
    "nine|neun|neuf",
    "ten|zehn|dix",
    "eleven|elf|onze",
    "twelve|zwölf|douze",
];

/// Units that are too common, or too short, to count as words of content.
fn is_unit(word: &str) -> bool {
    const UNITS: &str = "g l m h s t V W K J percent day days week weeks month months year years";
    UNITS.split(' ').any(|unit| unit == word)
}

fn scale_of(word: &str) -> Option<f64> {
    match word.to_lowercase().as_str() {
        "hundred" => Some(1e2),
        "thousand" | "tausend" | "mille" => Some(1e3),
        "million" | "millions" | "millionen" => Some(1e6),
        "billion" | "billions" | "milliarden" | "milliards" => Some(1e9),
        _ => None,
    }
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '(' | ')' | '[' | ']' | ','))
        .map(|piece| piece.trim_end_matches(['.', ';', ':', '!', '?', '\'']))
        .filter(|piece| !piece.is_empty())
}

fn is_email(piece: &str) -> bool {
    let Some((user, host)) = piece.split_once('@') else {
        return false;
    };
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+'))
    };
    let labels = host
        .split('.')
        .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    plain(user)
        && plain(host)
        && labels
        && host.contains('.')
        && !user.starts_with('.')
        && !user.ends_with('.')
        && !user.contains("..")
}

/// Whether a word can be part of a date (`Some`), and whether it makes one by itself (`Some(true)`).
fn date_part(document: &Document<'_>, words: &[Word], at: usize) -> Option<bool> {
    let written = document.written(&words[at]);
    let month = MONTHS.split(' ').any(|month| month == written);
    if month {
        // `May` and `March` are also verbs: a month follows a preposition or stands beside a number.
        let beside = |at: Option<usize>| {
            at.and_then(|at| words.get(at))
                .map(|word| document.written(word).to_lowercase())
                .unwrap_or_default()
        };
        let (before, after) = (beside(at.checked_sub(1)), beside(Some(at + 1)));
        let numeric = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
        let placed = [
            "in", "from", "since", "until", "by", "of", "next", "last", "im", "ab", "seit", "en",
        ]
        .contains(&before.as_str());
        return (placed || numeric(&before) || numeric(&after) || !["May", "March"].contains(&written))
            .then_some(true);
    }
    if DAYS.split(' ').any(|day| day == written) || is_year(written) {
        return Some(true);
    }
    let shape: String = written
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    match shape.as_str() {
        "0000-00-00" | "00.00.0000" | "0.0.0000" | "00.0.0000" | "0.00.0000" => Some(true),
        "0" | "00" | "0st" | "0nd" | "0rd" | "0th" | "00st" | "00nd" | "00rd" | "00th" => Some(false),
        _ => None,
    }
}

fn is_year(word: &str) -> bool {
    word.len() == 4 && word.parse().is_ok_and(|year: u32| (1900..=2100).contains(&year))
}

fn close(document: &Document<'_>, a: &Word, b: &Word) -> bool {
    document
        .text
        .get(a.end..b.start)
        .is_some_and(|gap| matches!(gap, " " | ", " | ". " | "\n" | "-"))
}

fn add(mut list: Vec<String>, piece: String, limit: usize) -> Vec<String> {
    if list.len() < limit && !list.contains(&piece) {
        list.push(piece);
    }
    list
}

const MONTHS: &str = "January February March April May June July August September October November December Januar Februar März Mai Juni Juli \
     Oktober Dezember janvier février mars avril mai juin juillet août septembre octobre novembre décembre";
const DAYS: &str = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag \
     lundi mardi mercredi jeudi vendredi samedi dimanche";

#[cfg(test)]
mod tests {
    use super::{Document, amounts, dates, emails, iso_date, labelled, links, number};

    #[test]
    fn addresses_lose_the_marks_around_them() {
        let text = "Write to <ada@example.org>, or see https://example.org/a?b=1. Not @home or a@b.";
        assert_eq!(emails(text, 9), ["ada@example.org"]);
        assert_eq!(links(text, 9), ["https://example.org/a?b=1"]);
    }

    #[test]
    fn amounts_keep_their_units() {
        let document = Document::read(
            "It costs $5 or 12.4 million euros, grew 14%, then 2.1 percent, and needs 85 technicians since 2023.",
        );
        assert_eq!(
            amounts(&document, 9),
            ["$5", "12.4 million euros", "14%", "2.1 percent", "85 technicians"]
        );
    }

    #[test]
    fn dates_are_whole() {
        let document = Document::read(
            "On 12 March 2024 we may go. From May it is open, by Monday. Version 2024-05-31 is out, 7 of 12.",
        );
        assert_eq!(
            dates(&document, 9),
            ["12 March 2024", "May", "Monday", "2024-05-31"]
        );
        assert_eq!(
            iso_date("due 2024-13-01 or 2024-05-31T10:00"),
            Some("2024-05-31".to_owned())
        );
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(number("1,250"), Some(1250.0));
        assert_eq!(number("2,5"), Some(2.5));
        assert_eq!(number("nine"), Some(9.0));
        assert_eq!(number("W-100"), None);
    }

    #[test]
    fn a_label_gives_its_value() {
        let words = ["ship".to_owned(), "to".to_owned()];
        assert_eq!(
            labelled(
                "Order: 2x widget (SKU W-100), customer ACME-7, ship-to: London EC1.",
                &words
            ),
            Some("London EC1".to_owned())
        );
    }
}
