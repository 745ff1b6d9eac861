//! A store that loses answers: what it was asked for is done, and whoever asked is told that the store is busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::through::{Through, through};
use crate::store::{Store, StoreError, StoreErrorKind};

/// A store that loses the answer of every second write of a kind.
pub struct Forgetful {
    inner: Arc<dyn Store>,
    write: &'static str,
    made: AtomicU64,
}

impl Forgetful {
    /// Loses the first, third and every further second answer to the writes of this method of [`Store`].
    #[must_use]
    pub fn of(inner: Arc<dyn Store>, write: &'static str) -> Self {
        let made = AtomicU64::new(0);
        Self { inner, write, made }
    }

    /// How many of these writes were made.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }
}

impl Through for Forgetful {
    fn behind(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    fn wrote(&self, write: &'static str) -> Result<(), StoreError> {
        if write == self.write && self.made.fetch_add(1, Ordering::AcqRel).is_multiple_of(2) {
            return Err(StoreError::new(StoreErrorKind::Busy, "the answer was lost"));
        }
        Ok(())
    }
}

through!(Forgetful);
