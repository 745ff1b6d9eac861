//! Artifacts: files a run leaves behind. A name is checked once, here; the bytes are kept by their hash, so that a name
//! never becomes a path.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::ArtifactId;
use crate::value::ValueRef;

/// What kind of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Plain text.
    Text,
    /// Markdown.
    Markdown,
    /// JSON.
    Json,
    /// Anything.
    Bytes,
}

impl Media {
    /// The media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Media::Text => "text/plain; charset=utf-8",
            Media::Markdown => "text/markdown; charset=utf-8",
            Media::Json => "application/json",
            Media::Bytes => "application/octet-stream",
        }
    }

    /// What the extension of a name says.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        match name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase())
            .as_deref()
        {
            Some("md" | "markdown") => Media::Markdown,
            Some("json") => Media::Json,
            Some("txt" | "csv" | "log") => Media::Text,
            _ => Media::Bytes,
        }
    }
}

/// One saved artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Artifact {
    /// Its id.
    #[schemars(with = "String")]
    pub id: ArtifactId,
    /// Its name in the run.
    pub name: String,
    /// The step that saved it.
    pub step: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Media type.
    pub media_type: String,
}

impl Artifact {
    /// The output of a step that is kept beside the log.
    pub(crate) fn output(at: &ValueRef, step: &str) -> Self {
        Self {
            id: at.artifact,
            name: "output.json".to_owned(),
            step: step.to_owned(),
            bytes: at.bytes,
            sha256: at.sha256.clone(),
            media_type: at.media_type.clone(),
        }
    }

    pub(crate) fn new(id: ArtifactId, name: &str, media: Media, step: String, bytes: &[u8]) -> Self {
        let sha256 = Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            id,
            name: name.to_owned(),
            step,
            bytes: bytes.len() as u64,
            sha256,
            media_type: media.media_type().to_owned(),
        }
    }
}

/// Device names that some file systems reserve, whatever the extension.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// Checks the name of an artifact: at most four segments of `[A-Za-z0-9][A-Za-z0-9._ -]{0,127}`, none of which ends in
/// a dot or a space or is the name of a device. The name is used as it is: nothing in it is decoded.
///
/// # Errors
/// Why it cannot be a name.
pub fn check_name(name: &str) -> Result<(), String> {
    let segments: Vec<&str> = name.split('/').collect();
    if segments.len() > 4 {
        return Err("it has more than 4 segments".into());
    }
    segments.into_iter().try_for_each(check_segment)
}

/// Checks the name of a link: one segment of a name.
///
/// # Errors
/// Why it cannot be one.
pub fn check_link(link: &str) -> Result<(), String> {
    check_segment(link)
}

fn check_segment(segment: &str) -> Result<(), String> {
    if segment.is_empty() {
        return Err("a segment is empty".into());
    }
    if segment.len() > 128 {
        return Err("a segment is longer than 128 characters".into());
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b' ' | b'-');
    if !segment.bytes().all(plain) {
        return Err("it may only have letters, digits, `.`, `_`, `-` and blanks".into());
    }
    if !segment.as_bytes()[0].is_ascii_alphanumeric() {
        return Err("a segment begins with a letter or a digit".into());
    }
    if segment.ends_with(['.', ' ']) {
        return Err("a segment may not end with a dot or a blank".into());
    }
    let stem = segment
        .split('.')
        .next()
        .unwrap_or(segment)
        .trim_end()
        .to_ascii_lowercase();
    let device = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let numbered = matches!(device, "com" | "lpt") && stem.len() == 4;
    if numbered || DEVICES.contains(&stem.as_str()) {
        return Err(format!("`{stem}` is the name of a device"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_names_pass() {
        for name in [
            "report.md",
            "a/b/c/d.txt",
            "Report 2.json",
            "x",
            "console.txt",
            "com10",
        ] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn unsafe_names_are_refused() {
        let long = "a".repeat(129);
        let names = [
            "",
            "../x",
            "/etc/x",
            "a//b",
            "%2e%2e%2f",
            "CON",
            "con.txt",
            "LPT1",
            "a\0b",
            ".hidden",
            "x.",
            "x ",
            "a/b/c/d/e",
            "ü.txt",
            "a\\b",
            &long,
            "a/",
            "nul.json",
        ];
        for name in names {
            assert!(check_name(name).is_err(), "{name:?} was taken");
        }
    }
}
