//! The store in a SQLite file passes the conformance suite of stores.
#![cfg(feature = "sqlite")]

use std::sync::Arc;

use segue::store::Store;
use segue::testing::store::{Fixture, Opened};
use segue_store::Sqlite;
use tempfile::TempDir;

/// A file in a folder of its own, opened as often as it is asked for.
struct File(TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder is made"))
    }
}

impl Fixture for File {
    fn open(&self) -> Opened<'_> {
        let store = Sqlite::open(self.0.path().join("store.db")).expect("it opens");
        let store: Arc<dyn Store> = Arc::new(store);
        Box::pin(std::future::ready(store))
    }
}

segue::store_suite!(File::new());
