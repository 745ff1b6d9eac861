//! The decision: what a run does next. Pure: no clock, no randomness, no waiting, ordered containers only.
//!
//! [`RunState`] is given a linked plan and an input, gives operations ([`RunState::ready`]), is told their results
//! ([`RunState::apply`]), and says when the run has come to its end ([`RunState::outcome`]). Fed the same results in
//! the same order it gives the same operations, in any process and on any engine. What it decides it also writes down,
//! as records without times ([`RunState::take_records`]); an engine makes them durable before it carries anything out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use super::callable::Callable;
use super::op::{Done, End, Op, OpResult, Phase, StepCall};
use super::program::Program;
use crate::error::{ErrorKind, Failure, Spent};
use crate::log::{EventKind, ROOT, Reuse, Site, Unit, What};
use crate::settings::{OnError, Overrides, Resolved};
use crate::value::Value;
use crate::view::StepStatus;

mod ask;
mod calls;
mod clocks;
mod doom;
mod inputs;
mod items;
mod nest;
mod read;
mod retry;
mod reuse;
mod room;
mod scope;
mod settle;
mod slot;

pub(super) use clocks::late_attempt;
use doom::Doom;
use scope::Scope;
use slot::Slot;

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) enum RunOutcome {
    /// With an output.
    Succeeded {
        /// What it made.
        output: Value,
        /// Whether the fallback pipeline made it.
        fallback: bool,
    },
    /// With an error that lists every failed step.
    Failed(Arc<Failure>),
    /// By being cancelled.
    Cancelled(Arc<Failure>),
}

impl RunOutcome {
    /// What is written down of it.
    pub(crate) fn event(&self, spent: &Spent) -> EventKind {
        let (usage, cost) = (spent.usage, spent.cost);
        match self {
            RunOutcome::Succeeded { output, fallback } => EventKind::RunSucceeded {
                output: output.clone(),
                output_ref: None,
                fallback: *fallback,
                usage,
                cost,
            },
            RunOutcome::Failed(error) => EventKind::RunFailed {
                error: error.clone(),
                usage,
                cost,
            },
            RunOutcome::Cancelled(error) => EventKind::RunCancelled {
                error: error.clone(),
                usage,
                cost,
            },
        }
    }
}

/// A scope that was opened.
pub(crate) struct Opened {
    pub(crate) program: Arc<Program>,
    pub(crate) site: Site,
}

/// What a run is started with besides its program and input.
#[derive(Debug, Clone, Default)]
pub(crate) struct Start {
    /// Most attempts at once.
    pub(crate) max_parallel: u32,
    /// Deadline of the run.
    pub(crate) timeout: Option<std::time::Duration>,
    /// Settings of the call, by step of the run's own plan.
    pub(crate) overrides: Overrides,
    /// What jitter is drawn from: the run's id.
    pub(crate) seed: u128,
    /// What it takes over from earlier runs.
    pub(crate) reuse: Option<Arc<Reuse>>,
    /// The pipelines that agents may call as tools.
    pub(crate) callable: Callable,
}

/// Where a run stands and what it does next.
pub(crate) struct RunState {
    scopes: Vec<Scope>,
    /// Units whose turn it is, in declaration order.
    ready: BinaryHeap<Reverse<Unit>>,
    /// Operations other than attempts, given out with the next [`RunState::ready`].
    ops: Vec<Op>,
    records: Vec<(Unit, What)>,
    /// Steps that have just been settled and whose dependents are still to be looked at.
    settling: Vec<(u32, u32)>,
    dooms: Vec<Doom>,
    running: u32,
    /// Whether any scope has room of its own.
    has_rooms: bool,
    sleeping: u32,
    waiting: u32,
    spent: Option<Box<Spent>>,
    start: Start,
    /// How many scopes were asked for with [`RunState::take_opened`].
    opened: u32,
    /// How the run ends as soon as every attempt is back, or how it has ended.
    ending: Option<RunOutcome>,
    has_ended: bool,
    /// Whether the run's deadline stands still because everything waits for people.
    held: bool,
}

impl RunState {
    pub(crate) fn new(program: Arc<Program>, input: Value, start: Start) -> Self {
        let mut state = Self {
            scopes: Vec::with_capacity(1),
            ready: BinaryHeap::new(),
            ops: Vec::new(),
            records: Vec::new(),
            settling: Vec::new(),
            dooms: Vec::new(),
            running: 0,
            has_rooms: false,
            sleeping: 0,
            waiting: 0,
            spent: None,
            start,
            opened: 0,
            ending: None,
            has_ended: false,
            held: false,
        };
        if let Some(limit) = state.start.timeout {
            state.ops.push(Op::Deadline { unit: ROOT, limit });
        }
        state.open(program, Site::default(), input);
        state.work();
        state
    }

    /// Appends the operations whose turn it is to `ops`, each once: attempts in declaration order, as many as may run
    /// at once.
    pub(crate) fn ready(&mut self, ops: &mut Vec<Op>) {
        ops.append(&mut self.ops);
        while self.running < self.start.max_parallel {
            let Some(Reverse(unit)) = self.ready.pop() else {
                break;
            };
            // One that is not queued any more was cancelled while it waited for its turn.
            if self.slot(unit).queued && !self.waits_for_room(unit) {
                self.slot(unit).queued = false;
                ops.extend(self.begin(unit).map(Op::Attempt));
            }
            self.let_in(unit);
        }
        // What was cancelled in the queue may have hidden that only people can make the run go on.
        self.rest();
        // Beginning a unit can ask for its deadline.
        ops.append(&mut self.ops);
    }

    /// Tells the result of an operation.
    pub(crate) fn apply(&mut self, result: OpResult) {
        match result {
            OpResult::Attempt { unit, end, spent } => self.ended(unit, end, spent),
            OpResult::Slept(unit) => self.slept(unit),
            OpResult::Deadline(unit) => self.late(unit),
            OpResult::Answered { unit, value, by } => self.answered(unit, value, &by),
            OpResult::Expired(unit) => self.expired(unit),
            OpResult::Cancel { by, reason } => self.cancel(by, reason),
        }
        self.work();
    }

    /// How the run ended, once it has.
    pub(crate) fn outcome(&self) -> Option<&RunOutcome> {
        self.ending.as_ref().filter(|_| self.has_ended)
    }

    /// Whether nothing can go on before a person answers.
    pub(crate) fn is_resting(&self) -> bool {
        self.waiting > 0 && self.running == 0 && self.sleeping == 0 && self.ready.is_empty()
    }

    /// Hands over what was decided since the last time, in order.
    pub(crate) fn take_records(&mut self, into: &mut Vec<(Unit, What)>) {
        if into.is_empty() {
            std::mem::swap(into, &mut self.records);
        } else {
            into.append(&mut self.records);
        }
    }

    /// Hands over the scopes opened since the last time: number, program, prefix of paths, and the unit above.
    pub(crate) fn take_opened(&mut self, mut each: impl FnMut(u32, Opened)) {
        for number in std::mem::replace(&mut self.opened, self.scopes.len() as u32)..self.scopes.len() as u32
        {
            let scope = &self.scopes[number as usize];
            each(
                number,
                Opened {
                    program: scope.program.clone(),
                    site: scope.site.clone(),
                },
            );
        }
    }

    // ---- private: one attempt from its beginning to its end

    fn slot(&mut self, unit: Unit) -> &mut Slot {
        let scope = &mut self.scopes[unit.scope as usize];
        if unit.step >= Unit::SCOPE {
            return scope.end();
        }
        let slot = &mut scope.slots[unit.step as usize];
        if !unit.is_item() {
            return slot;
        }
        let items = slot.more.as_mut().and_then(|more| more.items.as_mut());
        &mut items.expect("a unit with an item belongs to an open map").slots[unit.item as usize]
    }

    fn settings(&self, unit: Unit) -> &Arc<Resolved> {
        if unit.scope == 0
            && let Some(over) = self.start.overrides.of(unit.step)
        {
            return over;
        }
        &self.scopes[unit.scope as usize].program.settings[unit.step as usize]
    }

    fn record(&mut self, unit: Unit, kind: EventKind) {
        self.records.push((unit, What::Other(Box::new(kind))));
    }

    /// The unit's turn has come: its dependencies are met and nothing holds it back.
    fn wake(&mut self, unit: Unit) {
        let slot = self.slot(unit);
        if slot.status == StepStatus::Pending {
            slot.status = StepStatus::Ready;
            if !unit.is_item() {
                self.records.push((unit, What::Ready));
            }
        }
        self.queue(unit);
    }

    /// It is the unit's turn as soon as an attempt more may run.
    pub(super) fn queue(&mut self, unit: Unit) {
        let slot = self.slot(unit);
        if !std::mem::replace(&mut slot.queued, true) {
            self.ready.push(Reverse(unit));
        }
    }

    fn begin(&mut self, unit: Unit) -> Option<StepCall> {
        if unit.step >= Unit::SCOPE {
            return self.begin_end(unit);
        }
        if !unit.is_item() && self.is_repeat(unit) && self.slot(unit).status == StepStatus::Ready {
            self.begin_repeat(unit);
            return None;
        }
        if self.has_condition(unit) {
            return Some(self.begin_condition(unit));
        }
        let slot = self.slot(unit);
        if !matches!(slot.status, StepStatus::Ready | StepStatus::Running) {
            return None; // cancelled while it waited for its turn
        }
        let first = slot.status == StepStatus::Ready;
        slot.status = StepStatus::Running;
        slot.live = true;
        let mut before = None;
        let mut phase = Phase::Body;
        let mut resumes = false;
        let mut is_timed = false;
        if let Some(more) = &mut slot.more {
            before = more.before.clone();
            is_timed = more.clock.is_some();
            resumes = std::mem::take(&mut more.resumes);
            phase = more.phase.clone();
        }
        let recovers = matches!(phase, Phase::Recover(_));
        if !resumes && !recovers {
            slot.attempt += 1;
        }
        let attempt = slot.attempt;
        self.goes(unit);
        if first {
            self.started(unit);
        } else if !resumes && !recovers {
            self.records.push((unit, What::Attempt(attempt)));
        }
        let settings = self.settings(unit);
        let (timeout, step_timeout) = (settings.timeout, settings.step_timeout);
        if first
            && !unit.is_item()
            && let Some(limit) = step_timeout
        {
            self.slot(unit).more().deadline = true;
            self.ops.push(Op::Deadline { unit, limit });
        }
        let inputs = self.inputs(unit, &phase);
        // One that goes on with what it has called is watched over already.
        let timeout = timeout.filter(|_| !is_timed);
        // The deadline of one attempt is over one item of a map, not over opening it.
        Some(StepCall {
            unit,
            attempt,
            inputs,
            timeout,
            before,
            phase,
        })
    }

    /// Whether the unit's condition is still to be asked for: it has not begun, and nothing of it shows before.
    fn has_condition(&mut self, unit: Unit) -> bool {
        let planned = &self.scopes[unit.scope as usize].program.plan.steps[unit.step as usize];
        if planned.when.is_none() || unit.is_item() {
            return false;
        }
        let slot = self.slot(unit);
        slot.status == StepStatus::Ready && !slot.more().admitted
    }

    fn begin_condition(&mut self, unit: Unit) -> StepCall {
        let slot = self.slot(unit);
        slot.status = StepStatus::Running;
        slot.live = true;
        slot.more().asks_when = true;
        self.goes(unit);
        let timeout = self.settings(unit).timeout;
        let inputs = self.inputs(unit, &Phase::When);
        StepCall {
            unit,
            attempt: 1,
            inputs,
            timeout,
            before: None,
            phase: Phase::When,
        }
    }

    /// The unit's condition was asked for. What else than an answer came of it is the end of its first attempt.
    fn asked_condition(&mut self, unit: Unit, end: End) -> Option<End> {
        let slot = self.slot(unit);
        if !slot
            .more
            .as_mut()
            .is_some_and(|more| std::mem::take(&mut more.asks_when))
        {
            return Some(end);
        }
        match end {
            End::Did(Done::Admit) => {
                slot.status = StepStatus::Ready;
                slot.more().admitted = true;
                self.queue(unit);
                None
            }
            End::Did(Done::Skip) => {
                self.skip(unit, crate::view::SkipReason::when_false());
                None
            }
            end => {
                slot.attempt = 1;
                self.records.push((unit, What::Started));
                Some(end)
            }
        }
    }

    /// Writes down that a unit began. What follows its getting ready at once shares that record.
    fn started(&mut self, unit: Unit) {
        match self.records.last_mut() {
            Some((last, what @ What::Ready)) if *last == unit => *what = What::ReadyAndStarted,
            _ => self.records.push((unit, What::Started)),
        }
    }

    fn ended(&mut self, unit: Unit, end: End, spent: Option<Box<Spent>>) {
        self.comes_back(unit);
        let slot = self.slot(unit);
        slot.live = false;
        let attempt = slot.attempt;
        if let Some(spent) = &spent {
            slot.more().spent.add(spent);
            self.spent.get_or_insert_default().add(spent);
            if unit.is_item() {
                self.slot(unit.of_step()).more().spent.add(spent);
            }
            self.spent_below(unit, spent);
        }
        if self.slot(unit).status != StepStatus::Running {
            self.aborted(unit);
            return;
        }
        if unit.step >= Unit::SCOPE {
            self.ended_end(unit, end);
            return;
        }
        let Some(end) = self.asked_condition(unit, end) else {
            return;
        };
        match end {
            End::Did(Done::Output(output)) => {
                self.made(unit, &output, spent);
                self.succeed(unit, output);
            }
            End::Did(Done::Skip | Done::Admit) => self.skip(unit, crate::view::SkipReason::when_false()),
            End::Did(Done::Expand(list)) => {
                self.attempt_succeeded(unit, attempt, spent);
                self.expand(unit, &list);
            }
            End::Did(Done::Enter(input)) => {
                self.attempt_succeeded(unit, attempt, spent);
                self.time_attempt(unit, None);
                self.enter(unit, "", input);
            }
            End::Did(Done::Choose(choice)) => {
                self.attempt_succeeded(unit, attempt, spent);
                self.choose(unit, *choice);
            }
            End::Did(Done::Round { output, last }) => {
                self.made(unit, &output, spent);
                self.round(unit, output, last);
            }
            End::Failed(failure) => self.attempt_failed(unit, *failure, spent),
            End::Again { reason, previous } => self.again(unit, reason, previous, spent),
            End::Waits(ask) => self.ask(unit, ask),
            End::Calls(calls) => self.call(unit, *calls),
            End::Aborted => {
                let failure = Failure::new(ErrorKind::Interrupted, "the attempt was aborted by the engine");
                self.attempt_failed(unit, failure, spent);
            }
        }
    }

    /// Writes down that an attempt made the unit's output.
    fn made(&mut self, unit: Unit, output: &Value, spent: Option<Box<Spent>>) {
        let slot = self.slot(unit);
        let total = slot
            .more
            .as_ref()
            .map(|more| more.spent)
            .filter(|spent| !spent.is_zero());
        let spent = total.map(|total| Box::new([spent.map(|spent| *spent).unwrap_or_default(), total]));
        let attempt = slot.attempt;
        self.records
            .push((unit, What::Succeeded(output.clone(), attempt, spent)));
    }

    /// Writes down that the unit has an output that no attempt of its own made.
    pub(super) fn made_below(&mut self, unit: Unit, output: &Value) {
        let total = self
            .slot(unit)
            .more
            .as_ref()
            .map(|more| more.spent)
            .filter(|spent| !spent.is_zero());
        let spent = total.map(|total| Box::new([Spent::default(), total]));
        self.records
            .push((unit, What::Succeeded(output.clone(), 0, spent)));
    }

    fn attempt_succeeded(&mut self, unit: Unit, attempt: u32, spent: Option<Box<Spent>>) {
        let spent = spent.map(|spent| *spent).unwrap_or_default();
        self.record(
            unit,
            EventKind::AttemptSucceeded {
                attempt,
                usage: spent.usage,
                cost: spent.cost,
            },
        );
    }

    /// The unit has failed for good: what its `on_error` says happens.
    pub(super) fn fail(&mut self, unit: Unit, failure: Arc<Failure>) {
        self.stop_clock_of_attempt(unit);
        let settings = self.settings(unit).clone();
        self.slot(unit).more().error = Some(failure.clone());
        // What takes its place has deadlines of its own.
        self.release(unit);
        // `on_error` of a map is about the whole map, except `keep`, which is about its items.
        if unit.is_item() {
            return self.item_failed(unit, failure);
        }
        if matches!(self.slot(unit).more().phase, Phase::Recover(_)) {
            return self.failed(unit, failure);
        }
        match &settings.on_error {
            OnError::Fail | OnError::Keep => self.failed(unit, failure),
            OnError::Skip => self.skip(unit, crate::view::SkipReason::on_error(&failure.message)),
            OnError::Use(value) => {
                if self.scopes[unit.scope as usize].program.reads_facts {
                    self.slot(unit).more().phase = Phase::Recover(failure);
                    self.queue(unit);
                } else {
                    self.made_below(unit, value);
                    self.succeed(unit, value.clone());
                }
            }
            OnError::Run(name) => match self.scopes[unit.scope as usize].program.plan.step(name) {
                Some(target) => self.summon(unit, target, failure),
                None => self.failed(unit, failure),
            },
        }
    }

    fn failed(&mut self, unit: Unit, failure: Arc<Failure>) {
        let on_error = match &self.settings(unit).on_error {
            OnError::Fail | OnError::Keep => "fail",
            OnError::Skip => "skip",
            OnError::Use(_) => "use",
            OnError::Run(_) => "run",
        };
        let spent = self.slot(unit).more().spent;
        let slot = self.slot(unit);
        slot.status = StepStatus::Failed;
        slot.more().error = Some(failure.clone());
        self.record(
            unit,
            EventKind::StepFailed {
                error: failure,
                on_error: on_error.to_owned(),
                usage: spent.usage,
                cost: spent.cost,
            },
        );
        self.settled(unit);
    }

    /// The unit has made its output. Its record is already written where an attempt made it.
    pub(super) fn succeed(&mut self, unit: Unit, output: Value) {
        self.stop_clock_of_attempt(unit);
        let slot = self.slot(unit);
        slot.status = StepStatus::Succeeded;
        slot.output = Some(output);
        self.settled(unit);
    }
}

#[cfg(test)]
mod tests;
