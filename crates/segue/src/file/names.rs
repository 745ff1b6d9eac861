//! The names a file declares besides its steps: inputs, models, policies, agents and their defaults.

use std::collections::HashSet;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::fault::Span;
use crate::plan::{Complete, Context, ModelRef, PlannedAgent, ToolLimits};
use crate::schema::Schema;
use crate::settings::{RetryLayer, Settings};

/// What a file declares.
#[derive(Default)]
pub(super) struct Names {
    pub inputs: IndexMap<String, Schema>,
    pub models: IndexMap<String, Vec<ModelRef>>,
    pub policies: IndexMap<String, RetryLayer>,
    pub tools: IndexMap<String, ToolLimits>,
    pub agents: IndexMap<String, Declared>,
    /// Agents whose section has faults: known by name, with nothing more to say about them.
    pub faulty_agents: HashSet<String>,
    /// Agents that something uses.
    pub used_agents: HashSet<String>,
    pub defaults: Defaults,
    /// Patterns; none where its section has faults.
    pub patterns: IndexMap<String, Option<super::patterns::Declared>>,
}

/// An agent of the file.
pub(super) struct Declared {
    pub planned: Arc<PlannedAgent>,
    pub asking: Asking,
    /// Its key in the file.
    pub at: Span,
}

/// The lowest level of settings.
#[derive(Default)]
pub(super) struct Defaults {
    pub settings: Settings,
    pub asking: Asking,
    /// Models, and their name where they have one.
    pub model: Option<(Option<String>, Vec<ModelRef>)>,
}

/// What one level says about how an agent is asked.
#[derive(Default, Clone)]
pub(super) struct Asking {
    pub context: Option<Context>,
    pub complete: Option<Complete>,
}

impl Asking {
    /// What holds after these levels, the highest first.
    pub(super) fn resolve(levels: &[&Asking]) -> (Context, Complete) {
        let context = levels.iter().find_map(|level| level.context);
        let complete = levels.iter().find_map(|level| level.complete.clone());
        (context.unwrap_or_default(), complete.unwrap_or_default())
    }
}
