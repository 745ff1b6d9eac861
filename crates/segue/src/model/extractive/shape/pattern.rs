//! Simple regular expressions: literals, classes, groups, alternatives and counts, matched and written.
//!
//! Look-around, back references and word boundaries are not read; such a pattern is no [`Pattern`] and its author is
//! served by the check of the answer instead.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

/// A regular expression that was understood as a whole.
#[derive(Debug)]
pub(crate) struct Pattern {
    alternatives: Vec<Vec<Part>>,
}

#[derive(Debug)]
struct Part {
    piece: Piece,
    least: usize,
    most: usize,
}

#[derive(Debug)]
enum Piece {
    Start,
    End,
    One {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    Group(Vec<Vec<Part>>),
}

impl Pattern {
    /// Reads `source`; none if it uses what is not known here.
    pub(crate) fn read(source: &str) -> Option<Self> {
        if source.len() > LONGEST_SOURCE {
            return None;
        }
        let mut chars = source.chars().peekable();
        let alternatives = alternatives(&mut chars, 0)?;
        chars.next().is_none().then_some(Self { alternatives })
    }

    /// Whether the pattern occurs in `text`; a text too long or too costly to decide on does not match.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let chars: Vec<char> = text.chars().take(LONGEST_TEXT + 1).collect();
        if chars.len() > LONGEST_TEXT {
            return false;
        }
        let mut fuel = FUEL;
        let starts = (0..=chars.len()).collect();
        !ends(&self.alternatives, &chars, &starts, &mut fuel).is_empty()
    }

    /// A text of the pattern; `draw(n)` picks one of `n` ways, and what may repeat does so up to `stretch` times more than it must.
    pub(crate) fn write(&self, stretch: usize, draw: &mut dyn FnMut(usize) -> usize) -> Option<String> {
        let mut text = String::new();
        write(&self.alternatives, stretch, draw, &mut text)?;
        Some(text)
    }
}

const LONGEST_SOURCE: usize = 1000;
const LONGEST_TEXT: usize = 2000;
/// Steps of matching: generous for real patterns, an end for hostile ones.
const FUEL: usize = 200_000;
/// Groups inside groups.
const DEEPEST: usize = 12;
const MOST_REPEATS: usize = 1000;

fn alternatives(chars: &mut Peekable<Chars<'_>>, depth: usize) -> Option<Vec<Vec<Part>>> {
    if depth > DEEPEST {
        return None;
    }
    let mut all = vec![Vec::new()];
    while let Some(&c) = chars.peek() {
        if c == ')' {
            break;
        }
        chars.next();
        if c == '|' {
            all.push(Vec::new());
            continue;
        }
        let piece = match c {
            '^' => Piece::Start,
            '$' => Piece::End,
            '.' => Piece::One {
                ranges: vec![('\n', '\n'), ('\r', '\r')],
                negated: true,
            },
            '[' => class(chars)?,
            '(' => {
                if chars.peek() == Some(&'?') {
                    chars.next();
                    chars.next().filter(|c| *c == ':')?;
                }
                let group = alternatives(chars, depth + 1)?;
                chars.next().filter(|c| *c == ')')?;
                Piece::Group(group)
            }
            '\\' => {
                let (ranges, negated) = escape(chars.next()?)?;
                Piece::One { ranges, negated }
            }
            '*' | '+' | '?' | '{' => return None,
            literal => Piece::One {
                ranges: vec![(literal, literal)],
                negated: false,
            },
        };
        let (least, most) = count(chars)?;
        all.last_mut()?.push(Part { piece, least, most });
    }
    Some(all)
}

fn count(chars: &mut Peekable<Chars<'_>>) -> Option<(usize, usize)> {
    let bounds = match chars.peek() {
        Some('*') => (0, MOST_REPEATS),
        Some('+') => (1, MOST_REPEATS),
        Some('?') => (0, 1),
        Some('{') => {
            chars.next();
            let mut inner = String::new();
            while let Some(&c) = chars.peek().filter(|c| **c != '}') {
                inner.push(c);
                chars.next();
            }
            match inner.split_once(',') {
                None => (inner.parse().ok()?, inner.parse().ok()?),
                Some((least, "")) => (least.parse().ok()?, MOST_REPEATS),
                Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
            }
        }
        _ => return Some((1, 1)),
    };
    chars.next()?;
    // A lazy count matches the same texts.
    chars.next_if_eq(&'?');
    (bounds.0 <= bounds.1 && bounds.1 <= MOST_REPEATS).then_some(bounds)
}

fn class(chars: &mut Peekable<Chars<'_>>) -> Option<Piece> {
    let negated = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match chars.next()? {
            ']' if !ranges.is_empty() => return Some(Piece::One { ranges, negated }),
            '\\' => {
                let (inner, inverse) = escape(chars.next()?)?;
                if inverse {
                    return None;
                }
                match inner[..] {
                    [(low, high)] if low == high => low,
                    _ => {
                        ranges.extend(inner);
                        continue;
                    }
                }
            }
            '[' => return None,
            c => c,
        };
        if chars.peek() != Some(&'-') {
            ranges.push((low, low));
            continue;
        }
        chars.next();
        match chars.next()? {
            ']' => {
                ranges.extend([(low, low), ('-', '-')]);
                return Some(Piece::One { ranges, negated });
            }
            '\\' => {
                let (inner, _) = escape(chars.next()?)?;
                let [(high, _)] = inner[..] else { return None };
                ranges.push((low, high));
            }
            high => ranges.push((low, high)),
        }
        if ranges.last().is_some_and(|(low, high)| low > high) {
            return None;
        }
    }
}

fn escape(c: char) -> Option<(Vec<(char, char)>, bool)> {
    let digits = vec![('0', '9')];
    let word = vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')];
    let space = vec![(' ', ' '), ('\t', '\t'), ('\n', '\n'), ('\r', '\r')];
    Some(match c {
        'd' => (digits, false),
        'D' => (digits, true),
        'w' => (word, false),
        'W' => (word, true),
        's' => (space, false),
        'S' => (space, true),
        'n' => (vec![('\n', '\n')], false),
        't' => (vec![('\t', '\t')], false),
        'r' => (vec![('\r', '\r')], false),
        c if !c.is_alphanumeric() => (vec![(c, c)], false),
        _ => return None,
    })
}

/// Where a match of one of `alternatives` that begins at one of `starts` can end.
fn ends(
    alternatives: &[Vec<Part>],
    chars: &[char],
    starts: &BTreeSet<usize>,
    fuel: &mut usize,
) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for parts in alternatives {
        let mut current = starts.clone();
        for part in parts {
            current = repeated(part, chars, &current, fuel);
        }
        all.extend(current);
    }
    all
}

fn repeated(part: &Part, chars: &[char], starts: &BTreeSet<usize>, fuel: &mut usize) -> BTreeSet<usize> {
    let mut reached = if part.least == 0 {
        starts.clone()
    } else {
        BTreeSet::new()
    };
    let mut current = starts.clone();
    for time in 1..=part.most {
        *fuel = fuel.saturating_sub(current.len().max(1));
        if *fuel == 0 {
            return BTreeSet::new();
        }
        current = match &part.piece {
            Piece::Start => current.into_iter().filter(|at| *at == 0).collect(),
            Piece::End => current.into_iter().filter(|at| *at == chars.len()).collect(),
            Piece::One { ranges, negated } => {
                let fits = |at: &usize| chars.get(*at).is_some_and(|c| within(ranges, *c) != *negated);
                current.into_iter().filter(fits).map(|at| at + 1).collect()
            }
            Piece::Group(inner) => ends(inner, chars, &current, fuel),
        };
        let before = reached.len();
        if time >= part.least {
            reached.extend(&current);
        }
        if current.is_empty() || (time >= part.least && time > 1 && reached.len() == before) {
            break;
        }
    }
    reached
}

fn within(ranges: &[(char, char)], c: char) -> bool {
    ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
}

fn write(
    alternatives: &[Vec<Part>],
    stretch: usize,
    draw: &mut dyn FnMut(usize) -> usize,
    into: &mut String,
) -> Option<()> {
    let parts = alternatives.get(draw(alternatives.len().max(1)))?;
    for part in parts {
        for _ in 0..part.most.min(part.least.saturating_add(stretch)) {
            if into.len() > 4 * LONGEST_TEXT {
                return None;
            }
            match &part.piece {
                Piece::Start | Piece::End => {}
                Piece::Group(inner) => write(inner, stretch, draw, into)?,
                Piece::One { ranges, negated } => into.push(one(ranges, *negated, draw)?),
            }
        }
    }
    Some(())
}

fn one(ranges: &[(char, char)], negated: bool, draw: &mut dyn FnMut(usize) -> usize) -> Option<char> {
    if negated {
        let free: Vec<char> = ('a'..='z')
            .chain('0'..='9')
            .chain(['-', ' ', 'A', '.'])
            .filter(|c| !within(ranges, *c))
            .collect();
        return free.get(draw(free.len().max(1))).copied();
    }
    let (low, high) = *ranges.get(draw(ranges.len().max(1)))?;
    let size = usize::try_from(u32::from(high) - u32::from(low)).ok()?.min(25) + 1;
    char::from_u32(u32::from(low) + u32::try_from(draw(size)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn what_is_written_matches() {
        for source in [
            "^[a-z][a-z0-9-]{0,63}$",
            "^W-\\d{3}$",
            "^(GB|US)-[^x]+\\.$",
            "colou?r",
            "^[\\w-]+@\\S+$",
            "^.{3,5}$",
            "^$",
        ] {
            let pattern = Pattern::read(source).expect("a simple pattern");
            for stretch in 0..4 {
                for pick in 0..3 {
                    let text = pattern
                        .write(stretch, &mut |ways| pick % ways)
                        .expect("a short text");
                    assert!(pattern.matches(&text), "`{source}` against `{text}`");
                }
            }
        }
    }

    #[test]
    fn what_differs_does_not_match() {
        let pattern = Pattern::read("^W-\\d{3}$").expect("a simple pattern");
        assert!(pattern.matches("W-100"));
        assert!(!pattern.matches("W-1000"));
        assert!(!pattern.matches("xW-100"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for source in ["(?=a)b", "\\bword", "(a", "a)", "[z-a]", "*", "a{2,1}", "\\1"] {
            assert!(Pattern::read(source).is_none(), "`{source}`");
        }
    }

    #[test]
    fn hostile_counts_come_to_an_end() {
        let pattern = Pattern::read("^((a{0,999}){0,999}){0,999}b$").expect("a simple pattern");
        assert!(!pattern.matches(&"a".repeat(1500)));
        assert!(pattern.write(999, &mut |_| 0).is_none());
    }
}
