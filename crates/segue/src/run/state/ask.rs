//! Questions: a unit waits for a person, the rest of the run goes on.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Op, ROOT, RunState, Unit};
use crate::error::{ErrorKind, Failure};
use crate::log::EventKind;
use crate::question::{Ask, QuestionKind};
use crate::value::Value;
use crate::view::StepStatus;

impl RunState {
    pub(super) fn ask(&mut self, unit: Unit, ask: Box<Ask>) {
        let slot = self.slot(unit);
        slot.status = StepStatus::Waiting;
        let more = slot.more();
        more.asked += 1;
        more.ask = Some(ask.clone());
        let count = more.asked;
        let holds = more.deadline;
        self.waiting += 1;
        self.record(unit, EventKind::StepWaiting { reason: ask.kind });
        if holds {
            self.ops.push(Op::Hold(unit));
        }
        self.ops.push(Op::Ask { unit, count, ask });
    }

    pub(super) fn answered(&mut self, unit: Unit, value: Value, by: &str) {
        let slot = self.slot(unit);
        if slot.status != StepStatus::Waiting {
            return; // settled meanwhile, by a deadline or a cancel
        }
        let more = slot.more();
        let Some(ask) = more.ask.take() else { return };
        let holds = more.deadline;
        self.waiting -= 1;
        self.run_goes_on();
        if holds {
            self.ops.push(Op::Resume(unit));
        }
        if ask.completes {
            let output = Value::json(Json::Object(merged(&ask, &value)));
            self.slot(unit).status = StepStatus::Running;
            self.made_below(unit, &output);
            return self.succeed(unit, output);
        }
        let slot = self.slot(unit);
        slot.status = StepStatus::Running;
        let more = slot.more();
        more.resumes = true;
        if ask.kind != QuestionKind::Budget {
            Arc::make_mut(more.before.get_or_insert_default())
                .answers
                .insert(ask.position, value);
        }
        self.record(
            unit,
            EventKind::RunResumed {
                reason: format!("answer of {by}"),
            },
        );
        self.ready.push(std::cmp::Reverse(unit));
    }

    pub(super) fn expired(&mut self, unit: Unit) {
        let slot = self.slot(unit);
        if slot.status != StepStatus::Waiting {
            return;
        }
        let Some(ask) = slot.more().ask.clone() else {
            return;
        };
        if let Some(default) = ask.default {
            return self.answered(unit, Value::json(default), "default");
        }
        self.waiting -= 1;
        self.run_goes_on();
        self.slot(unit).status = StepStatus::Running;
        let kind = if ask.kind == QuestionKind::Approval {
            ErrorKind::ApprovalExpired
        } else {
            ErrorKind::QuestionExpired
        };
        let message = format!(
            "nobody answered `{}` of step `{}` in time",
            ask.title,
            self.path(unit)
        );
        let failure =
            Failure::new(kind, message).hint("give the question a `default`, or a longer `timeout`");
        self.fail(unit, Arc::new(failure));
    }

    /// The run's own deadline stands still while everything waits for people.
    pub(super) fn rest(&mut self) {
        if !self.held && self.outcome.is_none() && self.start.timeout.is_some() && self.is_resting() {
            self.held = true;
            self.ops.push(Op::Hold(ROOT));
        }
    }

    fn run_goes_on(&mut self) {
        if std::mem::take(&mut self.held) {
            self.ops.push(Op::Resume(ROOT));
        }
    }
}

/// What is known and what was answered, together.
fn merged(ask: &Ask, answer: &Value) -> serde_json::Map<String, Json> {
    let mut all = ask.known.clone();
    if let Ok(json) = answer.to_json()
        && let Json::Object(fields) = json.as_ref()
    {
        all.extend(fields.clone());
    }
    all
}
