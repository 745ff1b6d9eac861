//! Clocks: deadlines over what runs below a unit. The `timeout` of a step that runs a pipeline is one, the `timeout` of a
//! nested pipeline another; those of a whole step are kept by its slot, that of the run by the run.

use std::sync::Arc;
use std::time::Duration;

use super::doom::Verdict;
use super::scope::Stage;
use super::{Op, RunState, Unit};
use crate::error::{ErrorKind, Failure};
use crate::view::StepStatus;

impl RunState {
    /// What the unit's attempt does from now on it does below the unit: its deadline is watched over here, until it is
    /// over.
    pub(super) fn time_attempt(&mut self, unit: Unit, left: Option<Duration>) {
        let Some(limit) = self.settings(unit).timeout else {
            return;
        };
        let more = self.slot(unit).more();
        if more.clock.is_none() {
            more.clock = Some(0);
            let limit = left.unwrap_or(limit);
            self.ops.push(Op::Deadline {
                unit: unit.attempt(),
                limit,
            });
        }
    }

    /// The attempt is over.
    pub(super) fn stop_clock_of_attempt(&mut self, unit: Unit) {
        let more = self.slot(unit).more.as_mut();
        if more.is_some_and(|more| more.clock.take().is_some()) {
            self.ops.push(Op::Release(unit.attempt()));
        }
    }

    /// A nested pipeline has its own deadline. What sees the scope around it is a part of that scope.
    pub(super) fn time_scope(&mut self, number: u32) {
        let scope = &mut self.scopes[number as usize];
        if scope.site.parent().is_none() || scope.program.borrows {
            return;
        }
        if let Some(limit) = scope.program.plan.run.timeout {
            scope.clock = Some(0);
            let unit = Unit::scope_of(number);
            self.ops.push(Op::Deadline { unit, limit });
        }
    }

    /// The scope is over.
    pub(super) fn stop_clock_of_scope(&mut self, scope: u32) {
        if self.scopes[scope as usize].clock.take().is_some() {
            self.ops.push(Op::Release(Unit::scope_of(scope)));
        }
    }

    /// The deadline of an attempt has passed while it ran something below its unit.
    pub(super) fn attempt_late(&mut self, unit: Unit) {
        let slot = self.slot(unit);
        let runs = slot.more.as_mut().is_some_and(|more| more.clock.take().is_some());
        if !runs || slot.status != StepStatus::Running {
            return;
        }
        let attempt = slot.attempt;
        let limit = self.settings(unit).timeout.unwrap_or_default();
        let path = self.path(unit);
        let failure = late_attempt(&path, attempt, limit);
        self.doom(
            unit,
            Verdict::Attempt(Box::new(failure)),
            "the deadline of the step around it passed",
        );
    }

    /// The deadline of a nested pipeline has passed.
    pub(super) fn scope_late(&mut self, number: u32) {
        let scope = &mut self.scopes[number as usize];
        if scope.clock.take().is_none() || scope.stage == Stage::Over {
            return;
        }
        let plan = &scope.program.plan;
        let limit = plan.run.timeout.unwrap_or_default();
        let message = format!("pipeline `{}` did not end within {}", plan.name, shown(limit));
        let failure = Failure::new(ErrorKind::Timeout, message)
            .limit("pipeline", "ms", limit.as_millis())
            .hint("raise the `timeout` of that pipeline");
        self.doom(
            Unit::scope_of(number),
            Verdict::PipelineFails(Arc::new(failure)),
            "the pipeline's deadline passed",
        );
    }

    /// A question was put at the unit: the deadlines over it and around it stand still.
    pub(super) fn hold(&mut self, unit: Unit) {
        let holds = |held: &mut u32| {
            *held += 1;
            *held == 1
        };
        self.each_clock(unit, holds, Op::Hold);
    }

    /// It is closed: they go on, unless another holds them.
    pub(super) fn go_on(&mut self, unit: Unit) {
        let goes_on = |held: &mut u32| {
            *held = held.saturating_sub(1);
            *held == 0
        };
        self.each_clock(unit, goes_on, Op::Resume);
    }

    /// Changes what holds each deadline over the unit and around it; asks for `op` where that changes the deadline.
    fn each_clock(&mut self, unit: Unit, mut change: impl FnMut(&mut u32) -> bool, op: fn(Unit) -> Op) {
        let mut at = Some(unit);
        while let Some(unit) = at {
            let whole = unit.of_step();
            if unit.step < Unit::SCOPE {
                for timed in [Some(unit), (unit != whole).then_some(whole)]
                    .into_iter()
                    .flatten()
                {
                    if self.slot(timed).more().clock.as_mut().is_some_and(&mut change) {
                        self.ops.push(op(timed.attempt()));
                    }
                }
                let more = self.slot(whole).more();
                if change(&mut more.held) && more.deadline {
                    self.ops.push(op(whole));
                }
            }
            let scope = &mut self.scopes[unit.scope as usize];
            if scope.clock.as_mut().is_some_and(&mut change) {
                self.ops.push(op(Unit::scope_of(unit.scope)));
            }
            at = self.scopes[unit.scope as usize].site.parent();
        }
    }
}

/// The failure of an attempt that took too long.
pub(in crate::run) fn late_attempt(path: &str, attempt: u32, limit: Duration) -> Failure {
    let message = format!(
        "step `{path}` did not answer within {}ms in attempt {attempt}",
        limit.as_millis()
    );
    Failure::new(ErrorKind::Timeout, message)
        .limit("attempt", "ms", limit.as_millis())
        .hint("raise the step's `timeout`")
}

/// A duration as the format spells it.
pub(super) fn shown(limit: Duration) -> String {
    let millis = limit.as_millis();
    if millis.is_multiple_of(1000) {
        format!("{}s", millis / 1000)
    } else {
        format!("{millis}ms")
    }
}
