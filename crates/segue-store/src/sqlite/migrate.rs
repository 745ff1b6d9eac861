//! Migrations: a file of an older version becomes one of this version, in one transaction and after a copy was made.

use std::path::PathBuf;

use rusqlite::Connection;
use segue::store::{StoreError, StoreErrorKind};

use super::connect::Door;
use super::trouble::explain;
use super::{copy, schema};
use crate::clock::seconds;
use crate::folder::make_folder;

/// The step from one version to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration {
    /// The version it leads to, from the one before.
    pub(super) to: i32,
    pub(super) sql: &'static str,
}

/// Which schema is read and written, and how older ones become it. Tests have others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions {
    pub(super) present: i32,
    pub(super) migrations: &'static [Migration],
}

/// What this version of the crate knows. When the schema changes, its number grows and a step is added here; the files of
/// every release have to open.
pub(super) const VERSIONS: Versions = Versions {
    present: schema::VERSION,
    migrations: &[Migration {
        to: 3,
        sql: schema::TO_3,
    }],
};

/// Brings a file to the present version. Gives the copy that was made of it, if it was older.
pub(super) fn migrate(
    door: &Door,
    connection: &Connection,
    versions: Versions,
) -> Result<Option<PathBuf>, StoreError> {
    let failed = |error: &rusqlite::Error| explain(&door.path, "migrating", error);
    let before = version(connection).map_err(|error| failed(&error))?;
    if before == versions.present {
        return Ok(None);
    }
    let path = door.path.display();
    if before > versions.present {
        let present = versions.present;
        let message =
            format!("`{path}` has schema {before}, and this version of segue knows schemas up to {present}");
        return Err(StoreError::new(StoreErrorKind::Refused, message)
            .hint("use the version of segue that wrote it, or a newer one; nothing was changed"));
    }
    let steps: Vec<Migration> = versions
        .migrations
        .iter()
        .filter(|step| step.to > before)
        .copied()
        .collect();
    if before < 1 || steps.first().is_none_or(|step| step.to != before + 1) {
        let message = format!("`{path}` has schema {before}, which no released version of segue has written");
        return Err(StoreError::new(StoreErrorKind::Refused, message).hint(
            "put a backup in its place, or move it away to begin with an empty store; nothing was changed",
        ));
    }
    let kept = backup_place(door, before)?;
    copy::copy(door, &kept)?;
    upgrade(connection, before, &steps)
        .map_err(|error| failed(&error).hint(format!("`{}` is as it was before", kept.display())))?;
    Ok(Some(kept))
}

/// All steps or none. Another process may have taken them meanwhile.
fn upgrade(connection: &Connection, before: i32, steps: &[Migration]) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let upgraded = (|| {
        if version(connection)? != before {
            return Ok(());
        }
        for step in steps {
            connection.execute_batch(step.sql)?;
            connection.pragma_update(None, "user_version", step.to)?;
        }
        Ok(())
    })();
    crate::fail::point("K16");
    match upgraded {
        Ok(()) => connection.execute_batch("COMMIT"),
        Err(error) => {
            connection.execute_batch("ROLLBACK")?;
            Err(error)
        }
    }
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Where the copy goes: `backup/store.db.v1.1772348400`.
fn backup_place(door: &Door, version: i32) -> Result<PathBuf, StoreError> {
    let folder = door.path.with_file_name("backup");
    make_folder(&folder).map_err(|error| {
        StoreError::new(
            StoreErrorKind::Failed,
            format!("making `{}` failed: {error}", folder.display()),
        )
    })?;
    let name = door
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let name = format!("{name}.v{version}.{}", seconds());
    // Tried again within a second, it gets a number.
    let taken = |n: &u32| folder.join(format!("{name}.{n}")).exists();
    Ok(match folder.join(&name) {
        place if place.exists() => {
            let n = (2..).find(|n| !taken(n)).unwrap_or(2);
            folder.join(format!("{name}.{n}"))
        }
        place => place,
    })
}
