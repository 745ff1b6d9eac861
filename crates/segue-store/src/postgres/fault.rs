//! What can go wrong between this store and its server, and what follows from it: whether to wait for the server, to try
//! again, or to give up with which kind of error. Everything below the store returns a [`Fault`]; only the store and the
//! writer turn one into a [`StoreError`], because they know what was being done.

use std::error::Error as _;
use std::fmt::Write;
use std::io;
use std::time::Duration;

use deadpool_postgres::{PoolError, TimeoutType};
use segue::store::{StoreError, StoreErrorKind};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Something that went wrong.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no, or was not there.
    Server(Error),
    /// The pool gave no connection.
    Pool(PoolError),
    /// The server said nothing for this long.
    Silent(Duration),
    /// The store itself found it, and has said everything.
    Found(StoreError),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Server(error)
    }
}

impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Fault::Server(error),
            error => Fault::Pool(error),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Fault::Found(error)
    }
}

impl Fault {
    /// What is stored makes no sense.
    pub(super) fn damaged(what: &str, why: impl std::fmt::Display) -> Self {
        let message = format!("{what} in the database cannot be read: {why}");
        let error = StoreError::new(StoreErrorKind::Refused, message)
            .hint("look at what `examine` finds, and restore a backup");
        Fault::Found(error)
    }

    /// Whether the server is not to be reached, or is not yet or no longer one that can be written to. It may come back.
    pub(super) fn is_away(&self) -> bool {
        match self {
            Fault::Found(_) => false,
            Fault::Silent(_) => true,
            Fault::Pool(error) => {
                matches!(
                    error,
                    PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle)
                )
            }
            Fault::Server(error) => match error.code() {
                Some(code) => {
                    code.code().starts_with("08")
                        || code.code().starts_with("57P")
                        || *code == SqlState::TOO_MANY_CONNECTIONS
                        // This process was stopped for a while, in the middle of a transaction.
                        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
                        // A standby, after a failover: the address may lead to another server next time.
                        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
                }
                None => error.is_closed() || is_broken(error),
            },
        }
    }

    /// Whether the same may work at once: another process has made what this one was about to make.
    pub(super) fn is_collision(&self) -> bool {
        let Fault::Server(error) = self else {
            return false;
        };
        error.code() == Some(&SqlState::UNIQUE_VIOLATION)
    }

    /// Whether it passes: another process is in the way, or the server has run out of something.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Fault::Server(error) => matches!(kind_of(error).0, StoreErrorKind::Full | StoreErrorKind::Busy),
            Fault::Pool(_) | Fault::Silent(_) | Fault::Found(_) => false,
        }
    }

    /// Whether the server has run out of something, a disk for example, so that it stands in the way of all who write.
    pub(super) fn is_exhausted(&self) -> bool {
        let Fault::Server(error) = self else {
            return false;
        };
        error.code().is_some_and(|code| code.code().starts_with("53"))
    }

    /// The error for whoever asked, who wanted to `doing` it.
    pub(super) fn error(&self, doing: &str) -> StoreError {
        let (kind, hint) = match self {
            Fault::Found(error) => return error.clone(),
            Fault::Pool(PoolError::Timeout(TimeoutType::Wait)) => (
                StoreErrorKind::Busy,
                Some("give the store more connections, with `pool_size`"),
            ),
            Fault::Pool(_) | Fault::Silent(_) => (StoreErrorKind::Failed, None),
            Fault::Server(error) => kind_of(error),
        };
        let error = StoreError::new(kind, format!("could not {doing}: {}", self.reason()));
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// What the server or the system says. A detail of the server is left out: it has values in it.
    pub(super) fn reason(&self) -> String {
        match self {
            Fault::Found(error) => error.message.clone(),
            Fault::Pool(PoolError::Timeout(TimeoutType::Wait)) => {
                "all connections of the pool are in use".to_owned()
            }
            Fault::Pool(error) => error.to_string(),
            Fault::Silent(time) => format!("the server has said nothing for {} s", time.as_secs()),
            Fault::Server(error) => match error.as_db_error() {
                Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
                None => chain(error),
            },
        }
    }
}

fn kind_of(error: &Error) -> (StoreErrorKind, Option<&'static str>) {
    let Some(code) = error.code() else {
        return (StoreErrorKind::Failed, None);
    };
    match code.code() {
        "53100" => (
            StoreErrorKind::Full,
            Some("make space on the disk of the server; nothing of this was written"),
        ),
        // No memory, no connection, a limit met; locked for too long; taking too long; in use.
        "53200" | "53300" | "53400" | "55P03" | "57014" | "55006" | "40001" | "40P01" => {
            (StoreErrorKind::Busy, None)
        }
        "28P01" | "28000" => (
            StoreErrorKind::Failed,
            Some("check the user and the password of the address, and `pg_hba.conf` of the server"),
        ),
        "3D000" => (
            StoreErrorKind::Failed,
            Some("create the database first, with `createdb`"),
        ),
        "42501" => (
            StoreErrorKind::Failed,
            Some("the user needs the right to create its schema, or to own one that is empty"),
        ),
        _ => (StoreErrorKind::Failed, None),
    }
}

/// Whether the connection broke, rather than that something could not be said over it.
fn is_broken(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() != io::ErrorKind::InvalidInput)
}

fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        write!(text, ": {next}").expect("writing to a string never fails");
        cause = next.source();
    }
    text
}
