//! The local engine: one run in this process. Attempts are polled in place first; only one that has to wait becomes a
//! task of its own, so that instant steps cost no more than a function call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::cx::AttemptState;
use super::drive::{Admitted, DurableRun, Lightening, Made, Noted};
use super::execute::{Running, execute};
use super::op::{End, Op, OpResult};
use super::recorder::Stopped;
use super::replay::{Left, later};
use super::shared::RunShared;
use super::state::{Opened, RunState};
use crate::clock::{self, Time};
use crate::error::Spent;
use crate::log::{ScopeInfo, Unit, What};
use crate::plan::Plan;

mod inbox;
mod keeping;

pub(crate) use inbox::Control;
use keeping::Keeping;

/// How long an aborted attempt may take to let go before the run goes on without it.
const GRACE: Duration = Duration::from_secs(5);
/// How many instant results are handed over before other work of the thread gets its turn.
const BITE: u32 = 256;

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
    /// Where the run outlives its process.
    keeping: Option<Box<Keeping>>,
    /// What attempts that are begun again had spent in another process.
    spent: BTreeMap<Unit, Spent>,
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
    /// A run that, if `stays`, waits here for answers rather than resting. One that outlives its process never stays.
    pub(crate) fn new(shared: Arc<RunShared>, stays: bool) -> Self {
        Self {
            keeping: shared
                .recorder
                .clone()
                .map(|recorder| Box::new(Keeping::new(recorder))),
            shared,
            instant: VecDeque::new(),
            control: Control::new(),
            attempts: Vec::with_capacity(1),
            timers: BTreeMap::new(),
            under_way: 0,
            questions: 0,
            since_yield: 0,
            stays,
            spent: BTreeMap::new(),
        }
    }

    /// A run that goes on: what is left to be done is waited for again, or given to be started. `given` are results that
    /// need nothing to be done.
    pub(crate) fn resume(
        shared: Arc<RunShared>,
        left: Left,
        given: Vec<OpResult>,
        now: Time,
    ) -> (Self, Vec<Op>) {
        let mut run = Self::new(shared, false);
        run.instant.extend(given);
        let Left {
            attempts,
            aborted,
            sleeps,
            asks,
            deadlines,
            spent,
        } = left;
        run.spent = spent;
        for (unit, (count, ask, asked)) in asks {
            run.questions += 1;
            let shared = run.shared.clone();
            shared.questions.put(&shared, unit, count, &ask, asked);
            if let Some(timeout) = ask.timeout {
                let left = later(asked, timeout).since(now);
                run.time(unit, Timer::Question, left, OpResult::Expired(unit));
            }
        }
        for (unit, due) in sleeps {
            run.under_way += 1;
            run.time(unit, Timer::Sleep, due.since(now), OpResult::Slept(unit));
        }
        for (unit, deadline) in deadlines {
            let (left, runs) = deadline.now(now);
            match runs {
                true => run.time(unit, Timer::Deadline, left, OpResult::Deadline(unit)),
                false => {
                    run.timers
                        .insert((unit, Timer::Deadline), Timing { left, since: None });
                }
            }
        }
        let mut ops = Vec::with_capacity(attempts.len());
        for call in attempts {
            if let Some(result) = run.shared.interrupted(&call, aborted.contains(&call.unit)) {
                run.instant.push_back(result);
                continue;
            }
            run.shared.begins_again(&call);
            ops.push(Op::Attempt(call));
        }
        // Whatever it was told while nobody worked on it.
        run.control.poke();
        (run, ops)
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
                // In a box of its own: a task is allocated in steps of 128 bytes, and one that holds a pointer takes one.
                let waiting = Box::new(running).map(move |result| control.send(result));
                let handle = clock::spawn(waiting);
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
    fn admits(&mut self, result: &mut OpResult) -> bool {
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
                self.hears(open);
                open
            }
            OpResult::Expired(unit) => {
                let open = self.timers.remove(&(*unit, Timer::Question)).is_some()
                    && self.shared.questions.expire(&self.shared, *unit);
                self.questions -= u32::from(open);
                open
            }
            OpResult::Cancel { .. } => {
                self.hears(true);
                true
            }
        }
    }
}

impl LocalRun {
    /// Whether the plan around a call has the pipeline that is called.
    fn has(&self, parent: Option<Unit>, call: &str, plan: &Plan) -> bool {
        let Some(parent) = parent else { return false };
        let around = self.shared.log.scope(parent.scope);
        let known = around.and_then(|around| around.plan.below(Some(parent.step), call));
        let called = |plan: &Plan| plan.below(Some(0), "");
        known.is_some_and(|known| called(&known) == called(plan))
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
                if let Some(spent) = self.spent.remove(&unit) {
                    running.state().add(&spent);
                }
                self.attempt(running, unit);
            }
            Op::Sleep { unit, delay } => {
                crate::fail::point("K14");
                self.under_way += 1;
                self.time(unit, Timer::Sleep, delay, OpResult::Slept(unit));
            }
            Op::Ask { unit, ask, .. } => {
                // It was put when it was decided.
                self.questions += 1;
                if let Some(timeout) = ask.timeout {
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
                crate::fail::point("K18");
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

    fn more(&mut self) -> Option<OpResult> {
        self.keeping.as_ref()?;
        while let Some(mut result) = self.control.take() {
            // Whether a question has expired is for the store to say.
            if matches!(result, OpResult::Expired(_)) {
                self.control.send(result);
                break;
            }
            if self.admits(&mut result) {
                return Some(result);
            }
        }
        self.at_hand()
    }

    async fn next(&mut self) -> Result<Option<OpResult>, Stopped> {
        if self.since_yield == BITE {
            self.since_yield = 0;
            tokio::task::yield_now().await;
        }
        loop {
            if let Some(stopped) = self.keeping.as_deref().and_then(Keeping::is_stopped) {
                return Err(stopped);
            }
            if self.control.take_poke() {
                Box::pin(self.take_signals()).await?;
            }
            if let Some(mut result) = self.control.take() {
                if let OpResult::Expired(unit) = result
                    && !Box::pin(self.has_expired(unit)).await?
                {
                    continue;
                }
                if self.admits(&mut result) {
                    return Ok(Some(result));
                }
                continue;
            }
            if let Some(result) = self.at_hand() {
                return Ok(Some(result));
            }
            if self.under_way == 0 && self.questions == 0 {
                return Ok(None);
            }
            // A run that outlives its process waits for people without one.
            if self.under_way == 0 && (self.keeping.is_some() || !self.stays) {
                return Ok(None);
            }
            if self.under_way == 0 {
                self.shared.questions.rest(&self.shared);
            }
            self.instant = VecDeque::new();
            match &mut self.keeping {
                None => self.control.arrived().await,
                Some(keeping) => keeping.wait(&self.control).await?,
            }
        }
    }

    fn rest(&mut self, state: &RunState) -> BoxFuture<'_, Result<bool, Stopped>> {
        self.gives_up(state)
    }

    fn admit(&mut self, result: OpResult) -> Admitted<'_> {
        match &mut self.keeping {
            None => Admitted::Now(result),
            Some(keeping) => keeping.admit(&self.shared, result),
        }
    }

    fn lighten<'a>(&'a mut self, records: &'a mut [(Unit, What)]) -> Option<Lightening<'a>> {
        self.keeping.as_mut()?.lighten(&self.shared, records)
    }

    fn note(&mut self, made: Made<'_>) -> Noted {
        self.keep(made)
    }

    fn opened(&mut self, number: u32, scope: Opened) {
        let Opened { program, site } = scope;
        let plan = program.plan.clone();
        let is_apart = program.is_call && !self.has(site.parent(), site.arm(), &plan);
        if number > 0 {
            self.shared.opened(program);
        }
        let scope = ScopeInfo { plan, site, is_apart };
        self.shared.log.open_scope(number, scope);
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
