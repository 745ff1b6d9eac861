//! The inbox of a run: what comes from its attempts, its timers and from outside while it looks elsewhere.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_util::task::AtomicWaker;

use crate::lock::lock;
use crate::run::op::OpResult;

/// What the outside may tell a run: the handle of a run keeps one.
#[derive(Clone)]
pub(crate) struct Control(Arc<Inbox>);

/// Results that came while the run looked elsewhere.
struct Inbox {
    results: Mutex<VecDeque<OpResult>>,
    /// Signals wait in the store.
    signalled: AtomicBool,
    /// The run, while it waits. Nobody else does.
    waits: AtomicWaker,
}

impl Control {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inbox {
            results: Mutex::default(),
            signalled: AtomicBool::new(false),
            waits: AtomicWaker::new(),
        }))
    }

    /// Tells the run a result.
    pub(crate) fn send(&self, result: OpResult) {
        lock(&self.0.results).push_back(result);
        self.0.waits.wake();
    }

    /// Tells the run that signals wait for it in the store.
    pub(crate) fn poke(&self) {
        self.0.signalled.store(true, Ordering::Release);
        self.0.waits.wake();
    }

    pub(super) fn take(&self) -> Option<OpResult> {
        lock(&self.0.results).pop_front()
    }

    /// Whether the run was told that signals wait, since the last time.
    pub(super) fn take_poke(&self) -> bool {
        self.0.signalled.swap(false, Ordering::AcqRel)
    }

    /// Done when there is something to take.
    pub(super) fn arrived(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| {
            // First this: what comes between the look and the wait wakes.
            self.0.waits.register(cx.waker());
            let is_there = !lock(&self.0.results).is_empty() || self.0.signalled.load(Ordering::Acquire);
            if is_there { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}
