//! Patterns: agents that a program has registered, put to work in a ready-made way in one call.
//!
//! A pattern names agents and a strategy. It becomes a plan of ordinary steps, one for each turn of an agent, so that it
//! is checked, drawn, run, paid for and recorded like everything else. The patterns of pipeline files are read in
//! [`file`](crate::file) and expand here too.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use crate::error::{Error, PlanError};
use crate::fault::{Code, Fault, Faults, quote};
use crate::file::scalar::show_duration;
use crate::file::suggest::Nearest;
use crate::pipeline::Pipeline;
use crate::plan::{Input, OnFailure, Plan, PlannedPattern, RunSettings, StartMode};
use crate::registry::Registry;
use crate::schema::Schema;
use crate::settings::Settings;

mod arrangement;
mod expand;
mod guest;

pub(crate) use arrangement::BUILT_IN;
pub use arrangement::{Arrangement, Strategy, Turn};
pub(crate) use expand::{Cast, expand};
use guest::Guest;

/// The input of a pattern: what all its agents are asked.
pub(crate) const PROMPT: &str = "prompt";
/// Deadline of a run, where a pattern says nothing.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(300);
/// The longest and the shortest deadline of a run.
pub(crate) const TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);
/// The most further attempts of a step.
pub(crate) const MAX_RETRIES: u32 = 10;
/// Agents at work at once, where a pattern says nothing.
pub(crate) const CONCURRENCY: u32 = 5;
/// The most agents at work at once.
pub(crate) const MAX_CONCURRENCY: u32 = 20;

/// Registered agents, and how they are put to work.
///
/// ```
/// use segue::{Agent, Pattern, Registry};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let agent = |name: &str| Agent::<String>::new(name).instructions("Summarize.").model("local/extractive");
/// let registry = Registry::new().agent(&agent("brief")).agent(&agent("critic"));
///
/// let both = Pattern::parallel("both", ["brief", "critic"]).pipeline(&registry)?;
/// let done = both.run(json!({"prompt": "We open in Leipzig on Monday. Bring your phone."})).await?;
/// assert_eq!(done.output.as_array().map(Vec::len), Some(2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    name: String,
    strategy: String,
    agents: Vec<String>,
    guests: Vec<Guest>,
    description: Option<String>,
    timeout: Duration,
    retries: Option<u32>,
    concurrency: u32,
    fallback: Option<Box<Pattern>>,
}

impl Pattern {
    /// Each agent is given the prompt and the answer of the one before it.
    pub fn sequential(name: impl Into<String>, agents: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(name, "sequential", agents)
    }

    /// All agents are given the prompt, side by side; what comes out is a list of their answers in this order.
    pub fn parallel(name: impl Into<String>, agents: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(name, "parallel", agents)
    }

    /// The first agent decides whether the others follow, as in a sequence: false, none, 0, an empty text, list or map,
    /// and the text `no` or `false` mean no, and then its answer is what comes out.
    pub fn conditional(name: impl Into<String>, agents: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(name, "conditional", agents)
    }

    /// A pattern with a strategy by its name: `sequential`, `parallel`, `conditional` or one that the program registers
    /// with [`Registry::strategy`].
    pub fn new(
        name: impl Into<String>,
        strategy: impl Into<String>,
        agents: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            name: name.into(),
            strategy: strategy.into(),
            agents: agents.into_iter().map(Into::into).collect(),
            guests: Vec::new(),
            description: None,
            timeout: TIMEOUT,
            retries: None,
            concurrency: CONCURRENCY,
            fallback: None,
        }
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = Some(text.into());
        self
    }

    /// Knows an agent of a pipeline by this name, beside those that are registered: with the settings, retry policies and
    /// limits of tools that hold for it there, and the agents that it may ask. All of it becomes a part of the plan. The
    /// agent's instructions can read no input of its pipeline that has no default.
    ///
    /// ```
    /// use segue::{Pattern, Registry};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = "
    /// version: 1
    /// name: letters
    /// agents: { writer: { model: local/extractive, instructions: Summarize. } }
    /// steps: { write: { agent: writer, prompt: Go. } }
    /// ";
    /// let registry = Registry::new();
    /// let letters = segue::file::load_text(text, "letters.yaml", &registry)?.plan;
    /// let twice = Pattern::sequential("twice", ["author", "author"]).agent("author", &letters, "writer");
    /// assert_eq!(twice.plan(&registry)?.steps.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn agent(mut self, name: impl Into<String>, of: &Arc<Plan>, agent: impl Into<String>) -> Self {
        self.guests.push(Guest {
            name: name.into(),
            plan: of.clone(),
            agent: agent.into(),
        });
        self
    }

    /// Deadline of the whole run, from one second to an hour; five minutes where nothing is said.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Further attempts of each agent's step, at most 10; what the agent says where nothing is said.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Agents at work at once, from 1 to 20; 5 where nothing is said.
    #[must_use]
    pub fn concurrency(mut self, agents: u32) -> Self {
        self.concurrency = agents;
        self
    }

    /// What runs with the same prompt where this one fails. The run has then succeeded, by its fallback; a fallback has
    /// none of its own.
    #[must_use]
    pub fn fallback(mut self, pattern: Pattern) -> Self {
        self.fallback = Some(Box::new(pattern));
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The pipeline it is, with one input, `prompt`.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn pipeline(&self, registry: &Registry) -> Result<Pipeline<Json, Json>, Error> {
        Pipeline::from_plan(&self.plan(registry)?, registry)
    }

    /// Its plan, with what the program registers.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn plan(&self, registry: &Registry) -> Result<Arc<Plan>, PlanError> {
        let mut faults = Faults::new();
        let plan = self.expanded(registry, &mut faults);
        let fallback = self.fallback.as_ref().map(|fallback| {
            let plan = fallback.expanded(registry, &mut faults);
            if fallback.fallback.is_some() {
                let message = format!("fallback {} cannot have one of its own", quote(&fallback.name));
                faults.push(Fault::new(Code::Conflict, message));
            }
            OnFailure {
                plan: Arc::new(plan),
                with: Some(json!({PROMPT: "{{ inputs.prompt }}"})),
                after_budget: false,
            }
        });
        if faults.has_errors() {
            return Err(PlanError::new(self.name.clone(), faults));
        }
        Ok(Arc::new(Plan {
            on_failure: fallback.map(Box::new),
            ..plan
        }))
    }

    fn expanded(&self, registry: &Registry, faults: &mut Faults) -> Plan {
        let brought = guest::bring(&self.guests, faults);
        self.check(registry, faults);
        let arrangement = match arrangement(&self.strategy, self.agents.len(), |name| {
            registry.strategy_of(name)
        }) {
            Some(Ok(arrangement)) if !faults.has_errors() => arrangement,
            Some(Err(why)) => {
                let message = format!("strategy {} {why}", quote(&self.strategy));
                faults.push(Fault::new(Code::Conflict, message));
                Arrangement::new()
            }
            _ => Arrangement::new(),
        };
        let answer = |agent: &str| {
            let guest = brought.agents.get(agent).cloned();
            let agent = guest.or_else(|| Some(registry.agent_of(agent)?.planned()))?;
            Some(agent.output.clone().unwrap_or_else(Schema::string))
        };
        let cast = Cast {
            agents: &self.agents,
            prompt: "{{ inputs.prompt }}",
            retries: self.retries,
            answer: &answer,
            complete: &|agent| {
                let guest = brought.agents.get(agent);
                guest.map(|guest| guest.complete.clone()).unwrap_or_default()
            },
        };
        let expanded = expand(&arrangement, &cast);
        let mut inputs = IndexMap::from([(PROMPT.to_owned(), Schema::string())]);
        inputs.extend(brought.inputs);
        let plan = Plan {
            version: 1,
            name: self.name.clone(),
            title: None,
            description: self.description.clone(),
            labels: IndexMap::new(),
            input: Input::Named(inputs),
            key: None,
            start: StartMode::Auto,
            steps: expanded.steps,
            output: expanded.output,
            output_schema: expanded.output_schema,
            run: RunSettings {
                timeout: Some(self.timeout),
                max_parallel: self.concurrency,
                ..RunSettings::default()
            },
            defaults: Settings::default(),
            policies: brought.policies,
            models: brought.models,
            agents: brought.agents,
            tools: brought.tools,
            artifacts: Vec::new(),
            on_failure: None,
            pattern: Some(PlannedPattern {
                name: self.name.clone(),
                strategy: self.strategy.clone(),
            }),
        };
        crate::plan::check::check(&plan, faults);
        plan
    }

    fn check(&self, registry: &Registry, faults: &mut Faults) {
        let name = quote(&self.name);
        if self.agents.is_empty() {
            let message = format!("pattern {name} has no agents");
            faults.push(Fault::new(Code::EmptyDefinition, message));
        }
        let mut seen = HashSet::new();
        for agent in self.agents.iter().filter(|agent| seen.insert(*agent)) {
            let is_guest = self.guests.iter().any(|guest| guest.name == *agent);
            if !is_guest && registry.agent_of(agent).is_none() {
                let message = format!("pattern {name}: agent {} does not exist", quote(agent));
                let nearest = Nearest::of(agent, registry.agent_names(), "agents");
                faults.push(nearest.advise(Fault::new(Code::UnknownAgent, message)));
            }
        }
        let known = BUILT_IN.into_iter().chain(registry.strategy_names());
        if !known.clone().any(|known| known == self.strategy) {
            let message = format!(
                "pattern {name}: strategy {} does not exist",
                quote(&self.strategy)
            );
            let nearest = Nearest::of(&self.strategy, known, "strategies");
            faults.push(nearest.advise(Fault::new(Code::UnknownPattern, message)));
        }
        let mut out_of_range = |what: &str, range: String, is: String| {
            let message = format!("pattern {name}: `{what}` needs {range}, found {is}");
            faults.push(Fault::new(Code::NumberRange, message));
        };
        if !TIMEOUTS.contains(&self.timeout) {
            let is = show_duration(self.timeout);
            out_of_range("timeout", "1s to 3600s".to_owned(), is);
        }
        if let Some(retries) = self.retries.filter(|retries| *retries > MAX_RETRIES) {
            out_of_range("retries", format!("0 to {MAX_RETRIES}"), retries.to_string());
        }
        if !(1..=MAX_CONCURRENCY).contains(&self.concurrency) {
            let is = self.concurrency.to_string();
            out_of_range("concurrency", format!("1 to {MAX_CONCURRENCY}"), is);
        }
    }
}

/// The arrangement of so many agents by the strategy of a name; none where there is no such strategy or no agent.
pub(crate) fn arrangement(
    strategy: &str,
    agents: usize,
    registered: impl FnOnce(&str) -> Option<Arc<dyn Strategy>>,
) -> Option<Result<Arrangement, String>> {
    if agents == 0 {
        return None;
    }
    if let Some(arrangement) = arrangement::built_in(strategy, agents) {
        return Some(Ok(arrangement));
    }
    let made = registered(strategy)?.arrange(agents);
    Some(made.and_then(|made| match made.flaw(agents) {
        Some(flaw) => Err(flaw),
        None => Ok(made),
    }))
}
