//! One attempt of a unit: what it knows of the attempts before, which calls are under way, and what it leaves behind.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::error::Spent;
use crate::lock::lock;
use crate::log::Unit;
use crate::question::Ask;
use crate::run::execute::Signal;
use crate::run::facts::Facts;
use crate::run::op::{Before, Inputs, PipelineCall};
use crate::run::shared::RunShared;
use crate::value::Value;

/// One attempt of a unit.
pub(crate) struct AttemptState {
    pub(crate) run: Arc<RunShared>,
    pub(crate) unit: Unit,
    pub(crate) attempt: u32,
    pub(super) before: Option<Arc<Before>>,
    /// What expressions of a pipeline file may read.
    pub(super) facts: OnceLock<Arc<Facts>>,
    pub(super) calls: AtomicU32,
    aborted: AtomicBool,
    /// Calls that were sent and have not come back.
    in_flight: AtomicU32,
    /// Calls that wait for the end of a halt.
    held_up: AtomicU32,
    pub(crate) signal: Signal,
    /// Made when there is something to keep: an instant step has nothing.
    kept: OnceLock<Box<Mutex<Kept>>>,
}

/// What an attempt leaves behind besides its output.
#[derive(Default)]
pub(super) struct Kept {
    spent: Option<Box<Spent>>,
    pub(super) ask: Option<Box<Ask>>,
    /// The pipelines it has called and waits for.
    pub(super) calls: Vec<PipelineCall>,
    previous: Option<Value>,
}

impl AttemptState {
    pub(in crate::run) fn new(
        run: Arc<RunShared>,
        unit: Unit,
        attempt: u32,
        before: Option<Arc<Before>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            run,
            unit,
            attempt,
            before,
            facts: OnceLock::new(),
            calls: AtomicU32::new(0),
            aborted: AtomicBool::new(false),
            in_flight: AtomicU32::new(0),
            held_up: AtomicU32::new(0),
            signal: Signal::default(),
            kept: OnceLock::new(),
        })
    }

    /// What goes in is known.
    pub(in crate::run) fn read(&self, inputs: &Inputs) {
        if let Inputs::Facts(facts) = inputs {
            let _ = self.facts.set(facts.clone());
        }
    }

    pub(crate) fn path(&self) -> String {
        self.run.log.path(self.unit)
    }

    pub(in crate::run) fn now(&self) -> crate::clock::Time {
        self.run.log.clock().time()
    }

    /// Adds what a call spent.
    pub(in crate::run) fn add(&self, spent: &Spent) {
        if !spent.is_zero() {
            self.keep().spent.get_or_insert_default().add(spent);
        }
    }

    pub(in crate::run) fn spent(&self) -> Option<Box<Spent>> {
        lock(self.kept.get()?).spent.clone()
    }

    /// The question it waits with, once the calls it makes beside that have come back: they are paid, so they count.
    pub(in crate::run) fn take_ask(&self) -> Option<Box<Ask>> {
        if self.in_flight.load(Ordering::Acquire) > 0 {
            return None;
        }
        lock(self.kept.get()?).ask.take()
    }

    /// The pipelines it has called and waits for, once the calls it makes beside them have come back.
    pub(in crate::run) fn take_calls(&self) -> Option<Vec<PipelineCall>> {
        if self.in_flight.load(Ordering::Acquire) > 0 {
            return None;
        }
        let calls = std::mem::take(&mut lock(self.kept.get()?).calls);
        (!calls.is_empty()).then_some(calls)
    }

    /// A call was sent.
    pub(in crate::run) fn sent(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// It came back, or was given up.
    pub(in crate::run) fn came_back(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// A call waits for the end of a halt, for as long as what this gives is kept.
    pub(super) fn held_up(&self) -> HeldUp<'_> {
        self.held_up.fetch_add(1, Ordering::AcqRel);
        HeldUp(self)
    }

    /// Whether a call waits for the end of a halt.
    pub(in crate::run) fn is_held_up(&self) -> bool {
        self.held_up.load(Ordering::Acquire) > 0
    }

    pub(in crate::run) fn take_previous(&self) -> Option<Value> {
        lock(self.kept.get()?).previous.take()
    }

    /// Keeps the output that is being refused for the next attempt.
    pub(crate) fn keep_previous(&self, output: Value) {
        self.keep().previous = Some(output);
    }

    pub(super) fn keep(&self) -> MutexGuard<'_, Kept> {
        lock(self.kept.get_or_init(Box::default))
    }

    pub(in crate::run) fn abort(&self) {
        self.aborted.store(true, Ordering::Release);
        self.signal.waker.wake();
    }

    pub(in crate::run) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// The attempt is over. While it only waits for a person its calls are kept for when it goes on.
    pub(in crate::run) fn over(&self, waits: bool) {
        if !waits && self.calls.load(Ordering::Relaxed) > 0 {
            self.run.journals.drop(self.unit);
        }
    }
}

/// A call of an attempt that waits for the end of a halt.
pub(super) struct HeldUp<'a>(&'a AttemptState);

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.held_up.fetch_sub(1, Ordering::AcqRel);
    }
}
