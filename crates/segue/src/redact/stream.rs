//! Streams: what comes in pieces, such as an artifact that is being written. A secret may lie over the pieces, so the end of
//! what has come is held back until it can be no part of one.

use super::{Redactor, replaced};

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
        self.give(self.held.len() - held)
    }

    /// The rest.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.give(self.held.len())
    }

    /// Whether there was a secret in what has come; ends it.
    pub(super) fn has_found(mut self) -> bool {
        self.give(self.held.len());
        self.has_found
    }

    /// Gives what stands before a place, or before the secret that it lies in.
    fn give(&mut self, until: usize) -> Vec<u8> {
        let all = self.held.len();
        let mut spans = self.redactor.spans(&self.held, self.with_patterns);
        spans.retain(|span| span.end > self.context);
        for span in &mut spans {
            span.start = span.start.max(self.context);
        }
        // One that reaches the end of what has come may go on in what comes.
        let is_cut =
            |span: &&super::Span| span.start < until && until < all && (span.end > until || span.end == all);
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
