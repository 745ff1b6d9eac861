//! Preparing: everything that can be known before a run starts is checked here, and then nothing has run.

use std::sync::Arc;

use indexmap::IndexMap;

use super::desk::Presence;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Failure};
use crate::id::RunId;
use crate::log::{Begun, ChosenModel, RunLog};
use crate::pipeline::Inner;
use crate::plan::{Input, hash_of};
use crate::run::{Environment, Recorder, RunShared, RunStart, RunState, chosen, prepare_all};
use crate::settings::Call;
use crate::store::{Entry, Head, NewRun, Parent, Request, Standing, StoredPlan};
use crate::value::Value;

/// A run that can start.
pub(crate) struct Prepared {
    pub(crate) shared: Arc<RunShared>,
    pub(crate) state: RunState,
}

/// What a run is made of.
pub(crate) struct Parts<'a> {
    pub(crate) id: RunId,
    pub(crate) inner: &'a Inner,
    pub(crate) input: Value,
    pub(crate) call: Arc<Call>,
    /// Models that were chosen before, when the run began in another process.
    pub(crate) models: Option<&'a IndexMap<String, ChosenModel>>,
    pub(crate) log: Arc<RunLog>,
    pub(crate) recorder: Option<Arc<Recorder>>,
}

/// A new run, in memory or of a desk.
///
/// # Errors
/// Whatever does not fit: inputs, resources, settings, models, tools.
pub(crate) fn prepare(
    inner: &Arc<Inner>,
    input: Value,
    env: &Arc<Environment>,
    call: Arc<Call>,
    presence: Option<&Presence>,
    parent: Option<Parent>,
) -> Result<Prepared, Error> {
    let plan = &inner.program.plan;
    let input = match &plan.input {
        Input::Value(_) => input,
        Input::Named(_) => {
            crate::link::complete_inputs(plan, &input).map_err(|failure| Error::new(None, failure))?
        }
    };
    let id = RunId::new(&*env.ids);
    let parts = Parts {
        id,
        inner,
        input: input.clone(),
        call: call.clone(),
        models: None,
        log: Arc::new(match presence {
            None => RunLog::new(id, Clock::start()),
            Some(_) => RunLog::kept(id, Clock::start(), Vec::new(), Vec::new()),
        }),
        recorder: None,
    };
    let (mut shared, start) = shared(env, parts)?;
    let models = chosen(shared.agents.values());
    if let Some(presence) = presence {
        let new = new_run(presence, &shared, &models, parent.clone());
        let recorder = Recorder::new(&presence.desk().books, Box::new(new));
        shared.recorder = Some(Arc::new(recorder));
    }
    let shared = Arc::new(shared);
    shared.log.begin(Begun {
        pinned: inner.program.pinned.clone(),
        input: input.clone(),
        call,
        models,
        engine: "local".into(),
        parent,
        owner: presence.map(|presence| presence.owner().to_string()),
        begins: true,
    });
    let state = RunState::new(inner.program.clone(), input, start);
    Ok(Prepared { shared, state })
}

/// What the parts of a run share, and how its state starts.
///
/// # Errors
/// When resources, settings, models or tools are not to be had.
pub(crate) fn shared(env: &Arc<Environment>, parts: Parts<'_>) -> Result<(RunShared, RunStart), Error> {
    let Parts {
        id,
        inner,
        input,
        call,
        models,
        log,
        recorder,
    } = parts;
    let plan = &inner.program.plan;
    let refuse = |failure: Failure| Error::new(None, failure);
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
    let agents = prepare_all(env, &call.models, &inner.agents, models).map_err(refuse)?;
    let run = &plan.run;
    let start = RunStart {
        max_parallel: call.max_parallel.unwrap_or(run.max_parallel),
        timeout: call.timeout.unwrap_or(run.timeout),
        overrides: overrides.clone(),
        seed: id.bits(),
    };
    let shared = RunShared {
        id,
        env: env.clone(),
        log,
        program: inner.program.clone(),
        input,
        nested: Default::default(),
        budget: call.budget.unwrap_or(run.budget).map(Box::new),
        call,
        overrides,
        agents,
        journals: Default::default(),
        tool_calls: Default::default(),
        questions: Default::default(),
        saved: Default::default(),
        recorder,
    };
    Ok((shared, start))
}

/// A run as a store is told of it.
fn new_run(
    presence: &Presence,
    shared: &RunShared,
    models: &IndexMap<String, ChosenModel>,
    parent: Option<Parent>,
) -> NewRun {
    let (plan, call) = (&shared.program.plan, &shared.call);
    let mut labels = plan.labels.clone();
    labels.extend(call.labels.clone());
    let queued = shared.log.clock().began();
    let pinned = &shared.program.pinned;
    NewRun {
        head: Head {
            id: shared.id,
            pipeline: plan.name.clone(),
            plan_hash: pinned.hash().to_string(),
            definition: call.definition.clone(),
            key: call.key.clone(),
            labels,
            note: call.note.clone(),
            trigger: call.trigger().to_owned(),
            parent,
            engine: "local".into(),
            models: models.clone(),
            queued,
            standing: Standing {
                text: shared.text(None),
                started: Some(queued),
                status: crate::view::RunStatus::Running,
                ..Standing::queued()
            },
            owner: None,
            fence: 0,
            last_seq: 0,
        },
        plan: StoredPlan {
            hash: pinned.hash().to_string(),
            text: pinned.text().clone(),
        },
        request: call.request_key.clone().map(|key| Request {
            key,
            body: body_of(&plan.name, &shared.input, call),
        }),
        owner: Some(presence.owner()),
        entry: Entry {
            number: 1,
            after: 0,
            events: 0,
            at: queued,
            body: Vec::new(),
        },
        claims: Vec::new(),
        expects: Vec::new(),
        documents: Vec::new(),
        questions: Vec::new(),
    }
}

/// What makes two requests the same one: the pipeline by name, its inputs, and everything the call says but its key. Not
/// the definition: whoever asks again means the run there is.
fn body_of(pipeline: &str, input: &Value, call: &Call) -> String {
    let inputs = input
        .to_json()
        .map(|json| json.as_ref().clone())
        .unwrap_or_default();
    let said = Call {
        request_key: None,
        ..call.clone()
    };
    hash_of(&serde_json::json!([pipeline, inputs, said]))
}
