//! One rule of a script: which requests it is for, and what it does with them.

use std::fmt;
use std::time::Duration;

use serde_json::Value as Json;

use crate::error::ErrorKind;
use crate::fault::quote;
use crate::matcher::{Condition, Matcher};
use crate::model::From;
use crate::usage::Usage;

/// A rule of a script: selectors, which must all fit, and one thing to do.
///
/// Made by what it does ([`Rule::reply`], [`Rule::json`], [`Rule::call`], [`Rule::calls`], [`Rule::error`],
/// [`Rule::malformed`]); without selectors it is for every request.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) agent: Option<String>,
    pub(crate) step: Option<String>,
    pub(crate) prompt: Matcher,
    pub(crate) action: Action,
    pub(crate) usage: Option<Usage>,
    pub(crate) times: Option<u32>,
    pub(crate) delay: Duration,
    pub(crate) retry_after: Option<Duration>,
}

/// What a rule does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Answers with text, which a schema of text makes a JSON string.
    Text(String),
    /// Answers with a value, sent as JSON.
    Value(Json),
    /// Wants tools called, by name and with arguments, all in one turn.
    Calls(Vec<(String, Json)>),
    /// Fails.
    Error(ErrorKind),
    /// Answers as no model should.
    Malformed(Malformed),
}

impl Action {
    /// Whether it is a failure and no answer.
    pub(crate) fn fails(&self) -> bool {
        matches!(
            self,
            Self::Error(_) | Self::Malformed(Malformed::HalfStream | Malformed::Slow)
        )
    }
}

/// A reply that is wrong in a way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Text that is not JSON.
    BadJson,
    /// JSON that does not fit the schema asked for.
    BadSchema,
    /// A reply that breaks off: a failure of kind `provider`.
    HalfStream,
    /// A reply of no text.
    Empty,
    /// A reply that takes an hour and still does not end: kind `timeout`, unless a deadline passes before.
    Slow,
}

impl Malformed {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::BadJson,
        Self::BadSchema,
        Self::HalfStream,
        Self::Empty,
        Self::Slow,
    ];

    /// Its word in a script.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::BadSchema => "bad_schema",
            Self::HalfStream => "half_stream",
            Self::Empty => "empty",
            Self::Slow => "slow",
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Rule {
    /// Answers with text; where a schema asks for text or one of several words, it is sent as a JSON string.
    #[must_use]
    pub fn reply(text: impl Into<String>) -> Self {
        Self::new(Action::Text(text.into()))
    }

    /// Answers with a value, sent as JSON.
    #[must_use]
    pub fn json(value: Json) -> Self {
        Self::new(Action::Value(value))
    }

    /// Wants a tool called.
    #[must_use]
    pub fn call(tool: impl Into<String>, arguments: Json) -> Self {
        Self::calls([(tool, arguments)])
    }

    /// Wants several tools called in one turn.
    #[must_use]
    pub fn calls(calls: impl IntoIterator<Item = (impl Into<String>, Json)>) -> Self {
        Self::new(Action::Calls(
            calls
                .into_iter()
                .map(|(tool, arguments)| (tool.into(), arguments))
                .collect(),
        ))
    }

    /// Fails, retryable as the kind is; `Panicked` panics.
    #[must_use]
    pub fn error(kind: ErrorKind) -> Self {
        Self::new(Action::Error(kind))
    }

    /// Answers as no model should.
    #[must_use]
    pub fn malformed(how: Malformed) -> Self {
        Self::new(Action::Malformed(how))
    }

    fn new(action: Action) -> Self {
        Self {
            agent: None,
            step: None,
            prompt: Matcher::default(),
            action,
            usage: None,
            times: None,
            delay: Duration::ZERO,
            retry_after: None,
        }
    }

    /// Only for requests of this agent.
    #[must_use]
    pub fn agent(mut self, name: impl Into<String>) -> Self {
        self.agent = Some(name.into());
        self
    }

    /// Only for requests of this step: its path, where a step without an index stands for all its items.
    #[must_use]
    pub fn step(mut self, path: impl Into<String>) -> Self {
        self.step = Some(path.into());
        self
    }

    /// Only for requests whose messages contain this text, instructions aside; several must all be contained.
    #[must_use]
    pub fn prompt_contains(mut self, text: impl Into<String>) -> Self {
        self.prompt.push(Condition::Contains(Json::String(text.into())));
        self
    }

    /// Answers so many times in each run, then is used up.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// What it says it used, also where it fails; without it an answer has a local count, and an error nothing.
    #[must_use]
    pub fn usage(mut self, usage: Usage) -> Self {
        self.usage = Some(usage);
        self
    }

    /// Waits before it answers.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The pause before the next attempt that a failure asks for; an answer carries none.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Whether no request of an agent and a step that another rule is for would get past this one, but for its prompt.
    pub(crate) fn takes_all_of(&self, later: &Self) -> bool {
        let of_agent = self.agent.is_none() || self.agent == later.agent;
        let of_step = match (&self.step, &later.step) {
            (None, _) => true,
            (Some(step), Some(later)) => is_step(step, later),
            (Some(_), None) => false,
        };
        self.times.is_none() && of_agent && of_step
    }

    /// What keeps it from being for a request; empty when it fits. `prompt` is the text without the instructions.
    pub(super) fn differences<'a>(&'a self, from: &'a From, prompt: &'a Json) -> Vec<Difference<'a>> {
        let agent = self.agent.as_deref().filter(|agent| *agent != from.agent);
        let step = self.step.as_deref().filter(|step| !is_step(step, &from.step));
        let agent = agent.map(|wanted| Difference::Agent {
            wanted,
            found: &from.agent,
        });
        let step = step.map(|wanted| Difference::Step {
            wanted,
            found: &from.step,
        });
        let prompt = self.prompt.unmet(prompt).map(|wanted| Difference::Prompt {
            wanted,
            found: prompt,
        });
        [agent, step, prompt].into_iter().flatten().collect()
    }

    /// How often it answers in one run, as messages say it.
    pub(super) fn times_in_words(&self) -> String {
        match self.times {
            None => "any number of times".to_owned(),
            Some(1) => "1 time".to_owned(),
            Some(times) => format!("{times} times"),
        }
    }
}

/// Whether a selector means a step path: segment by segment, each as it is or without its index.
pub(crate) fn is_step(selector: &str, path: &str) -> bool {
    let mut wanted = selector.split('/');
    let mut found = path.split('/');
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == found || Some(wanted) == without_index(found) => {}
            _ => return false,
        }
    }
}

/// The index at the end of a path: 2 of `collect[2]`.
pub(crate) fn index_of(path: &str) -> Option<u64> {
    let (_, index) = path.strip_suffix(']')?.rsplit_once('[')?;
    index.parse().ok()
}

/// `collect` of `collect[2]`.
fn without_index(segment: &str) -> Option<&str> {
    let (name, index) = segment.strip_suffix(']')?.rsplit_once('[')?;
    let is_index = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    is_index.then_some(name)
}

/// A selector that does not fit a request.
#[derive(Debug)]
pub(super) enum Difference<'a> {
    Agent { wanted: &'a str, found: &'a str },
    Step { wanted: &'a str, found: &'a str },
    Prompt { wanted: &'a Condition, found: &'a Json },
}

impl Difference<'_> {
    /// How far a rule is from a request: another agent is farther than any step, another step than any prompt.
    pub(super) fn distance(differences: &[Self]) -> u8 {
        let each = differences.iter().map(|difference| match difference {
            Self::Agent { .. } => 4,
            Self::Step { .. } => 2,
            Self::Prompt { .. } => 1,
        });
        each.sum()
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent { wanted, found } => {
                write!(f, "`agent` needs {}, found {}", quote(wanted), quote(found))
            }
            Self::Step { wanted, found } => {
                write!(f, "`step` needs {}, found {}", quote(wanted), quote(found))
            }
            Self::Prompt { wanted, found } => {
                let found = found.as_str().unwrap_or_default();
                write!(f, "`prompt` needs {wanted}, found {}", quote(found))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_named_by_its_path_with_or_without_indexes() {
        for (selector, path, expected) in [
            ("draft", "draft", true),
            ("draft", "drafts", false),
            ("collect", "collect[12]", true),
            ("collect[1]", "collect[1]", true),
            ("collect[1]", "collect[2]", false),
            ("collect", "collect[]", false),
            ("collect", "collect[x]", false),
            ("collect[1]", "collect", false),
            ("sub/fetch", "sub[0]/fetch[3]", true),
            ("sub[0]/fetch", "sub[0]/fetch[3]", true),
            ("sub[1]/fetch", "sub[0]/fetch[3]", false),
            ("fetch", "sub/fetch", false),
            ("sub", "sub/fetch", false),
            ("a", "a]", false),
        ] {
            assert_eq!(is_step(selector, path), expected, "{selector} {path}");
        }
    }
}
