//! What can be asked about a run without deciding anything.

use super::{RunOutcome, RunState, Unit};
use crate::error::{Failure, Spent};
use crate::log::unit_path;
use crate::value::Value;
use crate::view::{StepCounts, StepStatus};

impl RunState {
    /// A failure of the whole run, completed by what is known now: failed steps, partial outputs, everything spent.
    pub(crate) fn so_far(&self, failure: Failure) -> Failure {
        self.described(0, failure)
    }

    /// How many steps of the run's own plan stand where.
    pub(crate) fn counts(&self) -> StepCounts {
        let mut counts = StepCounts::default();
        for slot in &self.scopes[0].slots {
            counts.add(slot.status);
        }
        counts
    }

    /// Which steps of the run's own plan failed, in declaration order.
    pub(crate) fn failed_steps(&self) -> Vec<String> {
        let steps = self.scopes[0]
            .program
            .plan
            .steps
            .iter()
            .zip(&self.scopes[0].slots);
        let failed = steps.filter(|(_, slot)| slot.status == StepStatus::Failed);
        failed.map(|(step, _)| step.name.clone()).collect()
    }

    /// The output of a step of the run's own plan.
    pub(crate) fn output_of(&self, step: u32) -> Option<&Value> {
        self.scopes[0].slots.get(step as usize)?.output.as_ref()
    }

    /// The output of a unit, or of the run, is kept elsewhere from now on.
    pub(crate) fn stands_for(&mut self, unit: Unit, output: Value) {
        if unit.step < Unit::SCOPE {
            self.slot(unit).output = Some(output);
        } else if let Some(RunOutcome::Succeeded { output: own, .. }) = &mut self.ending {
            *own = output;
        }
    }

    /// Lets go of room that was needed for work and may be needed again.
    pub(crate) fn trim(&mut self) {
        self.ready.shrink_to_fit();
        self.ops.shrink_to_fit();
        self.records.shrink_to_fit();
        self.settling.shrink_to_fit();
    }

    /// Everything spent so far.
    pub(crate) fn spent(&self) -> Spent {
        self.spent.as_deref().copied().unwrap_or_default()
    }

    /// The path of a unit, as people read it.
    pub(crate) fn path(&self, unit: Unit) -> String {
        let scope = &self.scopes[unit.scope as usize];
        unit_path(scope.site.prefix(), &scope.program.plan, unit)
    }
}
