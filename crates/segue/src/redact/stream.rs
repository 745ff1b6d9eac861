//! Streams: what comes in pieces, such as an artifact that is being written. A secret may lie over the pieces, so the end of
//! what has come is held back until it can be no part of one. Where somebody reads along, no more is held back than that.

use super::{Redactor, Span, replaced};

/// What is held back for keys that are known only by their looks.
const HELD: usize = 4096;
/// What stands before a key and tells that it begins a word.
const CONTEXT: usize = 8;
/// What is longer than this is no key that is known by its looks.
const MOST: usize = 256 << 10;

/// Redacts what comes in pieces.
///
/// ```
/// use segue::Secret;
/// use segue::redact::Redactor;
///
/// let mut stream = Redactor::new().secret("CRM", &Secret::new("correct horse")).stream();
/// let mut clean = stream.push(b"it is corr");
/// clean.extend(stream.push(b"ect horse."));
/// clean.extend(stream.finish());
/// assert_eq!(clean, b"it is [redacted CRM].");
/// ```
#[derive(Debug)]
pub struct RedactingStream {
    redactor: Redactor,
    with_patterns: bool,
    /// What has come and was not given on, after a few bytes that were.
    held: Vec<u8>,
    context: usize,
    has_found: bool,
}

impl RedactingStream {
    pub(super) fn new(redactor: Redactor, with_patterns: bool) -> Self {
        Self {
            redactor,
            with_patterns,
            held: Vec::new(),
            context: 0,
            has_found: false,
        }
    }

    /// Takes a piece; gives what can be no part of a secret any more.
    pub fn push(&mut self, piece: impl Into<Vec<u8>>) -> Vec<u8> {
        let piece = piece.into();
        if !self.redactor.is_on() {
            return piece;
        }
        self.held.extend_from_slice(&piece);
        let held = HELD.max(self.redactor.reach());
        if self.held.len() - self.context < 2 * held {
            return Vec::new();
        }
        let spans = self.spans();
        self.give(self.held.len() - held, spans)
    }

    /// The rest.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let spans = self.spans();
        self.give(self.held.len(), spans)
    }

    /// Whether there was a secret in what has come; ends it.
    pub(super) fn has_found(mut self) -> bool {
        let spans = self.spans();
        self.give(self.held.len(), spans);
        self.has_found
    }

    /// Where secrets stand in what was not given on.
    fn spans(&self) -> Vec<Span> {
        let mut spans = self.redactor.spans(&self.held, self.with_patterns);
        spans.retain(|span| span.end > self.context);
        for span in &mut spans {
            span.start = span.start.max(self.context);
        }
        spans
    }

    /// Gives what stands before a place, or before the secret that it lies in.
    fn give(&mut self, until: usize, mut spans: Vec<Span>) -> Vec<u8> {
        let all = self.held.len();
        // One that reaches the end of what has come may go on in what comes.
        let is_cut =
            |span: &&Span| span.start < until && until < all && (span.end > until || span.end == all);
        let cut = spans.iter().find(is_cut).map_or(until, |span| span.start);
        let cut = if all - cut < MOST { cut } else { all };
        spans.retain(|span| span.end <= cut);
        self.has_found |= !spans.is_empty();
        let clean = replaced(&self.held[..cut], &spans);
        // What is given again begins with what was given before.
        let clean = clean[self.context..].to_vec();
        let kept = cut.saturating_sub(CONTEXT);
        self.context = cut - kept;
        self.held.drain(..kept);
        clean
    }
}

/// The longest word that is kept together.
const WORD: usize = 64;

/// Redacts text that somebody reads while it is written: whatever can be no part of a secret any more is given at once.
pub(crate) struct LiveText {
    stream: RedactingStream,
    /// Where what has come may begin a known value, and where what looks like a key.
    known: usize,
    looks: usize,
    /// What had to be held back was too much: the rest is never given.
    is_silent: bool,
}

impl LiveText {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self {
            stream: RedactingStream::new(redactor, true),
            known: 0,
            looks: 0,
            is_silent: false,
        }
    }

    /// Takes a piece; gives what is decided of the text so far and was not given yet.
    pub(crate) fn push(&mut self, piece: &str) -> String {
        if !self.stream.redactor.is_on() {
            return piece.to_owned();
        }
        text(self.take(piece.as_bytes()))
    }

    /// The rest.
    pub(crate) fn finish(&mut self) -> String {
        text(self.rest())
    }

    /// Whether text had to be kept back that is never given.
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent
    }

    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<u8> {
        if self.is_silent {
            return Vec::new();
        }
        self.stream.held.extend_from_slice(piece);
        if self.stream.held.len() - self.stream.context >= MOST {
            self.is_silent = true;
            self.stream.held.clear();
            return Vec::new();
        }
        let until = self.open();
        let (spans, until) = match until > self.stream.context {
            true => self.decided(until),
            false => return Vec::new(),
        };
        let before = self.stream.held.len();
        let clean = self.stream.give(until, spans);
        let gone = before - self.stream.held.len();
        self.known = self.known.saturating_sub(gone).max(self.stream.context);
        self.looks = self.looks.saturating_sub(gone).max(self.stream.context);
        clean
    }

    pub(super) fn rest(&mut self) -> Vec<u8> {
        match self.is_silent {
            true => Vec::new(),
            false => {
                let (spans, until) = self.decided(self.stream.held.len());
                self.stream.give(until, spans)
            }
        }
    }

    /// Where secrets stand in what was not given on, and how much of it, up to a place, is decided.
    fn decided(&self, until: usize) -> (Vec<Span>, usize) {
        let stream = &self.stream;
        stream.redactor.decided(&stream.held, stream.context, until)
    }

    /// Where the first part begins that may become a secret, in whole words where they are short.
    fn open(&mut self) -> usize {
        let (held, context) = (&self.stream.held, self.stream.context);
        if let Some(inner) = &self.stream.redactor.0 {
            self.known += inner.known().open(&held[self.known..]);
        }
        self.looks = super::pattern::open(held, self.looks);
        let until = self.known.min(self.looks);
        let is_word = |at: usize| held.get(at).is_some_and(u8::is_ascii_alphanumeric);
        let word = held[context..until].iter().rev();
        let word = word.take_while(|byte| byte.is_ascii_alphanumeric()).count();
        match is_word(until) && word < WORD {
            true => until - word,
            false => until,
        }
    }
}

fn text(clean: Vec<u8>) -> String {
    super::lossless(clean)
}
