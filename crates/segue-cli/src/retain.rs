//! What it takes to remove runs: which are over and old, which a workspace still needs, and which bytes nobody refers to.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use segue::store::{Head, RunQuery, Store, StoreError};
use segue::{RunId, RunStatus, Time};

/// Runs that are read at once.
const PAGE: usize = 500;
/// Bytes younger than this may belong to something that is still being written.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// Runs that are over and came to exist before a moment, newest first.
pub(crate) fn over_before(moment: Time) -> RunQuery {
    RunQuery {
        status: vec![RunStatus::Succeeded, RunStatus::Failed, RunStatus::Cancelled],
        to: Some(moment),
        ..RunQuery::newest(PAGE)
    }
}

/// The moment so long before another.
pub(crate) fn before(now: Time, age: Duration) -> Time {
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    Time::from_micros(now.micros().saturating_sub(age))
}

/// Forgets bytes that nobody refers to any more; gives how many pieces that were.
///
/// # Errors
/// When they cannot be removed.
pub(crate) async fn sweep(store: &dyn Store) -> Result<u64, StoreError> {
    let referenced: BTreeSet<String> = store.referenced().await?;
    store.blobs().sweep(referenced, YOUNG).await
}

/// Which runs have the current results of workspaces.
#[derive(Default)]
pub(crate) struct Workspaces(HashMap<(String, String), HashMap<RunId, String>>);

impl Workspaces {
    /// The step whose current result a run has, if it has one.
    ///
    /// # Errors
    /// When the workspace cannot be read.
    pub(crate) async fn current_step(
        &mut self,
        store: &dyn Store,
        head: &Head,
    ) -> Result<Option<String>, StoreError> {
        let Some(key) = &head.key else { return Ok(None) };
        let name = (head.pipeline.clone(), key.clone());
        if !self.0.contains_key(&name) {
            let documents = store.documents(name.0.clone(), name.1.clone()).await?;
            let current = documents
                .into_iter()
                .filter_map(|document| Some((document.run?, document.step)));
            self.0.insert(name.clone(), current.collect());
        }
        Ok(self
            .0
            .get(&name)
            .and_then(|current| current.get(&head.id))
            .cloned())
    }
}
