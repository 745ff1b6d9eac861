//! Sentences of a text as byte ranges: abbreviations, decimals, quotations, lists and full stops of other scripts are seen.
//!
//! One pass over the text. Ranges never overlap and never cut a character; whitespace at both ends and list marks are left out.

/// A sentence, a heading or a list entry of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) start: usize,
    pub(super) end: usize,
    /// It has no closing mark: a heading or a list entry.
    pub(super) fragment: bool,
    /// It is marked as a heading.
    pub(super) heading: bool,
}

/// The sentences of `text` in order.
pub(super) fn split(text: &str) -> Vec<Sentence> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut line = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\n' {
            if breaks_here(&text[line..at], &text[at + 1..]) {
                push(text, start, at, &mut sentences);
                start = at + 1;
            }
            line = at + 1;
            continue;
        }
        if !is_full_stop(c) {
            continue;
        }
        let mut end = at + c.len_utf8();
        while let Some(&(next, mark)) = chars.peek() {
            if !is_full_stop(mark) && !is_closing(mark) {
                break;
            }
            end = next + mark.len_utf8();
            chars.next();
        }
        let single_dot = c == '.' && end == at + 1;
        if is_wide_stop(c)
            || (ends_before(&text[end..]) && !(single_dot && is_abbreviation(&text[start..at], &text[end..])))
        {
            push(text, start, end, &mut sentences);
            start = end;
        }
    }
    push(text, start, text.len(), &mut sentences);
    sentences
}

/// Lines shorter than this many bytes are taken to end on purpose, longer ones to be wrapped.
const SHORT_LINE: usize = 56;

fn push(text: &str, start: usize, end: usize, into: &mut Vec<Sentence>) {
    let slice = &text[start..end];
    let shown = slice.trim_start().trim_start_matches(is_list_mark).trim_start();
    let from = end - shown.len();
    let shown = shown.trim_end();
    if !shown.contains(char::is_alphanumeric) {
        return;
    }
    let closed = shown.trim_end_matches(is_closing).ends_with(is_full_stop);
    let heading = slice.trim_start().starts_with('#');
    into.push(Sentence {
        start: from,
        end: from + shown.len(),
        fragment: !closed,
        heading,
    });
}

/// Whether the line break between `line` and `rest` also ends a sentence.
fn breaks_here(line: &str, rest: &str) -> bool {
    let next = rest.trim_start_matches([' ', '\t', '\r']);
    if next.is_empty() || next.starts_with('\n') || next.starts_with('|') || starts_entry(next) {
        return true;
    }
    let line = line.trim();
    if line.starts_with('#') {
        return true;
    }
    line.len() < SHORT_LINE
        && !line.ends_with([',', ';', '-', '、', '，'])
        && !next.starts_with(char::is_lowercase)
        && !line.is_empty()
}

/// Whether a line starts as an entry of a list or as a heading.
fn starts_entry(line: &str) -> bool {
    let mark = line.trim_start_matches(|c: char| c.is_ascii_digit() || is_list_mark(c));
    let marks = &line[..line.len() - mark.len()];
    match marks.chars().last() {
        None => false,
        Some(last) if last.is_ascii_digit() => {
            marks.len() <= 3 && mark.starts_with([')', '.']) && mark[1..].starts_with(' ')
        }
        Some(_) => mark.starts_with(' ') || marks.ends_with(' '),
    }
}

fn is_list_mark(c: char) -> bool {
    matches!(c, '#' | '*' | '•' | '>' | '-' | '–' | '—')
}

fn is_full_stop(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '؟' | '۔' | '।' | '॥') || is_wide_stop(c)
}

/// Full stops after which no space is written.
fn is_wide_stop(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '｡' | '．')
}

fn is_closing(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | '”' | '’' | '“' | '»' | '«' | ')' | ']' | '」' | '』' | '）' | '】'
    )
}

/// Whether a new sentence can start in `rest`, which follows a full stop.
fn ends_before(rest: &str) -> bool {
    let next = rest.trim_start();
    if next.is_empty() {
        return true;
    }
    if next.len() == rest.len() {
        return false;
    }
    let blank_line = rest[..rest.len() - next.len()].matches('\n').count() > 1;
    let opening = |c: char| {
        matches!(
            c,
            '"' | '\'' | '“' | '„' | '‘' | '«' | '»' | '(' | '[' | '¿' | '¡' | '*' | '_'
        )
    };
    blank_line || !next.trim_start_matches(opening).starts_with(char::is_lowercase)
}

/// Whether the full stop after `before` belongs to a shortened word or an ordinal.
fn is_abbreviation(before: &str, rest: &str) -> bool {
    let word = before
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“' | '„'))
        .next()
        .unwrap_or("");
    if word.is_empty() {
        return false;
    }
    let next = rest.trim_start();
    if word.len() <= 2 && word.bytes().all(|b| b.is_ascii_digit()) {
        return MONTHS.split(' ').any(|month| next.starts_with(month))
            || before.trim_start().len() == word.len();
    }
    let mut letters = word.chars();
    if let (Some(only), None) = (letters.next(), letters.next()) {
        return only.is_uppercase();
    }
    let dotted = word.contains('.') && word.split('.').all(|part| part.chars().count() <= 2);
    dotted
        || (word.len() <= 8
            && ABBREVIATIONS
                .split_whitespace()
                .any(|known| known == word.to_lowercase()))
}

const ABBREVIATIONS: &str = "mr mrs ms dr prof sr jr st vs etc eg ie cf al fig no vol pp ed inc ltd co corp gov gen sen rep capt \
     approx dept est jan feb mar apr jun jul aug sep sept oct nov dec nr bzw usw ca ggf evtl bspw zb abs art str hr fr dipl ing \
     tel mme mlle av env sra srta núm pág";

const MONTHS: &str = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember";

#[cfg(test)]
mod tests {
    use super::split;

    fn sentences(text: &str) -> Vec<&str> {
        split(text)
            .iter()
            .map(|sentence| &text[sentence.start..sentence.end])
            .collect()
    }

    #[test]
    fn abbreviations_initials_and_decimals_do_not_end_a_sentence() {
        let text = "Dr. J. Smith paid 12.4 million, e.g. for tools. It rose 2.1 percent.";
        assert_eq!(
            sentences(text),
            [
                "Dr. J. Smith paid 12.4 million, e.g. for tools.",
                "It rose 2.1 percent."
            ]
        );
    }

    #[test]
    fn closing_quotes_belong_to_the_sentence() {
        assert_eq!(
            sentences("\"Stop!\" she said. \"Why?\" He left."),
            ["\"Stop!\" she said.", "\"Why?\"", "He left."]
        );
    }

    #[test]
    fn full_stops_without_spaces_end_a_sentence() {
        assert_eq!(
            sentences("東京は大きい。京都は古い！「はい。」"),
            ["東京は大きい。", "京都は古い！", "「はい。」"]
        );
    }

    #[test]
    fn wrapped_lines_join_and_lists_do_not() {
        let wrapped = "The company will invest a large amount of money in the region and\nhire many people.";
        assert_eq!(sentences(wrapped).len(), 1);
        let late =
            "This line has a first sentence that is short. Another begins\n12 words before the end of it.";
        assert_eq!(sentences(late).len(), 2);
        assert_eq!(
            sentences("# Bread\n- 200 g flour\n- 2 eggs\n\n1. Mix it.\n2. Bake."),
            ["Bread", "200 g flour", "2 eggs", "1. Mix it.", "2. Bake."]
        );
    }

    #[test]
    fn german_dates_stay_whole() {
        assert_eq!(
            sentences("Am 3. Mai kam er. Es regnete."),
            ["Am 3. Mai kam er.", "Es regnete."]
        );
    }

    #[test]
    fn text_without_letters_has_no_sentence() {
        assert!(sentences("").is_empty());
        assert!(sentences(" ... \n -- ").is_empty());
    }
}
