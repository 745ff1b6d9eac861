//! A run as everybody reads it: a fold of its plan and its events.
//!
//! The live screen applies events as they come, a replay applies them all; both end with the same view. Whoever draws,
//! prints or serves a run starts here: [`RunView::record`] is its shape at rest, the timeline, the ledger and the graph
//! are made from it. It never asks the run itself, and takes events in any order without complaint: what it does not
//! understand it leaves out.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

mod onward;
mod place;
mod progress;
mod questions;
mod record;
mod step;
mod steps;
#[cfg(test)]
mod tests;
mod track;

pub use record::{ArtifactView, Drift, RUN_SCHEMA, RouteView, RunRecord, Share, StepCounts, Trigger};
pub use step::{AttemptOutcome, AttemptResolution, AttemptView, ItemsView, OutputHash, StepView, WaitMs};
pub(crate) use steps::{At, Steps};
pub(crate) use track::millis;

use super::budgets::Budgets;
use super::call::{CallView, Calls};
use super::timeline::Segment;
use super::{Built, RunStatus, StepStatus, stale};
use crate::budget::limit::BudgetState;
use crate::clock::Time;
use crate::error::{Failure, Spent};
use crate::id::{ArtifactId, RunId};
use crate::log::{Event, EventKind};
use crate::money::Cost;
use crate::plan::{Plan, hash_of};
use crate::question::Question;
use crate::usage::Usage;
use crate::value::Value;
use questions::Questions;

/// A run, as far as its events tell. Serializes as [`RunRecord`].
#[derive(Clone, PartialEq)]
pub struct RunView {
    plan: Option<Arc<Plan>>,
    /// Everything of the record that is not worked out from the other fields.
    record: RunRecord,
    artifacts: IndexMap<ArtifactId, ArtifactView>,
    steps: Steps,
    calls: Calls,
    questions: Questions,
    budgets: Budgets,
    now: Option<Time>,
    /// Whether it is kept in a store, where others can go on with it.
    is_kept: bool,
}

impl RunView {
    /// A run of this plan before its first event. Without a plan only the steps that were heard of are known.
    #[must_use]
    pub fn new(plan: Option<Arc<Plan>>) -> Self {
        let pipeline = plan.as_ref().map(|plan| plan.name.clone()).unwrap_or_default();
        let mut record = RunRecord::new(pipeline);
        record.pattern = plan.as_ref().and_then(|plan| plan.pattern.clone());
        Self {
            steps: Steps::new(plan.clone()),
            plan,
            record,
            artifacts: IndexMap::new(),
            calls: Calls::default(),
            questions: Questions::default(),
            budgets: Budgets::default(),
            now: None,
            is_kept: false,
        }
    }

    /// A run of this plan after these events.
    #[must_use]
    pub fn replay(plan: Option<Arc<Plan>>, events: &[Event]) -> Self {
        let mut view = Self::new(plan);
        for event in events {
            view.apply(event);
        }
        view
    }

    /// Takes one more event. One that is not after the last one taken was seen before and changes nothing.
    pub fn apply(&mut self, event: &Event) {
        if event.seq <= self.record.last_seq {
            return;
        }
        self.record.last_seq = event.seq;
        self.record.id.get_or_insert(event.run);
        self.now = Some(event.time);
        self.budgets.apply(&event.kind);
        let path = event.step.as_deref().filter(|path| !path.is_empty());
        match &event.kind {
            EventKind::QuestionAsked { question } => self.asked(path, question),
            EventKind::QuestionAnswered {
                question, by, answer, ..
            } => {
                let question = self.questions.answered(*question, by, answer);
                question
                    .into_iter()
                    .for_each(|question| self.steps.question(question, event.time));
            }
            EventKind::QuestionExpired { question, .. } => {
                let question = self.questions.expired(*question);
                question
                    .into_iter()
                    .for_each(|question| self.steps.question(question, event.time));
            }
            EventKind::RouteChosen { arm, by, reason, .. } => {
                let Some(path) = path else { return };
                let route = RouteView {
                    step: path.to_owned(),
                    arm: arm.clone(),
                    by: by.clone(),
                    reason: reason.clone(),
                    fallback: by == "fallback",
                };
                self.record.route.push(route.clone());
                self.steps.chose(path, route);
            }
            EventKind::ArtifactSaved {
                artifact,
                name,
                bytes,
                sha256,
                media_type,
            } => {
                let saved = ArtifactView {
                    id: *artifact,
                    name: name.clone(),
                    link: None,
                    step: path.map(str::to_owned),
                    bytes: *bytes,
                    sha256: sha256.clone(),
                    media_type: media_type.clone(),
                };
                self.artifacts.insert(*artifact, saved);
            }
            EventKind::ArtifactLinked { link, artifact } => {
                if let Some(artifact) = self.artifacts.get_mut(artifact) {
                    artifact.link = Some(link.clone());
                }
            }
            _ => {
                self.run_event(event);
                if let Some(path) = path {
                    self.steps.apply(path, event, &mut self.calls);
                    self.call_event(path, event);
                }
            }
        }
    }

    /// How the budgets that the run has met stand.
    pub fn budgets(&self) -> impl Iterator<Item = BudgetState> {
        self.budgets.states()
    }

    /// The run at rest, the shape in which everybody reads it.
    #[must_use]
    pub fn record(&self) -> RunRecord {
        let own = |at| self.steps.view(at);
        let stale = self.stale();
        let inputs = OnceCell::new();
        let marked = |step: &StepView| {
            let mut step = step.clone();
            if step.input_hash.is_none() && step.started.is_some() {
                let inputs = inputs.get_or_init(|| hash_of(&self.record.inputs));
                step.input_hash = Some(self.input_hash(&step, inputs));
            }
            if let Some(because) = stale.get(&step.path) {
                step.stale = true;
                step.stale_because.clone_from(because);
            }
            (step.path.clone(), step)
        };
        RunRecord {
            steps: self.steps.below("").map(own).map(marked).collect(),
            next: self.next(!stale.is_empty()),
            stale_steps: stale.keys().cloned().collect(),
            step_counts: self.step_counts(),
            failed_steps: self.failed_steps().map(str::to_owned).collect(),
            artifacts: self.artifacts.values().cloned().collect(),
            questions: match self.status() {
                RunStatus::Waiting => self.open_questions().cloned().collect(),
                _ => Vec::new(),
            },
            budget: self
                .budgets()
                .filter_map(|state| serde_json::to_value(state).ok())
                .collect(),
            ..self.record.clone()
        }
    }

    /// The steps whose results were made from something that has changed since, each with what has changed.
    #[must_use]
    pub fn stale(&self) -> IndexMap<String, Vec<String>> {
        let Some(plan) = self.plan.as_ref().filter(|_| self.steps.has_reused()) else {
            return IndexMap::new();
        };
        let results = self.steps().filter_map(|step| {
            let is_there = matches!(step.status, StepStatus::Succeeded | StepStatus::Skipped);
            let hash = step.output_hash.get();
            let on = step.built_on.clone();
            is_there.then(|| (step.path.clone(), Built { hash, on }))
        });
        stale(plan, &results.collect())
    }

    /// A picture for a terminal: the steps, how each ended, what it took. Empty where the plan is not known.
    #[must_use]
    pub fn picture(&self) -> String {
        let drawn =
            |plan: &Arc<Plan>| super::draw::text(&super::GraphView::of(plan, Some(self), true).drawing());
        self.plan.as_ref().map(drawn).unwrap_or_default()
    }

    /// Its id; none before its first event.
    #[must_use]
    pub fn id(&self) -> Option<RunId> {
        self.record.id
    }

    /// The plan it was given.
    #[must_use]
    pub fn plan(&self) -> Option<&Arc<Plan>> {
        self.plan.as_ref()
    }

    /// The pipeline.
    #[must_use]
    pub fn pipeline(&self) -> &str {
        &self.record.pipeline
    }

    /// The content hash of the plan it is pinned to; empty before its first event.
    #[must_use]
    pub fn plan_hash(&self) -> &str {
        &self.record.plan_hash
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> RunStatus {
        self.record.status
    }

    /// Whether the fallback pipeline made the output.
    #[must_use]
    pub fn fallback(&self) -> bool {
        self.record.fallback
    }

    /// What went in.
    #[must_use]
    pub fn inputs(&self) -> &Json {
        &self.record.inputs
    }

    /// What it made.
    #[must_use]
    pub fn output(&self) -> Option<&Value> {
        self.record.output.as_ref()
    }

    /// Why it failed.
    #[must_use]
    pub fn error(&self) -> Option<&Arc<Failure>> {
        self.record.error.as_ref()
    }

    /// When it came to exist.
    #[must_use]
    pub fn queued(&self) -> Option<Time> {
        self.record.queued
    }

    /// When it began.
    #[must_use]
    pub fn started(&self) -> Option<Time> {
        self.record.started
    }

    /// When it was over.
    #[must_use]
    pub fn ended(&self) -> Option<Time> {
        self.record.ended
    }

    /// From its start to its end; none before.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        self.record.duration_ms.map(Duration::from_millis)
    }

    /// The time of the last event.
    #[must_use]
    pub fn now(&self) -> Option<Time> {
        self.now
    }

    /// The last event taken.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.record.last_seq
    }

    /// Everything used and spent: what calls reported so far, then what the end of the run says.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent {
            usage: self.record.usage,
            cost: self.record.cost,
        }
    }

    /// Everything used.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.record.usage
    }

    /// Everything spent.
    #[must_use]
    pub fn cost(&self) -> &Cost {
        &self.record.cost
    }

    /// What its answers cost when they were recorded, where they are replayed.
    #[must_use]
    pub fn recorded_cost(&self) -> Option<&Cost> {
        self.record.recorded_cost.as_ref()
    }

    /// Calls by agent.
    #[must_use]
    pub fn by_agent(&self) -> &BTreeMap<String, Share> {
        &self.record.by_agent
    }

    /// Calls by model, as `provider/model`.
    #[must_use]
    pub fn by_model(&self) -> &BTreeMap<String, Share> {
        &self.record.by_model
    }

    /// Choices of routes, in the order in which they were made.
    #[must_use]
    pub fn routes(&self) -> &[RouteView] {
        &self.record.route
    }

    /// Artifacts, in the order in which they were saved.
    pub fn artifacts(&self) -> impl Iterator<Item = &ArtifactView> {
        self.artifacts.values()
    }

    /// The questions that nobody has answered yet, in the order in which they were asked.
    pub fn open_questions(&self) -> impl Iterator<Item = &Question> {
        self.questions.open()
    }

    /// The steps of the run's own plan, in declaration order.
    pub fn steps(&self) -> impl Iterator<Item = &StepView> {
        self.children("")
    }

    /// The record of a step, item, round or nested step.
    #[must_use]
    pub fn step(&self, path: &str) -> Option<&StepView> {
        self.steps.find(path).map(|at| self.steps.view(at))
    }

    /// The records right below a path: items of a map, rounds of a repeat, steps of a nested pipeline, the arm of a
    /// route.
    pub fn children(&self, path: &str) -> impl Iterator<Item = &StepView> {
        self.steps.below(path).map(|at| self.steps.view(at))
    }

    /// Every record: declaration order, what is nested right behind what it is nested in.
    pub fn all_steps(&self) -> impl Iterator<Item = &StepView> {
        self.steps.walk().map(|at| self.steps.view(at))
    }

    /// How many steps of the run's own plan stand where.
    #[must_use]
    pub fn step_counts(&self) -> StepCounts {
        self.steps.counts()
    }

    /// Which steps of the run's own plan failed, in declaration order.
    pub fn failed_steps(&self) -> impl Iterator<Item = &str> {
        self.steps.failed().map(|step| step.path.as_str())
    }

    /// Every call, in the order in which they were begun.
    pub fn calls(&self) -> impl Iterator<Item = &CallView> {
        self.calls.all()
    }

    /// The calls of one step, item, round or nested step.
    pub fn calls_of(&self, path: &str) -> impl Iterator<Item = &CallView> {
        self.calls.of(path)
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (&StepView, &[Segment])> {
        self.steps
            .walk()
            .map(|at| (self.steps.view(at), self.steps.segments(at)))
    }

    pub(super) fn arena(&self) -> (&Steps, &Calls) {
        (&self.steps, &self.calls)
    }

    // ---- private: what one event changes

    fn run_event(&mut self, event: &Event) {
        let (at, record) = (event.time, &mut self.record);
        match &event.kind {
            EventKind::RunQueued {
                pipeline,
                plan_hash,
                inputs,
                labels,
                trigger,
                models,
                note,
                key,
                parent,
                definition,
                schedule,
                ..
            } => {
                record.pipeline.clone_from(pipeline);
                record.plan_hash.clone_from(plan_hash);
                record.inputs.clone_from(inputs);
                record.labels.clone_from(labels);
                record.trigger.kind.clone_from(trigger);
                record.trigger.schedule.clone_from(schedule);
                record.models.clone_from(models);
                record.note.clone_from(note);
                record.key.clone_from(key);
                record.parent.clone_from(parent);
                record.definition.clone_from(definition);
                record.queued = Some(at);
            }
            EventKind::RunStarted { engine, owner, .. } => {
                self.is_kept = owner.is_some();
                record.engine.clone_from(engine);
                record.started = Some(at);
                self.go_on();
            }
            EventKind::RunResumed { .. } => self.go_on(),
            EventKind::RunWaiting { .. } => record.status = RunStatus::Waiting,
            EventKind::RunSucceeded {
                output,
                output_ref,
                fallback,
                usage,
                cost,
            } => {
                record.output = Some(output.clone());
                record.output_ref.clone_from(output_ref);
                record.fallback = *fallback;
                self.end(RunStatus::Succeeded, at, None, (*usage, *cost));
            }
            EventKind::RunFailed { error, usage, cost } => {
                self.end(RunStatus::Failed, at, Some(error), (*usage, *cost));
            }
            EventKind::RunCancelled { error, usage, cost } => {
                self.end(RunStatus::Cancelled, at, Some(error), (*usage, *cost));
            }
            EventKind::RunDrift { what, names, .. } => {
                record.drift = Some(Drift {
                    what: what.clone(),
                    names: names.clone(),
                });
            }
            EventKind::CallReplayed { source, recorded, .. } if source == "cassette" => {
                record.replayed = true;
                *record.recorded_cost.get_or_insert_default() += recorded.unwrap_or_default();
            }
            _ => {}
        }
    }

    /// The run runs, perhaps again.
    fn go_on(&mut self) {
        let record = &mut self.record;
        record.status = RunStatus::Running;
        record.ended = None;
        record.duration_ms = None;
        record.error = None;
    }

    fn end(
        &mut self,
        status: RunStatus,
        at: Time,
        error: Option<&Arc<Failure>>,
        (usage, cost): (Usage, Cost),
    ) {
        let record = &mut self.record;
        record.status = status;
        record.ended = Some(at);
        record.duration_ms = record.started.map(|started| millis(started, at));
        record.error = error.cloned();
        record.usage = usage;
        record.cost = cost;
        for question in self.questions.cancel() {
            self.steps.question(question, at);
        }
    }

    fn asked(&mut self, path: Option<&str>, question: &Question) {
        self.questions.asked(question);
        let path = path
            .or(Some(question.step.as_str()))
            .filter(|path| !path.is_empty());
        if let Some(path) = path {
            let at = self.steps.open(path);
            self.steps.slot(at).view.question = Some(Box::new(question.clone()));
        }
    }

    fn call_event(&mut self, path: &str, event: &Event) {
        if matches!(event.kind, EventKind::CallReserved { .. }) {
            let at = self.steps.open(path);
            let (attempt, agent) = self.steps.called(at, event);
            self.calls.reserved(path, (at, attempt), agent, event);
        }
        let Some(heard) = self.calls.apply(event) else {
            return;
        };
        self.steps.held_back(&heard, event.time);
        let Some(made) = heard.made else { return };
        self.steps.paid(heard.place, &made.spent);
        let mut sum = self.spent();
        sum.add(&made.spent);
        self.record.usage = sum.usage;
        self.record.cost = sum.cost;
        if let Some(agent) = made.agent {
            self.record.by_agent.entry(agent).or_default().add(&made.spent);
        }
        if let Some(model) = made.model {
            self.record.by_model.entry(model).or_default().add(&made.spent);
        }
    }
}

impl Serialize for RunView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.record().serialize(serializer)
    }
}

impl fmt::Debug for RunView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut view = f.debug_struct("RunView");
        view.field("id", &self.id())
            .field("pipeline", &self.pipeline())
            .field("status", &self.status());
        view.field("steps", &self.step_counts())
            .field("last_seq", &self.last_seq())
            .finish_non_exhaustive()
    }
}
