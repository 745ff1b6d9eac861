//! Cases: what a test file says about a pipeline, and whether it holds.
//!
//! A [`Suite`] is one `*.test.yaml`, read by [`Suite::load`] with all its faults at once. Each [`Case`] of it runs the
//! pipeline on a [`Bench`]: what the program and the operator offer, where tools are replaced by stand-ins and models by
//! what the file says. The store is in memory, ids and the clock begin the same each time, so a case gives the same on
//! every machine. What nobody stands in for is an error and never a call.
//!
//! A test must not seem to show more than it does. Names that the pipeline does not have are faults of the file
//! ([`Suite::check`]), and so is a rule that no request is left for. A fault that strikes nobody, and an answer or approval that
//! nobody asks for, fail their case. Rules belong to all cases of a file: one that answers in none of them is a warning
//! ([`Suite::unused`]). A stand-in that is never called may be there because it makes its tool known.
//!
//! A fault of kind `kill` is the loss of a process, not the end of one: from that moment on nothing of it reaches the
//! store any more, another runner takes the run up from there. What a `kill -9` does beyond that, `cargo xtask crash` shows.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use segue::case::{Bench, Ending, Suite};
//! use segue::file::Purpose;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bench = Bench::default();
//! let suite = Suite::load(Path::new("research.test.yaml"), Purpose::Test)?;
//! let loaded = suite.plan(&bench)?;
//! for case in &suite.cases {
//!     let report = suite.run(case, &loaded, &bench, None).await;
//!     assert_eq!(report.ending, Ending::Passed, "{}: {:?}", case.name, report.unmet);
//! }
//! # Ok(())
//! # }
//! ```

mod act;
mod got;
mod mortal;
mod report;
mod stage;
mod stand_in;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use crate::budget::Budget;
use crate::error::ErrorKind;
use crate::fault::{Place, Span};
use crate::file::{Mention, Named, Sources};
use crate::model::cassette::Redact;
use crate::model::{Malformed, Models, Rule};
use crate::plan::ModelRef;
use crate::price::PriceBook;
use crate::registry::Registry;

pub use crate::matcher::Matcher;
pub use report::{Ending, Miss, Report, Unmet};

pub(crate) use watch::{Watch, raised};

/// A test file.
pub struct Suite {
    /// The file, as it was named.
    pub name: String,
    /// The pipeline it is about.
    pub pipeline: PathBuf,
    /// The cassette it plays, where it says so.
    pub cassette: Option<PathBuf>,
    /// Its cases, in order.
    pub cases: Vec<Case>,
    pub(crate) answers: Answers,
    pub(crate) tools: IndexMap<String, Vec<StandIn>>,
    pub(crate) seed: u64,
    pub(crate) mentions: Vec<Mention>,
    /// Where the rules of its script stand.
    pub(crate) rules: Vec<Place>,
    pub(crate) sources: Sources,
    pub(crate) source: Arc<crate::fault::Source>,
}

/// What the program and the operator offer to a case.
#[derive(Clone)]
pub struct Bench {
    /// Agents, tools and steps. Tools are never called: only what they are is looked at.
    pub registry: Registry,
    /// Models, for a file that names some.
    pub models: Models,
    /// What models cost.
    pub prices: PriceBook,
    /// Names of models that the operator added.
    pub named: Named,
    /// What keeps secrets out of cassettes.
    pub redact: Arc<dyn Redact>,
}

/// A program that offers nothing of its own, at the list prices of today.
impl Default for Bench {
    fn default() -> Self {
        Self {
            registry: Registry::new(),
            models: Models::offline(),
            prices: PriceBook::new(crate::clock::today()),
            named: Named::default(),
            redact: Arc::new(crate::model::cassette::NoSecrets),
        }
    }
}

/// Who answers.
pub(crate) enum Answers {
    /// Nobody was named: `sim/schema`.
    Schema,
    Script(Vec<Rule>),
    /// The text of the cassette; none where it is still to be recorded.
    Cassette(Option<String>),
    /// By name of the pipeline's models.
    Models(IndexMap<String, Vec<ModelRef>>),
}

/// What a tool gives when it is called.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StandIn {
    Returns(Json),
    Fails(String),
}

/// One case.
pub struct Case {
    /// Its name, unique in its file.
    pub name: String,
    pub(crate) inputs: Map<String, Json>,
    /// The paths of inputs that are the text of a file.
    pub(crate) files: IndexMap<String, String>,
    pub(crate) pattern: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) run: Option<What>,
    pub(crate) answers: IndexMap<String, Json>,
    pub(crate) approve: Vec<String>,
    pub(crate) reject: Vec<String>,
    pub(crate) budget: Option<Budget>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) expect: Vec<Expectation>,
    pub(crate) then: Vec<Act>,
}

impl Case {
    /// Whether its name fits a glob, in which `*` stands for any characters.
    #[must_use]
    pub fn is_named(&self, glob: &str) -> bool {
        crate::registry::matches(glob, &self.name)
    }
}

/// What of a pipeline runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// One step.
    Step(String),
    /// All that has no result yet.
    All,
}

/// A further act on the same store and key.
pub(crate) struct Act {
    pub(crate) does: Does,
    pub(crate) expect: Vec<Expectation>,
}

pub(crate) enum Does {
    Run(What),
    Rerun {
        step: String,
        follow: bool,
        note: Option<String>,
    },
    RerunStale,
}

/// Something that goes wrong on purpose.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) step: Option<String>,
    pub(crate) agent: Option<String>,
    /// Which attempt; none is every one.
    pub(crate) attempt: Option<u32>,
    pub(crate) item: Option<u64>,
    pub(crate) what: Wrong,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wrong {
    Error(ErrorKind),
    Malformed(Malformed),
    Kill(Moment),
}

/// When a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The attempt has begun, as far as the record goes.
    Started,
    /// A model or tool was called and has not answered.
    Called,
    /// What came of the attempt is in the record.
    Recorded,
}

/// Something that is expected.
pub(crate) struct Expectation {
    /// Where it stands below `expect`: `steps.review.attempts`.
    pub(crate) path: String,
    pub(crate) of: Of,
    pub(crate) matcher: Matcher,
    /// The value in the file, where it is a plain one that can be written anew.
    pub(crate) plain: Option<Span>,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Of {
    Status,
    Fallback,
    Failed,
    Refused,
    Missing,
    Output,
    ErrorKind,
    ErrorStep,
    ErrorMessage,
    QuestionStep,
    QuestionTool,
    QuestionTitle,
    Calls,
    Cost,
    Tokens,
    Artifact(String),
    Link(String),
    Prompts(String),
    Step(String, OfStep),
}

/// What of a step is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfStep {
    Status,
    Attempts,
    Items,
    FailedItems,
    Arm,
    Skipped,
    Reasons,
    Stale,
    Output,
    Calls,
    Cost,
}
