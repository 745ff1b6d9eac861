//! Results: what there is to take over, of one run or of a workspace whose steps were run one by one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;

use super::read::{self, Stored};
use crate::error::Error;
use crate::id::RunId;
use crate::log::{KeptResult, RunLog};
use crate::money::Cost;
use crate::plan::{NeedKind, Plan};
use crate::run::{Done, End, OpResult, is_empty};
use crate::store::{Document, Store};
use crate::value::Value;
use crate::view::{Built, RunView, StepStatus, StepView};

/// What there is to take over.
#[derive(Default)]
pub(crate) struct Results {
    /// By path: steps, items of maps, nested steps.
    pub(crate) kept: BTreeMap<String, KeptResult>,
    /// Steps of the run's own plan that failed, items of maps that failed in spite of which the map went on.
    pub(crate) failed: BTreeSet<String>,
    /// What steps of the run's own plan cost when they ran last.
    pub(crate) cost: IndexMap<String, Cost>,
}

impl Results {
    /// Of one run.
    pub(crate) fn of_run(stored: Stored) -> (Self, Arc<RunLog>) {
        let elements = elements(&stored);
        let run = stored.head.id;
        let log = stored.into_log();
        let view = log.view();
        let results = Self::of_view(run, &view, &elements);
        (results, log)
    }

    fn of_view(run: RunId, view: &RunView, elements: &HashMap<String, Vec<Value>>) -> Self {
        let mut results = Self::default();
        for step in view.all_steps() {
            let is_own = !step.path.contains(['/', '[']);
            if step.status == StepStatus::Failed {
                results.failed.insert(step.path.clone());
            }
            if is_own && !step.cost.is_zero() {
                results.cost.insert(step.path.clone(), step.cost);
            }
            let on = match (is_own, step.reused_from.is_some()) {
                (true, false) => built_on(view, &step.path),
                _ => step.built_on.clone(),
            };
            if let Some(mut kept) = kept(run, step, on) {
                kept.item =
                    item_of(&step.path).and_then(|(map, at)| elements.get(map)?.get(at)?.content_hash());
                results.kept.insert(step.path.clone(), kept);
            }
        }
        results
    }

    /// Of a workspace: each step's from the run that made it last.
    ///
    /// # Errors
    /// When a run cannot be read.
    pub(crate) async fn of_workspace(store: &dyn Store, documents: &[Document]) -> Result<Self, Error> {
        let mut by_run: BTreeMap<RunId, Vec<&Document>> = BTreeMap::new();
        for document in documents {
            if let Some(run) = document.run {
                by_run.entry(run).or_default().push(document);
            }
        }
        let mut results = Self::default();
        for (run, documents) in by_run {
            let stored = read::read(store, run).await?;
            let made = Self::of_run(stored.ok_or_else(|| read::no_such_run(run))?).0;
            for document in documents {
                results.take(document, &made);
            }
        }
        Ok(results)
    }

    /// Takes what a run made of one step.
    fn take(&mut self, document: &Document, made: &Results) {
        let step = &document.step;
        if !document.cost.is_zero() {
            self.cost.insert(step.clone(), document.cost);
        }
        if document.status == StepStatus::Failed {
            self.failed.insert(step.clone());
        }
        for (path, kept) in &made.kept {
            let is_below = path
                .strip_prefix(step.as_str())
                .is_some_and(|rest| rest.starts_with(['/', '[']));
            if path == step {
                let kept = KeptResult {
                    built_on: document.built_on.clone(),
                    ..kept.clone()
                };
                self.kept.insert(path.clone(), kept);
            } else if is_below {
                self.kept.insert(path.clone(), kept.clone());
            }
        }
        let below = made
            .failed
            .iter()
            .filter(|path| path.starts_with(&format!("{step}[")));
        self.failed.extend(below.cloned());
    }

    /// The result of a step, when it has one that others can be built on: nobody builds on nothing.
    pub(crate) fn usable(&self, step: &str) -> Option<&KeptResult> {
        self.kept.get(step).filter(|kept| is_something(kept))
    }

    /// The hashes of the results there are of what a step reads.
    pub(crate) fn present_hashes(&self, plan: &Plan, step: &str) -> IndexMap<String, Option<String>> {
        let Some(at) = plan.step(step) else {
            return IndexMap::new();
        };
        let reads = plan.steps[at as usize]
            .needs
            .iter()
            .filter(|need| need.kind != NeedKind::Settled);
        let names = reads.map(|need| &plan.steps[need.step as usize].name);
        names
            .filter_map(|name| Some((name.clone(), self.kept.get(name)?.hash.clone())))
            .collect()
    }

    /// Steps whose results were made from something that has changed since.
    pub(crate) fn stale(&self, plan: &Plan) -> IndexMap<String, Vec<String>> {
        let own = plan.steps.iter().filter_map(|step| {
            let kept = self.kept.get(&step.name)?;
            let built = Built {
                hash: kept.hash.clone(),
                on: kept.built_on.clone(),
            };
            Some((step.name.clone(), built))
        });
        crate::view::stale(plan, &own.collect())
    }
}

/// Whether a result is one. A step that was left out on purpose counts.
fn is_something(kept: &KeptResult) -> bool {
    kept.status == StepStatus::Skipped || !is_empty(&kept.output)
}

fn kept(run: RunId, step: &StepView, built_on: IndexMap<String, Option<String>>) -> Option<KeptResult> {
    let status = match step.status {
        StepStatus::Succeeded => StepStatus::Succeeded,
        StepStatus::Skipped
            if step
                .skipped
                .as_ref()
                .is_some_and(|skipped| skipped.reason.is_settled()) =>
        {
            StepStatus::Skipped
        }
        _ => return None,
    };
    let output = match &step.output_ref {
        Some(at) => Value::stored(at.clone()),
        None => step.output.clone().unwrap_or_else(Value::null),
    };
    let from = step.reused_from.as_deref().and_then(|from| from.parse().ok());
    Some(KeptResult {
        from: Some(from.unwrap_or(run)),
        status,
        output,
        hash: step.output_hash.get(),
        built_on,
        arm: step.route.as_ref().map(|route| route.arm.clone()),
        skipped: step.skipped.clone(),
        edited: step.edited,
        item: None,
        if_unchanged: false,
    })
}

/// What a step of a run was built on: within one run nothing changes after it was read.
fn built_on(view: &RunView, step: &str) -> IndexMap<String, Option<String>> {
    let Some(plan) = view.plan() else {
        return IndexMap::new();
    };
    let Some(at) = plan.step(step) else {
        return IndexMap::new();
    };
    let needs = plan.steps[at as usize]
        .needs
        .iter()
        .filter(|need| need.kind != NeedKind::Settled);
    needs
        .map(|need| {
            let name = &plan.steps[need.step as usize].name;
            let hash = view.step(name).and_then(|needed| needed.output_hash.get());
            (name.clone(), hash)
        })
        .collect()
}

/// What the items of each map of a run were made from, by the path of the map.
fn elements(stored: &Stored) -> HashMap<String, Vec<Value>> {
    let results = stored.entries.iter().flat_map(|entry| &entry.results);
    let mut elements = HashMap::new();
    for result in results {
        let OpResult::Attempt {
            unit,
            end: End::Did(Done::Expand(list)),
            ..
        } = result
        else {
            continue;
        };
        if let (Some(scope), Ok(items)) = (stored.scopes.get(unit.scope as usize), list.to_items()) {
            elements.insert(scope.path(*unit), items);
        }
    }
    elements
}

/// The map and the place of an item's path.
fn item_of(path: &str) -> Option<(&str, usize)> {
    let (map, at) = path.strip_suffix(']')?.rsplit_once('[')?;
    Some((map, at.parse().ok()?))
}
