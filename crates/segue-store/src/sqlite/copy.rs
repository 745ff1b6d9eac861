//! Copies of a store, made while it is in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use segue::store::{StoreError, StoreErrorKind};
use segue::{Ids, RandomIds};

use super::connect::Door;
use super::file::make_private;
use super::trouble::explain;
use crate::folder::sync_folder;

/// Copies a store as it is at one moment. The copy is there as a whole or not at all, and for its owner alone.
pub(super) fn copy(door: &Door, to: &Path) -> Result<(), StoreError> {
    if to.exists() {
        let message = format!("`{}` exists already", to.display());
        return Err(
            StoreError::new(StoreErrorKind::Misused, message).hint("name a file that is not there yet")
        );
    }
    let begun = Begun::beside(to)?;
    let failed = |error: rusqlite::Error| explain(to, "copying to", &error);
    {
        let from = door
            .reader()
            .map_err(|error| explain(&door.path, "reading", &error))?;
        let mut target = Connection::open(&begun.0).map_err(failed)?;
        let backup = Backup::new(&from, &mut target).map_err(failed)?;
        // All at once: in pieces it would begin again whenever somebody has written in between. Whoever writes is not
        // held up by it.
        let step = backup.step(-1).map_err(failed)?;
        if step != StepResult::Done {
            let message = format!(
                "`{}` was locked by another process while it was copied",
                door.path.display()
            );
            return Err(StoreError::new(StoreErrorKind::Busy, message));
        }
    }
    begun.finish(to)
}

/// A file that is being made beside the place it is for.
pub(super) struct Begun(PathBuf);

impl Begun {
    /// An empty file that is its owner's alone.
    pub(super) fn beside(to: &Path) -> Result<Self, StoreError> {
        let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = to.with_file_name(format!(".{name}.{:032x}", RandomIds.bits()));
        fs::File::create_new(&path)
            .and_then(|_| make_private(&path))
            .map_err(|error| io_failed("making", to, &error))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Gives it its name, unless there is such a file by then.
    pub(super) fn finish(self, to: &Path) -> Result<(), StoreError> {
        let finish = || {
            fs::File::open(&self.0)?.sync_all()?;
            link(&self.0, to)?;
            sync_folder(to.parent().unwrap_or(Path::new(".")))
        };
        finish().map_err(|error| io_failed("making", to, &error))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        for end in ["", "-journal", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(end);
            // What cannot be removed is an odd name beside the store and nothing else.
            let _ = fs::remove_file(path);
        }
    }
}

/// A second name that never replaces a file. Some file systems have no second names: there a moment stays between
/// looking and moving.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if !to.exists() => fs::rename(from, to),
        linked => linked,
    }
}

pub(super) fn io_failed(doing: &str, path: &Path, error: &io::Error) -> StoreError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
        _ => StoreErrorKind::Failed,
    };
    StoreError::new(kind, format!("{doing} `{}` failed: {error}", path.display()))
}
