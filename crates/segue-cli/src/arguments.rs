//! Arguments: every verb and flag of this release, as clap reads, completes and documents them.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

mod operator;
pub(crate) mod runs;
pub(crate) mod test;
mod tools;

use runs::{ArtifactsArgs, RunsArgs};
use test::TestArgs;

pub(crate) use operator::{
    Agents, AgentsArgs, Budgets, BudgetsArgs, DoctorArgs, Documents, DocumentsArgs, HaltArgs, ListModels,
    ModelsArgs, ModelsOf, OfPattern, PriceOf, RunAgents, SetBudget, StatusArgs, WriteDocument,
};

pub(crate) use tools::{PinTools, Tools, ToolsArgs};

/// Multi-agent pipelines: check them, plan them, draw them, run them.
///
/// Results go to stdout, everything else to stderr.
#[derive(Debug, Parser)]
#[command(name = "segue", disable_version_flag = true, max_term_width = 120, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 the run failed, 2 nothing was run, 3 the run waits for a person, 4 a budget refused a call,
5 a test failed or nothing recorded answers a call, 124 the run's deadline passed, 130 cancelled.

Begin with `segue demo`, or with `segue init research`.";

/// What every verb takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Write exactly one JSON object to stdout, also on failure
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// No progress on stderr
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        help_heading = "Everywhere"
    )]
    pub(crate) color: Color,
    /// Where runs are kept: sqlite:PATH, postgres://USER@HOST/DATABASE or memory:
    #[arg(long, global = true, value_name = "STORE", help_heading = "Everywhere")]
    pub(crate) store: Option<String>,
    /// A configuration file, over the project's segue.toml
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Everywhere")]
    pub(crate) config: Option<PathBuf>,
    /// Print the version; with --json also commit, target and features
    #[arg(
        short = 'V',
        long,
        global = true,
        num_args = 0,
        default_missing_value = "",
        value_parser = Version::of_segue,
        help_heading = "Everywhere"
    )]
    pub(crate) version: Option<Version>,
}

/// What `--version` asks for. One type for both meanings, because the flag that every verb has and the one of artifacts
/// share their name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// The version of segue.
    OfSegue,
    /// A version of an artifact, so many back.
    Back(usize),
}

impl Version {
    fn of_segue(_: &str) -> Result<Self, String> {
        Ok(Version::OfSegue)
    }

    fn back(text: &str) -> Result<Self, String> {
        let back = text
            .parse()
            .map_err(|_| "it should be a number of versions back")?;
        Ok(Version::Back(back))
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Watch a pipeline run, with no key, no network and no cost
    Demo(DemoArgs),
    /// Write a project that runs as it is
    Init(InitArgs),
    /// Find everything that is wrong with pipeline files, and run nothing
    Check(CheckArgs),
    /// Show what a run would do, and do nothing
    Plan(PlanArgs),
    /// Run a pipeline
    Run(RunArgs),
    /// Run the test files of pipelines, with no key, no network and no cost
    Test(TestArgs),
    /// Go on with a run that was interrupted or waits
    Resume(ResumeArgs),
    /// Answer a question of a run
    Answer(AnswerArgs),
    /// Allow or refuse one tool call of a run
    Approve(ApproveArgs),
    /// End runs, whoever works on them
    Cancel(CancelArgs),
    /// Run again what is said of an earlier run, with what is changed
    Rerun(RerunArgs),
    /// List, show, compare, export and remove runs
    Runs(RunsArgs),
    /// List, print and save what runs left behind
    Artifacts(ArtifactsArgs),
    /// Show where each step of a workspace stands
    Status(StatusArgs),
    /// List, print or write the results of a workspace
    Documents(DocumentsArgs),
    /// Show providers, models, what names mean here and what they cost
    Models(ModelsArgs),
    /// List the tools there are, show one, or accept what MCP servers offer
    Tools(ToolsArgs),
    /// List agents, or show one
    Agents(AgentsArgs),
    /// Show budgets, or set that of a run
    Budgets(BudgetsArgs),
    /// Stop all new model and tool calls, or let them go on
    Halt(HaltArgs),
    /// Look whether everything here is as it should be, and ask providers whether they take their keys
    Doctor(DoctorArgs),
    /// Draw a pipeline
    Graph(GraphArgs),
    /// Print the JSON Schema of pipeline files, or of what segue writes
    Schema(SchemaArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the manual, or write one page for each verb
    Man(ManArgs),
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Which one: `research` or `documents`
    #[arg(long, value_name = "NAME", default_value = "research")]
    pub(crate) pipeline: String,
    /// End after one run (the default off a terminal); otherwise Enter shows it again
    #[arg(long)]
    pub(crate) once: bool,
    /// How many times as fast the answers come
    #[arg(long, value_name = "N", default_value = "1", value_parser = speed)]
    pub(crate) speed: f64,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Which project; see --list
    #[arg(default_value = "blank")]
    pub(crate) template: String,
    /// Where to write it
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// List the templates
    #[arg(long)]
    pub(crate) list: bool,
    /// Replace files that are there
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Pipeline files; left out, the only one there is
    #[arg(value_name = "PIPELINE", value_hint = ValueHint::FilePath)]
    pub(crate) pipelines: Vec<String>,
    /// Count warnings as errors
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) start: StartArgs,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) start: StartArgs,
    #[command(flatten)]
    pub(crate) marks: MarkArgs,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
    #[command(flatten)]
    pub(crate) part: PartArgs,
}

/// What stays with a run.
#[derive(Debug, Default, Args)]
pub(crate) struct MarkArgs {
    /// A label for filters; may be given more than once
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// A note that stays with the run
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// The key of the request: the same key with the same inputs is the same run
    #[arg(long, value_name = "KEY")]
    pub(crate) request_key: Option<String>,
}

/// Which part of a pipeline runs, in which workspace.
#[derive(Debug, Default, Args)]
pub(crate) struct PartArgs {
    /// The workspace: runs with the same key share one set of results
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Run this step alone, on the results of the workspace
    #[arg(long, value_name = "STEP", conflicts_with = "all")]
    pub(crate) step: Option<String>,
    /// Run everything that has no result yet
    #[arg(long)]
    pub(crate) all: bool,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// Which: its id, the first characters of it, or `last`
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Wait until the lease of an owner that says nothing is over, and take the run
    #[arg(long)]
    pub(crate) take_over: bool,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
}

/// Arguments of `answer`.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// The question, or a run that asks just one
    #[arg(value_name = "QUESTION|RUN")]
    pub(crate) question: String,
    /// A value of the answer: k=v, k=@FILE, or @FILE.json for an object of them
    #[arg(long = "set", short = 's', value_name = "K=V", action = ArgAction::Append)]
    pub(crate) set: Vec<String>,
    /// The answer as a whole: a value, @FILE, or @- for stdin
    #[arg(long, short = 'i', value_name = "VALUE")]
    pub(crate) input: Option<String>,
    /// The new limits of a budget: 1.00, usd=1,tokens=20000, or none
    #[arg(long, value_name = "BUDGET")]
    pub(crate) budget: Option<String>,
    /// What becomes of a call that was interrupted: repeat, skip or fail
    #[arg(long, value_name = "WHAT")]
    pub(crate) decide: Option<String>,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
}

/// Arguments of `approve`.
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The question, or a run that asks just one
    #[arg(value_name = "QUESTION|RUN")]
    pub(crate) question: String,
    /// Allow the call without being asked
    #[arg(long, conflicts_with = "reject")]
    pub(crate) yes: bool,
    /// Refuse the call
    #[arg(long)]
    pub(crate) reject: bool,
    /// Why it is refused; whoever wants the call is told
    #[arg(long, value_name = "TEXT", requires = "reject")]
    pub(crate) reason: Option<String>,
    /// Only if this is the hash of the arguments, or its first 12 digits or more
    #[arg(long, value_name = "HASH")]
    pub(crate) hash: Option<String>,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
}

/// Arguments of `cancel`.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Which: ids, the first characters of them, or `last`
    #[arg(value_name = "RUN")]
    pub(crate) runs: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// All runs of a pipeline that are not over
    #[arg(long)]
    pub(crate) all: bool,
    /// The pipeline of --all
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
}

/// Arguments of `rerun`.
#[derive(Debug, Args)]
pub(crate) struct RerunArgs {
    /// A run, or the key of a workspace
    #[arg(value_name = "RUN|KEY")]
    pub(crate) source: String,
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    /// More instructions for the agents that run again; they also see what they gave before
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Another input: k=v, k=@FILE, @FILE.json
    #[arg(long = "input", short = 'i', value_name = "INPUT", action = ArgAction::Append)]
    pub(crate) inputs: Vec<String>,
    /// Another model for all agents, or for one alias or agent
    #[arg(long = "model", short = 'm', value_name = "MODEL|ALIAS=MODEL")]
    pub(crate) models: Vec<String>,
    /// Another output or prompt: steps.NAME.output=@FILE, steps.NAME.prompt=@FILE
    #[arg(long = "set", value_name = "PLACE=VALUE")]
    pub(crate) set: Vec<String>,
    /// The definition the run began with, or what its file says now
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    pub(crate) definition: Definition,
    /// The new run's total: 0.50, usd=0.5,tokens=20000,requests=30, or none
    #[arg(long, value_name = "BUDGET")]
    pub(crate) budget: Option<String>,
    /// The pipeline, where several have the key
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// A label for filters; may be given more than once
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Do not ask before what is dear
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) follow: FollowArgs,
}

/// What runs again; the whole run where nothing is said.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct WhatArgs {
    /// This step and all that follows; a path names an item or a nested step
    #[arg(long, value_name = "STEP")]
    pub(crate) from: Option<String>,
    /// This step alone; what follows becomes stale
    #[arg(long, value_name = "STEP")]
    pub(crate) only: Option<String>,
    /// The steps and items that failed, and what they blocked
    #[arg(long)]
    pub(crate) failed: bool,
    /// What was made from something that has changed since
    #[arg(long)]
    pub(crate) stale: bool,
}

/// Which definition runs again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Definition {
    /// The one there was
    #[default]
    Old,
    /// What the file says now
    New,
}

/// How a run is followed.
#[derive(Debug, Default, Args)]
pub(crate) struct FollowArgs {
    /// What to write to stdout: the output of the run, or each of its further events as one line of JSON
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub(crate) output: Form,
    /// Show what models write while they write it; with --output ndjson as lines of type `call.delta`
    #[arg(long)]
    pub(crate) deltas: bool,
    /// Never ask at the terminal
    #[arg(long)]
    pub(crate) no_input: bool,
}

/// What is written to stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// The output of the run
    #[default]
    Text,
    /// One event a line
    Ndjson,
}

/// What says how a run starts.
#[derive(Debug, Default, Args)]
pub(crate) struct StartArgs {
    /// A pipeline file, or the name of one in this folder; left out, the only one there is
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) pipeline: Option<String>,
    /// An input: k=v, k=@FILE, k=@- for stdin, @FILE.json or - for an object of them; `@@` begins a literal `@`
    #[arg(long = "input", short = 'i', value_name = "INPUT", action = ArgAction::Append)]
    pub(crate) inputs: Vec<String>,
    #[command(flatten)]
    pub(crate) terms: TermsArgs,
}

/// With which models a run is made, and within which limits.
#[derive(Debug, Default, Args)]
pub(crate) struct TermsArgs {
    /// The model of all agents, or of one alias or agent
    #[arg(long = "model", short = 'm', value_name = "MODEL|ALIAS=MODEL")]
    pub(crate) models: Vec<String>,
    /// The run's total: 0.50, usd=0.5,tokens=20000,requests=30, or none
    #[arg(long, value_name = "BUDGET")]
    pub(crate) budget: Option<String>,
    /// What becomes of a call that does not fit the run's total
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) on_exceed: Option<Exceed>,
    /// The run's deadline, such as 30s, 5m or none
    #[arg(long, value_name = "DURATION")]
    pub(crate) timeout: Option<String>,
    /// Most attempts at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) max_parallel: Option<u32>,
}

/// What becomes of a call that does not fit its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Exceed {
    /// It fails
    Fail,
    /// The run waits for a person
    Pause,
}

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    /// A pipeline file, or the name of one in this folder; left out, the only one there is
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) pipeline: Option<String>,
    /// As what
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t)]
    pub(crate) format: Picture,
    /// Show what is inside of nested pipelines and arms
    #[arg(long)]
    pub(crate) expand: bool,
}

/// Forms of a drawing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Picture {
    /// For a terminal
    #[default]
    Text,
    /// A picture for a browser
    Svg,
    /// A Mermaid diagram
    Mermaid,
    /// A Graphviz graph
    Dot,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value_t)]
    pub(crate) shape: Shape,
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shape {
    /// Pipeline files
    #[default]
    Pipeline,
    /// Test files
    Test,
    /// `segue.toml`
    Config,
    /// What `run --json` writes
    Run,
    /// A line of `run --output ndjson`
    Event,
    /// What `plan --json` writes
    Plan,
    /// What `check --json` writes
    Check,
    /// What `test --json` writes
    Tested,
    /// What `test record --json` writes
    Recorded,
    /// What `graph --json` writes
    Graph,
    /// What `init --json` writes
    Init,
    /// What `runs list --json` writes
    Runs,
    /// What `runs show --step PATH --json` writes
    Step,
    /// What `runs show --calls --json` writes
    Calls,
    /// What `runs show --output-of STEP --json` writes
    Output,
    /// What `runs logs --json` writes
    Logs,
    /// What `runs diff --json` writes
    Diff,
    /// What `runs export FILE --json` writes
    Export,
    /// What `runs rm --json` writes
    Rm,
    /// What the verbs of `artifacts` write with --json
    Artifacts,
    /// What `status KEY --json` writes
    Status,
    /// What `status --json` writes without a key
    Overview,
    /// What `documents --json` writes
    Documents,
    /// What `models --json` writes
    Models,
    /// What `tools --json` writes
    Tools,
    /// What `budgets --json` writes
    Budgets,
    /// What `agents --json` writes
    Agents,
    /// What `halt --json` writes
    Halt,
    /// What `tools pin --json` writes
    Pin,
    /// What `doctor --json` writes
    Doctor,
    /// What any verb writes with --json when it could not do its work
    Error,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where to write the pages; left out, the page of segue goes to stdout
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.1..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("it should be a number from 0.1 to 1000".to_owned()),
    }
}
