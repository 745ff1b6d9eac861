//! The operator: what the configuration of a project adds to what the program registers. The one place where names of
//! `segue.toml` become models and tools.

use segue::{Models, Registry};

use crate::problem::Problem;
use crate::project::Project;

pub(crate) mod tools;

/// What pipelines of a project can name.
pub(crate) struct Operator {
    /// Agents, tools and steps.
    pub(crate) registry: Registry,
    /// Models.
    pub(crate) models: Models,
}

impl Operator {
    /// What a project offers, above what the program has of its own. Starts and connects to nothing.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub(crate) fn of(project: &Project, registry: &Registry, models: &Models) -> Result<Self, Problem> {
        let (registry, models) = (registry.clone(), models.clone());
        let registry = tools::register(project, registry)?;
        Ok(Self { registry, models })
    }
}
