//! The writer: the one thread of a store that writes. It collects what has arrived while the disk was busy with the
//! transaction before, and carries all of it out as one; each request learns what became of it alone.
//!
//! When the disk is full or another process keeps the file locked, it keeps what running runs have to record, in order,
//! and tries again and again; everything else is refused at once, so that nothing new begins. When the disk fails, it
//! closes the file and opens it again: what a failed sync has left behind is never synced a second time, it is written
//! anew. Whether a transaction whose answer was lost had been carried out, it sees by what that transaction wrote last.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, OptionalExtension};
use segue::store::{Pending, StoreError, StoreErrorKind};

use super::connect::Door;
use super::file::SameFile;
use super::inbox::Inbox;
use super::job::{Job, Kind, Went, closed, job};
use super::kept::Kept;
use super::pace::{Alone, Pace, Seen};
use super::row::Id;
use super::trouble::{Grade, Stop, explain, grade};
use super::writing::{Writing, Written};
use crate::clock::now;

/// Requests carried out together at most.
const GROUP: usize = 2_000;

/// How long requests that wait already are collected into one transaction at least; else as long as the disk takes for
/// it, four times. So a slow disk is asked seldom, and with a fast one those who were answered go on while the next are
/// written. Of a disk that takes 60 µs it leaves a twentieth of the time.
const COLLECT: Duration = Duration::from_micros(1_000);

/// How long nothing is tried after the disk was full or the file locked: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// How often a failed disk is asked again, with the file opened anew, before whoever waits is told.
const TRIES: u32 = 4;

/// The log is copied into the file from this many pages on (2 MB), at the first quiet moment …
const CHECKPOINT: u32 = 1_000;
/// … and with this many (16 MB) even when there is none. A short log is written over and over, which disks like better
/// than a file that grows.
const LATE: u32 = 8_000;
/// With this many (64 MB) readers that are in the way are waited for.
const URGENT: u32 = 32_000;

type Jobs = Vec<Box<dyn Job>>;

/// The way to the thread that writes.
pub(super) struct Writer {
    inbox: Arc<Inbox>,
    pace: Arc<Pace>,
    thread: Option<JoinHandle<Option<Connection>>>,
    /// What the thread has left, to be closed last.
    connection: Mutex<Option<Connection>>,
}

impl Writer {
    /// Starts the thread with a connection that is open; `writer` names it among all that ever write to the file.
    pub(super) fn start(
        door: Door,
        connection: Connection,
        file: SameFile,
        writer: u128,
    ) -> Result<Self, StoreError> {
        let inbox = Arc::new(Inbox::default());
        let pace = Arc::new(Pace::default());
        let mut thread = Thread {
            door,
            inbox: inbox.clone(),
            pace: pace.clone(),
            file,
            writer: Id(writer),
            jobs: Vec::new(),
            unsure: None,
            failures: 0,
            pause: None,
            gone: None,
            marks: 0,
            disk: Duration::ZERO,
            seen: Seen::default(),
            pages: Arc::default(),
            checkpoint: CHECKPOINT,
        };
        let started = std::thread::Builder::new()
            .name("segue-sqlite-writer".into())
            .spawn(move || {
                let _closing = Closing(thread.inbox.clone());
                thread.serve(connection)
            })
            .map_err(|error| {
                StoreError::new(
                    StoreErrorKind::Failed,
                    format!("the thread of the store did not start: {error}"),
                )
            })?;
        Ok(Self {
            inbox,
            pace,
            thread: Some(started),
            connection: Mutex::default(),
        })
    }

    /// Queues work. It may be done several times, until the transaction it is in was carried out.
    pub(super) fn submit<T, W>(&self, kind: Kind, work: W) -> Pending<T>
    where
        T: Send + 'static,
        W: FnMut(&mut Writing<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let (job, answer) = job(kind, work, &self.pace);
        self.inbox.put(job);
        answer
    }
}

impl Writer {
    /// Ends the thread. What was queued is carried out first, unless the store cannot write. Its connection stays open:
    /// the one that is closed last has to be able to write, to leave one file.
    pub(super) fn stop(&mut self) {
        self.inbox.close();
        if let Some(thread) = self.thread.take() {
            // A panic in there was told to whoever waited: their answers were dropped.
            self.connection = Mutex::new(thread.join().ok().flatten());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Closes the inbox however the thread ends: nobody waits for a thread that has panicked.
struct Closing(Arc<Inbox>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
        self.0.clear();
    }
}

/// How it is found out whether a transaction was carried out.
#[derive(Clone, Copy)]
enum Mark {
    /// It wrote this entry.
    Entry(Written),
    /// It left this number in `marks`.
    Row(i64),
}

/// A pause because nothing can be written.
struct Pause {
    error: StoreError,
    length: Duration,
}

struct Thread {
    door: Door,
    inbox: Arc<Inbox>,
    pace: Arc<Pace>,
    file: SameFile,
    writer: Id,
    /// What is to be carried out next, in order.
    jobs: Jobs,
    /// The transaction whose answer was lost: how many of `jobs` were in it, and its mark.
    unsure: Option<(usize, Mark)>,
    /// How often the disk has failed in a row.
    failures: u32,
    pause: Option<Pause>,
    /// The file is not the one that was opened any more.
    gone: Option<StoreError>,
    marks: i64,
    /// How long the disk took for the last transaction.
    disk: Duration,
    seen: Seen,
    /// Pages of the write-ahead log.
    pages: Arc<AtomicU32>,
    /// From how many pages on it is copied into the file.
    checkpoint: u32,
}

/// Why a connection is left.
enum Left {
    /// Nothing more will come.
    Closed,
    /// The disk failed: the file has to be opened again.
    Failed(rusqlite::Error),
}

impl Thread {
    /// Gives the connection that is open at the end.
    fn serve(&mut self, connection: Connection) -> Option<Connection> {
        let mut next = Some(connection);
        loop {
            let opened = next.take().map_or_else(|| self.door.writer(), Ok);
            let error = match opened {
                Ok(mut connection) => match self.work(&mut connection) {
                    Left::Closed => return Some(connection),
                    Left::Failed(error) => error,
                },
                Err(error) => error,
            };
            if !self.failed(&error) {
                self.tell_all(|| Some(closed()));
                return None;
            }
        }
    }

    /// The disk has failed. What waits is tried again with the file opened anew; when that does not help, it is told.
    fn failed(&mut self, error: &rusqlite::Error) -> bool {
        self.failures += 1;
        if self.failures >= TRIES || grade(error) == Grade::Damaged {
            let error = explain(&self.door.path, "writing", error);
            self.failures = 0;
            self.unsure = None;
            self.tell_all(|| Some(error.clone()));
            // With nothing left to write, the file is opened for whatever comes next.
            return self.inbox.take(&mut self.jobs, &self.pace, None) || !self.jobs.is_empty();
        }
        // Whatever arrives meanwhile waits with the rest: a disk that is mended in a moment gets that moment.
        let until = now() + PAUSES.0 * self.failures;
        loop {
            let left = until.saturating_duration_since(now());
            if !self.inbox.take(&mut self.jobs, &self.pace, Some(left)) {
                return !self.jobs.is_empty();
            }
            if left.is_zero() {
                return true;
            }
        }
    }

    /// Carries out what arrives with one connection.
    fn work(&mut self, connection: &mut Connection) -> Left {
        let pages = self.pages.clone();
        let hooked = connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, now: i32| {
            pages.store(u32::try_from(now).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }));
        if let Err(error) = hooked {
            return Left::Failed(error);
        }
        let connection = &*connection;
        let mut kept = Kept::default();
        let mut writing = match Writing::new(connection, &mut kept, self.door.apart) {
            Ok(writing) => writing,
            Err(error) => return Left::Failed(error),
        };
        if let Err(error) = self.ascertain(connection) {
            return Left::Failed(error);
        }
        loop {
            if !self.gather() {
                return Left::Closed;
            }
            if self.gone.is_some() || self.jobs.is_empty() {
                continue;
            }
            match self.carry_out(&mut writing) {
                Ok(()) => {
                    self.failures = 0;
                    self.pause = None;
                }
                Err(error) => {
                    writing.roll_back();
                    match grade(&error) {
                        Grade::Full | Grade::Busy => self.postpone(&error),
                        _ => return Left::Failed(error),
                    }
                    continue;
                }
            }
            if let Err(error) = self.copy_log(connection) {
                return Left::Failed(error);
            }
        }
    }

    /// Waits for something to carry out. While nothing can be written, refuses what can be asked for again. False when
    /// nothing more will come.
    fn gather(&mut self) -> bool {
        if self.jobs.is_empty() {
            // Nothing is kept, so whatever comes next is simply tried.
            self.pause = None;
        }
        let patience = match &self.pause {
            Some(pause) => Some(pause.length),
            // More is waiting than fits into one transaction, or again.
            None if !self.jobs.is_empty() => Some(Duration::ZERO),
            None => None,
        };
        let open = self.inbox.take(&mut self.jobs, &self.pace, patience);
        if let Some(pause) = &self.pause {
            let error = pause.error.clone();
            // What is kept when the store closes could wait for ever.
            self.refuse(
                |kind| !open || !matches!(kind, Kind::Commit(_) | Kind::Kept),
                &error,
            );
        }
        if self.gone.is_none() && self.jobs.iter().any(|job| job.kind() == Kind::Beat) {
            self.gone = self.file.check().err();
        }
        if let Some(error) = self.gone.clone() {
            self.refuse(|_| true, &error);
        }
        open || !self.jobs.is_empty()
    }

    /// Carries out the first of what waits as one transaction.
    fn carry_out(&mut self, writing: &mut Writing<'_>) -> rusqlite::Result<()> {
        let began = now();
        let changes = writing.connection.total_changes();
        writing.begin()?;
        let (count, is_clean) = self.run(writing, began)?;
        if !is_clean {
            // Something was refused after it had written: all once more, each so that it can be undone alone.
            writing.roll_back();
            writing.begin()?;
            self.run_apart(writing, count)?;
        }
        let wrote = writing.connection.total_changes() != changes;
        let mark = match writing.written {
            Some(entry) => Some(Mark::Entry(entry)),
            None if wrote => Some(self.leave_mark(writing)?),
            None => None,
        };
        let ran = now();
        if let Err(error) = writing.commit() {
            self.unsure = mark.map(|mark| (count, mark));
            return Err(error);
        }
        self.disk = now().saturating_duration_since(ran);
        let alone = match self.jobs.first().map(|job| job.kind()) {
            Some(Kind::Commit(run)) if count == 1 => Some(Alone::Commit(run)),
            Some(Kind::Create(run)) if count == 1 => Some(Alone::New(run)),
            _ => None,
        };
        self.pace.committed(&mut self.seen, alone, began);
        self.tell(count, || None);
        Ok(())
    }

    /// Runs jobs until the transaction is long enough. Gives how many that were, and whether all that were refused had
    /// written nothing.
    fn run(&mut self, writing: &mut Writing<'_>, began: Instant) -> rusqlite::Result<(usize, bool)> {
        let long = COLLECT.max(self.disk * 4);
        for (done, job) in self.jobs.iter_mut().take(GROUP).enumerate() {
            // Reading the clock costs a tenth of a request.
            if done > 0 && done.is_multiple_of(16) && now().saturating_duration_since(began) > long {
                return Ok((done, true));
            }
            let before = writing.connection.total_changes();
            if let Went::Refused = job.run(writing)?
                && writing.connection.total_changes() != before
            {
                return Ok((done + 1, false));
            }
        }
        Ok((self.jobs.len().min(GROUP), true))
    }

    /// Runs the jobs of a transaction so that what a refused one has written is undone.
    fn run_apart(&mut self, writing: &mut Writing<'_>, count: usize) -> rusqlite::Result<()> {
        for job in &mut self.jobs[..count] {
            let written = writing.written;
            writing.statement("SAVEPOINT apart")?.execute([])?;
            if let Went::Refused = job.run(writing)? {
                writing.statement("ROLLBACK TO apart")?.execute([])?;
                writing.kept.forget();
                writing.written = written;
            }
            writing.statement("RELEASE apart")?.execute([])?;
        }
        Ok(())
    }

    /// A transaction that leaves no entry in the log leaves its number.
    fn leave_mark(&mut self, writing: &Writing<'_>) -> rusqlite::Result<Mark> {
        self.marks += 1;
        let mut leave = writing.statement(
            "INSERT INTO marks (writer, mark) VALUES (?1, ?2)
             ON CONFLICT (writer) DO UPDATE SET mark = excluded.mark",
        )?;
        leave.execute(rusqlite::params![self.writer, self.marks])?;
        Ok(Mark::Row(self.marks))
    }

    /// Finds out whether the transaction whose answer was lost was carried out; if so, all in it are told.
    fn ascertain(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let Some((count, mark)) = self.unsure else {
            return Ok(());
        };
        let is_there = match mark {
            Mark::Entry(Written::Run { number, id }) => connection
                .query_row(
                    "SELECT 1 FROM runs WHERE number = ?1 AND id = ?2",
                    rusqlite::params![number, Id::from(id)],
                    |_| Ok(()),
                )
                .optional()?,
            Mark::Entry(Written::Entry {
                position,
                run,
                number,
            }) => connection
                .query_row(
                    "SELECT 1 FROM log WHERE position = ?1 AND run = ?2 AND number = ?3",
                    rusqlite::params![position, run, super::row::int(number)],
                    |_| Ok(()),
                )
                .optional()?,
            Mark::Row(mark) => connection
                .query_row(
                    "SELECT 1 FROM marks WHERE writer = ?1 AND mark = ?2",
                    rusqlite::params![self.writer, mark],
                    |_| Ok(()),
                )
                .optional()?,
        };
        self.unsure = None;
        if is_there.is_some() {
            self.tell(count, || None);
        }
        Ok(())
    }

    /// Nothing can be written for now.
    fn postpone(&mut self, error: &rusqlite::Error) {
        self.unsure = None;
        let length = self
            .pause
            .as_ref()
            .map_or(PAUSES.0, |pause| (pause.length * 2).min(PAUSES.1));
        self.pause = Some(Pause {
            error: explain(&self.door.path, "writing", error),
            length,
        });
    }

    /// Copies the write-ahead log into the file, when it is long enough and nobody waits.
    fn copy_log(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let pages = self.pages.load(Ordering::Relaxed);
        let is_quiet = self.jobs.is_empty() && !self.inbox.has_work();
        if pages < self.checkpoint || (!is_quiet && pages < self.checkpoint.max(LATE)) {
            return Ok(());
        }
        let mode = if pages < URGENT {
            CheckpointMode::PASSIVE
        } else {
            CheckpointMode::RESTART
        };
        match connection.wal_checkpoint_v2(None::<&str>, mode) {
            Ok((all, copied)) if copied >= all => {
                self.checkpoint = CHECKPOINT;
                self.pages.store(0, Ordering::Relaxed);
            }
            // A reader still needs the rest: there is no use in asking again at once.
            Ok(_) => self.checkpoint = pages + CHECKPOINT,
            Err(error) if grade(&error) == Grade::Busy => self.checkpoint = pages + CHECKPOINT,
            // What could not be copied is still in the log.
            Err(error) if grade(&error) == Grade::Full => self.checkpoint = pages + CHECKPOINT,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tells the first of what waits.
    fn tell(&mut self, count: usize, mut error: impl FnMut() -> Option<StoreError>) {
        self.pace.answered(count);
        for job in &mut self.jobs[..count] {
            job.tell(error());
        }
        // Freed afterwards: whoever is told sleeps, and those who are told while it wakes up need not be woken each by
        // itself.
        self.jobs.drain(..count);
    }

    fn tell_all(&mut self, error: impl FnMut() -> Option<StoreError>) {
        self.tell(self.jobs.len(), error);
    }

    /// Refuses what waits and is of such a kind.
    fn refuse(&mut self, which: impl Fn(Kind) -> bool, error: &StoreError) {
        let refused: Jobs = self.jobs.extract_if(.., |job| which(job.kind())).collect();
        self.pace.answered(refused.len());
        for mut job in refused {
            job.tell(Some(error.clone()));
        }
    }
}
