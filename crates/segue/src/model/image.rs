//! Images a model is shown with a message. The record has their names and hashes, and never their bytes.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// An image shown with a message.
///
/// ```
/// use segue::model::Image;
/// let image = Image::new("dot.png", "image/png", *b"not really a picture");
/// assert_eq!(image.bytes, 20);
/// assert!(!serde_json::to_string(&image).unwrap().contains("picture"));
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// Its file name.
    pub name: String,
    /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
    pub media_type: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// The bytes themselves; empty in an image that was read from a record.
    #[serde(skip)]
    content: Arc<[u8]>,
}

impl Image {
    /// The media types that every provider takes.
    pub const MEDIA_TYPES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];
    /// The most bytes of one image: the least that the providers take.
    pub const MOST_BYTES: u64 = 5 << 20;
    /// An upper estimate of the input tokens of one image, at the sizes providers scale images down to.
    pub const TOKENS: u64 = 3_000;

    /// An image of these bytes.
    pub fn new(
        name: impl Into<String>,
        media_type: impl Into<String>,
        content: impl Into<Arc<[u8]>>,
    ) -> Self {
        let content = content.into();
        Self {
            name: name.into(),
            media_type: media_type.into(),
            bytes: content.len() as u64,
            sha256: Sha256::digest(&content)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            content,
        }
    }

    /// The image of a `data:` URL, as values carry it; none where the URL is not one of base64.
    ///
    /// ```
    /// use segue::model::Image;
    /// let image = Image::new("dot.png", "image/png", *b"dot");
    /// assert_eq!(image.to_data_url(), "data:image/png;base64,ZG90");
    /// let back = Image::from_data_url("dot.png", &image.to_data_url());
    /// assert_eq!(back, Some(image));
    /// ```
    #[must_use]
    pub fn from_data_url(name: &str, url: &str) -> Option<Self> {
        let (media_type, content) = url.strip_prefix("data:")?.split_once(";base64,")?;
        let content = BASE64_STANDARD.decode(content).ok()?;
        Some(Self::new(name, media_type, content))
    }

    /// The image as a `data:` URL.
    #[must_use]
    pub fn to_data_url(&self) -> String {
        format!(
            "data:{};base64,{}",
            self.media_type,
            BASE64_STANDARD.encode(&self.content)
        )
    }

    /// Its bytes, for whoever sends it.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

/// Without its bytes.
impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}, {} bytes, sha256 {})",
            self.name, self.media_type, self.bytes, self.sha256
        )
    }
}
