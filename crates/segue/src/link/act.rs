//! The behaviour of a step of a pipeline file: its condition, its list, its work, and what is asked of its output.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::Value as Json;

use super::agent::AgentWork;
use super::route::{self, RouteWork};
use super::scope::Scope;
use super::text::{Shape, Written};
use crate::error::{ErrorKind, Failure, Result, StepError};
use crate::plan::{Artifact, AskStep, Plan, Step};
use crate::question::Ask;
use crate::registry::{NamedStep, Registry};
use crate::run::{Act, Cx, Done, Inputs, Phase, ReadyTool, call_tool};
use crate::schema::Schema;
use crate::settings::OnError;
use crate::value::Value;

/// The behaviour of a step of a pipeline file. Shared by all attempts of all runs.
pub(super) struct StepAct(Arc<Linked>);

struct Linked {
    when: Option<Written>,
    list: Option<Written>,
    /// The name of an element in a map.
    item: String,
    work: Work,
    /// What takes the place of a failed step.
    instead: Option<Shape>,
    again: Option<(Written, Option<Written>)>,
    artifacts: Vec<(Artifact, Written)>,
    output: Option<Schema>,
    /// Whether the whole step is a map: then the condition and the list belong to the whole, the work to an item.
    is_map: bool,
}

/// What a step does.
pub(super) enum Work {
    Agent(Box<AgentWork>),
    Tool {
        tool: Arc<ReadyTool>,
        with: Shape,
    },
    Step {
        step: Arc<dyn NamedStep>,
        with: Shape,
    },
    Ask(Box<AskWork>),
    Route(Box<RouteWork>),
    /// The inputs of a pipeline, and that pipeline.
    Enter {
        with: Option<Shape>,
        plan: Arc<Plan>,
    },
    Set(Shape),
}

/// A question of a file.
pub(super) struct AskWork {
    asked: AskStep,
    text: Option<Written>,
    given: Option<Written>,
}

impl StepAct {
    pub(super) fn link(plan: &Plan, step: &Step, registry: &Registry) -> Result<Self, Failure> {
        let at = plan
            .steps
            .iter()
            .position(|known| std::ptr::eq(known, step))
            .unwrap_or_default();
        let settings = plan.resolve(at as u32, None);
        let again = match &settings.retry.when {
            None => None,
            Some(when) => {
                let reason = Written::of(settings.retry.reason.as_deref(), Written::template)?;
                Some((Written::expression(when)?, reason))
            }
        };
        let instead = match &settings.on_error {
            OnError::Use(value) => {
                let json = value
                    .to_json()
                    .map_err(|error| Failure::new(ErrorKind::InvalidDefinition, error.to_string()))?;
                Some(Shape::read(&json)?)
            }
            _ => None,
        };
        let artifacts = step
            .artifacts
            .iter()
            .map(|artifact| Ok((artifact.clone(), Written::expression(&artifact.from)?)));
        Ok(Self(Arc::new(Linked {
            when: Written::of(step.when.as_deref(), Written::expression)?,
            list: Written::of(
                step.each.as_ref().and_then(|each| each.list.as_deref()),
                Written::expression,
            )?,
            item: step
                .each
                .as_ref()
                .map_or_else(|| "item".to_owned(), |each| each.name.clone()),
            work: super::link_work(plan, step, registry)?,
            instead,
            again,
            artifacts: artifacts.collect::<Result<_, Failure>>()?,
            output: step.output_schema.clone(),
            is_map: step.each.is_some(),
        })))
    }
}

impl Act for StepAct {
    fn act(&self, cx: Cx, inputs: Inputs, phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        let linked = self.0.clone();
        async move { linked.run(&cx, &inputs, &phase).await }.boxed()
    }
}

impl Linked {
    async fn run(&self, cx: &Cx, inputs: &Inputs, phase: &Phase) -> Result<Done> {
        let scope = Scope::new(cx, inputs, &self.item);
        if let Phase::Recover(_) = phase {
            let instead = match &self.instead {
                Some(instead) => instead.value(&scope)?,
                None => Json::Null,
            };
            return match &self.work {
                // The value that takes the place of a failed choice is the name of an arm.
                Work::Route(_) => route::fallen_back(&instead),
                _ => Ok(Done::Output(Value::json(instead))),
            };
        }
        if let Phase::When = phase {
            let holds = self.when.as_ref().map_or(Ok(true), |when| when.holds(&scope))?;
            return Ok(if holds { Done::Admit } else { Done::Skip });
        }
        let is_whole = cx.index().is_none();
        if self.is_map && is_whole {
            return self.expand(&scope);
        }
        let output = match &self.work {
            Work::Agent(work) => work.ask(cx, &scope).await?,
            Work::Tool { tool, with } => call_tool(cx, tool, with.value(&scope)?).await?,
            Work::Step { step, with } => {
                let input = with.value(&scope)?;
                let output = step.call(cx.clone(), Value::json(input)).await?;
                output.to_json()?.as_ref().clone()
            }
            Work::Ask(work) => work.ask(cx, &scope).await?,
            Work::Route(work) => return work.choose(cx, &scope).await,
            Work::Enter { with, plan } => {
                let input = match with {
                    Some(with) => with.value(&scope)?,
                    None => Json::Object(Default::default()),
                };
                let input = super::complete_inputs(plan, &Value::json(input), None)?;
                return Ok(Done::Enter(input));
            }
            Work::Set(shape) => shape.value(&scope)?,
        };
        self.accept(cx, scope, output).await.map(Done::Output)
    }

    fn expand(&self, scope: &Scope) -> Result<Done> {
        let list = match &self.list {
            Some(list) => list.value(scope)?,
            None => Json::Null,
        };
        match list {
            Json::Array(items) => Ok(Done::Expand(Value::list(
                items.into_iter().map(Value::json).collect(),
            ))),
            other => {
                let found = crate::fault::quote(&other.to_string());
                let failure = Failure::new(
                    ErrorKind::KindMismatch,
                    format!("`for_each` needs a list, and found {found}"),
                );
                Err(failure.into())
            }
        }
    }

    /// Checks an output, asks for another attempt where the file says so, and saves the step's artifacts.
    async fn accept(&self, cx: &Cx, mut scope: Scope, output: Json) -> Result<Value> {
        if let Some(schema) = &self.output
            && !self.is_map
        {
            let errors = schema.violations(&output);
            if let Some(first) = errors.first() {
                let failure = Failure::new(
                    ErrorKind::OutputInvalid,
                    format!("the output does not fit its type: {first}"),
                );
                return Err(failure.into());
            }
        }
        let value = Value::json(output.clone());
        scope.set("output", output);
        if let Some((when, reason)) = &self.again
            && when.holds(&scope)?
        {
            let reason = match reason {
                Some(reason) => reason.text(&scope)?,
                None => "retry.when was true".to_owned(),
            };
            cx.state().keep_previous(value);
            return Err(StepError::again(reason));
        }
        for (artifact, from) in &self.artifacts {
            save(cx, artifact, from, &scope, true).await?;
        }
        Ok(value)
    }
}

/// Saves an artifact unless its content is none; moves its link if it may.
pub(super) async fn save(
    cx: &Cx,
    artifact: &Artifact,
    from: &Written,
    scope: &Scope,
    link: bool,
) -> Result<()> {
    let content = from.value(scope)?;
    if content.is_null() {
        return Ok(());
    }
    let saved = cx
        .artifacts()
        .save_value(&artifact.name, artifact.media, &content)
        .await?;
    if let Some(name) = &artifact.link
        && link
    {
        cx.artifacts().link(name, &saved).await?;
    }
    Ok(())
}

/// Links a tool step: a registered tool, or a registered step, which is called the same way.
pub(super) fn tool(plan: &Plan, name: &str, with: &Json, registry: &Registry) -> Result<Work, Failure> {
    let with = Shape::read(with)?;
    if let Some(step) = registry.step_of(name) {
        return Ok(Work::Step {
            step: step.clone(),
            with,
        });
    }
    let Some(tool) = registry.tool_of(name) else {
        return Err(Failure::new(
            ErrorKind::NotFound,
            format!("no tool or step is registered as `{name}`"),
        ));
    };
    let tool = Arc::new(ReadyTool::new(tool, Some(plan))?);
    Ok(Work::Tool { tool, with })
}

pub(super) fn set(value: &Json) -> Result<Work, Failure> {
    Ok(Work::Set(Shape::read(value)?))
}

pub(super) fn enter(plan: &Arc<Plan>, with: Option<&Json>) -> Result<Work, Failure> {
    Ok(Work::Enter {
        with: with.map(Shape::read).transpose()?,
        plan: plan.clone(),
    })
}

pub(super) fn ask(asked: &AskStep) -> Result<Work, Failure> {
    Ok(Work::Ask(Box::new(AskWork {
        text: Written::of(asked.text.as_deref(), Written::template)?,
        given: Written::of(asked.given.as_deref(), Written::expression)?,
        asked: asked.clone(),
    })))
}

impl AskWork {
    async fn ask(&self, cx: &Cx, scope: &Scope) -> Result<Json> {
        if let Some(given) = &self.given {
            let given = given.value(scope)?;
            if !given.is_null() {
                let errors = self.asked.form.violations(&given);
                return match errors.first() {
                    None => Ok(given),
                    Some(first) => {
                        let message = format!("what is `given` does not fit the form: {first}");
                        Err(StepError::of(ErrorKind::SchemaMismatch, message))
                    }
                };
            }
        }
        let position = cx.position();
        if let Some(answer) = cx.answer(&position) {
            return Ok(answer.to_json()?.as_ref().clone());
        }
        let mut ask = Ask::new(self.asked.title.clone(), self.asked.form.clone());
        ask.text = self.text.as_ref().map(|text| text.text(scope)).transpose()?;
        ask.timeout = self.asked.timeout;
        ask.default.clone_from(&self.asked.default);
        ask.position = position;
        cx.suspend(ask).await
    }
}
