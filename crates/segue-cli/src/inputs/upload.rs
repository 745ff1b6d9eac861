//! Uploads: a file on disk as the value of a `file` input.

use std::path::Path;

use serde_json::{Value as Json, json};

/// Text beyond this is not repeated in the value.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// The value of a file input: name, media type, length and, where it is text, the text.
pub(super) fn file(path: &str, bytes: Vec<u8>) -> Json {
    let path = Path::new(path);
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let media_type = media_type(path);
    let length = bytes.len();
    let text = String::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() <= MAX_TEXT_BYTES);
    json!({"name": name, "media_type": media_type, "bytes": length, "artifact": null, "text": text})
}

/// The media type that an extension stands for.
fn media_type(path: &Path) -> &'static str {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("txt" | "log") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        Some("yaml" | "yml") => "application/yaml",
        Some("pdf") => "application/pdf",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("mp3") => "audio/mpeg",
        Some("wav") => "audio/wav",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_there_to_be_read_and_other_bytes_are_not() {
        let note = file("notes/a.TXT", b"hello".to_vec());
        assert_eq!(
            note,
            json!({"name": "a.TXT", "media_type": "text/plain", "bytes": 5, "artifact": null, "text": "hello"})
        );
        assert_eq!(file("a.png", vec![0xff, 0xd8])["text"], Json::Null);
        assert_eq!(file("a", vec![b'x'; MAX_TEXT_BYTES + 1])["text"], Json::Null);
    }
}
