//! Folding: a text as it is behind its encoding, with the way back. Ends of lines are gone, `%41` and `\u0041` are `A`, so that
//! a value is found however much of it is encoded, and over lines.

/// Text in which some bytes stand for others.
pub(super) struct Folded {
    pub(super) bytes: Vec<u8>,
    /// Where each byte comes from, end exclusive.
    from: Vec<(u32, u32)>,
}

impl Folded {
    /// Where a part of it comes from.
    pub(super) fn origin(&self, start: usize, end: usize) -> (usize, usize) {
        (self.from[start].0 as usize, self.from[end - 1].1 as usize)
    }

    fn push(&mut self, byte: u8, from: (u32, u32)) {
        self.bytes.push(byte);
        self.from.push(from);
    }
}

/// A text folded twice, as JSON within JSON is; none where nothing is encoded. Texts are a few hundred kilobytes at most.
pub(super) fn fold(text: &[u8]) -> Option<Folded> {
    let once = fold_once(text)?;
    let Some(twice) = fold_once(&once.bytes) else {
        return Some(once);
    };
    let from = twice
        .from
        .iter()
        .map(|(start, end)| (once.from[*start as usize].0, once.from[*end as usize - 1].1))
        .collect();
    let bytes = twice.bytes;
    Some(Folded { bytes, from })
}

/// The same of a value that is looked for in it.
pub(super) fn folded(value: &[u8]) -> Vec<u8> {
    fold(value).map_or_else(|| value.to_vec(), |folded| folded.bytes)
}

fn fold_once(text: &[u8]) -> Option<Folded> {
    let first = text
        .iter()
        .position(|byte| matches!(byte, b'%' | b'\\' | b'\r' | b'\n'))?;
    let mut folded = Folded {
        bytes: Vec::with_capacity(text.len()),
        from: Vec::with_capacity(text.len()),
    };
    let mut at = 0;
    while at < text.len() {
        let (length, stands_for) = match at < first {
            true => (1, Stands::Same),
            false => unit(&text[at..]),
        };
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let from = (place(at), place(at + length));
        match stands_for {
            Stands::Nothing => {}
            Stands::Same => folded.push(text[at], from),
            Stands::Byte(byte) => folded.push(byte, from),
            Stands::Char(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    folded.push(byte, from);
                }
            }
        }
        at += length;
    }
    Some(folded)
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
