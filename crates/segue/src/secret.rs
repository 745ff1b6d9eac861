//! Secrets: text that is used and never shown.

use std::sync::Arc;

/// A secret: the key of a provider, for example.
///
/// It has no `Debug`, `Display` or `Serialize`, so that it cannot end in a message, a log or a record by mistake. Whoever
/// needs the text asks for it by name, where it is used.
///
/// ```
/// let key = segue::Secret::new("sk-1234");
/// assert_eq!(key.expose(), "sk-1234");
/// ```
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}
