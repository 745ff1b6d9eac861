//! Folding: a text as it is behind its encoding, with the way back. Ends of lines are gone, `%41` and `\u0041` are `A`, so that
//! a value is found however much of it is encoded, and over lines.

use std::collections::BTreeSet;

/// The most bytes of a piece of which more may follow: a pair of escapes but for its last digit.
const LONGEST_BEGUN: usize = 11;

/// Text in which some bytes stand for others.
pub(super) struct Folded {
    pub(super) bytes: Vec<u8>,
    /// What it was made of, in order.
    pieces: Vec<Piece>,
}

/// A part of a folded text, up to the next one.
struct Piece {
    /// Where it begins.
    at: usize,
    /// Where it comes from.
    from: usize,
    /// How long that is, where it is one piece that stands for something; none where each byte stands for itself.
    stands: Option<usize>,
}

impl Folded {
    /// Where what stands at a place begins.
    pub(super) fn start(&self, at: usize) -> usize {
        self.place(at).0
    }

    /// Where a part of it comes from.
    pub(super) fn origin(&self, start: usize, end: usize) -> (usize, usize) {
        (self.place(start).0, self.place(end - 1).1)
    }

    /// Where one byte comes from, end exclusive.
    fn place(&self, at: usize) -> (usize, usize) {
        let next = self.pieces.partition_point(|piece| piece.at <= at);
        let piece = &self.pieces[next - 1];
        match piece.stands {
            Some(length) => (piece.from, piece.from + length),
            None => {
                let from = piece.from + at - piece.at;
                (from, from + 1)
            }
        }
    }

    fn piece(&mut self, from: usize, stands: Option<usize>) {
        let at = self.bytes.len();
        self.pieces.push(Piece { at, from, stands });
    }
}

/// A text in which every piece is what it stands for; nothing where nothing is encoded. What is encoded twice, as JSON within
/// JSON is, is found when this is folded again.
pub(super) fn fold(text: &[u8]) -> Option<Folded> {
    fold_from(text, encoded)
}

/// A text without the ends of its lines and otherwise as it is; nothing where it has one line. What stands before or after
/// a value may make another piece with its first or last byte: so it is found over lines all the same.
pub(super) fn unwrapped(text: &[u8]) -> Option<Folded> {
    fold_from(text, line_end)
}

/// A text that goes on, folded as far as it is decided what it stands for; and how far that is.
pub(super) fn fold_begun(text: &[u8]) -> (Folded, usize) {
    let decided = whole(text);
    let text = &text[..decided];
    (fold(text).unwrap_or_else(|| Folded::same(text)), decided)
}

/// How much of a text is whole pieces, whatever follows it.
fn whole(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(next) = encoded(&text[at..]) {
        at += next;
        if is_begun(&text[at..]) {
            return at;
        }
        at += unit(&text[at..]).0;
    }
    text.len()
}

/// Whether this is all of the text that there is of a piece, and more of it may follow.
fn is_begun(text: &[u8]) -> bool {
    let is_hex = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    match text {
        [b'%' | b'\\'] => true,
        [b'%', high] => is_hex(&[*high]),
        [b'\\', b'u', rest @ ..] if rest.len() < 4 => is_hex(rest),
        [b'\\', b'u', rest @ ..] => {
            let is_first = four(rest).is_some_and(|unit| (0xD800..0xDC00).contains(&unit));
            match &rest[4..] {
                [] | [b'\\'] => is_first,
                [b'\\', b'u', second @ ..] => is_first && second.len() < 4 && is_hex(second),
                _ => false,
            }
        }
        _ => false,
    }
}

impl Folded {
    /// A text that stands for itself.
    fn same(text: &[u8]) -> Self {
        let mut same = Self {
            bytes: Vec::new(),
            pieces: Vec::new(),
        };
        same.piece(0, None);
        same.bytes.extend_from_slice(text);
        same
    }
}

/// Everything that a value can be when its text is folded: itself, where it was encoded as often; less, where it was not, or
/// only its lines were joined; without its blanks, where lines end at one of them or at all.
pub(super) fn folded(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let once = fold(value);
    let twice = once.as_ref().and_then(|once| fold(&once.bytes));
    let folded = once.into_iter().chain(twice).chain(unwrapped(value));
    let mut all: BTreeSet<Vec<u8>> = folded.map(|folded| folded.bytes).collect();
    all.insert(value.to_vec());
    for whole in all.clone() {
        all.extend(wrapped(&whole));
    }
    all
}

/// The parts of a value that are still found when what stands before it makes a piece with its first bytes, or what stands
/// after it with its last ones; each with those bytes.
pub(super) fn between(value: &[u8]) -> Vec<(Vec<u8>, [Vec<u8>; 2])> {
    let (firsts, lasts) = (taken_before(value), taken_after(value));
    let mut parts = Vec::new();
    for &first in [0].iter().chain(&firsts) {
        for &last in [0].iter().chain(&lasts) {
            if first + last > 0 && first + last < value.len() {
                let (rest, after) = value.split_at(value.len() - last);
                let (before, rest) = rest.split_at(first);
                let ends = [before.to_vec(), after.to_vec()];
                parts.extend(folded(rest).into_iter().map(|part| (part, ends.clone())));
            }
        }
    }
    parts
}

/// How many bytes a value begins with that may end a piece which begins before it.
fn taken_before(value: &[u8]) -> Vec<usize> {
    let digits = |text: &[u8]| {
        text.iter()
            .take(4)
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count()
    };
    let mut taken: Vec<usize> = (1..=digits(value)).collect();
    match value {
        [b'r' | b'n', rest @ ..] => taken.push(1 + indent(rest)),
        [b't' | b'"' | b'\\' | b'/', ..] => taken.push(1),
        [b'u', rest @ ..] if digits(rest) == 4 => taken.push(5),
        _ => {}
    }
    taken
}

/// How many bytes a value ends with that may begin a piece which ends after it.
fn taken_after(value: &[u8]) -> Vec<usize> {
    let starts = value.len().saturating_sub(LONGEST_BEGUN)..value.len();
    let begun = starts.filter(|start| is_begun(&value[*start..]));
    begun.map(|start| value.len() - start).collect()
}

/// A value without one of its blanks, without those it begins with, and without all others.
fn wrapped(value: &[u8]) -> Vec<Vec<u8>> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begins = value.iter().take_while(|byte| is_blank(byte)).count();
    let (start, rest) = value.split_at(begins);
    let blanks = rest.iter().enumerate().filter(|(_, byte)| is_blank(byte));
    let mut wrapped: Vec<Vec<u8>> = blanks
        .map(|(at, _)| [start, &rest[..at], &rest[at + 1..]].concat())
        .collect();
    let without: Vec<u8> = rest.iter().copied().filter(|byte| !is_blank(byte)).collect();
    wrapped.push([start, &without].concat());
    wrapped.push(rest.to_vec());
    wrapped.push(without);
    wrapped
}

/// Where the first piece begins that may stand for something else.
fn encoded(text: &[u8]) -> Option<usize> {
    text.iter()
        .position(|byte| matches!(byte, b'%' | b'\\' | b'\r' | b'\n'))
}

/// Where the first line ends.
fn line_end(text: &[u8]) -> Option<usize> {
    text.iter().position(|byte| matches!(byte, b'\r' | b'\n'))
}

/// A text in which every piece that `next` finds is what it stands for.
fn fold_from(text: &[u8], next: impl Fn(&[u8]) -> Option<usize>) -> Option<Folded> {
    let mut at = next(text)?;
    let mut folded = Folded {
        bytes: Vec::with_capacity(text.len()),
        pieces: Vec::new(),
    };
    let mut copied = 0;
    loop {
        if copied < at {
            folded.piece(copied, None);
            folded.bytes.extend_from_slice(&text[copied..at]);
        }
        if at == text.len() {
            return Some(folded);
        }
        let (length, stands_for) = unit(&text[at..]);
        if !matches!(stands_for, Stands::Nothing) {
            folded.piece(at, Some(length));
        }
        match stands_for {
            Stands::Nothing => {}
            Stands::Same => folded.bytes.push(text[at]),
            Stands::Byte(byte) => folded.bytes.push(byte),
            Stands::Char(c) => folded
                .bytes
                .extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        copied = at + length;
        at = copied + next(&text[copied..]).unwrap_or(text.len() - copied);
    }
}

/// What a piece of text stands for.
enum Stands {
    Nothing,
    Same,
    Byte(u8),
    Char(char),
}

/// The first piece of a text: its length, and what it stands for.
fn unit(text: &[u8]) -> (usize, Stands) {
    match text {
        [b'\r' | b'\n', rest @ ..] => (1 + indent(rest), Stands::Nothing),
        [b'\\', b'r' | b'n', rest @ ..] => (2 + indent(rest), Stands::Nothing),
        [b'\\', b't', ..] => (2, Stands::Byte(b'\t')),
        [b'\\', byte @ (b'"' | b'\\' | b'/'), ..] => (2, Stands::Byte(*byte)),
        [b'\\', b'u', rest @ ..] => {
            escaped(rest).map_or((1, Stands::Same), |(more, c)| (2 + more, Stands::Char(c)))
        }
        [b'%', high, low, ..] => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => (3, Stands::Byte(high << 4 | low)),
            _ => (1, Stands::Same),
        },
        _ => (1, Stands::Same),
    }
}

/// What a line is indented by belongs to its end.
fn indent(rest: &[u8]) -> usize {
    rest.iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count()
}

/// The character of an escape after `\u`, and how long it is.
fn escaped(rest: &[u8]) -> Option<(usize, char)> {
    let first = four(rest)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first).map(|c| (4, c));
    }
    let [b'\\', b'u', second @ ..] = rest.get(4..)? else {
        return None;
    };
    let second = four(second)?;
    let low = second.checked_sub(0xDC00).filter(|low| *low < 0x400)?;
    char::from_u32(0x10000 + ((first - 0xD800) << 10) + low).map(|c| (10, c))
}

fn four(digits: &[u8]) -> Option<u32> {
    let digits = digits.get(..4)?;
    digits
        .iter()
        .try_fold(0, |number, byte| Some(number << 4 | u32::from(digit(*byte)?)))
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}
