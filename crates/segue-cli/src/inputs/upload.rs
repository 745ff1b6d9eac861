//! Uploads: a file on disk as the value of a `file` input.
//!
//! An image that a model can be shown carries its bytes, as a `data:` URL in place of an artifact: so they are where the input
//! is, in the record, in a re-run and after a crash.

use std::path::Path;

use segue::model::Image;
use serde_json::{Value as Json, json};

/// Text beyond this is not repeated in the value.
const MAX_TEXT_BYTES: usize = 4 << 20;

/// An image beyond this does not carry its bytes: an expression, `images` for one, gives at most 4 MB.
const MAX_IMAGE_BYTES: usize = 2 << 20;

/// The value of a file input: name, media type, length, the text where it is text, and the bytes of an image.
pub(super) fn file(path: &str, bytes: Vec<u8>) -> Json {
    let path = Path::new(path);
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let media_type = media_type(path);
    let length = bytes.len();
    let is_shown = Image::MEDIA_TYPES.contains(&media_type) && length <= MAX_IMAGE_BYTES;
    let artifact = is_shown.then(|| Image::new(&name[..], media_type, &bytes[..]).to_data_url());
    let text = String::from_utf8(bytes)
        .ok()
        .filter(|text| text.len() <= MAX_TEXT_BYTES);
    json!({"name": name, "media_type": media_type, "bytes": length, "artifact": artifact, "text": text})
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
        let photo = file("a.jpg", vec![0xff, 0xd8]);
        assert_eq!(
            photo,
            json!({"name": "a.jpg", "media_type": "image/jpeg", "bytes": 2, "artifact": "data:image/jpeg;base64,/9g=", "text": null})
        );
        let large = file("a.jpg", vec![0xff; MAX_IMAGE_BYTES + 1]);
        assert_eq!(large["artifact"], Json::Null);
        assert_eq!(file("a", vec![b'x'; MAX_TEXT_BYTES + 1])["text"], Json::Null);
    }
}
