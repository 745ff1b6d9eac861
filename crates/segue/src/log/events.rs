//! Streams of events: of a run in this process from its log in memory, of any other from its store. Live and replayed
//! are the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::event::Event;
use super::memory::{RunLog, expand};
use super::record::ScopeInfo;
use super::stored;
use crate::clock;
use crate::error::{Error, ErrorKind, Failure};
use crate::id::RunId;
use crate::plan::{Pinned, Plan};
use crate::store::{Store, StoreError};

/// How often a run of another process is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Entries that are read at once.
const BITE: usize = 256;

/// The events of a run, in order, as they come.
pub struct Events(Source);

enum Source {
    Log(InLog),
    Store(Box<InStore>),
}

/// The events of a log in memory.
struct InLog {
    log: Arc<RunLog>,
    at: usize,
    seq: u64,
    ready: VecDeque<Event>,
}

/// The events of a run in a store.
struct InStore {
    store: Arc<dyn Store>,
    run: RunId,
    pinned: Option<Arc<Pinned>>,
    scopes: Vec<ScopeInfo>,
    /// The last entry that was read.
    entry: u64,
    seq: u64,
    ready: VecDeque<Event>,
    is_over: bool,
    /// Told when a run of this process was written.
    changed: Arc<Notify>,
    error: Option<Error>,
}

impl Events {
    pub(super) fn of_log(log: Arc<RunLog>) -> Self {
        Self(Source::Log(InLog {
            log,
            at: 0,
            seq: 1,
            ready: VecDeque::new(),
        }))
    }

    pub(crate) fn of_store(store: Arc<dyn Store>, run: RunId, changed: Arc<Notify>) -> Self {
        Self(Source::Store(Box::new(InStore {
            store,
            run,
            pinned: None,
            scopes: Vec::new(),
            entry: 0,
            seq: 1,
            ready: VecDeque::new(),
            is_over: false,
            changed,
            error: None,
        })))
    }

    /// The next event; none when the run is over. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        match &mut self.0 {
            Source::Log(events) => events.next().await,
            Source::Store(events) => events.next().await,
        }
    }

    /// Why there are no more events, when that is not because the run is over.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match &self.0 {
            Source::Log(_) => None,
            Source::Store(events) => events.error.as_ref(),
        }
    }
}

impl InLog {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let log = self.log.clone();
            let notified = log.more().notified();
            let mut notified = std::pin::pin!(notified);
            // Registered before looking, so that nothing appended in between is missed.
            notified.as_mut().enable();
            if !log.read(&mut self.at, &mut self.seq, &mut self.ready) {
                return None;
            }
            if self.ready.is_empty() {
                notified.await;
            }
        }
    }
}

impl InStore {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.is_over |= event.is_terminal();
                return Some(event);
            }
            if self.is_over || self.error.is_some() {
                return None;
            }
            let changed = self.changed.clone();
            let changed = changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            match self.read().await {
                Ok(()) => {}
                Err(error) if error.is_passing() => {}
                Err(error) => {
                    self.error = Some(error.into());
                    return None;
                }
            }
            if self.ready.is_empty() && self.error.is_none() {
                let _ = clock::within(Some(LOOK), changed).await;
            }
        }
    }

    async fn read(&mut self) -> Result<(), StoreError> {
        let Some(pinned) = self.pinned().await? else {
            return Ok(());
        };
        for entry in self.store.log(self.run, self.entry, BITE).await? {
            let read = stored::read::<serde::de::IgnoredAny>(&entry.body, &pinned, &mut self.scopes);
            let (_, _, records) = match read {
                Ok(read) => read,
                Err(error) => {
                    self.error = Some(unreadable(self.run, entry.number, &error.to_string()));
                    return Ok(());
                }
            };
            for record in &records {
                expand(self.run, record, &self.scopes, &mut self.seq, &mut self.ready);
            }
            self.entry = entry.number;
        }
        Ok(())
    }

    async fn pinned(&mut self) -> Result<Option<Arc<Pinned>>, StoreError> {
        if let Some(pinned) = &self.pinned {
            return Ok(Some(pinned.clone()));
        }
        let Some(head) = self.store.head(self.run).await? else {
            let message = format!("there is no run {}", self.run);
            self.error = Some(Error::new(
                Some(self.run),
                Failure::new(ErrorKind::NotFound, message),
            ));
            return Ok(None);
        };
        let plan = self.store.plan(head.plan_hash.clone()).await?;
        match plan.and_then(|plan| serde_json::from_str::<Plan>(&plan.text).ok()) {
            Some(plan) => {
                self.pinned = Some(Arc::new(Pinned::new(Arc::new(plan))));
                Ok(self.pinned.clone())
            }
            None => {
                let message = format!("the plan {} of run {} cannot be read", head.plan_hash, self.run);
                self.error = Some(Error::new(
                    Some(self.run),
                    Failure::new(ErrorKind::Store, message),
                ));
                Ok(None)
            }
        }
    }
}

/// The error of an entry that cannot be read.
pub(crate) fn unreadable(run: RunId, entry: u64, why: &str) -> Error {
    let message = format!("entry {entry} of run {run} cannot be read: {why}");
    let failure = Failure::new(ErrorKind::Store, message)
        .hint("`segue doctor` looks for damage; a newer release may have written it");
    Error::new(Some(run), failure)
}
