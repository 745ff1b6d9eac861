//! What it means that a process ended in the middle of a step or of a tool call.

use serde::{Deserialize, Serialize};

/// What it means that a process ended in the middle of a step or of a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInterrupt {
    /// It is done again, under the same idempotency key.
    #[default]
    Retry,
    /// A person decides whether it is done again.
    Ask,
    /// It has failed.
    Fail,
}
