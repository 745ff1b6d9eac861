//! Fits: settings as a protocol and a model take them. Requests are written from these and from nothing else, so that what
//! is left out or changed is also what is said.

use segue::plan::ModelSettings;

use super::claude::Claude;
use crate::provider::Api;

/// The least that Claude may be given to think, in tokens.
pub(super) const LEAST_THOUGHT: u32 = 1024;
/// A seed of Gemini has 31 bits.
const SEED: u64 = 0x7fff_ffff;

/// Settings that can all be sent.
pub(crate) struct Fit {
    pub(crate) settings: ModelSettings,
    /// What was left out or changed, in words that follow the model's name.
    pub(crate) unsent: Vec<String>,
}

impl Fit {
    /// What of these settings a model takes.
    pub(crate) fn of(api: Api, model: &str, settings: &ModelSettings) -> Self {
        let mut fit = Self {
            settings: settings.clone(),
            unsent: Vec::new(),
        };
        match api {
            Api::Responses => fit.for_responses(),
            Api::Anthropic => fit.for_anthropic(Claude::called(model)),
            Api::Gemini => fit.for_gemini(model),
            Api::Chat | Api::Ollama => {}
        }
        fit
    }

    fn for_responses(&mut self) {
        let why = "OpenAI's responses have none";
        self.leave_out("seed", why, |settings| settings.seed.take().is_some());
        self.leave_out("stop", why, |settings| settings.stop.take().is_some());
    }

    fn for_anthropic(&mut self, claude: Claude) {
        self.leave_out("seed", "Anthropic has none", |settings| {
            settings.seed.take().is_some()
        });
        let most = self.settings.max_tokens.unwrap_or(super::MAX_TOKENS);
        if most <= LEAST_THOUGHT && claude.thinks_by_budget() && super::thinks(&self.settings).is_some() {
            let why = format!("it takes {LEAST_THOUGHT} tokens and more, and `max_tokens` is {most}");
            self.leave_out("reasoning", &why, |settings| settings.reasoning.take().is_some());
        }
        let why = match super::thinks(&self.settings) {
            Some(_) => "a model that thinks has none",
            None if claude.samples() => "",
            None => "this model has none",
        };
        if !why.is_empty() {
            self.leave_out("temperature", why, |settings| {
                settings.temperature.take().is_some()
            });
            self.leave_out("top_p", why, |settings| settings.top_p.take().is_some());
        }
        if let Some(heat) = self.settings.temperature.filter(|heat| *heat > 1.0) {
            self.settings.temperature = Some(1.0);
            self.unsent
                .push(format!("`temperature` {heat} is sent as 1, where its scale ends"));
        }
    }

    fn for_gemini(&mut self, model: &str) {
        if let Some(seed) = self.settings.seed.filter(|seed| *seed > SEED) {
            self.settings.seed = Some(seed & SEED);
            self.unsent.push(format!(
                "`seed` {seed} is sent as {}: it has 31 bits there",
                seed & SEED
            ));
        }
        if super::thinks_not(&self.settings) && !super::gemini::thinks_by_budget(model) {
            self.settings.reasoning = Some("low".to_owned());
            self.unsent
                .push("`reasoning` is sent as low: this model cannot be kept from thinking".to_owned());
        }
    }

    fn leave_out(&mut self, name: &str, why: &str, take: impl FnOnce(&mut ModelSettings) -> bool) {
        if take(&mut self.settings) {
            self.unsent.push(format!("`{name}` is left out: {why}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> ModelSettings {
        ModelSettings {
            temperature: Some(1.5),
            max_tokens: Some(4000),
            top_p: Some(0.5),
            seed: Some((1 << 40) + 7),
            stop: Some(vec!["END".to_owned()]),
            reasoning: None,
            cache: Some("auto".to_owned()),
        }
    }

    #[test]
    fn what_is_left_out_or_changed_is_said_and_nothing_else() {
        for (api, model, reasoning, expected) in [
            (Api::Chat, "m", Some("high"), vec![]),
            (Api::Ollama, "m", Some("none"), vec![]),
            (
                Api::Responses,
                "m",
                None,
                vec![
                    "`seed` is left out: OpenAI's responses have none",
                    "`stop` is left out: OpenAI's responses have none",
                ],
            ),
            (
                Api::Anthropic,
                "claude-sonnet-4-5",
                None,
                vec![
                    "`seed` is left out: Anthropic has none",
                    "`temperature` 1.5 is sent as 1, where its scale ends",
                ],
            ),
            (
                Api::Anthropic,
                "claude-sonnet-4-6",
                Some("low"),
                vec![
                    "`seed` is left out: Anthropic has none",
                    "`temperature` is left out: a model that thinks has none",
                    "`top_p` is left out: a model that thinks has none",
                ],
            ),
            (
                Api::Anthropic,
                "claude-opus-5-5",
                None,
                vec![
                    "`seed` is left out: Anthropic has none",
                    "`temperature` is left out: this model has none",
                    "`top_p` is left out: this model has none",
                ],
            ),
            (
                Api::Gemini,
                "gemini-2.5-flash",
                Some("none"),
                vec!["`seed` 1099511627783 is sent as 7: it has 31 bits there"],
            ),
            (
                Api::Gemini,
                "gemini-3-pro",
                Some("none"),
                vec![
                    "`seed` 1099511627783 is sent as 7: it has 31 bits there",
                    "`reasoning` is sent as low: this model cannot be kept from thinking",
                ],
            ),
        ] {
            let settings = ModelSettings {
                reasoning: reasoning.map(str::to_owned),
                ..all()
            };
            assert_eq!(Fit::of(api, model, &settings).unsent, expected, "{api} {model}");
        }
        let small = ModelSettings {
            max_tokens: Some(1000),
            reasoning: Some("high".to_owned()),
            ..ModelSettings::default()
        };
        let fit = Fit::of(Api::Anthropic, "claude-sonnet-4-5", &small);
        assert_eq!(
            fit.unsent,
            ["`reasoning` is left out: it takes 1024 tokens and more, and `max_tokens` is 1000"]
        );
        assert_eq!(fit.settings.reasoning, None);
    }
}
