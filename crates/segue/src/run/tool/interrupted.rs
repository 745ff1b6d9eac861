//! Tool calls that were under way when their process ended: nobody knows whether they had their effect. What can be
//! repeated is, under the same idempotency key; for the rest a person decides, or the call has failed.

use serde_json::{Value as Json, json};

use super::Call;
use crate::error::{ErrorKind, Failure, Result};
use crate::question::{Ask, QuestionKind};
use crate::run::journal::Interrupted;
use crate::schema::Schema;
use crate::settings::OnInterrupt;
use crate::tool::ToolClass;

impl Call<'_> {
    /// What an interrupted call gives without being made again; none when it may be made.
    pub(super) async fn after_interruption(&self) -> Result<Option<Result<Json, Failure>>> {
        let state = self.state();
        let journals = &state.run.journals;
        let Some(interrupted) =
            journals.was_interrupted(state.unit, &self.position, self.name(), self.arguments)
        else {
            return Ok(None);
        };
        match self.on_interrupt() {
            OnInterrupt::Retry => Ok(None),
            OnInterrupt::Fail => Ok(Some(Err(self.failed_by_interruption()))),
            OnInterrupt::Ask => self.decided(&interrupted).await,
        }
    }

    fn on_interrupt(&self) -> OnInterrupt {
        let by_class = match self.tool.spec.class {
            Some(ToolClass::ReadOnly | ToolClass::Idempotent) => OnInterrupt::Retry,
            Some(ToolClass::Effectful) | None => OnInterrupt::Ask,
        };
        // What an agent does is recorded call by call.
        let by_kind = if self.tool.is_agent {
            OnInterrupt::Retry
        } else {
            by_class
        };
        self.tool.limits.on_interrupt.unwrap_or(by_kind)
    }

    async fn decided(&self, interrupted: &Interrupted) -> Result<Option<Result<Json, Failure>>> {
        let position = format!("{}.interrupted {}", self.position, interrupted.call);
        let Some(answer) = self.cx.answer(&position) else {
            return self.cx.suspend(self.decision(position)).await;
        };
        match answer.to_json()?.as_str() {
            Some("repeat") => Ok(None),
            Some("skip") => Ok(Some(Ok(Json::Null))),
            _ => Ok(Some(Err(self.failed_by_interruption()))),
        }
    }

    fn decision(&self, position: String) -> Ask {
        let form = Schema::trusted(json!({"enum": ["repeat", "skip", "fail"]}));
        let title = format!(
            "the process ended while `{}` was at work; call it again?",
            self.name()
        );
        let mut ask = Ask::new(title, form);
        ask.text = Some(format!(
            "It may have had its effect already. Its arguments:\n{}",
            serde_json::to_string_pretty(self.arguments).unwrap_or_default()
        ));
        ask.kind = QuestionKind::Decision;
        ask.position = position;
        ask
    }

    fn failed_by_interruption(&self) -> Failure {
        let message = format!("the process ended while tool `{}` was at work", self.name());
        Failure::new(ErrorKind::Interrupted, message)
            .hint("look whether it had its effect; `on_interrupt: retry` repeats it without asking")
    }
}
