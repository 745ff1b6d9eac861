//! A store that keeps its answers back: what it was asked for is done, and nobody hears of it until somebody says so.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::watch;

use crate::store::through::{Through, through};
use crate::store::{Commit, Committed, Pending, Store};

/// A store that keeps the answers to transitions back.
pub struct Held {
    inner: Arc<dyn Store>,
    answers: watch::Sender<bool>,
}

impl Held {
    /// It answers, until it is told to [`hold`](Self::hold).
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        let answers = watch::Sender::new(true);
        Self { inner, answers }
    }

    /// From now on no transition is answered.
    pub fn hold(&self) {
        self.answers.send_replace(false);
    }

    /// All are, those that wait as well.
    pub fn release(&self) {
        self.answers.send_replace(true);
    }
}

impl Through for Held {
    fn behind(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    fn commit_behind(&self, commit: Commit) -> Pending<Committed> {
        let pending = self.inner.commit(commit);
        let mut answers = self.answers.subscribe();
        async move {
            // One that is gone keeps nothing back any more.
            let _ = answers.wait_for(|answers| *answers).await;
            pending.await
        }
        .boxed()
    }
}

through!(Held);
