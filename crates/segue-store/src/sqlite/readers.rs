//! The readers: a few threads with a connection each. A read sees what was acknowledged before it was asked for, and
//! holds nobody up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Error, ErrorCode};
use segue::store::{Pending, StoreError, StoreErrorKind};

use super::connect::Door;
use super::trouble::{Grade, Stop, explain, grade};
use crate::clock::now;
use crate::workers::Workers;

/// Reads at one time: they come from the page cache of the system, so more threads than that only take turns.
const THREADS: usize = 4;

/// How long a read may take. A read that is longer keeps the write-ahead log from being emptied.
const LONGEST: Duration = Duration::from_secs(5);

/// The way to the threads that read.
pub(super) struct Readers(Workers<Desk>);

/// One thread's connection.
struct Desk {
    door: Door,
    connection: Option<Connection>,
    /// When the present read has to end, in microseconds after `began`.
    deadline: Arc<AtomicU64>,
    began: Instant,
}

impl Readers {
    pub(super) fn new(door: Door) -> Self {
        let desk = move || Desk {
            door: door.clone(),
            connection: None,
            deadline: Arc::default(),
            began: now(),
        };
        Self(Workers::new("segue-sqlite-reader", THREADS, desk))
    }

    /// Queues a read. It may be done twice, when the connection has to be opened anew.
    pub(super) fn read<T, R>(&self, read: R) -> Pending<T>
    where
        T: Send + 'static,
        R: Fn(&Connection) -> Result<T, Stop> + Send + 'static,
    {
        self.0.ask(move |desk| desk.read(read))
    }

    /// Queues a read that may take long, on a connection of its own.
    pub(super) fn read_long<T, R>(&self, read: R) -> Pending<T>
    where
        T: Send + 'static,
        R: FnOnce(&Connection) -> Result<T, Stop> + Send + 'static,
    {
        self.0.ask(move |desk| {
            let connection = desk.door.reader().map_err(Stop::from);
            let done = connection.and_then(|connection| read(&connection));
            done.map_err(|stop| desk.told(stop))
        })
    }
}

impl Desk {
    fn read<T>(&mut self, read: impl Fn(&Connection) -> Result<T, Stop>) -> Result<T, StoreError> {
        match self.try_read(&read) {
            Err(Stop::Sql(error)) if grade(&error) == Grade::Broken && !is_interrupted(&error) => {
                self.connection = None;
                self.try_read(&read).map_err(|stop| self.told(stop))
            }
            result => result.map_err(|stop| self.told(stop)),
        }
    }

    fn try_read<T>(&mut self, read: &impl Fn(&Connection) -> Result<T, Stop>) -> Result<T, Stop> {
        let until = now().saturating_duration_since(self.began) + LONGEST;
        self.deadline.store(micros(until), Ordering::Relaxed);
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        read(self.connection.insert(connection))
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let mut connection = self.door.reader()?;
        let (deadline, began) = (self.deadline.clone(), self.began);
        let is_late =
            move || micros(now().saturating_duration_since(began)) > deadline.load(Ordering::Relaxed);
        // Asked every millisecond or so.
        connection.progress_handler(20_000, Some(is_late))?;
        Ok(connection)
    }

    fn told(&mut self, stop: Stop) -> StoreError {
        match stop {
            Stop::Refused(error) => error,
            Stop::Sql(error) if is_interrupted(&error) => {
                let seconds = LONGEST.as_secs();
                StoreError::new(
                    StoreErrorKind::Failed,
                    format!("reading took longer than {seconds} s"),
                )
                .hint("ask for less: a pipeline, a status, a time from which on")
            }
            Stop::Sql(error) => {
                // A transaction that was open is given up with its connection.
                self.connection = None;
                explain(&self.door.path, "reading", &error)
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn is_interrupted(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(code, _) if code.code == ErrorCode::OperationInterrupted)
}
