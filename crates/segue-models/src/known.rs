//! The providers that are known without being configured, and which of their models `auto/*` means.

use crate::provider::Api;

/// A provider that is known.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) api: Api,
    pub(crate) base_url: &'static str,
    /// The variable that has its key; none for a server that takes none.
    pub(crate) key_env: Option<&'static str>,
    /// What `auto/small`, `auto/medium` and `auto/large` mean with its key; nothing where that is what is installed.
    pub(crate) sizes: Option<[&'static str; 3]>,
    /// What only a key opens and costs nothing, where its list of models is open to anybody.
    pub(crate) guarded: Option<&'static str>,
}

/// The sizes there are, smallest first.
pub const SIZES: [&str; 3] = ["auto/small", "auto/medium", "auto/large"];

/// The variable that says where Ollama is.
pub(crate) const OLLAMA_HOST: &str = "OLLAMA_HOST";

/// In the order in which `auto/*` looks for keys.
///
/// Addresses as of 2026-11, from each provider's reference of its interface. Models as of 2026-11: names in the built-in price
/// list (genai-prices 0.2.1), of each provider the generation that all of its keys can use; a test holds that each has a
/// price. None of them is announced to end before April 2027; gpt-5, Claude Sonnet 4.5 and Gemini 2.5 were, for the end of 2026.
/// Whoever wants others says so in `[models]`.
pub(crate) const KNOWN: [Known; 5] = [
    Known {
        name: "openai",
        api: Api::Chat,
        base_url: "https://api.openai.com/v1",
        key_env: Some("OPENAI_API_KEY"),
        sizes: Some(["gpt-5.4-nano", "gpt-5.4-mini", "gpt-5.4"]),
        guarded: None,
    },
    Known {
        name: "anthropic",
        api: Api::Anthropic,
        base_url: "https://api.anthropic.com/v1",
        key_env: Some("ANTHROPIC_API_KEY"),
        sizes: Some(["claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-6"]),
        guarded: None,
    },
    Known {
        name: "gemini",
        api: Api::Gemini,
        base_url: "https://generativelanguage.googleapis.com/v1beta",
        key_env: Some("GEMINI_API_KEY"),
        sizes: Some([
            "gemini-3.1-flash-lite",
            "gemini-3.5-flash-lite",
            "gemini-3.8-flash",
        ]),
        guarded: None,
    },
    Known {
        name: "openrouter",
        api: Api::Chat,
        base_url: "https://openrouter.ai/api/v1",
        key_env: Some("OPENROUTER_API_KEY"),
        sizes: Some(["openai/gpt-5.4-nano", "openai/gpt-5.4-mini", "openai/gpt-5.4"]),
        guarded: Some("key"),
    },
    Known {
        name: "ollama",
        api: Api::Ollama,
        base_url: "http://127.0.0.1:11434",
        key_env: None,
        sizes: None,
        guarded: None,
    },
];

pub(crate) fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use segue::price::{PriceBook, PriceSource};

    use super::*;

    #[test]
    fn what_auto_means_has_a_list_price_and_grows_with_its_size() {
        let day = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        let book = PriceBook::new(day);
        for known in KNOWN.iter().filter(|known| known.key_env.is_some()) {
            let sizes = known.sizes.expect("what a key is for has models");
            let prices = sizes.map(|model| {
                let priced = book.look_up(known.name, model);
                assert_eq!(priced.source, PriceSource::List, "{}/{model}", known.name);
                priced.price.expect("a list price is one").rates.output
            });
            assert!(prices.is_sorted(), "{}: {prices:?}", known.name);
        }
    }
}
