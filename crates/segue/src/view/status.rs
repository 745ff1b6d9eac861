//! Where runs and steps stand: the words, the same everywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It exists and has not begun.
    Queued,
    /// It runs.
    Running,
    /// It rests and waits for a person.
    Waiting,
    /// It has its output.
    Succeeded,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// It waits for other steps.
    Pending,
    /// Its turn comes next.
    Ready,
    /// It runs, or waits for its next attempt.
    Running,
    /// It waits for a person.
    Waiting,
    /// It has its output.
    Succeeded,
    /// It failed for good.
    Failed,
    /// It was left out.
    Skipped,
    /// It was cancelled.
    Cancelled,
}

impl RunStatus {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RunStatus::Queued => "queued",
            RunStatus::Running => "running",
            RunStatus::Waiting => "waiting",
            RunStatus::Succeeded => "succeeded",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
        }
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled
        )
    }
}

impl StepStatus {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StepStatus::Pending => "pending",
            StepStatus::Ready => "ready",
            StepStatus::Running => "running",
            StepStatus::Waiting => "waiting",
            StepStatus::Succeeded => "succeeded",
            StepStatus::Failed => "failed",
            StepStatus::Skipped => "skipped",
            StepStatus::Cancelled => "cancelled",
        }
    }

    /// Whether its outcome is known.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(
            self,
            StepStatus::Succeeded | StepStatus::Failed | StepStatus::Skipped | StepStatus::Cancelled
        )
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a step was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipWhy {
    /// Its condition was false.
    WhenFalse,
    /// A route took another arm.
    ArmNotTaken,
    /// A step it needs failed.
    UpstreamFailed,
    /// A step it needs was skipped because another failed.
    UpstreamSkipped,
    /// It stands in for a step that did not need it.
    NotSelected,
    /// It failed, and that means it is skipped.
    OnError,
}

/// Why a step was left out, with the steps that led to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipReason {
    /// Why.
    pub reason: SkipWhy,
    /// Because of which steps.
    pub because: Vec<String>,
    /// The same in words.
    pub text: String,
}

impl SkipWhy {
    /// Whether what needs the step can go on without it: it was left out on purpose.
    pub(crate) fn is_settled(self) -> bool {
        matches!(self, SkipWhy::WhenFalse | SkipWhy::ArmNotTaken | SkipWhy::OnError)
    }
}

impl SkipReason {
    pub(crate) fn when_false() -> Self {
        Self {
            reason: SkipWhy::WhenFalse,
            because: Vec::new(),
            text: "its `when` was false".into(),
        }
    }

    pub(crate) fn not_selected() -> Self {
        let text = "the step it stands in for did not fail".into();
        Self {
            reason: SkipWhy::NotSelected,
            because: Vec::new(),
            text,
        }
    }

    pub(crate) fn not_asked_for() -> Self {
        let text = "this run was asked for other steps".into();
        Self {
            reason: SkipWhy::NotSelected,
            because: Vec::new(),
            text,
        }
    }

    pub(crate) fn on_error(message: &str) -> Self {
        Self {
            reason: SkipWhy::OnError,
            because: Vec::new(),
            text: format!("it failed: {message}"),
        }
    }

    pub(crate) fn arm_not_taken(route: &str, arm: &str, taken: Option<&str>) -> Self {
        let text = match taken {
            Some(taken) => format!("route `{route}` took `{taken}`, not `{arm}`"),
            None => format!("route `{route}` took no arm"),
        };
        Self {
            reason: SkipWhy::ArmNotTaken,
            because: vec![route.to_owned()],
            text,
        }
    }

    pub(crate) fn upstream(reason: SkipWhy, because: Vec<String>) -> Self {
        let names: Vec<String> = because.iter().map(|step| format!("`{step}`")).collect();
        let names = names.join(", ");
        let text = match reason {
            SkipWhy::UpstreamFailed => format!("{names} failed"),
            SkipWhy::UpstreamSkipped => format!("{names} was skipped"),
            _ => format!("{names} was left out by a route"),
        };
        Self {
            reason,
            because,
            text,
        }
    }
}
