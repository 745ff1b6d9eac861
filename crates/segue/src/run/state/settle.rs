//! Settling: what the end of one step means for those that need it. The one table of joins:
//!
//! | its dependencies | the step |
//! |---|---|
//! | one failed or was cancelled, unless only its status is read | skipped, `upstream_failed` |
//! | one was skipped for that reason | skipped, `upstream_skipped` |
//! | there is at least one, and all were left out by a route | skipped, `arm_not_taken` |
//! | anything else | runs |

use std::sync::Arc;

use super::scope::Stage;
use super::slot::Slot;
use super::{RunState, Unit};
use crate::error::Failure;
use crate::log::EventKind;
use crate::plan::{Action, Arm, FailurePolicy};
use crate::run::program::tolerates;
use crate::view::{SkipReason, SkipWhy, StepStatus};

/// What the table says.
enum Verdict {
    Run,
    Skip(SkipReason),
}

impl RunState {
    /// The unit's outcome is known. What follows from it is done by [`RunState::work`], without recursion.
    pub(super) fn settled(&mut self, unit: Unit) {
        if unit.is_item() {
            return self.item_settled(unit);
        }
        self.release(unit);
        self.settling.push((unit.scope, unit.step));
    }

    /// Looks at everything that follows from what was just settled, until nothing more does.
    pub(super) fn work(&mut self) {
        while let Some((scope, step)) = self.settling.pop() {
            self.scopes[scope as usize].unsettled -= 1;
            let stood_in = self.stood_in(Unit::whole(scope, step));
            let failed = self.scopes[scope as usize].slots[step as usize].status == StepStatus::Failed;
            let fails_fast =
                failed && self.scopes[scope as usize].program.plan.run.failure == FailurePolicy::FailFast;
            if fails_fast && self.scopes[scope as usize].stage == Stage::Steps {
                self.fail_fast(scope);
            }
            let dependents = self.scopes[scope as usize].program.dependents(step).len();
            for at in 0..dependents {
                let dependent = self.scopes[scope as usize].program.dependents(step)[at];
                if stood_in != Some(dependent) {
                    self.met(scope, dependent);
                }
            }
            self.check_scope(scope);
        }
        self.end_run();
        self.rest();
    }

    /// One of the things a step waits for has come.
    pub(super) fn met(&mut self, scope: u32, step: u32) {
        let slot = &mut self.scopes[scope as usize].slots[step as usize];
        slot.waits -= 1;
        if slot.waits > 0 || slot.is_settled() {
            return;
        }
        let unit = Unit::whole(scope, step);
        match self.verdict(scope, step) {
            Verdict::Run if self.is_unchanged(unit) => {}
            Verdict::Run => self.wake(unit),
            Verdict::Skip(reason) => self.skip(unit, reason),
        }
    }

    fn verdict(&self, scope: u32, step: u32) -> Verdict {
        let scope = &self.scopes[scope as usize];
        let plan = &scope.program.plan;
        let planned = &plan.steps[step as usize];
        let slot = &scope.slots[step as usize];
        if planned.standby && !slot.more.as_ref().is_some_and(|more| more.summoned) {
            return Verdict::Skip(SkipReason::not_selected());
        }
        if let Some(member) = &planned.arm {
            let route = &scope.slots[member.route as usize];
            let route_name = &plan.steps[member.route as usize].name;
            let choice = route.more.as_ref().and_then(|more| more.choice.as_ref());
            match (route.status, choice) {
                (StepStatus::Failed | StepStatus::Cancelled, _) => {
                    return Verdict::Skip(SkipReason::upstream(
                        SkipWhy::UpstreamFailed,
                        vec![route_name.clone()],
                    ));
                }
                (_, Some(choice))
                    if choice.arm == member.arm || takes(plan, member.route, &choice.arm, step) => {}
                (StepStatus::Skipped, None) if is_cut_off(route) => {
                    return Verdict::Skip(SkipReason::upstream(
                        SkipWhy::UpstreamSkipped,
                        vec![route_name.clone()],
                    ));
                }
                (_, choice) => {
                    let taken = choice.map(|choice| choice.arm.as_str());
                    return Verdict::Skip(SkipReason::arm_not_taken(route_name, &member.arm, taken));
                }
            }
        }
        // Nearly every step: everything it needs has an output.
        let has_output =
            |need: &crate::plan::Need| scope.slots[need.step as usize].status == StepStatus::Succeeded;
        if planned.needs.iter().all(has_output) {
            return Verdict::Run;
        }
        let why = |need: &crate::plan::Need| {
            let slot = &scope.slots[need.step as usize];
            (
                slot.status,
                slot.more
                    .as_ref()
                    .and_then(|more| more.skipped.as_ref())
                    .map(|skipped| skipped.reason),
            )
        };
        let name = |need: &crate::plan::Need| plan.steps[need.step as usize].name.clone();
        let strict = || planned.needs.iter().filter(|need| !tolerates(need.kind));
        let failed: Vec<String> = strict()
            .filter(|need| matches!(why(need).0, StepStatus::Failed | StepStatus::Cancelled))
            .map(name)
            .collect();
        if !failed.is_empty() {
            return Verdict::Skip(SkipReason::upstream(SkipWhy::UpstreamFailed, failed));
        }
        let skipped: Vec<String> = strict()
            .filter(|need| is_cut_off(&scope.slots[need.step as usize]))
            .map(name)
            .collect();
        if !skipped.is_empty() {
            return Verdict::Skip(SkipReason::upstream(SkipWhy::UpstreamSkipped, skipped));
        }
        let left_out = |need: &crate::plan::Need| why(need).1 == Some(SkipWhy::ArmNotTaken);
        if planned.arm.is_none() && !planned.needs.is_empty() && planned.needs.iter().all(left_out) {
            let because = planned.needs.iter().map(name).collect();
            return Verdict::Skip(SkipReason::upstream(SkipWhy::ArmNotTaken, because));
        }
        Verdict::Run
    }

    pub(super) fn skip(&mut self, unit: Unit, reason: SkipReason) {
        let slot = self.slot(unit);
        slot.status = StepStatus::Skipped;
        slot.more().skipped = Some(reason.clone());
        let SkipReason {
            reason,
            because,
            text,
        } = reason;
        self.record(
            unit,
            EventKind::StepSkipped {
                reason,
                because,
                text,
            },
        );
        self.settled(unit);
    }

    /// Starts the step that stands in for a failed one.
    pub(super) fn summon(&mut self, unit: Unit, target: u32, failure: Arc<Failure>) {
        self.slot(unit).more().error = Some(failure.clone());
        let stand_in = Unit::whole(unit.scope, target);
        match self.slot(stand_in).status {
            StepStatus::Succeeded => {
                let output = self.slot(stand_in).output.clone();
                self.slot(unit).more().stand_in = Some(target);
                self.succeed_instead(unit, output.unwrap_or_else(crate::value::Value::null));
            }
            StepStatus::Failed | StepStatus::Skipped | StepStatus::Cancelled => self.failed(unit, failure),
            _ => {
                let program = &self.scopes[unit.scope as usize].program;
                // Settings of the call can name a step that the plan did not keep in reserve for this one.
                let in_reserve = program.plan.steps[target as usize].standby
                    && program.dependents(unit.step).contains(&target);
                if !in_reserve {
                    return self.failed(unit, failure);
                }
                self.slot(unit).more().stand_in = Some(target);
                self.slot(stand_in).more().summoned = true;
                self.met(unit.scope, target);
            }
        }
    }

    /// Gives the steps that a settled one stood in for its output; returns the one that stood in for this step.
    fn stood_in(&mut self, unit: Unit) -> Option<u32> {
        let stand_in = self.slot(unit).more.as_ref().and_then(|more| more.stand_in);
        if self.scopes[unit.scope as usize].program.plan.steps[unit.step as usize].standby {
            let status = self.slot(unit).status;
            let output = self.slot(unit).output.clone();
            let callers: Vec<u32> = self.scopes[unit.scope as usize]
                .slots
                .iter()
                .enumerate()
                .filter(|(_, slot)| {
                    !slot.is_settled()
                        && slot
                            .more
                            .as_ref()
                            .is_some_and(|more| more.stand_in == Some(unit.step))
                })
                .map(|(step, _)| step as u32)
                .collect();
            for caller in callers {
                let caller = Unit::whole(unit.scope, caller);
                match (status, &output) {
                    (StepStatus::Succeeded, Some(output)) => self.succeed_instead(caller, output.clone()),
                    _ => {
                        let error = self.slot(caller).more().error.clone();
                        if let Some(error) = error {
                            self.failed(caller, error);
                        }
                    }
                }
            }
        }
        stand_in
    }

    fn succeed_instead(&mut self, unit: Unit, output: crate::value::Value) {
        self.made_below(unit, &output);
        self.succeed(unit, output);
    }
}

/// Whether it was skipped because something before it failed.
fn is_cut_off(slot: &Slot) -> bool {
    let skipped = slot.more.as_ref().and_then(|more| more.skipped.as_ref());
    skipped
        .is_some_and(|skipped| matches!(skipped.reason, SkipWhy::UpstreamFailed | SkipWhy::UpstreamSkipped))
}

/// Whether a step is also in this arm of the route: it may be in several.
fn takes(plan: &crate::plan::Plan, route: u32, arm: &str, step: u32) -> bool {
    match &plan.steps[route as usize].action {
        Action::Route { arms, .. } => {
            matches!(arms.get(arm), Some(Arm::Steps(members)) if members.contains(&step))
        }
        _ => false,
    }
}
