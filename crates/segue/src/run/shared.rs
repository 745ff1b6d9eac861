//! What the parts of one run share: its id and log, the process' models and prices, budgets, questions, artifacts.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use tokio::sync::watch;

use super::artifacts::{Saved, Shelf};
use super::callable::Callable;
use super::journal::Journals;
use super::program::Program;
use super::ready::{self, ReadyAgent};
use super::recorder::Recorder;
use crate::budget::{Budget, StandingBudget};
use crate::case::Watch;
use crate::clock::{self, Clock, Time};
use crate::error::Failure;
use crate::id::{Ids, RandomIds, RunId};
use crate::lazily::Lazily;
use crate::lock::lock;
use crate::log::Unit;
use crate::log::{Audience, Reuse, RunLog};
use crate::model::Models;
use crate::pipeline::DefinedAgent;
use crate::plan::PlannedAgent;
use crate::price::PriceBook;
use crate::redact::Redactor;
use crate::registry::Registry;
use crate::settings::{Call, Overrides, Resolved};
use crate::tool::Tool;
use crate::value::Value;

mod above;
mod budgets;
mod questions;
mod signals;
mod standing;

pub(crate) use above::Above;
pub(crate) use budgets::{Budgets, Held, Met, SharedBudget};
pub(crate) use questions::Questions;
pub(in crate::run) use signals::Told;
pub(crate) use signals::limits_of;
pub(crate) use standing::is_empty;

/// Values of the application, one of each type.
#[derive(Clone, Default)]
pub(crate) struct TypeMap(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl TypeMap {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.0.insert(TypeId::of::<T>(), value);
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.get(&TypeId::of::<T>())?.clone().downcast().ok()
    }

    pub(crate) fn has(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }
}

/// What the runs of a process share.
pub(crate) struct Environment {
    pub(crate) models: Models,
    pub(crate) prices: PriceBook,
    pub(crate) registry: Registry,
    pub(crate) resources: TypeMap,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) budgets: Budgets,
    /// The operator's budgets over many runs.
    pub(crate) standing: Vec<StandingBudget>,
    /// Most attempts at once of every run, whatever its plan or call says.
    pub(crate) max_parallel: Option<u32>,
    pub(crate) shelf: Shelf,
    /// Takes secrets out of what enters a run.
    pub(crate) redactor: Redactor,
    /// Whether the operator has stopped all new calls: set by what the store tells.
    pub(crate) halted: watch::Sender<bool>,
    /// Who hears answers while they are written.
    pub(crate) audience: Arc<Audience>,
    /// What a test makes go wrong.
    pub(crate) watch: Option<Arc<Watch>>,
    clock: Clock,
    /// Whether its own clock stands for the one on the wall.
    apart: bool,
}

impl Environment {
    pub(crate) fn new(models: Models, registry: Registry) -> Self {
        Self {
            models,
            prices: PriceBook::new(crate::clock::today()),
            registry,
            resources: TypeMap::default(),
            ids: Arc::new(RandomIds),
            budgets: Budgets::default(),
            standing: Vec::new(),
            max_parallel: None,
            shelf: Shelf::default(),
            redactor: Redactor::none(),
            halted: watch::Sender::new(false),
            audience: Arc::default(),
            watch: None,
            clock: Clock::start(clock::wall()),
            apart: false,
        }
    }

    /// Wall time now, for moments that other processes wait for and windows that they share. Follows virtual time, and
    /// the wall where it is ahead: the machine may have slept.
    pub(crate) fn now(&self) -> Time {
        self.clock.time().max(self.wall())
    }

    /// What the clock on the wall says, for when a run begins and goes on.
    pub(crate) fn wall(&self) -> Time {
        if self.apart {
            self.clock.time()
        } else {
            clock::wall()
        }
    }

    /// It is this time now, whatever the wall says.
    pub(crate) fn begin_at(&mut self, time: Time) {
        (self.clock, self.apart) = (Clock::start(time), true);
    }
}

/// What the parts of one run share.
pub(crate) struct RunShared {
    pub(crate) id: RunId,
    pub(crate) env: Arc<Environment>,
    pub(crate) log: Arc<RunLog>,
    /// What the run's own plan runs.
    pub(crate) program: Arc<Program>,
    /// What goes into it.
    pub(crate) input: Value,
    /// What the scopes that were opened below it run, in the order of their numbers from 1.
    pub(crate) nested: Lazily<Mutex<Vec<Arc<Program>>>>,
    /// The agents of the plan by their keys, found before the start.
    pub(crate) agents: Lazily<IndexMap<String, Arc<ReadyAgent>>>,
    /// The pipelines that agents may call as tools.
    pub(crate) callable: Callable,
    /// What the call said about it.
    pub(crate) call: Arc<Call>,
    /// The run's budget, where the call gave one instead of the plan's.
    pub(crate) budget: Option<Box<Budget>>,
    /// Settings of the call, by step of the run's own plan.
    pub(crate) overrides: Overrides,
    pub(crate) journals: Journals,
    /// Calls of each tool in this run.
    pub(crate) tool_calls: Lazily<Mutex<BTreeMap<String, u32>>>,
    pub(crate) questions: Lazily<Questions>,
    pub(crate) saved: Lazily<Saved>,
    /// Where the run outlives its process.
    pub(crate) recorder: Option<Arc<Recorder>>,
    /// When its first decision was made.
    pub(crate) started: std::sync::OnceLock<Time>,
    /// What it takes over from earlier runs.
    pub(crate) reuse: Option<Arc<Reuse>>,
}

impl RunShared {
    /// An agent that a step names: one of the plan, else a registered one.
    ///
    /// # Errors
    /// When there is none of that name, or it has no model or tool to be had.
    pub(crate) fn agent(&self, name: &str) -> Result<Arc<ReadyAgent>, Failure> {
        if let Some(agent) = self.agents.values().find(|agent| agent.spec.name == name) {
            return Ok(agent.clone());
        }
        self.prepare(&ready::asked(&self.env, None, name)?)
    }

    /// An agent of the plan by what it is found by.
    ///
    /// # Errors
    /// When it was not found before the start.
    pub(crate) fn agent_by_key(&self, key: &str) -> Result<Arc<ReadyAgent>, Failure> {
        if let Some(agent) = self.agents.get(key) {
            return Ok(agent.clone());
        }
        let (name, _) = key.split_once('@').unwrap_or((key, ""));
        self.agent(name)
    }

    /// An agent that code holds: the one of the plan if it is the same, else found now.
    ///
    /// # Errors
    /// When it has no model or tool to be had.
    pub(crate) fn agent_held(
        &self,
        spec: &Arc<PlannedAgent>,
        own: &[Arc<dyn Tool>],
    ) -> Result<Arc<ReadyAgent>, Failure> {
        if let Some(agent) = self.agents.values().find(|agent| agent.is(spec, own)) {
            return Ok(agent.clone());
        }
        self.prepare(&DefinedAgent::of_plan(None, spec.clone(), own.to_vec()))
    }

    fn prepare(&self, agent: &DefinedAgent) -> Result<Arc<ReadyAgent>, Failure> {
        Ok(Arc::new(ready::prepare(
            &self.env,
            &self.call.models,
            agent,
            None,
        )?))
    }

    /// Counts a call of a tool in this run; how many there are with it.
    pub(super) fn count_tool_call(&self, tool: &str) -> u32 {
        let mut calls = lock(&self.tool_calls);
        let count = calls.entry(tool.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }
}

impl RunShared {
    /// Whether a call of this run was ever reserved against a budget; only then there are accounts to forget.
    pub(crate) fn may_have_budgets(&self) -> bool {
        self.budget.is_some() || self.agents.made().is_some() || self.journals.were_used()
    }
}

impl RunShared {
    /// The settings of a step, with those of the call; none for the end of a scope.
    pub(super) fn settings(&self, unit: Unit) -> Option<Arc<Resolved>> {
        if unit.scope == 0
            && let Some(settings) = self.overrides.of(unit.step)
        {
            return Some(settings.clone());
        }
        let program = self.program(unit.scope)?;
        program.settings.get(unit.step as usize).cloned()
    }

    /// A scope below the run's own plan was opened.
    pub(crate) fn opened(&self, program: Arc<Program>) {
        lock(&self.nested).push(program);
    }

    /// What a scope runs.
    pub(super) fn program(&self, scope: u32) -> Option<Arc<Program>> {
        match scope.checked_sub(1) {
            None => Some(self.program.clone()),
            Some(nested) => lock(&self.nested).get(nested as usize).cloned(),
        }
    }
}
