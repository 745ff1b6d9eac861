//! A store with a fault built in: one that breaks a promise, so that a harness can show that it would notice.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::id::RunId;
use crate::store::through::{Through, through};
use crate::store::{
    Account, AccountKey, Amounts, BlobReader, BlobWriter, Blobs, Commit, Committed, Decide, Hold,
    KeptArtifact, LinkVersion, Pending, Store, StoreError, StoreErrorKind,
};

/// How long what was answered already is still to be done.
const LATE: Duration = Duration::from_millis(20);

/// A promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A transition is answered before it is written.
    Early,
    /// The artifacts of a run are written with its last transition, and not with the outcomes they belong to.
    Apart,
    /// Bytes are kept after whoever refers to them was told that they are.
    Dangling,
    /// Whoever writes to a run may, whether or not he holds it.
    Unfenced,
    /// A call is granted whatever the budget says, and nothing is set aside for it.
    Unreserved,
}

impl Plant {
    /// All there are.
    pub const ALL: [Plant; 5] = [
        Plant::Early,
        Plant::Apart,
        Plant::Dangling,
        Plant::Unfenced,
        Plant::Unreserved,
    ];
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Plant::Early => "early",
            Plant::Apart => "apart",
            Plant::Dangling => "dangling",
            Plant::Unfenced => "unfenced",
            Plant::Unreserved => "unreserved",
        })
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|plant| plant.to_string() == text);
        found.ok_or_else(|| format!("`{text}` is no fault that can be built in"))
    }
}

/// Artifacts, and links that move to them.
type Links = (Vec<KeptArtifact>, Vec<LinkVersion>);

/// A store with a fault.
pub struct Planted {
    inner: Arc<dyn Store>,
    plant: Plant,
    blobs: Late,
    /// What is written with the last transition, by run.
    apart: Mutex<HashMap<RunId, Links>>,
    later: Later,
}

impl Planted {
    /// Puts a fault in front of a store.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>, plant: Plant) -> Self {
        Self {
            plant,
            blobs: Late {
                inner: inner.clone(),
                later: Later::start(),
            },
            apart: Mutex::default(),
            later: Later::start(),
            inner,
        }
    }
}

impl Through for Planted {
    fn behind(&self) -> &Arc<dyn Store> {
        &self.inner
    }

    fn blobs_behind(&self) -> &dyn Blobs {
        match self.plant {
            Plant::Dangling => &self.blobs,
            _ => self.inner.blobs(),
        }
    }

    fn commit_behind(&self, mut commit: Commit) -> Pending<Committed> {
        match self.plant {
            Plant::Early => {
                let told = Committed {
                    left: commit.leaves,
                    ..Committed::default()
                };
                let inner = self.inner.clone();
                self.later
                    .put(LATE, async move { drop(inner.commit(commit).await) }.boxed());
                std::future::ready(Ok(told)).boxed()
            }
            Plant::Apart => {
                let mut apart = self.apart.lock().unwrap_or_else(PoisonError::into_inner);
                let (artifacts, links) = apart.entry(commit.run).or_default();
                artifacts.append(&mut commit.artifacts);
                links.append(&mut commit.links);
                if commit.leaves {
                    (commit.artifacts, commit.links) = apart.remove(&commit.run).unwrap_or_default();
                }
                self.inner.commit(commit)
            }
            Plant::Unfenced => {
                let (told, answer) = oneshot::channel();
                let inner = self.inner.clone();
                let force = async move { drop(told.send(force(&*inner, commit).await)) };
                self.later.put(Duration::ZERO, force.boxed());
                async move { answer.await.unwrap_or_else(|_| Err(gone())) }.boxed()
            }
            Plant::Dangling | Plant::Unreserved => self.inner.commit(commit),
        }
    }

    fn reserve_behind(
        &self,
        hold: Hold,
        accounts: Vec<AccountKey>,
        decide: Decide,
    ) -> Pending<Option<Amounts>> {
        if self.plant != Plant::Unreserved {
            return self.inner.reserve(hold, accounts, decide);
        }
        let untouched: Vec<Account> = accounts.into_iter().map(Account::new).collect();
        std::future::ready(Ok(decide(&untouched))).boxed()
    }
}

through!(Planted);

/// Writes at the end of the log, wherever that is, under whichever fence the run is held.
async fn force(inner: &dyn Store, mut commit: Commit) -> Result<Committed, StoreError> {
    let Some(head) = inner.head(commit.run).await? else {
        return inner.commit(commit).await;
    };
    let mut last = None;
    loop {
        let after = last
            .as_ref()
            .map_or(0, |entry: &crate::store::Entry| entry.number);
        match inner.log(commit.run, after, 1_000).await?.pop() {
            Some(entry) => last = Some(entry),
            None => break,
        }
    }
    if let Some(last) = last {
        commit.entry.number = last.number + 1;
        commit.entry.after = last.last();
    }
    commit.fence = head.fence;
    commit.outcomes.clear();
    inner.commit(commit).await
}

fn gone() -> StoreError {
    StoreError::new(StoreErrorKind::Failed, "the store is gone")
}

/// Bytes that are kept late.
struct Late {
    inner: Arc<dyn Store>,
    later: Later,
}

impl Blobs for Late {
    fn write(&self) -> Pending<Box<dyn BlobWriter>> {
        let writer = Box::new(Writing {
            inner: self.inner.clone(),
            later: self.later.sender.clone(),
            bytes: Vec::new(),
        });
        std::future::ready(Ok(writer as Box<dyn BlobWriter>)).boxed()
    }

    fn read(&self, sha256: String) -> Pending<Option<Box<dyn BlobReader>>> {
        self.inner.blobs().read(sha256)
    }

    fn sweep(&self, referenced: std::collections::BTreeSet<String>, older_than: Duration) -> Pending<u64> {
        self.inner.blobs().sweep(referenced, older_than)
    }
}

struct Writing {
    inner: Arc<dyn Store>,
    later: Sender<Task>,
    bytes: Vec<u8>,
}

impl BlobWriter for Writing {
    fn append(&mut self, bytes: Vec<u8>) -> Pending<()> {
        self.bytes.extend(bytes);
        std::future::ready(Ok(())).boxed()
    }

    fn finish(self: Box<Self>) -> Pending<(String, u64)> {
        let Self { inner, later, bytes } = *self;
        let hash: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let told = (hash, bytes.len() as u64);
        let keep = async move { drop(inner.blobs().keep(bytes).await) };
        // Whoever is gone keeps nothing any more.
        let _ = later.send((LATE, keep.boxed()));
        std::future::ready(Ok(told)).boxed()
    }
}

type Task = (Duration, BoxFuture<'static, ()>);

/// What is done later, in order, by a thread of its own. All of it is done before this is dropped.
struct Later {
    sender: Sender<Task>,
    thread: Option<JoinHandle<()>>,
}

impl Later {
    fn start() -> Self {
        let (sender, tasks) = channel();
        Self {
            sender,
            thread: Some(thread::spawn(move || work(&tasks))),
        }
    }

    fn put(&self, late: Duration, task: BoxFuture<'static, ()>) {
        // Only when the thread has panicked, and then the test has.
        let _ = self.sender.send((late, task));
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        let (closed, _) = channel();
        self.sender = closed;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(tasks: &Receiver<Task>) {
    // Nobody ever sends here: it is waited for in vain, for as long as that takes.
    let (_never, vain) = channel::<()>();
    while let Ok((late, task)) = tasks.recv() {
        if let Err(RecvTimeoutError::Timeout) = vain.recv_timeout(late) {
            finish(task);
        }
    }
}

/// Waits for the end of a task.
fn finish(task: BoxFuture<'static, ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let Ok(runtime) = runtime {
        runtime.block_on(task);
    }
}
