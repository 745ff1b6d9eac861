//! A store whose process is lost after so many writes: from then on nothing it is asked is answered, and nothing is
//! written. What it wrote before stays in the store behind it, for the next process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::store::Store;
use crate::store::through::{Through, through};

/// A store whose process is lost after so many writes.
pub struct Dying {
    inner: Arc<dyn Store>,
    left: AtomicU64,
    died: Arc<Notify>,
}

impl Dying {
    /// The process is lost instead of making write number `writes`, from 0.
    #[must_use]
    pub fn after(inner: Arc<dyn Store>, writes: u64) -> Self {
        Self {
            inner,
            left: AtomicU64::new(writes),
            died: Arc::new(Notify::new()),
        }
    }

    /// Told when the process is lost.
    #[must_use]
    pub fn died(&self) -> Arc<Notify> {
        self.died.clone()
    }

    /// Whether all its writes are used up.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }
}

impl Through for Dying {
    fn behind(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    fn reads(&self) -> bool {
        !self.is_dead()
    }

    /// Counts a write; false when the process is lost before it.
    fn writes(&self) -> bool {
        let lives = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1))
            .is_ok();
        if !lives {
            self.died.notify_one();
        }
        lives
    }
}

through!(Dying);
