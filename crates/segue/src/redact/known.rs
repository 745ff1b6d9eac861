//! Known values: where they stand in a text, in any of their forms. One pass looks for the forms as they are, a second one
//! behind encodings and over the ends of lines.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::fold::{self, Folded};
use super::needle::{self, Needle};
use super::{ALL, SHORTEST, Span};
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
    /// Behind encodings, where their ends make other pieces with what stands around them.
    between: Option<Forms>,
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
    /// The most bytes that have to stand before one.
    before: usize,
    has_base64: bool,
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
                needle::encoded(value.as_bytes()).chain(folded.map(Needle::plain))
            })),
            between: Forms::of(values.iter().map(|value| {
                let parts = fold::between(value.as_bytes()).into_iter();
                parts.map(|(part, ends)| Needle::between(part, ends))
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
        plain.find(text, |start, end, _, whose| {
            spans.push(self.span(start, end, whose));
        });
        let mut at = 0;
        loop {
            let end = text.len().min(at + WINDOW + self.reach);
            let part = &text[at..end];
            let mut tell = |(start, end), whose| spans.push(self.span(at + start, at + end, whose));
            if let Some(once) = fold::fold(part) {
                self.find_behind(part, &once, &mut tell);
                if let Some(twice) = fold::fold(&once.bytes) {
                    self.find_behind(&once.bytes, &twice, |(start, end), whose| {
                        tell(once.origin(start, end), whose);
                    });
                }
            }
            if let Some(lines) = fold::unwrapped(part) {
                self.find_behind(part, &lines, tell);
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
        let before = |at: usize| &text[..at];
        let first = plain.open(text, before).min(behind.open(text, before));
        let (once, decided) = fold::fold_begun(text);
        let (twice, decided_twice) = fold::fold_begun(&once.bytes);
        // A place in the text that was folded once, perhaps its end.
        let open_twice = self.open_behind(&once.bytes, &twice).unwrap_or(decided_twice);
        let open_twice = (open_twice < once.bytes.len()).then(|| once.start(open_twice));
        let open_once = self.open_behind(text, &once);
        let open_lines = fold::unwrapped(text).and_then(|lines| self.open_behind(text, &lines));
        let open = [open_once, open_twice, open_lines].into_iter().flatten();
        open.fold(first.min(decided), usize::min)
    }

    /// Where they stand in a text that is folded.
    fn find_behind(&self, text: &[u8], folded: &Folded, mut tell: impl FnMut((usize, usize), usize)) {
        for forms in [&self.behind, &self.between].into_iter().flatten() {
            forms.find(&folded.bytes, |start, end, [before, after], whose| {
                let (start, end) = folded.origin(start, end);
                if text[..start].ends_with(before) && text[end..].starts_with(after) {
                    tell((start - before.len(), end + after.len()), whose);
                }
            });
        }
    }

    /// Where the first part of a text begins that may be a part of a value when the text is folded, if there is one.
    fn open_behind(&self, text: &[u8], folded: &Folded) -> Option<usize> {
        let open = |forms: &Forms| {
            let open = forms.open(&folded.bytes, |at| &text[..folded.start(at)]);
            let is_one = open < folded.bytes.len();
            is_one.then(|| folded.start(open).saturating_sub(forms.before))
        };
        let forms = [&self.behind, &self.between].into_iter().flatten();
        forms.filter_map(open).min()
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
            let long = forms.into_iter().filter(|form| form.length() >= SHORTEST);
            long.map(move |form| (form, at))
        });
        let mut all: Vec<(Needle, usize)> = all.collect();
        // Of two that are alike the one of the first secret is found.
        all.sort_by(|(a, _), (b, _)| a.bytes.cmp(&b.bytes));
        let (needles, whose): (Vec<Needle>, Vec<usize>) = all.into_iter().unzip();
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            // What is chosen for few patterns takes longer to make than a whole command does.
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            // The forms begin with so many letters that skipping to one of them takes four times as long as reading on.
            .prefilter(false)
            .build(needles.iter().map(|needle| &needle.bytes))
            .ok()?;
        let longest = needles.iter().map(|needle| needle.bytes.len()).max();
        let before = needles.iter().map(|needle| needle.ends[0].len()).max();
        let has_base64 = needles.iter().any(|needle| needle.is_base64);
        Some(Self {
            search,
            needles,
            whose,
            longest: longest?,
            before: before?,
            has_base64,
        })
    }

    /// Where the first part of a text begins that is the beginning of a form, or a form that may have a neighbour.
    /// `before` is what stands before a place.
    fn open<'a>(&self, text: &[u8], before: impl Fn(usize) -> &'a [u8]) -> usize {
        let from = text.len().saturating_sub(self.longest);
        let open = (from..text.len()).find(|at| self.begins_one(&text[*at..], || before(*at)));
        let open = open.unwrap_or(text.len());
        // What stands before base64 may have some of its bits.
        match open.checked_sub(1) {
            Some(before) if self.has_base64 && is_base64(text[before]) => before,
            _ => open,
        }
    }

    fn begins_one<'a>(&self, part: &[u8], before: impl Fn() -> &'a [u8]) -> bool {
        let first = self
            .needles
            .partition_point(|needle| needle.bytes.as_slice() < part);
        let mut those = self.needles[first..]
            .iter()
            .take_while(|needle| needle.bytes.starts_with(part));
        those.any(|needle| {
            let [first, _] = &needle.ends;
            let is_longer = needle.length() - first.len() > part.len();
            (needle.is_base64 || is_longer) && (first.is_empty() || before().ends_with(first))
        })
    }

    /// Tells of every place, also of those that overlap: where it is, what has to stand around it, and whose it is.
    fn find(&self, text: &[u8], mut tell: impl FnMut(usize, usize, &[Vec<u8>; 2], usize)) {
        for found in self.search.find_overlapping_iter(text) {
            let form = found.pattern().as_usize();
            let needle = &self.needles[form];
            let (start, end) = match needle.is_base64 {
                true => with_neighbours(text, found.start(), found.end()),
                false => (found.start(), found.end()),
            };
            tell(start, end, &needle.ends, self.whose[form]);
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
