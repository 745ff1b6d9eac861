//! Taking over: units whose results are there already are settled instead of run.

use std::sync::Arc;

use super::{RunState, Unit};
use crate::log::{EventKind, KeptResult, Reuse};
use crate::plan::NeedKind;
use crate::run::op::Choice;
use crate::value::Value;
use crate::view::{SkipReason, StepStatus};

impl RunState {
    /// What the run takes over, if anything.
    fn reuse(&self) -> Option<&Arc<Reuse>> {
        self.start.reuse.as_ref()
    }

    /// Where only part of the pipeline runs, the steps whose output is the run's.
    pub(super) fn gives(&self) -> Option<Vec<u32>> {
        let gives = &self.reuse()?.gives;
        let plan = &self.scopes[0].program.plan;
        let steps = gives.iter().filter_map(|name| plan.step(name));
        (!gives.is_empty()).then(|| steps.collect())
    }

    /// Settles the steps of a scope that was just opened and that have their results, and those nobody asked for.
    pub(super) fn take_over(&mut self, scope: u32) {
        let Some(reuse) = self.reuse().cloned() else {
            return;
        };
        for step in 0..self.scopes[scope as usize].slots.len() as u32 {
            let unit = Unit::whole(scope, step);
            let path = self.path(unit);
            if let Some(kept) = reuse.kept.get(&path) {
                if !kept.if_unchanged {
                    self.keep(unit, kept);
                }
            } else if scope == 0 && reuse.left_out.contains(&path) {
                self.skip(unit, SkipReason::not_asked_for());
            }
        }
    }

    /// The step's turn has come: true when it has a result after all, because nothing it was built on has changed.
    pub(super) fn is_unchanged(&mut self, unit: Unit) -> bool {
        let Some(reuse) = self.reuse().cloned() else {
            return false;
        };
        let Some(kept) = reuse.kept.get(&self.path(unit)).filter(|kept| kept.if_unchanged) else {
            return false;
        };
        let scope = &self.scopes[unit.scope as usize];
        let plan = &scope.program.plan;
        let reads = plan.steps[unit.step as usize]
            .needs
            .iter()
            .filter(|need| need.kind != NeedKind::Settled);
        let same = reads.into_iter().all(|need| {
            let name = &plan.steps[need.step as usize].name;
            let now = scope.slots[need.step as usize]
                .output
                .as_ref()
                .and_then(Value::content_hash);
            kept.built_on.get(name).is_some_and(|then| *then == now)
        });
        if same {
            self.keep(unit, kept);
        }
        same
    }

    /// Settles the items of a map that have their results. Gives how many that were.
    pub(super) fn take_over_items(&mut self, unit: Unit) {
        let Some(reuse) = self.reuse().cloned() else {
            return;
        };
        let Some(total) = self
            .slot(unit)
            .more()
            .items
            .as_ref()
            .map(|items| items.slots.len() as u32)
        else {
            return;
        };
        for item in (0..total).map(|item| unit.item(item)) {
            let Some(kept) = reuse.kept.get(&self.path(item)) else {
                continue;
            };
            let items = self.slot(unit).more().items.as_mut();
            let value = items
                .and_then(|items| items.values.get(item.item as usize))
                .cloned();
            if kept.item.is_none() || value.as_ref().and_then(Value::content_hash) == kept.item {
                self.keep_item(item, kept);
            }
        }
    }

    fn keep(&mut self, unit: Unit, kept: &KeptResult) {
        let slot = self.slot(unit);
        slot.status = kept.status;
        if kept.status == StepStatus::Succeeded {
            slot.output = Some(kept.output.clone());
        }
        if let Some(skipped) = &kept.skipped {
            slot.more().skipped = Some(skipped.clone());
        }
        if let Some(arm) = &kept.arm {
            slot.more().choice = Some(Choice {
                arm: arm.clone(),
                by: "value".into(),
                reason: None,
                key: None,
            });
        }
        self.record(unit, EventKind::StepReused(Box::new(kept.event())));
        self.settled(unit);
    }

    fn keep_item(&mut self, item: Unit, kept: &KeptResult) {
        let slot = self.slot(item);
        slot.status = kept.status;
        slot.output = Some(kept.output.clone());
        self.record(item, EventKind::StepReused(Box::new(kept.event())));
        if let Some(items) = self.slot(item.of_step()).more().items.as_mut() {
            items.settled += 1;
        }
    }
}
