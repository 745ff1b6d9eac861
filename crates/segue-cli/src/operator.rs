//! The operator: what the configuration of a project adds to what the program registers. The one place where names of
//! `segue.toml` become models and tools.

use std::sync::Arc;

use segue::{Models, Registry};
use segue_tools::mcp::Server;

use crate::problem::Problem;
use crate::project::Project;

mod mcp;

/// What pipelines of a project can name.
pub(crate) struct Operator {
    /// Agents, tools and steps.
    pub(crate) registry: Registry,
    /// Models.
    pub(crate) models: Models,
    /// MCP servers.
    pub(crate) servers: Vec<Arc<Server>>,
}

impl Operator {
    /// What a project offers, above what the program has of its own. Starts and connects to nothing.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub(crate) fn of(project: &Project, registry: &Registry, models: &Models) -> Result<Self, Problem> {
        let (mut registry, models) = (registry.clone(), models.clone());
        let servers = mcp::servers(project)?;
        for server in &servers {
            mcp::means_something(server)?;
            registry = mcp::registered(server, registry);
        }
        Ok(Self {
            registry,
            models,
            servers,
        })
    }

    /// The MCP servers of a project, whether what is said of their tools means any or not: it may again once they are
    /// pinned.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub(crate) fn servers(project: &Project) -> Result<Vec<Arc<Server>>, Problem> {
        mcp::servers(project)
    }
}
