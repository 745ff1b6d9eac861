//! Where the step behind a record stands in a plan: in the run's own, in a nested one, in an arm of a route.

use std::sync::Arc;

use crate::plan::{Action, Arm, Kind, Plan, Step, StepIndex};

/// A step of a plan, or an item of one, or the action in one of its arms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    plan: Arc<Plan>,
    step: StepIndex,
    /// The arms that lead from the step of the plan to this one.
    arms: Vec<String>,
    is_item: bool,
}

impl Place {
    /// All steps of a plan, in declaration order.
    pub(super) fn all(plan: &Arc<Plan>) -> impl Iterator<Item = Self> {
        (0..).take(plan.steps.len()).map(|step| Self {
            plan: plan.clone(),
            step,
            arms: Vec::new(),
            is_item: false,
        })
    }

    pub(super) fn step(&self) -> Option<&Step> {
        let mut step = self.plan.steps.get(self.step as usize)?;
        for arm in &self.arms {
            match &step.action {
                Action::Route { arms, .. } => match arms.get(arm)? {
                    Arm::Inline(inline) => step = inline,
                    Arm::Nothing | Arm::Steps(_) => return None,
                },
                _ => return None,
            }
        }
        Some(step)
    }

    /// An item or a round of this step.
    pub(super) fn item(&self) -> Self {
        Self {
            is_item: true,
            ..self.clone()
        }
    }

    /// The action in an arm of this route, or a call of a pipeline that the agent of this step has as a tool.
    pub(super) fn arm(&self, name: &str) -> Option<Self> {
        let mut arm = self.clone();
        arm.is_item = false;
        arm.arms.push(name.to_owned());
        if arm.step().is_some() {
            return Some(arm);
        }
        // In an arm, the step of the arm may call.
        let plan = match self.arms.last() {
            None => self.plan.clone(),
            Some(arm) => self.plan.below(Some(self.step), arm)?,
        };
        let step = if self.arms.is_empty() { self.step } else { 0 };
        Some(Self {
            plan: plan.below(Some(step), name)?,
            step: 0,
            arms: Vec::new(),
            is_item: false,
        })
    }

    /// Whether what runs right below this step was called by it, rather than being a part of it.
    pub(super) fn calls(&self) -> bool {
        matches!(self.kind(), Some(Kind::Agent | Kind::Function))
    }

    /// The pipeline that runs below this step. Below a map it runs below each item.
    pub(super) fn nested(&self) -> Option<&Arc<Plan>> {
        let step = self.step()?;
        match &step.action {
            Action::Pipeline { plan, .. } if self.is_item || step.each.is_none() => Some(plan),
            _ => None,
        }
    }

    /// What kind of step it is; an item is what the map does with each.
    pub(super) fn kind(&self) -> Option<Kind> {
        let step = self.step()?;
        if !self.is_item {
            return Some(step.kind);
        }
        Some(match &step.action {
            Action::Function { .. } => Kind::Function,
            Action::Agent(_) => Kind::Agent,
            Action::Tool { .. } => Kind::Tool,
            Action::Ask(_) => Kind::Question,
            Action::Route { .. } => Kind::Route,
            Action::Pipeline { .. } => Kind::Pipeline,
            Action::Set(_) => Kind::Set,
        })
    }

    /// Names of what the step waits for: its needs, then the route of its arm.
    pub(super) fn needs(&self) -> Vec<String> {
        let Some(step) = self.step().filter(|_| !self.is_item) else {
            return Vec::new();
        };
        let route = step.arm.as_ref().map(|member| member.route);
        let route = route.filter(|route| !step.needs.iter().any(|need| need.step == *route));
        let needs = step.needs.iter().map(|need| need.step).chain(route);
        needs
            .filter_map(|need| Some(self.plan.steps.get(need as usize)?.name.clone()))
            .collect()
    }
}
