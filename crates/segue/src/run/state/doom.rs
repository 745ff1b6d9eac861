//! Dooms: ending what is under way. A deadline, a cancel or the failure of a sibling aborts everything below a unit;
//! the unit ends when every aborted attempt has said what it spent, so that no cost is lost.

use std::sync::Arc;

use super::clocks::shown;
use super::scope::Stage;
use super::{Op, ROOT, RunOutcome, RunState, Unit};
use crate::error::{ErrorKind, Failure};
use crate::log::EventKind;
use crate::view::StepStatus;

/// Something that ends once its aborted attempts are back.
pub(super) struct Doom {
    unit: Unit,
    verdict: Verdict,
    pending: Vec<Unit>,
}

/// What it ends as.
#[derive(Clone)]
pub(super) enum Verdict {
    /// The unit fails with this.
    Fail(Arc<Failure>),
    /// Its attempt fails with this.
    Attempt(Box<Failure>),
    /// The nested pipeline fails with this.
    PipelineFails(Arc<Failure>),
    /// The scope's failed steps decide; the rest was cancelled.
    FailFast,
    /// The run fails with this.
    RunFails(Arc<Failure>),
    /// The run is cancelled.
    Cancelled(Arc<Failure>),
    /// Only the aborted items are waited for; the map goes on by itself.
    Items,
}

impl RunState {
    /// A deadline has passed.
    pub(super) fn late(&mut self, unit: Unit) {
        if self.is_ending() {
            return;
        }
        if unit == ROOT {
            let limit = self.start.timeout.unwrap_or_default();
            let message = format!("the run did not end within {}", shown(limit));
            let failure = Failure::new(ErrorKind::Timeout, message)
                .limit("run", "ms", limit.as_millis())
                .hint("raise the pipeline's `timeout`, or `--timeout` for this run");
            return self.doom(
                ROOT,
                Verdict::RunFails(Arc::new(failure)),
                "the run's deadline passed",
            );
        }
        if unit.step == Unit::SCOPE {
            return self.scope_late(unit.scope);
        }
        if let Some(unit) = unit.of_attempt() {
            return self.attempt_late(unit);
        }
        let slot = self.slot(unit);
        let deadline = slot
            .more
            .as_mut()
            .is_some_and(|more| std::mem::take(&mut more.deadline));
        if !deadline || slot.status != StepStatus::Running {
            return;
        }
        let limit = self.settings(unit).step_timeout.unwrap_or_default();
        let attempt = self.slot(unit).attempt;
        let path = self.path(unit);
        let message = format!(
            "step `{path}` did not end within {}, all attempts and waits together (attempt {attempt})",
            shown(limit)
        );
        let mut failure = Failure::new(ErrorKind::Timeout, message)
            .limit("step", "ms", limit.as_millis())
            .hint("raise the step's `step_timeout`");
        failure.retryable = false;
        failure.step = Some(path);
        failure.attempt = Some(attempt);
        failure.causes.clone_from(&self.slot(unit).more().causes);
        self.doom(
            unit,
            Verdict::Fail(Arc::new(failure)),
            "the step's deadline passed",
        );
    }

    pub(super) fn cancel(&mut self, by: String, reason: Option<String>) {
        if self.is_ending() {
            return;
        }
        let message = match &reason {
            Some(reason) => format!("the run was cancelled by {by}: {reason}"),
            None => format!("the run was cancelled by {by}"),
        };
        let failure = Arc::new(Failure::new(ErrorKind::Cancelled, message));
        self.record(ROOT, EventKind::RunCancelRequested { by, reason });
        self.doom(ROOT, Verdict::Cancelled(failure), "the run was cancelled");
    }

    /// Whether how the run ends is decided, though attempts may still have to come back.
    fn is_ending(&self) -> bool {
        self.ending.is_some() || self.is_doomed(ROOT) && !self.fails_fast(ROOT)
    }

    fn fails_fast(&self, unit: Unit) -> bool {
        let mut dooms = self.dooms.iter().filter(|doom| doom.unit == unit);
        dooms.any(|doom| matches!(doom.verdict, Verdict::FailFast))
    }

    /// The first failure of a scope that fails fast.
    pub(super) fn fail_fast(&mut self, scope: u32) {
        let unit = Unit {
            scope,
            step: Unit::SCOPE,
            item: Unit::WHOLE,
        };
        if !self.dooms.iter().any(|doom| doom.unit == unit) {
            self.doom(
                unit,
                Verdict::FailFast,
                "another step failed, and the pipeline fails fast",
            );
        }
    }

    /// Aborts the items of a map that are under way after one of them failed. What is being aborted below them already
    /// is waited for too.
    pub(super) fn abort_items(&mut self, unit: Unit) {
        let mut pending = self.take_dooms_below(unit);
        self.kill_below(unit, "another item of the map failed", &mut pending);
        if !pending.is_empty() {
            self.dooms.push(Doom {
                unit,
                verdict: Verdict::Items,
                pending,
            });
        }
    }

    pub(super) fn doom(&mut self, unit: Unit, verdict: Verdict, reason: &str) {
        let mut pending = self.take_dooms_below(unit);
        if unit.step == Unit::SCOPE {
            self.kill_scope(unit.scope, reason, &mut pending);
        } else {
            self.kill_below(unit, reason, &mut pending);
            match verdict {
                Verdict::Attempt(_) => self.abort(unit, &mut pending),
                _ => self.stop(unit, &mut pending),
            }
            // Not running any more, not settled yet: the doom settles it.
            self.slot(unit).status = StepStatus::Cancelled;
        }
        self.dooms.push(Doom {
            unit,
            verdict,
            pending,
        });
        self.fulfil();
    }

    /// Takes away the dooms below a unit that is doomed itself: what they would have decided does not matter any more,
    /// but the attempts they wait for do.
    fn take_dooms_below(&mut self, unit: Unit) -> Vec<Unit> {
        let mut pending = Vec::new();
        for doom in std::mem::take(&mut self.dooms) {
            if !self.is_below(doom.unit, unit) {
                self.dooms.push(doom);
                continue;
            }
            pending.extend(doom.pending);
            if matches!(doom.verdict, Verdict::Fail(_) | Verdict::Attempt(_)) {
                self.slot(doom.unit).status = StepStatus::Running;
            }
        }
        pending
    }

    /// Whether a unit is the other one or runs below it.
    fn is_below(&self, unit: Unit, above: Unit) -> bool {
        let mut at = Some(unit);
        while let Some(unit) = at {
            let whole = above.step == Unit::SCOPE || above == unit || above == unit.of_step();
            if unit.scope == above.scope && whole {
                return true;
            }
            at = self.scopes[unit.scope as usize].site.parent();
        }
        false
    }

    /// Cancels everything in and below a scope that has no outcome yet. Collects the attempts that must come back.
    fn kill_scope(&mut self, scope: u32, reason: &str, pending: &mut Vec<Unit>) {
        let mut open = Vec::new();
        self.kill_steps(scope, reason, pending, &mut open);
        self.kill_scopes(open, reason, pending);
    }

    /// Cancels what runs below a unit: its items and the scopes it opened.
    fn kill_below(&mut self, unit: Unit, reason: &str, pending: &mut Vec<Unit>) {
        let mut open = Vec::new();
        self.kill_items(unit, reason, pending, &mut open);
        self.kill_scopes(open, reason, pending);
    }

    fn kill_scopes(&mut self, mut open: Vec<u32>, reason: &str, pending: &mut Vec<Unit>) {
        while let Some(scope) = open.pop() {
            let stage = &mut self.scopes[scope as usize].stage;
            if std::mem::replace(stage, Stage::Over) != Stage::Over {
                self.stop_clock_of_scope(scope);
                self.kill_steps(scope, reason, pending, &mut open);
            }
        }
    }

    /// Cancels the steps of a scope and its end; adds the scopes right below it to `open`.
    fn kill_steps(&mut self, scope: u32, reason: &str, pending: &mut Vec<Unit>, open: &mut Vec<u32>) {
        for step in 0..self.scopes[scope as usize].slots.len() as u32 {
            let unit = Unit::whole(scope, step);
            self.kill(unit, reason, pending);
            self.kill_items(unit, reason, pending, open);
        }
        let end = Unit {
            scope,
            step: Unit::FINISH,
            item: Unit::WHOLE,
        };
        self.stop(end, pending);
        let end = self.slot(end);
        end.status = StepStatus::Cancelled;
        open.extend(end.more.iter().flat_map(|more| more.scopes()));
    }

    /// Cancels the items of a unit; adds the scopes right below it and them to `open`.
    fn kill_items(&mut self, unit: Unit, reason: &str, pending: &mut Vec<Unit>, open: &mut Vec<u32>) {
        let Some(more) = &self.slot(unit).more else { return };
        open.extend(more.scopes());
        let started = more.items.as_ref().map_or(0, |items| items.next);
        for item in (0..started).filter(|_| !unit.is_item()) {
            self.kill(unit.item(item), reason, pending);
            let more = self.slot(unit.item(item)).more.iter();
            open.extend(more.flat_map(|more| more.scopes()));
        }
    }

    /// Cancels one unit that has no outcome yet.
    fn kill(&mut self, unit: Unit, reason: &str, pending: &mut Vec<Unit>) {
        let slot = self.slot(unit);
        if slot.is_settled() {
            return;
        }
        self.stop(unit, pending);
        self.slot(unit).status = StepStatus::Cancelled;
        if unit.is_item()
            && let Some(items) = self.slot(unit.of_step()).more().items.as_mut()
        {
            items.open -= 1;
        }
        self.record(
            unit,
            EventKind::StepCancelled {
                reason: reason.to_owned(),
            },
        );
    }

    /// Ends what a unit does right now: its attempt, its place in the queue, its wait, its question, its deadline.
    fn stop(&mut self, unit: Unit, pending: &mut Vec<Unit>) {
        let slot = self.slot(unit);
        slot.queued = false;
        let waited = slot.status == StepStatus::Waiting;
        let more = slot.more.as_mut();
        let (slept, timed) = more.map_or((false, false), |more| {
            (
                std::mem::take(&mut more.sleeps),
                std::mem::take(&mut more.deadline),
            )
        });
        self.sleeping -= u32::from(slept);
        if slept || timed || waited {
            self.ops.push(Op::Release(unit));
        }
        if waited {
            self.no_longer_waits(unit);
        }
        self.stop_clock_of_attempt(unit);
        self.abort(unit, pending);
    }

    /// Ends the attempt of a unit, if one is under way.
    fn abort(&mut self, unit: Unit, pending: &mut Vec<Unit>) {
        let slot = self.slot(unit);
        slot.queued = false;
        if slot.live && !pending.contains(&unit) {
            self.ops.push(Op::Abort(unit));
            pending.push(unit);
        }
    }

    /// Nothing waits for the unit's deadline any more.
    pub(super) fn release(&mut self, unit: Unit) {
        let more = self.slot(unit).more.as_mut();
        if more.is_some_and(|more| std::mem::take(&mut more.deadline)) {
            self.ops.push(Op::Release(unit));
        }
    }

    /// Whether something below this unit is being aborted.
    pub(super) fn is_doomed(&self, unit: Unit) -> bool {
        self.dooms.iter().any(|doom| doom.unit == unit)
    }

    /// An aborted attempt is back.
    pub(super) fn aborted(&mut self, unit: Unit) {
        for doom in &mut self.dooms {
            doom.pending.retain(|pending| *pending != unit);
        }
        self.fulfil();
    }

    /// Carries out the dooms whose attempts are all back.
    fn fulfil(&mut self) {
        while let Some(at) = self.dooms.iter().position(|doom| doom.pending.is_empty()) {
            let Doom { unit, verdict, .. } = self.dooms.remove(at);
            match verdict {
                Verdict::Items => {
                    if self.slot(unit).status == StepStatus::Running {
                        self.next_items(unit);
                    }
                }
                Verdict::Fail(failure) => {
                    self.slot(unit).status = StepStatus::Running;
                    self.fail(unit, failure);
                }
                Verdict::Attempt(failure) => {
                    self.slot(unit).status = StepStatus::Running;
                    self.attempt_failed(unit, *failure, None);
                }
                Verdict::PipelineFails(failure) => {
                    self.settling.retain(|(settling, _)| *settling != unit.scope);
                    let failure = self.described(unit.scope, Failure::clone(&failure));
                    self.conclude(unit.scope, Err(Arc::new(failure)));
                }
                Verdict::FailFast => {
                    let scope = &mut self.scopes[unit.scope as usize];
                    if scope.stage == Stage::Steps {
                        scope.unsettled = 0;
                        self.settling.retain(|(settling, _)| *settling != unit.scope);
                        self.end_steps(unit.scope);
                    }
                }
                Verdict::RunFails(failure) => self.ends(RunOutcome::Failed(failure)),
                Verdict::Cancelled(failure) => self.ends(RunOutcome::Cancelled(failure)),
            }
        }
    }
}
