//! Arguments of the verbs that look at runs that are kept, and at what they left behind.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use segue::file::scalar::duration_text;
use segue::store::RunSort;
use segue::{RunStatus, Time};

use super::{Form, Version};
use crate::when;

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    #[command(subcommand)]
    pub(crate) verb: RunsVerb,
}

/// What to do with runs.
#[derive(Debug, Subcommand)]
pub(crate) enum RunsVerb {
    /// List runs, the newest first
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show a run: its steps, what they cost, what went wrong, what it asks
    Show(ShowArgs),
    /// Print what happened in a run, one line for each thing
    Logs(LogsArgs),
    /// Compare two runs step by step
    Diff(DiffArgs),
    /// Write a run as one .tar: plan, events, result and artifacts
    Export(ExportArgs),
    /// Remove runs that are over
    Rm(RmArgs),
}

/// Arguments of `runs list`.
#[derive(Debug, Args)]
#[command(after_help = "\
The query: terms with blanks between them, all of which hold.
  status:failed,waiting   pipeline:research   key:exp-7   label:team=x   text:\"refund policy\"
  cost>0.10   cost<=2     since:24h   until:2026-03-01")]
pub(crate) struct ListArgs {
    /// Only these statuses: queued, running, waiting, succeeded, failed or cancelled
    #[arg(long, value_name = "STATUS", value_delimiter = ',', hide_possible_values = true, value_parser = statuses())]
    pub(crate) status: Vec<RunStatus>,
    /// Only runs of this pipeline
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
    /// Only runs with this label; may be given more than once
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Only runs of this workspace
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Only runs that came to exist in the last 24h, or after 2026-03-01T07:00:00Z
    #[arg(long, value_name = "DURATION|TIME", value_parser = since)]
    pub(crate) since: Option<Time>,
    /// Only runs that this means, such as 'status:failed cost>0.1 text:"refund"'; see below
    #[arg(long, short = 'Q', value_name = "QUERY")]
    pub(crate) query: Option<String>,
    /// What comes first: the newest, the dearest, or what took longest
    #[arg(long, value_enum, value_name = "BY", default_value_t)]
    pub(crate) sort: Sort,
    /// Most runs, up to 500
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub(crate) limit: u16,
    /// Go on where the page before ended
    #[arg(long, value_name = "CURSOR")]
    pub(crate) cursor: Option<String>,
}

/// Runs of a page where nobody says how many.
pub(crate) const DEFAULT_LIMIT: u16 = 20;

/// By what runs are sorted, the largest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// When they came to exist
    #[default]
    Started,
    /// What they cost
    Cost,
    /// How long they took
    Duration,
}

impl From<Sort> for RunSort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Started => RunSort::Started,
            Sort::Cost => RunSort::Cost,
            Sort::Duration => RunSort::Duration,
        }
    }
}

/// Arguments of `runs show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Which: its id, the first characters of it, or `last`
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// One step of it: draft, collect[2], sub/extract
    #[arg(long, value_name = "PATH", conflicts_with_all = ["cost", "output_of"])]
    pub(crate) step: Option<String>,
    #[command(flatten)]
    pub(crate) part: ShowPart,
}

/// Which part of a run; the whole where nothing is said.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct ShowPart {
    /// Where the money went: by step, by agent, by model
    #[arg(long)]
    pub(crate) cost: bool,
    /// Every call of a model or a tool, in order of start
    #[arg(long)]
    pub(crate) calls: bool,
    /// What the models were told
    #[arg(long)]
    pub(crate) prompt: bool,
    /// The output of this step alone, as it is
    #[arg(long, value_name = "STEP")]
    pub(crate) output_of: Option<String>,
}

/// Arguments of `runs logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// Which: its id, the first characters of it, or `last`
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Go on with what happens until the run is over
    #[arg(long, short = 'f')]
    pub(crate) follow: bool,
    /// Only this step and what is in it
    #[arg(long, value_name = "PATH")]
    pub(crate) step: Option<String>,
    /// Only what came after the event of this number
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) since_seq: u64,
    /// Only what matters this much; lines begin with `info`, events with `debug`
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(crate) level: Option<Level>,
    /// What to write: lines for people, or each event as one line of JSON
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub(crate) output: Form,
}

/// How much something in a log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Level {
    /// Everything: attempts, calls, items of maps
    Debug,
    /// What became of steps and of the run
    Info,
    /// What did not go well the first time
    Warn,
    /// What failed
    Error,
}

/// Arguments of `runs diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The one run: its id, the first characters of it, or `last`
    #[arg(value_name = "A")]
    pub(crate) a: String,
    /// The other run
    #[arg(value_name = "B")]
    pub(crate) b: String,
    /// Exit with 1 when they are not the same
    #[arg(long)]
    pub(crate) exit_code: bool,
}

/// Arguments of `runs export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Which: its id, the first characters of it, or `last`
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// Where to; left out, stdout
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long, requires = "file")]
    pub(crate) force: bool,
}

/// Arguments of `runs rm`.
#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// Which: ids, the first characters of them, or `last`
    #[arg(value_name = "RUN", required_unless_present = "older_than")]
    pub(crate) runs: Vec<String>,
    /// All that have been over for longer than this, such as 90d
    #[arg(long, value_name = "DURATION", value_parser = age, conflicts_with = "runs")]
    pub(crate) older_than: Option<Duration>,
    /// Do not ask
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
}

/// Arguments of `artifacts`.
#[derive(Debug, Args)]
pub(crate) struct ArtifactsArgs {
    #[command(subcommand)]
    pub(crate) verb: ArtifactsVerb,
}

/// What to do with artifacts.
#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactsVerb {
    /// List artifacts, the newest first
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    /// Write the bytes of an artifact to stdout
    Cat(CatArgs),
    /// Write the bytes of an artifact to a file
    Save(SaveArgs),
}

/// Arguments of `artifacts ls`.
#[derive(Debug, Args)]
pub(crate) struct LsArgs {
    /// Only those of this run
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// What this link has pointed to
    #[arg(long, value_name = "NAME")]
    pub(crate) link: Option<String>,
    /// Only those of this pipeline
    #[arg(long, value_name = "NAME")]
    pub(crate) pipeline: Option<String>,
}

/// Arguments of `artifacts cat`.
#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
}

/// Arguments of `artifacts save`.
#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    #[command(flatten)]
    pub(crate) which: WhichArgs,
    /// Where to: a file, or a folder in which it gets its own name
    #[arg(value_name = "DEST", value_hint = ValueHint::AnyPath)]
    pub(crate) to: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// Which artifact.
#[derive(Debug, Args)]
pub(crate) struct WhichArgs {
    /// RUN/NAME, or PIPELINE@LINK for what a link points to
    #[arg(value_name = "RUN/NAME|PIPELINE@LINK")]
    pub(crate) artifact: String,
    /// So many versions back: 1 is the one before the newest
    // The id and the type of the flag that every verb has: here it means something else, and clap lets it.
    #[arg(id = "version", long = "version", value_name = "N", value_parser = Version::back)]
    pub(crate) back: Option<Version>,
}

fn statuses() -> impl TypedValueParser<Value = RunStatus> {
    let words = STATUSES.map(RunStatus::as_str);
    PossibleValuesParser::new(words).map(|word| {
        let found = STATUSES.into_iter().find(|status| status.as_str() == word);
        found.expect("only the words of statuses are possible")
    })
}

/// All statuses of runs, in the order in which people read them.
pub(crate) const STATUSES: [RunStatus; 6] = [
    RunStatus::Queued,
    RunStatus::Running,
    RunStatus::Waiting,
    RunStatus::Succeeded,
    RunStatus::Failed,
    RunStatus::Cancelled,
];

fn since(text: &str) -> Result<Time, String> {
    when::back_or_at(text).map_err(|why| match why.hint {
        Some(hint) => format!("{}; {hint}", why.message),
        None => why.message,
    })
}

fn age(text: &str) -> Result<Duration, String> {
    duration_text(text).map_err(|flaw| match flaw.hint {
        Some(hint) => format!("it {}; {hint}", flaw.message),
        None => format!("it {}", flaw.message),
    })
}
