//! The store passes the conformance suite of stores.

use std::sync::Arc;

use segue::store::{MemoryBlobs, Store};
use segue::testing::store::{Fixture, Opened};
use segue_store::Postgres;

use crate::open;
use segue_store::testing::cluster;

/// A schema of its own; bytes are in memory.
struct Schema {
    name: String,
    blobs: Arc<MemoryBlobs>,
}

impl Default for Schema {
    fn default() -> Self {
        Self {
            name: open::schema(),
            blobs: Arc::default(),
        }
    }
}

impl Fixture for Schema {
    fn open(&self) -> Opened<'_> {
        Box::pin(async {
            let builder = Postgres::at(&cluster().address(), self.blobs.clone());
            let opened = builder.schema(&self.name).pool_size(2).connect().await;
            Arc::new(opened.expect("the store opens")) as Arc<dyn Store>
        })
    }
}

segue::store_suite!(Schema::default());
