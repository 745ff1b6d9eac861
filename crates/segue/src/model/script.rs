//! `sim/script`: a model that answers by rules written beforehand.
//!
//! Tests use it to say what each agent answers, and to raise what real providers do wrong: refusals, deadlines, broken
//! replies. The first [`Rule`] that fits a request and is not used up answers it; a request that no rule fits is a miss,
//! which names the nearest rule and what kept it from answering. Rules come from Rust or from YAML. What a model here
//! never does: look at instructions, answer by chance, or reach a network.

mod answer;
pub(crate) mod rule;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value as Json;

use super::{From, Memory, Model, Request, Response, Role};
use crate::clock;
use crate::error::{ErrorKind, Failure};
use crate::fault::{Faults, quote};

use rule::Difference;

pub use rule::{Malformed, Rule};
pub(crate) use rule::{index_of, is_step};

/// The most requests kept for [`Scripted::requests`]; the oldest go first.
const MAX_KEPT: usize = 10_000;

/// `sim/script`: answers by rules, the same for the same requests in the same order.
///
/// Clones share what was counted and asked, also under another name.
#[derive(Clone, Debug)]
pub struct Scripted {
    name: Arc<str>,
    rules: Arc<Vec<Rule>>,
    state: Arc<Mutex<State>>,
    /// Whether `times` is counted over all runs together.
    counts_all: bool,
}

/// What the requests so far have left behind.
#[derive(Debug, Default)]
struct State {
    /// How often each rule with a limit answered, by run and position of the rule.
    used: BTreeMap<String, BTreeMap<usize, u32>>,
    /// Which rules have answered, by their position.
    answered: BTreeSet<usize>,
    asked: VecDeque<Arc<Request>>,
    ledger: BTreeMap<String, u64>,
}

impl Scripted {
    /// A script without rules, which answers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            name: "sim/script".into(),
            rules: Arc::default(),
            state: Arc::default(),
            counts_all: false,
        }
    }

    /// A script of these rules, whose `times` is counted over all runs it answers in.
    pub(crate) fn of_case(rules: Vec<Rule>) -> Self {
        Self {
            rules: Arc::new(rules),
            counts_all: true,
            ..Self::new()
        }
    }

    /// Gives these replies in order, once each in every run, whoever asks; then every request is a miss.
    #[must_use]
    pub fn replies(texts: impl IntoIterator<Item = impl Into<String>>) -> Self {
        texts.into_iter().fold(Self::new(), |script, text| {
            script.rule(Rule::reply(text).times(1))
        })
    }

    /// Reads `{version: 1, script: [rules]}`.
    ///
    /// # Errors
    ///
    /// Every fault of the text, each with the number of its rule, counted from 1.
    pub fn from_yaml(text: &str) -> Result<Self, Faults> {
        Ok(Self {
            rules: Arc::new(crate::file::script::read(text)?),
            ..Self::new()
        })
    }

    /// Adds a rule after those there are.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        Arc::make_mut(&mut self.rules).push(rule);
        self
    }

    /// Goes by another name, for example `openai/gpt-5`, so that the prices of that model apply.
    #[must_use]
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// What was asked so far, misses included, in order; only the last 10,000 are kept.
    #[must_use]
    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.state().asked.iter().cloned().collect()
    }

    /// What the rules' `prompt` saw in each of [`Scripted::requests`] of a step, named as in a rule.
    #[must_use]
    pub fn prompts(&self, step: &str) -> Vec<String> {
        let asked = self.requests();
        asked
            .iter()
            .filter(|request| rule::is_step(step, &request.from.step))
            .map(|request| prompt(request))
            .collect()
    }

    /// How many requests came under each idempotency key, misses included; nothing is ever forgotten here.
    #[must_use]
    pub fn ledger(&self) -> BTreeMap<String, u64> {
        self.state().ledger.clone()
    }

    /// Which rules have answered, by their position.
    pub(crate) fn answered_by(&self) -> BTreeSet<usize> {
        self.state().answered.clone()
    }

    /// Notes a request and finds what answers it: a rule, with its number from 1.
    fn choose(&self, request: &Request, prompt: &Json) -> Option<(usize, &Rule)> {
        self.state().note(request);
        self.count(request, prompt)
    }

    /// Finds what answers a request, and counts it.
    fn count(&self, request: &Request, prompt: &Json) -> Option<(usize, &Rule)> {
        let mut state = self.state();
        for (at, rule) in self.rules.iter().enumerate() {
            if !rule.differences(&request.from, prompt).is_empty() {
                continue;
            }
            let Some(times) = rule.times else {
                state.answered.insert(at);
                return Some((at + 1, rule));
            };
            let run = &request.from.run;
            let counts = state.used.iter().filter(|(of, _)| self.counts_all || *of == run);
            let used: u32 = counts.filter_map(|(_, used)| used.get(&at)).sum();
            if used < times {
                state.answered.insert(at);
                *state.used.entry(run.clone()).or_default().entry(at).or_default() += 1;
                return Some((at + 1, rule));
            }
        }
        None
    }

    fn miss(&self, from: &From, prompt: &Json) -> Failure {
        let what = format!(
            "no rule of the script answers agent {} at step {}",
            quote(&from.agent),
            quote(&from.step)
        );
        let compared = self
            .rules
            .iter()
            .map(|rule| (rule, rule.differences(from, prompt)));
        let nearest = compared
            .enumerate()
            .min_by_key(|(_, (_, differences))| Difference::distance(differences));
        let why = match nearest {
            None => "it has no rules".to_owned(),
            Some((at, (rule, differences))) if differences.is_empty() => {
                format!("rule {} was used up after {}", at + 1, rule.times_in_words())
            }
            Some((at, (_, differences))) => {
                let differences: Vec<String> = differences.iter().map(ToString::to_string).collect();
                format!("the nearest is rule {}: {}", at + 1, differences.join("; "))
            }
        };
        let mut failure = Failure::new(ErrorKind::CassetteMiss, format!("{what}; {why}"));
        failure.nearest = Some(why);
        failure.hint(
            "add a rule for it; one without `agent`, `step` and `prompt` at the end answers everything else",
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs between two writes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Scripted {
    fn default() -> Self {
        Self::new()
    }
}

impl Model for Scripted {
    fn name(&self) -> &str {
        &self.name
    }

    fn answer<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Response, Failure>> {
        async move {
            let prompt = Json::String(prompt(request));
            let Some((number, rule)) = self.choose(request, &prompt) else {
                return Err(self.miss(&request.from, &prompt));
            };
            if !rule.delay.is_zero() {
                clock::sleep(rule.delay).await;
            }
            answer::by_rule(number, rule, request).await
        }
        .boxed()
    }

    fn memory(&self) -> Option<&dyn Memory> {
        Some(self)
    }
}

/// How often a rule has answered in a run outlives the process.
impl Memory for Scripted {
    fn forget(&self, run: &str) {
        self.state().used.remove(run);
    }

    fn recall(&self, request: &Request) {
        self.count(request, &Json::String(prompt(request)));
    }
}

impl State {
    fn note(&mut self, request: &Request) {
        if self.asked.len() == MAX_KEPT {
            self.asked.pop_front();
        }
        self.asked.push_back(Arc::new(request.clone()));
        *self.ledger.entry(request.idempotency_key.clone()).or_default() += 1;
    }
}

/// A reply that is wrong in a way of its own, whatever the rules say.
pub(crate) async fn malformed(how: Malformed, request: &Request) -> Result<Response, Failure> {
    answer::by_rule(0, &Rule::malformed(how), request).await
}

/// The text of all messages but the instructions.
pub(crate) fn prompt(request: &Request) -> String {
    let said = request
        .messages
        .iter()
        .filter(|message| message.role != Role::System);
    said.map(|message| message.text.as_str())
        .collect::<Vec<_>>()
        .join("\n\n")
}

#[cfg(test)]
mod tests;
