//! The store in one SQLite file: what a project uses by default.
//!
//! One thread writes and a few read. Several processes can use one file on one machine.
//!
//! ```
//! use segue::store::Store;
//! use segue_store::{Durability, Sqlite};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let store = Sqlite::at(folder.path().join("store.db")).durability(Durability::Full).open()?;
//! assert!(store.name().starts_with("sqlite:"));
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rusqlite::Connection;
use segue::question::Question;
use segue::store::{
    Account, AccountKey, Amounts, ArtifactQuery, Beat, Blobs, Claim, Commit, Committed, Created, Decide,
    Document, DocumentKey, Entry, Halt, Head, Hold, KeptArtifact, LinkVersion, NewRun, Owner, OwnerId,
    OwnerSeen, Page, Pending, RunQuery, Settlement, Signal, SignalKind, Signalled, Store, StoreError,
    StoredPlan,
};
use segue::{CallId, QuestionId, RunId, Time};

mod account;
mod commit;
mod connect;
mod copy;
mod create;
mod examine;
mod file;
mod inbox;
mod job;
mod kept;
mod migrate;
mod open;
mod outcomes;
mod owner;
mod pace;
mod person;
mod read;
mod readers;
mod remove;
mod row;
mod runs;
mod saved;
mod schema;
mod trouble;
mod workspace;
mod writer;
mod writing;

#[cfg(test)]
mod tests;

use account::Wish;
use connect::Door;
use job::Kind;
use readers::Readers;
use trouble::Stop;
use writer::Writer;

pub use open::Opening;

/// A store in one SQLite file.
///
/// Dropping it waits until what was asked for is written.
pub struct Sqlite {
    name: String,
    readers: Readers,
    warnings: Vec<String>,
    migrated: Option<PathBuf>,
    blobs: Box<dyn Blobs>,
    door: Door,
    #[expect(dead_code, reason = "it is only held open")]
    anchor: Mutex<Connection>,
    // Last, because whoever closes the file last has to be able to write.
    writer: Writer,
}

impl Sqlite {
    /// Opens the store at a path with everything as it is by default; makes it where there is none.
    ///
    /// # Errors
    /// See [`Opening::open`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::at(path).open()
    }

    /// The store at a path, to be opened in a certain way.
    pub fn at(path: impl Into<PathBuf>) -> Opening {
        Opening::at(path.into())
    }

    /// What a person should know about where the file is: others can read it, or it is on a network file system.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where the copy is that was made before the file was migrated, if it was.
    #[must_use]
    pub fn migrated(&self) -> Option<&Path> {
        self.migrated.as_deref()
    }

    /// How long the write-ahead log is, in bytes. Beyond 256 MB something keeps reading for too long.
    #[must_use]
    pub fn wal_bytes(&self) -> u64 {
        let mut path = self.door.path.clone().into_os_string();
        path.push("-wal");
        std::fs::metadata(path).map_or(0, |found| found.len())
    }

    /// Copies the store as it is at one moment into a file that is not there yet, while it is in use. Bytes of artifacts
    /// are no part of it.
    pub fn backup(&self, to: impl Into<PathBuf>) -> Pending<()> {
        let (door, to) = (self.door.clone(), to.into());
        self.readers.read_long(move |_| Ok(copy::copy(&door, &to)?))
    }
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.writer.stop();
    }
}

/// A request that only reads.
macro_rules! read {
    ($self:ident, |$connection:ident| $read:expr) => {
        $self.readers.read(move |$connection| Ok($read?))
    };
}

/// A request that writes.
macro_rules! write {
    ($self:ident, $kind:expr, |$writing:ident| $write:expr) => {
        $self.writer.submit($kind, move |$writing| $write)
    };
}

impl Store for Sqlite {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn blobs(&self) -> &dyn Blobs {
        &*self.blobs
    }

    fn enroll(&self, owner: Owner) -> Pending<()> {
        write!(self, Kind::Other, |writing| owner::enroll(writing, &owner))
    }

    fn beat(&self, owner: OwnerId) -> Pending<Beat> {
        write!(self, Kind::Beat, |writing| owner::beat(writing, owner))
    }

    fn news(&self, owner: OwnerId) -> Pending<Beat> {
        read!(self, |connection| read::news(connection, owner))
    }

    fn owners(&self) -> Pending<Vec<OwnerSeen>> {
        read!(self, |connection| read::owners(connection))
    }

    fn bury(&self, owner: OwnerId, beats: u64) -> Pending<bool> {
        write!(self, Kind::Other, |writing| owner::bury(writing, owner, beats))
    }

    fn leave(&self, owner: OwnerId) -> Pending<()> {
        write!(self, Kind::Other, |writing| owner::leave(writing, owner))
    }

    fn create(&self, run: NewRun) -> Pending<Created> {
        // It goes to the writer and back as it is: a kilobyte is not moved three times.
        let run = Box::new(run);
        write!(self, Kind::Create(run.head.id), |writing| create::create(
            writing, &run
        ))
    }

    fn claim(&self, run: RunId, owner: OwnerId) -> Pending<Claim> {
        write!(self, Kind::Other, |writing| owner::claim(writing, run, owner))
    }

    fn release(&self, run: RunId, fence: u64) -> Pending<()> {
        write!(self, Kind::Kept, |writing| owner::release(writing, run, fence))
    }

    fn commit(&self, commit: Commit) -> Pending<Committed> {
        let commit = Box::new(commit);
        write!(self, Kind::Commit(commit.run), |writing| commit::commit(
            writing, &commit
        ))
    }

    fn unfinished(&self, now: Time, most: usize) -> Pending<Vec<Head>> {
        read!(self, |connection| read::unfinished(connection, now, most))
    }

    fn remove(&self, run: RunId) -> Pending<bool> {
        write!(self, Kind::Other, |writing| remove::remove(writing, run))
    }

    fn plan(&self, hash: String) -> Pending<Option<StoredPlan>> {
        read!(self, |connection| read::plan(connection, &hash))
    }

    fn head(&self, run: RunId) -> Pending<Option<Head>> {
        read!(self, |connection| read::head(connection, run))
    }

    fn named(&self, prefix: String, most: usize) -> Pending<Vec<RunId>> {
        read!(self, |connection| read::named(connection, &prefix, most))
    }

    fn runs(&self, query: RunQuery) -> Pending<Page<Head>> {
        read!(self, |connection| runs::runs(connection, &query))
    }

    fn log(&self, run: RunId, after: u64, most: usize) -> Pending<Vec<Entry>> {
        read!(self, |connection| read::log(connection, run, after, most))
    }

    fn signal(&self, signal: SignalKind, run: RunId, at: Time) -> Pending<Signalled> {
        write!(self, Kind::Other, |writing| person::signal(
            writing, &signal, run, at
        ))
    }

    fn signals(&self, run: RunId) -> Pending<Vec<Signal>> {
        read!(self, |connection| read::signals(connection, run))
    }

    fn question(&self, question: QuestionId) -> Pending<Option<Question>> {
        read!(self, |connection| read::question(connection, question))
    }

    fn questions(&self, run: Option<RunId>, most: usize) -> Pending<Vec<Question>> {
        read!(self, |connection| read::questions(connection, run, most))
    }

    fn expire(&self, question: QuestionId) -> Pending<bool> {
        write!(self, Kind::Other, |writing| person::expire(writing, question))
    }

    fn documents(&self, pipeline: String, key: String) -> Pending<Vec<Document>> {
        read!(self, |connection| read::documents(connection, &pipeline, &key))
    }

    fn workspaces(&self, key: Option<String>) -> Pending<Vec<DocumentKey>> {
        read!(self, |connection| read::workspaces(connection, key.as_deref()))
    }

    fn artifacts(&self, query: ArtifactQuery) -> Pending<Vec<KeptArtifact>> {
        read!(self, |connection| read::artifacts(connection, &query))
    }

    fn link(&self, pipeline: String, link: String) -> Pending<Vec<LinkVersion>> {
        read!(self, |connection| read::link(connection, &pipeline, &link))
    }

    fn referenced(&self) -> Pending<BTreeSet<String>> {
        read!(self, |connection| read::referenced(connection))
    }

    fn reserve(&self, hold: Hold, accounts: Vec<AccountKey>, decide: Decide) -> Pending<Option<Amounts>> {
        let mut wish = Wish {
            hold,
            accounts,
            decide: Some(decide),
            decided: None,
        };
        write!(self, Kind::Kept, |writing| account::reserve(writing, &mut wish))
    }

    fn holds(&self, run: RunId) -> Pending<Vec<Hold>> {
        read!(self, |connection| read::holds(connection, run))
    }

    fn accounts(&self, name: Option<String>, most: usize) -> Pending<Vec<Account>> {
        read!(self, |connection| read::accounts(
            connection,
            name.as_deref(),
            most
        ))
    }

    fn settle(&self, run: RunId, calls: Vec<(CallId, Settlement)>) -> Pending<()> {
        write!(self, Kind::Kept, |writing| account::settle_all(
            writing, run, &calls
        ))
    }

    fn halt(&self, halt: Option<Halt>) -> Pending<()> {
        write!(self, Kind::Other, |writing| person::halt(writing, halt.as_ref()))
    }

    fn halted(&self) -> Pending<Option<Halt>> {
        read!(self, |connection| read::halted(connection))
    }

    fn examine(&self) -> Pending<Vec<String>> {
        self.readers
            .read_long(|connection| examine::examine(connection).map_err(Stop::from))
    }
}
