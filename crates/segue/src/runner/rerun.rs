//! Re-runs: a new run that takes over what is still good of earlier ones, and makes the rest again — from a step on, one
//! step alone, what failed, what is stale — with something changed, if wished. The runs it comes from never change.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::desk::Desk;
use super::handle::RunHandle;
use super::launch;
use super::prepare::Origin;
use super::read;
use super::results::Results;
use super::resume::program_of;
use super::start::CallBudget;
use super::workspace::{self, LastRun, Workspace};
use crate::error::{Error, ErrorKind, Failure};
use crate::id::{ArtifactId, RunId};
use crate::log::Begun;
use crate::money::Cost;
use crate::pipeline::{Inner, Pipeline};
use crate::plan::{Action, ModelRef, ModelSettings, Plan, PlanHash};
use crate::run::load;
use crate::settings::Call;
use crate::store::{Parent, Relation};
use crate::value::Value;
use crate::view::RunStatus;

pub(crate) mod choice;

use choice::{Chosen, Wish, choose};

/// A re-run about to start; await it for the handle of the new run.
pub struct Rerun {
    desk: Option<Arc<Desk>>,
    source: Source,
    wish: Wish,
    note: Option<String>,
    inputs: Map<String, Json>,
    input: Option<Json>,
    models: Vec<(String, String)>,
    outputs: BTreeMap<String, Json>,
    prompts: BTreeMap<String, String>,
    budget: Option<CallBudget>,
    definition: Option<Arc<Inner>>,
    trigger: Option<String>,
    labels: Vec<(String, String)>,
}

/// Where the results come from.
enum Source {
    Run(RunId),
    Workspace(Workspace),
}

/// What a re-run would do, with nothing done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RerunPreview {
    /// Steps whose results are taken over, in declaration order.
    pub reuses: Vec<String>,
    /// Steps that run, in declaration order.
    pub runs: Vec<String>,
    /// What the steps that run cost when they ran last; none where that is not known of all of them.
    pub cost: Option<Cost>,
    /// Steps that run and of which nobody knows what they cost.
    pub unknown: Vec<String>,
    /// Whether the definition is another one than the source's.
    pub definition_changed: bool,
}

/// A re-run with everything that is known before it starts.
struct Ready {
    desk: Arc<Desk>,
    inner: Arc<Inner>,
    input: Value,
    call: Arc<Call>,
    chosen: Chosen,
    /// Steps whose results a person has written.
    edited: Vec<String>,
    preview: RerunPreview,
    parent: Option<Parent>,
}

impl Rerun {
    pub(super) fn of_run(desk: Option<Arc<Desk>>, run: RunId) -> Self {
        Self::new(desk, Source::Run(run))
    }

    pub(super) fn of_workspace(workspace: Workspace) -> Self {
        Self::new(Some(workspace.desk().clone()), Source::Workspace(workspace))
    }

    fn new(desk: Option<Arc<Desk>>, source: Source) -> Self {
        Self {
            desk,
            source,
            wish: Wish::All,
            note: None,
            inputs: Map::new(),
            input: None,
            models: Vec::new(),
            outputs: BTreeMap::new(),
            prompts: BTreeMap::new(),
            budget: None,
            definition: None,
            trigger: None,
            labels: Vec::new(),
        }
    }

    /// Runs this step and all that follows. A path names an item of a map or a step of a nested pipeline.
    #[must_use]
    pub fn from(mut self, step: impl Into<String>) -> Self {
        self.wish = Wish::From(step.into());
        self
    }

    /// Runs this step alone; what follows becomes stale. A path names an item of a map or a step of a nested pipeline.
    #[must_use]
    pub fn only(mut self, step: impl Into<String>) -> Self {
        self.wish = Wish::Only(step.into());
        self
    }

    /// Runs the failed steps and the failed items of maps, and what they blocked.
    #[must_use]
    pub fn failed(mut self) -> Self {
        self.wish = Wish::Failed;
        self
    }

    /// Runs what was made from something that has changed since. A step is taken over after all when what it is made
    /// from turns out to be the same.
    #[must_use]
    pub fn stale(mut self) -> Self {
        self.wish = Wish::Stale;
        self
    }

    /// Additional instructions for the agents of the steps that run, with the present result beside them.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.note = Some(text.into());
        self
    }

    /// Another value for one of the named inputs.
    #[must_use]
    pub fn input(mut self, name: impl Into<String>, value: impl Into<Json>) -> Self {
        self.inputs.insert(name.into(), value.into());
        self
    }

    /// Another input as a whole.
    #[must_use]
    pub fn whole_input(mut self, value: impl Into<Json>) -> Self {
        self.input = Some(value.into());
        self
    }

    /// The model all agents use.
    #[must_use]
    pub fn model(self, name: impl Into<String>) -> Self {
        self.model_of("", name)
    }

    /// The model an agent or a named model means.
    #[must_use]
    pub fn model_of(mut self, agent: impl Into<String>, name: impl Into<String>) -> Self {
        self.models.push((agent.into(), name.into()));
        self
    }

    /// Another output of a step, as if it had made it. Without anything else said, what follows from it runs.
    #[must_use]
    pub fn set_output(mut self, step: impl Into<String>, output: impl Into<Json>) -> Self {
        self.outputs.insert(step.into(), output.into());
        self
    }

    /// Another prompt of an agent step of a pipeline file.
    #[must_use]
    pub fn set_prompt(mut self, step: impl Into<String>, prompt: impl Into<String>) -> Self {
        self.prompts.insert(step.into(), prompt.into());
        self
    }

    /// The total of the new run; `None` switches it off. Else that of the source.
    #[must_use]
    pub fn budget(mut self, budget: impl Into<CallBudget>) -> Self {
        self.budget = Some(budget.into());
        self
    }

    /// Runs this definition instead of the one the source is pinned to. Results are found by the names of steps.
    #[must_use]
    pub fn definition<In, Out>(mut self, pipeline: &Pipeline<In, Out>) -> Self {
        self.definition = Some(pipeline.inner.clone());
        self
    }

    /// Who or what starts it: `cli http ui mcp schedule library chat`.
    #[must_use]
    pub fn trigger(mut self, kind: impl Into<String>) -> Self {
        self.trigger = Some(kind.into());
        self
    }

    /// A label for filters, besides those of the source.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// What it would do. Nothing is started and nothing is paid.
    ///
    /// # Errors
    /// As starting it.
    pub async fn preview(self) -> Result<RerunPreview, Error> {
        Ok(self.prepared().await?.preview)
    }

    async fn prepared(self) -> Result<Ready, Error> {
        if self.note.as_deref().is_some_and(|note| note.trim().is_empty()) {
            return Err(refused(Failure::new(ErrorKind::Usage, "the note is empty")));
        }
        let desk = self
            .desk
            .clone()
            .ok_or_else(|| refused(launch::needs_a_store("a re-run")))?;
        let Found {
            inner,
            hash: old,
            mut input,
            mut call,
            results,
            parent,
        } = self.found(&desk).await?;
        let inner = self.definition.clone().unwrap_or(inner);
        let redactor = &desk.env.redactor;
        let prompts = self.prompts.iter();
        let prompts = prompts
            .map(|(step, prompt)| (step.clone(), redactor.text(prompt).into_owned()))
            .collect();
        let inner = with_prompts(&inner, &prompts, &desk)?;
        let plan = inner.program.plan.clone();
        if self.input.is_some() || !self.inputs.is_empty() {
            input = changed(&input, self.input, self.inputs)?;
        }
        call.request_key = None;
        call.note.clone_from(&self.note);
        call.trigger = self.trigger;
        call.schedule = None;
        call.ceiling = None;
        call.labels.extend(self.labels);
        if let Some(CallBudget(budget)) = self.budget {
            call.budget = Some(budget);
        }
        for (alias, name) in self.models {
            let settings = ModelSettings::default();
            call.models.insert(
                alias,
                ModelRef {
                    name,
                    settings,
                    file: None,
                },
            );
        }
        let mut edited = BTreeMap::new();
        for (step, mut output) in self.outputs {
            desk.env.redactor.json(&mut output);
            choice::find(&plan, &step, &step).map_err(refused)?;
            workspace::check_output(&plan, &step, &output)?;
            edited.insert(
                step.clone(),
                workspace::edited(&desk, &plan, &results, &step, output).await?,
            );
        }
        let mut chosen =
            choose(&plan, &results, &self.wish, &edited, self.note.as_deref()).map_err(refused)?;
        own_copies(&mut chosen, &desk);
        if chosen.runs.is_empty() && edited.is_empty() {
            return Err(refused(nothing_to_do(&self.wish)));
        }
        let preview = preview(&chosen, &results, old != *inner.program.pinned.hash());
        let parent = parent.map(|parent| Parent {
            from: match &self.wish {
                Wish::From(step) | Wish::Only(step) => Some(step.clone()),
                _ => None,
            },
            ..parent
        });
        Ok(Ready {
            desk,
            inner,
            input,
            call: Arc::new(call),
            chosen,
            edited: edited.into_keys().collect(),
            preview,
            parent,
        })
    }

    /// What there is to start from.
    async fn found(&self, desk: &Arc<Desk>) -> Result<Found, Error> {
        match &self.source {
            Source::Run(run) => found_run(desk, *run, self.definition.as_ref()).await,
            Source::Workspace(workspace) => {
                let documents = workspace.documents().await?;
                if let Wish::From(step) | Wish::Only(step) = &self.wish {
                    workspace.check_was_run(&documents, step)?;
                }
                let last = workspace.last_run(&documents).await?.ok_or_else(|| {
                    let message = format!(
                        "`{}` has no results yet, so there is nothing to run again",
                        workspace.key()
                    );
                    refused(Failure::new(ErrorKind::Usage, message).hint("`segue run --all` makes them"))
                })?;
                let LastRun { run, input, call } = last;
                let results = Results::of_workspace(&**desk.store(), &documents).await?;
                Ok(Found {
                    hash: workspace.inner().program.pinned.hash().clone(),
                    inner: workspace.inner().clone(),
                    input,
                    call: Call {
                        key: Some(workspace.key().to_owned()),
                        ..call
                    },
                    results,
                    parent: Some(Parent {
                        run,
                        relation: Relation::Rerun,
                        from: None,
                    }),
                })
            }
        }
    }
}

impl IntoFuture for Rerun {
    type Output = Result<RunHandle<Json>, Error>;
    type IntoFuture = BoxFuture<'static, Result<RunHandle<Json>, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let Ready {
                desk,
                edited,
                inner,
                input,
                call,
                chosen,
                parent,
                ..
            } = self.prepared().await?;
            let origin = Origin {
                parent,
                claims: if call.key.is_some() {
                    chosen.runs.clone()
                } else {
                    Vec::new()
                },
                reuse: Some(Arc::new(chosen.reuse)),
                edited,
                ..Origin::default()
            };
            launch::launch(&inner, input, &desk.env.clone(), call, Some(desk), origin).await
        }
        .boxed()
    }
}

/// What a re-run starts from.
struct Found {
    inner: Arc<Inner>,
    /// The hash of the plan there was.
    hash: PlanHash,
    input: Value,
    call: Call,
    results: Results,
    parent: Option<Parent>,
}

fn preview(chosen: &Chosen, results: &Results, definition_changed: bool) -> RerunPreview {
    let mut cost = Cost::default();
    let mut unknown = Vec::new();
    for step in &chosen.runs {
        match results.cost.get(step) {
            Some(known) => cost += *known,
            // One that has a result and cost nothing costs nothing.
            None if results.kept.contains_key(step) => {}
            None => unknown.push(step.clone()),
        }
    }
    RerunPreview {
        reuses: chosen.reuses.clone(),
        runs: chosen.runs.clone(),
        cost: unknown.is_empty().then_some(cost),
        unknown,
        definition_changed,
    }
}

async fn found_run(desk: &Arc<Desk>, run: RunId, definition: Option<&Arc<Inner>>) -> Result<Found, Error> {
    let stored = read::read(&**desk.store(), run).await?;
    let stored = stored.ok_or_else(|| read::no_such_run(run))?;
    let status = stored.head.standing.status;
    if !status.is_terminal() && status != RunStatus::Waiting {
        let message = format!("run {run} is {status}; only a run that is over or waits can be run again");
        let failure = Failure::new(ErrorKind::Conflict, message).hint(format!(
            "wait for it (`segue resume {run}`), or cancel it (`segue cancel {run}`)"
        ));
        return Err(Error::new(Some(run), failure));
    }
    // With another definition the one it began with need not run here any more.
    let inner = match definition {
        Some(definition) => definition.clone(),
        None => program_of(desk, &stored).map_err(|failure| Error::new(Some(run), failure))?,
    };
    let hash = stored.pinned.hash().clone();
    let Some(Begun { input, call, .. }) = stored.begun() else {
        let failure = Failure::new(
            ErrorKind::Store,
            format!("the log of run {run} does not begin with it"),
        );
        return Err(Error::new(Some(run), failure));
    };
    let (input, call) = (input.clone(), Call::clone(call));
    let input = load(desk.store().blobs(), &input).await.map_err(refused)?;
    let (results, _) = Results::of_run(stored);
    let parent = Parent {
        run,
        relation: Relation::Rerun,
        from: None,
    };
    Ok(Found {
        inner,
        hash,
        input,
        call,
        results,
        parent: Some(parent),
    })
}

/// A run that takes over an output kept beside the log refers to it under an id of its own, so that it stays when the
/// run that made it is removed.
fn own_copies(chosen: &mut Chosen, desk: &Desk) {
    let kept = chosen.reuse.kept.values_mut().map(|kept| &mut kept.output);
    for output in kept.chain(chosen.reuse.present.values_mut()) {
        if let Some(at) = output.stored_at() {
            let mut at = at.clone();
            at.artifact = ArtifactId::new(&*desk.env.ids);
            *output = Value::stored(at);
        }
    }
}

/// The input with some of it changed.
fn changed(input: &Value, whole: Option<Json>, parts: Map<String, Json>) -> Result<Value, Error> {
    let mut json = match whole {
        Some(json) => json,
        None => input
            .to_json()
            .map_err(|error| refused(Failure::new(ErrorKind::InvalidInput, error.to_string())))?
            .as_ref()
            .clone(),
    };
    if parts.is_empty() {
        return Ok(Value::json(json));
    }
    match &mut json {
        Json::Object(fields) => fields.extend(parts),
        _ => {
            let message = "the input is one value, and has no named parts";
            return Err(refused(Failure::new(ErrorKind::Usage, message)));
        }
    }
    Ok(Value::json(json))
}

/// The definition with other prompts.
fn with_prompts(
    inner: &Arc<Inner>,
    prompts: &BTreeMap<String, String>,
    desk: &Desk,
) -> Result<Arc<Inner>, Error> {
    if prompts.is_empty() {
        return Ok(inner.clone());
    }
    let mut plan = Plan::clone(&inner.program.plan);
    for (name, prompt) in prompts {
        let step = plan.step(name).map(|step| &mut plan.steps[step as usize].action);
        let Some(Action::Agent(asked)) = step else {
            let message = format!(
                "step {} is no agent step, so it has no prompt",
                crate::fault::quote(name)
            );
            return Err(refused(Failure::new(ErrorKind::Usage, message)));
        };
        asked.prompt = Some(prompt.clone());
    }
    let linked = Pipeline::from_plan(&Arc::new(plan), &desk.env.registry)?;
    Ok(linked.inner)
}

fn nothing_to_do(wish: &Wish) -> Failure {
    let message = match wish {
        Wish::Failed => "no step has failed",
        Wish::Stale => "nothing is stale",
        Wish::Rest => "every step has a result",
        _ => "there is nothing to run",
    };
    Failure::new(ErrorKind::Conflict, message)
}

fn refused(failure: Failure) -> Error {
    Error::new(None, failure)
}
