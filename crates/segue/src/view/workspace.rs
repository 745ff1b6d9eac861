//! The view of a keyed workspace: where each step of the pipeline stands, what can run next, what is stale.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::stale::{Built, stale};
use super::status::StepStatus;
use crate::clock::Time;
use crate::id::RunId;
use crate::money::Cost;
use crate::plan::{NeedKind, Plan};
use crate::question::Question;
use crate::store::Document;

/// How a keyed workspace stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceStatus {
    /// The pipeline.
    pub pipeline: String,
    /// The key.
    pub key: String,
    /// Steps that are done or were left out on purpose.
    pub done: usize,
    /// All steps.
    pub total: usize,
    /// Steps that are not done and whose needs are there, in declaration order.
    pub next: Vec<String>,
    /// Whether every step is done; stale ones are.
    pub all_done: bool,
    /// The steps, in declaration order.
    pub steps: Vec<WorkspaceStep>,
}

/// Where a step of a workspace stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkspaceStep {
    /// Its name.
    pub name: String,
    /// Its title, where it has one.
    pub title: Option<String>,
    /// Where it stands.
    pub state: WorkspaceState,
    /// Whether its result was made from something that has changed since.
    pub stale: bool,
    /// Which steps have changed.
    pub stale_because: Vec<String>,
    /// What it needs and what has no result; only where it has none itself.
    pub missing: Vec<String>,
    /// The run its result is of; of one that is being run, that run.
    pub run: Option<RunId>,
    /// Content hash of its result.
    pub hash: Option<String>,
    /// When its result came.
    pub updated: Option<Time>,
    /// What its result cost.
    pub cost: Cost,
}

/// Where a step of a workspace stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceState {
    /// It has a result.
    Done,
    /// It has none, and what it needs is there.
    Next,
    /// It has none, and something it needs has none either.
    Pending,
    /// A run is making its result.
    Running,
    /// A run is making its result and waits for a person.
    Waiting,
    /// It failed and never had a result.
    Failed,
    /// It was left out on purpose: by its condition or by a route.
    Skipped,
}

impl WorkspaceState {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WorkspaceState::Done => "done",
            WorkspaceState::Next => "next",
            WorkspaceState::Pending => "pending",
            WorkspaceState::Running => "running",
            WorkspaceState::Waiting => "waiting",
            WorkspaceState::Failed => "failed",
            WorkspaceState::Skipped => "skipped",
        }
    }
}

impl WorkspaceStatus {
    /// What is known of a workspace: the plan of its pipeline, its documents, the open questions of the runs at work.
    pub(crate) fn of(plan: &Plan, key: &str, documents: &[Document], questions: &[Question]) -> Self {
        let found: IndexMap<&str, &Document> = documents
            .iter()
            .map(|document| (document.step.as_str(), document))
            .collect();
        let built = documents
            .iter()
            .filter(|document| has_result(document))
            .map(|document| {
                let built = Built {
                    hash: document.hash.clone(),
                    on: document.built_on.clone(),
                };
                (document.step.clone(), built)
            });
        let mut stale = stale(plan, &built.collect());
        let mut steps = Vec::with_capacity(plan.steps.len());
        for planned in &plan.steps {
            let document = found.get(planned.name.as_str()).copied();
            let reads = planned.needs.iter().filter(|need| need.kind != NeedKind::Settled);
            let missing: Vec<String> = reads
                .map(|need| plan.steps[need.step as usize].name.as_str())
                .filter(|need| !found.get(need).is_some_and(|document| has_result(document)))
                .map(str::to_owned)
                .collect();
            let state = state(document, missing.is_empty(), questions);
            let because = stale.shift_remove(&planned.name).unwrap_or_default();
            let has_own = document.is_some_and(has_result);
            steps.push(WorkspaceStep {
                name: planned.name.clone(),
                title: planned.title.clone(),
                state,
                stale: !because.is_empty(),
                stale_because: because,
                missing: if has_own { Vec::new() } else { missing },
                run: document.and_then(|document| document.running.or(document.run)),
                hash: document.and_then(|document| document.hash.clone()),
                updated: document
                    .filter(|document| document.run.is_some())
                    .map(|document| document.updated),
                cost: document.map_or_else(Cost::default, |document| document.cost),
            });
        }
        Self::told(plan, key, steps)
    }

    fn told(plan: &Plan, key: &str, steps: Vec<WorkspaceStep>) -> Self {
        // What stands in for another step is no work that is left.
        let counts = |step: &&WorkspaceStep| {
            let standby = plan
                .step(&step.name)
                .is_some_and(|at| plan.steps[at as usize].standby);
            !standby || step.state == WorkspaceState::Done
        };
        let is_done =
            |step: &&WorkspaceStep| matches!(step.state, WorkspaceState::Done | WorkspaceState::Skipped);
        let can_run = |step: &&WorkspaceStep| {
            step.missing.is_empty() && matches!(step.state, WorkspaceState::Next | WorkspaceState::Failed)
        };
        let counted: Vec<&WorkspaceStep> = steps.iter().filter(counts).collect();
        let done = counted.iter().copied().filter(is_done).count();
        let next = counted
            .iter()
            .copied()
            .filter(can_run)
            .map(|step| step.name.clone())
            .collect();
        Self {
            pipeline: plan.name.clone(),
            key: key.to_owned(),
            done,
            total: counted.len(),
            next,
            all_done: done == counted.len(),
            steps,
        }
    }
}

/// Whether there is something to build on.
fn has_result(document: &Document) -> bool {
    match document.status {
        StepStatus::Succeeded => document.run.is_some() && !document.empty,
        StepStatus::Skipped => document.run.is_some(),
        _ => false,
    }
}

fn state(document: Option<&Document>, needs_are_there: bool, questions: &[Question]) -> WorkspaceState {
    let Some(document) = document else {
        return if needs_are_there {
            WorkspaceState::Next
        } else {
            WorkspaceState::Pending
        };
    };
    if let Some(run) = document.running {
        let asks = |question: &Question| question.run == run && is_in(&question.step, &document.step);
        return match questions.iter().any(asks) {
            true => WorkspaceState::Waiting,
            // The run will make it, and has not come so far.
            false if !needs_are_there => WorkspaceState::Pending,
            false => WorkspaceState::Running,
        };
    }
    match document.status {
        StepStatus::Skipped if document.run.is_some() => WorkspaceState::Skipped,
        StepStatus::Failed => WorkspaceState::Failed,
        _ if has_result(document) => WorkspaceState::Done,
        _ if needs_are_there => WorkspaceState::Next,
        _ => WorkspaceState::Pending,
    }
}

/// Whether a path is that of a step, or below it.
pub(crate) fn is_in(path: &str, step: &str) -> bool {
    path.strip_prefix(step)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
}
