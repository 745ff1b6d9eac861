//! The store in memory passes the conformance suite of stores.

use std::sync::Arc;

use segue::store::{MemoryStore, Store};
use segue::testing::store::{Fixture, Opened};

#[derive(Default)]
struct Memory(MemoryStore);

impl Fixture for Memory {
    fn open(&self) -> Opened<'_> {
        let store: Arc<dyn Store> = Arc::new(self.0.clone());
        Box::pin(std::future::ready(store))
    }
}

segue::store_suite!(Memory::default());
