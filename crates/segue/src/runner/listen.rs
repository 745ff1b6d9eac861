//! Listening to a run before it is there.

use super::handle::RunHandle;
use crate::log::{Listening, Live};

/// Hears what models write in all runs of a runner, until it follows one. From [`Runner::listen`](crate::Runner::listen).
pub struct Listen(pub(super) Listening);

impl Listen {
    /// The events of a run of the same runner from the first one, with the pieces that were heard of it and those that
    /// come.
    #[must_use]
    pub fn follow<Out>(self, run: &RunHandle<Out>) -> Live {
        self.0.only(run.id());
        Live::new(run.events(), self.0)
    }
}
