//! A store whose process can be lost at a moment that a test names: nothing is written any more, and nobody is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::watch::Watch;
use crate::runner::log_of;
use crate::store::through::{Through, through};
use crate::store::{Commit, Committed, Pending, Store};

/// A store in front of one in memory, for one process that may be lost.
pub(crate) struct Mortal {
    inner: Arc<dyn Store>,
    watch: Arc<Watch>,
    is_dead: AtomicBool,
    died: Notify,
}

impl Mortal {
    pub(crate) fn new(inner: Arc<dyn Store>, watch: Arc<Watch>) -> Self {
        Self {
            inner,
            watch,
            is_dead: AtomicBool::new(false),
            died: Notify::new(),
        }
    }

    /// The process is lost.
    pub(crate) fn die(&self) {
        self.is_dead.store(true, Ordering::Release);
        self.died.notify_one();
    }

    /// Waits until the process is lost.
    pub(crate) async fn died(&self) {
        self.died.notified().await;
    }

    fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Acquire)
    }
}

impl Through for Mortal {
    fn behind(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    fn reads(&self) -> bool {
        !self.is_dead()
    }

    fn writes(&self) -> bool {
        !self.is_dead()
    }

    /// The store in memory has carried a commit out when it is handed over, so what is in it can be looked at.
    fn commit_behind(&self, commit: Commit) -> Pending<Committed> {
        let run = commit.run;
        let pending = self.inner.commit(commit);
        if !self.watch.waits_for_a_record() {
            return pending;
        }
        let view = log_of(&*self.inner, run)
            .now_or_never()
            .flatten()
            .map(|log| log.view());
        match view {
            Some(view) if self.watch.is_recorded(&view) => {
                self.die();
                std::future::pending().boxed()
            }
            _ => pending,
        }
    }
}

through!(Mortal);
