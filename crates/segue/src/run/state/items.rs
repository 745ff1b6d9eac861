//! Maps and repeats: one unit per item or round, bounded, in order.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::slot::{Items, Slot};
use super::{RunState, Unit};
use crate::error::{ErrorKind, Failure};
use crate::log::EventKind;
use crate::plan::{Action, Kind};
use crate::run::facts::Facts;
use crate::run::op::{Inputs, Phase};
use crate::settings::OnError;
use crate::value::Value;
use crate::view::StepStatus;

impl RunState {
    /// A map has its items.
    pub(super) fn expand(&mut self, unit: Unit, list: &Value) {
        let values = match list.to_items() {
            Ok(values) => values,
            Err(error) => {
                let message = format!("the list of a map cannot be read: {error}");
                return self.fail(unit, Arc::new(Failure::new(ErrorKind::Internal, message)));
            }
        };
        let program = self.scopes[unit.scope as usize].program.clone();
        let Some(each) = &program.plan.steps[unit.step as usize].each else {
            let failure = Failure::new(ErrorKind::Internal, "a step that is no map gave items");
            return self.fail(unit, Arc::new(failure));
        };
        let total = values.len();
        if total > each.max_items as usize {
            let message = format!(
                "step `{}` is a map over {total} items, more than {}",
                self.path(unit),
                each.max_items
            );
            let failure = Failure::new(ErrorKind::TooLarge, message)
                .limit("items", "items", each.max_items)
                .hint("split the list, or ask the operator for a higher limit");
            return self.fail(unit, Arc::new(failure));
        }
        self.record(unit, EventKind::StepExpanded { total: total as u64 });
        let facts = program.reads_facts.then(|| Arc::new(self.facts(unit)));
        let keep = self.settings(unit).on_error == OnError::Keep;
        self.slot(unit).more().items = Some(Box::new(Items {
            slots: (0..total).map(|_| Slot::new(0)).collect(),
            values,
            next: 0,
            open: 0,
            settled: 0,
            limit: each.max_parallel,
            keep,
            facts,
            failed: None,
        }));
        self.take_over_items(unit);
        self.next_items(unit);
    }

    /// Starts as many further items as may run at once; ends the map when all are settled.
    pub(super) fn next_items(&mut self, unit: Unit) {
        loop {
            let items = self.items(unit);
            let ended = items.failed.is_some();
            if items.open >= items.limit || ended || items.next as usize >= items.slots.len() {
                break;
            }
            let item = items.next;
            items.next += 1;
            if items.slots[item as usize].is_settled() {
                continue; // it was taken over
            }
            items.open += 1;
            self.wake(unit.item(item));
        }
        let items = self.items(unit);
        if items.open > 0 {
            return;
        }
        if let Some(failure) = items.failed.clone() {
            // Aborted items are waited for: they still have to say what they spent.
            if !self.is_doomed(unit) {
                self.fail(unit, failure);
            }
            return;
        }
        if items.settled as usize == items.slots.len() {
            let outputs = items.slots.iter_mut().map(kept).collect();
            let act = self.scopes[unit.scope as usize].program.acts[unit.step as usize].clone();
            let output = act.gather(outputs);
            self.made_below(unit, &output);
            self.succeed(unit, output);
        }
    }

    fn items(&mut self, unit: Unit) -> &mut Items {
        let more = self.slot(unit.of_step()).more();
        more.items
            .as_mut()
            .expect("only a step with items has units that are items")
    }

    pub(super) fn item_settled(&mut self, unit: Unit) {
        let items = self.items(unit);
        items.open -= 1;
        items.settled += 1;
        if self.slot(unit.of_step()).status == StepStatus::Running && !self.is_repeat(unit) {
            self.next_items(unit.of_step());
        }
    }

    /// An item has failed for good.
    pub(super) fn item_failed(&mut self, unit: Unit, failure: Arc<Failure>) {
        let spent = self.slot(unit).more().spent;
        let keep = self.items(unit).keep;
        self.slot(unit).status = StepStatus::Failed;
        let on_error = if keep { "keep" } else { "fail" }.to_owned();
        let error = failure.clone();
        self.record(
            unit,
            EventKind::StepFailed {
                error,
                on_error,
                usage: spent.usage,
                cost: spent.cost,
            },
        );
        let whole = unit.of_step();
        if self.is_repeat(unit) {
            self.items(unit).open -= 1;
            return self.fail(whole, failure);
        }
        if !keep && self.items(unit).failed.is_none() {
            self.items(unit).failed = Some(failure);
            self.abort_items(whole);
        }
        self.settled(unit);
    }

    pub(super) fn is_repeat(&self, unit: Unit) -> bool {
        self.scopes[unit.scope as usize].program.plan.steps[unit.step as usize].kind == Kind::Repeat
    }

    /// A repeat opens its first round; each round feeds the next.
    pub(super) fn begin_repeat(&mut self, unit: Unit) {
        let input = match self.inputs(unit, &Phase::Body) {
            Inputs::One(value) => value,
            _ => Value::null(),
        };
        self.slot(unit).status = StepStatus::Running;
        self.records.push((unit, super::What::Started));
        if let Some(limit) = self.settings(unit).step_timeout {
            self.slot(unit).more().deadline = true;
            self.ops.push(super::Op::Deadline { unit, limit });
        }
        self.slot(unit).more().items = Some(Box::new(Items {
            values: vec![input],
            slots: vec![Slot::new(0)],
            next: 1,
            open: 1,
            settled: 0,
            limit: 1,
            keep: false,
            facts: None,
            failed: None,
        }));
        self.wake(unit.item(0));
    }

    /// A round is over.
    pub(super) fn round(&mut self, unit: Unit, output: Value, last: bool) {
        let whole = unit.of_step();
        let most = match &self.scopes[unit.scope as usize].program.plan.steps[unit.step as usize].action {
            Action::Function { rounds, .. } => rounds.unwrap_or(1),
            _ => 1,
        };
        let slot = self.slot(unit);
        slot.status = StepStatus::Succeeded;
        slot.output = Some(output.clone());
        let items = self.items(unit);
        items.open -= 1;
        items.settled += 1;
        if last || items.next >= most {
            self.made_below(whole, &output);
            return self.succeed(whole, output);
        }
        let item = items.next;
        items.next += 1;
        items.open += 1;
        items.values.push(output);
        items.slots.push(Slot::new(0));
        self.wake(whole.item(item));
    }

    /// What goes into an item.
    pub(super) fn item_inputs(&mut self, unit: Unit) -> Inputs {
        let item = unit.item;
        let items = self.items(unit);
        let value = items.values[item as usize].clone();
        match &items.facts {
            None => Inputs::One(value),
            Some(base) => Inputs::Facts(Arc::new(Facts {
                inputs: base.inputs.clone(),
                item: Some((value, item)),
                outer: Some(base.clone()),
                ..Facts::default()
            })),
        }
    }
}

/// What stands in the list for an item: its output, null for a skipped one, the error of a kept one.
fn kept(slot: &mut Slot) -> Value {
    let error = slot.more.as_ref().and_then(|more| more.error.as_ref());
    match (&slot.output, slot.status, error) {
        (Some(output), StepStatus::Succeeded, _) => output.clone(),
        (_, StepStatus::Failed, Some(error)) => {
            let error = serde_json::to_value(&**error).unwrap_or(Json::Null);
            Value::json(json!({ "error": error }))
        }
        _ => Value::null(),
    }
}
