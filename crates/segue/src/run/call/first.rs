//! When the first piece of an answer came: what tells a slow model from a long answer.

use std::sync::{Arc, OnceLock};

use crate::clock;
use crate::model::Listener;

/// When the first piece of an answer came, if one has.
#[derive(Default)]
pub(super) struct FirstPiece(Arc<OnceLock<u64>>);

impl FirstPiece {
    /// Who notices it, from now on.
    pub(super) fn listener(&self) -> Listener {
        let (began, first) = (clock::now(), self.0.clone());
        Listener::new(move |_| {
            first.get_or_init(|| clock::millis_since(began));
        })
    }

    /// In milliseconds; none where the model did not stream.
    pub(super) fn after_ms(&self) -> Option<u64> {
        self.0.get().copied()
    }
}
