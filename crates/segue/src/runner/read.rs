//! Reading runs from a store: their plan, their log, what they came to.

use std::sync::Arc;

use super::done::{Ended, Files};
use crate::clock::{Clock, Time};
use crate::error::{Error, ErrorKind, Failure, Spent};
use crate::id::RunId;
use crate::log::{Begun, EventKind, Record, RunLog, ScopeInfo, What, stored, unreadable};
use crate::plan::{Pinned, Plan};
use crate::run::{OpResult, StoredResult, load};
use crate::settings::Call;
use crate::store::{Head, Store};
use crate::value::Value;

/// Entries that are read at once.
const BITE: usize = 1024;

/// A run as a store has it.
pub(crate) struct Stored {
    pub(crate) head: Head,
    pub(crate) pinned: Arc<Pinned>,
    pub(crate) entries: Vec<StoredEntry>,
    pub(crate) scopes: Vec<ScopeInfo>,
}

/// One entry of its log.
pub(crate) struct StoredEntry {
    pub(crate) number: u64,
    pub(crate) at: Time,
    pub(crate) records: Vec<Record>,
    pub(crate) results: Vec<OpResult>,
}

/// The plan of a hash.
///
/// # Errors
/// When it is not there, or is not what its hash says.
pub(crate) async fn plan(store: &dyn Store, hash: &str) -> Result<Arc<Pinned>, Error> {
    let damaged = |why: &str| {
        let failure = Failure::new(ErrorKind::Store, format!("the stored plan {hash} {why}"));
        Error::new(None, failure.hint("`segue doctor` looks for damage"))
    };
    let stored = store.plan(hash.to_owned()).await?;
    let stored = stored.ok_or_else(|| damaged("is missing"))?;
    let plan: Plan =
        serde_json::from_str(&stored.text).map_err(|error| damaged(&format!("cannot be read: {error}")))?;
    let pinned = Pinned::new(Arc::new(plan));
    if pinned.hash().as_str() != hash {
        return Err(damaged("has another content than its hash says"));
    }
    Ok(Arc::new(pinned))
}

/// A run with its whole log; none when there is no such run.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn read(store: &dyn Store, run: RunId) -> Result<Option<Stored>, Error> {
    let Some(head) = store.head(run).await? else {
        return Ok(None);
    };
    let pinned = plan(store, &head.plan_hash).await?;
    let mut scopes = Vec::new();
    let mut entries: Vec<StoredEntry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.number);
        let page = store.log(run, after, BITE).await?;
        let is_last = page.len() < BITE;
        for entry in page {
            let refuse = |why: &str| unreadable(run, entry.number, why);
            if entry.number != after_of(&entries) + 1 {
                return Err(refuse("the entry before it is missing"));
            }
            let read = stored::read::<Vec<StoredResult>>(&entry.body, &pinned, &mut scopes);
            let (results, values, records) = read.map_err(|error| refuse(&error.to_string()))?;
            let results = results.into_iter().map(|result| result.into_result(&values));
            let results = results
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| refuse(&error.to_string()))?;
            entries.push(StoredEntry {
                number: entry.number,
                at: entry.at,
                records,
                results,
            });
        }
        if is_last {
            break;
        }
    }
    Ok(Some(Stored {
        head,
        pinned,
        entries,
        scopes,
    }))
}

/// The log of a run as the store has it; none where there is no such run, or it cannot be read.
pub(crate) async fn log_of(store: &dyn Store, run: RunId) -> Option<Arc<RunLog>> {
    Some(read(store, run).await.ok()??.into_log())
}

fn after_of(entries: &[StoredEntry]) -> u64 {
    entries.last().map_or(0, |entry| entry.number)
}

impl Stored {
    /// When the run was last written.
    pub(crate) fn last_written(&self) -> Time {
        self.entries.last().map_or(self.head.queued, |entry| entry.at)
    }

    /// What is known of it from when it began.
    pub(crate) fn begun(&self) -> Option<&Begun> {
        begun(&self.entries)
    }

    /// Its log, for reading.
    pub(crate) fn into_log(self) -> Arc<RunLog> {
        let clock = Clock::resume(crate::clock::wall(), self.head.queued, self.last_written());
        let records = self.entries.into_iter().flat_map(|entry| entry.records);
        let log = RunLog::kept(self.head.id, clock, records.collect(), self.scopes);
        if self.head.standing.status.is_terminal() {
            log.end();
        }
        Arc::new(log)
    }
}

/// What is known of a run from when it began.
pub(crate) fn begun(entries: &[StoredEntry]) -> Option<&Begun> {
    match &entries.first()?.records.first()?.what {
        What::Begun(begun) => Some(begun),
        _ => None,
    }
}

/// What a run was given: its input, and what its call said.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn asked(store: &dyn Store, run: RunId) -> Result<(Value, Call), Error> {
    let head = store.head(run).await?.ok_or_else(|| no_such_run(run))?;
    let pinned = plan(store, &head.plan_hash).await?;
    let entries = store.log(run, 0, 1).await?;
    let damaged = |why: &str| unreadable(run, 1, why);
    let entry = entries.first().ok_or_else(|| damaged("it is missing"))?;
    let (_, _, records) = stored::read::<Vec<StoredResult>>(&entry.body, &pinned, &mut Vec::new())
        .map_err(|error| damaged(&error.to_string()))?;
    let Some(What::Begun(begun)) = records.first().map(|record| &record.what) else {
        return Err(damaged("the log does not begin with it"));
    };
    let input = load(store.blobs(), &begun.input)
        .await
        .map_err(|failure| Error::new(Some(run), failure))?;
    Ok((input, Call::clone(&begun.call)))
}

/// What a run that is over came to; none when it is not over.
///
/// # Errors
/// The error of a failed or cancelled run, or that of the store.
pub(crate) async fn outcome(store: &Arc<dyn Store>, run: RunId) -> Result<Option<(Ended, Files)>, Error> {
    let stored = read(&**store, run).await?;
    let stored = stored.ok_or_else(|| no_such_run(run))?;
    let last = stored
        .entries
        .iter()
        .rev()
        .flat_map(|entry| entry.records.iter().rev());
    let mut ends = last.filter_map(|record| match &record.what {
        What::Other(kind) => ended(run, kind),
        _ => None,
    });
    let Some(end) = ends.next() else {
        return Ok(None);
    };
    let mut ended = end?;
    drop(ends);
    ended.output = load(store.blobs(), &ended.output)
        .await
        .map_err(|failure| Error::new(Some(run), failure))?;
    Ok(Some((ended, Files::kept(stored.into_log(), store.clone()))))
}

fn ended(run: RunId, kind: &EventKind) -> Option<Result<Ended, Error>> {
    match kind {
        EventKind::RunSucceeded {
            output,
            fallback,
            usage,
            cost,
            ..
        } => Some(Ok(Ended {
            output: Value::clone(output),
            fallback: *fallback,
            spent: Spent {
                usage: *usage,
                cost: *cost,
            },
        })),
        EventKind::RunFailed { error, .. } | EventKind::RunCancelled { error, .. } => {
            Some(Err(Error::new(Some(run), error.clone())))
        }
        _ => None,
    }
}

/// There is no run of this id.
pub(crate) fn no_such_run(run: RunId) -> Error {
    let failure = Failure::new(ErrorKind::NotFound, format!("there is no run {run}"));
    Error::new(None, failure.hint("`segue runs list` shows what there is"))
}
