//! Interrupted attempts: what becomes of those that were under way when their process ended.

use serde_json::json;

use super::op::{End, OpResult, Phase, StepCall};
use super::shared::RunShared;
use crate::error::{ErrorKind, Failure};
use crate::log::{Unit, What};
use crate::question::{Ask, QuestionKind};
use crate::schema::Schema;
use crate::settings::OnInterrupt;

/// Where the answer to the question about an interrupted attempt is kept.
pub(super) const POSITION: &str = "interrupted";

impl RunShared {
    /// What an attempt that was under way gives without being begun again; none where it is.
    pub(super) fn interrupted(&self, call: &StepCall, was_being_aborted: bool) -> Option<OpResult> {
        let end = match self.on_interrupt(call) {
            _ if was_being_aborted => End::Aborted,
            OnInterrupt::Retry => return None,
            OnInterrupt::Fail => End::Failed(Box::new(self.lost(call.unit))),
            OnInterrupt::Ask => End::Waits(Box::new(self.decision(call.unit))),
        };
        Some(OpResult::Attempt {
            unit: call.unit,
            end,
            spent: None,
        })
    }

    /// Writes down that an attempt begins again.
    pub(super) fn begins_again(&self, call: &StepCall) {
        if call.unit.step < Unit::SCOPE && !matches!(call.phase, Phase::When) {
            let mut again = vec![(call.unit, What::Attempt(call.attempt))];
            self.log.append(&mut again);
        }
    }

    /// What its setting says. Only the body of a step can have had an effect.
    fn on_interrupt(&self, call: &StepCall) -> OnInterrupt {
        if !matches!(call.phase, Phase::Body) {
            return OnInterrupt::Retry;
        }
        let settings = self.settings(call.unit);
        settings.map_or(OnInterrupt::Retry, |settings| settings.on_interrupt)
    }

    /// The failure of an attempt that nobody may repeat.
    pub(super) fn lost(&self, unit: Unit) -> Failure {
        let message = format!(
            "the process ended while step `{}` was at work",
            self.log.path(unit)
        );
        let mut failure = Failure::new(ErrorKind::Interrupted, message)
            .hint("look whether it had its effect; `on_interrupt: retry` repeats it without asking");
        failure.retryable = false;
        failure
    }

    fn decision(&self, unit: Unit) -> Ask {
        let path = self.log.path(unit);
        let form = Schema::trusted(json!({"enum": ["repeat", "skip", "fail"]}));
        let title = format!("the process ended while step `{path}` was at work; run it again?");
        let mut ask = Ask::new(title, form);
        ask.text = Some("It may have had its effect already.".into());
        ask.kind = QuestionKind::Decision;
        ask.position = POSITION.into();
        ask
    }
}
