//! Trouble: what SQLite reports, in words a person can act on.

use std::path::Path;

use rusqlite::{Error, ErrorCode, ffi};
use segue::store::{StoreError, StoreErrorKind};

/// Why a request ended without its answer.
#[derive(Debug)]
pub(super) enum Stop {
    /// It is refused, and only it.
    Refused(StoreError),
    /// SQLite could not do it; what else is in the transaction is concerned too.
    Sql(Error),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

/// What can be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grade {
    /// Wait for space.
    Full,
    /// Wait for another process.
    Busy,
    /// Open the file again; it may work then.
    Broken,
    /// Nothing: a person has to look at the file.
    Damaged,
    /// A stored value is not what was written; others may be sound.
    Nonsense,
    /// The statement itself does not work: a fault of this crate.
    Wrong,
}

/// How grave an error is.
pub(super) fn grade(error: &Error) -> Grade {
    let Error::SqliteFailure(code, _) = error else {
        return match error {
            // A stored value that is not what was written.
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => Grade::Nonsense,
            _ => Grade::Wrong,
        };
    };
    match code.code {
        ErrorCode::DiskFull => Grade::Full,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            Grade::Busy
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Grade::Damaged,
        ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch
        | ErrorCode::TooBig
        | ErrorCode::ParameterOutOfRange
        | ErrorCode::Unknown
        | ErrorCode::ApiMisuse => Grade::Wrong,
        _ => Grade::Broken,
    }
}

/// The error of a store at `path` that could not do what is being done: `writing`, `opening` …
pub(super) fn explain(path: &Path, doing: &str, error: &Error) -> StoreError {
    let path = path.display();
    match grade(error) {
        Grade::Full => StoreError::new(
            StoreErrorKind::Full,
            format!("{doing} `{path}` failed: no space is left"),
        )
        .hint("make room on that disk; what is running goes on by itself"),
        Grade::Busy => StoreError::new(
            StoreErrorKind::Busy,
            format!("{doing} `{path}` failed: another process keeps it locked"),
        )
        .hint("close what has it open: a backup program, a database browser"),
        Grade::Damaged | Grade::Nonsense => StoreError::new(
            StoreErrorKind::Refused,
            format!("`{path}` is damaged or no store: {error}"),
        )
        .hint("put a backup in its place, or move it away to begin with an empty store; nothing was changed"),
        Grade::Broken | Grade::Wrong => {
            let message = format!("{doing} `{path}` failed: {}", operation(error));
            StoreError::new(StoreErrorKind::Failed, message)
        }
    }
}

/// What went wrong, with the operation of the system behind it where SQLite names one.
fn operation(error: &Error) -> String {
    let Error::SqliteFailure(code, _) = error else {
        return error.to_string();
    };
    let name = match code.extended_code {
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ => "read",
        ffi::SQLITE_IOERR_WRITE => "write",
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => "sync",
        ffi::SQLITE_IOERR_TRUNCATE => "truncate",
        ffi::SQLITE_IOERR_FSTAT => "stat",
        ffi::SQLITE_IOERR_LOCK | ffi::SQLITE_IOERR_UNLOCK | ffi::SQLITE_IOERR_RDLOCK => "lock",
        ffi::SQLITE_IOERR_DELETE => "delete",
        ffi::SQLITE_IOERR_CLOSE => "close",
        ffi::SQLITE_IOERR_SHMOPEN
        | ffi::SQLITE_IOERR_SHMSIZE
        | ffi::SQLITE_IOERR_SHMLOCK
        | ffi::SQLITE_IOERR_SHMMAP => "shared memory",
        _ if code.code == ErrorCode::CannotOpen => "open",
        _ => return error.to_string(),
    };
    format!("{name}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn errors_have_kinds_and_name_the_file_and_the_operation() {
        let path = Path::new("a/store.db");
        let cases = [
            (
                ffi::SQLITE_FULL,
                StoreErrorKind::Full,
                "writing `a/store.db` failed: no space is left",
            ),
            (
                ffi::SQLITE_BUSY,
                StoreErrorKind::Busy,
                "another process keeps it locked",
            ),
            (
                ffi::SQLITE_CORRUPT,
                StoreErrorKind::Refused,
                "`a/store.db` is damaged",
            ),
            (
                ffi::SQLITE_NOTADB,
                StoreErrorKind::Refused,
                "`a/store.db` is damaged or no store",
            ),
            (ffi::SQLITE_IOERR_FSYNC, StoreErrorKind::Failed, "failed: sync: "),
            (ffi::SQLITE_IOERR_WRITE, StoreErrorKind::Failed, "failed: write: "),
            (ffi::SQLITE_CANTOPEN, StoreErrorKind::Failed, "failed: open: "),
        ];
        for (code, kind, part) in cases {
            let error = explain(path, "writing", &failure(code));
            assert_eq!(error.kind, kind);
            assert!(error.message.contains(part), "{} has no {part:?}", error.message);
        }
    }
}
