//! Tool calls in flight: an attempt that is going to wait is not dropped before they are back, since they are made and have
//! their effect. One that itself waits, for a person or a pipeline, holds nobody up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::AttemptState;

/// A tool call in flight, for as long as this is kept.
pub(super) struct InFlight {
    state: Arc<AttemptState>,
    /// The one it is made in.
    outer: Option<Arc<InFlight>>,
    is_counted: AtomicBool,
}

impl InFlight {
    pub(super) fn new(state: Arc<AttemptState>, outer: Option<Arc<InFlight>>) -> Arc<Self> {
        state.sent();
        Arc::new(Self {
            state,
            outer,
            is_counted: AtomicBool::new(true),
        })
    }

    /// It waits for what only comes when the attempt is dropped, and so do those it is made in.
    pub(super) fn waits(&self) {
        self.over();
        if let Some(outer) = &self.outer {
            outer.waits();
        }
    }

    fn over(&self) {
        if self.is_counted.swap(false, Ordering::AcqRel) {
            self.state.came_back();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.over();
    }
}
