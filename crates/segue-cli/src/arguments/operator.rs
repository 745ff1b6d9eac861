//! Arguments of the verbs that look after a project: its workspaces, its budgets, its store.

use clap::{Args, Subcommand};

use super::{FollowArgs, MarkArgs, TermsArgs};

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The key of the workspace; left out, everything that runs, waits or was worked in last
    #[arg(value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) of: OfPipeline,
}

/// The pipeline a key belongs to.
#[derive(Debug, Default, Args)]
pub(crate) struct OfPipeline {
    /// The pipeline, where several have the key or none has it yet: its name or its file
    #[arg(long, value_name = "PIPELINE")]
    pub(crate) pipeline: Option<String>,
}

/// Arguments of `documents`.
#[derive(Debug, Args)]
pub(crate) struct DocumentsArgs {
    #[command(subcommand)]
    pub(crate) what: Documents,
}

/// What to do with the results of a workspace.
#[derive(Debug, Subcommand)]
pub(crate) enum Documents {
    /// List the current results
    Ls(ListDocuments),
    /// Print one, as it is
    Cat(ReadDocument),
    /// Write one by hand
    Put(WriteDocument),
}

/// Arguments of `documents ls`.
#[derive(Debug, Args)]
pub(crate) struct ListDocuments {
    /// The key of the workspace
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) of: OfPipeline,
}

/// Arguments of `documents cat`.
#[derive(Debug, Args)]
pub(crate) struct ReadDocument {
    /// The key of the workspace and the step
    #[arg(value_name = "KEY/STEP")]
    pub(crate) document: String,
    #[command(flatten)]
    pub(crate) of: OfPipeline,
}

/// Arguments of `documents put`.
#[derive(Debug, Args)]
pub(crate) struct WriteDocument {
    /// The key of the workspace and the step
    #[arg(value_name = "KEY/STEP")]
    pub(crate) document: String,
    /// The result: a value, @FILE, or @- for stdin; `@@` begins a literal `@`
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) value: String,
    /// The hash of the result that it replaces, or the first 12 digits of it; left out, there must be none yet
    #[arg(long, value_name = "HASH")]
    pub(crate) expected_hash: Option<String>,
    #[command(flatten)]
    pub(crate) of: OfPipeline,
}

/// Arguments of `agents`.
#[derive(Debug, Args)]
pub(crate) struct AgentsArgs {
    #[command(subcommand)]
    pub(crate) what: Agents,
}

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub(crate) enum Agents {
    /// List those that are registered, and those of the pipeline files here
    Ls,
    /// Show what one is told, and what it may use
    Show(ShowAgent),
    /// Put several to work on one prompt
    Run(Box<RunAgents>),
}

/// Arguments of `agents run`.
#[derive(Debug, Args)]
pub(crate) struct RunAgents {
    #[command(flatten)]
    pub(crate) of: OfPattern,
    /// What they are asked: a text, @FILE, or @- for stdin
    #[arg(long, short = 'p', value_name = "TEXT")]
    pub(crate) prompt: String,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
    #[command(flatten)]
    pub(crate) marks: MarkArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
}

/// Who works, and how one follows the other.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct OfPattern {
    /// sequential, parallel, conditional or a strategy of the program
    #[arg(value_name = "STRATEGY")]
    pub(crate) strategy: String,
    /// The agents in their order, as `segue agents ls` names them: NAME, or FILE#NAME where several are called so
    #[arg(value_name = "AGENT", required = true)]
    pub(crate) agents: Vec<String>,
    /// The most agents at work at once; 5 where nothing is said
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    pub(crate) concurrency: Option<u32>,
    /// A pattern of segue.toml that runs with the same prompt where this fails
    #[arg(long, value_name = "PATTERN")]
    pub(crate) fallback: Option<String>,
}

/// Arguments of `agents show`.
#[derive(Debug, Args)]
pub(crate) struct ShowAgent {
    /// Its name
    #[arg(value_name = "AGENT")]
    pub(crate) name: String,
}

/// Arguments of `budgets`.
#[derive(Debug, Args)]
pub(crate) struct BudgetsArgs {
    #[command(subcommand)]
    pub(crate) what: Budgets,
}

/// What to do with budgets.
#[derive(Debug, Subcommand)]
pub(crate) enum Budgets {
    /// Show what is spent, reserved and left: of runs that are not over, and of what runs share
    Ls,
    /// Set the budget of a run; one that waits for it goes on
    Set(SetBudget),
}

/// Arguments of `budgets set`.
#[derive(Debug, Args)]
pub(crate) struct SetBudget {
    /// Which: the id of a run, the first characters of it, or `last`
    #[arg(value_name = "RUN|NAME")]
    pub(crate) name: String,
    /// The new limits: 1.00, usd=1,tokens=20000,requests=30, or none
    #[arg(value_name = "BUDGET")]
    pub(crate) budget: String,
}

/// Arguments of `models`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(crate) what: ModelsOf,
}

/// What to say of models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsOf {
    /// List providers with their keys, what each `auto/*` means here, and models with their prices
    Ls(ListModels),
    /// Print the price of a model, and where it is from
    Prices(PriceOf),
}

/// Arguments of `models ls`.
#[derive(Debug, Args)]
pub(crate) struct ListModels {
    /// Ask each provider which models it has
    #[arg(long)]
    pub(crate) probe: bool,
}

/// Arguments of `models prices`.
#[derive(Debug, Args)]
pub(crate) struct PriceOf {
    /// The model: provider/model, or a name for one
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,
}

/// Arguments of `halt`.
#[derive(Debug, Args)]
pub(crate) struct HaltArgs {
    /// Let calls go on
    #[arg(long)]
    pub(crate) off: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Read the bytes of all artifacts, not only of the newest runs
    #[arg(long)]
    pub(crate) deep: bool,
    /// Take owners that are proven dead for dead, and sweep bytes that nothing refers to
    #[arg(long)]
    pub(crate) fix: bool,
    /// Show what the project's segue.toml can start and where it sends keys, and accept it as it is
    #[arg(long)]
    pub(crate) trust: bool,
    /// Accept it without being asked
    #[arg(long, requires = "trust")]
    pub(crate) yes: bool,
}
