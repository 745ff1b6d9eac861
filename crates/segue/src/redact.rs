//! Redacting: secrets are taken out of whatever enters a run's record or leaves the program, in whatever form they come.
//!
//! A [`Redactor`] knows the values that are secret here and looks for them as they are, percent-encoded, escaped as in JSON
//! or HTML, in hexadecimal, as a part of something in base64, and broken over lines. Beside that it knows how the keys of
//! well-known providers look. What a run makes passes it once, where it comes in; what a program prints passes it again.
//! It never touches what a model or a tool is sent.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value as Json};

use crate::secret::Secret;

mod fold;
mod known;
mod needle;
pub(crate) mod pattern;
mod record;
mod stream;

#[cfg(test)]
mod tests;

pub(crate) use stream::LiveText;
pub use stream::RedactingStream;

use known::Known;

/// The shortest value that is looked for: shorter ones are in ordinary text too, and their encodings are anywhere.
pub const SHORTEST: usize = 8;
/// A replacement can make a secret with what stands around it; so often it is looked at again before all of it goes.
const ROUNDS: usize = 3;
/// What stands for everything where nothing else helps.
const ALL: &str = "***";

/// Takes secrets out of text, JSON and bytes. Cheap to clone.
///
/// ```
/// use segue::Secret;
/// use segue::redact::Redactor;
///
/// let redactor = Redactor::new().secret("CRM", &Secret::new("correct horse"));
/// assert_eq!(redactor.text("it is correct horse"), "it is [redacted CRM]");
/// assert_eq!(redactor.text("it is correct%20horse"), "it is [redacted CRM]");
/// assert_eq!(redactor.text("it is a correct answer"), "it is a correct answer");
/// ```
#[derive(Clone, Default)]
pub struct Redactor(Option<Arc<Inner>>);

#[derive(Default)]
struct Inner {
    secrets: Vec<(String, Secret)>,
    /// Made when it is first needed: a program that prints its version needs none.
    known: OnceLock<Known>,
}

/// Where a secret stands, and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
    label: Cow<'static, str>,
}

impl Redactor {
    /// Knows no value yet, only how the keys of well-known providers look.
    #[must_use]
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// Finds nothing. What a runner has that was given no other.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Also looks for this value, which is shown as `[redacted NAME]`. One of fewer than [`SHORTEST`] bytes is not looked
    /// for. Several lines at the end of a value, as a file has them, are no part of it.
    #[must_use]
    pub fn secret(self, name: impl Into<String>, secret: &Secret) -> Self {
        let mut secrets = self.0.map_or_else(Vec::new, |inner| inner.secrets.clone());
        let value = secret.expose().trim_end_matches(['\r', '\n']);
        let is_new = secrets.iter().all(|(_, known)| known.expose() != value);
        if value.len() >= SHORTEST && is_new {
            secrets.push((name.into(), Secret::new(value)));
        }
        let known = OnceLock::new();
        Self(Some(Arc::new(Inner { secrets, known })))
    }

    /// Whether it looks for anything.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The name of a secret whose value is in a text; the keys of providers that only look like one have none.
    #[must_use]
    pub fn known(&self, text: &str) -> Option<&str> {
        let inner = self.0.as_deref()?;
        let found = inner.known().find(text.as_bytes());
        let first = found.first()?;
        let mut secrets = inner.secrets.iter().zip(inner.known().labels());
        secrets.find_map(|((name, _), label)| (*label == first.label).then_some(name.as_str()))
    }

    /// The text without secrets; the text itself where there are none.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.clean(text.as_bytes(), true) {
            None => Cow::Borrowed(text),
            Some(clean) => Cow::Owned(lossless(clean)),
        }
    }

    /// Text as bytes, of whatever encoding, without secrets.
    #[must_use]
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match self.clean(bytes, true) {
            None => Cow::Borrowed(bytes),
            Some(clean) => Cow::Owned(clean),
        }
    }

    /// Bytes that are no text without the values that are known; what only looks like a key may be anything there.
    #[must_use]
    pub fn binary<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match self.clean(bytes, false) {
            None => Cow::Borrowed(bytes),
            Some(clean) => Cow::Owned(clean),
        }
    }

    /// Takes secrets out of the texts, numbers and names of a JSON value; whether there were any.
    pub fn json(&self, value: &mut Json) -> bool {
        if !self.is_on() {
            return false;
        }
        let mut changed = false;
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match value {
                Json::Null | Json::Bool(_) => {}
                Json::String(text) => changed |= self.string(text),
                Json::Number(number) => {
                    let text = number.to_string();
                    if let Cow::Owned(clean) = self.text(&text) {
                        *value = Json::String(clean);
                        changed = true;
                    }
                }
                Json::Array(items) => open.extend(items),
                Json::Object(fields) => {
                    if fields.keys().any(|name| matches!(self.text(name), Cow::Owned(_))) {
                        *fields = self.renamed(std::mem::take(fields));
                        changed = true;
                    }
                    open.extend(fields.values_mut());
                }
            }
        }
        changed
    }

    /// Redacts what comes in pieces: see [`RedactingStream`].
    #[must_use]
    pub fn stream(&self) -> RedactingStream {
        RedactingStream::new(self.clone(), true)
    }

    /// The same for bytes that are no text.
    #[must_use]
    pub fn binary_stream(&self) -> RedactingStream {
        RedactingStream::new(self.clone(), false)
    }

    /// Redacts text that somebody reads while it is written: see [`LiveText`].
    pub(crate) fn live(&self) -> LiveText {
        LiveText::new(self.clone())
    }

    /// Takes secrets out of a text; whether there were any.
    fn string(&self, text: &mut String) -> bool {
        match self.clean(text.as_bytes(), true) {
            None => false,
            Some(clean) => {
                *text = lossless(clean);
                true
            }
        }
    }

    /// The fields under names without secrets; two that become one keep both their values.
    fn renamed(&self, fields: Map<String, Json>) -> Map<String, Json> {
        let mut renamed = Map::with_capacity(fields.len());
        for (name, value) in fields {
            let clean = self.text(&name).into_owned();
            let mut free = clean.clone();
            let mut number = 1;
            while renamed.contains_key(&free) {
                number += 1;
                free = format!("{clean} {number}");
            }
            renamed.insert(free, value);
        }
        renamed
    }

    /// The bytes without secrets; none where there are no secrets in them.
    fn clean(&self, bytes: &[u8], with_patterns: bool) -> Option<Vec<u8>> {
        let spans = self.spans(bytes, with_patterns);
        if spans.is_empty() {
            return None;
        }
        let mut clean = replaced(bytes, &spans);
        for _ in 0..ROUNDS {
            let spans = self.spans(&clean, with_patterns);
            if spans.is_empty() {
                return Some(clean);
            }
            clean = replaced(&clean, &spans);
        }
        Some(ALL.into())
    }

    /// Whether there is a secret in these bytes.
    fn finds(&self, bytes: &[u8]) -> bool {
        !self.spans(bytes, true).is_empty()
    }

    /// Where secrets stand, in order and apart.
    fn spans(&self, bytes: &[u8], with_patterns: bool) -> Vec<Span> {
        let Some(inner) = &self.0 else {
            return Vec::new();
        };
        let mut spans = inner.known().find(bytes);
        if with_patterns {
            spans.extend(pattern::find(bytes, 0).into_iter().map(|(_, span)| span));
        }
        merged(spans)
    }

    /// The same from a place on, which is in none of them; and as much of it, up to a place, as nothing can change any more:
    /// no secret, and nothing that tells of one, lies over its end.
    fn decided(&self, bytes: &[u8], from: usize, mut until: usize) -> (Vec<Span>, usize) {
        let Some(inner) = &self.0 else {
            return (Vec::new(), until);
        };
        let mut spans = inner.known().find(&bytes[from..]);
        for span in &mut spans {
            (span.start, span.end) = (span.start + from, span.end + from);
        }
        let looks = pattern::find(bytes, from);
        let known = spans.iter().map(|span| (span.start, span.end));
        let looking = looks.iter().map(|(begins, span)| (*begins, span.end));
        let whole: Vec<(usize, usize)> = known.chain(looking).collect();
        // One that reaches the end of what has come may go on in what comes.
        let all = bytes.len();
        let is_cut = |until: usize, end: usize| until < all && (end > until || end == all);
        let over = |until: usize| move |(start, end): &&(usize, usize)| *start < until && is_cut(until, *end);
        while let Some((start, _)) = whole.iter().find(over(until)) {
            until = *start;
        }
        spans.extend(looks.into_iter().map(|(_, span)| span));
        (merged(spans), until)
    }

    /// The most bytes that a known value can take in any form, for whoever sees only a part.
    fn reach(&self) -> usize {
        self.0.as_deref().map_or(0, |inner| inner.known().reach())
    }
}

impl Inner {
    fn known(&self) -> &Known {
        self.known.get_or_init(|| Known::of(&self.secrets))
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("Redactor(none)"),
            Some(inner) => write!(f, "Redactor({} secrets)", inner.secrets.len()),
        }
    }
}

/// Spans in order, those that overlap as one under the label of the first.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.start, usize::MAX - span.end));
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match apart.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => apart.push(span),
        }
    }
    apart
}

fn replaced(bytes: &[u8], spans: &[Span]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for span in spans {
        clean.extend_from_slice(&bytes[at..span.start]);
        clean.extend_from_slice(span.label.as_bytes());
        at = span.end;
    }
    clean.extend_from_slice(&bytes[at..]);
    clean
}

/// Spans begin and end between characters, so that text stays text.
fn lossless(clean: Vec<u8>) -> String {
    String::from_utf8(clean).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
