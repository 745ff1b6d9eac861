//! What the parts of one run share: its id and log, the process' models and prices, budgets, questions, artifacts.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;

use super::artifacts::Shelf;
use super::journal::Journals;
use super::unit::Unit;
use crate::budget::Budget;
use crate::error::Failure;
use crate::id::{Ids, RandomIds, RunId};
use crate::log::{ChosenModel, RunLog};
use crate::model::{Chosen, Models};
use crate::plan::{ModelRef, Plan, PlannedAgent, ToolLimits};
use crate::price::PriceBook;
use crate::registry::Registry;
use crate::settings::Resolved;
use crate::tool::{Tool, ToolSpec};

mod budgets;
mod questions;

pub(crate) use budgets::Budgets;
pub(crate) use questions::Questions;

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
    pub(crate) shelf: Shelf,
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
            shelf: Shelf::default(),
        }
    }
}

/// An agent whose models and tools were found.
pub(crate) struct ReadyAgent {
    pub(crate) spec: Arc<PlannedAgent>,
    pub(crate) models: Vec<Chosen>,
    pub(crate) tools: Vec<ReadyTool>,
}

/// A tool an agent may call, with the limits that hold for this agent.
#[derive(Clone)]
pub(crate) struct ReadyTool {
    pub(crate) spec: ToolSpec,
    pub(crate) tool: Arc<dyn Tool>,
    pub(crate) limits: ToolLimits,
}

/// What the parts of one run share.
pub(crate) struct RunShared {
    pub(crate) id: RunId,
    pub(crate) env: Arc<Environment>,
    pub(crate) log: Arc<RunLog>,
    /// The agents of the plan by name, found before the start.
    pub(crate) agents: HashMap<String, Arc<ReadyAgent>>,
    /// Models of the call: by alias or agent, or (empty name) for all.
    pub(crate) models: Arc<IndexMap<String, ModelRef>>,
    /// The run's budget, where the call gave one instead of the plan's.
    pub(crate) budget: Option<Budget>,
    /// Settings of the call, by step of the run's own plan.
    pub(crate) overrides: Vec<(u32, Arc<Resolved>)>,
    /// Who or what started it.
    pub(crate) trigger: String,
    pub(crate) journals: Journals,
    pub(crate) questions: Questions,
}

impl RunShared {
    /// The agent of a plan or of the registry, with models and tools.
    ///
    /// # Errors
    /// When there is none of that name, or it has no model or tool to be had.
    pub(crate) fn agent(&self, name: &str) -> Result<Arc<ReadyAgent>, Failure> {
        if let Some(agent) = self.agents.get(name) {
            return Ok(agent.clone());
        }
        let found = self.env.registry.find_agent(name)?;
        self.prepare(&found.planned(), found.tools())
    }

    /// Finds the models and tools of an agent.
    ///
    /// # Errors
    /// When there is no model to be had, or a tool is unknown.
    pub(crate) fn prepare(
        &self,
        spec: &Arc<PlannedAgent>,
        own: &[Arc<dyn Tool>],
    ) -> Result<Arc<ReadyAgent>, Failure> {
        let agent = prepare(&self.env, &self.models, spec, own, None)?;
        Ok(Arc::new(agent))
    }
}

/// Finds the models and tools of an agent.
pub(crate) fn prepare(
    env: &Environment,
    over: &IndexMap<String, ModelRef>,
    spec: &Arc<PlannedAgent>,
    own: &[Arc<dyn Tool>],
    plan: Option<&Plan>,
) -> Result<ReadyAgent, Failure> {
    let asked = [Some(spec.name.as_str()), spec.alias.as_deref(), Some("")];
    let replaced = asked.into_iter().flatten().find_map(|name| over.get(name));
    let list = replaced.map_or(spec.models.as_slice(), std::slice::from_ref);
    let models = env.models.resolve(&spec.name, list)?;
    let tools = super::tool::bind(env, spec, own, plan)?;
    Ok(ReadyAgent {
        spec: spec.clone(),
        models,
        tools,
    })
}

/// What the models of agents came to mean, for the record.
pub(crate) fn chosen<'a>(agents: impl Iterator<Item = &'a Arc<ReadyAgent>>) -> IndexMap<String, ChosenModel> {
    agents
        .filter_map(|agent| {
            let first = agent.models.first()?;
            let name = agent
                .spec
                .alias
                .clone()
                .unwrap_or_else(|| agent.spec.name.clone());
            let asked = agent.spec.models.iter().map(|model| model.name.clone()).collect();
            let (chosen, source) = (first.chosen.clone(), first.source.to_owned());
            Some((
                name,
                ChosenModel {
                    asked,
                    chosen,
                    source,
                },
            ))
        })
        .collect()
}

/// A lock whose holder never panics half way through a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunShared {
    /// Whether a call of this run was ever reserved against a budget; only then there are accounts to forget.
    pub(crate) fn may_have_budgets(&self) -> bool {
        self.budget.is_some() || !self.agents.is_empty() || self.journals.were_used()
    }
}

/// The accounts a call of this unit is reserved against, from the narrowest outwards.
impl RunShared {
    pub(crate) fn accounts(&self, unit: Unit) -> Vec<(Unit, String, Budget)> {
        let mut accounts = Vec::new();
        let mut at = Some(unit);
        while let Some(unit) = at {
            let Some(scope) = self.log.scope(unit.scope) else {
                break;
            };
            if unit.step < Unit::SCOPE {
                let over = self
                    .overrides
                    .iter()
                    .find(|(step, _)| unit.scope == 0 && *step == unit.step);
                let settings = over
                    .map(|(_, over)| over)
                    .or_else(|| scope.program.settings.get(unit.step as usize));
                if let Some(budget) = settings.and_then(|settings| settings.budget) {
                    let whole = unit.of_step();
                    accounts.push((whole, format!("step:{}", scope.path(whole)), budget));
                }
            }
            let whole = Unit {
                scope: unit.scope,
                step: Unit::SCOPE,
                item: Unit::WHOLE,
            };
            let planned = if unit.scope == 0 {
                self.budget
            } else {
                scope.program.plan.run.budget
            };
            if let Some(budget) = planned {
                let name = match unit.scope {
                    0 => "run".to_owned(),
                    _ => format!("pipeline:{}", scope.prefix.trim_end_matches('/')),
                };
                accounts.push((whole, name, budget));
            }
            at = scope.parent;
        }
        accounts
    }
}
