//! Writing: the transaction that is open, and what every request that writes needs of it.

use rusqlite::{CachedStatement, Connection, OptionalExtension, PrepFlags, Statement, params};
use segue::RunId;
use segue::store::{Entry, OwnerId, StoreError, UnitKey};

use super::kept::{Indexed, Kept, Known, Last};
use super::outcomes::packed;
use super::row::{Id, count, int};
use super::trouble::Stop;

/// An open transaction.
pub(super) struct Writing<'c> {
    pub(super) connection: &'c Connection,
    pub(super) kept: &'c mut Kept,
    append: Statement<'c>,
    begin: Statement<'c>,
    commit: Statement<'c>,
    version: Statement<'c>,
    pub(super) insert_run: Statement<'c>,
    pub(super) insert_head: Statement<'c>,
    pub(super) stand: Statement<'c>,
    pub(super) stand_indexed: Statement<'c>,
    /// What `data_version` was: it changes when another connection has written.
    seen: Option<i64>,
    /// For tests of the tests: what belongs together is written in two transactions.
    pub(super) apart: bool,
    /// The last entry of a log that this transaction has written.
    pub(super) written: Option<Written>,
}

/// An entry that was written, and where it is looked for.
#[derive(Clone, Copy)]
pub(super) enum Written {
    /// The first of a run.
    Run { number: i64, id: RunId },
    /// A later one.
    Entry { position: i64, run: i64, number: u64 },
}

impl<'c> Writing<'c> {
    /// Prepares the statements of the way that every commit takes.
    pub(super) fn new(connection: &'c Connection, kept: &'c mut Kept, apart: bool) -> rusqlite::Result<Self> {
        kept.forget();
        // Kept for long: what they need is not taken from the little memory that SQLite has at hand for what is short.
        let ready = |sql: &str| connection.prepare_with_flags(sql, PrepFlags::SQLITE_PREPARE_PERSISTENT);
        Ok(Self {
            append: ready(
                "INSERT INTO log (position, run, number, after, events, at, outcomes, body)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            insert_run: ready(super::create::INSERT_RUN)?,
            insert_head: ready(super::create::INSERT_HEAD)?,
            stand: ready(&super::commit::stand_sql(false))?,
            stand_indexed: ready(&super::commit::stand_sql(true))?,
            begin: ready("BEGIN IMMEDIATE")?,
            commit: ready("COMMIT")?,
            version: ready("PRAGMA data_version")?,
            connection,
            kept,
            seen: None,
            apart,
            written: None,
        })
    }

    /// Begins a transaction; what is remembered holds in it.
    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        self.written = None;
        self.begin.execute([])?;
        let version = self.version.query_row([], |row| row.get(0))?;
        if self.seen.replace(version) != Some(version) {
            self.kept.overtaken();
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        crate::fail::point("K8");
        self.commit.execute([]).map(|_| ())
    }

    /// Gives up the transaction, if SQLite has not done so itself.
    pub(super) fn roll_back(&mut self) {
        self.kept.forget();
        if !self.connection.is_autocommit() {
            // The transaction is gone either way: a rollback that fails leaves nothing but a connection to be closed.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// A statement that is kept ready.
    pub(super) fn statement(&self, sql: &str) -> rusqlite::Result<CachedStatement<'c>> {
        self.connection.prepare_cached(sql)
    }

    /// What is known of a run; none when there is no such run.
    pub(super) fn known(&mut self, run: RunId) -> rusqlite::Result<Option<&mut Known>> {
        if self.kept.run(run).is_none() {
            let Some(known) = self.load(run)? else {
                return Ok(None);
            };
            self.kept.remember(run, known);
        }
        Ok(self.kept.run_mut(run))
    }

    /// What is known of a run that has to be there.
    pub(super) fn known_run(&mut self, run: RunId) -> Result<&mut Known, Stop> {
        self.known(run)?.ok_or_else(|| StoreError::unknown(run).into())
    }

    fn load(&self, run: RunId) -> rusqlite::Result<Option<Known>> {
        let mut find = self.statement(
            "SELECT r.number, r.workspace, h.fence, h.owner, h.phase, h.nanousd, h.took, h.wakes,
                    coalesce(l.number, 1), coalesce(l.after + l.events, r.events)
             FROM runs r
             JOIN heads h ON h.run = r.number
             LEFT JOIN log l ON l.position = (SELECT position FROM log WHERE run = r.number ORDER BY number DESC LIMIT 1)
             WHERE r.id = ?1",
        )?;
        find.query_row([Id::from(run)], |row| {
            Ok(Known {
                number: row.get(0)?,
                workspace: row.get(1)?,
                fence: count(row.get(2)?),
                owner: row.get::<_, Option<Id>>(3)?.map(OwnerId::from),
                indexed: Indexed {
                    phase: row.get(4)?,
                    nanousd: row.get(5)?,
                    took: row.get(6)?,
                    wakes: row.get(7)?,
                },
                entries: count(row.get(8)?),
                last_seq: count(row.get(9)?),
            })
        })
        .optional()
    }

    /// The last run and the last place in the log.
    pub(super) fn last(&mut self) -> rusqlite::Result<&mut Last> {
        if self.kept.last.is_none() {
            let mut find =
                self.statement("SELECT (SELECT max(number) FROM runs), (SELECT max(position) FROM log)")?;
            let last = find.query_row([], |row| {
                Ok(Last {
                    run: row.get::<_, Option<i64>>(0)?.unwrap_or_default(),
                    position: row.get::<_, Option<i64>>(1)?.unwrap_or_default(),
                })
            })?;
            self.kept.last = Some(last);
        }
        Ok(self.kept.last.as_mut().expect("it was just set"))
    }

    /// Appends an entry to the log with the units that it gives an outcome.
    pub(super) fn append(&mut self, run: i64, entry: &Entry, outcomes: &[UnitKey]) -> rusqlite::Result<()> {
        let last = self.last()?;
        last.position += 1;
        let position = last.position;
        self.append.execute(params![
            position,
            run,
            int(entry.number),
            int(entry.after),
            int(entry.events),
            entry.at.micros(),
            packed(outcomes),
            entry.body,
        ])?;
        self.written = Some(Written::Entry {
            position,
            run,
            number: entry.number,
        });
        Ok(())
    }

    /// Whether this very entry is in the log of a run.
    pub(super) fn has(&self, run: i64, entry: &Entry) -> rusqlite::Result<bool> {
        let mut find = self.statement(match entry.number {
            1 => "SELECT ?2 AS number, 0 AS after, events, at, body FROM runs WHERE number = ?1",
            _ => "SELECT number, after, events, at, body FROM log WHERE run = ?1 AND number = ?2",
        })?;
        let found = find
            .query_row([run, int(entry.number)], super::row::entry)
            .optional()?;
        Ok(found.as_ref() == Some(entry))
    }

    /// Whether a signal waits that the run goes on for.
    pub(super) fn is_signalled(&mut self, run: i64) -> rusqlite::Result<bool> {
        if !self.any_signals()? {
            return Ok(false);
        }
        let mut find =
            self.statement("SELECT EXISTS (SELECT 1 FROM signals WHERE run = ?1 AND wakes = 1)")?;
        find.query_row([run], |row| row.get(0))
    }

    /// Whether there is any signal for any run: mostly there is none, and then nobody needs to look.
    pub(super) fn any_signals(&mut self) -> rusqlite::Result<bool> {
        if let Some(any) = self.kept.signals {
            return Ok(any);
        }
        let any = self
            .statement("SELECT EXISTS (SELECT 1 FROM signals)")?
            .query_row([], |row| row.get(0))?;
        self.kept.signals = Some(any);
        Ok(any)
    }

    pub(super) fn is_halted(&mut self) -> rusqlite::Result<bool> {
        if let Some(halted) = self.kept.halted {
            return Ok(halted);
        }
        let halted = self
            .statement("SELECT EXISTS (SELECT 1 FROM halts)")?
            .query_row([], |row| row.get(0))?;
        self.kept.halted = Some(halted);
        Ok(halted)
    }

    /// Whether somebody is known as an owner.
    pub(super) fn lives(&self, owner: OwnerId) -> rusqlite::Result<bool> {
        let mut find = self.statement("SELECT EXISTS (SELECT 1 FROM owners WHERE id = ?1)")?;
        find.query_row([Id::from(owner)], |row| row.get(0))
    }
}
