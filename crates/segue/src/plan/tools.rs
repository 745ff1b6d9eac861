//! Tools of a plan: which an agent may call, and within which limits.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::settings::OnInterrupt;

/// A tool an agent may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolUse {
    /// Name or glob; `agent:NAME` and `pipeline:REF` are tools too.
    pub name: String,
    /// The pipeline behind `pipeline:REF`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pipeline: Option<Arc<Plan>>,
    /// Limits for this agent.
    #[serde(default)]
    pub limits: ToolLimits,
}

/// Limits of a tool.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolLimits {
    /// Most calls: per attempt for an agent, per run for a pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<u32>,
    /// Deadline of one call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// More tries after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Whether a call needs a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<ToolApproval>,
    /// Until when an approval is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_timeout: Option<Duration>,
    /// What a failure means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_error: Option<ToolOnError>,
    /// What it means that the process ended in the middle of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_interrupt: Option<OnInterrupt>,
}

impl ToolLimits {
    /// No limits of their own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Most calls: per attempt for an agent, per run for a pipeline.
    #[must_use]
    pub fn max_calls(self, calls: u32) -> Self {
        let max_calls = Some(calls);
        Self { max_calls, ..self }
    }

    /// Deadline of one call; 30 s where nothing says otherwise.
    #[must_use]
    pub fn timeout(self, limit: Duration) -> Self {
        let timeout = Some(limit);
        Self { timeout, ..self }
    }

    /// More tries after a failure; none where nothing says otherwise.
    #[must_use]
    pub fn retries(self, retries: u32) -> Self {
        let retries = Some(retries);
        Self { retries, ..self }
    }

    /// Whether a call needs a person; an effectful tool does, where nothing says otherwise.
    #[must_use]
    pub fn approval(self, approval: ToolApproval) -> Self {
        let approval = Some(approval);
        Self { approval, ..self }
    }

    /// How long an approval is waited for; 24 hours where nothing says otherwise.
    #[must_use]
    pub fn approval_timeout(self, limit: Duration) -> Self {
        let approval_timeout = Some(limit);
        Self {
            approval_timeout,
            ..self
        }
    }

    /// What a failure means; the model reads the error, where nothing says otherwise.
    #[must_use]
    pub fn on_error(self, on_error: ToolOnError) -> Self {
        let on_error = Some(on_error);
        Self { on_error, ..self }
    }

    /// What it means that the process ended in the middle of a call; a tool that is read-only or idempotent is called
    /// again, for any other a person is asked, where nothing says otherwise.
    #[must_use]
    pub fn on_interrupt(self, on_interrupt: OnInterrupt) -> Self {
        let on_interrupt = Some(on_interrupt);
        Self { on_interrupt, ..self }
    }
}

/// Whether a tool call needs a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolApproval {
    /// It does not.
    Allow,
    /// Each call is asked for.
    Ask,
    /// No call is made.
    Deny,
    /// By expressions over `args`: deny first, then ask, else allow.
    When {
        /// True denies.
        deny: Option<String>,
        /// True asks.
        ask: Option<String>,
    },
}

/// What a failing tool means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOnError {
    /// The model reads the error.
    Tell,
    /// The model reads this text.
    Text(String),
    /// The attempt fails.
    Fail,
}
