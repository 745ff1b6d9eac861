//! A plan as runs are pinned to it: with its hash and its text at rest, each made when it is first asked for.
//!
//! Both cost as much as a short run, and all runs of a pipeline share them.

use std::sync::{Arc, OnceLock};

use super::{Plan, PlanHash};

/// A plan with its hash and its text.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) plan: Arc<Plan>,
    hash: OnceLock<PlanHash>,
    text: OnceLock<Arc<str>>,
}

impl Pinned {
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            hash: OnceLock::new(),
            text: OnceLock::new(),
        }
    }

    /// The content hash of the plan.
    pub(crate) fn hash(&self) -> &PlanHash {
        self.hash.get_or_init(|| self.plan.hash())
    }

    /// The plan as it is stored.
    pub(crate) fn text(&self) -> &Arc<str> {
        self.text.get_or_init(|| {
            let text = serde_json::to_string(&*self.plan).expect("a plan has text keys only");
            text.into()
        })
    }
}
