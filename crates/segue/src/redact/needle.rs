//! Needles: the forms in which a secret may stand in a text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The alphabets of base64.
const ALPHABETS: [&[u8; 64]; 2] = [
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
];

/// One form of a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Needle {
    pub(super) bytes: Vec<u8>,
    /// Whether the characters right before and after it have some of its bits too.
    pub(super) is_base64: bool,
    /// What has to stand before and after it as it is, where only the part between them is looked for.
    pub(super) ends: [Vec<u8>; 2],
}

impl Needle {
    pub(super) fn plain(text: impl Into<Vec<u8>>) -> Self {
        Self::between(text, [Vec::new(), Vec::new()])
    }

    /// A part of a secret, and what stands around it.
    pub(super) fn between(part: impl Into<Vec<u8>>, ends: [Vec<u8>; 2]) -> Self {
        Self {
            bytes: part.into(),
            is_base64: false,
            ends,
        }
    }

    /// How long it is with its ends.
    pub(super) fn length(&self) -> usize {
        self.bytes.len() + self.ends.iter().map(Vec::len).sum::<usize>()
    }
}

/// Every form of a secret that is looked for as it is. Where every byte is percent-encoded it is found behind that: nothing
/// that stands before it can hide it.
pub(super) fn forms(secret: &str) -> BTreeSet<Needle> {
    let mut forms: BTreeSet<Needle> = encoded(secret.as_bytes()).collect();
    let json = in_json(secret);
    forms.extend([
        Needle::plain(secret),
        Needle::plain(in_json(&json)),
        Needle::plain(json.replace('/', "\\/")),
        Needle::plain(ascii_json(secret)),
        Needle::plain(json),
        Needle::plain(secret.escape_debug().to_string()),
        Needle::plain(secret.escape_default().to_string()),
        Needle::plain(in_html(secret, "&#x27;")),
        Needle::plain(in_html(secret, "&#39;")),
    ]);
    for (is_plain, space, upper) in [
        (is_unreserved as fn(u8) -> bool, "%20", true),
        (is_unreserved, "%20", false),
        (is_unreserved, "+", true),
        (is_unreserved, "+", false),
        (is_of_urls, "%20", true),
    ] {
        forms.insert(Needle::plain(in_percent(secret, is_plain, space, upper)));
    }
    forms
}

/// The forms that hide every byte, which are also looked for over the ends of lines.
pub(super) fn encoded(secret: &[u8]) -> impl Iterator<Item = Needle> {
    let base64 = ALPHABETS.into_iter().flat_map(move |alphabet| {
        (0..3).map(move |before| Needle {
            is_base64: true,
            ..Needle::plain(in_base64(secret, before, alphabet))
        })
    });
    let hexadecimal = [false, true].map(|upper| Needle::plain(in_hex(secret, upper)));
    base64.chain(hexadecimal)
}

/// The characters that stand for these bytes alone, when so many others come before them.
pub(super) fn in_base64(bytes: &[u8], before: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bit = |at: usize| {
        let at = at - before * 8;
        bytes[at / 8] >> (7 - at % 8) & 1
    };
    let (first, end) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
    (first..end)
        .map(|group| {
            let index = (0..6).fold(0, |bits, at| bits << 1 | bit(group * 6 + at));
            alphabet[usize::from(index)]
        })
        .collect()
}

fn in_hex(bytes: &[u8], upper: bool) -> Vec<u8> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match upper {
        true => digits.to_ascii_uppercase().into_bytes(),
        false => digits.into_bytes(),
    }
}

fn in_percent(text: &str, is_plain: fn(u8) -> bool, space: &str, upper: bool) -> String {
    let mut encoded = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push_str(space),
            byte if is_plain(byte) => encoded.push(char::from(byte)),
            byte => {
                let digits = match upper {
                    true => format!("%{byte:02X}"),
                    false => format!("%{byte:02x}"),
                };
                encoded.push_str(&digits);
            }
        }
    }
    encoded
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What is left as it is where a whole address is encoded.
fn is_of_urls(byte: u8) -> bool {
    is_unreserved(byte) || b";/?:@&=+$,#!*'()".contains(&byte)
}

/// As between the quotes of a JSON text.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The same by a writer that leaves only ASCII.
fn ascii_json(text: &str) -> String {
    let mut ascii = String::new();
    for c in in_json(text).chars() {
        match c.is_ascii() {
            true => ascii.push(c),
            false => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing into a string does not fail.
                    let _ = write!(ascii, "\\u{unit:04x}");
                }
            }
        }
    }
    ascii
}

fn in_html(text: &str, apostrophe: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', apostrophe)
}
