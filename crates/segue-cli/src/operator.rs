//! The operator: what the configuration of a project adds to what the program registers. The one place where names of
//! `segue.toml` become models and tools.

use std::collections::BTreeMap;

use segue::{Models, Registry};

use crate::config::Found;
use crate::patterns;
use crate::problem::Problem;
use crate::project::Project;

/// What pipelines of a project can name.
pub(crate) struct Operator {
    /// Agents, tools and steps.
    pub(crate) registry: Registry,
    /// Models.
    pub(crate) models: Models,
    /// Patterns by name.
    pub(crate) patterns: BTreeMap<String, Found>,
}

impl Operator {
    /// What a project offers, above what the program has of its own. Starts and connects to nothing.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub(crate) fn of(project: &Project, registry: &Registry, models: &Models) -> Result<Self, Problem> {
        let (registry, models) = (registry.clone(), models.clone());
        Ok(Self {
            registry,
            models,
            patterns: project.config.named(patterns::KEY),
        })
    }
}
