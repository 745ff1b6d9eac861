//! Approvals: whether a tool call may be made, by policy or by a person. An approval is bound to the exact arguments,
//! the place and the attempt of one call, and is used once.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::Call;
use crate::error::{ErrorKind, Failure, Result};
use crate::id::CallId;
use crate::log::EventKind;
use crate::plan::{ToolApproval, hash_of};
use crate::question::{Approval, Ask, QuestionKind};
use crate::schema::Schema;

/// How long an approval is waited for where nothing says otherwise.
const TIMEOUT: Duration = Duration::from_secs(24 * 3600);

impl Call<'_> {
    /// Asks a person where the tool's policy says so. The inner error is a refusal.
    pub(super) async fn permitted(&self) -> Result<Result<(), Failure>> {
        if self.was_made()? {
            return Ok(Ok(()));
        }
        match self.policy()? {
            ToolApproval::Allow | ToolApproval::When { .. } => Ok(Ok(())),
            ToolApproval::Deny => {
                let message = format!("the policy denies `{}` to step `{}`", self.name(), self.cx.path());
                Ok(Err(self.refused(Failure::new(ErrorKind::ToolDenied, message))))
            }
            ToolApproval::Ask => self.asked().await,
        }
    }

    /// What everybody who has a say comes to for these arguments: who denies outweighs who asks, who asks who allows.
    fn policy(&self) -> Result<ToolApproval> {
        let mut strictest = ToolApproval::Allow;
        for said in &self.tool.approvals {
            let said = match said {
                ToolApproval::When { deny, ask } => {
                    crate::link::approval(deny.as_deref(), ask.as_deref(), self.arguments)?
                }
                said => said.clone(),
            };
            strictest = match (strictest, said) {
                (ToolApproval::Deny, _) | (_, ToolApproval::Deny) => ToolApproval::Deny,
                (ToolApproval::Ask, _) | (_, ToolApproval::Ask) => ToolApproval::Ask,
                (allowed, _) => allowed,
            };
        }
        Ok(strictest)
    }

    async fn asked(&self) -> Result<Result<(), Failure>> {
        let hash = hash_of(self.arguments);
        let position = format!("{}.approval {} {hash}", self.position, self.name());
        let Some(answer) = self.cx.answer(&position) else {
            return self.cx.suspend(self.question(position, hash)?).await;
        };
        let answer = answer.to_json()?;
        if answer.get("approved") == Some(&Json::Bool(true)) {
            return Ok(Ok(()));
        }
        let failure = if answer.get("expired").is_some() {
            let message = format!("nobody approved the call of `{}` in time", self.name());
            Failure::new(ErrorKind::ApprovalExpired, message)
        } else {
            let reason = answer.get("reason").and_then(Json::as_str);
            let reason = reason.unwrap_or("no reason was given");
            let message = format!("the call of `{}` was rejected: {reason}", self.name());
            Failure::new(ErrorKind::ApprovalRejected, message)
        };
        Ok(Err(self.refused(failure)))
    }

    fn question(&self, position: String, arguments_hash: String) -> Result<Ask> {
        let form = Schema::trusted(json!({
            "type": "object",
            "properties": {"approved": {"type": "boolean"}, "reason": {"type": ["string", "null"]}},
            "required": ["approved"],
            "additionalProperties": false,
        }));
        let title = match self.agent {
            Some(agent) => format!("may `{agent}` call `{}`?", self.name()),
            None => format!("may step `{}` call `{}`?", self.cx.path(), self.name()),
        };
        let mut ask = Ask::new(title, form);
        ask.text = Some(serde_json::to_string_pretty(self.arguments)?);
        ask.kind = QuestionKind::Approval;
        ask.position = position;
        ask.timeout = Some(self.tool.limits.approval_timeout.unwrap_or(TIMEOUT));
        // No answer means no; whoever wants the call is told that nobody answered.
        ask.default = Some(json!({"approved": false, "expired": true}));
        ask.approval = Some(Approval {
            tool: self.name().to_owned(),
            arguments: self.arguments.clone(),
            arguments_hash,
            agent: self.agent.map(str::to_owned),
        });
        Ok(ask)
    }

    /// Puts a refusal into the record.
    fn refused(&self, failure: Failure) -> Failure {
        let mut flight = self.reserve(CallId::new(&*self.state().run.env.ids));
        flight.landed = true;
        self.cx.event(EventKind::CallRefused {
            call: flight.id,
            error: Box::new(failure.clone()),
        });
        self.keep(&Err(failure.clone()));
        failure
    }
}
