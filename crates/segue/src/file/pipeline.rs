//! One pipeline file: its sections in the order in which they build on each other, and the plan they become.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::check::{self, Checked, Graphs};
use super::keys;
use super::load::Loader;
use super::names::Defaults;
use super::reader::{Reader, Section};
use super::scalar;
use super::settings::{Days, Level};
use super::steps::{Graph, GraphKind};
use super::text::{Owner, place};
use super::yaml::{Doc, Node, Resolved};
use crate::fault::{Code, Faults, MAX_FAULTS, Span, quote};
use crate::plan::{FailurePolicy, Input, OnFailure, Output, Plan, RunSettings, StartMode, Step, StepIndex};
use crate::schema::Schema;

/// The version of the format.
const VERSION: i64 = 1;
/// The most inputs, models or policies of a file.
const MAX_NAMED: usize = 1000;
/// The most labels.
const MAX_LABELS: usize = 16;

/// What a pipeline file came to be.
#[derive(Default, Clone)]
pub(super) struct Read {
    /// What runs when the file is named: its steps, or its default pattern; none where it does not say which.
    pub plan: Option<Arc<Plan>>,
    /// Its patterns.
    pub patterns: IndexMap<String, Arc<Plan>>,
    /// Where `patterns` is said.
    pub patterns_at: Span,
}

/// Reads a pipeline file in `folder`; none where it has errors.
pub(super) fn read(loader: &mut Loader<'_>, doc: &Doc, folder: &str) -> Option<Read> {
    // Kept apart, so that it is known whether this file has errors.
    let before = std::mem::take(&mut loader.faults);
    let mut reader = Reader::new(loader, doc, folder);
    let read = reader.pipeline();
    let found = std::mem::replace(&mut loader.faults, before);
    let read = read.filter(|_| !found.has_errors());
    loader.faults.append(found);
    read
}

/// What `on_failure` came to be.
struct Fallback<'d> {
    /// The pipeline of another file; none where its steps are written out.
    called: Option<(Arc<Plan>, Json)>,
    graph: Option<Graph<'d>>,
    output: Option<String>,
    after_budget: bool,
    at: Span,
}

impl<'d> Reader<'_, '_, 'd> {
    fn pipeline(&mut self) -> Option<Read> {
        let root = &self.doc.root;
        if root.as_mapping().is_some_and(<[_]>::is_empty) {
            let start = Span::default();
            self.report_with(
                Code::EmptyDefinition,
                start,
                "there is nothing in it",
                "start with `version: 1`",
            );
            return None;
        }
        self.version(root)?;
        let top = self.section(root, &keys::PIPELINE, Span::default(), "the pipeline")?;
        self.without_steps(&top);
        self.secret_references();
        let base = self.base(&top);
        self.patterns(&top, &base);
        let default = self.default_pattern(&top);
        let main = self.steps(&top, GraphKind::Main);
        let output = self.output(&top);
        let output_schema = self.schema_of(&top, "output_schema");
        let artifacts = self.artifacts(&top, &place::ARTIFACT, Owner::End);
        let mut fallback = self.fallback(&top);
        let graphs = Graphs {
            main,
            fallback: fallback.as_mut().and_then(|fallback| fallback.graph.take()),
        };
        let mut checked = check::check(self, graphs, &top, output_schema.as_ref(), base.run.budget);
        if base.name.is_empty() {
            // That it has none has been said.
            return None;
        }
        let on_failure = fallback.map(|fallback| {
            self.on_failure(fallback, std::mem::take(&mut checked.fallback), &base, &checked)
        });
        let patterns = self.finished(&checked, on_failure.as_ref());
        self.put_in(&mut checked.main, &patterns);
        let plan = Plan {
            output: output.unwrap_or_else(|| Output::Last(last(&checked.main))),
            output_schema: output_schema.or(checked.output),
            steps: checked.main,
            artifacts,
            on_failure: on_failure.map(Box::new),
            ..base
        };
        let has_steps = top.get("steps").is_some();
        if !self.loader.faults.has_errors() {
            if has_steps {
                self.check_plan(&plan, &top);
            }
            self.check_patterns(&patterns);
        }
        Some(Read {
            plan: match has_steps {
                true => Some(Arc::new(plan)),
                false => default.and_then(|name| patterns.get(&name).cloned()),
            },
            patterns,
            patterns_at: top.entry("patterns").map_or(Span::default(), |(key, _)| key.span),
        })
    }

    /// What all plans of the file have in common; the name is empty where there is none.
    fn base(&mut self, top: &Section<'d>) -> Plan {
        let name = self.read(top, "name", scalar::name).unwrap_or_default();
        let title = self.title(top);
        let description = self.literal(top, "description").map(str::to_owned);
        let labels = self.labels(top);
        self.inputs(top);
        self.models_by_name(top);
        self.policies(top);
        self.defaults(top);
        self.tool_limits(top);
        self.agents(top);
        let run = self.run_settings(top);
        let start = match self.read(top, "start", |node| scalar::choice(node, &["auto", "manual"])) {
            Some("manual") => StartMode::Manual,
            _ => StartMode::Auto,
        };
        let key = self.expression(top, "key", &place::KEY, Owner::Key);
        Plan {
            version: 1,
            name: name.to_owned(),
            title,
            description,
            labels,
            input: Input::Named(self.names.inputs.clone()),
            key,
            start,
            output: Output::Last(Vec::new()),
            output_schema: None,
            steps: Vec::new(),
            run,
            defaults: self.names.defaults.settings.clone(),
            policies: self.names.policies.clone(),
            models: self.names.models.clone(),
            agents: self
                .names
                .agents
                .iter()
                .map(|(name, agent)| (name.clone(), agent.planned.clone()))
                .collect(),
            tools: self.names.tools.clone(),
            artifacts: Vec::new(),
            on_failure: None,
            pattern: None,
        }
    }

    /// The fallback of the file's plans. One that is written out sees what the failed run saw, with the names of its
    /// file.
    fn on_failure(
        &mut self,
        fallback: Fallback<'_>,
        steps: Vec<Step>,
        base: &Plan,
        checked: &Checked,
    ) -> OnFailure {
        let after_budget = fallback.after_budget;
        let (plan, with) = match fallback.called {
            Some((plan, with)) => (plan, Some(with)),
            None => {
                self.written_for_patterns(fallback.at, checked);
                let output = fallback
                    .output
                    .map_or_else(|| Output::Last(last(&steps)), Output::Expression);
                let written = Plan {
                    title: None,
                    key: None,
                    start: StartMode::Auto,
                    output,
                    steps,
                    run: RunSettings {
                        budget: None,
                        timeout: None,
                        ..base.run.clone()
                    },
                    ..base.clone()
                };
                (Arc::new(written), None)
            }
        };
        OnFailure {
            plan,
            with,
            after_budget,
        }
    }

    /// What holds for every plan, whatever it was written in.
    fn check_plan(&mut self, plan: &Plan, top: &Section<'d>) {
        let mut faults = Faults::new();
        crate::plan::check::check(plan, &mut faults);
        let steps = top.get("steps");
        for fault in faults.list() {
            let step = fault.step.as_deref().and_then(|step| steps?.entry(step));
            let span = step.map_or(Span::default(), |(key, _)| key.span);
            let placed = fault.clone().at(self.doc.source.name(), self.doc.place(span));
            let placed = self.with_pointer(placed, span);
            self.push(placed);
        }
    }

    /// Of another version nothing more can be said.
    fn version(&mut self, root: &'d Node) -> Option<()> {
        let Some((_, node)) = root.entry("version") else {
            return Some(());
        };
        match node.resolve() {
            Some(Resolved::Int(VERSION)) => Some(()),
            Some(Resolved::Int(other)) => {
                let message = format!("version {other} of the format is not read here");
                self.report_with(Code::UnknownVersion, node.span, message, "write `version: 1`");
                None
            }
            _ => {
                let message = format!("`version` needs the number 1, found {}", node.describe());
                self.report_with(Code::WrongType, node.span, message, "write `version: 1`");
                Some(())
            }
        }
    }

    /// Secrets are never in scope, nor anything else in a pipeline file.
    fn secret_references(&mut self) {
        let text = self.doc.source.text();
        let spans: Vec<Span> = text
            .match_indices("secret://")
            .map(|(at, word)| Span::new(at..at + word.len()))
            .take(MAX_FAULTS)
            .collect();
        for span in spans {
            let hint = "secrets belong to the operator's `segue.toml`";
            self.report_with(
                Code::SecretNotAllowed,
                span,
                "a pipeline file cannot name a secret",
                hint,
            );
        }
    }

    fn labels(&mut self, top: &Section<'d>) -> IndexMap<String, String> {
        let mut labels = IndexMap::new();
        let Some((key, node)) = top.entry("labels") else {
            return labels;
        };
        for (name, value) in self.entries(node, "`labels`").unwrap_or_default() {
            if let Some(text) = self.value(value, &format!("label {}", quote(&name.name)), scalar::text) {
                self.warn_of_braces(text, value, "labels");
                labels.insert(name.name.to_string(), text.to_owned());
            }
        }
        if labels.len() > MAX_LABELS {
            let message = format!(
                "`labels` has {} entries, at most {MAX_LABELS} are read",
                labels.len()
            );
            self.report(Code::TooLarge, key.span, message);
        }
        labels
    }

    fn inputs(&mut self, top: &Section<'d>) {
        for (key, node) in self.named(top, "inputs", MAX_NAMED) {
            let name = quote(&key.name);
            let schema = self
                .schema(node, &format!("input {name}"))
                .unwrap_or_else(Schema::any);
            if let Some(value) = schema.default_value()
                && let Some(violation) = schema.violations(value).first()
            {
                let span = node.get("default").map_or(node.span, |node| node.span);
                let message = format!(
                    "the default of input {name} does not fit its type: {}",
                    violation.message
                );
                self.report(Code::SchemaMismatch, span, message);
            }
            self.names.inputs.insert(key.name.to_string(), schema);
        }
    }

    fn models_by_name(&mut self, top: &Section<'d>) {
        for (key, node) in self.named(top, "models", MAX_NAMED) {
            let models = self.models(node, key.span, &format!("model {}", quote(&key.name)));
            // Known by name in any case, so that its users are not at fault.
            self.names
                .models
                .insert(key.name.to_string(), models.unwrap_or_default());
        }
    }

    fn policies(&mut self, top: &Section<'d>) {
        for (key, node) in self.named(top, "retries", MAX_NAMED) {
            let subject = format!("retry policy {}", quote(&key.name));
            let policy = self.retry(node, key.span, &subject, Level::SHARED);
            self.names
                .policies
                .insert(key.name.to_string(), policy.unwrap_or_default());
        }
    }

    fn defaults(&mut self, top: &Section<'d>) {
        let Some(section) = self.section_of(top, "defaults", &keys::DEFAULTS) else {
            return;
        };
        let default_policy = top.get("retries").and_then(|node| node.entry("default"));
        for key in ["retries", "retry"] {
            if let (Some((policy, _)), Some((key, _))) = (default_policy, section.entry(key)) {
                let message = format!(
                    "`{}` in `defaults` and the policy `default` say the same twice",
                    key.name
                );
                let fault = self
                    .fault(Code::Conflict, key.span, message)
                    .hint("keep one of them")
                    .related(self.doc.place(policy.span), "the policy is here");
                self.push(fault);
            }
        }
        let settings = self.settings(&section, Level::SHARED);
        let asking = self.asking(&section, Level::SHARED);
        let model = self.model(&section);
        if let Some(node) = section.get("on_error").and_then(|node| node.get("run")) {
            let message = "`on_error: {run: STEP}` is said by a step, not for all of them";
            self.report(Code::Conflict, node.span, message);
        }
        let failed = model.is_none() && section.get("model").is_some();
        // A model with a fault is a model: its agents are not without one.
        let model = if failed { Some((None, Vec::new())) } else { model };
        self.names.defaults = Defaults {
            settings,
            asking,
            model,
        };
    }

    fn run_settings(&mut self, top: &Section<'d>) -> RunSettings {
        let mut run = RunSettings {
            timeout: self.read(top, "timeout", scalar::duration_or_none).flatten(),
            budget: self.budget(top, Days::Allowed).flatten(),
            ..RunSettings::default()
        };
        if let Some(most) = self.count(top, "max_parallel", 1, keys::MAX_PARALLEL as u32) {
            run.max_parallel = most;
        }
        if let Some("fail_fast") = self.read(top, "failure", |node| {
            scalar::choice(node, &["continue", "fail_fast"])
        }) {
            run.failure = FailurePolicy::FailFast;
        }
        run
    }

    fn output(&mut self, top: &Section<'d>) -> Option<Output> {
        let node = top.get("output")?;
        if node.as_mapping().is_some() || node.as_sequence().is_some() {
            return Some(Output::Template(self.templates(node, &place::OUTPUT, Owner::End)));
        }
        self.expression(top, "output", &place::OUTPUT, Owner::End)
            .map(Output::Expression)
    }

    fn fallback(&mut self, top: &Section<'d>) -> Option<Fallback<'d>> {
        let (key, node) = top.entry("on_failure")?;
        if scalar::is_none(node) {
            return None;
        }
        let section = self.section(node, &keys::FALLBACK, key.span, "`on_failure`")?;
        let after_budget = self
            .texts_of(&section, "also")
            .unwrap_or_default()
            .into_iter()
            .any(|(word, node)| {
                if word != "budget" {
                    self.report(
                        Code::WrongType,
                        node.span,
                        format!("`also` needs `budget`, found {}", quote(word)),
                    );
                }
                word == "budget"
            });
        let (calls, writes) = (section.get("pipeline").is_some(), section.get("steps").is_some());
        if let (Some((first, _)), Some((second, _))) = (section.entry("pipeline"), section.entry("steps")) {
            let fault = self
                .fault(
                    Code::Conflict,
                    second.span,
                    "`on_failure` has both `pipeline` and `steps`",
                )
                .related(self.doc.place(first.span), "`pipeline` is here");
            self.push(fault);
        }
        if !calls && !writes {
            let hint = "give it `pipeline` or `steps`";
            self.report_with(Code::NoAction, key.span, "`on_failure` does nothing", hint);
        }
        for (key, belongs) in [("with", calls), ("output", writes)] {
            if let (Some((key, _)), false) = (section.entry(key), belongs) {
                let message = format!("`{}` has no meaning in this `on_failure`", key.name);
                self.report(Code::UnknownKey, key.span, message);
            }
        }
        if calls {
            let (plan, with, fits) = self.called_pipeline(&section, &place::FALLBACK, Owner::Fallback)?;
            self.fallback_fits = fits;
            return Some(Fallback {
                called: Some((plan, with)),
                graph: None,
                output: None,
                after_budget,
                at: key.span,
            });
        }
        let graph = self.steps(&section, GraphKind::Fallback);
        let output = self.expression(&section, "output", &place::FALLBACK, Owner::FallbackEnd);
        Some(Fallback {
            called: None,
            graph: Some(graph),
            output,
            after_budget,
            at: key.span,
        })
    }
}

/// The steps nothing depends on. What only stands in for another step ends with that one.
pub(super) fn last(steps: &[Step]) -> Vec<StepIndex> {
    let mut is_needed = vec![false; steps.len()];
    for step in steps {
        for need in &step.needs {
            is_needed[need.step as usize] = true;
        }
        if let Some(arm) = &step.arm {
            is_needed[arm.route as usize] = true;
        }
    }
    let ends = steps
        .iter()
        .zip(&is_needed)
        .enumerate()
        .filter(|(_, (step, needed))| !**needed && !step.standby);
    ends.map(|(at, _)| at as StepIndex).collect()
}
