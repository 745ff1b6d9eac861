//! Gates: what may hold a call back before it is sent, and hears what became of it.
//!
//! A model that has to share something with others, such as the limits of a provider's key, gives the gate that all of
//! them go through. The run enters it with the call's budget reserved and before anything is sent, writes down how long it
//! waits there, and gives the pass back with the outcome. A gate never sends, repeats or prices anything.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{Request, Response};
use crate::error::Failure;

/// Something that calls to a model go through, one by one.
pub trait Gate: Send + Sync {
    /// Waits until the request may be sent. A call that has to wait is told why, before it does and again whenever that
    /// changes. Dropping the future gives up the place in the line: nothing was sent.
    ///
    /// # Errors
    /// When the call is not let through. It counts as never sent, and costs nothing.
    fn enter<'a>(
        &'a self,
        request: &'a Request,
        told: Told<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn Pass>, Failure>>;
}

/// What a waiting call is told.
pub type Told<'a> = &'a (dyn Fn(Wait) + Send + Sync);

/// The permission to send one request. When it is dropped nobody knows what became of the call.
pub trait Pass: Send {
    /// What became of it.
    fn back(self: Box<Self>, result: &Result<Response, Failure>);
}

/// Why a call waits, and how long as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Why.
    pub reason: WaitReason,
    /// How long at least; none where that depends on calls that are under way.
    pub at_least: Option<Duration>,
}

/// The name of the limit in a refusal that is about the provider and not about the call: the next model of the list is
/// asked at once.
pub const CIRCUIT: &str = "circuit";

/// What a call waits for at a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The limits that the operator set for the provider.
    RateLimit,
    /// The provider has asked to wait.
    RetryAfter,
}

impl WaitReason {
    /// The word for it in the record.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WaitReason::RateLimit => "rate_limit",
            WaitReason::RetryAfter => "retry_after",
        }
    }
}
