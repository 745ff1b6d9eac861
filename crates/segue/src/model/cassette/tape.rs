//! Where playing stands: how often each request was made in each run.

use std::collections::{BTreeMap, HashMap};

/// How often each request was made, by run.
#[derive(Debug, Default)]
pub(super) struct Heads(BTreeMap<String, HashMap<String, usize>>);

impl Heads {
    /// Counts a request, and gives how often its run had made it before.
    pub(super) fn next(&mut self, run: &str, key: &str) -> usize {
        let made = self.0.entry(run.to_owned()).or_default();
        let made = made.entry(key.to_owned()).or_default();
        *made += 1;
        *made - 1
    }

    /// Nothing of this run is remembered.
    pub(super) fn forget(&mut self, run: &str) {
        self.0.remove(run);
    }
}
