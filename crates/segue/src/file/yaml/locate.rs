//! From a position inside a scalar's value back to the file: undoes quoting, escapes, folding and indentation.
//!
//! Worked out only when a fault needs it, by walking the written text and the value side by side.

use super::tree::{Scalar, Style};
use crate::fault::Span;

/// The byte offset in `text` of the byte at `target` in the value; never outside the span.
pub(super) fn offset_in(text: &str, span: Span, scalar: &Scalar, target: usize) -> usize {
    let range = span.range();
    let Some(written) = text.get(range.clone()) else {
        return range.start.min(text.len());
    };
    let target = target.min(scalar.text.len());
    let offset = match scalar.style {
        Style::Plain => Flow::new(written, Style::Plain).offset(target),
        Style::SingleQuoted | Style::DoubleQuoted => Flow::new(written, scalar.style).offset(target),
        Style::Literal | Style::Folded => {
            // The span starts at the first text, right after the indentation of the block.
            let line_start = text[..range.start].rfind(['\n', '\r']).map_or(0, |end| end + 1);
            block_offset(written, range.start - line_start, scalar, target)
        }
    };
    range.start + offset.min(written.len())
}

/// Walks a plain or quoted scalar.
struct Flow<'a> {
    written: &'a str,
    style: Style,
    at: usize,
    /// Bytes of the value that stand before `at`.
    value: usize,
}

impl<'a> Flow<'a> {
    fn new(written: &'a str, style: Style) -> Self {
        let at = usize::from(style != Style::Plain);
        Self {
            written,
            style,
            at,
            value: 0,
        }
    }

    fn offset(mut self, target: usize) -> usize {
        while let Some(next) = self.rest().chars().next() {
            let (from, before) = (self.at, self.value);
            match (self.style, next) {
                (_, ' ' | '\t') if self.line_ends_after_blanks() => self.fold(),
                (_, '\n' | '\r') => self.fold(),
                (Style::SingleQuoted, '\'') if self.rest().starts_with("''") => self.take(2, 1),
                (Style::SingleQuoted, '\'') | (Style::DoubleQuoted, '"') => return self.at,
                (Style::DoubleQuoted, '\\') => self.escape(),
                _ => self.take(next.len_utf8(), next.len_utf8()),
            }
            // Several characters of the value may come from one escape or fold: all of them are at its start.
            if self.value > target && before <= target {
                return from;
            }
        }
        self.at
    }

    fn rest(&self) -> &'a str {
        self.written.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, written: usize, value: usize) {
        self.at += written;
        self.value += value;
    }

    fn line_ends_after_blanks(&self) -> bool {
        self.rest()
            .trim_start_matches([' ', '\t'])
            .starts_with(['\n', '\r'])
    }

    /// One line end is a blank, several are one less; blanks around them are dropped.
    fn fold(&mut self) {
        match self.line_ends() {
            0 | 1 => self.value += 1,
            ends => self.value += ends - 1,
        }
    }

    /// Skips blanks and line ends, and says how many line ends there were.
    fn line_ends(&mut self) -> usize {
        let mut ends = 0;
        loop {
            let rest = self.rest().trim_start_matches([' ', '\t']);
            self.at = self.written.len() - rest.len();
            let Some(len) = line_end_len(rest) else {
                return ends;
            };
            self.at += len;
            ends += 1;
        }
    }

    fn escape(&mut self) {
        let Some(letter) = self.rest()[1..].chars().next() else {
            return self.take(1, 0);
        };
        let hex_digits = match letter {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            '\n' | '\r' => {
                self.at += 1;
                self.value += self.line_ends().saturating_sub(1);
                return;
            }
            'N' | '_' => return self.take(2, 2),
            'L' | 'P' => return self.take(2, 3),
            _ => return self.take(1 + letter.len_utf8(), letter.len_utf8().min(1)),
        };
        let digits = self.rest().get(2..2 + hex_digits).unwrap_or_default();
        let code = u32::from_str_radix(digits, 16).unwrap_or_default();
        match char::from_u32(code) {
            Some(c) => self.take(2 + hex_digits, c.len_utf8()),
            // The first half of a pair of `\u` escapes, which together are one character of four bytes.
            None => self.take(2 * (2 + hex_digits), 4),
        }
    }
}

/// Walks a block scalar whose lines are indented by `indent` columns.
fn block_offset(written: &str, indent: usize, scalar: &Scalar, target: usize) -> usize {
    let value = scalar.text.as_bytes();
    let mut at = 0;
    let mut seen = 0;
    // Empty lines before the first text are part of the value, not of the span.
    if line_end_len(written).is_none() {
        seen = value.iter().take_while(|&&byte| byte == b'\n').count();
        if target < seen {
            return 0;
        }
    }
    while at < written.len() {
        let line = &written[at..];
        let len = line.find(['\n', '\r']).unwrap_or(line.len());
        if target < seen + len {
            return at + (target - seen);
        }
        at += len;
        seen += len;
        let line_end = at;
        let mut ends = 0;
        while let Some(len) = line_end_len(&written[at..]) {
            ends += 1;
            at += len;
            let rest = &written[at..];
            at += rest.bytes().take(indent).take_while(|&byte| byte == b' ').count();
        }
        let joined = scalar.style == Style::Folded && ends == 1 && value.get(seen) == Some(&b' ');
        let between = if joined {
            1
        } else {
            value.iter().skip(seen).take_while(|&&byte| byte == b'\n').count()
        };
        if target < seen + between {
            return line_end;
        }
        seen += between;
        if ends == 0 {
            break;
        }
    }
    at
}

fn line_end_len(text: &str) -> Option<usize> {
    match text.as_bytes() {
        [b'\r', b'\n', ..] => Some(2),
        [b'\r' | b'\n', ..] => Some(1),
        _ => None,
    }
}
