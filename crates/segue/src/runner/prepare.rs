//! Preparing: everything that can be known before a run starts is checked here, and then nothing has run.

use std::sync::Arc;

use super::new_log;
use crate::error::{Error, ErrorKind, Failure};
use crate::id::RunId;
use crate::log::Begun;
use crate::pipeline::Pipeline;
use crate::plan::Input;
use crate::run::{Environment, RunShared, RunStart, RunState, chosen, prepare_all};
use crate::settings::Call;
use crate::value::Value;

/// A run that can start.
pub(crate) struct Prepared {
    pub(crate) shared: Arc<RunShared>,
    pub(crate) state: RunState,
}

pub(crate) fn prepare<In, Out>(
    pipeline: &Pipeline<In, Out>,
    input: Value,
    env: Arc<Environment>,
    call: Arc<Call>,
) -> Result<Prepared, Error> {
    let inner = &pipeline.inner;
    let plan = &inner.program.plan;
    let refuse = |failure: Failure| Error::new(None, failure);
    let input = match &plan.input {
        Input::Value(_) => input,
        Input::Named(_) => crate::link::complete_inputs(plan, &input).map_err(refuse)?,
    };
    for (step, used) in &inner.uses {
        if !env.resources.has(used.id) {
            let message = format!("step `{step}` uses `{}`, and nobody provided one", used.name);
            return Err(refuse(
                Failure::new(ErrorKind::MissingPrerequisites, message).hint("give it with `provide`"),
            ));
        }
    }
    let mut overrides = Vec::new();
    for (name, settings) in &call.steps {
        let Some(step) = plan.step(name) else {
            let message = format!("pipeline `{}` has no step `{name}`", plan.name);
            return Err(refuse(Failure::new(ErrorKind::Usage, message)));
        };
        overrides.push((step, Arc::new(plan.resolve(step, Some(settings)))));
    }
    let agents = prepare_all(&env, &call.models, &inner.agents).map_err(refuse)?;
    let id = RunId::new(&*env.ids);
    let run = &plan.run;
    let start = RunStart {
        max_parallel: call.max_parallel.unwrap_or(run.max_parallel),
        timeout: call.timeout.unwrap_or(run.timeout),
        overrides: overrides.clone(),
        seed: id.bits(),
    };
    let shared = Arc::new(RunShared {
        id,
        env,
        log: new_log(id),
        program: inner.program.clone(),
        nested: Default::default(),
        budget: call.budget.unwrap_or(run.budget).map(Box::new),
        call,
        overrides,
        agents,
        journals: Default::default(),
        tool_calls: Default::default(),
        questions: Default::default(),
    });
    shared.log.begin(Begun {
        pinned: inner.program.pinned.clone(),
        input: input.clone(),
        call: shared.call.clone(),
        models: chosen(shared.agents.values()),
        engine: "local",
    });
    let state = RunState::new(inner.program.clone(), input, start);
    Ok(Prepared { shared, state })
}
