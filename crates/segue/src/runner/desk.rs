//! The desk: what a runner does with runs that outlive it. It says that it is alive, takes runs up and gives them up,
//! hands on what they are told, and stops itself before somebody else takes over.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::resume::{Turn, resume};
use super::session::{Ready, Session};
use crate::clock::{self, Time};
use crate::error::Error;
use crate::id::RunId;
use crate::lock::lock;
use crate::pipeline;
use crate::run::{Books, Environment};
use crate::store::{Beat, Halt, Owner, OwnerId, Place, Store, StoreError, StoreErrorKind};

/// How long an owner may say nothing before others may take over its runs, where nothing else is said.
pub(crate) const LEASE: Duration = Duration::from_secs(5);
/// How often it is looked whether runs were told something.
pub(crate) const NEWS: Duration = Duration::from_millis(200);

/// What a runner does with runs that outlive it.
pub(crate) struct Desk {
    pub(crate) env: Arc<Environment>,
    pub(crate) books: Arc<Books>,
    pub(crate) settings: DeskSettings,
    /// Pipelines of Rust whose runs can be taken up.
    pub(crate) pipelines: Vec<Arc<pipeline::Inner>>,
    live: Mutex<HashMap<RunId, Arc<Session>>>,
    turns: Option<Arc<Semaphore>>,
    /// Runs that wait for a turn here.
    queued: Mutex<HashSet<RunId>>,
    /// As whom the store knows this desk, while there is anything to do.
    owner: Mutex<Option<OwnerId>>,
    /// Held while that changes.
    changing: tokio::sync::Mutex<()>,
    /// How many have something to do here.
    present: AtomicUsize,
    pulse: Mutex<Option<AbortHandle>>,
    /// Other owners, and since when they have said nothing.
    silent: Mutex<HashMap<OwnerId, Silence>>,
}

/// How long another owner has said nothing.
struct Silence {
    /// How often it had said that it is alive.
    beats: u64,
    since: Instant,
    /// Whether it has said so since this desk looks.
    was_heard: bool,
}

/// What can be set of a desk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeskSettings {
    pub(crate) lease: Duration,
    /// How often it is looked what others have said.
    pub(crate) news: Duration,
    pub(crate) inline: usize,
    pub(crate) max_runs: Option<usize>,
}

impl Desk {
    pub(crate) fn new(
        env: Arc<Environment>,
        store: Arc<dyn Store>,
        settings: DeskSettings,
        pipelines: Vec<Arc<pipeline::Inner>>,
    ) -> Self {
        Self {
            books: Arc::new(Books {
                store,
                ids: env.ids.clone(),
                inline: settings.inline,
                changed: Arc::new(Notify::new()),
            }),
            env,
            settings,
            pipelines,
            live: Mutex::default(),
            turns: settings.max_runs.map(|most| Arc::new(Semaphore::new(most))),
            owner: Mutex::default(),
            queued: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            present: AtomicUsize::new(0),
            pulse: Mutex::default(),
            silent: Mutex::default(),
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.books.store
    }

    /// Told whenever a run of this process was written or ended.
    pub(crate) fn changed(&self) -> &Arc<Notify> {
        &self.books.changed
    }

    /// Somebody has something to do with runs of the store: from now on, until they are done, the desk is known there and
    /// says that it is alive. A desk with nothing to do writes nothing.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn sign_on(self: &Arc<Self>) -> Result<Presence, StoreError> {
        let changing = self.changing.lock().await;
        let known = *lock(&self.owner);
        let owner = match known {
            Some(owner) => owner,
            // Once in a process: what that takes is no part of every start.
            None => Box::pin(self.enroll()).await?,
        };
        self.present.fetch_add(1, Ordering::AcqRel);
        drop(changing);
        Ok(Presence {
            desk: self.clone(),
            owner,
        })
    }

    async fn enroll(self: &Arc<Self>) -> Result<OwnerId, StoreError> {
        let owner = Owner {
            id: OwnerId::new(&*self.env.ids),
            place: Place::here(),
        };
        let id = owner.id;
        self.store().enroll(owner).await?;
        self.look_for_halt().await?;
        *lock(&self.owner) = Some(id);
        let pulse = clock::spawn(pulse(Arc::downgrade(self), id));
        *lock(&self.pulse) = Some(pulse);
        Ok(id)
    }

    /// Whether the operator has stopped all new calls, as the store knows it now.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn look_for_halt(&self) -> Result<Option<Halt>, StoreError> {
        let halt = self.store().halted().await?;
        self.tell_of_halt(halt.is_some());
        Ok(halt)
    }

    /// Stops all new calls of the store, or lets them go on.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) async fn halt(&self, halt: Option<Halt>) -> Result<(), StoreError> {
        let is_halted = halt.is_some();
        if is_halted {
            // Here at once, even if the store takes its time.
            self.tell_of_halt(true);
        }
        self.store().halt(halt).await?;
        self.tell_of_halt(is_halted);
        Ok(())
    }

    fn tell_of_halt(&self, is_halted: bool) {
        self.env
            .halted
            .send_if_modified(|halted| std::mem::replace(halted, is_halted) != is_halted);
    }

    /// Leaves if nobody has anything to do; false when somebody has.
    async fn leave_if_idle(&self) -> bool {
        let _changing = self.changing.lock().await;
        if self.present.load(Ordering::Acquire) > 0 {
            return false;
        }
        let owner = lock(&self.owner).take();
        if let Some(owner) = owner {
            // What cannot be said now is found out at the end of the lease; there is nothing to take over.
            let _ = self.store().leave(owner).await;
        }
        true
    }

    /// Wall time now, for moments that other processes wait for.
    pub(crate) fn now(&self) -> Time {
        self.env.now()
    }

    /// The session of a run, while this process works on it.
    pub(crate) fn live(&self, run: RunId) -> Option<Arc<Session>> {
        lock(&self.live).get(&run).cloned()
    }

    /// Waits until this desk works on no run any more.
    pub(crate) async fn idle(&self) {
        loop {
            let changed = self.changed().notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if lock(&self.live).is_empty() && lock(&self.queued).is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// Works on a run that this desk holds. `turn` is given back when it ends.
    pub(crate) fn work(
        self: &Arc<Self>,
        ready: Ready,
        presence: Presence,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Arc<Session> {
        let run = ready.shared.id;
        // Held while it starts, so that one that ends at once is not kept for ever.
        let mut live = lock(&self.live);
        let desk = self.clone();
        let session = Session::spawn(ready, move || {
            lock(&desk.live).remove(&run);
            desk.changed().notify_waiters();
            drop((presence, turn));
        });
        live.insert(run, session.clone());
        session
    }

    /// A turn for one more run; none where any number may run. The inner none is a turn that has to be waited for.
    pub(crate) fn try_turn(&self) -> Option<Option<OwnedSemaphorePermit>> {
        match &self.turns {
            None => Some(None),
            Some(turns) => turns.clone().try_acquire_owned().ok().map(Some),
        }
    }

    /// Takes a run up as soon as there is a turn for it, unless somebody else has done so by then.
    pub(crate) fn queue(self: &Arc<Self>, run: RunId) {
        let (true, Some(turns)) = (lock(&self.queued).insert(run), self.turns.clone()) else {
            return;
        };
        let desk = Arc::downgrade(self);
        clock::spawn(async move {
            // The turns are never closed.
            let turn = turns.acquire_owned().await.ok();
            let Some(desk) = desk.upgrade() else { return };
            // What cannot be taken up now is found by the next one who recovers.
            let _ = resume(&desk, run, "queue", Turn::Given(turn)).await;
            lock(&desk.queued).remove(&run);
            desk.changed().notify_waiters();
        });
    }

    /// Tells a run of this process that signals wait for it; false when this process does not work on it.
    pub(crate) fn poke(&self, run: RunId) -> bool {
        let session = self.live(run);
        session.inspect(|session| session.control.poke()).is_some()
    }

    /// Takes owners for dead that are proven to be, or that have said nothing for the length of a lease while this desk
    /// watched. Gives how many may be dead: they have said nothing since this desk looks.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(crate) async fn bury_the_dead(&self) -> Result<usize, StoreError> {
        let owners = self.store().owners().await?;
        let mut silent = 0;
        lock(&self.silent).retain(|id, _| owners.iter().any(|seen| seen.owner.id == *id));
        for seen in owners {
            let id = seen.owner.id;
            if Some(id) == *lock(&self.owner) {
                continue;
            }
            match self.silence(id, seen.beats) {
                _ if seen.owner.place.is_dead() => drop(self.store().bury(id, seen.beats).await?),
                Some(since) if since >= self.settings.lease => drop(self.store().bury(id, seen.beats).await?),
                Some(_) => silent += 1,
                None => {}
            }
        }
        Ok(silent)
    }

    /// For how long an owner has said nothing, by our own clock; none of one that has been heard.
    fn silence(&self, owner: OwnerId, beats: u64) -> Option<Duration> {
        let now = clock::now();
        let mut silent = lock(&self.silent);
        let known = silent.entry(owner).or_insert(Silence {
            beats,
            since: now,
            was_heard: false,
        });
        if known.beats != beats {
            *known = Silence {
                beats,
                since: now,
                was_heard: true,
            };
        }
        let since = now.saturating_duration_since(known.since);
        // One that was heard and falls silent has the whole lease again.
        (!known.was_heard || since >= self.settings.lease).then_some(since)
    }

    /// Nobody knows any more whether the runs are ours: nothing more is written, and what runs is aborted.
    fn stop_all(&self, error: &StoreError) {
        let sessions: Vec<Arc<Session>> = lock(&self.live).values().cloned().collect();
        for session in sessions {
            if let Some(recorder) = &session.shared.recorder {
                recorder.stop(error.clone());
            }
        }
    }

    fn heard(&self, beat: &Beat) {
        self.tell_of_halt(beat.halted);
        for run in &beat.signalled {
            self.poke(*run);
        }
    }

    /// What steps have noted without waiting is written now and then.
    fn write_notes(&self) {
        let sessions: Vec<Arc<Session>> = lock(&self.live).values().cloned().collect();
        for session in sessions {
            if let Some(recorder) = &session.shared.recorder {
                recorder.flush_soon(&session.shared.log);
            }
        }
    }

    /// Leaves: what this desk still holds can be taken up by others at once.
    ///
    /// # Errors
    /// When the store cannot be written; then others take over when the lease is over.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        let _changing = self.changing.lock().await;
        if let Some(pulse) = lock(&self.pulse).take() {
            pulse.abort();
        }
        let message = "this process has left the store";
        self.stop_all(&StoreError::new(StoreErrorKind::Lost, message));
        let owner = lock(&self.owner).take();
        match owner {
            Some(owner) => Ok(self.store().leave(owner).await?),
            None => Ok(()),
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if let Some(pulse) = lock(&self.pulse).take() {
            pulse.abort();
        }
        if let Some(owner) = lock(&self.owner).take() {
            // Queued, though nobody waits for it: others need not wait for the end of the lease.
            drop(self.store().leave(owner));
        }
    }
}

/// Somebody has something to do at a desk.
pub(crate) struct Presence {
    desk: Arc<Desk>,
    owner: OwnerId,
}

impl Presence {
    pub(crate) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// As whom the store knows the desk.
    pub(crate) fn owner(&self) -> OwnerId {
        self.owner
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.desk.present.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Says that the desk is alive, as long as it is, and hands on what it hears. A desk that cannot say so stops its runs
/// before the lease can be over.
async fn pulse(desk: Weak<Desk>, owner: OwnerId) {
    let mut last_said = clock::now();
    let mut last_present = last_said;
    let Some(news) = desk.upgrade().map(|desk| desk.settings.news) else {
        return;
    };
    loop {
        clock::sleep(news).await;
        let Some(desk) = desk.upgrade() else { return };
        let lease = desk.settings.lease;
        let asked = clock::now();
        if desk.present.load(Ordering::Acquire) > 0 {
            last_present = asked;
        } else if asked.saturating_duration_since(last_present) >= lease && desk.leave_if_idle().await {
            return;
        }
        desk.write_notes();
        let is_due = asked.saturating_duration_since(last_said) >= lease / 5;
        let asking = match is_due {
            true => desk.store().beat(owner),
            false => desk.store().news(owner),
        };
        // A store that does not answer is as good as none: the lease runs on.
        let left = (lease * 7 / 10).saturating_sub(asked.saturating_duration_since(last_said));
        match clock::within(Some(left.max(news)), asking).await {
            Some(Ok(beat)) if beat.buried => {
                let message = "another process took this one for dead and has taken over its runs";
                lock(&desk.owner).take_if(|known| *known == owner);
                desk.stop_all(&StoreError::new(StoreErrorKind::Lost, message));
                return;
            }
            Some(Ok(beat)) => {
                if is_due {
                    last_said = asked;
                }
                desk.heard(&beat);
            }
            // Where nobody can write, nobody can take over either.
            Some(Err(error)) if error.is_passing() => last_said = asked,
            Some(Err(_)) | None => {
                if clock::now().saturating_duration_since(last_said) >= lease * 7 / 10 {
                    let message =
                        "the store was not to be reached for so long that others may have taken over";
                    desk.stop_all(&StoreError::new(StoreErrorKind::Lost, message));
                    last_said = clock::now();
                }
            }
        }
    }
}
