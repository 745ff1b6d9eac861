//! Arguments: every verb and flag of this release, as clap reads, completes and documents them.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum, ValueHint};

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
5 nothing recorded answers a call, 124 the run's deadline passed, 130 cancelled.

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
    /// When to use colours on stderr
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t,
        help_heading = "Everywhere"
    )]
    pub(crate) color: Color,
    /// Print the version; with --json also commit, target and features
    #[arg(short = 'V', long, global = true, help_heading = "Everywhere")]
    pub(crate) version: bool,
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
    /// How many times as fast the scripted model answers
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
    /// A label for filters; may be given more than once
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// A note that stays with the run
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// What to write to stdout: the output of the run, or each of its events as one line of JSON
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub(crate) output: Form,
    /// Never ask at the terminal
    #[arg(long)]
    pub(crate) no_input: bool,
}

/// What `run` writes to stdout.
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
    /// What `run --json` writes
    Run,
    /// A line of `run --output ndjson`
    Event,
    /// What `plan --json` writes
    Plan,
    /// What `check --json` writes
    Check,
    /// What `graph --json` writes
    Graph,
    /// What `init --json` writes
    Init,
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
