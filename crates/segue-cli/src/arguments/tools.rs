//! Arguments of `tools`.

use clap::{Args, Subcommand};

/// Arguments of `tools`.
#[derive(Debug, Args)]
pub(crate) struct ToolsArgs {
    #[command(subcommand)]
    pub(crate) what: Tools,
}

/// What to do with tools.
#[derive(Debug, Subcommand)]
pub(crate) enum Tools {
    /// List those that pipelines here can name
    Ls,
    /// Show one, with what it takes
    Show {
        /// Its name, or a glob such as `search.*`
        #[arg(value_name = "TOOL")]
        tool: String,
    },
    /// Ask MCP servers for their tools, show what is different from what was accepted, and accept it
    Pin(PinTools),
}

/// Arguments of `tools pin`.
#[derive(Debug, Args)]
pub(crate) struct PinTools {
    /// Which servers, as `segue.toml` names them; left out, all
    #[arg(value_name = "SERVER")]
    pub(crate) servers: Vec<String>,
    /// Accept what has changed without being asked
    #[arg(long)]
    pub(crate) yes: bool,
}
