//! Reuse: what a run takes over from earlier ones instead of making it again — in a re-run, and where single steps of a
//! workspace are run. Planned before the run starts, stored with it, and read by its decision.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use super::event::Reused;
use crate::id::RunId;
use crate::plan::{Plan, Step};
use crate::value::Value;
use crate::view::{SkipReason, StepStatus};

/// What a run takes over, and what becomes of the rest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reuse {
    /// Results by path: steps, items of maps, nested steps.
    pub(crate) kept: BTreeMap<String, KeptResult>,
    /// Steps of the run's own plan that are left out: nobody asked for them, and there is no result.
    pub(crate) left_out: Vec<String>,
    /// Where only part of the pipeline runs: the steps whose output is the run's.
    pub(crate) gives: Vec<String>,
    /// Additional instructions for agents of what runs.
    pub(crate) note: Option<String>,
    /// The results there are of what runs again, by path; shown to its agents together with the note.
    pub(crate) present: BTreeMap<String, Value>,
}

impl Reuse {
    /// Whether nothing is said: the run makes everything.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Where only part of the pipeline runs: the steps that do, or may have to.
    pub(crate) fn runs<'p>(&self, plan: &'p Plan) -> Option<Vec<&'p Step>> {
        if self.gives.is_empty() {
            return None;
        }
        let runs = |step: &&Step| {
            let kept = self.kept.get(&step.name);
            !self.left_out.contains(&step.name) && kept.is_none_or(|kept| kept.if_unchanged)
        };
        Some(plan.steps.iter().filter(runs).collect())
    }

    /// What the agents of a unit are told besides, with the result there is.
    pub(crate) fn note_for(&self, path: &str) -> Option<(&str, Option<&Value>)> {
        Some((self.note.as_deref()?, self.present.get(path)))
    }
}

/// A result that is taken over.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KeptResult {
    /// The run it is of; none for one that was written by a person for this run.
    pub(crate) from: Option<RunId>,
    /// `succeeded` or `skipped`.
    pub(crate) status: StepStatus,
    pub(crate) output: Value,
    pub(crate) hash: Option<String>,
    pub(crate) built_on: IndexMap<String, Option<String>>,
    /// The arm a route took.
    pub(crate) arm: Option<String>,
    /// Why it was skipped.
    pub(crate) skipped: Option<SkipReason>,
    /// A person has edited it.
    pub(crate) edited: bool,
    /// Content hash of the element an item was made from: another element is not this one.
    pub(crate) item: Option<String>,
    /// It is taken over only if what it was built on turns out to be the same after all.
    pub(crate) if_unchanged: bool,
}

impl KeptResult {
    /// What is written down of it.
    pub(crate) fn event(&self) -> Reused {
        Reused {
            from_run: self.from,
            status: self.status,
            output: self.output.clone(),
            output_ref: None,
            output_hash: self.hash.clone(),
            edited: self.edited,
            built_on: self.built_on.clone(),
            arm: self.arm.clone(),
            skipped: self.skipped.clone(),
        }
    }
}
