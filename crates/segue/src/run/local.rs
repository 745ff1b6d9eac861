//! The local engine: one run in this process. Attempts are polled in place first; only one that has to wait becomes a
//! task of its own, so that instant steps cost no more than a function call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::cx::AttemptState;
use super::drive::DurableRun;
use super::execute::{Running, execute};
use super::op::{End, Op, OpResult};
use super::shared::{RunShared, lock};
use super::state::Opened;
use crate::clock;
use crate::log::Unit;
use crate::log::{ScopeInfo, What};

/// How long an aborted attempt may take to let go before the run goes on without it.
const GRACE: Duration = Duration::from_secs(5);
/// How many instant results are handed over before other work of the thread gets its turn.
const BITE: u32 = 256;

/// What the outside may tell a run: the handle of a run keeps one.
#[derive(Clone)]
pub(crate) struct Control(Arc<Inbox>);

/// Results that came while the run looked elsewhere.
struct Inbox {
    results: Mutex<VecDeque<OpResult>>,
    arrived: Notify,
}

impl Control {
    fn new() -> Self {
        Self(Arc::new(Inbox {
            results: Mutex::default(),
            arrived: Notify::new(),
        }))
    }

    /// Tells the run a result.
    pub(crate) fn send(&self, result: OpResult) {
        self.0
            .results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(result);
        self.0.arrived.notify_one();
    }

    fn take(&self) -> Option<OpResult> {
        self.0
            .results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }
}

/// One run in this process.
pub(crate) struct LocalRun {
    shared: Arc<RunShared>,
    /// Results that were there at once, in the order of their starts.
    instant: VecDeque<OpResult>,
    control: Control,
    /// Attempts that are tasks of their own; few, so a list.
    attempts: Vec<(Unit, AbortHandle, Arc<AttemptState>)>,
    timers: BTreeMap<(Unit, Timer), Timing>,
    /// Attempts, sleeps and questions that will still give a result.
    under_way: u32,
    questions: u32,
    since_yield: u32,
    /// Whether the run stays here while it waits for people.
    stays: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Deadline,
    Sleep,
    Question,
    Grace,
}

struct Timing {
    left: Duration,
    since: Option<(Instant, AbortHandle)>,
}

impl LocalRun {
    /// A run that, if `stays`, waits here for answers rather than resting.
    pub(crate) fn new(shared: Arc<RunShared>, stays: bool) -> Self {
        Self {
            shared,
            instant: VecDeque::new(),
            control: Control::new(),
            attempts: Vec::with_capacity(1),
            timers: BTreeMap::new(),
            under_way: 0,
            questions: 0,
            since_yield: 0,
            stays,
        }
    }

    pub(crate) fn control(&self) -> Control {
        self.control.clone()
    }

    fn attempt(&mut self, mut running: Running, unit: Unit) {
        // The first poll needs no waker: an attempt that is not done is polled again as a task of its own.
        let mut cx = Context::from_waker(Waker::noop());
        match running.poll(&mut cx) {
            Poll::Ready(result) => self.instant.push_back(result),
            Poll::Pending => {
                let state = running.state();
                let control = self.control.clone();
                let handle = clock::spawn(running.map(move |result| control.send(result)));
                self.attempts.push((unit, handle, state));
                self.under_way += 1;
            }
        }
    }

    fn time(&mut self, unit: Unit, timer: Timer, left: Duration, result: OpResult) {
        let control = self.control.clone();
        let handle = clock::spawn(async move {
            clock::sleep(left).await;
            control.send(result);
        });
        self.timers.insert(
            (unit, timer),
            Timing {
                left,
                since: Some((clock::now(), handle)),
            },
        );
    }

    /// Stops a timer; false when there is none.
    fn stop(&mut self, unit: Unit, timer: Timer) -> bool {
        let Some(timing) = self.timers.remove(&(unit, timer)) else {
            return false;
        };
        if let Some((_, handle)) = timing.since {
            handle.abort();
        }
        true
    }

    /// Whether a result that came counts: a timer that was stopped meanwhile does not.
    fn admit(&mut self, result: &mut OpResult) -> bool {
        match result {
            OpResult::Attempt { unit, end, spent } => {
                let at = self.attempts.iter().position(|(running, ..)| running == unit);
                let Some((_, _, state)) = at.map(|at| self.attempts.swap_remove(at)) else {
                    return false;
                };
                self.under_way -= 1;
                self.stop(*unit, Timer::Grace);
                if matches!(end, End::Aborted) && spent.is_none() {
                    // It did not let go in time; what it paid is known all the same.
                    *spent = state.spent();
                }
                true
            }
            OpResult::Slept(unit) => {
                let known = self.timers.remove(&(*unit, Timer::Sleep)).is_some();
                self.under_way -= u32::from(known);
                known
            }
            OpResult::Deadline(unit) => {
                let key = (*unit, Timer::Deadline);
                // One that stands still passes when it goes on.
                let runs = self.timers.get(&key).is_some_and(|timing| timing.since.is_some());
                runs && self.timers.remove(&key).is_some()
            }
            OpResult::Answered { unit, value, by } => {
                let open = self.shared.questions.close(*unit, value, by);
                if open {
                    self.stop(*unit, Timer::Question);
                    self.questions -= 1;
                }
                open
            }
            OpResult::Expired(unit) => {
                let open = self.timers.remove(&(*unit, Timer::Question)).is_some()
                    && self.shared.questions.expire(&self.shared, *unit);
                self.questions -= u32::from(open);
                open
            }
            OpResult::Cancel { .. } => true,
        }
    }
}

impl DurableRun for LocalRun {
    fn start(&mut self, op: Op) {
        match op {
            Op::Attempt(call) => {
                let unit = call.unit;
                let nested;
                let program = if unit.scope == 0 {
                    &self.shared.program
                } else {
                    let found = self.shared.program(unit.scope);
                    nested = found.expect("a unit belongs to a scope that was opened");
                    &nested
                };
                let running = execute(&self.shared, program, call);
                self.attempt(running, unit);
            }
            Op::Sleep { unit, delay } => {
                self.under_way += 1;
                self.time(unit, Timer::Sleep, delay, OpResult::Slept(unit));
            }
            Op::Ask { unit, count, ask } => {
                self.questions += 1;
                let timeout = ask.timeout;
                self.shared.questions.open(&self.shared, unit, count, *ask);
                if let Some(timeout) = timeout {
                    self.time(unit, Timer::Question, timeout, OpResult::Expired(unit));
                }
            }
            Op::Deadline { unit, limit } => self.time(unit, Timer::Deadline, limit, OpResult::Deadline(unit)),
            Op::Hold(unit) => {
                if let Some(timing) = self.timers.get_mut(&(unit, Timer::Deadline))
                    && let Some((since, handle)) = timing.since.take()
                {
                    handle.abort();
                    timing.left = timing
                        .left
                        .saturating_sub(clock::now().saturating_duration_since(since));
                }
            }
            Op::Resume(unit) => {
                if let Some(timing) = self.timers.remove(&(unit, Timer::Deadline)) {
                    self.time(unit, Timer::Deadline, timing.left, OpResult::Deadline(unit));
                }
            }
            Op::Release(unit) => {
                self.stop(unit, Timer::Deadline);
                self.under_way -= u32::from(self.stop(unit, Timer::Sleep));
                self.stop(unit, Timer::Question);
                self.questions -= u32::from(self.shared.questions.withdraw(unit));
            }
            Op::Abort(unit) => {
                if let Some((_, _, state)) = self.attempts.iter().find(|(running, ..)| *running == unit) {
                    // An aborted attempt answers by itself, unless it blocks its thread.
                    state.abort();
                    let result = OpResult::Attempt {
                        unit,
                        end: End::Aborted,
                        spent: None,
                    };
                    self.time(unit, Timer::Grace, GRACE, result);
                }
            }
        }
    }

    fn at_hand(&mut self) -> Option<OpResult> {
        // However many results are there at once, what comes from outside is never left waiting for long.
        if self.since_yield == BITE {
            return None;
        }
        let result = self.instant.pop_front()?;
        self.since_yield += 1;
        Some(result)
    }

    async fn next(&mut self) -> Option<OpResult> {
        if self.since_yield == BITE {
            self.since_yield = 0;
            tokio::task::yield_now().await;
        }
        loop {
            if let Some(mut result) = self.control.take() {
                if self.admit(&mut result) {
                    return Some(result);
                }
                continue;
            }
            if let Some(result) = self.at_hand() {
                return Some(result);
            }
            if self.under_way == 0 && self.questions == 0 {
                return None;
            }
            if self.under_way == 0 && !self.stays {
                return None;
            }
            if self.under_way == 0 {
                self.shared.questions.rest(&self.shared);
            }
            self.instant = VecDeque::new();
            self.control.0.arrived.notified().await;
        }
    }

    async fn note(&mut self, records: &mut Vec<(Unit, What)>) {
        self.shared.log.append(records);
    }

    fn opened(&mut self, number: u32, scope: Opened) {
        let Opened {
            program,
            prefix,
            parent,
        } = scope;
        let plan = program.plan.clone();
        if number > 0 {
            lock(&self.shared.nested).push(program);
        }
        self.shared
            .log
            .open_scope(number, ScopeInfo { plan, prefix, parent });
    }
}

impl Drop for LocalRun {
    /// A run that is dropped takes its attempts and timers with it.
    fn drop(&mut self) {
        for (_, handle, _) in &self.attempts {
            handle.abort();
        }
        for timing in self.timers.values() {
            if let Some((_, handle)) = &timing.since {
                handle.abort();
            }
        }
    }
}
