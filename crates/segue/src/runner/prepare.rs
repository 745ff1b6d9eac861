//! Preparing: everything that can be known before a run starts is checked here, and then nothing has run.

use std::borrow::Cow;
use std::sync::Arc;

use indexmap::IndexMap;

use super::desk::Presence;
use crate::artifact::Artifact;
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Failure};
use crate::id::RunId;
use crate::lazily::Lazily;
use crate::log::{Begun, ChosenModel, More, ROOT, Reuse, RunLog, What};
use crate::pipeline::{DefinedAgent, Inner};
use crate::plan::{Action, Arm, Input, Step, hash_of};
use crate::run::{
    Callable, Environment, PipelineTool, Recorder, Relied, RunShared, RunStart, RunState, available, chosen,
    is_empty, prepare_all, relied,
};
use crate::settings::{Call, Overrides};
use crate::store::{Document, Entry, Head, KeptArtifact, NewRun, Parent, Request, Standing, StoredPlan};
use crate::value::Value;
use crate::view::RunStatus;

/// A run that can start.
pub(crate) struct Prepared {
    pub(crate) shared: Arc<RunShared>,
    pub(crate) state: RunState,
}

/// What a run comes from, when that is another run.
#[derive(Default)]
pub(crate) struct Origin {
    pub(crate) parent: Option<Parent>,
    /// What it takes over.
    pub(crate) reuse: Option<Arc<Reuse>>,
    /// Steps of its workspace that it runs.
    pub(crate) claims: Vec<String>,
    /// Current results of its workspace that have to be these.
    pub(crate) expects: Vec<(String, Option<String>)>,
    /// Steps whose results a person has written: they become current in the workspace.
    pub(crate) edited: Vec<String>,
    /// Whether it waits for its turn to begin.
    pub(crate) waits: bool,
    /// What makes it the same request as another, besides the pipeline and the call; else its input does.
    pub(crate) asked: Option<serde_json::Value>,
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
    /// What it takes over from earlier runs.
    pub(crate) reuse: Option<Arc<Reuse>>,
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
    origin: Origin,
) -> Result<Prepared, Error> {
    let Origin {
        parent,
        reuse,
        claims,
        expects,
        edited,
        waits,
        asked,
    } = origin;
    let plan = &inner.program.plan;
    let input = match &plan.input {
        Input::Value(_) => input,
        Input::Named(_) => {
            let runs = reuse.as_ref().and_then(|reuse| reuse.runs(plan));
            crate::link::complete_inputs(plan, &input, runs.as_deref())
                .map_err(|failure| Error::new(None, failure))?
        }
    };
    let input = env.redactor.value(input);
    let call = match env.redactor.call(&call) {
        Cow::Borrowed(_) => call,
        Cow::Owned(clean) => Arc::new(clean),
    };
    let id = RunId::new(&*env.ids);
    let call = match env.max_parallel {
        None => call,
        ceiling => Arc::new(Call {
            ceiling,
            ..Call::clone(&call)
        }),
    };
    let clock = Clock::start(env.wall());
    let parts = Parts {
        id,
        inner,
        input: input.clone(),
        call: call.clone(),
        models: None,
        log: Arc::new(match presence {
            None => RunLog::new(id, clock),
            Some(_) => RunLog::kept(id, clock, Vec::new(), Vec::new()),
        }),
        recorder: None,
        reuse: reuse.clone(),
    };
    let (mut shared, start) = shared(env, parts)?;
    let models = shared.agents.made().map(|agents| chosen(agents.values()));
    let models = models.unwrap_or_default();
    if let Some(presence) = presence {
        let mut new = new_run(presence, &shared, &models, parent.clone());
        (new.claims, new.expects) = (claims, expects);
        new.documents = written(&shared, &edited);
        new.artifacts = shared_outputs(&shared);
        if waits {
            new.owner = None;
            new.head.standing.status = RunStatus::Queued;
            new.head.standing.started = None;
        }
        if let (Some(request), Some(asked)) = (&mut new.request, asked) {
            request.body = body_of(&plan.name, &Value::json(asked), &shared.call);
        }
        let recorder = Recorder::new(&presence.desk().books, Box::new(new));
        shared.recorder = Some(Arc::new(recorder));
    }
    let shared = Arc::new(shared);
    let relied = match presence {
        Some(_) => relied(env, plan, &shared.agents),
        None => Relied::new(),
    };
    let owner = presence.filter(|_| !waits);
    let more = More {
        engine: None,
        models,
        parent,
        relied,
        owner: owner.map(|presence| presence.owner().to_string()),
    };
    shared.log.begin(Begun {
        pinned: inner.program.pinned.clone(),
        input: input.clone(),
        call,
        begins: !waits,
        more: more.boxed(),
    });
    if !waits {
        shared.started.get_or_init(|| shared.log.clock().began());
    }
    if let Some(reuse) = reuse {
        shared.log.append(&mut vec![(ROOT, What::Reuse(reuse))]);
    }
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
        reuse,
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
    let mut overrides = Overrides::default();
    for (name, settings) in &call.steps {
        let Some(step) = plan.step(name) else {
            let message = format!("pipeline `{}` has no step `{name}`", plan.name);
            return Err(refuse(Failure::new(ErrorKind::Usage, message)));
        };
        overrides.push(step, plan.resolve(step, Some(settings)));
    }
    let agents = needed(inner, reuse.as_deref());
    let agents = prepare_all(env, &call.models, &agents, models).map_err(refuse)?;
    // What registered agents and tools may call is known from the beginning as well.
    let registered = env.registry.pipelines();
    let registered: Vec<PipelineTool> = registered.collect();
    let callable = agents.values().flat_map(|agent| agent.pipelines());
    let callable = Callable::new(callable.chain(&registered));
    let agents = if agents.is_empty() {
        Lazily::default()
    } else {
        agents.into()
    };
    available(env, plan, reuse.as_deref().and_then(|reuse| reuse.runs(plan))).map_err(refuse)?;
    let run = &plan.run;
    let start = RunStart {
        max_parallel: call
            .max_parallel
            .unwrap_or(run.max_parallel)
            .min(call.ceiling.unwrap_or(u32::MAX)),
        timeout: call.timeout.unwrap_or(run.timeout),
        overrides: overrides.clone(),
        seed: id.bits(),
        reuse: reuse.clone(),
        callable: callable.clone(),
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
        callable,
        journals: Default::default(),
        tool_calls: Default::default(),
        questions: Default::default(),
        saved: Default::default(),
        started: Default::default(),
        recorder,
        reuse,
    };
    Ok((shared, start))
}

/// The agents of what runs: where only some steps do, nobody else's model is asked for.
fn needed<'i>(inner: &'i Inner, reuse: Option<&Reuse>) -> Cow<'i, [DefinedAgent]> {
    match reuse.and_then(|reuse| reuse.runs(&inner.program.plan)) {
        Some(steps) => asked_by(inner, &steps),
        None => Cow::Borrowed(inner.agents.as_slice()),
    }
}

/// The agents that these steps of a pipeline may ask.
pub(crate) fn asked_by<'i>(inner: &'i Inner, steps: &[&Step]) -> Cow<'i, [DefinedAgent]> {
    let all = Cow::Borrowed(inner.agents.as_slice());
    let mut names = Vec::new();
    for step in steps {
        match &step.action {
            // Which agents these ask is not known from outside.
            Action::Function { .. } | Action::Pipeline { .. } => return all,
            Action::Route { arms, .. } => {
                for arm in arms.values() {
                    match arm {
                        Arm::Inline(step) if matches!(step.action, Action::Pipeline { .. }) => return all,
                        Arm::Inline(step) => names.extend(step.action.agent()),
                        Arm::Nothing | Arm::Steps(_) => {}
                    }
                }
            }
            _ => {}
        }
        names.extend(step.action.agent());
    }
    let mut some = inner.agents.clone();
    some.retain(|agent| names.contains(&agent.spec.name.as_str()));
    Cow::Owned(some)
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
                status: RunStatus::Running,
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
        outcomes: Vec::new(),
        artifacts: Vec::new(),
    }
}

/// The results that a person has written, as they become current in the workspace of the run.
fn written(shared: &RunShared, edited: &[String]) -> Vec<Document> {
    let kept = shared.reuse.iter().flat_map(|reuse| &reuse.kept);
    let written = kept.filter(|(step, _)| shared.call.key.is_some() && edited.contains(step));
    written
        .map(|(step, kept)| Document {
            step: step.clone(),
            run: Some(shared.id),
            status: kept.status,
            empty: is_empty(&kept.output),
            hash: kept.hash.clone(),
            built_on: kept.built_on.clone(),
            version: 0,
            updated: shared.log.clock().began(),
            cost: crate::money::Cost::default(),
            running: None,
        })
        .collect()
}

/// The outputs kept beside the log that the run takes over.
fn shared_outputs(shared: &RunShared) -> Vec<KeptArtifact> {
    let Some(reuse) = &shared.reuse else {
        return Vec::new();
    };
    let kept = reuse.kept.iter().map(|(path, kept)| (path, &kept.output));
    let values = kept.chain(&reuse.present);
    let artifact = |(path, value): (&String, &Value)| {
        Some(KeptArtifact {
            artifact: Artifact::output(value.stored_at()?, path),
            run: shared.id,
            pipeline: shared.pipeline().to_owned(),
            at: shared.log.clock().began(),
            is_output: true,
        })
    };
    values.filter_map(artifact).collect()
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
        ceiling: None,
        ..call.clone()
    };
    hash_of(&serde_json::json!([pipeline, inputs, said]))
}
