//! Agent steps of a file: instructions and prompt are rendered, what the step needs is added, the agent is asked.

use std::sync::Arc;

use serde_json::Value as Json;

use super::act::Work;
use super::images;
use super::scope::Scope;
use super::text::Written;
use crate::error::{Failure, Result};
use crate::plan::{AgentOver, AgentStep, Complete, Context, Plan, PlannedAgent, Step};
use crate::registry::Registry;
use crate::run::{Asked, Cx, Facts, ReadyAgent, ask_agent, key_of};
use crate::schema::Schema;

/// An agent step.
pub(super) struct AgentWork {
    /// What the agent is found by.
    agent: String,
    instructions: Option<Written>,
    prompt: Option<Written>,
    images: Option<Written>,
    /// The prompt speaks of the last attempt by itself.
    tells_reason: bool,
    output: Option<Schema>,
    max_turns: Option<u32>,
    settings: crate::plan::ModelSettings,
    context: Context,
    /// What the definition says; none where only the registered agent does.
    complete: Option<Complete>,
}

/// The agent as a step overrides it, as far as it is found before the start.
pub(super) fn overridden(agent: &Arc<PlannedAgent>, over: &AgentOver) -> Arc<PlannedAgent> {
    if over.models.is_none() && over.tools.is_none() {
        return agent.clone();
    }
    let mut own = PlannedAgent::clone(agent);
    if let Some(models) = &over.models {
        own.models.clone_from(models);
        own.alias = None;
    }
    if let Some(tools) = &over.tools {
        own.tools.clone_from(tools);
    }
    Arc::new(own)
}

pub(super) fn link(
    plan: &Plan,
    step: &Step,
    asked: &AgentStep,
    registry: &Registry,
) -> Result<Work, Failure> {
    let spec = match plan.agents.get(&asked.agent) {
        Some(spec) => spec.clone(),
        None => registry.find_agent(&asked.agent)?.planned(),
    };
    Ok(Work::Agent(Box::new(work(plan, step, asked, &spec)?)))
}

pub(super) fn work(
    plan: &Plan,
    step: &Step,
    asked: &AgentStep,
    spec: &Arc<PlannedAgent>,
) -> Result<AgentWork, Failure> {
    let over = &asked.over;
    let agent = key_of(Some(plan), &overridden(spec, over));
    let context = match step.context {
        Context::Auto if asked.prompt.is_none() => Context::Needs,
        Context::Auto => Context::None,
        context => context,
    };
    let mut settings = spec.model_settings.clone();
    settings.lay(&over.settings);
    Ok(AgentWork {
        agent,
        instructions: if spec.template {
            Some(Written::template(&spec.instructions)?)
        } else {
            None
        },
        prompt: Written::of(asked.prompt.as_deref(), Written::template)?,
        images: Written::of(asked.images.as_deref(), Written::expression)?,
        tells_reason: asked
            .prompt
            .as_deref()
            .is_some_and(|prompt| prompt.contains("attempt.reason")),
        output: over.output.clone().or_else(|| spec.output.clone()),
        max_turns: over.max_turns,
        settings,
        context,
        complete: (plan.agents.contains_key(&asked.agent) || step.complete != Complete::Schema)
            .then(|| step.complete.clone()),
    })
}

impl AgentWork {
    pub(super) async fn ask(&self, cx: &Cx, scope: &Scope) -> Result<Json> {
        self.ask_for(cx, scope, None).await
    }

    /// Asks, for an answer of another type than the agent's where one is given.
    pub(super) async fn ask_for(&self, cx: &Cx, scope: &Scope, output: Option<Schema>) -> Result<Json> {
        let ready = cx.shared().agent_by_key(&self.agent)?;
        let prompt = match &self.prompt {
            Some(prompt) => prompt.text(scope)?,
            None => String::new(),
        };
        let context = self.context(cx, scope, &ready).await?;
        let prompt = match (context.is_empty(), prompt.is_empty()) {
            (true, _) => prompt,
            (false, true) => context,
            (false, false) => format!("{context}\n\n{prompt}"),
        };
        let mut asked = Asked::new(ready, prompt);
        if let Some(images) = &self.images {
            asked.images = images::shown(cx, images.value(scope)?).await?;
        }
        if let Some(instructions) = &self.instructions {
            asked.instructions = instructions.text(scope)?;
        }
        asked.output = output
            .or_else(|| self.output.clone())
            .filter(|schema| !schema.is_plain_text());
        asked.max_turns = self.max_turns.unwrap_or(asked.max_turns);
        asked.settings = self.settings.clone();
        if let Some(complete) = &self.complete {
            asked.complete.clone_from(complete);
        }
        asked.for_step = true;
        asked.last_attempt = cx.is_last_attempt();
        if !self.tells_reason {
            asked.feedback = cx.feedback();
        }
        Ok(ask_agent(cx, asked).await?.output)
    }

    /// The results of what the step needs, each under its title, in declaration order.
    async fn context(&self, cx: &Cx, scope: &Scope, ready: &Arc<ReadyAgent>) -> Result<String> {
        let parts = results(scope.facts())?;
        match self.context {
            Context::Auto | Context::None => Ok(String::new()),
            Context::Needs | Context::All => Ok(parts.join("\n\n")),
            Context::Window(n) => {
                let left_out = parts.len().saturating_sub(n as usize);
                let mut shown = parts[left_out..].to_vec();
                if left_out > 0 {
                    shown.insert(0, format!("({left_out} earlier results are left out)"));
                }
                Ok(shown.join("\n\n"))
            }
            Context::Summary if parts.is_empty() => Ok(String::new()),
            Context::Summary => {
                let mut asked = Asked::new(ready.clone(), parts.join("\n\n"));
                asked.instructions = "Sum up these results in a few sentences. Add nothing.".to_owned();
                asked.output = None;
                asked.complete = Complete::Schema;
                let reply = ask_agent(cx, asked).await?;
                let text = reply.output.as_str().unwrap_or_default().to_owned();
                Ok(format!("## Summary\n{text}"))
            }
        }
    }
}

/// Each result under its title; what was left out is left out here too.
fn results(facts: &Facts) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    for fact in facts.results() {
        let Some(output) = &fact.output else { continue };
        let json = output.to_json()?;
        let text = match json.as_ref() {
            Json::Null => continue,
            Json::String(text) => text.clone(),
            value => value.to_string(),
        };
        parts.push(format!("## {}\n{text}", fact.title));
    }
    Ok(parts)
}
