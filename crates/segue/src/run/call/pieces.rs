//! The pieces of an answer while it is written: when the first came, which tells a slow model from a long answer, and who
//! hears them.

use std::sync::{Arc, OnceLock, Weak};

use tokio::time::Instant;

use crate::clock;
use crate::error::Failure;
use crate::id::CallId;
use crate::log::{Delta, Telling};
use crate::model::{Listener, Response};
use crate::run::cx::AttemptState;

/// What is known of the pieces of an answer.
pub(super) struct Pieces(Arc<Inner>);

struct Inner {
    /// Models may keep what they were asked, and with it who listens: that keeps no run.
    state: Weak<AttemptState>,
    call: CallId,
    began: Instant,
    first: OnceLock<First>,
}

/// The first piece, once it has come.
struct First {
    after_ms: u64,
    /// Who hears it and what follows; looked for once, so that a piece that nobody hears costs nothing.
    telling: Option<Telling>,
}

impl Pieces {
    /// None has come; the call is sent now.
    pub(super) fn of(state: &Arc<AttemptState>, call: CallId) -> Self {
        Self(Arc::new(Inner {
            state: Arc::downgrade(state),
            call,
            began: clock::now(),
            first: OnceLock::new(),
        }))
    }

    /// Who notices them.
    pub(super) fn listener(&self) -> Listener {
        let inner = self.0.clone();
        Listener::new(move |piece| {
            let first = inner.first.get_or_init(|| First {
                after_ms: clock::millis_since(inner.began),
                telling: inner.telling(),
            });
            if let Some(telling) = &first.telling
                && let Some(state) = inner.state.upgrade()
            {
                telling.piece(piece, || state.now());
            }
        })
    }

    /// In milliseconds; none where the model did not stream.
    pub(super) fn first_after_ms(&self) -> Option<u64> {
        self.0.first.get().map(|first| first.after_ms)
    }

    /// The answer is over. Of one that did not come in pieces all is told now.
    pub(super) fn over(&self, result: &Result<Response, Failure>) {
        let Some(state) = self.0.state.upgrade() else {
            return;
        };
        match (self.0.first.get(), result) {
            (Some(first), _) => {
                if let Some(telling) = &first.telling {
                    telling.end(|| state.now());
                }
            }
            (None, Ok(response)) if !response.text.is_empty() => {
                if let Some(telling) = self.0.telling() {
                    telling.piece(&response.text, || state.now());
                    telling.end(|| state.now());
                }
            }
            (None, _) => {}
        }
    }
}

impl Inner {
    fn telling(&self) -> Option<Telling> {
        let state = self.state.upgrade()?;
        let run = &state.run;
        let delta = || Delta {
            run: run.id,
            time: state.now(),
            step: state.path(),
            call: self.call,
            text: String::new(),
            gap: false,
        };
        run.env.audience.of(delta, &run.env.redactor)
    }
}
