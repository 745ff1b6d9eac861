//! Callable pipelines: those that agents of a run may call as tools. They are known before the run starts, so that a
//! replay finds the same.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::program::{Parts, Program};
use crate::pipeline::{Inner, NestedAct};
use crate::plan::Plan;
use crate::settings::{Backoff, Settings};

/// The programs of pipelines by the hashes of their plans; of most runs there are none.
#[derive(Clone, Default)]
pub(crate) struct Callable(Option<Arc<IndexMap<String, Arc<Program>>>>);

impl fmt::Debug for Callable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .0
            .iter()
            .flat_map(|programs| programs.values())
            .map(|program| &program.plan.name);
        f.debug_list().entries(names).finish()
    }
}

impl Callable {
    pub(crate) fn new<'a>(pipelines: impl Iterator<Item = &'a PipelineTool>) -> Self {
        let programs = pipelines.map(|pipeline| (pipeline.hash().to_owned(), pipeline.0.program.clone()));
        let programs: IndexMap<_, _> = programs.collect();
        Self((!programs.is_empty()).then(|| Arc::new(programs)))
    }

    pub(super) fn get(&self, hash: &str) -> Option<Arc<Program>> {
        self.0.as_ref()?.get(hash).cloned()
    }
}

/// The pipeline behind a tool: a call of it runs in the run that calls it.
#[derive(Clone)]
pub struct PipelineTool(pub(crate) Arc<Inner>);

impl PipelineTool {
    /// What it is found by.
    pub(crate) fn hash(&self) -> &str {
        self.0.program.pinned.hash().as_str()
    }

    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.0.program.plan
    }
}

impl Program {
    /// One call of this pipeline, as a step of this name. Its tries follow each other at once, as those of any tool.
    pub(super) fn as_call(self: &Arc<Self>, name: String, timeout: Option<Duration>, retries: u32) -> Self {
        let settings = Settings::new()
            .timeout(timeout)
            .retries(retries)
            .backoff(Backoff::None);
        let plan = Plan::calling(name, self.plan.clone(), settings);
        let parts = Parts {
            acts: vec![Arc::new(NestedAct)],
            finish: None,
            children: vec![vec![(String::new(), self.clone())]],
            fallback: None,
            reads_facts: false,
            borrows: false,
        };
        let mut program = Program::new(Arc::new(plan), parts);
        program.is_call = true;
        program
    }
}
