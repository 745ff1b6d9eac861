//! Retention: runs that nobody has to keep are removed, and bytes that nobody refers to are swept.
//!
//! `store.retain.runs` says how long runs that are over are kept, `store.retain.keep_last` how many of the newest are kept
//! however old they are; a run stays when one of the two says so. A run that waits or runs, or that has a current result of
//! a workspace, is never removed. It is done at the end of the verbs that run something, so that a store does not grow by
//! being used, and reading one changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use segue::store::{Head, RunQuery, Store, StoreError, StoreErrorKind};
use segue::{RunId, RunStatus, Time};

use crate::clock;
use crate::config::Config;
use crate::desk::Desk;
use crate::program::Program;
use crate::terminal::words;

/// Runs that are removed at a time: more than are made, so that it comes to an end, and few enough that nobody waits.
const MOST: usize = 100;
/// Runs that are read at once.
const PAGE: usize = 500;
/// Bytes younger than this may belong to something that is still being written.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// What an operator wants to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// How long runs that are over are kept.
    runs: Duration,
    /// How many of the newest are kept, however old they are.
    keep_last: u64,
}

impl Retention {
    /// What the configuration says; none where everything is kept. Where only a number is said, age is no reason to keep
    /// a run.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let runs = config.duration("store.retain.runs");
        let keep_last = config.count("store.retain.keep_last");
        (runs.is_some() || keep_last.is_some()).then(|| Self {
            runs: runs.unwrap_or_default(),
            keep_last: keep_last.unwrap_or(0),
        })
    }

    /// Removes what does not have to be kept, a bounded number of runs at a time, and sweeps what they leave. Says how
    /// many runs that were.
    async fn apply(self, store: &dyn Store, now: Time) -> Result<usize, StoreError> {
        let mut query = over_before(before(now, self.runs));
        let found = store
            .runs(RunQuery {
                limit: 1,
                ..query.clone()
            })
            .await?;
        if found.items.is_empty() {
            return Ok(0);
        }
        let Some(after) = self.after_newest(store).await? else {
            return Ok(0);
        };
        query.cursor = after;
        let mut workspaces = Workspaces::default();
        let mut removed = 0;
        'pages: loop {
            let page = store.runs(query.clone()).await?;
            for head in page.items {
                let is_old = head
                    .standing
                    .ended
                    .is_some_and(|ended| ended < before(now, self.runs));
                if !is_old || workspaces.current_step(store, &head).await?.is_some() {
                    continue;
                }
                removed += usize::from(remove(store, head.id).await?);
                if removed == MOST {
                    break 'pages;
                }
            }
            match page.next_cursor {
                Some(next) => query.cursor = Some(next),
                None => break,
            }
        }
        if removed > 0 {
            sweep(store).await?;
        }
        Ok(removed)
    }

    /// Where the runs begin that are not among the newest: the outer one is none where there are no others, the inner one
    /// where none is kept for being new.
    async fn after_newest(self, store: &dyn Store) -> Result<Option<Option<String>>, StoreError> {
        let mut left = self.keep_last;
        let mut cursor = None;
        while left > 0 {
            let limit = usize::try_from(left).unwrap_or(PAGE).min(PAGE);
            let page = store
                .runs(RunQuery {
                    cursor,
                    ..RunQuery::newest(limit)
                })
                .await?;
            left -= page.items.len() as u64;
            match page.next_cursor {
                Some(next) => cursor = Some(next),
                None => return Ok(None),
            }
        }
        Ok(Some(cursor))
    }
}

/// Does what the operator wants done after a run. That something could not be removed is no reason for the verb to fail.
pub(crate) async fn after_a_run(desk: &Desk, program: &Program) {
    let Some(retention) = Retention::of(&desk.project.config) else {
        return;
    };
    let style = program.screen.style();
    match retention.apply(&*desk.store, clock::now()).await {
        Ok(0) => {}
        Ok(removed) => {
            let runs = words::plural(removed as u64, "run");
            program
                .screen
                .progress(&style.dim(&format!("removed {runs} that `store.retain` does not keep")));
        }
        Err(error) => program.screen.progress(&format!(
            "{} old runs cannot be removed: {}",
            style.yellow("warning:"),
            words::one_line(&error.message)
        )),
    }
}

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

/// Removes a run; false when it is gone, or when something has come to need it since it was looked at.
///
/// # Errors
/// When the store cannot be written.
pub(crate) async fn remove(store: &dyn Store, run: RunId) -> Result<bool, StoreError> {
    match store.remove(run).await {
        Err(error) if error.kind == StoreErrorKind::Misused => Ok(false),
        removed => removed,
    }
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

#[cfg(test)]
mod tests;
