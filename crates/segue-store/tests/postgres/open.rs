//! Stores on the server of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use segue::store::MemoryBlobs;
use segue_store::Postgres;
use segue_store::postgres::Connecting;

use segue_store::testing::cluster;

/// The name of a schema that nobody has used.
pub(crate) fn schema() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A store in this schema.
pub(crate) fn builder(schema: &str) -> Connecting {
    let builder = Postgres::at(&cluster().address(), Arc::new(MemoryBlobs::default()));
    builder.schema(schema).pool_size(2)
}

/// A store in this schema, opened.
pub(crate) async fn store(schema: &str) -> Postgres {
    builder(schema).connect().await.unwrap()
}
