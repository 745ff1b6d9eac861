//! A store that is looked at after every write: what has to hold at every moment is checked at each.

use std::sync::Arc;

use crate::store::through::{Through, through};
use crate::store::{Store, StoreError};

/// A store that is looked at after every write. Only in front of one that has carried out a write when it was handed over,
/// as the store in memory has.
pub struct Watched {
    inner: Arc<dyn Store>,
    look: Box<Look>,
}

type Look = dyn Fn(&dyn Store) + Send + Sync;

impl Watched {
    /// Calls `look` with the store after every write.
    pub fn new(inner: Arc<dyn Store>, look: impl Fn(&dyn Store) + Send + Sync + 'static) -> Self {
        Self {
            inner,
            look: Box::new(look),
        }
    }
}

impl Through for Watched {
    fn behind(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    fn wrote(&self, _write: &'static str) -> Result<(), StoreError> {
        (self.look)(&*self.inner);
        Ok(())
    }
}

through!(Watched);
