//! Text at rest. PostgreSQL keeps every text but one with a zero character, which keys, labels and notes of a run may
//! well have; and a pattern of `LIKE` has characters of its own.

use std::borrow::Cow;

/// Stands before what a character is kept as. The first character that can be kept, so that texts sort as they were.
const MARK: char = '\u{1}';
/// After the mark: a zero.
const ZERO: char = '\u{1}';
/// After the mark: the mark itself.
const ITSELF: char = '\u{2}';

/// A text as it is kept.
pub(super) fn kept(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        match c {
            '\0' => kept.extend([MARK, ZERO]),
            MARK => kept.extend([MARK, ITSELF]),
            _ => kept.push(c),
        }
    }
    Cow::Owned(kept)
}

/// A kept text as it was.
pub(super) fn as_was(kept: String) -> String {
    if !kept.contains(MARK) {
        return kept;
    }
    let mut text = String::with_capacity(kept.len());
    let mut chars = kept.chars();
    while let Some(c) = chars.next() {
        if c != MARK {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some(ZERO) => text.push('\0'),
            Some(ITSELF) => text.push(MARK),
            // Not written by `kept`; left as it is.
            other => text.extend(std::iter::once(MARK).chain(other)),
        }
    }
    text
}

/// The lower case of a text, in which is searched.
///
/// Not the `ILIKE` of the database, which knows only the letters of its locale: the same search finds the same runs
/// wherever they are kept.
pub(super) fn folded(text: &str) -> String {
    kept(&text.to_lowercase()).into_owned()
}

/// The pattern of `LIKE` for texts that have this one in them.
pub(super) fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in folded(text).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_and_sorts_as_it_did() {
        let mut texts = [
            "",
            "plain",
            "\0",
            "a\0b",
            "\u{1}",
            "\u{1}\0",
            "\0\u{1}",
            "\0\u{2}\u{1}",
            "\u{2}",
            "a\u{1}",
            "ab",
            "ü",
        ];
        for text in texts {
            let as_kept = kept(text).into_owned();
            assert!(!as_kept.contains('\0'), "{text:?}");
            assert_eq!(as_was(as_kept), text);
        }
        texts.sort_by_key(|text| kept(text).into_owned());
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn what_means_something_in_a_pattern_is_taken_as_it_is() {
        assert_eq!(pattern("50%_\\A"), "%50\\%\\_\\\\a%");
        assert_eq!(pattern(""), "%%");
    }
}
