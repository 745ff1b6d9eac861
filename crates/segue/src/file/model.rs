//! Models as files name them: a string, a map with settings, or a list in fallback order.

use super::keys;
use super::reader::{Reader, Section};
use super::scalar;
use super::yaml::Node;
use crate::fault::{Code, Span, quote};
use crate::plan::{ModelRef, ModelSettings};

/// Providers that are known without being configured.
const PROVIDERS: [&str; 5] = ["openai", "anthropic", "gemini", "ollama", "openrouter"];
/// Models that are no provider's.
const OWN: [&str; 7] = [
    "auto/small",
    "auto/medium",
    "auto/large",
    "local/extractive",
    "sim/schema",
    "sim/script",
    "sim/cassette",
];
/// The most models of a fallback list.
const MAX_MODELS: usize = 8;

/// Models and the name they have in the file, if they have one.
pub(super) type NamedModels = (Option<String>, Vec<ModelRef>);

impl<'d> Reader<'_, '_, 'd> {
    /// The value of `model`: a declared name or a model itself.
    pub(super) fn model(&mut self, section: &Section<'d>) -> Option<NamedModels> {
        let (key, node) = section.entry("model")?;
        if let Some(name) = node.as_str()
            && !name.contains('/')
        {
            if let Some(models) = self.names.models.get(name) {
                return Some((Some(name.to_owned()), models.clone()));
            }
            if self.is_given(name) {
                let model = ModelRef {
                    name: name.to_owned(),
                    settings: ModelSettings::default(),
                    file: None,
                };
                return Some((Some(name.to_owned()), vec![model]));
            }
            let given = &self.loader.options.named.models;
            let known: Vec<String> = self.names.models.keys().chain(given).cloned().collect();
            let known = known.iter().map(String::as_str).chain(OWN);
            let message = format!("there is no model {}", quote(name));
            self.unknown(Code::UnknownModel, node.span, message, name, known, "models");
            return None;
        }
        Some((None, self.models(node, key.span, "`model`")?))
    }

    /// A model or a list of them in fallback order.
    pub(super) fn models(&mut self, node: &'d Node, at: Span, subject: &str) -> Option<Vec<ModelRef>> {
        let Some(items) = node.as_sequence() else {
            return self.model_ref(node, at, subject).map(|model| vec![model]);
        };
        if items.is_empty() {
            self.report(
                Code::EmptyDefinition,
                node.span,
                format!("{subject} has no models"),
            );
            return None;
        }
        if items.len() > MAX_MODELS {
            let message = format!(
                "{subject} has {} models, at most {MAX_MODELS} are tried",
                items.len()
            );
            self.report(Code::TooLarge, node.span, message);
            return None;
        }
        let models: Vec<Option<ModelRef>> = items
            .iter()
            .map(|item| self.model_ref(item, item.span, subject))
            .collect();
        models.into_iter().collect()
    }

    fn model_ref(&mut self, node: &'d Node, at: Span, subject: &str) -> Option<ModelRef> {
        if node.as_mapping().is_none() {
            let name = self.value(node, subject, scalar::text)?;
            return self.known_model(name, node).then(|| {
                self.needs_file(name, false, node.span);
                ModelRef {
                    name: name.to_owned(),
                    settings: ModelSettings::default(),
                    file: None,
                }
            });
        }
        let section = self.section(node, &keys::MODEL, at, format!("the model in {subject}"))?;
        let mut settings = self.model_settings(&section);
        settings.cache = self
            .read(&section, "cache", |node| scalar::choice(node, &["none", "auto"]))
            .map(str::to_owned);
        let file = section.entry("file");
        let name_node = section.get("use")?;
        let name = self.value(name_node, "`use`", scalar::text)?;
        let is_unread = self.loader.options.recording && name == "sim/cassette";
        let read = file.filter(|_| !is_unread);
        let text = read.and_then(|(_, path)| self.file(path, "`file`"));
        if let Some(source) = text.as_ref().filter(|_| name == "sim/script") {
            self.loader.scripted(source);
        }
        if !self.known_model(name, name_node) {
            return None;
        }
        self.needs_file(name, file.is_some(), name_node.span);
        if let Some((key, _)) = file
            && !matches!(name, "sim/script" | "sim/cassette")
        {
            self.report(
                Code::Conflict,
                key.span,
                format!("`file` has no meaning for {}", quote(name)),
            );
        }
        Some(ModelRef {
            name: name.to_owned(),
            settings,
            file: text.map(|source| source.text().to_owned()),
        })
    }

    fn needs_file(&mut self, name: &str, has_file: bool, span: Span) {
        if matches!(name, "sim/script" | "sim/cassette") && !has_file {
            let message = format!("{} answers from a file and has none", quote(name));
            self.report_with(
                Code::MissingKey,
                span,
                message,
                format!("write `{{use: {name}, file: PATH}}`"),
            );
        }
    }

    /// Whether a model can be one: its provider is known. A provider's models are not, so that one without a price is
    /// only a warning.
    fn known_model(&mut self, name: &str, node: &Node) -> bool {
        let (provider, model) = name.split_once('/').unwrap_or((name, ""));
        if matches!(provider, "auto" | "local" | "sim") {
            if OWN.contains(&name) {
                return true;
            }
        } else if self.is_given(name) {
            return true;
        } else if self.is_provider(provider) && !model.is_empty() {
            if let Some(prices) = &self.loader.options.prices
                && PROVIDERS.contains(&provider)
                && provider != "ollama"
                && prices.look_up(provider, model).price.is_none()
            {
                let message = format!("{} has no list price: is the name right?", quote(name));
                let fault = self.fault(Code::UnknownModel, node.span, message).warning();
                self.push(fault);
            }
            return true;
        }
        let (kind, message) = match name.contains('/') {
            true => ("models", format!("there is no model {}", quote(name))),
            false => (
                "models",
                format!("there is no model {}: it is `provider/model`", quote(name)),
            ),
        };
        let near: Vec<String> = match model.is_empty() || OWN.iter().any(|own| own.starts_with(provider)) {
            true => Vec::new(),
            false => self
                .providers()
                .map(|provider| format!("{provider}/{model}"))
                .collect(),
        };
        let given = &self.loader.options.named.models;
        let declared: Vec<String> = self.names.models.keys().chain(given).cloned().collect();
        let known = declared
            .iter()
            .map(String::as_str)
            .chain(OWN)
            .chain(near.iter().map(String::as_str));
        self.unknown(Code::UnknownModel, node.span, message, name, known, kind);
        false
    }

    /// Whether the operator gave this name to a model.
    fn is_given(&self, name: &str) -> bool {
        self.loader.options.named.models.iter().any(|given| given == name)
    }

    fn is_provider(&self, name: &str) -> bool {
        self.providers().any(|provider| provider == name)
    }

    fn providers(&self) -> impl Iterator<Item = &str> {
        let added = self.loader.options.named.providers.iter().map(String::as_str);
        PROVIDERS.into_iter().chain(added)
    }

    /// The settings of a model in a section that can have them.
    pub(super) fn model_settings(&mut self, section: &Section<'d>) -> ModelSettings {
        let mut settings = ModelSettings {
            temperature: self.read(section, "temperature", |node| scalar::number(node, 0.0..=2.0)),
            max_tokens: self.count(section, "max_tokens", 1, u32::MAX),
            ..ModelSettings::default()
        };
        if !section.has("top_p") {
            return settings;
        }
        settings.top_p = self.read(section, "top_p", scalar::ratio);
        settings.seed = self.read(section, "seed", |node| scalar::count(node, 0..=i64::MAX as u64));
        settings.stop = self
            .texts_of(section, "stop")
            .map(|texts| texts.into_iter().map(|(text, _)| text.to_owned()).collect());
        let words = &["none", "low", "medium", "high"];
        settings.reasoning = self
            .read(section, "reasoning", |node| scalar::choice(node, words))
            .map(str::to_owned);
        settings
    }
}
