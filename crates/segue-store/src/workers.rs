//! Workers: a few threads for what blocks, reading from a disk above all. Each has something of its own, a connection
//! for example. They start when they are needed and end with whoever made them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use segue::store::{Pending, StoreError, StoreErrorKind};
use tokio::sync::oneshot;

use crate::lock::lock;

type Work<S> = Box<dyn FnOnce(&mut S) + Send>;

/// Threads that each have an `S`.
pub(crate) struct Workers<S: 'static> {
    hall: Arc<Hall<S>>,
}

struct Hall<S> {
    name: &'static str,
    most: usize,
    /// What a thread begins with.
    make: Box<dyn Fn() -> S + Send + Sync>,
    queue: Mutex<Queue<S>>,
    arrived: Condvar,
}

struct Queue<S> {
    work: VecDeque<Work<S>>,
    closed: bool,
    idle: usize,
    threads: Vec<JoinHandle<()>>,
}

impl<S> Workers<S> {
    /// At most so many threads, called so.
    pub(crate) fn new(name: &'static str, most: usize, make: impl Fn() -> S + Send + Sync + 'static) -> Self {
        let queue = Queue {
            work: VecDeque::new(),
            closed: false,
            idle: 0,
            threads: Vec::new(),
        };
        let hall = Hall {
            name,
            most,
            make: Box::new(make),
            queue: Mutex::new(queue),
            arrived: Condvar::new(),
        };
        Self { hall: Arc::new(hall) }
    }

    /// Queues work, before whoever asks goes on. When nobody waits for it any more it is done all the same.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut S) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<T> {
        let (sender, receiver) = oneshot::channel();
        self.put(Box::new(move |state| {
            let _ = sender.send(work(state));
        }));
        Box::pin(async move { receiver.await.unwrap_or_else(|_| Err(stopped())) })
    }

    fn put(&self, work: Work<S>) {
        let mut queue = self.hall.lock();
        queue.work.push_back(work);
        if queue.idle < queue.work.len() && queue.threads.len() < self.hall.most {
            let hall = self.hall.clone();
            let thread = std::thread::Builder::new().name(self.hall.name.into());
            match thread.spawn(move || hall.serve()) {
                Ok(started) => queue.threads.push(started),
                // Where no further thread starts, those that there are do it; where there are none, nobody does.
                Err(_) if queue.threads.is_empty() => queue.work.clear(),
                Err(_) => {}
            }
        }
        drop(queue);
        self.hall.arrived.notify_one();
    }
}

impl<S> Drop for Workers<S> {
    /// What was queued is done first.
    fn drop(&mut self) {
        let mut queue = self.hall.lock();
        queue.closed = true;
        let threads = std::mem::take(&mut queue.threads);
        drop(queue);
        self.hall.arrived.notify_all();
        for thread in threads {
            // The last owner may be one of the threads themselves: work that holds what holds them.
            if thread.thread().id() != std::thread::current().id() {
                // A panic in there was told to whoever waited: its answer was dropped.
                let _ = thread.join();
            }
        }
    }
}

impl<S> Hall<S> {
    fn serve(&self) {
        let mut state = (self.make)();
        while let Some(work) = self.next() {
            work(&mut state);
        }
    }

    /// The next work; none when nothing more will come.
    fn next(&self) -> Option<Work<S>> {
        let mut queue = self.lock();
        queue.idle += 1;
        queue = self
            .arrived
            .wait_while(queue, |queue| queue.work.is_empty() && !queue.closed)
            .unwrap_or_else(PoisonError::into_inner);
        queue.idle -= 1;
        queue.work.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Queue<S>> {
        lock(&self.queue)
    }
}

/// What is told when a store is closed before it has answered.
fn stopped() -> StoreError {
    StoreError::new(
        StoreErrorKind::Failed,
        "the store was closed before it had answered",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_that_was_asked_is_done_by_a_few_threads() {
        let workers = Workers::new("test", 3, || std::thread::current().id());
        let asked = (0..200).map(|n| workers.ask(move |thread| Ok((n, *thread))));
        let answers = futures_util::future::join_all(asked).await;
        let mut threads = Vec::new();
        for (n, answer) in (0..).zip(answers) {
            let (told, thread) = answer.unwrap();
            assert_eq!(told, n);
            if !threads.contains(&thread) {
                threads.push(thread);
            }
        }
        assert!(threads.len() <= 3);
    }

    #[tokio::test]
    async fn what_was_queued_is_done_before_the_end_and_a_panic_is_told() {
        let workers = Workers::new("test", 1, || ());
        let panics = workers.ask::<()>(|()| panic!("on purpose"));
        assert!(panics.await.is_err());
        let workers = Workers::new("test", 1, || 0);
        let asked: Vec<_> = (0..50).map(|n| workers.ask(move |_| Ok(n))).collect();
        drop(workers);
        for (n, answer) in (0..).zip(futures_util::future::join_all(asked).await) {
            assert_eq!(answer.unwrap(), n);
        }
    }
}
