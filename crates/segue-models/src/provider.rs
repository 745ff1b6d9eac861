//! Providers: who answers, in which protocol, where, and with which key. Made from the operator's configuration only.

use std::fmt;

use segue::Secret;
use url::Url;

/// A protocol in which models are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// OpenAI's chat completions, which most other servers speak too.
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// Ollama's own chat.
    Ollama,
}

impl Api {
    /// All of them.
    pub const ALL: [Api; 5] = [
        Api::Chat,
        Api::Responses,
        Api::Anthropic,
        Api::Gemini,
        Api::Ollama,
    ];

    /// Its name in `segue.toml`.
    ///
    /// ```
    /// use segue_models::Api;
    /// assert_eq!(Api::named("anthropic"), Some(Api::Anthropic));
    /// assert!(Api::ALL.iter().all(|api| Api::named(api.name()) == Some(*api)));
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Api::Chat => "chat",
            Api::Responses => "responses",
            Api::Anthropic => "anthropic",
            Api::Gemini => "gemini",
            Api::Ollama => "ollama",
        }
    }

    /// The protocol of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.name() == name)
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A provider of models.
#[derive(Clone)]
pub struct Provider {
    /// What stands before the slash of its models' names.
    pub name: String,
    /// How it is spoken to.
    pub api: Api,
    /// What stands before `/chat/completions`, `/responses`, `/messages`, `/models/M:generateContent` or `/api/chat`.
    pub base_url: Url,
    /// The key, where it wants one.
    pub key: Option<Secret>,
}

impl Provider {
    /// A provider that wants no key.
    ///
    /// ```
    /// use segue_models::{Api, Provider};
    /// let url = "http://127.0.0.1:9001/v1".parse().unwrap();
    /// let house = Provider::new("house", Api::Chat, url);
    /// assert!(house.key.is_none());
    /// ```
    pub fn new(name: impl Into<String>, api: Api, base_url: Url) -> Self {
        Self {
            name: name.into(),
            api,
            base_url,
            key: None,
        }
    }

    /// The key it is asked with.
    #[must_use]
    pub fn key(mut self, key: Secret) -> Self {
        self.key = Some(key);
        self
    }

    /// The address of something below the base, whose own path and query stay.
    pub(crate) fn url(&self, below: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(below);
        }
        url
    }

    /// Who it is in a message: never more of the address than its host, for a path or a query may hold a key.
    pub(crate) fn host(&self) -> String {
        let host = self.base_url.host_str().unwrap_or("no host");
        match self.base_url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_added_to_the_base_address() {
        for (base, expected) in [
            (
                "http://127.0.0.1:9001/v1",
                "http://127.0.0.1:9001/v1/chat/completions",
            ),
            (
                "http://127.0.0.1:9001/v1/",
                "http://127.0.0.1:9001/v1/chat/completions",
            ),
            ("https://a.example", "https://a.example/chat/completions"),
            (
                "https://a.example/x?version=1",
                "https://a.example/x/chat/completions?version=1",
            ),
        ] {
            let provider = Provider::new("a", Api::Chat, base.parse().unwrap());
            assert_eq!(provider.url(&["chat", "completions"]).as_str(), expected);
        }
        let provider = Provider::new("g", Api::Gemini, "https://g.example/v1beta".parse().unwrap());
        let odd = provider.url(&["models", "../x?y:generateContent"]);
        assert_eq!(
            odd.as_str(),
            "https://g.example/v1beta/models/..%2Fx%3Fy:generateContent"
        );
    }
}
