//! Patterns: how keys look that nobody has told us. The one list, also for what may not stand in a pipeline file.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, Input, MatchKind};

use super::Span;

/// How a key looks.
struct Pattern {
    /// What it begins with, and what stands before it and is no part of it.
    begins: &'static str,
    /// The fewest characters that follow.
    least: usize,
    /// Characters of it beside letters, digits, `-` and `_`.
    more: &'static [u8],
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The key of a provider, its beginning included.
    Key,
    /// What follows is the key.
    After,
    /// A key in text form, over lines.
    Private,
    /// The password of an address.
    Password,
}

impl Pattern {
    /// Whether a character that follows its beginning is a part of it.
    fn has(&self, byte: u8) -> bool {
        is_key_byte(byte) || self.more.contains(&byte)
    }
}

const fn key(begins: &'static str, least: usize) -> Pattern {
    Pattern {
        begins,
        least,
        more: b"",
        kind: Kind::Key,
    }
}

const fn dotted(begins: &'static str, least: usize) -> Pattern {
    Pattern {
        more: b".",
        ..key(begins, least)
    }
}

const fn after(begins: &'static str) -> Pattern {
    Pattern {
        more: b".~+/=",
        kind: Kind::After,
        ..key(begins, 16)
    }
}

/// Each as its provider documents it, or as GitHub's list of supported secret scanning patterns has it.
const PATTERNS: &[Pattern] = &[
    // OpenAI, Anthropic (`sk-ant-`), OpenRouter (`sk-or-`), DeepSeek and others that took the form over
    key("sk-", 20),
    // Google Cloud: API keys, and access tokens of OAuth
    key("AIza", 30),
    dotted("ya29.", 20),
    // Groq, Hugging Face, xAI, Replicate, Perplexity
    key("gsk_", 20),
    key("hf_", 30),
    key("xai-", 30),
    key("r8_", 30),
    key("pplx-", 30),
    // GitHub: personal, OAuth, app, installation and refresh tokens
    key("ghp_", 30),
    key("gho_", 30),
    key("ghu_", 30),
    key("ghs_", 30),
    key("ghr_", 30),
    key("github_pat_", 30),
    // GitLab
    key("glpat-", 20),
    // Slack
    key("xoxb-", 20),
    key("xoxp-", 20),
    key("xoxa-", 20),
    key("xapp-", 20),
    // Stripe
    key("sk_live_", 16),
    key("rk_live_", 16),
    key("whsec_", 24),
    // AWS: long-lived and temporary access keys
    key("AKIA", 16),
    key("ASIA", 16),
    // npm, PyPI, SendGrid, DigitalOcean, Shopify
    key("npm_", 30),
    key("pypi-AgEIcHlwaS5vcmc", 30),
    dotted("SG.", 40),
    key("dop_v1_", 40),
    key("shpat_", 30),
    // JSON web tokens: the header of one always begins so
    dotted("eyJ", 40),
    // The header of HTTP that carries any of them
    after("Bearer "),
    after("bearer "),
    Pattern {
        kind: Kind::Private,
        ..key("-----BEGIN ", 0)
    },
    Pattern {
        kind: Kind::Password,
        ..key("://", 0)
    },
];

/// What follows the beginning of a private key, on its line.
const PRIVATE: &[u8] = b"PRIVATE KEY-----";
const PRIVATE_ENDS: &[u8] = b"-----END";
/// How that begins which has taken the place of a secret.
const GONE: &[u8] = b"[redacted";
/// The longest label of a private key.
const LABEL: usize = 40;
/// The longest private key; one of 16384 bits has some 13 kB.
const MOST_PRIVATE: usize = 32 << 10;
/// The longest name and password before the host of an address.
const MOST_USER: usize = 512;

/// No beginning is longer than this.
const LONGEST_BEGINNING: usize = 24;

static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(PATTERNS.iter().map(|pattern| pattern.begins))
        .ok()
});

/// Where something stands that looks like a key, and where what tells so begins: at a place or later.
pub(super) fn find(text: &[u8], from: usize) -> Vec<(usize, Span)> {
    let span = |Range { start, end }| Span {
        start,
        end,
        label: Cow::Borrowed("[redacted key]"),
    };
    let found = ranges(text, from, |_| true).into_iter();
    found.map(|(begins, range)| (begins, span(range))).collect()
}

/// Where the first part of a text, from a place on, begins that may become a key once more follows it: what stands before
/// is decided.
pub(super) fn open(text: &[u8], from: usize) -> usize {
    // What there is may be the beginning of a beginning.
    let begins_one = |at: &usize| {
        let part = &text[*at..];
        PATTERNS.iter().any(|pattern| {
            let begins = pattern.begins.as_bytes();
            begins.len() > part.len() && begins.starts_with(part)
        })
    };
    let longest = text.len().saturating_sub(LONGEST_BEGINNING).max(from);
    let open = (longest..text.len()).find(begins_one).unwrap_or(text.len());
    let Some(search) = &*SEARCH else {
        return open;
    };
    let mut at = from;
    while let Some(begin) = search.find(Input::new(text).range(at..)) {
        let pattern = &PATTERNS[begin.pattern().as_usize()];
        let rest = &text[begin.end()..];
        let is_open = match pattern.kind {
            Kind::Key | Kind::After => {
                rest.iter().all(|byte| pattern.has(*byte)) && begins_a_word(&text[..begin.start()])
            }
            Kind::Private => is_private_open(rest),
            Kind::Password => rest.len() < MOST_USER && !rest.iter().any(ends_authority),
        };
        if is_open {
            return open.min(begin.start());
        }
        at = begin.start() + 1;
    }
    open
}

/// Keys of providers and private keys, of which none may stand in a file.
pub(crate) fn keys(text: &str) -> Vec<Range<usize>> {
    let is_wanted = |kind| matches!(kind, Kind::Key | Kind::Private);
    let found = ranges(text.as_bytes(), 0, is_wanted).into_iter();
    found.map(|(_, range)| range).collect()
}

fn ranges(text: &[u8], from: usize, wanted: impl Fn(Kind) -> bool) -> Vec<(usize, Range<usize>)> {
    let mut found = Vec::new();
    let Some(search) = &*SEARCH else {
        return found;
    };
    let mut at = from;
    while let Some(begin) = search.find(Input::new(text).range(at..)) {
        let pattern = &PATTERNS[begin.pattern().as_usize()];
        let range = match pattern.kind {
            kind if !wanted(kind) => None,
            Kind::Key | Kind::After => token(text, pattern, begin.start(), begin.end()),
            Kind::Private => private(text, begin.end()),
            Kind::Password => password(text, begin.end()),
        };
        at = range.as_ref().map_or(begin.start() + 1, |range| range.end);
        found.extend(range.map(|range| (begin.start(), range)));
    }
    found
}

/// Words joined by hyphens are no key: those have digits among their letters.
fn token(text: &[u8], pattern: &Pattern, start: usize, begun: usize) -> Option<Range<usize>> {
    let rest = &text[begun..];
    let length = rest.iter().position(|byte| !pattern.has(*byte));
    let length = length.unwrap_or(rest.len());
    let key = &rest[..length];
    let is_random = key.iter().any(u8::is_ascii_digit) && key.iter().any(u8::is_ascii_alphabetic);
    if length < pattern.least || !is_random || !begins_a_word(&text[..start]) {
        return None;
    }
    let start = match pattern.kind {
        Kind::After => begun,
        _ => start,
    };
    // The full stop of a sentence is no part of it.
    let end = begun + length;
    let stops = text[start..end]
        .iter()
        .rev()
        .take_while(|byte| **byte == b'.')
        .count();
    Some(start..end - stops)
}

/// Whether a word begins after this text, which may end with something encoded.
fn begins_a_word(before: &[u8]) -> bool {
    match before {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => true,
        [.., last] => !is_key_byte(*last),
        [] => true,
    }
}

/// A private key between its lines of begin and end, or as much of it as there is.
fn private(text: &[u8], begun: usize) -> Option<Range<usize>> {
    let rest = &text[begun..];
    let label = &rest[..rest.len().min(LABEL + PRIVATE.len())];
    let at = position(label, PRIVATE)?;
    if !label[..at].iter().all(is_of_label) {
        return None;
    }
    let start = begun + at + PRIVATE.len();
    let rest = &text[start..];
    let rest = &rest[..rest.len().min(MOST_PRIVATE)];
    let is_of_it = |byte: &u8| is_key_byte(*byte) || byte.is_ascii_whitespace() || b"+/=\\:,.".contains(byte);
    let end = match position(rest, PRIVATE_ENDS) {
        Some(end) => end,
        None => rest.iter().position(|byte| !is_of_it(byte)).unwrap_or(rest.len()),
    };
    is_begun(&rest[..end]).then_some(start..start + end)
}

/// Whether a private key may stand here whose end has not come.
fn is_private_open(rest: &[u8]) -> bool {
    let label = &rest[..rest.len().min(LABEL + PRIVATE.len())];
    match position(label, PRIVATE) {
        Some(at) => {
            let body = &rest[at + PRIVATE.len()..];
            label[..at].iter().all(is_of_label)
                && body.len() < MOST_PRIVATE
                && position(body, PRIVATE_ENDS).is_none()
        }
        None => {
            let is_of_line = |byte: &u8| is_of_label(byte) || *byte == b'-';
            rest.len() == label.len() && label.iter().all(is_of_line)
        }
    }
}

fn is_of_label(byte: &u8) -> bool {
    byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9')
}

/// Whether a key follows its first line, and not more of a sentence that only speaks of one.
fn is_begun(body: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let word = body.trim_ascii_start();
    let length = word
        .iter()
        .position(|byte| !is_base64(byte))
        .unwrap_or(word.len());
    match body.first() {
        _ if word.starts_with(GONE) => false,
        Some(b' ') => length >= 16,
        _ => body.iter().filter(|byte| is_base64(byte)).count() > 2,
    }
}

/// The password before the host of an address.
fn password(text: &[u8], begun: usize) -> Option<Range<usize>> {
    let rest = &text[begun..];
    let rest = &rest[..rest.len().min(MOST_USER)];
    let length = rest.iter().position(ends_authority);
    let authority = &rest[..length.unwrap_or(rest.len())];
    let host = authority.iter().rposition(|byte| *byte == b'@')?;
    let colon = authority[..host].iter().position(|byte| *byte == b':')?;
    let is_redacted = authority[colon + 1..host].starts_with(GONE);
    (colon + 1 < host && !is_redacted).then_some(begun + colon + 1..begun + host)
}

/// Whether the part of an address that may have a password ends here.
fn ends_authority(byte: &u8) -> bool {
    byte.is_ascii_whitespace() || b"/?#\"'<>\\`{}".contains(byte)
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

pub(crate) fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
