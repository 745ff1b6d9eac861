//! The text of a file and the way from byte offsets to the lines and columns a person sees.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Characters are counted once per chunk of this many bytes, so that a column on a line of megabytes costs little.
const CHUNK_BYTES: usize = 256;

/// A place in a file: line and column from 1, length in characters, on one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters to mark, at least 1.
    pub len: u32,
}

/// Byte offsets in the text of a [`Source`], end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span of these offsets; beyond four gigabytes they saturate.
    pub fn new(range: Range<usize>) -> Self {
        let narrow = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            start: narrow(range.start),
            end: narrow(range.end),
        }
    }

    /// The offsets as a range.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A file's name and text, indexed by line.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    /// Byte offset at which each line starts; the first is 0.
    lines: Vec<u32>,
    /// Characters before each chunk of [`CHUNK_BYTES`].
    chunks: Vec<u32>,
}

impl Source {
    /// Indexes a text; a carriage return, a line feed, or both in this order end a line.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let bytes = text.as_bytes();
        let mut lines = vec![0];
        let mut chunks = Vec::with_capacity(bytes.len() / CHUNK_BYTES + 1);
        let mut chars = 0u32;
        for (at, &byte) in bytes.iter().enumerate() {
            if at % CHUNK_BYTES == 0 {
                chunks.push(chars);
            }
            if !is_continuation(byte) {
                chars = chars.saturating_add(1);
            }
            if byte == b'\n' || (byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
                lines.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
            }
        }
        Self {
            name: name.into(),
            text,
            lines,
            chunks,
        }
    }

    /// The file's name as it is shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text under a span; empty where the span does not fit.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The place of a span: its start, and its length up to the end of that line.
    pub fn place(&self, span: Span) -> Place {
        let range = span.range();
        let start = self.text.floor_char_boundary(range.start);
        let index = self.lines.partition_point(|&line| line as usize <= start).max(1) - 1;
        let line = self.line_range(index);
        let start = start.min(line.end);
        let end = self.text.floor_char_boundary(range.end).clamp(start, line.end);
        let before = self.chars_before(start);
        Place {
            line: u32::try_from(index + 1).unwrap_or(u32::MAX),
            column: before - self.chars_before(line.start) + 1,
            len: (self.chars_before(end) - before).max(1),
        }
    }

    /// A line by its number from 1, without its end.
    pub fn line(&self, number: u32) -> Option<&str> {
        let index = (number as usize).checked_sub(1)?;
        (index < self.lines.len()).then(|| &self.text[self.line_range(index)])
    }

    /// How many lines there are, at least 1.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    fn line_range(&self, index: usize) -> Range<usize> {
        let start = self.lines[index] as usize;
        let end = self
            .lines
            .get(index + 1)
            .map_or(self.text.len(), |&next| next as usize);
        let line = &self.text[start..end];
        start..start + line.trim_end_matches(['\r', '\n']).len()
    }

    /// How many characters start before a byte offset that lies on a character boundary.
    fn chars_before(&self, offset: usize) -> u32 {
        let chunk = offset / CHUNK_BYTES;
        let (counted, from) = match self.chunks.get(chunk) {
            Some(&counted) => (counted, chunk * CHUNK_BYTES),
            None => match self.chunks.last() {
                Some(&counted) => (counted, (self.chunks.len() - 1) * CHUNK_BYTES),
                None => (0, 0),
            },
        };
        let rest = self.text.as_bytes()[from..offset]
            .iter()
            .filter(|&&byte| !is_continuation(byte))
            .count();
        counted + u32::try_from(rest).unwrap_or(u32::MAX)
    }
}

/// Whether a byte of UTF-8 goes on with a character rather than starting one.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place_of(text: &str, needle: &str) -> Place {
        let start = text.find(needle).expect("the needle is in the text");
        Source::new("f", text).place(Span::new(start..start + needle.len()))
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(
            place_of("a: 1\né日x: 2", "x"),
            Place {
                line: 2,
                column: 3,
                len: 1
            }
        );
    }

    #[test]
    fn every_line_end_counts_once() {
        for text in ["a\nb\n\nx", "a\r\nb\r\n\r\nx", "a\rb\r\rx"] {
            assert_eq!(place_of(text, "x").line, 4, "{text:?}");
            assert_eq!(Source::new("f", text).line(2), Some("b"), "{text:?}");
        }
    }

    #[test]
    fn a_span_over_lines_is_marked_on_its_first() {
        assert_eq!(
            place_of("ab\ncd", "b\nc"),
            Place {
                line: 1,
                column: 2,
                len: 1
            }
        );
    }

    #[test]
    fn the_end_of_the_text_is_a_place() {
        let first = Place {
            line: 1,
            column: 1,
            len: 1,
        };
        assert_eq!(Source::new("f", "").place(Span::new(0..0)), first);
        assert_eq!(
            Source::new("f", "ab").place(Span::new(9..12)),
            Place { column: 3, ..first }
        );
    }

    proptest! {
        #[test]
        fn columns_agree_with_counting(text in "(.|\n|é){0,700}", at in 0usize..900) {
            let source = Source::new("f", text.clone());
            let place = source.place(Span::new(at..at + 3));
            let line = source.line(place.line).expect("the place is on a line");
            prop_assert!(place.column as usize <= line.chars().count() + 1);
            let at = text.floor_char_boundary(at);
            if !text[..at].contains('\r') && !text[at..].starts_with('\r') {
                let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
                prop_assert_eq!(place.column as usize, text[start..at].chars().count() + 1);
            }
        }
    }
}
