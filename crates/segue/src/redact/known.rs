//! Known values: where they stand in a text, in any of their forms. One pass looks for the forms as they are, a second one
//! behind encodings and over the ends of lines.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::needle::{self, Needle};
use super::{ALL, SHORTEST, Span, fold};
use crate::secret::Secret;

/// How much text is folded at a time.
const WINDOW: usize = 64 << 10;
/// The longest form of one byte: an escape, escaped again.
const LONGEST_FORM: usize = 8;
/// What the ends of lines within a value and their indents may take.
const LINE_ENDS: usize = 2048;

/// What is looked for.
#[derive(Default)]
pub(super) struct Known {
    labels: Vec<Cow<'static, str>>,
    /// As they are.
    plain: Option<Forms>,
    /// Behind encodings.
    behind: Option<Forms>,
    reach: usize,
}

/// Forms of several secrets.
struct Forms {
    search: AhoCorasick,
    /// The forms, in order.
    needles: Vec<Needle>,
    /// Of each form, whose it is.
    whose: Vec<usize>,
    longest: usize,
}

impl Known {
    pub(super) fn of(secrets: &[(String, Secret)]) -> Self {
        if secrets.is_empty() {
            return Self::default();
        }
        let values: Vec<&str> = secrets.iter().map(|(_, secret)| secret.expose()).collect();
        let longest = values.iter().map(|value| value.len()).max().unwrap_or(0);
        let mut known = Self {
            labels: secrets.iter().map(|_| Cow::Borrowed(ALL)).collect(),
            plain: Forms::of(values.iter().map(|value| needle::forms(value))),
            behind: Forms::of(values.iter().map(|value| {
                let folded = fold::folded(value.as_bytes()).into_iter();
                let plain = folded.map(|bytes| Needle {
                    bytes,
                    is_base64: false,
                });
                needle::encoded(value.as_bytes()).chain(plain)
            })),
            reach: longest * LONGEST_FORM + LINE_ENDS,
        };
        let labels = secrets.iter().map(|(name, _)| known.label(name)).collect();
        known.labels = labels;
        known
    }

    /// What takes the place of a secret; without its name where that has a secret in it.
    fn label(&self, name: &str) -> Cow<'static, str> {
        let with_name = format!("[redacted {name}]");
        [with_name.into(), "[redacted]".into()]
            .into_iter()
            .find(|label: &Cow<'static, str>| self.find(label.as_bytes()).is_empty())
            .unwrap_or(Cow::Borrowed(ALL))
    }

    pub(super) fn labels(&self) -> &[Cow<'static, str>] {
        &self.labels
    }

    pub(super) fn reach(&self) -> usize {
        self.reach
    }

    /// Where they stand, in no order.
    pub(super) fn find(&self, text: &[u8]) -> Vec<Span> {
        let mut spans = Vec::new();
        let Some(plain) = &self.plain else {
            return spans;
        };
        plain.find(text, |start, end, whose| {
            spans.push(self.span(start, end, whose));
        });
        let Some(behind) = &self.behind else {
            return spans;
        };
        let mut at = 0;
        loop {
            let end = text.len().min(at + WINDOW + self.reach);
            let part = &text[at..end];
            for folded in fold::fold(part).chain(fold::unwrapped(part)) {
                behind.find(&folded.bytes, |start, end, whose| {
                    let (start, end) = folded.origin(start, end);
                    spans.push(self.span(at + start, at + end, whose));
                });
            }
            if end == text.len() {
                return spans;
            }
            at += WINDOW;
        }
    }

    /// Where the first part of a text begins that may be a part of a value once more follows it: what stands before is
    /// decided.
    pub(super) fn open(&self, text: &[u8]) -> usize {
        let (Some(plain), Some(behind)) = (&self.plain, &self.behind) else {
            return text.len();
        };
        let first = plain.open(text).min(behind.open(text));
        let (levels, decided) = fold::fold_begun(text);
        let unwrapped = fold::unwrapped(text);
        let levels = levels.iter().chain(&unwrapped).map(|folded| {
            let open = behind.open(&folded.bytes);
            match open < folded.bytes.len() {
                true => folded.origin(open, open + 1).0,
                false => text.len(),
            }
        });
        levels.fold(first.min(decided), usize::min)
    }

    fn span(&self, start: usize, end: usize, whose: usize) -> Span {
        let label = self.labels[whose].clone();
        Span { start, end, label }
    }
}

impl Forms {
    /// None where nothing is long enough to be looked for.
    fn of(secrets: impl Iterator<Item = impl IntoIterator<Item = Needle>>) -> Option<Self> {
        let all = secrets.enumerate().flat_map(|(at, forms)| {
            let long = forms.into_iter().filter(|form| form.bytes.len() >= SHORTEST);
            long.map(move |form| (form, at))
        });
        let mut all: Vec<(Needle, usize)> = all.collect();
        // Of two that are alike the one of the first secret is found.
        all.sort_by(|(a, _), (b, _)| a.bytes.cmp(&b.bytes));
        let (needles, whose): (Vec<Needle>, Vec<usize>) = all.into_iter().unzip();
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            // What is chosen for few patterns takes longer to make than a whole command does.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            // The forms begin with so many letters that skipping to one of them takes four times as long as reading on.
            .prefilter(false)
            .build(needles.iter().map(|needle| &needle.bytes))
            .ok()?;
        let longest = needles.iter().map(|needle| needle.bytes.len()).max();
        Some(Self {
            search,
            needles,
            whose,
            longest: longest.unwrap_or_default(),
        })
    }

    /// Where the first part of a text begins that is the beginning of a form, or a form that may have a neighbour.
    fn open(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest);
        let open = (from..text.len()).find(|at| self.begins_one(&text[*at..]));
        let open = open.unwrap_or(text.len());
        // What stands before base64 may have some of its bits.
        match open.checked_sub(1) {
            Some(before) if is_base64(text[before]) => before,
            _ => open,
        }
    }

    fn begins_one(&self, part: &[u8]) -> bool {
        let first = self
            .needles
            .partition_point(|needle| needle.bytes.as_slice() < part);
        let mut those = self.needles[first..]
            .iter()
            .take_while(|needle| needle.bytes.starts_with(part));
        those.any(|needle| needle.is_base64 || needle.bytes.len() > part.len())
    }

    /// Tells of every place, also of those that overlap.
    fn find(&self, text: &[u8], mut tell: impl FnMut(usize, usize, usize)) {
        let mut at = 0;
        while let Some(found) = self.search.find(Input::new(text).range(at..)) {
            let form = found.pattern().as_usize();
            let (start, end) = match self.needles[form].is_base64 {
                true => with_neighbours(text, found.start(), found.end()),
                false => (found.start(), found.end()),
            };
            tell(start, end, self.whose[form]);
            at = found.start() + 1;
        }
    }
}

/// The characters around base64 that have bits of the secret in them.
fn with_neighbours(text: &[u8], start: usize, end: usize) -> (usize, usize) {
    let before = start.checked_sub(1).filter(|before| is_base64(text[*before]));
    let after = text.get(end).filter(|after| is_base64(**after));
    (before.unwrap_or(start), end + usize::from(after.is_some()))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}
