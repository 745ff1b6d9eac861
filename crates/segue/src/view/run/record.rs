//! The shape of a run as everybody reads it, `segue.run/1`: one type for the command line, HTTP and the library.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::step::StepView;
use crate::clock::Time;
use crate::error::{Failure, Spent};
use crate::id::{ArtifactId, RunId};
use crate::log::event::ChosenModel;
use crate::money::Cost;
use crate::plan::PlannedPattern;
use crate::question::Question;
use crate::store::Parent;
use crate::usage::Usage;
use crate::value::{Value, ValueRef};
use crate::view::{RunStatus, StepStatus};

/// The name and version of this shape.
pub const RUN_SCHEMA: &str = "segue.run/1";

/// A run. Facts that do not apply are null or empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`RUN_SCHEMA`].
    pub schema: String,
    /// Its id; none before its first event.
    pub id: Option<RunId>,
    /// The pipeline.
    pub pipeline: String,
    /// The pattern of the pipeline that runs.
    pub pattern: Option<PlannedPattern>,
    /// The plan it is pinned to.
    pub plan_hash: String,
    /// Where the definition came from.
    pub definition: Option<String>,
    /// Where it stands.
    pub status: RunStatus,
    /// Whether the fallback pipeline made the output.
    pub fallback: bool,
    /// What it made.
    pub output: Option<Value>,
    /// Where an output is that is too large to stand here.
    pub output_ref: Option<ValueRef>,
    /// What went in.
    pub inputs: Json,
    /// The workspace it works in.
    pub key: Option<String>,
    /// Filters.
    pub labels: IndexMap<String, String>,
    /// A note of who started it.
    pub note: Option<String>,
    /// Who or what started it.
    pub trigger: Trigger,
    /// The run it came from.
    pub parent: Option<Parent>,
    /// Where it runs.
    pub engine: String,
    /// Model names as asked for, and what they resolved to.
    pub models: IndexMap<String, ChosenModel>,
    /// Whether answers came from a recording.
    pub replayed: bool,
    /// When it came to exist.
    pub queued: Option<Time>,
    /// When it began.
    pub started: Option<Time>,
    /// When it was over.
    pub ended: Option<Time>,
    /// From its start to its end, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The steps of its own plan, in declaration order.
    pub steps: IndexMap<String, StepView>,
    /// How many of them stand where.
    pub step_counts: StepCounts,
    /// Which of them failed, in declaration order.
    pub failed_steps: Vec<String>,
    /// Why it failed.
    pub error: Option<Arc<Failure>>,
    /// Everything used.
    pub usage: Usage,
    /// Everything spent.
    pub cost: Cost,
    /// What a replayed run cost when it was recorded.
    pub recorded_cost: Option<Cost>,
    /// Calls by agent.
    pub by_agent: BTreeMap<String, Share>,
    /// Calls by model, as `provider/model`.
    pub by_model: BTreeMap<String, Share>,
    /// Its budgets and how they stand.
    pub budget: Vec<Json>,
    /// Choices of routes, in the order in which they were made.
    pub route: Vec<RouteView>,
    /// Artifacts, in the order in which they were saved.
    pub artifacts: Vec<ArtifactView>,
    /// Open questions, while it waits.
    pub questions: Vec<Question>,
    /// Steps made from something that has changed since.
    pub stale_steps: Vec<String>,
    /// How the definition differs from the one it is pinned to.
    pub drift: Option<Drift>,
    /// The last event this was made from.
    pub last_seq: u64,
    /// Command lines that go on from here.
    pub next: Vec<String>,
}

/// Who or what started a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// `cli http ui mcp schedule library chat`.
    pub kind: String,
    /// Who.
    pub by: Option<String>,
    /// The schedule.
    pub schedule: Option<String>,
    /// When it was due.
    pub nominal_time: Option<Time>,
}

/// What a run is made of that is not what it was when the run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// `definition step tool`.
    pub what: String,
    /// Which.
    pub names: Vec<String>,
}

/// How many steps stand where; statuses without a step are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepCounts {
    /// Waiting for other steps.
    #[serde(skip_serializing_if = "is_none")]
    pub pending: u64,
    /// Next in turn.
    #[serde(skip_serializing_if = "is_none")]
    pub ready: u64,
    /// Running.
    #[serde(skip_serializing_if = "is_none")]
    pub running: u64,
    /// Waiting for a person.
    #[serde(skip_serializing_if = "is_none")]
    pub waiting: u64,
    /// Done.
    #[serde(skip_serializing_if = "is_none")]
    pub succeeded: u64,
    /// Failed for good.
    #[serde(skip_serializing_if = "is_none")]
    pub failed: u64,
    /// Left out.
    #[serde(skip_serializing_if = "is_none")]
    pub skipped: u64,
    /// Cancelled.
    #[serde(skip_serializing_if = "is_none")]
    pub cancelled: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

/// A part of what a run spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Calls that were made.
    pub calls: u64,
    /// What they used.
    pub usage: Usage,
    /// What they cost.
    pub cost: Cost,
}

/// The arm a route took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// Path of the route.
    pub step: String,
    /// The arm.
    pub arm: String,
    /// `value expression code model fallback split`.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// Whether an earlier arm had failed.
    pub fallback: bool,
}

/// An artifact of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactView {
    /// Its id.
    pub id: ArtifactId,
    /// File name.
    pub name: String,
    /// The link that moved to it.
    pub link: Option<String>,
    /// Path of the step that saved it.
    pub step: Option<String>,
    /// Length.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Media type.
    pub media_type: String,
}

impl RunRecord {
    pub(super) fn new(pipeline: String) -> Self {
        Self {
            schema: RUN_SCHEMA.to_owned(),
            id: None,
            pipeline,
            pattern: None,
            plan_hash: String::new(),
            definition: None,
            status: RunStatus::Queued,
            fallback: false,
            output: None,
            output_ref: None,
            inputs: Json::Null,
            key: None,
            labels: IndexMap::new(),
            note: None,
            trigger: Trigger::default(),
            parent: None,
            engine: "local".to_owned(),
            models: IndexMap::new(),
            replayed: false,
            queued: None,
            started: None,
            ended: None,
            duration_ms: None,
            steps: IndexMap::new(),
            step_counts: StepCounts::default(),
            failed_steps: Vec::new(),
            error: None,
            usage: Usage::default(),
            cost: Cost::default(),
            recorded_cost: None,
            by_agent: BTreeMap::new(),
            by_model: BTreeMap::new(),
            budget: Vec::new(),
            route: Vec::new(),
            artifacts: Vec::new(),
            questions: Vec::new(),
            stale_steps: Vec::new(),
            drift: None,
            last_seq: 0,
            next: Vec::new(),
        }
    }
}

impl StepCounts {
    /// How many steps have this status.
    #[must_use]
    pub fn of(&self, status: StepStatus) -> u64 {
        match status {
            StepStatus::Pending => self.pending,
            StepStatus::Ready => self.ready,
            StepStatus::Running => self.running,
            StepStatus::Waiting => self.waiting,
            StepStatus::Succeeded => self.succeeded,
            StepStatus::Failed => self.failed,
            StepStatus::Skipped => self.skipped,
            StepStatus::Cancelled => self.cancelled,
        }
    }

    pub(crate) fn add(&mut self, status: StepStatus) {
        *self.slot(status) += 1;
    }

    pub(super) fn take(&mut self, status: StepStatus) {
        let slot = self.slot(status);
        *slot = slot.saturating_sub(1);
    }

    fn slot(&mut self, status: StepStatus) -> &mut u64 {
        match status {
            StepStatus::Pending => &mut self.pending,
            StepStatus::Ready => &mut self.ready,
            StepStatus::Running => &mut self.running,
            StepStatus::Waiting => &mut self.waiting,
            StepStatus::Succeeded => &mut self.succeeded,
            StepStatus::Failed => &mut self.failed,
            StepStatus::Skipped => &mut self.skipped,
            StepStatus::Cancelled => &mut self.cancelled,
        }
    }
}

impl Share {
    /// Counts one more call.
    pub(crate) fn add(&mut self, spent: &Spent) {
        self.calls = self.calls.saturating_add(1);
        let mut sum = Spent {
            usage: self.usage,
            cost: self.cost,
        };
        sum.add(spent);
        self.usage = sum.usage;
        self.cost = sum.cost;
    }
}
