//! The log of one run in memory: appended to by the run, read by anybody, live or later.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::event::{Event, EventKind, Reused};
use super::events::Events;
use super::record::{Begun, KeptCall, Record, ScopeInfo, What};
use super::records::Records;
use super::unit::{ROOT, Unit};
use crate::clock::Clock;
use crate::id::RunId;
use crate::lazily::Lazily;
use crate::value::{Value, ValueRef};
use crate::view::RunView;

/// The log of one run.
///
/// The run appends; readers never hold it up: they copy what is there and wait for more on their own.
pub struct RunLog {
    run: RunId,
    clock: Clock,
    inner: Mutex<Inner>,
    more: Lazily<Notify>,
}

#[derive(Default)]
struct Inner {
    records: Records,
    scopes: Vec<ScopeInfo>,
    /// Records that were handed to a store; none where there is no store.
    sealed: Option<usize>,
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
            more: Lazily::default(),
        }
    }

    /// A log that goes to a store, as far as one read from there: `records` and `scopes` are there already.
    pub(crate) fn kept(run: RunId, clock: Clock, records: Vec<Record>, scopes: Vec<ScopeInfo>) -> Self {
        let mut inner = Inner {
            sealed: Some(records.len()),
            scopes,
            ..Inner::default()
        };
        records.into_iter().for_each(|record| inner.records.push(record));
        Self {
            run,
            clock,
            inner: Mutex::new(inner),
            more: Lazily::default(),
        }
    }

    /// Records that were written before, of which nothing has to be handed over.
    pub(crate) fn fill(&self, records: impl Iterator<Item = Record>) {
        let inner = &mut *self.lock();
        records.for_each(|record| inner.records.push(record));
        inner.sealed = Some(inner.records.len());
    }

    /// Hands over what was appended since the last time: how many events that is, and the records.
    pub(crate) fn seal<T>(&self, take: impl FnOnce(u64, &mut dyn Iterator<Item = &Record>) -> T) -> T {
        let inner = &mut *self.lock();
        let from = inner.sealed.unwrap_or_default();
        inner.sealed = Some(inner.records.len());
        let events = inner.records.from(from).map(|record| record.what.events()).sum();
        take(events, &mut inner.records.from(from))
    }

    /// Whether anything was appended that was not handed over.
    pub(crate) fn is_sealed(&self) -> bool {
        let inner = self.lock();
        inner.sealed.is_none_or(|sealed| sealed == inner.records.len())
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
        if inner.sealed.is_some() {
            let what = What::Scope(number, Box::new(scope.clone()));
            let at = self.clock.time();
            inner.records.push(Record { at, unit: ROOT, what });
        }
        inner.scopes.push(scope);
    }

    /// Appends what nobody but a store reads; nothing where there is none.
    pub(crate) fn keep(&self, unit: Unit, kept: impl FnOnce() -> KeptCall) {
        self.end_call(unit, None, Some(kept));
    }

    /// A call has ended: what is told of that, and what it gave, are written down together. Between them nobody could
    /// tell that it need not be made again.
    pub(crate) fn end_call(
        &self,
        unit: Unit,
        kind: Option<EventKind>,
        kept: Option<impl FnOnce() -> KeptCall>,
    ) {
        let at = self.clock.time();
        let mut inner = self.lock();
        if inner.ended {
            return;
        }
        if let Some(kept) = kept.filter(|_| inner.sealed.is_some()) {
            let what = What::Kept(Box::new(kept()));
            inner.records.push(Record { at, unit, what });
        }
        if let Some(kind) = kind {
            let what = What::Other(Box::new(kind));
            inner.records.push(Record { at, unit, what });
            self.tell(inner);
        }
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

    /// Steps whose results were made from something that has changed since.
    pub(crate) fn stale_steps(&self) -> Vec<String> {
        let has_reused = |record: &Record| matches!(&record.what, What::Other(kind) if matches!(**kind, EventKind::StepReused(_)));
        if !self.lock().records.from(0).any(has_reused) {
            return Vec::new();
        }
        self.view().stale().into_keys().collect()
    }

    /// A stream of events from the first one: live and replayed are the same. Ends with the run.
    #[must_use]
    pub fn follow(self: &Arc<Self>) -> Events {
        Events::of_log(self.clone())
    }

    /// Told when there is more to read.
    pub(super) fn more(&self) -> &Notify {
        &self.more
    }

    /// Adds the events from record `at` on to `ready`, a bounded bite of them, so that a slow reader of a long log does
    /// not hold it up. False when there are none and never will be.
    pub(super) fn read(&self, at: &mut usize, seq: &mut u64, ready: &mut VecDeque<Event>) -> bool {
        let mut inner = self.lock();
        inner.followed = true;
        let end = inner.records.len().min(*at + 256);
        for record in inner.records.from(*at).take(end - *at) {
            expand(self.run, record, &inner.scopes, seq, ready);
        }
        *at = end;
        !(ready.is_empty() && inner.ended)
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

/// Turns one record into its events.
pub(crate) fn expand(
    run: RunId,
    record: &Record,
    scopes: &[ScopeInfo],
    seq: &mut u64,
    events: &mut VecDeque<Event>,
) {
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
            if !begun.begins {
                return;
            }
            let owner = begun.more().owner.clone();
            push(EventKind::RunStarted {
                engine: begun.engine().to_owned(),
                fence: owner.as_ref().map(|_| 1),
                owner,
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
            let (output, output_ref) = here_or_elsewhere(output);
            push(EventKind::StepSucceeded {
                output,
                output_ref,
                usage: total.usage,
                cost: total.cost,
            });
        }
        What::Other(kind) => push(match &**kind {
            EventKind::RunSucceeded {
                output,
                fallback,
                usage,
                cost,
                ..
            } => {
                let (output, output_ref) = here_or_elsewhere(output);
                EventKind::RunSucceeded {
                    output,
                    output_ref,
                    fallback: *fallback,
                    usage: *usage,
                    cost: *cost,
                }
            }
            EventKind::StepReused(reused) => {
                let (output, output_ref) = here_or_elsewhere(&reused.output);
                EventKind::StepReused(Box::new(Reused {
                    output,
                    output_ref,
                    ..Reused::clone(reused)
                }))
            }
            kind => kind.clone(),
        }),
        What::Scope(..) | What::Kept(_) | What::Reuse(_) => {}
    }
}

/// A value as an event shows it: itself, or null and where it is.
fn here_or_elsewhere(value: &Value) -> (Value, Option<ValueRef>) {
    match value.stored_at() {
        None => (value.clone(), None),
        Some(at) => (Value::null(), Some(at.clone())),
    }
}
