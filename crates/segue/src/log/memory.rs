//! The log of one run in memory: appended to by the run, read by anybody, live or later.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::event::{Event, EventKind};
use super::record::{Begun, Record, ScopeInfo, What};
use super::records::Records;
use super::unit::{ROOT, Unit};
use crate::clock::Clock;
use crate::id::RunId;
use crate::view::RunView;

/// The log of one run.
///
/// The run appends; readers never hold it up: they copy what is there and wait for more on their own.
pub struct RunLog {
    run: RunId,
    clock: Clock,
    inner: Mutex<Inner>,
    more: Notify,
}

#[derive(Default)]
struct Inner {
    records: Records,
    scopes: Vec<ScopeInfo>,
    ended: bool,
    /// Whether anybody ever waited for more: only then somebody is told.
    followed: bool,
}

impl RunLog {
    pub(crate) fn new(run: RunId, clock: Clock) -> Self {
        Self {
            run,
            clock,
            inner: Mutex::new(Inner {
                scopes: Vec::with_capacity(1),
                ..Inner::default()
            }),
            more: Notify::new(),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Appends records in order, all at one time; leaves `records` empty.
    pub(crate) fn append(&self, records: &mut Vec<(Unit, What)>) {
        if records.is_empty() {
            return;
        }
        let at = self.clock.time();
        let mut inner = self.lock();
        if inner.ended {
            return records.clear();
        }
        for (unit, what) in records.drain(..) {
            inner.records.push(Record { at, unit, what });
        }
        self.tell(inner);
    }

    /// Appends one event.
    pub(crate) fn note(&self, unit: Unit, kind: EventKind) {
        let at = self.clock.time();
        let what = What::Other(Box::new(kind));
        let mut inner = self.lock();
        // An attempt that ignored its abort may still have something to say when the run is over.
        if inner.ended {
            return;
        }
        inner.records.push(Record { at, unit, what });
        self.tell(inner);
    }

    /// The run begins; a log begins with it.
    pub(crate) fn begin(&self, begun: Begun) {
        let at = self.clock.began();
        let what = What::Begun(Box::new(begun));
        self.lock().records.push(Record { at, unit: ROOT, what });
    }

    pub(crate) fn open_scope(&self, number: u32, scope: ScopeInfo) {
        let mut inner = self.lock();
        debug_assert_eq!(inner.scopes.len(), number as usize, "scopes are opened in order");
        inner.scopes.push(scope);
    }

    /// The scope with this number.
    pub(crate) fn scope(&self, number: u32) -> Option<ScopeInfo> {
        self.lock().scopes.get(number as usize).cloned()
    }

    pub(crate) fn path(&self, unit: Unit) -> String {
        self.lock()
            .scopes
            .get(unit.scope as usize)
            .map(|scope| scope.path(unit))
            .unwrap_or_default()
    }

    /// Nothing more will be appended.
    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        self.tell(inner);
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        let inner = self.lock();
        let mut events = VecDeque::new();
        let mut seq = 1;
        for record in inner.records.from(0) {
            expand(self.run, record, &inner.scopes, &mut seq, &mut events);
        }
        events.into()
    }

    /// What is known of the run from its log.
    #[must_use]
    pub fn view(&self) -> RunView {
        let plan = self.lock().scopes.first().map(|scope| scope.plan.clone());
        RunView::replay(plan, &self.events())
    }

    /// A stream of events from the first one: live and replayed are the same. Ends with the run.
    #[must_use]
    pub fn follow(self: &Arc<Self>) -> Events {
        Events {
            log: self.clone(),
            at: 0,
            seq: 1,
            ready: VecDeque::new(),
        }
    }

    /// Tells readers that wait that there is something new.
    fn tell(&self, inner: MutexGuard<'_, Inner>) {
        let followed = inner.followed;
        drop(inner);
        if followed {
            self.more.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of a run, in order, as they come.
pub struct Events {
    log: Arc<RunLog>,
    at: usize,
    seq: u64,
    ready: VecDeque<Event>,
}

impl Events {
    /// The next event; none when the run is over. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let log = self.log.clone();
            let notified = log.more.notified();
            let mut notified = std::pin::pin!(notified);
            // Registered before looking, so that nothing appended in between is missed.
            notified.as_mut().enable();
            {
                let mut inner = log.lock();
                inner.followed = true;
                // A bounded bite, so that a slow reader of a long log does not hold the lock for long.
                let end = inner.records.len().min(self.at + 256);
                for record in inner.records.from(self.at).take(end - self.at) {
                    expand(log.run, record, &inner.scopes, &mut self.seq, &mut self.ready);
                }
                self.at = end;
                if self.ready.is_empty() && inner.ended {
                    return None;
                }
            }
            if self.ready.is_empty() {
                notified.await;
            }
        }
    }
}

/// Turns one record into its events.
fn expand(run: RunId, record: &Record, scopes: &[ScopeInfo], seq: &mut u64, events: &mut VecDeque<Event>) {
    let scope = scopes.get(record.unit.scope as usize);
    let step = scope
        .filter(|_| record.unit.step < Unit::SCOPE)
        .map(|scope| scope.path(record.unit));
    let mut push = |kind| {
        events.push_back(Event {
            run,
            seq: *seq,
            time: record.at,
            step: step.clone(),
            kind,
        });
        *seq += 1;
    };
    match &record.what {
        What::Begun(begun) => {
            push(begun.queued());
            push(EventKind::RunStarted {
                engine: begun.engine.to_owned(),
            });
        }
        What::Ready => push(EventKind::StepReady {}),
        What::Started | What::ReadyAndStarted => {
            if matches!(record.what, What::ReadyAndStarted) {
                push(EventKind::StepReady {});
            }
            let planned = scope.and_then(|scope| scope.plan.steps.get(record.unit.step as usize));
            push(EventKind::StepStarted {
                kind: planned
                    .map(|step| step.kind.as_str())
                    .unwrap_or_default()
                    .to_owned(),
                agent: planned.and_then(|step| step.action.agent()).map(str::to_owned),
            });
            push(EventKind::AttemptStarted { attempt: 1 });
        }
        What::Attempt(attempt) => push(EventKind::AttemptStarted { attempt: *attempt }),
        What::Succeeded(output, attempt, spent) => {
            let [by_attempt, total] = spent.as_deref().copied().unwrap_or_default();
            if *attempt > 0 {
                push(EventKind::AttemptSucceeded {
                    attempt: *attempt,
                    usage: by_attempt.usage,
                    cost: by_attempt.cost,
                });
            }
            push(EventKind::StepSucceeded {
                output: output.clone(),
                usage: total.usage,
                cost: total.cost,
            });
        }
        What::Other(kind) => push((**kind).clone()),
    }
}
