//! Linking: a plan from a pipeline file and what a program registers become a program that can run. Expressions and
//! templates are read once, here; while it runs, they are only evaluated.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::error::{Error, ErrorKind, Failure, StepError};
use crate::fault::Faults;
use crate::pipeline::{DefinedAgent, Inner, Pipeline};
use crate::plan::{Action, Input, Output, Plan, RouteBy, Step, ToolApproval};
use crate::registry::Registry;
use crate::run::{Act, Cx, Inputs, Parts, Program};
use crate::value::Value;

mod act;
mod agent;
mod finish;
mod images;
mod key;
mod route;
mod scope;
mod text;

use act::{StepAct, Work};
pub(crate) use key::{check_key, workspace_key};
use scope::Scope;
use text::Written;

impl Pipeline<Json, Json> {
    /// A pipeline from a checked plan of a pipeline file and what the program registers.
    ///
    /// ```
    /// use segue::{Pipeline, Registry};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let text = "
    /// version: 1
    /// name: greeting
    /// inputs: { name: string }
    /// steps:
    ///   greet: { set: 'Hello {{ inputs.name }}!' }
    /// ";
    /// let registry = Registry::new();
    /// let loaded = segue::file::load_text(text, "greeting.yaml", &registry)?;
    /// let pipeline = Pipeline::from_plan(&loaded.plan, &registry)?;
    /// let done = pipeline.run(serde_json::json!({"name": "Ada"})).await?;
    /// assert_eq!(done.output, "Hello Ada!");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the plan names agents, tools or steps that are not registered.
    pub fn from_plan(plan: &Arc<Plan>, registry: &Registry) -> Result<Self, Error> {
        registry.check().map_err(|failure| Error::new(None, failure))?;
        let mut linker = Linker {
            registry,
            agents: Vec::new(),
        };
        let program = linker
            .program(plan, false, true)
            .map_err(|failure| Error::new(None, failure))?;
        Ok(Pipeline::of(Inner {
            program: Arc::new(program),
            uses: Vec::new(),
            agents: linker.agents,
            warnings: Faults::new(),
        }))
    }
}

struct Linker<'a> {
    registry: &'a Registry,
    agents: Vec<DefinedAgent>,
}

impl Linker<'_> {
    /// Links a plan. One that borrows sees the facts around it; one that finishes makes its output by itself.
    fn program(&mut self, plan: &Arc<Plan>, borrows: bool, finishes: bool) -> Result<Program, Failure> {
        let mut acts: Vec<Arc<dyn Act>> = Vec::with_capacity(plan.steps.len());
        let mut children = Vec::with_capacity(plan.steps.len());
        for (at, step) in plan.steps.iter().enumerate() {
            let mut below = Vec::new();
            match &step.action {
                Action::Pipeline { plan, .. } => {
                    below.push((String::new(), Arc::new(self.program(plan, false, true)?)));
                }
                Action::Route { arms, .. } => {
                    for name in arms.keys() {
                        if let Some(plan) = plan.below(Some(at as u32), name) {
                            below.push((name.clone(), Arc::new(self.program(&plan, true, false)?)));
                        }
                    }
                }
                _ => {}
            }
            if let Action::Agent(asked)
            | Action::Route {
                by: RouteBy::Agent(asked),
                ..
            } = &step.action
            {
                self.agent(plan, &asked.agent, &asked.over)?;
            }
            acts.push(Arc::new(StepAct::link(plan, step, self.registry)?));
            children.push(below);
        }
        let needs_finish = finishes
            && (matches!(plan.output, Output::Expression(_) | Output::Template(_))
                || !plan.artifacts.is_empty());
        let finish: Option<Arc<dyn Act>> = match needs_finish {
            true => Some(Arc::new(finish::FinishAct::link(plan)?)),
            false => None,
        };
        let fallback = match &plan.on_failure {
            None => None,
            Some(fallback) => {
                let program = Arc::new(self.program(&fallback.plan, fallback.with.is_none(), true)?);
                let act: Arc<dyn Act> = Arc::new(finish::FallbackAct::link(fallback)?);
                Some((program, act))
            }
        };
        let parts = Parts {
            acts,
            finish,
            children,
            fallback,
            reads_facts: true,
            borrows,
        };
        Ok(Program::new(plan.clone(), parts))
    }

    /// Notes an agent of the plan, or a registered one, as one whose model is found before the start.
    fn agent(&mut self, plan: &Arc<Plan>, name: &str, over: &crate::plan::AgentOver) -> Result<(), Failure> {
        let (spec, tools) = match plan.agents.get(name) {
            Some(spec) => (spec.clone(), Vec::new()),
            None => {
                let found = self.registry.find_agent(name)?;
                (found.planned(), found.tools().to_vec())
            }
        };
        let agent = DefinedAgent::of_plan(Some(plan), agent::overridden(&spec, over), tools);
        if !self.agents.iter().any(|known| known.key == agent.key) {
            self.agents.push(agent);
        }
        Ok(())
    }
}

/// The inputs of a run of a pipeline file, checked and completed by defaults. Everything that does not fit is named at
/// once, before anything runs. Where only some steps run, what none of them reads may be missing.
///
/// # Errors
/// Kind `invalid_input`.
pub(crate) fn complete_inputs(plan: &Plan, given: &Value, runs: Option<&[&Step]>) -> Result<Value, Failure> {
    let Input::Named(inputs) = &plan.input else {
        return Ok(given.clone());
    };
    let json = given
        .to_json()
        .map_err(|error| Failure::new(ErrorKind::InvalidInput, error.to_string()))?;
    let Json::Object(given) = json.as_ref() else {
        return Err(Failure::new(
            ErrorKind::InvalidInput,
            "the inputs should be one JSON object",
        ));
    };
    let mut wrong = Vec::new();
    for name in given.keys().filter(|name| !inputs.contains_key(*name)) {
        let nearest = crate::file::suggest::Nearest::of(name, inputs.keys().map(String::as_str), "inputs");
        let advice = match (nearest.suggestion, nearest.hint) {
            (Some(suggestion), _) => format!(" (did you mean `{suggestion}`?)"),
            (None, Some(hint)) => format!(" ({hint})"),
            (None, None) => String::new(),
        };
        wrong.push(format!("`inputs.{name}`: there is no such input{advice}"));
    }
    let mut complete = Map::new();
    for (name, schema) in inputs {
        let value = match given.get(name) {
            Some(value) => value.clone(),
            None => match schema.default_value() {
                Some(default) => default.clone(),
                None if schema.may_be_null() => Json::Null,
                None if !is_read(name, runs) => continue,
                None => {
                    wrong.push(format!("`inputs.{name}`: it is missing"));
                    continue;
                }
            },
        };
        for violation in schema.violations(&value) {
            wrong.push(format!(
                "`inputs.{name}{}`: {}",
                violation.pointer, violation.message
            ));
        }
        complete.insert(name.clone(), value);
    }
    if wrong.is_empty() {
        return Ok(Value::json(Json::Object(complete)));
    }
    let count = wrong.len();
    let s = if count == 1 { " does" } else { "s do" };
    let message = format!("{count} input{s} not fit\n  {}", wrong.join("\n  "));
    Err(Failure::new(ErrorKind::InvalidInput, message))
}

/// Whether a step that runs reads an input; of a whole run all inputs count as read.
fn is_read(input: &str, runs: Option<&[&Step]>) -> bool {
    let reads = |step: &&Step| step.reads.iter().any(|read| read == input);
    runs.is_none_or(|runs| runs.iter().any(reads))
}

/// Instructions of an agent that another one asks, rendered with what the step may read.
///
/// # Errors
/// When they read what the step does not have.
pub(crate) fn instructions(cx: &Cx, source: &str) -> Result<String, StepError> {
    let inputs = cx.facts().map_or(Inputs::None, Inputs::Facts);
    Written::template(source)?.text(&Scope::new(cx, &inputs, "item"))
}

/// What the conditions of a tool's approval say about its arguments.
///
/// # Errors
/// When a condition cannot be evaluated.
pub(crate) fn approval(
    deny: Option<&str>,
    ask: Option<&str>,
    args: &Json,
) -> Result<ToolApproval, StepError> {
    let scope = Scope::of_arguments(args);
    let holds = |source: Option<&str>| -> Result<bool, StepError> {
        match source {
            None => Ok(false),
            Some(source) => Written::expression(source)?.holds(&scope),
        }
    };
    Ok(match (holds(deny)?, holds(ask)?) {
        (true, _) => ToolApproval::Deny,
        (false, true) => ToolApproval::Ask,
        (false, false) => ToolApproval::Allow,
    })
}

/// What a step of a file does.
fn link_work(plan: &Plan, step: &crate::plan::Step, registry: &Registry) -> Result<Work, Failure> {
    match &step.action {
        Action::Agent(asked) => agent::link(plan, step, asked, registry),
        Action::Tool { tool, with } => act::tool(plan, tool, with, registry),
        Action::Ask(asked) => act::ask(asked),
        Action::Route { by, arms, .. } => route::link(plan, step, by, arms, registry),
        Action::Pipeline { plan, with, .. } => act::enter(plan, with.as_ref()),
        Action::Set(value) => act::set(value),
        Action::Function { .. } => {
            let message = format!(
                "step `{}` is a function of a Rust pipeline, which a file cannot have",
                step.name
            );
            Err(Failure::new(crate::ErrorKind::InvalidDefinition, message))
        }
    }
}
