//! Questions: a unit waits for a person, the rest of the run goes on.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{Op, ROOT, RunState, Unit};
use crate::error::{ErrorKind, Failure};
use crate::log::EventKind;
use crate::question::{Ask, QuestionKind};
use crate::run::interrupted;
use crate::value::Value;
use crate::view::{SkipReason, StepStatus};

impl RunState {
    pub(super) fn ask(&mut self, unit: Unit, ask: Box<Ask>) {
        let slot = self.slot(unit);
        slot.status = StepStatus::Waiting;
        let more = slot.more();
        more.asked += 1;
        more.ask = Some(ask.clone());
        let count = more.asked;
        self.waiting += 1;
        self.record(unit, EventKind::StepWaiting { reason: ask.kind });
        self.hold(unit);
        self.ops.push(Op::Ask { unit, count, ask });
    }

    pub(super) fn answered(&mut self, unit: Unit, value: Value, by: &str) {
        let slot = self.slot(unit);
        if slot.status != StepStatus::Waiting {
            return; // settled meanwhile, by a deadline or a cancel
        }
        let more = slot.more();
        let Some(ask) = more.ask.take() else { return };
        self.no_longer_waits(unit);
        if ask.completes {
            let output = Value::json(Json::Object(merged(&ask, &value)));
            self.slot(unit).status = StepStatus::Running;
            self.resumed(unit, by);
            self.made_below(unit, &output);
            if unit.is_item() && self.is_repeat(unit) {
                // Whether it is the last round is for its body to say, and that is over.
                return self.round(unit, output, false);
            }
            return self.succeed(unit, output);
        }
        if ask.position == interrupted::POSITION && self.decided(unit, &value, by) {
            return;
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
        self.resumed(unit, by);
        self.queue(unit);
    }

    /// A person has decided what becomes of an attempt that was interrupted; false when it is begun again.
    fn decided(&mut self, unit: Unit, value: &Value, by: &str) -> bool {
        let decision = value.to_json().ok();
        let decision = decision.as_deref().and_then(Json::as_str);
        if decision == Some("repeat") {
            return false;
        }
        self.slot(unit).status = StepStatus::Running;
        self.resumed(unit, by);
        if decision == Some("skip") {
            let text = format!("it was interrupted, and {by} decided to leave it out");
            self.skip(unit, SkipReason::on_error(&text));
        } else {
            let path = self.path(unit);
            let message = format!("step `{path}` was interrupted, and {by} decided that it has failed");
            self.fail(unit, Arc::new(Failure::new(ErrorKind::Interrupted, message)));
        }
        true
    }

    fn resumed(&mut self, unit: Unit, by: &str) {
        let event = EventKind::RunResumed {
            reason: "answer".into(),
            by: Some(by.to_owned()),
            owner: None,
            fence: None,
        };
        self.record(unit, event);
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
        self.no_longer_waits(unit);
        self.slot(unit).status = StepStatus::Running;
        self.resumed(unit, "nobody");
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
        if !self.held && !self.has_ended && self.start.timeout.is_some() && self.is_resting() {
            self.held = true;
            self.ops.push(Op::Hold(ROOT));
        }
    }

    /// The unit's question is closed: the deadlines around it go on.
    pub(super) fn no_longer_waits(&mut self, unit: Unit) {
        self.waiting -= 1;
        self.go_on(unit);
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
