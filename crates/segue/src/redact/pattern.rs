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

static SEARCH: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .build(PATTERNS.iter().map(|pattern| pattern.begins))
        .ok()
});

/// Where something stands that looks like a key.
pub(super) fn find(text: &[u8]) -> Vec<Span> {
    ranges(text, |_| true)
        .into_iter()
        .map(|Range { start, end }| Span {
            start,
            end,
            label: Cow::Borrowed("[redacted key]"),
        })
        .collect()
}

/// Keys of providers and private keys, of which none may stand in a file.
pub(crate) fn keys(text: &str) -> Vec<Range<usize>> {
    ranges(text.as_bytes(), |kind| matches!(kind, Kind::Key | Kind::Private))
}

fn ranges(text: &[u8], wanted: impl Fn(Kind) -> bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let Some(search) = &*SEARCH else {
        return found;
    };
    let mut at = 0;
    while let Some(begin) = search.find(Input::new(text).range(at..)) {
        let pattern = &PATTERNS[begin.pattern().as_usize()];
        let range = match pattern.kind {
            kind if !wanted(kind) => None,
            Kind::Key | Kind::After => token(text, pattern, begin.start(), begin.end()),
            Kind::Private => private(text, begin.end()),
            Kind::Password => password(text, begin.end()),
        };
        at = range.as_ref().map_or(begin.start() + 1, |range| range.end);
        found.extend(range);
    }
    found
}

/// Words joined by hyphens are no key: those have digits among their letters.
fn token(text: &[u8], pattern: &Pattern, start: usize, begun: usize) -> Option<Range<usize>> {
    let is_of_it = |byte: &u8| is_key_byte(*byte) || pattern.more.contains(byte);
    let rest = &text[begun..];
    let length = rest.iter().position(|byte| !is_of_it(byte)).unwrap_or(rest.len());
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
    let is_label = label[..at]
        .iter()
        .all(|byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9'));
    if !is_label {
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
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/?#\"'<>\\`{}".contains(byte);
    let authority = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
    let host = authority.iter().rposition(|byte| *byte == b'@')?;
    let colon = authority[..host].iter().position(|byte| *byte == b':')?;
    let is_redacted = authority[colon + 1..host].starts_with(GONE);
    (colon + 1 < host && !is_redacted).then_some(begun + colon + 1..begun + host)
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

pub(crate) fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
