//! Runs in a PostgreSQL database: for several machines that work on the same runs.
//!
//! Everything is in one schema of the database. What is written goes through one task (`writer`) that makes a
//! transaction of what comes in meanwhile, so that the commits of one run are carried out in the order in which they were
//! asked for, and the wait for the disk is shared. What is read goes through a pool. Other processes on the same database
//! are kept apart by locks on rows, by fences and by what is unique.
//!
//! While the server is away, writes are tried again until [`Connecting::patience`] is at its end; a server that is
//! restarted is not noticed but for the wait. As long waits what a run at work has to write for a full disk, or for a lock
//! of somebody else; others go on meanwhile, and whoever can ask again is told.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use segue::store::MemoryBlobs;
//! use segue_store::Postgres;
//!
//! # async fn open() -> Result<(), segue::store::StoreError> {
//! let blobs = Arc::new(MemoryBlobs::default());
//! let store = Postgres::connect("postgres://segue:a%20secret@db.internal/segue", blobs).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A pooler between this and the server has to keep sessions apart: statements are prepared once for each session, and
//! each session is told its schema.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use deadpool_postgres::Pool;
use segue::question::Question;
use segue::store::{
    Account, AccountKey, Amounts, ArtifactQuery, Beat, Blobs, Claim, Commit, Committed, Created, Decide,
    Document, DocumentKey, Entry, Halt, Head, Hold, KeptArtifact, LinkVersion, NewRun, Owner, OwnerId,
    OwnerSeen, Page, Pending, RunQuery, Settlement, Signal, SignalKind, Signalled, Store, StoreError,
    StoredPlan,
};
use segue::{CallId, QuestionId, RunId, Time};
use tokio_postgres::types::Json;

mod address;
mod alone;
mod connecting;
mod examine;
mod fault;
mod group;
mod late;
mod list;
mod pipe;
mod read;
mod row;
mod schema;
mod seam;
mod session;
mod text;
#[cfg(feature = "postgres-tls")]
mod tls;
mod write;
mod writer;

pub use connecting::Connecting;

use alone::NEWS;
use fault::Fault;
use list::Listing;
use pipe::params;
use read::{each, first, limit, read, refused};
use row::head_columns;
use text::kept;
use write::{Decision, Reply, Write};
use writer::Writer;

/// A store in a PostgreSQL database. Cheap to clone; a clone is the same store.
///
/// What was asked for is written also after the store is dropped, as long as its runtime lives.
#[derive(Clone)]
pub struct Postgres {
    inner: Arc<Inner>,
}

struct Inner {
    name: String,
    pool: Pool,
    writer: Writer,
    blobs: Arc<dyn Blobs>,
}

impl Postgres {
    /// Connects to the database at this address, `postgres://user:password@host/database`, and sees to it that it has the
    /// schema `segue`. Bytes are kept in `blobs`, which all machines have to reach.
    ///
    /// # Errors
    /// When the address is none, the server cannot be reached or does not let in, or the schema is of a newer version or
    /// belongs to something else. No error has the password in it.
    pub async fn connect(address: &str, blobs: Arc<dyn Blobs>) -> Result<Self, StoreError> {
        Self::at(address, blobs).connect().await
    }

    /// The store at this address, to be opened in a certain way.
    pub fn at(address: &str, blobs: Arc<dyn Blobs>) -> Connecting {
        Connecting::new(address, blobs)
    }

    fn new(name: String, pool: Pool, writer: Writer, blobs: Arc<dyn Blobs>) -> Self {
        Self {
            inner: Arc::new(Inner {
                name,
                pool,
                writer,
                blobs,
            }),
        }
    }

    fn write<T: Send + 'static>(&self, write: impl FnOnce(Reply<T>) -> Write) -> Pending<T> {
        let (reply, answer) = Reply::new();
        self.inner.writer.send(write(reply));
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(writer::ended())) })
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.inner.name).finish()
    }
}

const OWNERS: &str = "SELECT id, place, beats FROM owners ORDER BY id";
const UNFINISHED: &str = concat!(
    "SELECT ",
    head_columns!(),
    " FROM runs r JOIN logs l ON l.run = r.id WHERE r.status IN ('queued', 'running', 'waiting') \
     AND NOT EXISTS (SELECT 1 FROM owners o WHERE o.id = l.owner) \
     AND (r.status <> 'waiting' OR r.wakes <= $1 \
        OR EXISTS (SELECT 1 FROM signals s WHERE s.run = r.id AND s.wakes)) \
     ORDER BY r.position LIMIT $2"
);
const PLAN: &str = "SELECT hash, body FROM plans WHERE hash = $1";
const HEAD: &str = concat!(
    "SELECT ",
    head_columns!(),
    " FROM runs r JOIN logs l ON l.run = r.id WHERE r.id = $1"
);
/// No digit of an id comes after `~`.
const NAMED: &str = "SELECT id FROM runs WHERE id >= $1 AND id < $1 || '~' ORDER BY position DESC LIMIT $2";
const LOG: &str = "SELECT number, after, events, at, body FROM entries WHERE run = $1 AND number > $2 \
    ORDER BY number LIMIT $3";
const SIGNALS: &str = "SELECT number, run, at, kind FROM signals WHERE run = $1 ORDER BY number";
const QUESTION: &str = "SELECT question, status, asked, deadline, refused FROM questions WHERE id = $1";
const OPEN: &str = "SELECT question, status, asked, deadline, refused FROM questions WHERE status = 'open' \
    ORDER BY position LIMIT $1";
const OPEN_OF: &str = "SELECT question, status, asked, deadline, refused FROM questions WHERE status = 'open' \
    AND run = $2 ORDER BY position LIMIT $1";
const DOCUMENTS: &str = "SELECT step, run, status, empty, hash, built_on, version, updated, cost, running \
    FROM documents WHERE pipeline = $1 AND key = $2 AND (run IS NOT NULL OR running IS NOT NULL) ORDER BY position";
const WORKSPACES: &str = "SELECT pipeline, key FROM workspaces WHERE $1::text IS NULL OR key = $1 \
    ORDER BY pipeline, key";
const LINK: &str = "SELECT artifact, name, step, bytes, sha256, media_type, run, pipeline, at, link, version \
    FROM links WHERE pipeline = $1 AND link = $2 ORDER BY version DESC";
const REFERENCED: &str = "SELECT sha256 FROM artifacts UNION SELECT sha256 FROM links";
const HOLDS: &str = "SELECT call, run, fence, state, amounts FROM holds WHERE run = $1 ORDER BY call";
const ACCOUNTS: &str = "SELECT name, period, spent, reserved, uncertain FROM accounts \
    WHERE $1::text IS NULL OR name = $1 ORDER BY period DESC, name LIMIT $2";
const HALTED: &str = "SELECT halt, halt_since FROM segue_store WHERE halt IS NOT NULL";

impl Store for Postgres {
    fn name(&self) -> String {
        self.inner.name.clone()
    }

    fn blobs(&self) -> &dyn Blobs {
        &*self.inner.blobs
    }

    fn enroll(&self, owner: Owner) -> Pending<()> {
        self.write(|reply| Write::Enroll(owner, reply))
    }

    fn beat(&self, owner: OwnerId) -> Pending<Beat> {
        self.write(|reply| Write::Beat(owner, reply))
    }

    fn news(&self, owner: OwnerId) -> Pending<Beat> {
        let make = |rows| Ok(first(row::beat)(rows)?.unwrap_or_default());
        read(
            &self.inner.pool,
            "hear what is new",
            NEWS,
            params![owner.to_string()],
            make,
        )
    }

    fn owners(&self) -> Pending<Vec<OwnerSeen>> {
        let make = each(|row| {
            let Json(place) = row::get(row, 1)?;
            let id = row::id(row, 0)?;
            let beats = row::count(row, 2)?;
            Ok(OwnerSeen {
                owner: Owner { id, place },
                beats,
            })
        });
        read(&self.inner.pool, "list who works", OWNERS, params![], make)
    }

    fn bury(&self, owner: OwnerId, beats: u64) -> Pending<bool> {
        self.write(|reply| Write::Bury(owner, beats, reply))
    }

    fn leave(&self, owner: OwnerId) -> Pending<()> {
        self.write(|reply| Write::Leave(owner, reply))
    }

    fn create(&self, run: NewRun) -> Pending<Created> {
        self.write(|reply| Write::Create(Box::new(run), reply))
    }

    fn claim(&self, run: RunId, owner: OwnerId) -> Pending<Claim> {
        self.write(|reply| Write::Claim(run, owner, reply))
    }

    fn release(&self, run: RunId, fence: u64) -> Pending<()> {
        self.write(|reply| Write::Release(run, fence, reply))
    }

    fn commit(&self, commit: Commit) -> Pending<Committed> {
        self.write(|reply| Write::Commit(Box::new(commit), reply))
    }

    fn unfinished(&self, now: Time, most: usize) -> Pending<Vec<Head>> {
        let params = params![now.micros(), limit(most)];
        read(
            &self.inner.pool,
            "look for unfinished runs",
            UNFINISHED,
            params,
            each(row::head),
        )
    }

    fn remove(&self, run: RunId) -> Pending<bool> {
        self.write(|reply| Write::Remove(run, reply))
    }

    fn plan(&self, hash: String) -> Pending<Option<StoredPlan>> {
        let make = first(|row| {
            let hash = row::text(row, 0)?;
            let text = row::text(row, 1)?.into();
            Ok(StoredPlan { hash, text })
        });
        read(
            &self.inner.pool,
            "read a plan",
            PLAN,
            params![kept(&hash).into_owned()],
            make,
        )
    }

    fn head(&self, run: RunId) -> Pending<Option<Head>> {
        read(
            &self.inner.pool,
            "read a run",
            HEAD,
            params![run.to_string()],
            first(row::head),
        )
    }

    fn named(&self, prefix: String, most: usize) -> Pending<Vec<RunId>> {
        let params = params![kept(&prefix).into_owned(), limit(most)];
        read(
            &self.inner.pool,
            "look for a run by its id",
            NAMED,
            params,
            each(|row| row::id(row, 0)),
        )
    }

    fn runs(&self, query: RunQuery) -> Pending<Page<Head>> {
        match Listing::of(&query) {
            Err(error) => refused(error),
            Ok(Listing { sql, params }) => {
                let make = move |rows: Vec<_>| list::page(&rows, &query);
                read(&self.inner.pool, "list runs", sql, params, make)
            }
        }
    }

    fn log(&self, run: RunId, after: u64, most: usize) -> Pending<Vec<Entry>> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let params = params![run.to_string(), after, limit(most)];
        read(
            &self.inner.pool,
            "read the log of a run",
            LOG,
            params,
            each(|row| row::entry(row, 0)),
        )
    }

    fn signal(&self, signal: SignalKind, run: RunId, at: Time) -> Pending<Signalled> {
        self.write(|reply| Write::Signal(signal, run, at, reply))
    }

    fn signals(&self, run: RunId) -> Pending<Vec<Signal>> {
        let params = params![run.to_string()];
        read(
            &self.inner.pool,
            "read the signals of a run",
            SIGNALS,
            params,
            each(row::signal),
        )
    }

    fn question(&self, question: QuestionId) -> Pending<Option<Question>> {
        let params = params![question.to_string()];
        read(
            &self.inner.pool,
            "read a question",
            QUESTION,
            params,
            first(row::question),
        )
    }

    fn questions(&self, run: Option<RunId>, most: usize) -> Pending<Vec<Question>> {
        let (sql, params) = match run {
            None => (OPEN, params![limit(most)]),
            Some(run) => (OPEN_OF, params![limit(most), run.to_string()]),
        };
        read(
            &self.inner.pool,
            "list open questions",
            sql,
            params,
            each(row::question),
        )
    }

    fn expire(&self, question: QuestionId) -> Pending<bool> {
        self.write(|reply| Write::Expire(question, reply))
    }

    fn documents(&self, pipeline: String, key: String) -> Pending<Vec<Document>> {
        let params = params![kept(&pipeline).into_owned(), kept(&key).into_owned()];
        let make = each(|row| row::document(row, 0));
        read(
            &self.inner.pool,
            "read the documents of a workspace",
            DOCUMENTS,
            params,
            make,
        )
    }

    fn workspaces(&self, key: Option<String>) -> Pending<Vec<DocumentKey>> {
        let make = each(|row| {
            let pipeline = row::text(row, 0)?;
            let key = row::text(row, 1)?;
            Ok(DocumentKey { pipeline, key })
        });
        let params = params![key.map(|key| kept(&key).into_owned())];
        read(&self.inner.pool, "list workspaces", WORKSPACES, params, make)
    }

    fn artifacts(&self, query: ArtifactQuery) -> Pending<Vec<KeptArtifact>> {
        let (sql, params) = list::artifacts(&query);
        read(
            &self.inner.pool,
            "list artifacts",
            sql,
            params,
            each(row::artifact),
        )
    }

    fn link(&self, pipeline: String, link: String) -> Pending<Vec<LinkVersion>> {
        let params = params![kept(&pipeline).into_owned(), kept(&link).into_owned()];
        read(&self.inner.pool, "read a link", LINK, params, each(row::link))
    }

    fn referenced(&self) -> Pending<BTreeSet<String>> {
        let make = |rows: Vec<tokio_postgres::Row>| rows.iter().map(|row| row::text(row, 0)).collect();
        read(
            &self.inner.pool,
            "list what is referred to",
            REFERENCED,
            params![],
            make,
        )
    }

    fn reserve(&self, hold: Hold, accounts: Vec<AccountKey>, decide: Decide) -> Pending<Option<Amounts>> {
        self.write(|reply| Write::Reserve(hold, accounts, Decision::new(decide), reply))
    }

    fn holds(&self, run: RunId) -> Pending<Vec<Hold>> {
        let params = params![run.to_string()];
        read(
            &self.inner.pool,
            "read what calls hold",
            HOLDS,
            params,
            each(row::hold),
        )
    }

    fn accounts(&self, name: Option<String>, most: usize) -> Pending<Vec<Account>> {
        let params = params![name.map(|name| kept(&name).into_owned()), limit(most)];
        read(
            &self.inner.pool,
            "list shared budgets",
            ACCOUNTS,
            params,
            each(row::account),
        )
    }

    fn settle(&self, run: RunId, calls: Vec<(CallId, Settlement)>) -> Pending<()> {
        self.write(|reply| Write::Settle(run, calls, reply))
    }

    fn halt(&self, halt: Option<Halt>) -> Pending<()> {
        self.write(|reply| Write::Halt(halt, reply))
    }

    fn halted(&self) -> Pending<Option<Halt>> {
        let make = first(|row| {
            let Json(mut halt): Json<Halt> = row::get(row, 0)?;
            halt.since = Time::from_micros(row::get(row, 1)?);
            Ok(halt)
        });
        read(
            &self.inner.pool,
            "read whether calls are halted",
            HALTED,
            params![],
            make,
        )
    }

    fn examine(&self) -> Pending<Vec<String>> {
        let pool = self.inner.pool.clone();
        Box::pin(async move {
            let found = examine::examine(&pool).await;
            found.map_err(|fault: Fault| fault.error("examine the database"))
        })
    }
}
