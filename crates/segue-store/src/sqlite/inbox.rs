//! The inbox of the writer: requests in the order in which they were made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::job::{Job, closed};
use super::pace::Pace;
use crate::lock::lock;

#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    /// Whether there is something to do, for whoever watches without the lock.
    has_work: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Box<dyn Job>>,
    closed: bool,
    /// Whether the writer sleeps: only then it has to be woken.
    sleeps: bool,
}

impl Inbox {
    /// Queues a request, before whoever makes it goes on.
    pub(super) fn put(&self, mut job: Box<dyn Job>) {
        let mut waiting = self.lock();
        if waiting.closed {
            drop(waiting);
            return job.tell(Some(closed()));
        }
        waiting.jobs.push(job);
        self.has_work.store(true, Ordering::Release);
        let sleeps = waiting.sleeps;
        drop(waiting);
        if sleeps {
            self.arrived.notify_one();
        }
    }

    /// Takes what has arrived, in order, after what is in `jobs`. Waits for something, at most for `patience`. False
    /// when nothing more will come.
    pub(super) fn take(&self, jobs: &mut Vec<Box<dyn Job>>, pace: &Pace, patience: Option<Duration>) -> bool {
        if patience.is_none() && !self.has_work() {
            pace.watch_for_work(|| self.has_work().then_some(()));
        }
        let mut waiting = self.lock();
        if waiting.jobs.is_empty() && !waiting.closed && patience != Some(Duration::ZERO) {
            waiting.sleeps = true;
            waiting = match patience {
                None => self
                    .arrived
                    .wait_while(waiting, |waiting| waiting.jobs.is_empty() && !waiting.closed)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(patience) => {
                    self.arrived
                        .wait_timeout_while(waiting, patience, |waiting| {
                            waiting.jobs.is_empty() && !waiting.closed
                        })
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
            waiting.sleeps = false;
        }
        self.has_work.store(false, Ordering::Release);
        jobs.append(&mut waiting.jobs);
        !waiting.closed
    }

    /// Nothing more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.has_work.store(true, Ordering::Release);
        self.arrived.notify_one();
    }

    /// What has arrived is never taken any more; whoever waits is told.
    pub(super) fn clear(&self) {
        let jobs = std::mem::take(&mut self.lock().jobs);
        for mut job in jobs {
            job.tell(Some(closed()));
        }
    }

    /// Whether something has arrived.
    pub(super) fn has_work(&self) -> bool {
        self.has_work.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }
}
