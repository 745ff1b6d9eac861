//! A run in a list: what its store knows of it without reading its log.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::run::{StepCounts, Trigger, millis};
use super::status::RunStatus;
use crate::clock::Time;
use crate::error::Failure;
use crate::id::RunId;
use crate::log::ChosenModel;
use crate::money::Cost;
use crate::store::{Head, Parent};
use crate::usage::Usage;

/// The name and version of a page of runs.
pub const RUNS_SCHEMA: &str = "segue.runs/1";

/// A run in a list: [`RunRecord`](super::RunRecord) without what only its log says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id.
    pub id: RunId,
    /// The pipeline.
    pub pipeline: String,
    /// The plan it is pinned to.
    pub plan_hash: String,
    /// Where the definition came from.
    pub definition: Option<String>,
    /// Where it stands.
    pub status: RunStatus,
    /// Whether the fallback pipeline made the output.
    pub fallback: bool,
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
    /// When it came to exist.
    pub queued: Time,
    /// When it began.
    pub started: Option<Time>,
    /// When it was over.
    pub ended: Option<Time>,
    /// From its start to its end, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How many steps of its own plan stand where.
    pub step_counts: StepCounts,
    /// Which of them failed, in declaration order.
    pub failed_steps: Vec<String>,
    /// Why it failed: the kind and the message.
    pub error: Option<Failure>,
    /// Everything used.
    pub usage: Usage,
    /// Everything spent.
    pub cost: Cost,
    /// Steps made from something that has changed since.
    pub stale_steps: Vec<String>,
    /// The number of its last event.
    pub last_seq: u64,
}

impl From<Head> for RunSummary {
    fn from(head: Head) -> Self {
        let standing = head.standing;
        Self {
            id: head.id,
            pipeline: head.pipeline,
            plan_hash: head.plan_hash,
            definition: head.definition,
            status: standing.status,
            fallback: standing.fallback,
            key: head.key,
            labels: head.labels,
            note: head.note,
            trigger: Trigger {
                kind: head.trigger,
                ..Trigger::default()
            },
            parent: head.parent,
            engine: head.engine,
            models: head.models,
            queued: head.queued,
            started: standing.started,
            ended: standing.ended,
            duration_ms: standing
                .started
                .zip(standing.ended)
                .map(|(started, ended)| millis(started, ended)),
            step_counts: standing.step_counts,
            failed_steps: standing.failed_steps,
            error: standing.error.map(|(kind, message)| Failure::new(kind, message)),
            usage: standing.usage,
            cost: standing.cost,
            stale_steps: standing.stale_steps,
            last_seq: head.last_seq,
        }
    }
}
