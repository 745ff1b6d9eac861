//! Settings of steps, agents and defaults: deadlines, retries, budgets, what a failure means, context, completion.

use super::keys::{self, Table};
use super::names::Asking;
use super::reader::{Reader, Section};
use super::scalar::{self, Flaw};
use super::text::{Owner, Place, place};
use super::yaml::Node;
use crate::budget::{Budget, OnExceed, PerCall, PerDay};
use crate::fault::{Code, Span, quote};
use crate::plan::{Complete, Context};
use crate::settings::{Backoff, OnError, OnInterrupt, RetryLayer, Setting, Settings};
use crate::value::Value;

/// Whose settings are read, which decides what is in scope in them.
#[derive(Clone, Copy)]
pub(super) struct Level {
    pub owner: Owner,
    retry: &'static Place,
    nudge: &'static Place,
    instead: &'static Place,
}

impl Level {
    /// Settings that several steps share.
    pub(super) const SHARED: Self = Self::shared(Owner::Shared);

    /// Settings that all steps of an owner share.
    pub(super) const fn shared(owner: Owner) -> Self {
        Self {
            owner,
            retry: &place::SHARED_RETRY,
            nudge: &place::SHARED_NUDGE,
            instead: &place::SHARED_USE,
        }
    }

    /// Settings of one step.
    pub(super) const fn of(owner: Owner) -> Self {
        Self {
            owner,
            retry: &place::RETRY,
            nudge: &place::NUDGE,
            instead: &place::USE,
        }
    }
}

impl<'d> Reader<'_, '_, 'd> {
    /// The settings of a section that a level of settings can have; keys its table does not have are not asked for.
    pub(super) fn settings(&mut self, section: &Section<'d>, level: Level) -> Settings {
        let mut settings = Settings::default();
        if section.has("timeout") {
            settings.timeout = off_or(self.read(section, "timeout", scalar::duration_or_none));
        }
        if section.has("step_timeout") {
            settings.step_timeout = off_or(self.read(section, "step_timeout", scalar::duration_or_none));
        }
        if section.has("budget") {
            settings.budget = off_or(self.budget(section, Days::Refused));
        }
        if section.has("on_error") {
            settings.on_error = self
                .on_error(section, level)
                .map_or(Setting::Inherit, Setting::Is);
        }
        if section.has("on_interrupt") {
            let said = self.on_interrupt(section);
            settings.on_interrupt = said.map_or(Setting::Inherit, Setting::Is);
        }
        self.retries(section, level, &mut settings);
        settings
    }

    /// What a crash in the middle means.
    pub(super) fn on_interrupt(&mut self, section: &Section<'d>) -> Option<OnInterrupt> {
        let node = section.get("on_interrupt")?;
        let word = self.value(node, "`on_interrupt`", |node| {
            scalar::choice(node, keys::ON_INTERRUPTS)
        })?;
        Some(match word {
            "ask" => OnInterrupt::Ask,
            "fail" => OnInterrupt::Fail,
            _ => OnInterrupt::Retry,
        })
    }

    fn retries(&mut self, section: &Section<'d>, level: Level, settings: &mut Settings) {
        let retries = self.count(section, "retries", 0, 100);
        if let (Some((key, _)), Some((other, _))) = (section.entry("retries"), section.entry("retry")) {
            let fault = self
                .fault(
                    Code::Conflict,
                    key.span,
                    "`retries` and `retry` say the same in two ways",
                )
                .hint("keep one: `retries: n` is short for `retry: {max_attempts: n+1}`")
                .related(self.doc.place(other.span), "`retry` is here");
            self.push(fault);
        }
        if let Some(retries) = retries {
            *settings = std::mem::take(settings).retries(retries);
        }
        let Some((key, node)) = section.entry("retry") else {
            return;
        };
        match node.as_mapping() {
            Some(_) => {
                let subject = format!("`retry` of {}", section.subject);
                if let Some(layer) = self.retry(node, key.span, &subject, level) {
                    *settings = std::mem::take(settings).retry(layer);
                }
            }
            None => {
                if let Some(name) = self.value(node, "`retry`", policy_name) {
                    if !self.names.policies.contains_key(name) {
                        let message = format!("there is no retry policy {}", quote(name));
                        let known: Vec<String> = self.names.policies.keys().cloned().collect();
                        let known = known.iter().map(String::as_str);
                        self.unknown(Code::UnknownPolicy, node.span, message, name, known, "policies");
                    }
                    settings.policy = Some(name.to_owned());
                }
            }
        }
    }

    /// A retry policy.
    pub(super) fn retry(
        &mut self,
        node: &'d Node,
        at: Span,
        subject: &str,
        level: Level,
    ) -> Option<RetryLayer> {
        let section = self.section(node, &keys::RETRY, at, subject)?;
        let backoff = self.read(&section, "backoff", |node| scalar::choice(node, keys::BACKOFFS));
        Some(RetryLayer {
            max_attempts: self.count(&section, "max_attempts", 1, 101),
            backoff: backoff.map(|word| match word {
                "none" => Backoff::None,
                "fixed" => Backoff::Fixed,
                "linear" => Backoff::Linear,
                _ => Backoff::Exponential,
            }),
            delay: self.read(&section, "delay", scalar::duration),
            max_delay: self.read(&section, "max_delay", scalar::duration),
            jitter: self.read(&section, "jitter", scalar::boolean),
            when: self.condition(&section, "when", level.retry, level.owner),
            reason: self.template(&section, "reason", level.retry, level.owner),
        })
    }

    /// What a failure of a step means.
    fn on_error(&mut self, section: &Section<'d>, level: Level) -> Option<OnError> {
        let (key, node) = section.entry("on_error")?;
        let subject = format!("`on_error` of {}", section.subject);
        let Some(entries) = node.as_mapping() else {
            let word = self.value(node, "`on_error`", |node| scalar::choice(node, keys::ON_ERRORS))?;
            return Some(match word {
                "skip" => OnError::Skip,
                "keep" => OnError::Keep,
                _ => OnError::Fail,
            });
        };
        if entries.iter().any(|(name, _)| &*name.name == "run") {
            let section = self.section(node, &keys::ON_ERROR_RUN, key.span, subject)?;
            let step = self.read(&section, "run", scalar::text)?;
            return Some(OnError::Run(step.to_owned()));
        }
        let section = self.section(node, &keys::ON_ERROR_USE, key.span, subject)?;
        let value = self.templates(section.get("use")?, level.instead, level.owner);
        Some(OnError::Use(Value::json(value)))
    }

    /// A budget; the inner none is `budget: none`.
    pub(super) fn budget(&mut self, section: &Section<'d>, days: Days) -> Option<Option<Budget>> {
        let (key, node) = section.entry("budget")?;
        if scalar::is_none(node) {
            return Some(None);
        }
        let subject = format!("`budget` of {}", section.subject);
        let section = self.section(node, &keys::BUDGET, key.span, subject)?;
        let mut budget = Budget::UNLIMITED;
        budget.usd = self.read(&section, "usd", scalar::money);
        budget.tokens = self.tokens(&section, "tokens");
        budget.requests = self.tokens(&section, "requests");
        if let Some(calls) = self.section_of(&section, "per_call", &keys::PER_CALL) {
            budget.per_call = PerCall {
                usd: self.read(&calls, "usd", scalar::money),
                tokens: self.tokens(&calls, "tokens"),
            };
        }
        if let Some(limits) = self.section_of(&section, "per_day", &keys::PER_DAY) {
            if let Days::Refused = days {
                let message = "`per_day` is a limit of a whole pipeline".to_owned();
                self.report_with(
                    Code::Conflict,
                    limits.at,
                    message,
                    "say it in the `budget` at the top of the file",
                );
            }
            budget.per_day = PerDay {
                usd: self.read(&limits, "usd", scalar::money),
                tokens: self.tokens(&limits, "tokens"),
                requests: self.tokens(&limits, "requests"),
            };
        }
        match self.read(&section, "on_exceed", |node| {
            scalar::choice(node, &["fail", "pause"])
        }) {
            Some("pause") => budget.on_exceed = OnExceed::Pause,
            _ => budget.on_exceed = OnExceed::Fail,
        }
        budget.allow_unpriced = self
            .read(&section, "allow_unpriced", scalar::boolean)
            .unwrap_or_default();
        if let Some(least) = self.count(&section, "min_tokens", 1, u32::MAX) {
            budget.min_tokens = least;
        }
        if let Err(error) = budget.check() {
            self.report(Code::Conflict, section.at, error.to_string());
        }
        Some(Some(budget))
    }

    fn tokens(&mut self, section: &Section<'d>, key: &'static str) -> Option<u64> {
        self.read(section, key, |node| scalar::count(node, 0..=i64::MAX as u64))
    }

    /// Context and completion, where a section can have them.
    pub(super) fn asking(&mut self, section: &Section<'d>, level: Level) -> Asking {
        let context = if section.has("context") {
            self.context(section)
        } else {
            None
        };
        let complete = if section.has("complete") {
            self.complete(section, level)
        } else {
            None
        };
        Asking { context, complete }
    }

    fn context(&mut self, section: &Section<'d>) -> Option<Context> {
        let (key, node) = section.entry("context")?;
        if node.as_mapping().is_some() {
            let subject = format!("`context` of {}", section.subject);
            let section = self.section(node, &keys::CONTEXT_WINDOW, key.span, subject)?;
            return Some(Context::Window(self.count(&section, "window", 1, 10_000)?));
        }
        let word = self.value(node, "`context`", |node| scalar::choice(node, keys::CONTEXTS))?;
        Some(match word {
            "none" => Context::None,
            "needs" => Context::Needs,
            "all" => Context::All,
            _ => Context::Summary,
        })
    }

    fn complete(&mut self, section: &Section<'d>, level: Level) -> Option<Complete> {
        let (key, node) = section.entry("complete")?;
        let subject = format!("`complete` of {}", section.subject);
        let Some(entries) = node.as_mapping() else {
            self.value(node, "`complete`", |node| scalar::choice(node, &["schema"]))?;
            return Some(Complete::Schema);
        };
        let is_saved = entries.iter().any(|(name, _)| &*name.name == "saved");
        let table: &'static Table = if is_saved {
            &keys::COMPLETE_SAVED
        } else {
            &keys::COMPLETE_MARKER
        };
        let section = self.section(node, table, key.span, subject)?;
        if is_saved {
            let names = self.texts_of(&section, "saved")?;
            for (name, node) in &names {
                self.artifact_name(name, node.span);
            }
            return Some(Complete::Saved(
                names.into_iter().map(|(name, _)| name.to_owned()).collect(),
            ));
        }
        let marker = self.literal(&section, "marker");
        if let (Some(marker), Some(node)) = (marker, section.get("marker"))
            && (marker.trim().is_empty() || marker.contains('\n'))
        {
            self.report(Code::WrongType, node.span, "`marker` needs one line of text");
        }
        let nudge = self.template(&section, "nudge", level.nudge, level.owner);
        let max_nudges = self.count(&section, "max_nudges", 0, 100).unwrap_or(3);
        Some(Complete::Marker {
            marker: marker?.to_owned(),
            nudge: nudge?,
            max_nudges,
        })
    }
}

/// Whether a budget may have limits on whole days.
pub(super) enum Days {
    Allowed,
    Refused,
}

fn off_or<T>(setting: Option<Option<T>>) -> Setting<T> {
    setting.map_or(Setting::Inherit, |value| value.map_or(Setting::Off, Setting::Is))
}

fn policy_name(node: &Node) -> Result<&str, Flaw> {
    scalar::text(node).map_err(|mut flaw| {
        flaw.message = format!("needs a policy or the name of one, found {}", node.describe());
        flaw
    })
}
