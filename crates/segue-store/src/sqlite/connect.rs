//! Connections: how the file is opened, the same way by everybody who opens it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::durability::Durability;

/// Distinct statements a connection keeps ready; more than this crate has for one kind of connection.
const STATEMENTS: usize = 96;

/// Where the file is and how it is opened.
#[derive(Debug, Clone)]
pub(super) struct Door {
    pub(super) path: PathBuf,
    pub(super) durability: Durability,
    /// Another file system than that of SQLite, by its name; tests have one that fails.
    pub(super) vfs: Option<String>,
    /// For tests of the tests: commits are not synced although they should be.
    pub(super) careless: bool,
    /// For tests of the tests: an entry and what follows from it are written in two transactions.
    pub(super) apart: bool,
    /// How long a connection waits for another process that has the file locked.
    pub(super) patience: Duration,
}

impl Door {
    /// A connection that writes; never creates the file.
    pub(super) fn writer(&self) -> rusqlite::Result<Connection> {
        let connection = self.open(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let synchronous = match self.durability {
            _ if self.careless => "OFF",
            Durability::Full => "FULL",
            Durability::Relaxed => "NORMAL",
        };
        connection.execute_batch(&format!(
            "PRAGMA synchronous = {synchronous};
             PRAGMA fullfsync = ON;
             PRAGMA checkpoint_fullfsync = ON;
             PRAGMA wal_autocheckpoint = 0;
             PRAGMA cache_size = -4096;"
        ))?;
        Ok(connection)
    }

    /// A connection that only reads.
    pub(super) fn reader(&self) -> rusqlite::Result<Connection> {
        let connection = self.open(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096;")?;
        Ok(connection)
    }

    /// A connection to a file that may not be there yet.
    pub(super) fn maker(&self, path: &Path) -> rusqlite::Result<Connection> {
        self.open(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        )
    }

    fn open(&self, path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
        // Each connection stays in one thread; a path is a path and never a URI with options.
        let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = match &self.vfs {
            None => Connection::open_with_flags(path, flags)?,
            Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
        };
        connection.busy_timeout(self.patience)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        // References are declared for `examine`; every write here knows what it refers to, so looking up each is waste.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
        // Otherwise a statement on a table with a partial index is prepared anew each time other values are bound to it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "mmap_size", 0)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }
}
