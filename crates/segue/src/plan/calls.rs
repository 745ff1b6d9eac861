//! Pipelines as tools: what a call of one is in a plan. It is recorded as a step that runs the pipeline, below the step
//! whose agent has called it.

use std::sync::Arc;

use super::{
    Action, Complete, Context, FailurePolicy, Input, Kind, Plan, RunSettings, Source, Step, StepIndex,
    ToolUse,
};
use crate::schema::Schema;
use crate::settings::Settings;

/// What stands before a pipeline that is given to an agent as a tool.
pub const PIPELINE: &str = "pipeline:";

/// What stands before an agent that is given to another one as a tool.
pub(crate) const AGENT: &str = "agent:";

impl Plan {
    /// What the step is called that stands for a call of this pipeline: as the pipeline, or as the pattern that it is.
    #[must_use]
    pub fn called_as(&self) -> &str {
        self.pattern.as_ref().map_or(&self.name, |pattern| &pattern.name)
    }

    /// The pipelines that an agent step may call as tools: by itself, and through other agents of the plan.
    pub fn callable(&self, step: StepIndex) -> impl Iterator<Item = (&ToolUse, &Arc<Plan>)> {
        let step = self.steps.get(step as usize);
        step.into_iter().flat_map(|step| self.callable_by(step))
    }

    /// The same for a step of this plan, or one that stands in an arm of it. Each pipeline once, in the order of the tools.
    #[must_use]
    pub fn callable_by<'p>(&'p self, step: &'p Step) -> Vec<(&'p ToolUse, &'p Arc<Plan>)> {
        let own = step.tools(self);
        let mut found: Vec<(&ToolUse, &Arc<Plan>)> = Vec::new();
        let mut asked: Vec<&str> = Vec::new();
        let mut open: Vec<&ToolUse> = own.collect();
        open.reverse();
        while let Some(tool) = open.pop() {
            if let Some(plan) = &tool.pipeline
                && !found.iter().any(|(known, _)| known.name == tool.name)
            {
                found.push((tool, plan));
            }
            if let Some(name) = tool.name.strip_prefix(AGENT)
                && !asked.contains(&name)
            {
                asked.push(name);
                let agent = self.agents.get(name);
                open.extend(agent.into_iter().flat_map(|agent| &agent.tools).rev());
            }
        }
        found
    }

    /// The plan of one call of a pipeline: a single step of this name that runs it.
    pub(crate) fn calling(name: String, plan: Arc<Plan>, settings: Settings) -> Self {
        let input = match &plan.input {
            Input::Value(schema) => schema.clone(),
            Input::Named(_) => Schema::any(),
        };
        let output_schema = plan.output_schema.clone();
        let step = Step {
            name: name.clone(),
            title: None,
            kind: Kind::Pipeline,
            action: Action::Pipeline {
                plan,
                with: None,
                inputs: vec![Source::Input],
            },
            needs: Vec::new(),
            arm: None,
            when: None,
            each: None,
            standby: false,
            settings,
            context: Context::None,
            complete: Complete::Schema,
            artifacts: Vec::new(),
            output_schema: output_schema.clone(),
            reads: Vec::new(),
        };
        Self {
            input: Input::Value(input),
            output_schema,
            // Nothing of a call bounds what the pipeline does: it has its own settings.
            run: RunSettings {
                timeout: None,
                budget: None,
                max_parallel: u32::MAX,
                failure: FailurePolicy::Continue,
            },
            ..Self::bare(name, vec![step])
        }
    }

    /// The plan of a call of this name, where the step may make it: `find` is the first call of pipeline `find`, `find_2`
    /// the second.
    pub(super) fn call(&self, step: StepIndex, name: &str) -> Option<Self> {
        let is_of = |plan: &Plan| {
            let rest = name.strip_prefix(plan.called_as());
            rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('_').is_some_and(is_number))
        };
        let callable: Vec<_> = self.callable(step).map(|(_, plan)| plan).collect();
        let first = callable.iter().find(|plan| plan.called_as() == name);
        let plan = first.or_else(|| callable.iter().find(|plan| is_of(plan)))?;
        Some(Self::calling(
            name.to_owned(),
            Arc::clone(plan),
            Settings::default(),
        ))
    }
}

impl Step {
    /// The tools of the agent that it asks, where it asks one: its own, or those of the agent.
    pub fn tools<'p>(&'p self, plan: &'p Plan) -> impl Iterator<Item = &'p ToolUse> {
        let over = match &self.action {
            Action::Agent(asked)
            | Action::Route {
                by: super::RouteBy::Agent(asked),
                ..
            } => asked.over.tools.as_deref(),
            _ => None,
        };
        let asks = match &self.action {
            Action::Function { asks, .. } => asks.as_slice(),
            _ => &[],
        };
        let asked = asks.iter().filter_map(|name| plan.agents.get(name));
        let agent = self.action.agent().and_then(|name| plan.agents.get(name));
        let of_agent = agent
            .filter(|_| over.is_none())
            .map(|agent| agent.tools.as_slice());
        let of_asked = asked.flat_map(|agent| &agent.tools);
        over.into_iter().chain(of_agent).flatten().chain(of_asked)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
