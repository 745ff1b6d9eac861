//! The readers: a few threads with a connection each. A read sees what was acknowledged before it was asked for, and
//! holds nobody up.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Error, ErrorCode};
use segue::store::{Pending, StoreError, StoreErrorKind};

use super::connect::Door;
use super::trouble::{Grade, Stop, explain, grade};
use crate::clock::now;
use crate::lock::lock;
use crate::workers::Workers;

/// Reads at one time: they come from the page cache of the system, so more threads than that only take turns.
const THREADS: usize = 4;

/// How long a read may take. A read that is longer keeps the write-ahead log from being emptied.
const LONGEST: Duration = Duration::from_secs(5);

/// How often a read is looked after, in operations of SQLite: ten times a millisecond or so.
const OPERATIONS: i32 = 2_000;

/// The most that counts of the time between two looks. When it was longer, the process was stopped or the machine asleep, and
/// the read could do nothing about it.
const MOST_AT_ONCE: Duration = Duration::from_millis(500);

/// The way to the threads that read.
pub(super) struct Readers(Workers<Desk>);

/// One thread's connection.
struct Desk {
    door: Door,
    connection: Option<Connection>,
    /// What the present read has left.
    allowance: Arc<Mutex<Allowance>>,
}

/// How much longer a read may take.
struct Allowance {
    left: Duration,
    /// When it was looked at.
    seen: Instant,
}

impl Allowance {
    /// For a read that begins.
    fn new(now: Instant) -> Self {
        let (left, seen) = (LONGEST, now);
        Self { left, seen }
    }

    /// Whether the read was too long. Time in which nobody could look does not count.
    fn is_used_up(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.seen);
        self.seen = now;
        self.left = self.left.saturating_sub(passed.min(MOST_AT_ONCE));
        self.left.is_zero()
    }
}

impl Readers {
    pub(super) fn new(door: Door) -> Self {
        let desk = move || Desk {
            door: door.clone(),
            connection: None,
            allowance: Arc::new(Mutex::new(Allowance::new(now()))),
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
        *lock(&self.allowance) = Allowance::new(now());
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open()?,
        };
        read(self.connection.insert(connection))
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let mut connection = self.door.reader()?;
        let allowance = self.allowance.clone();
        connection.progress_handler(OPERATIONS, Some(move || lock(&allowance).is_used_up(now())))?;
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

fn is_interrupted(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(code, _) if code.code == ErrorCode::OperationInterrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_the_process_was_stopped_does_not_count() {
        let began = now();
        let mut stopped = Allowance::new(began);
        assert!(!stopped.is_used_up(began + Duration::from_secs(3_600)));
        // From then on it has nearly all that it had.
        let looks = (1..).map(|look| began + Duration::from_secs(3_600) + Duration::from_millis(100) * look);
        let lasted = looks.take_while(|now| !stopped.is_used_up(*now)).count();
        assert_eq!(lasted, 44);
    }

    #[test]
    fn a_read_that_is_looked_after_ends_after_five_seconds() {
        let began = now();
        let mut reading = Allowance::new(began);
        let looks = (1..).map(|look| began + Duration::from_micros(100) * look);
        assert_eq!(looks.take_while(|now| !reading.is_used_up(*now)).count(), 49_999);
    }

    #[test]
    fn a_read_that_is_too_long_says_so_and_the_next_one_has_its_own_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = crate::Sqlite::open(folder.path().join("store.db")).expect("a store");
        let mut desk = Desk {
            door: store.door.clone(),
            connection: None,
            allowance: Arc::new(Mutex::new(Allowance::new(now()))),
        };
        let spend = |desk: &Desk, left: Duration| {
            let allowance = desk.allowance.clone();
            move |connection: &Connection| {
                lock(&allowance).left = left;
                let count =
                    "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
                             SELECT count(*) FROM n";
                Ok(connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
            }
        };
        let spent = spend(&desk, Duration::ZERO);
        let error = desk.read(spent).expect_err("it has no time");
        assert!(error.to_string().contains("longer than 5 s"), "{error}");
        let fresh = spend(&desk, LONGEST);
        assert_eq!(desk.read(fresh).expect("it has its time"), 100_000);
    }
}
