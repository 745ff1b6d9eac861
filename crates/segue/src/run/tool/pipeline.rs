//! Pipelines as tools: a call runs the pipeline in the run itself, below the step whose agent calls it. The attempt is
//! dropped meanwhile, as one that asks a person is, and goes on when there is an output: what it called before returns what
//! it returned.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use serde_json::{Map, Value as Json, json};

use super::{Call, ReadyTool};
use crate::error::{ErrorKind, Failure, Result, StepError};
use crate::id::CallId;
use crate::log::{EventKind, KeptCall};
use crate::pipeline::Pipeline;
use crate::plan::{Input, PIPELINE, Plan};
use crate::run::callable::PipelineTool;
use crate::run::op::PipelineCall;
use crate::run::spill;
use crate::tool::{Tool, ToolClass, ToolCx, ToolSpec};
use crate::value::{Data, Value};

/// The one argument of a pipeline whose input is no object.
const INPUT: &str = "input";

impl Call<'_> {
    /// Runs the pipeline, or takes what it gave. The outer error is one the whole attempt ends with.
    pub(super) async fn through(&self, pipeline: &PipelineTool) -> Result<Result<Json, Failure>> {
        let Some(called) = self.cx.called(&self.position) else {
            return match self.fits(pipeline) {
                Ok(input) => self.cx.wait_for(self.wanted(pipeline, input)).await,
                Err(failure) => {
                    let failed = Err(failure);
                    self.keep(&failed);
                    Ok(failed)
                }
            };
        };
        let mut flight = self.reserve(CallId::new(&*self.state().run.env.ids));
        self.cx.event(EventKind::CallStarted {
            call: flight.id,
            idempotency_key: self.idempotency_key(),
            request: self.arguments.clone(),
        });
        let mut result = match called.result {
            Ok(output) => {
                let output = spill::load(self.state().run.blobs(), &output).await?;
                Ok(output.to_json()?.as_ref().clone())
            }
            Err(failure) => Err(Failure::clone(&failure)),
        };
        self.state().run.env.redactor.result(&mut result);
        let key = self.key();
        flight.took = Some(self.state().run.log.clock().time().since(called.began));
        flight.land(&result, Some(|| KeptCall::of(&self.position, &key, &result)));
        self.cx.remember(&self.position, &key, result.clone());
        self.cx.write_soon();
        Ok(result)
    }

    /// What goes into the pipeline, if it may be called.
    fn fits(&self, pipeline: &PipelineTool) -> Result<Value, Failure> {
        let run = &self.state().run;
        if run.callable.get(pipeline.hash()).is_none() {
            let message = format!(
                "nobody said that step `{}` may call `{}`",
                self.cx.path(),
                self.name()
            );
            return Err(Failure::new(ErrorKind::InvalidDefinition, message)
                .hint("what runs in a run is known before it starts: declare the agent with `.asks(&agent)`, or register it"));
        }
        self.fits_the_run()?;
        let plan = pipeline.plan();
        crate::link::complete_inputs(plan, &Value::json(input(plan, self.arguments)), None)
    }

    fn wanted(&self, pipeline: &PipelineTool, input: Value) -> PipelineCall {
        PipelineCall {
            position: self.position.clone(),
            tool: self.name().to_owned(),
            pipeline: pipeline.hash().to_owned(),
            input,
            timeout: self.tool.limits.timeout,
            retries: self.tool.limits.retries.unwrap_or(0),
            began: self.state().run.log.clock().time(),
        }
    }
}

impl<In: Data, Out: Data> Tool for Pipeline<In, Out> {
    fn spec(&self) -> ToolSpec {
        let plan = self.plan();
        spec(format!("{PIPELINE}{}", plan.name), plan)
    }

    fn pipeline(&self) -> Option<PipelineTool> {
        Some(PipelineTool(self.inner.clone()))
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        run(self.clone(), cx, arguments)
    }
}

/// A pipeline as a file names it.
#[derive(Clone)]
pub(in crate::run) struct Referred {
    name: String,
    pipeline: PipelineTool,
}

impl Referred {
    pub(in crate::run) fn new(name: String, pipeline: &Pipeline<Json, Json>) -> Self {
        let pipeline = PipelineTool(pipeline.inner.clone());
        Self { name, pipeline }
    }
}

impl Tool for Referred {
    fn spec(&self) -> ToolSpec {
        spec(self.name.clone(), self.pipeline.plan())
    }

    fn pipeline(&self) -> Option<PipelineTool> {
        Some(self.pipeline.clone())
    }

    fn call<'a>(&'a self, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
        run(self.clone(), cx, arguments)
    }
}

/// A call that code makes by itself.
fn run<'a>(tool: impl Tool, cx: ToolCx, arguments: Json) -> BoxFuture<'a, Result<Json, StepError>> {
    async move {
        let tool = ReadyTool::new(Arc::new(tool), None)?;
        super::call(&cx, &tool, arguments).await
    }
    .boxed()
}

/// What a model is told of a pipeline.
fn spec(name: String, plan: &Plan) -> ToolSpec {
    let described = plan.description.clone().or_else(|| plan.title.clone());
    let described = described.unwrap_or_else(|| format!("Runs the pipeline {}.", plan.called_as()));
    // What it does is recorded step by step, and each tool in it asks for itself.
    ToolSpec::new(name, described, parameters(plan)).class(ToolClass::Idempotent)
}

/// The arguments of a pipeline: its inputs. One whose input is no object takes it as `input`.
fn parameters(plan: &Plan) -> Json {
    let schema = plan.input.schema();
    let mut own = schema.as_json().clone();
    if takes_an_object(plan) {
        return own;
    }
    // What the schema refers to inside itself stays at its root.
    let definitions: Map<String, Json> = match &mut own {
        Json::Object(own) => ["$defs", "definitions"]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), own.remove(key)?)))
            .collect(),
        _ => Map::new(),
    };
    let mut parameters = json!({
        "type": "object", "properties": {INPUT: own}, "required": [INPUT], "additionalProperties": false,
    });
    if let Json::Object(parameters) = &mut parameters {
        parameters.extend(definitions);
    }
    parameters
}

fn takes_an_object(plan: &Plan) -> bool {
    match &plan.input {
        Input::Named(_) => true,
        Input::Value(schema) => schema.as_json().get("type").is_some_and(|kind| kind == "object"),
    }
}

/// What goes in, by the arguments.
fn input(plan: &Plan, arguments: &Json) -> Json {
    match takes_an_object(plan) {
        true => arguments.clone(),
        false => arguments.get(INPUT).cloned().unwrap_or_default(),
    }
}
