//! The writer: one task that carries out everything that is written, in the order in which it was asked for.
//!
//! It takes what has come in while it was busy and makes one transaction of it, so that the wait for the disk is shared by
//! all. A group that fails as a whole, because another process was faster somewhere, is carried out again one by one.
//!
//! What fails for a reason that passes, a full disk for example, or a lock of somebody else, is late ([`Late`]): it is
//! tried again while others go on, above all the signs of life of owners.
//!
//! **When the answer of a transaction is lost**, nobody knows whether it stands. Each transaction therefore writes its
//! number into the row of its writer before anything else, and holds that row until its end. After the connection is made
//! again the writer reads the row, which waits for the old transaction where it still goes on, and so knows: a transaction
//! that stands is not carried out twice, whatever it was.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use segue::store::{OwnerId, StoreError, StoreErrorKind};
use segue::{Ids, RandomIds};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::fault::Fault;
use super::group::{self, Group};
use super::late::{Late, Waiting};
use super::pipe::{Answers, BEGIN, COMMIT, Pipe, ROLLBACK, Slot, params};
use super::schema;
use super::seam::{self, Patience};
use super::session::{Dialer, WRITES};
use super::write::Write;
use super::{alone, row};
use crate::lock::lock;

/// Most writes of one transaction: the locks of more would keep other processes waiting.
pub(super) const MOST: usize = 512;
/// Most bytes of one transaction: more would keep the first of them waiting.
pub(super) const MOST_BYTES: usize = 8 * 1024 * 1024;
/// How often a single write is tried again when another process was in the way.
const COLLISIONS: u32 = 8;
/// How long what can be asked for again waits for a lock of somebody else.
const LOCKED: Duration = Duration::from_secs(5);
/// How long a server may say nothing. It gives up by itself long before, so one that does not has stopped.
pub(super) const SILENCE: Duration = Duration::from_secs(120);

const STATE: &str = "SELECT version, halt IS NOT NULL FROM segue_store WHERE product = 'segue'";
const MARK: &str = "UPDATE writers SET last = $2, seen = now() WHERE id = $1";
const ENLIST: &str = "INSERT INTO writers (id, last) VALUES ($1, 0) ON CONFLICT DO NOTHING";
/// A writer that has not written for a week has no transaction that anybody wonders about.
const CLEAN: &str = "DELETE FROM writers WHERE seen < now() - interval '7 days' AND id <> $1";
const LAST: &str = "SELECT last FROM writers WHERE id = $1 FOR UPDATE";

/// Where writes are handed in.
pub(super) struct Writer {
    link: Arc<Link>,
    /// Unbounded, because whoever hands something in cannot wait; it holds no more than there are askers waiting.
    queue: Mutex<Option<UnboundedSender<Write>>>,
}

/// What the writer has to know of its database.
pub(super) struct Link {
    pub(super) dialer: Dialer,
    pub(super) name: String,
    /// How long writes are tried again while the server is away, or something else is in the way that passes.
    pub(super) patience: Duration,
}

impl Writer {
    /// A writer that starts with the first write.
    pub(super) fn new(link: Link) -> Self {
        Self {
            link: Arc::new(link),
            queue: Mutex::new(None),
        }
    }

    /// Hands something in. It is in the queue when this returns.
    pub(super) fn send(&self, write: Write) {
        let mut queue = lock(&self.queue);
        let write = match &*queue {
            None => write,
            Some(working) => match working.send(write) {
                Ok(()) => return,
                // The runtime it worked on is gone; what waited there has been told.
                Err(refused) => refused.0,
            },
        };
        let (sender, receiver) = unbounded_channel();
        let line = Line::new(Arc::clone(&self.link));
        if seam::spawn(line.work(receiver)).is_none() {
            let message = format!("could not {write}: there is no tokio runtime here");
            write.fail(StoreError::new(StoreErrorKind::Misused, message));
            return;
        }
        // It was made just now and cannot be closed.
        let _ = sender.send(write);
        *queue = Some(sender);
    }
}

/// What a write learns when its writer ended before it.
pub(super) fn ended() -> StoreError {
    let message = "the runtime that writes to the database has ended; whether this was written is not known";
    StoreError::new(StoreErrorKind::Failed, message)
}

/// The writer at work.
struct Line {
    link: Arc<Link>,
    /// Its row in `writers`.
    id: String,
    session: Option<Arc<ClientWrapper>>,
    /// The number of the last transaction that was begun.
    number: i64,
    /// The transaction of which nobody knows whether it stands.
    doubt: Option<i64>,
    patience: Patience,
    late: Late,
}

/// Why something was given up.
struct Failed {
    fault: Fault,
    /// Whether nobody knows if it was written.
    in_doubt: bool,
}

/// What begins each transaction.
struct Begun {
    state: Slot,
}

impl Failed {
    /// Whether the server refused something in a transaction that it has undone: of a group, one may be the reason.
    fn is_refusal(&self) -> bool {
        !self.in_doubt && !self.fault.is_away() && !matches!(self.fault, Fault::Found(_))
    }

    fn tell(&self, write: Write) {
        let mut error = self.fault.error(&write.to_string());
        if self.in_doubt {
            error.message.push_str("; whether it was written is not known");
        }
        write.fail(error);
    }
}

impl Line {
    fn new(link: Arc<Link>) -> Self {
        let patience = Patience::of(link.patience);
        Self {
            link,
            id: OwnerId::new(&RandomIds as &dyn Ids)
                .to_string()
                .replace("own_", "wri_"),
            session: None,
            number: 0,
            doubt: None,
            patience,
            late: Late::default(),
        }
    }

    async fn work(mut self, mut queue: UnboundedReceiver<Write>) {
        let mut arrived = Vec::new();
        let mut is_open = true;
        while is_open || !self.late.is_empty() {
            is_open = self.gather(&mut queue, &mut arrived).await;
            for group in groups(arrived.drain(..)) {
                self.carry_out(group).await;
            }
            // Until it has to wait: whatever came in meanwhile goes on then.
            while self.late.is_due(seam::now()) {
                self.catch_up().await;
            }
        }
    }

    /// Waits for something to carry out, or until what is late is to be tried again. False when nothing more will come.
    async fn gather(&self, queue: &mut UnboundedReceiver<Write>, arrived: &mut Vec<Write>) -> bool {
        let arrives = queue.recv_many(arrived, MOST);
        let Some(due) = self.late.due() else {
            return arrives.await > 0;
        };
        let is_closed = seam::until(due, arrives).await == Some(0);
        if is_closed {
            seam::until(due, std::future::pending::<()>()).await;
        }
        !is_closed
    }

    /// Carries out a group, but for what has to wait for something late.
    async fn carry_out(&mut self, group: Vec<Write>) {
        let mut ready = Vec::with_capacity(group.len());
        for write in group {
            if self.late.precedes(&write) {
                self.late.line_up(write, seam::now());
            } else {
                ready.push(Waiting::new(write));
            }
        }
        if !ready.is_empty() {
            self.try_all(ready).await;
        }
    }

    /// Tries again what is late.
    async fn catch_up(&mut self) {
        let next = self.late.take();
        if self.try_all(next).await {
            self.late.go_on();
        }
    }

    /// Tries writes as one transaction. Whether all are told; what is not is late.
    async fn try_all(&mut self, tried: Vec<Waiting>) -> bool {
        let tried = tried.into_iter().map(|late| (late.write, late.since));
        let (writes, since): (Vec<Write>, Vec<_>) = tried.unzip();
        match self.persist(&writes).await {
            Ok(()) => {
                writes.into_iter().for_each(Write::tell);
                true
            }
            Err(failed) => {
                let tried = writes.into_iter().zip(since);
                let tried = tried.map(|(write, since)| Waiting { write, since }).collect();
                self.put_off(tried, &failed)
            }
        }
    }

    /// What becomes of writes that failed: they are tried each by itself, or wait, or are told. Whether all are told.
    fn put_off(&mut self, mut tried: Vec<Waiting>, failed: &Failed) -> bool {
        let is_shared = failed.fault.is_exhausted();
        if tried.len() > 1 && failed.is_refusal() && !is_shared {
            self.late.try_apart(tried);
            return false;
        }
        if is_shared {
            tried.extend(self.late.take_all());
        }
        let now = seam::now();
        let passes = failed.is_refusal() && failed.fault.is_passing();
        let mut waiting = Vec::new();
        let mut given_up = HashSet::new();
        for mut late in tried {
            let since = *late.since.get_or_insert(now);
            let is_in_time = now.saturating_duration_since(since) < self.time_for(&late.write, is_shared);
            if passes && is_in_time && !late.write.follows(&given_up) {
                waiting.push(late);
                continue;
            }
            if let Write::Commit(commit, _) = &late.write {
                given_up.insert(commit.run);
            }
            failed.tell(late.write);
        }
        for follower in self.late.take_followers(&given_up) {
            failed.tell(follower.write);
        }
        let all_told = waiting.is_empty();
        if is_shared && !all_told {
            self.late.wait_together(waiting, now);
        } else if let Some(late) = waiting.pop() {
            self.late.wait_apart(late, now);
        }
        all_told
    }

    /// How long a write may wait for what stands in its way.
    fn time_for(&self, write: &Write, is_shared: bool) -> Duration {
        let patience = self.link.patience;
        match write {
            // An owner is told at once whether it is known to be alive.
            Write::Beat(..) => Duration::ZERO,
            kept if kept.is_kept() => patience,
            _ if is_shared => Duration::ZERO,
            _ => patience.min(LOCKED),
        }
    }

    /// Tries until it is done, or can not be.
    async fn persist(&mut self, writes: &[Write]) -> Result<(), Failed> {
        let mut collisions = 0;
        loop {
            let tried = match seam::within(SILENCE, self.attempt(writes)).await {
                Some(tried) => tried,
                None => Err(Fault::Silent(SILENCE)),
            };
            let Err(fault) = tried else {
                self.patience.restore();
                return Ok(());
            };
            self.recover(&fault).await;
            // In doubt nothing else may be tried, whatever keeps the writer from finding out.
            if fault.is_away() || self.doubt.is_some() {
                if !self.patience.wait().await {
                    // Whatever comes next is not what the doubt was about.
                    let in_doubt = self.doubt.take().is_some();
                    return Err(Failed { fault, in_doubt });
                }
            } else if fault.is_collision() && writes.len() == 1 && collisions < COLLISIONS {
                collisions += 1;
            } else {
                let in_doubt = false;
                return Err(Failed { fault, in_doubt });
            }
        }
    }

    async fn attempt(&mut self, writes: &[Write]) -> Result<(), Fault> {
        let client = self.open().await?;
        if let Some(number) = self.doubt {
            let stands = self.stands(&client, number).await?;
            self.doubt = None;
            if stands {
                return Ok(());
            }
        }
        let mut pipe = Pipe::new(&client);
        let begun = self.begin(&mut pipe);
        match writes {
            [write] if !write.is_grouped() => {
                let asked = alone::ask(&mut pipe, write);
                let mut answers = pipe.run().await?;
                self.check(&begun, &mut answers)?;
                let mut pipe = Pipe::new(&client);
                alone::decide(write, &asked, &mut answers, &mut pipe)?;
                self.end(pipe).await
            }
            writes => {
                let asked = group::ask(&mut pipe, writes);
                let mut answers = pipe.run().await?;
                let halted = self.check(&begun, &mut answers)?;
                let mut group = Group::read(asked, &mut answers, halted)?;
                group.recall(&client, writes).await?;
                group.decide(writes);
                let mut pipe = Pipe::new(&client);
                group.save(&mut pipe);
                self.end(pipe).await
            }
        }
    }

    /// Puts the beginning of a transaction into the pipe. The state of the store comes first: a migration locks that, and
    /// nobody holds anything else while waiting for it.
    fn begin(&mut self, pipe: &mut Pipe<'_>) -> Begun {
        self.number += 1;
        pipe.put(BEGIN, params![]);
        let state = pipe.put(STATE, params![]);
        pipe.put(MARK, params![self.id.clone(), self.number]);
        Begun { state }
    }

    /// Whether calls are halted, of a store that is still what it was.
    fn check(&self, begun: &Begun, answers: &mut Answers) -> Result<bool, Fault> {
        let rows = answers.take(begun.state);
        let version: Option<i32> = rows.first().map(|row| row::get(row, 0)).transpose()?;
        match version {
            Some(schema::VERSION) => row::get(&rows[0], 1),
            Some(version) => {
                let Link { dialer, name, .. } = &*self.link;
                Err(schema::newer(&dialer.schema, name, version, schema::VERSION).into())
            }
            None => Err(Fault::damaged("the version", "it is gone")),
        }
    }

    /// Sends the rest of a transaction, with its end.
    async fn end(&mut self, mut pipe: Pipe<'_>) -> Result<(), Fault> {
        crate::fail::point("K8");
        pipe.put(COMMIT, params![]);
        self.doubt = Some(self.number);
        let result = pipe.run().await;
        // An error of the server itself is an answer: the transaction was undone.
        if !result.as_ref().is_err_and(Fault::is_away) {
            self.doubt = None;
        }
        result.map(drop)
    }

    /// Whether a transaction stands. Waits for it where it still goes on.
    async fn stands(&self, client: &ClientWrapper, number: i64) -> Result<bool, Fault> {
        let mut pipe = Pipe::new(client);
        pipe.put(BEGIN, params![]);
        let last = pipe.put(LAST, params![self.id.clone()]);
        pipe.put(ROLLBACK, params![]);
        let rows = pipe.run().await?.take(last);
        let last: Option<i64> = rows.first().map(|row| row::get(row, 0)).transpose()?;
        Ok(last == Some(number))
    }

    async fn open(&mut self) -> Result<Arc<ClientWrapper>, Fault> {
        if let Some(session) = self.session.as_ref().filter(|session| !session.is_closed()) {
            return Ok(Arc::clone(session));
        }
        let client = self.link.dialer.open().await?;
        client.batch_execute(WRITES).await?;
        client.execute(ENLIST, &[&self.id]).await?;
        client.execute(CLEAN, &[&self.id]).await?;
        Ok(Arc::clone(self.session.insert(Arc::new(client))))
    }

    /// Leaves nothing of a transaction that failed; a session that cannot say so is given up, and the server undoes it.
    async fn recover(&mut self, fault: &Fault) {
        let Some(session) = &self.session else {
            return;
        };
        let keeps = !fault.is_away() && session.batch_execute(ROLLBACK).await.is_ok();
        if !keeps {
            self.session = None;
        }
    }
}

/// What goes into one transaction each, in order.
fn groups(writes: impl Iterator<Item = Write>) -> Vec<Vec<Write>> {
    let mut groups: Vec<Vec<Write>> = Vec::new();
    let mut bytes = 0;
    let mut is_open = false;
    for write in writes {
        bytes += write.size();
        let joins = is_open && write.is_grouped() && bytes <= MOST_BYTES;
        is_open = write.is_grouped();
        match groups.last_mut().filter(|_| joins) {
            Some(group) => group.push(write),
            None => {
                bytes = write.size();
                groups.push(vec![write]);
            }
        }
    }
    groups
}
