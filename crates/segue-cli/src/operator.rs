//! The operator: what the configuration of a project adds to what the program registers. The one place where names of
//! `segue.toml` become models and tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use segue::file::Named;
use segue::price::PriceBook;
use segue::{Models, Registry};
use segue_models::Providers;
use segue_tools::mcp::Server;

use crate::config::Found;
use crate::patterns;
use crate::problem::Problem;
use crate::project::Project;

mod mcp;
mod models;
pub(crate) mod tools;

/// What pipelines of a project can name.
pub(crate) struct Operator {
    /// Agents, tools and steps.
    pub(crate) registry: Registry,
    /// Models.
    pub(crate) models: Models,
    /// The same for verbs that connect to nothing: what a server has is not known.
    pub(crate) at_rest: Models,
    /// The providers behind them.
    pub(crate) providers: Providers,
    /// What models cost.
    pub(crate) prices: Arc<PriceBook>,
    /// MCP servers.
    pub(crate) servers: Vec<Arc<Server>>,
    /// Patterns by name.
    pub(crate) patterns: BTreeMap<String, Found>,
}

impl Operator {
    /// What a project offers, above what the program has of its own. Starts and connects to nothing.
    ///
    /// # Errors
    /// What is wrong with its configuration.
    pub(crate) fn of(project: &Project, registry: &Registry, models: &Models) -> Result<Self, Problem> {
        let mut registry = tools::register(project, registry.clone())?;
        let servers = mcp::servers(project)?;
        for server in &servers {
            mcp::means_something(server)?;
            registry = mcp::registered(server, registry);
        }
        let providers = models::providers(project)?;
        Ok(Self {
            registry,
            models: models.clone().source(providers.clone()),
            at_rest: models.clone().source(providers.at_rest()),
            prices: Arc::new(Self::book(project, &providers)?),
            providers,
            servers,
            patterns: project.config.named(patterns::KEY),
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

    /// The list's prices, the operator's over them, and none for what a model server here runs itself.
    fn book(project: &Project, providers: &Providers) -> Result<PriceBook, Problem> {
        let book = project.prices()?;
        Ok(providers.near().fold(book, PriceBook::with_local))
    }

    /// The names of models that pipeline files may use because the operator gave them.
    pub(crate) fn named(&self) -> Named {
        Named {
            providers: self.providers.names().map(str::to_owned).collect(),
            models: self.providers.given().map(|(name, _)| name.to_owned()).collect(),
        }
    }
}
