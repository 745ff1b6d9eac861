//! Agents as tools: `agent:NAME` takes a prompt and gives the agent's answer.

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Value as Json, json};

use crate::error::StepError;
use crate::pipeline::DefinedAgent;
use crate::run::agent::{Asked, ask};
use crate::tool::{Tool, ToolClass, ToolCx, ToolSpec};

/// An agent that another one can ask. It is found when it is asked, so agents may ask each other.
pub(in crate::run) struct AgentTool {
    key: String,
    name: String,
    description: String,
}

impl AgentTool {
    pub(in crate::run) fn new(agent: &DefinedAgent) -> Self {
        let name = agent.spec.name.clone();
        let described = agent.spec.description.clone();
        Self {
            key: agent.key.clone(),
            description: described.unwrap_or_else(|| format!("Asks the agent {name}.")),
            name,
        }
    }
}

impl Tool for AgentTool {
    fn spec(&self) -> ToolSpec {
        let parameters = json!({
            "type": "object",
            "properties": {"prompt": {"type": "string", "description": "What the agent is asked."}},
            "required": ["prompt"],
            "additionalProperties": false,
        });
        ToolSpec::new(format!("agent:{}", self.name), &self.description, parameters)
            .class(ToolClass::Idempotent)
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        async move {
            let prompt = arguments.get("prompt").and_then(Json::as_str).unwrap_or_default();
            let agent = cx.shared().agent_by_key(&self.key)?;
            let mut asked = Asked::new(agent, prompt.to_owned());
            if asked.agent.spec.template {
                asked.instructions = crate::link::instructions(&cx, &asked.instructions)?;
            }
            Ok(ask(&cx, asked).await?.output)
        }
        .boxed()
    }
}
