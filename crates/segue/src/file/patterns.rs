//! Patterns of a file: agents put to work in a ready-made way. Each becomes a plan of ordinary steps at load.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::check::Checked;
use super::keys;
use super::names::Asking;
use super::reader::{Reader, Section};
use super::refer::Used;
use super::scalar::{self, show_duration};
use super::text::{Owner, place};
use super::yaml::Key;
use crate::fault::{Code, Faults, Span, quote};
use crate::pattern::{CONCURRENCY, Cast, MAX_CONCURRENCY, MAX_RETRIES, PROMPT, TIMEOUT, TIMEOUTS};
use crate::plan::{Action, Arm, Input, ModelRef, OnFailure, Plan, PlannedPattern, RunSettings, Step};
use crate::schema::Schema;

/// The most patterns of a file.
const MAX_PATTERNS: usize = 1000;
/// The most agents of a pattern.
const MAX_AGENTS: usize = 1000;

/// A pattern of the file.
pub(super) struct Declared {
    /// What it became, without the pipeline that runs where it fails.
    pub plan: Arc<Plan>,
    /// Its own prompt, a template.
    prompt: Option<String>,
    fallback: Fallback,
    /// Its key in the file.
    pub at: Span,
}

/// What runs where a pattern fails.
enum Fallback {
    /// What the file says for all of it.
    OfFile,
    Nothing,
    Pattern(String),
}

impl<'d> Reader<'_, '_, 'd> {
    /// Reads `patterns`. `base` is what the file says of all its plans.
    pub(super) fn patterns(&mut self, top: &Section<'d>, base: &Plan) {
        let named = self.named(top, "patterns", MAX_PATTERNS);
        if named.is_empty()
            && let Some((key, node)) = top.entry("patterns")
            && node.as_mapping().is_some_and(<[_]>::is_empty)
        {
            self.report(Code::EmptyDefinition, key.span, "`patterns` has no patterns");
        }
        for (key, _) in &named {
            self.names.patterns.insert(key.name.to_string(), None);
        }
        for (at, (key, node)) in named.into_iter().enumerate() {
            let subject = format!("pattern {}", quote(&key.name));
            if &*key.name == "none" {
                let message =
                    "`none` cannot be the name of a pattern: `fallback: none` says that there is none";
                self.report(Code::BadName, key.span, message);
            }
            let Some(section) = self.section(node, &keys::PATTERN, key.span, subject) else {
                continue;
            };
            let declared = self.declared(key, &section, at as u32, base);
            self.names.patterns.insert(key.name.to_string(), declared);
        }
    }

    fn declared(&mut self, key: &'d Key, section: &Section<'d>, at: u32, base: &Plan) -> Option<Declared> {
        let agents = self.cast(section);
        let strategy = self.strategy(section);
        let prompt = self.template(section, "prompt", &place::PATTERN, Owner::Pattern(at));
        let description = self.literal(section, "description").map(str::to_owned);
        let timeout = self.read(section, "timeout", scalar::duration).unwrap_or(TIMEOUT);
        if let Some(node) = section.get("timeout").filter(|_| !TIMEOUTS.contains(&timeout)) {
            let message = format!(
                "`timeout` of a pattern needs 1s to 3600s, found {}",
                show_duration(timeout)
            );
            self.report(Code::NumberRange, node.span, message);
        }
        let retries = self.count(section, "retries", 0, MAX_RETRIES);
        let concurrency = self.count(section, "concurrency", 1, MAX_CONCURRENCY);
        let fallback = self.named_fallback(section);
        let asked = self.prompt_of(section, prompt.as_deref());
        let (agents, strategy) = (agents?, strategy?);
        let arrangement = {
            let known = &self.loader.known;
            crate::pattern::arrangement(strategy, agents.len(), |name| known.strategy(name))?
        };
        let arrangement = match arrangement {
            Ok(arrangement) => arrangement,
            Err(why) => {
                let span = section.get("steps").map_or(section.at, |node| node.span);
                self.report(
                    Code::Conflict,
                    span,
                    format!("strategy {} {why}", quote(strategy)),
                );
                return None;
            }
        };
        let expanded = crate::pattern::expand(
            &arrangement,
            &Cast {
                agents: &agents,
                prompt: &asked?,
                retries,
                answer: &|agent| self.answer_of(agent),
                complete: &|agent| {
                    let own = self.names.agents.get(agent).map(|agent| &agent.asking);
                    let nothing = Asking::default();
                    Asking::resolve(&[own.unwrap_or(&nothing), &self.names.defaults.asking]).1
                },
            },
        );
        let plan = Plan {
            description: description.or_else(|| base.description.clone()),
            input: self.input_of(prompt.is_some()),
            output: expanded.output,
            output_schema: expanded.output_schema,
            steps: expanded.steps,
            run: RunSettings {
                timeout: Some(timeout),
                max_parallel: concurrency.unwrap_or(CONCURRENCY).min(base.run.max_parallel),
                ..base.run.clone()
            },
            pattern: Some(PlannedPattern {
                name: key.name.to_string(),
                strategy: strategy.to_owned(),
            }),
            ..base.clone()
        };
        Some(Declared {
            plan: Arc::new(plan),
            prompt,
            fallback: fallback?,
            at: key.span,
        })
    }

    /// The agents under `steps`, if all of them exist.
    fn cast(&mut self, section: &Section<'d>) -> Option<Vec<String>> {
        let named = self.texts_of(section, "steps")?;
        let (key, node) = section.entry("steps")?;
        if named.is_empty() && node.as_sequence().is_some_and(<[_]>::is_empty) {
            let message = format!("{} has no agents", section.subject);
            self.report(Code::EmptyDefinition, key.span, message);
        }
        if named.len() > MAX_AGENTS {
            let message = format!(
                "`steps` has {} agents, at most {MAX_AGENTS} are read",
                named.len()
            );
            self.report(Code::TooLarge, key.span, message);
            return None;
        }
        let mut agents = Vec::with_capacity(named.len());
        for (name, node) in &named {
            if self.use_agent(name, node.span) {
                agents.push((*name).to_owned());
            }
        }
        (agents.len() == named.len() && !agents.is_empty()).then_some(agents)
    }

    fn strategy(&mut self, section: &Section<'d>) -> Option<&'d str> {
        let Some(node) = section.get("strategy") else {
            return Some("sequential");
        };
        let name = self.value(node, "`strategy`", scalar::text)?;
        let known: Vec<String> = self.loader.known.strategies().map(str::to_owned).collect();
        if known.iter().any(|known| known == name) {
            return Some(name);
        }
        let message = format!("strategy {} does not exist", quote(name));
        let known = known.iter().map(String::as_str);
        self.unknown(
            Code::UnknownPattern,
            node.span,
            message,
            name,
            known,
            "strategies",
        );
        None
    }

    fn named_fallback(&mut self, section: &Section<'d>) -> Option<Fallback> {
        let Some(node) = section.get("fallback") else {
            return Some(Fallback::OfFile);
        };
        if scalar::is_none(node) {
            return Some(Fallback::Nothing);
        }
        let name = self.value(node, "`fallback`", scalar::text)?;
        if section.subject == format!("pattern {}", quote(name)) {
            let message = format!("{} is its own `fallback`", section.subject);
            self.report_with(Code::Cycle, node.span, message, "write `fallback: none`");
            return None;
        }
        self.known_pattern(name, node.span)
            .then(|| Fallback::Pattern(name.to_owned()))
    }

    /// Reports a pattern of this file that does not exist.
    pub(super) fn known_pattern(&mut self, name: &str, span: Span) -> bool {
        let known: Vec<String> = self.names.patterns.keys().cloned().collect();
        if known.iter().any(|known| known == name) {
            return true;
        }
        let message = format!("there is no pattern {}", quote(name));
        let known = known.iter().map(String::as_str);
        self.unknown(Code::UnknownPattern, span, message, name, known, "patterns");
        false
    }

    /// What the agents are asked: the pattern's prompt unless a caller gives another, or the input alone.
    fn prompt_of(&mut self, section: &Section<'d>, own: Option<&str>) -> Option<String> {
        let declared = self.names.inputs.get(PROMPT).cloned();
        match (own, declared) {
            // Where the file has an input of that name, its templates say themselves what becomes of it.
            (Some(own), Some(_)) => Some(own.to_owned()),
            (Some(own), None) => Some(format!(
                "{{% if inputs.prompt is none %}}{own}{{% else %}}{{{{ inputs.prompt }}}}{{% endif %}}"
            )),
            (None, _) if section.get("prompt").is_some() => None,
            (None, Some(schema)) if schema.may_be_null() => {
                let message = format!(
                    "{} has no `prompt`, and input `prompt` may be none",
                    section.subject
                );
                let hint = "give the pattern a `prompt`, or the input the type `string`";
                self.report_with(Code::NoPrompt, section.at, message, hint);
                None
            }
            (None, _) => Some("{{ inputs.prompt }}".to_owned()),
        }
    }

    /// The inputs of the file, and the prompt.
    fn input_of(&self, has_prompt: bool) -> Input {
        let mut inputs = self.names.inputs.clone();
        inputs.entry(PROMPT.to_owned()).or_insert_with(|| match has_prompt {
            true => Schema::trusted(json!({
                "type": ["string", "null"], "default": null, "description": "Instead of the pattern's prompt.",
            })),
            false => Schema::trusted(json!({"type": "string", "description": "What the agents are asked."})),
        });
        Input::Named(inputs)
    }

    /// `default_pattern`: what runs where there are no steps and nobody names a pattern.
    pub(super) fn default_pattern(&mut self, top: &Section<'d>) -> Option<String> {
        let Some((key, node)) = top.entry("default_pattern") else {
            let has_steps = top.get("steps").is_some();
            let only = self.names.patterns.keys().next().cloned();
            return only.filter(|_| !has_steps && self.names.patterns.len() == 1);
        };
        if top.get("steps").is_some() {
            let message = "`default_pattern` has no meaning beside `steps`, which are what runs";
            self.report_with(Code::Conflict, key.span, message, "leave one of them out");
        }
        let name = self.value(node, "`default_pattern`", scalar::text)?;
        self.known_pattern(name, node.span).then(|| name.to_owned())
    }

    /// What a file with patterns and no steps cannot say, because a strategy says it.
    pub(super) fn without_steps(&mut self, top: &Section<'d>) {
        if top.get("steps").is_some() {
            return;
        }
        if top.get("patterns").is_none() {
            let hint = "give it `steps`, or `patterns`";
            self.report_with(
                Code::MissingKey,
                top.at,
                format!("{} has no `steps`", top.subject),
                hint,
            );
            return;
        }
        for key in ["output", "output_schema", "artifacts"] {
            if let Some((key, _)) = top.entry(key) {
                let message = format!("`{}` belongs to `steps`, which are not there", key.name);
                let hint = "what a pattern gives is said by its strategy";
                self.report_with(Code::Conflict, key.span, message, hint);
            }
        }
    }

    /// A fallback that is written out and reads the steps of the pipeline cannot stand in for a pattern, which has others.
    pub(super) fn written_for_patterns(&mut self, at: Span, checked: &Checked) {
        let mut declared = self.names.patterns.values().flatten();
        let is_taken = declared.any(|declared| matches!(declared.fallback, Fallback::OfFile));
        if is_taken && checked.used.fallback_reads_steps {
            let message = "`on_failure` reads steps of the pipeline, which its patterns do not have";
            self.report_with(
                Code::Conflict,
                at,
                message,
                "give each pattern a `fallback`, or `none`",
            );
        }
    }

    /// Counts the input `prompt` as read by the patterns that have nothing else.
    pub(super) fn note_prompts(&self, used: &mut Used) {
        for (at, declared) in self.names.patterns.values().enumerate() {
            if declared
                .as_ref()
                .is_some_and(|declared| declared.prompt.is_none())
            {
                let inputs = used.inputs.entry(Owner::Pattern(at as u32)).or_default();
                inputs.names.insert(PROMPT.to_owned());
            }
        }
    }

    /// The patterns as they run: with what each step reads, and what runs where one fails. None has faults.
    pub(super) fn finished(
        &mut self,
        checked: &Checked,
        of_file: Option<&OnFailure>,
    ) -> IndexMap<String, Arc<Plan>> {
        let bare: IndexMap<String, Arc<Plan>> = self
            .names
            .patterns
            .iter()
            .filter_map(|(name, declared)| Some((name.clone(), declared.as_ref()?.plan.clone())))
            .collect();
        let patterns = std::mem::take(&mut self.names.patterns);
        let mut finished = IndexMap::with_capacity(bare.len());
        for (at, (name, declared)) in patterns.iter().enumerate() {
            let Some(declared) = declared else { continue };
            let mut plan = Plan::clone(&declared.plan);
            for step in &mut plan.steps {
                let agent = step.action.agent().unwrap_or_default().to_owned();
                step.reads = self.reads_of(&checked.used, Owner::Pattern(at as u32), vec![&agent]);
            }
            plan.on_failure = match &declared.fallback {
                Fallback::Nothing => None,
                Fallback::Pattern(other) => bare.get(other).map(|other| Box::new(passed_on(declared, other))),
                Fallback::OfFile => {
                    let itself = of_file.is_some_and(|fallback| Arc::ptr_eq(&fallback.plan, &declared.plan));
                    if itself {
                        let message = format!("`on_failure` makes pattern {} its own fallback", quote(name));
                        self.report_with(Code::Cycle, declared.at, message, "give it `fallback: none`");
                    }
                    of_file.cloned().map(Box::new)
                }
            };
            finished.insert(name.clone(), Arc::new(plan));
        }
        self.names.patterns = patterns;
        finished
    }

    /// The models that patterns ask, at the agents that name them.
    pub(super) fn asked_by_patterns(&self) -> Vec<(Span, &[ModelRef])> {
        let declared = self.names.patterns.values().flatten();
        let steps = declared.flat_map(|declared| declared.plan.steps.iter());
        let agents = steps.filter_map(|step| self.names.agents.get(step.action.agent()?));
        agents
            .map(|agent| (agent.at, agent.planned.models.as_slice()))
            .collect()
    }

    /// What holds for every plan, of each pattern.
    pub(super) fn check_patterns(&mut self, finished: &IndexMap<String, Arc<Plan>>) {
        for (name, plan) in finished {
            let mut faults = Faults::new();
            crate::plan::check::check(plan, &mut faults);
            let at = self.names.patterns.get(name).and_then(Option::as_ref);
            let span = at.map_or(Span::default(), |declared| declared.at);
            for fault in faults.list() {
                // What is said of the whole file is said once.
                let is_known = self
                    .loader
                    .faults
                    .list()
                    .iter()
                    .any(|known| known.message == fault.message);
                if !is_known {
                    let placed = fault.clone().at(self.doc.source.name(), self.doc.place(span));
                    let placed = self.with_pointer(placed, span);
                    self.push(placed);
                }
            }
        }
    }

    /// Puts patterns into the steps that run them, in the form in which they run.
    pub(super) fn put_in(&self, steps: &mut [Step], finished: &IndexMap<String, Arc<Plan>>) {
        for step in steps {
            self.put_into(step, finished);
            if let Action::Route { arms, .. } = &mut step.action {
                for arm in arms.values_mut() {
                    if let Arm::Inline(step) = arm {
                        self.put_into(step, finished);
                    }
                }
            }
        }
    }

    fn put_into(&self, step: &mut Step, finished: &IndexMap<String, Arc<Plan>>) {
        let Action::Pipeline { plan, .. } = &mut step.action else {
            return;
        };
        self.exchange(plan, finished);
    }

    fn exchange(&self, plan: &mut Arc<Plan>, finished: &IndexMap<String, Arc<Plan>>) {
        let own = self.names.patterns.iter().find(|(_, declared)| {
            let declared = declared.as_ref();
            declared.is_some_and(|declared| Arc::ptr_eq(&declared.plan, plan))
        });
        if let Some(finished) = own.and_then(|(name, _)| finished.get(name)) {
            *plan = finished.clone();
        }
    }
}

/// A pattern in place of another: with the same inputs, and the other's prompt where it has none of its own.
fn passed_on(failed: &Declared, other: &Arc<Plan>) -> OnFailure {
    let mut with = Map::new();
    if let Input::Named(inputs) = &other.input {
        for name in inputs.keys() {
            let is_bare = name == PROMPT && failed.has_own_prompt() && !inputs[name].may_be_null();
            let value = match is_bare {
                true => failed.asks(),
                false => format!("{{{{ inputs['{name}'] }}}}"),
            };
            with.insert(name.clone(), Json::String(value));
        }
    }
    OnFailure {
        plan: other.clone(),
        with: Some(Json::Object(with)),
        after_budget: false,
    }
}

impl Declared {
    /// Whether it runs without anybody giving it a prompt.
    fn has_own_prompt(&self) -> bool {
        match &self.plan.input {
            Input::Named(inputs) => inputs.get(PROMPT).is_some_and(Schema::may_be_null),
            Input::Value(_) => false,
        }
    }

    /// The template of what its agents are asked.
    fn asks(&self) -> String {
        let asked = self.plan.steps.first().map(|step| &step.action);
        match asked {
            Some(Action::Agent(asked)) => asked.prompt.clone().unwrap_or_default(),
            _ => String::new(),
        }
    }
}
