//! The end of a pipeline of a file: its output is made and its artifacts are saved; or the inputs of its fallback.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Map, Value as Json};

use super::act::save;
use super::scope::Scope;
use super::text::{Shape, Written};
use crate::error::{ErrorKind, Failure, Result, StepError};
use crate::plan::{Artifact, OnFailure, Output, Plan};
use crate::run::{Act, Cx, Done, Inputs, Phase};
use crate::schema::Schema;
use crate::value::Value;

/// Makes the output of a pipeline and saves its artifacts.
pub(super) struct FinishAct(Arc<Linked>);

struct Linked {
    output: What,
    schema: Option<Schema>,
    artifacts: Vec<(Artifact, Written)>,
}

enum What {
    Expression(Written),
    Shape(Shape),
    /// The last steps, by name.
    Last(Vec<String>),
}

impl FinishAct {
    pub(super) fn link(plan: &Plan) -> Result<Self, Failure> {
        let name = |step: &u32| plan.steps[*step as usize].name.clone();
        let output = match &plan.output {
            Output::Expression(source) => What::Expression(Written::expression(source)?),
            Output::Template(value) => What::Shape(Shape::read(value)?),
            Output::Last(steps) => What::Last(steps.iter().map(name).collect()),
            Output::From(_) => What::Last(Vec::new()),
        };
        let artifacts = plan
            .artifacts
            .iter()
            .map(|artifact| Ok((artifact.clone(), Written::expression(&artifact.from)?)));
        Ok(Self(Arc::new(Linked {
            output,
            schema: plan.output_schema.clone(),
            artifacts: artifacts.collect::<Result<_, Failure>>()?,
        })))
    }
}

impl Act for FinishAct {
    fn act(&self, cx: Cx, inputs: Inputs, phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        let linked = self.0.clone();
        async move { linked.run(&cx, &inputs, &phase).await }.boxed()
    }
}

impl Linked {
    async fn run(&self, cx: &Cx, inputs: &Inputs, phase: &Phase) -> Result<Done> {
        let scope = Scope::new(cx, inputs, "item");
        if matches!(phase, Phase::Salvage) {
            for (artifact, from) in &self.artifacts {
                // What reads a step that is not done cannot be saved, and the run has failed already.
                let saved = save(cx, artifact, from, &scope, false).await;
                if let Err(error) = saved {
                    cx.note(format!("artifact `{}` was not saved: {error}", artifact.name));
                }
            }
            return Ok(Done::Output(Value::null()));
        }
        let output = match &self.output {
            What::Expression(written) => written.value(&scope)?,
            What::Shape(shape) => shape.value(&scope)?,
            What::Last(names) => last(names, &scope)?,
        };
        if let Some(schema) = &self.schema {
            let errors = schema.violations(&output);
            if let Some(first) = errors.first() {
                let message = format!("the output does not fit `output_schema`: {first}");
                return Err(StepError::of(ErrorKind::SchemaMismatch, message));
            }
        }
        for (artifact, from) in &self.artifacts {
            save(cx, artifact, from, &scope, true).await?;
        }
        Ok(Done::Output(Value::json(output)))
    }
}

/// The output of the only last step, or a map of them by name.
fn last(names: &[String], scope: &Scope) -> Result<Json> {
    let output = |name: &String| -> Result<Json> {
        let output = scope.facts().step(name).and_then(|fact| fact.output.clone());
        Ok(match output {
            Some(output) => output.to_json()?.as_ref().clone(),
            None => Json::Null,
        })
    };
    match names {
        [one] => output(one),
        many => {
            let mut map = Map::new();
            for name in many {
                map.insert(name.clone(), output(name)?);
            }
            Ok(Json::Object(map))
        }
    }
}

/// Makes the inputs of a fallback pipeline.
pub(super) struct FallbackAct(Arc<Called>);

/// The inputs of the fallback, where it is a pipeline of its own, and that pipeline.
struct Called {
    with: Option<Shape>,
    plan: Arc<Plan>,
}

impl FallbackAct {
    pub(super) fn link(fallback: &OnFailure) -> Result<Self, Failure> {
        Ok(Self(Arc::new(Called {
            with: fallback.with.as_ref().map(Shape::read).transpose()?,
            plan: fallback.plan.clone(),
        })))
    }
}

impl Act for FallbackAct {
    fn act(&self, cx: Cx, inputs: Inputs, _phase: Phase) -> BoxFuture<'static, Result<Done, StepError>> {
        let called = self.0.clone();
        async move {
            let scope = Scope::new(&cx, &inputs, "item");
            Ok(Done::Enter(match &called.with {
                Some(with) => {
                    let input = Value::json(with.value(&scope)?);
                    super::complete_inputs(&called.plan, &input, None)?
                }
                None => Value::json(Json::Object(Map::new())),
            }))
        }
        .boxed()
    }
}
