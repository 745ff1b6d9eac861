//! The stage of a case: its store, its processes, and who answers in them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value as Json;
use tokio::time::Instant;

use super::mortal::Mortal;
use super::stand_in::{Stand, unknown};
use super::watch::{Watch, Watched};
use super::{Answers, Bench, Case, Suite};
use crate::clock::{self, Time};
use crate::error::Failure;
use crate::file::{LoadOptions, Loaded, Rejected};
use crate::id::{CountingIds, Ids, RunId};
use crate::model::cassette::{Cassette, Player, Recording};
use crate::model::{Model, Models, Sampled, Scripted};
use crate::pipeline::Pipeline;
use crate::plan::{Action, Plan, RouteBy};
use crate::registry::Registry;
use crate::runner::{RunHandle, Runner};
use crate::store::{MemoryStore, Store};
use crate::tool::Tool;

/// When it is for a case: 2026-01-01, midnight.
const BEGINS: Time = Time::from_micros(1_767_225_600_000_000);

/// How names of models that a test file gives a meaning are asked for.
const MEANT: &str = "test/";

pub(super) struct Stage<'a> {
    suite: &'a Suite,
    bench: &'a Bench,
    pub(super) watch: Arc<Watch>,
    /// What outlives a process.
    store: Arc<dyn Store>,
    ids: Arc<dyn Ids>,
    began: Instant,
    models: Models,
    registry: Registry,
    script: Option<Scripted>,
    pub(super) pipeline: Pipeline<Json, Json>,
    pub(super) runner: Runner,
    pub(super) process: Arc<Mortal>,
}

impl<'a> Stage<'a> {
    /// # Errors
    /// What keeps the case from being run.
    pub(super) fn new(
        suite: &'a Suite,
        case: &Case,
        plan: &Arc<Plan>,
        bench: &'a Bench,
        recording: Option<&Recording>,
    ) -> Result<Self, Failure> {
        if let Some(recording) = recording {
            recording.begin();
        }
        let watch = Arc::new(Watch::new(&case.faults));
        let cassette = suite.cassette(bench)?.filter(|_| recording.is_none());
        let registry = registry(suite, bench, &watch, cassette.as_ref(), recording);
        let script = match &suite.answers {
            Answers::Script(rules) => Some(Scripted::of_case(rules.clone())),
            _ => None,
        };
        let models = models(suite, bench, &watch, (script.as_ref(), cassette), recording);
        let pipeline = Pipeline::from_plan(plan, &registry).map_err(|error| error.failure().clone())?;
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let ids: Arc<dyn Ids> = Arc::new(CountingIds::after(suite.seed));
        let began = clock::now();
        let (runner, process) = process(bench, &watch, &store, &ids, began, &models, &registry)?;
        Ok(Self {
            suite,
            bench,
            watch,
            store,
            ids,
            began,
            models,
            registry,
            script,
            pipeline,
            runner,
            process,
        })
    }

    /// The models that the file gives another meaning, by name, and what they are asked for as.
    pub(super) fn meant(&self) -> impl Iterator<Item = (&str, String)> {
        let meant = match &self.suite.answers {
            Answers::Models(meant) => Some(meant),
            _ => None,
        };
        let names = meant.into_iter().flat_map(|meant| meant.keys());
        names.map(|name| (name.as_str(), format!("{MEANT}{name}")))
    }

    /// The rules of the script that answered, by their position.
    pub(super) fn rules(&self) -> BTreeSet<usize> {
        let answered = self.script.as_ref().map(Scripted::answered_by);
        answered.unwrap_or_default()
    }

    /// Where large outputs are.
    pub(super) fn blobs(&self) -> &dyn crate::store::Blobs {
        self.store.blobs()
    }

    /// A process in the place of the lost one, which everybody knows to be dead.
    async fn next_process(&mut self) -> Result<(), Failure> {
        for seen in self.store.owners().await.map_err(Failure::from)? {
            let buried = self.store.bury(seen.owner.id, seen.beats);
            buried.await.map_err(Failure::from)?;
        }
        (self.runner, self.process) = process(
            self.bench,
            &self.watch,
            &self.store,
            &self.ids,
            self.began,
            &self.models,
            &self.registry,
        )?;
        Ok(())
    }

    /// Another process takes up what the lost one has left. Gives the run it was at.
    ///
    /// # Errors
    /// When it cannot.
    pub(super) async fn take_up(&mut self, run: Option<RunId>) -> Result<RunHandle<Json>, Failure> {
        let failed = |error: crate::error::Error| error.failure().clone();
        let recovered = loop {
            self.next_process().await?;
            let (runner, process) = (self.runner.clone(), self.process.clone());
            tokio::select! {
                recovered = runner.recover() => break recovered.map_err(failed)?,
                // It is lost too.
                () = process.died() => {}
            }
        };
        if let Some((_, why)) = recovered.left.into_iter().next() {
            return Err(why);
        }
        let taken = recovered.taken.into_iter();
        match (run, taken.last()) {
            (Some(run), _) => self.runner.attach(run).await.map_err(failed),
            (None, Some(taken)) => Ok(taken),
            (None, None) => Err(Failure::new(
                crate::error::ErrorKind::Internal,
                "the process was lost before there was a run",
            )),
        }
    }
}

impl Suite {
    /// The cassette that is played.
    ///
    /// # Errors
    /// When it has faults.
    pub(super) fn cassette(&self, bench: &Bench) -> Result<Option<Cassette>, Failure> {
        let Answers::Cassette(Some(text)) = &self.answers else {
            return Ok(None);
        };
        let name = self.cassette.as_ref().map(|path| path.display().to_string());
        Cassette::read(text, &name.unwrap_or_default(), bench.redact.clone())
            .map(Some)
            .map_err(|faults| Failure::new(crate::error::ErrorKind::InvalidDefinition, faults.to_string()))
    }

    /// Whether every model a case can ask is simulated or in this process, so that it runs in virtual time.
    #[must_use]
    pub fn is_simulated(&self, plan: &Arc<Plan>) -> bool {
        let Answers::Models(meant) = &self.answers else {
            return true;
        };
        let simulated = |name: &str| name.starts_with("sim/") || name.starts_with("local/");
        let mut named: Vec<String> = meant.values().flatten().map(|model| model.name.clone()).collect();
        for plan in plan.and_below() {
            for agent in plan.agents.values() {
                let names = [Some(agent.name.as_str()), agent.alias.as_deref()];
                if !names.into_iter().flatten().any(|name| meant.contains_key(name)) {
                    named.extend(agent.models.iter().map(|model| model.name.clone()));
                }
            }
            for step in &plan.steps {
                if let Action::Agent(asked)
                | Action::Route {
                    by: RouteBy::Agent(asked),
                    ..
                } = &step.action
                {
                    // Of an agent of the program nothing is known here.
                    let is_known = plan.agents.contains_key(&asked.agent);
                    let own = asked.over.models.iter().flatten().map(|model| model.name.clone());
                    named.extend(own.chain((!is_known).then(|| asked.agent.clone())));
                }
            }
        }
        named.iter().all(|name| simulated(name))
    }

    /// Loads the pipeline it is about. Tools that the file says something about are known, whoever offers them.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn plan(&self, bench: &Bench) -> Result<Loaded, Rejected> {
        let cassette = self.cassette(bench).ok().flatten();
        let known = registry(self, bench, &Arc::new(Watch::new(&[])), cassette.as_ref(), None);
        let options = LoadOptions {
            prices: Some(Arc::new(bench.prices.clone())),
            named: bench.named.clone(),
            recording: matches!(self.answers, Answers::Cassette(None)),
            ..LoadOptions::default()
        };
        crate::file::load(&self.pipeline, &known, options)
    }
}

/// A runner that is a process of its own, as far as the store can tell.
fn process(
    bench: &Bench,
    watch: &Arc<Watch>,
    store: &Arc<dyn Store>,
    ids: &Arc<dyn Ids>,
    began: Instant,
    models: &Models,
    registry: &Registry,
) -> Result<(Runner, Arc<Mortal>), Failure> {
    let process = Arc::new(Mortal::new(store.clone(), watch.clone()));
    watch.begin(&process);
    let mut builder = Runner::builder()
        .registry(registry.clone())
        .models(models.clone())
        .prices(bench.prices.clone())
        .alone()
        .store_in(process.clone());
    let passed = i64::try_from(clock::now().saturating_duration_since(began).as_micros());
    let now = BEGINS.micros().saturating_add(passed.unwrap_or(i64::MAX));
    builder.env.begin_at(Time::from_micros(now));
    builder.env.watch = Some(watch.clone());
    builder.env.ids = ids.clone();
    let runner = builder.build().map_err(|error| error.failure().clone())?;
    Ok((runner, process))
}

/// Tools become stand-ins; agents and steps are the program's own.
fn registry(
    suite: &Suite,
    bench: &Bench,
    watch: &Arc<Watch>,
    cassette: Option<&Cassette>,
    recording: Option<&Recording>,
) -> Registry {
    let mut registry = bench.registry.clone();
    let real: Vec<Arc<dyn Tool>> = registry.shared_tools().cloned().collect();
    // A tool without a stand-in keeps its name, and one with a stand-in the limits it has.
    let limits = |name: &str| {
        bench
            .registry
            .tool_of(name)
            .map(|tool| tool.limits())
            .unwrap_or_default()
    };
    for tool in real {
        let within = tool.limits();
        let stand = match recording {
            Some(recording) => Stand::before(Arc::new(recording.tool(tool)), watch.clone()),
            None => Stand::nothing(tool.spec(), watch.clone()),
        };
        registry.put_tool(Arc::new(stand.within(within)));
    }
    for played in cassette.into_iter().flat_map(Cassette::tools) {
        let within = limits(&played.spec().name);
        let stand = Stand::before(Arc::new(played), watch.clone());
        registry.put_tool(Arc::new(stand.within(within)));
    }
    for (name, gives) in &suite.tools {
        let known = bench.registry.tool_of(name).map(|tool| tool.spec());
        let spec = known.unwrap_or_else(|| unknown(name));
        let stand = Stand::of(spec, gives, watch.clone()).within(limits(name));
        registry.put_tool(Arc::new(stand));
    }
    registry
}

fn models(
    suite: &Suite,
    bench: &Bench,
    watch: &Arc<Watch>,
    (script, cassette): (Option<&Scripted>, Option<Cassette>),
    recording: Option<&Recording>,
) -> Models {
    let models = match &suite.answers {
        Answers::Schema => Models::offline().instead(|_| Some(Arc::new(Sampled))),
        Answers::Script(_) => {
            let script: Arc<dyn Model> = Arc::new(script.cloned().unwrap_or_default());
            Models::offline().instead(move |_| Some(script.clone()))
        }
        Answers::Models(meant) => meant.iter().fold(bench.models.clone(), |models, (name, list)| {
            models.meaning(format!("{MEANT}{name}"), list.clone())
        }),
        Answers::Cassette(_) => match (cassette, recording) {
            (Some(cassette), _) => Models::offline().instead(move |entry| {
                // An entry that was not to be had when it was recorded is not to be had now.
                let player = || Arc::new(Player::of(cassette.clone(), &entry.name)) as Arc<dyn Model>;
                cassette.asked(&entry.name).then(player)
            }),
            (None, Some(recording)) => {
                let recording = recording.clone();
                bench
                    .models
                    .clone()
                    .live()
                    .before(move |entry, model| Arc::new(recording.model(&entry.name, model)))
            }
            (None, None) => Models::offline().instead(|_| None),
        },
    };
    let watch = watch.clone();
    models.before(move |_, model| Arc::new(Watched::new(model, watch.clone())))
}
