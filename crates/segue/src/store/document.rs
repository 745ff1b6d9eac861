//! Documents: the current results of a keyed workspace, one for each step.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::id::RunId;
use crate::money::Cost;
use crate::view::StepStatus;

/// Names a workspace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentKey {
    /// The pipeline.
    pub pipeline: String,
    /// The key.
    pub key: String,
}

/// Where the current result of a step is, and what it was built on. The result itself stands in the log of its run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// The step.
    pub step: String,
    /// The run that has the result.
    pub run: Option<RunId>,
    /// How the step ended there: `succeeded`, `skipped`, or `failed` where it never had a result.
    pub status: StepStatus,
    /// Whether the result is nothing: null or blank text. Nobody builds on that.
    #[serde(default)]
    pub empty: bool,
    /// Content hash of the result.
    pub hash: Option<String>,
    /// Hashes of the results it was built on, by step; none for one that was skipped.
    #[serde(default)]
    pub built_on: IndexMap<String, Option<String>>,
    /// Grows with each new result.
    #[serde(default)]
    pub version: u64,
    /// When the result came.
    pub updated: Time,
    /// What it cost.
    #[serde(default)]
    pub cost: Cost,
    /// The run that is running the step now.
    #[serde(default)]
    pub running: Option<RunId>,
}
