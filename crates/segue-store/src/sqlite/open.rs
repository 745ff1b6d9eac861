//! Opening: from a path to a store that can be trusted, or to the reason why not. A file that is not a sound store of a
//! known version is never changed, let alone replaced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use segue::store::{Blobs, StoreError, StoreErrorKind};
use segue::{Ids, RandomIds};

use super::connect::Door;
use super::copy::{Begun, io_failed};
use super::file::{SameFile, warnings};
use super::migrate::{VERSIONS, Versions, migrate};
use super::readers::Readers;
use super::trouble::explain;
use super::writer::Writer;
use super::{Sqlite, schema};
use crate::artifacts::Directory;
use crate::durability::Durability;
use crate::folder::make_folder;

/// The oldest SQLite that does not damage its write-ahead log when two connections write and copy it at once.
const OLDEST: i32 = 3_051_003;

/// How long a connection waits for another process that has the file locked.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a store is opened.
#[must_use = "nothing is opened before `open` is called"]
pub struct Opening {
    path: PathBuf,
    durability: Durability,
    artifacts: Option<PathBuf>,
    blobs: Option<Box<dyn Blobs>>,
    vfs: Option<String>,
    careless: bool,
    apart: bool,
    versions: Versions,
    patience: Duration,
}

impl Opening {
    pub(super) fn at(path: PathBuf) -> Self {
        Self {
            path,
            durability: Durability::Full,
            artifacts: None,
            blobs: None,
            vfs: None,
            careless: false,
            apart: false,
            versions: VERSIONS,
            patience: PATIENCE,
        }
    }

    /// What outlives a loss of power. Full by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The directory for the bytes of artifacts; `artifacts` beside the file by default.
    pub fn artifacts(mut self, directory: impl Into<PathBuf>) -> Self {
        self.artifacts = Some(directory.into());
        self
    }

    /// Keeps the bytes of artifacts somewhere else: see [`artifacts::open`](crate::artifacts::open).
    pub fn blobs(mut self, blobs: Box<dyn Blobs>) -> Self {
        self.blobs = Some(blobs);
        self
    }

    /// Opens the file through a registered file system of SQLite, one that fails for example.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn vfs(mut self, name: impl Into<String>) -> Self {
        self.vfs = Some(name.into());
        self
    }

    /// Does not sync what it should, so that a test can see whether it would notice.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn careless(mut self) -> Self {
        self.careless = true;
        self
    }

    /// Writes an entry and what follows from it in two transactions, so that a test can see whether it would notice.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn apart(mut self) -> Self {
        self.apart = true;
        self
    }

    /// How long to wait for another process that has the file locked, instead of five seconds.
    #[cfg(any(test, feature = "testing"))]
    #[doc(hidden)]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    #[cfg(test)]
    pub(super) fn versions(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    /// Opens the store. Where there is no file, an empty store is made, with the folders above it, for its owner alone.
    ///
    /// # Errors
    /// The file is no store, is damaged, or is of a newer version; the place cannot be written; another process keeps
    /// the file locked; an older file could not be migrated.
    pub fn open(self) -> Result<Sqlite, StoreError> {
        if rusqlite::version_number() < OLDEST {
            let message = format!(
                "SQLite {} can damage a store; 3.51.3 is the oldest that does not",
                rusqlite::version()
            );
            return Err(StoreError::new(StoreErrorKind::Refused, message));
        }
        let path = whole_path(&self.path)?;
        let door = Door {
            path: path.clone(),
            durability: self.durability,
            vfs: self.vfs,
            careless: self.careless,
            apart: self.apart,
            patience: self.patience,
        };
        look(&door, self.versions)?;
        let opening = |error| explain(&path, "opening", &error);
        let connection = door.writer().map_err(opening)?;
        let migrated = migrate(&door, &connection, self.versions)?;
        prepare(&connection).map_err(opening)?;
        // While this one is open nobody recovers the write-ahead log, so what a failed sync has left in it never comes
        // back to life: the next transaction writes over it.
        let anchor = door.reader().map_err(opening)?;
        anchor
            .query_row("SELECT count(*) FROM owners", [], |_| Ok(()))
            .map_err(opening)?;
        let blobs = match self.blobs {
            Some(blobs) => blobs,
            None => {
                let beside = || path.with_file_name("artifacts");
                Box::new(Directory::open(self.artifacts.unwrap_or_else(beside))?)
            }
        };
        Ok(Sqlite {
            name: format!("sqlite:{}", self.path.display()),
            writer: Writer::start(door.clone(), connection, SameFile::at(&path), RandomIds.bits())?,
            readers: Readers::new(door.clone()),
            warnings: warnings(&path),
            migrated,
            blobs,
            door,
            anchor: std::sync::Mutex::new(anchor),
        })
    }
}

/// The path from the root on: it does not change when the process goes to another directory, and never looks like a URI.
/// The folder is made when it is not there.
fn whole_path(path: &Path) -> Result<PathBuf, StoreError> {
    let failed = |error: io::Error| io_failed("opening", path, &error);
    match fs::canonicalize(path) {
        Ok(whole) => return Ok(whole),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Err(_) => {}
    }
    let Some(name) = path.file_name() else {
        let message = format!("`{}` names no file", path.display());
        return Err(StoreError::new(StoreErrorKind::Misused, message));
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    make_folder(folder).map_err(failed)?;
    Ok(fs::canonicalize(folder).map_err(failed)?.join(name))
}

/// Looks at what is there before anything is written; makes an empty store where there is nothing.
fn look(door: &Door, versions: Versions) -> Result<(), StoreError> {
    let path = &door.path;
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return make(door),
        Err(error) => return Err(io_failed("opening", path, &error)),
        Ok(found) if found.is_dir() => return Err(no_store(path, "a directory")),
        Ok(found) if found.len() == 0 => return Err(no_store(path, "empty")),
        Ok(_) => {}
    }
    let looking = |error| explain(path, "opening", &error);
    let connection = door.reader().map_err(looking)?;
    // The last one to close a file copies its log into it; whoever only looks changes nothing.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(looking)?;
    let application: i32 = connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(looking)?;
    if application != schema::APPLICATION {
        return Err(no_store(path, "a database of another program"));
    }
    let version = super::migrate::version(&connection).map_err(looking)?;
    if version > versions.present {
        // The same words as when another process upgrades it right now.
        migrate(door, &connection, versions)?;
    }
    Ok(())
}

fn no_store(path: &Path, what: &str) -> StoreError {
    let message = format!("`{}` is {what} and no store", path.display());
    StoreError::new(StoreErrorKind::Refused, message)
        .hint("name another file, or move this one away and an empty store is made in its place; nothing was changed")
}

/// Makes an empty store under another name and gives it its own when it is whole: nobody ever opens half a store.
fn make(door: &Door) -> Result<(), StoreError> {
    let path = &door.path;
    let begun = Begun::beside(path)?;
    let fill = |connection: Connection| {
        connection.execute_batch(&format!(
            "PRAGMA page_size = {};
             PRAGMA application_id = {};
             PRAGMA journal_mode = WAL;
             BEGIN IMMEDIATE;
             {}
             PRAGMA user_version = {};
             COMMIT;",
            schema::PAGE,
            schema::APPLICATION,
            schema::TABLES,
            schema::VERSION,
        ))?;
        connection.close().map_err(|(_, error)| error)
    };
    let filled = door.maker(begun.path()).and_then(fill);
    filled.map_err(|error| explain(path, "making", &error))?;
    match begun.finish(path) {
        // Another process was faster; its store is as good.
        Err(_) if path.exists() => Ok(()),
        made => made,
    }
}

/// What has to hold of a file that is written to.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if journal != "wal" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        let message = format!("it cannot have a write-ahead log here, only `{journal}`");
        return Err(rusqlite::Error::SqliteFailure(code, Some(message)));
    }
    // Each writer there ever was has left a mark; only the last ones can still be asked for.
    let marks: i64 = connection.query_row("SELECT count(*) FROM marks", [], |row| row.get(0))?;
    if marks > 100 {
        connection.execute(
            "DELETE FROM marks WHERE number <= (SELECT max(number) FROM marks) - 50",
            [],
        )?;
    }
    Ok(())
}
