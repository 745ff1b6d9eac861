//! What goes into a unit, and what comes out of a scope.

use std::sync::Arc;

use indexmap::IndexMap;

use super::scope::Scope;
use super::{RunState, Unit};
use crate::error::{ErrorKind, Failure};
use crate::plan::{Action, Context, Output, RouteBy, Source};
use crate::run::facts::{Fact, Facts, ItemFact};
use crate::run::op::{Inputs, Phase};
use crate::value::Value;

impl RunState {
    pub(super) fn inputs(&mut self, unit: Unit, phase: &Phase) -> Inputs {
        if unit.is_item() {
            return self.item_inputs(unit);
        }
        let scope = &self.scopes[unit.scope as usize];
        if scope.program.reads_facts {
            let mut facts = self.facts_of(unit);
            if let Phase::Recover(failure) | Phase::Fallback(failure) = phase {
                facts.error = Some(failure.clone());
            }
            return Inputs::Facts(Arc::new(facts));
        }
        let Some(step) = scope.program.plan.steps.get(unit.step as usize) else {
            return Inputs::None;
        };
        let sources = match &step.action {
            Action::Function { inputs, .. } | Action::Pipeline { inputs, .. } => inputs.as_slice(),
            Action::Route {
                by: RouteBy::Value(source),
                ..
            } => std::slice::from_ref(source),
            _ => &[],
        };
        match sources {
            [] => Inputs::None,
            [one] => Inputs::One(scope.read(one)),
            many => Inputs::Many(many.iter().map(|source| scope.read(source)).collect()),
        }
    }

    /// What a unit's expressions can read; for the end of a scope, about all of its steps.
    pub(super) fn facts_of(&self, unit: Unit) -> Facts {
        if unit.step >= Unit::SCOPE {
            let scope = &self.scopes[unit.scope as usize];
            let all = 0..scope.slots.len() as u32;
            let mut facts = scope.facts(all);
            facts.error.clone_from(&scope.failure);
            return facts;
        }
        let mut facts = self.facts(unit.of_step());
        if unit.is_item() {
            let slot = &self.scopes[unit.scope as usize].slots[unit.step as usize];
            let items = slot.more.as_ref().and_then(|more| more.items.as_ref());
            facts.item = items.map(|items| (items.values[unit.item as usize].clone(), unit.item));
        }
        facts
    }

    pub(super) fn facts(&self, unit: Unit) -> Facts {
        let scope = &self.scopes[unit.scope as usize];
        let plan = &scope.program.plan;
        let step = &plan.steps[unit.step as usize];
        if step.context == Context::All {
            return scope.facts(plan.ancestors(unit.step).into_iter());
        }
        scope.facts(step.needs.iter().map(|need| need.step))
    }

    pub(super) fn output(&self, scope: u32) -> Result<Value, Arc<Failure>> {
        let here = &self.scopes[scope as usize];
        match &here.program.plan.output {
            Output::From(source) => Ok(here.read(source)),
            Output::Last(steps) => Ok(here.outputs(steps)),
            Output::Expression(_) | Output::Template(_) => Err(Arc::new(Failure::new(
                ErrorKind::Internal,
                "the output's expression is not linked",
            ))),
        }
    }
}

impl Scope {
    /// The output of one step, or those of several by name.
    pub(super) fn outputs(&self, steps: &[u32]) -> Value {
        if let [one] = steps {
            return self.read(&Source::Step(*one));
        }
        let output = |step: &u32| {
            let name = self.program.plan.steps[*step as usize].name.clone();
            (name, self.read(&Source::Step(*step)))
        };
        Value::map(steps.iter().map(output))
    }

    /// The value at a source; null where the step was left out.
    fn read(&self, source: &Source) -> Value {
        match source {
            Source::Input => self.input.clone(),
            Source::Step(step) => self.slots[*step as usize]
                .output
                .clone()
                .unwrap_or_else(Value::null),
            Source::First(sources) => {
                let there = sources.iter().find(|source| self.is_there(source));
                there.map_or_else(Value::null, |source| self.read(source))
            }
        }
    }

    fn is_there(&self, source: &Source) -> bool {
        match source {
            Source::Input => true,
            Source::Step(step) => self.slots[*step as usize].output.is_some(),
            Source::First(sources) => sources.iter().any(|source| self.is_there(source)),
        }
    }

    fn facts(&self, steps: impl Iterator<Item = u32>) -> Facts {
        let plan = &self.program.plan;
        let steps: IndexMap<Arc<str>, Fact> = steps
            .map(|step| {
                let planned = &plan.steps[step as usize];
                let slot = &self.slots[step as usize];
                let more = slot.more.as_deref();
                let items = more.and_then(|more| more.items.as_ref()).map(|items| {
                    let fact = |slot: &super::Slot| ItemFact {
                        status: slot.status,
                        output: slot.output.clone(),
                        error: slot.more.as_ref().and_then(|more| more.error.clone()),
                    };
                    Arc::new(items.slots.iter().map(fact).collect())
                });
                let fact = Fact {
                    status: slot.status,
                    output: slot.output.clone(),
                    error: more.and_then(|more| more.error.clone()),
                    attempts: slot.attempt,
                    spent: more.map(|more| more.spent).unwrap_or_default(),
                    arm: more
                        .and_then(|more| more.choice.as_ref())
                        .map(|choice| choice.arm.clone()),
                    items,
                    title: planned.title.as_deref().unwrap_or(&planned.name).into(),
                };
                (Arc::from(planned.name.as_str()), fact)
            })
            .collect();
        let inputs = self.lent.is_none().then(|| self.input.clone());
        Facts {
            inputs,
            steps,
            item: None,
            error: None,
            outer: self.lent.clone(),
        }
    }
}
