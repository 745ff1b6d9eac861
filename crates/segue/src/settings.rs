//! Settings of steps: four levels, each of which can replace a value or switch it off.
//!
//! built-in < pipeline defaults < agent < step < call. A level that says nothing inherits; `none` and `0` are values
//! and win like any other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::budget::Budget;
use crate::value::Value;

mod call;
mod interrupt;
mod overrides;
mod retry;

pub(crate) use call::Call;
pub use interrupt::OnInterrupt;
pub(crate) use overrides::Overrides;
pub use retry::{Backoff, Retry, RetryLayer};

/// One setting at one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting<T> {
    /// This level says nothing.
    #[default]
    Inherit,
    /// Switched off at this level.
    Off,
    /// This value.
    Is(T),
}

impl<T> Setting<T> {
    /// Whether this level says nothing.
    #[must_use]
    pub fn is_inherit(&self) -> bool {
        matches!(self, Setting::Inherit)
    }
}

impl<T> From<T> for Setting<T> {
    fn from(value: T) -> Self {
        Setting::Is(value)
    }
}

/// Money is a budget in dollars.
impl From<crate::money::Nanousd> for Setting<Budget> {
    fn from(money: crate::money::Nanousd) -> Self {
        Setting::Is(money.into())
    }
}

/// `Some` is a value, `None` switches the setting off.
impl<T> From<Option<T>> for Setting<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Setting::Off, Setting::Is)
    }
}

/// What happens to a step that failed for good.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It is failed; what depends on it is skipped.
    #[default]
    Fail,
    /// It is skipped; what depends on it gets `none`.
    Skip,
    /// Only of a map: the error stands in the item's place.
    Keep,
    /// This value is its output. In a pipeline file, strings in it are templates.
    Use(Value),
    /// That step runs, and its output is this one's.
    Run(String),
}

impl OnError {
    /// This value is the output of a failed step.
    pub fn value<T: crate::value::Data>(value: T) -> Self {
        OnError::Use(Value::new(value))
    }
}

/// The settings of one level.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Settings {
    /// Deadline of one attempt.
    #[serde(skip_serializing_if = "Setting::is_inherit", default)]
    pub timeout: Setting<Duration>,
    /// Deadline of all attempts and the waits between them; waiting for a person does not count.
    #[serde(skip_serializing_if = "Setting::is_inherit", default)]
    pub step_timeout: Setting<Duration>,
    /// Attempts, back-off and their reasons.
    #[serde(skip_serializing_if = "Setting::is_inherit", default)]
    pub retry: Setting<RetryLayer>,
    /// The named retry policy that applies.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub policy: Option<String>,
    /// Budget of all attempts and items.
    #[serde(skip_serializing_if = "Setting::is_inherit", default)]
    pub budget: Setting<Budget>,
    /// What a final failure means.
    #[serde(skip_serializing_if = "Setting::is_inherit", default)]
    pub on_error: Setting<OnError>,
    /// What it means that the process ended in the middle.
    #[serde(skip_serializing_if = "Setting::is_inherit", default)]
    pub on_interrupt: Setting<OnInterrupt>,
}

impl Settings {
    /// Nothing said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Deadline of one attempt; `None` switches it off.
    #[must_use]
    pub fn timeout(mut self, limit: impl Into<Setting<Duration>>) -> Self {
        self.timeout = limit.into();
        self
    }

    /// Deadline of all attempts and waits together; `None` switches it off.
    #[must_use]
    pub fn step_timeout(mut self, limit: impl Into<Setting<Duration>>) -> Self {
        self.step_timeout = limit.into();
        self
    }

    /// `n` more attempts after the first; `0` switches retries off.
    #[must_use]
    pub fn retries(mut self, n: u32) -> Self {
        self.edit_retry(|retry| retry.max_attempts = Some(n.saturating_add(1)));
        self
    }

    /// How long to wait between attempts.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.edit_retry(|retry| retry.backoff = Some(backoff));
        self
    }

    /// Attempts and back-off of this level; fields it leaves out are inherited.
    #[must_use]
    pub fn retry(mut self, layer: RetryLayer) -> Self {
        self.edit_retry(|retry| retry.lay(&layer));
        self
    }

    /// The named retry policy that applies.
    #[must_use]
    pub fn policy(mut self, name: impl Into<String>) -> Self {
        self.policy = Some(name.into());
        self
    }

    /// Budget of all attempts and items; `None` switches it off.
    #[must_use]
    pub fn budget(mut self, budget: impl Into<Setting<Budget>>) -> Self {
        self.budget = budget.into();
        self
    }

    /// What a final failure means.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = Setting::Is(on_error);
        self
    }

    /// What it means that the process ended in the middle.
    #[must_use]
    pub fn on_interrupt(mut self, on_interrupt: OnInterrupt) -> Self {
        self.on_interrupt = Setting::Is(on_interrupt);
        self
    }

    fn edit_retry(&mut self, edit: impl FnOnce(&mut RetryLayer)) {
        let mut layer = match std::mem::take(&mut self.retry) {
            Setting::Is(layer) => layer,
            Setting::Inherit | Setting::Off => RetryLayer::default(),
        };
        edit(&mut layer);
        self.retry = Setting::Is(layer);
    }

    /// Lays `over` over these settings: what it says wins.
    pub fn lay(&mut self, over: &Settings) {
        fn lay<T: Clone>(under: &mut Setting<T>, over: &Setting<T>) {
            if !over.is_inherit() {
                *under = over.clone();
            }
        }
        lay(&mut self.timeout, &over.timeout);
        lay(&mut self.step_timeout, &over.step_timeout);
        lay(&mut self.budget, &over.budget);
        lay(&mut self.on_error, &over.on_error);
        lay(&mut self.on_interrupt, &over.on_interrupt);
        if over.policy.is_some() {
            self.policy.clone_from(&over.policy);
            // A named policy counts as the level that asks for it: what lower levels said of retries is gone.
            self.retry = Setting::Inherit;
        }
        match &over.retry {
            Setting::Inherit => {}
            Setting::Off => self.retry = Setting::Off,
            Setting::Is(layer) => self.edit_retry(|retry| retry.lay(layer)),
        }
    }
}

/// What applies to a step in the end, after all levels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resolved {
    /// Deadline of one attempt.
    pub timeout: Option<Duration>,
    /// Deadline of all attempts and waits.
    pub step_timeout: Option<Duration>,
    /// Attempts and back-off.
    pub retry: Retry,
    /// Budget of all attempts and items.
    pub budget: Option<Budget>,
    /// What a final failure means.
    pub on_error: OnError,
    /// What it means that the process ended in the middle.
    pub on_interrupt: OnInterrupt,
}

impl Default for Resolved {
    fn default() -> Self {
        Self {
            timeout: None,
            step_timeout: None,
            retry: Retry::default(),
            budget: None,
            on_error: OnError::Fail,
            on_interrupt: OnInterrupt::Retry,
        }
    }
}

impl Resolved {
    /// Resolves levels, lowest first, for the step `name`, with the pipeline's named retry policies: the policy of the
    /// step's own name, then the one asked for by name, then `default`, then the built-in one.
    pub fn of<'a>(
        levels: impl IntoIterator<Item = &'a Settings>,
        name: &str,
        policies: &indexmap::IndexMap<String, RetryLayer>,
    ) -> Self {
        let mut all = Settings::default();
        for level in levels {
            all.lay(level);
        }
        let base = policies
            .get(name)
            .or_else(|| all.policy.as_ref().and_then(|policy| policies.get(policy)))
            .or_else(|| policies.get("default"));
        let mut retry = Retry::default();
        if let Some(base) = base {
            retry.lay(base);
        }
        match &all.retry {
            Setting::Inherit => {}
            Setting::Off => retry = Retry::default(),
            Setting::Is(layer) => retry.lay(layer),
        }
        fn some<T: Clone>(setting: &Setting<T>) -> Option<T> {
            match setting {
                Setting::Is(value) => Some(value.clone()),
                Setting::Inherit | Setting::Off => None,
            }
        }
        Self {
            timeout: some(&all.timeout),
            step_timeout: some(&all.step_timeout),
            retry,
            budget: some(&all.budget),
            on_error: some(&all.on_error).unwrap_or_default(),
            on_interrupt: some(&all.on_interrupt).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::secs;
    use indexmap::IndexMap;

    fn resolve(levels: &[Settings]) -> Resolved {
        Resolved::of(levels, "draft", &IndexMap::new())
    }

    #[test]
    fn a_higher_level_replaces_and_can_switch_off() {
        let low = Settings::new()
            .timeout(secs(30))
            .step_timeout(secs(60))
            .retries(2)
            .on_error(OnError::Skip);
        let all = resolve(&[low.clone(), Settings::new()]);
        assert_eq!((all.timeout, all.step_timeout), (Some(secs(30)), Some(secs(60))));
        assert_eq!((all.retry.max_attempts, all.on_error), (3, OnError::Skip));
        let off = Settings::new()
            .timeout(None)
            .step_timeout(None)
            .retries(0)
            .budget(None)
            .on_error(OnError::Fail);
        let all = resolve(&[low.clone().budget(crate::money::cents(5)), off]);
        assert_eq!(
            all,
            Resolved {
                retry: Retry {
                    max_attempts: 1,
                    ..Retry::default()
                },
                ..Resolved::default()
            }
        );
    }

    #[test]
    fn policies_are_found_by_step_name_then_by_asking_then_default() {
        let layer = |n| RetryLayer {
            max_attempts: Some(n),
            ..RetryLayer::default()
        };
        let mut policies: IndexMap<_, _> =
            [("default".to_owned(), layer(2)), ("review".to_owned(), layer(4))].into();
        let attempts =
            |levels: &[Settings], policies: &_| Resolved::of(levels, "draft", policies).retry.max_attempts;
        assert_eq!(attempts(&[], &policies), 2);
        assert_eq!(attempts(&[Settings::new().policy("review")], &policies), 4);
        assert_eq!(
            attempts(&[Settings::new().policy("review").retries(0)], &policies),
            1
        );
        policies.insert("draft".into(), layer(7));
        assert_eq!(attempts(&[Settings::new().policy("review")], &policies), 7);
    }
}
