//! The search: where the canary is, in which form. Its forms are made here once more, so that what hides them from the
//! program's own redactor does not hide them from the search.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sink {
    Stdout,
    Stderr,
    /// The store and its journal.
    Store,
    Artifact,
    /// What `runs export` writes.
    Archive,
    /// What `test record` writes.
    Cassette,
    Other,
}

pub(crate) struct Found {
    pub(crate) sink: Sink,
    pub(crate) form: &'static str,
    wherein: String,
    around: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {} in {}: …{}…",
            self.sink, self.form, self.wherein, self.around
        )
    }
}

/// Every form of a value.
pub(crate) fn forms(value: &str) -> Vec<(&'static str, Vec<u8>)> {
    let percent = |keep: fn(u8) -> bool, upper: bool| {
        let byte = |byte: u8| match (keep(byte), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        value.bytes().map(byte).collect::<String>().into_bytes()
    };
    let json = serde_json::to_string(value).expect("text is JSON");
    let in_json = &json[1..json.len() - 1];
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("as it is", value.as_bytes().to_vec()),
        (
            "percent-encoded",
            percent(
                |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
                true,
            ),
        ),
        (
            "percent-encoded",
            percent(
                |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte),
                false,
            ),
        ),
        ("percent-encoded", percent(|_| false, true)),
        ("as JSON", in_json.as_bytes().to_vec()),
        ("as JSON", in_json.replace('/', "\\/").into_bytes()),
        ("hexadecimal", hex.to_uppercase().into_bytes()),
        ("hexadecimal", hex.into_bytes()),
    ];
    for url in [false, true] {
        for before in 0..3 {
            forms.push(("base64", base64(value, before, url)));
        }
    }
    forms
}

/// The characters of base64 that only the value decides, when so many bytes come before it.
fn base64(value: &str, before: usize, url: bool) -> Vec<u8> {
    let mut alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').collect();
    alphabet.extend(if url { b"-_" } else { b"+/" });
    let bytes = [&vec![0; before][..], value.as_bytes()].concat();
    let bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
        .collect();
    let whole = bits
        .chunks_exact(6)
        .map(|six| six.iter().fold(0, |index, bit| index << 1 | usize::from(*bit)));
    let text: Vec<u8> = whole.map(|index| alphabet[index]).collect();
    text[(before * 8).div_ceil(6)..].to_vec()
}

/// Every place in these bytes.
pub(crate) fn search(bytes: &[u8], value: &str, sink: Sink, wherein: &str) -> Vec<Found> {
    let mut found = Vec::new();
    for (form, needle) in forms(value) {
        if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle) {
            let around = &bytes[at.saturating_sub(60)..(at + needle.len() + 20).min(bytes.len())];
            let around = String::from_utf8_lossy(around).into_owned();
            let wherein = wherein.to_owned();
            found.push(Found {
                sink,
                form,
                wherein,
                around,
            });
        }
    }
    found
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => open.push(path),
                false => files.push(path),
            }
        }
    }
    files
}

/// What a file of a project is.
pub(crate) fn sink_of(path: &Path) -> Sink {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_below = |part: &str| path.components().any(|component| component.as_os_str() == part);
    match () {
        () if name.starts_with("store.db") => Sink::Store,
        () if is_below("artifacts") => Sink::Artifact,
        () if name.ends_with(".tar") => Sink::Archive,
        () if name.ends_with(".cassette.yaml") => Sink::Cassette,
        () => Sink::Other,
    }
}
