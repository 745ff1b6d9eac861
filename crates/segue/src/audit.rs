//! Auditing: whether what a store keeps of its runs holds together — each log in itself, and with everything that was
//! made from it: where the run stands, its questions, its artifacts, the results it left in a workspace.
//!
//! [`run`] is a pure function over one run; [`Audit`] reads a store run by run, so that it needs little memory however
//! large the store is. `segue doctor` shows what they find, and a test that kills processes calls them afterwards. Nothing
//! is changed. What they rely on is the form of the log alone: a fault in how runs are decided shows here too.
//!
//! ```
//! use segue::audit::Audit;
//! use segue::store::MemoryStore;
//! use segue::{Cx, Pipeline, Result, Runner};
//!
//! async fn double(_cx: Cx, n: u64) -> Result<u64> {
//!     Ok(n * 2)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pipeline = Pipeline::define("double", |p, n| p.step("double", double, n))?;
//! let runner = Runner::builder().store(MemoryStore::new()).build()?;
//! runner.start(&pipeline, 21).await?.done().await?;
//! let report = Audit::of(runner.store()?.clone()).all(|_| ()).await?;
//! assert_eq!((report.runs, report.findings.len()), (1, 0));
//! # Ok(())
//! # }
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::RunId;
use crate::store::{Document, Entry, Head, Hold, KeptArtifact, Signal, StoredPlan};

mod budgets;
mod calls;
mod fold;
mod questions;
mod reader;
mod standing;
#[cfg(test)]
mod tests;

pub use fold::{Audited, KeptBytes, run};
pub use reader::{Audit, AuditReport};

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What should hold and does not.
    pub rule: Rule,
    /// The run.
    pub run: Option<RunId>,
    /// The entry of its log, where it is one.
    pub entry: Option<u64>,
    /// What is wrong, on one line.
    pub message: String,
}

/// What holds of what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The plan and every entry can be read, and the plan is the one of its hash.
    Readable,
    /// Entries are numbered from 1 without gaps, and so are the events in them.
    Order,
    /// Each unit has one outcome, and nothing of it begins afterwards.
    Once,
    /// Nothing follows the end of a run.
    End,
    /// Where the run stands is what its log says.
    Standing,
    /// A run is taken up under a fence that grows, by one owner at a time.
    Owner,
    /// What a run is said to have used and spent is what its calls did.
    Cost,
    /// A call is reserved, then started, and ends once; none succeeds that was not started, none is open in a run that
    /// rests or is over.
    Call,
    /// A reservation never takes what is spent and reserved beyond a limit, and what is reserved belongs to a call.
    Budget,
    /// A question is put once and answered once, and the store says of it what the log says.
    Question,
    /// Artifacts are listed as they were saved, and the bytes that anything refers to are there, with their hash.
    Artifact,
    /// A current result of a workspace is the result that its run has.
    Document,
    /// A run that is over holds nothing: no call, no step of a workspace, no owner; one that rests holds no call.
    Hold,
    /// A run that waits waits for something that can come.
    Wait,
}

/// How bad it is that a rule does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing that is recorded is wrong, but something is stuck or kept for nothing.
    Warning,
    /// What is recorded cannot be relied on.
    Error,
}

impl Rule {
    /// How bad it is that it does not hold.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Rule::Hold | Rule::Wait => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl Finding {
    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.rule.severity()
    }

    /// What can be done about it.
    #[must_use]
    pub fn way_out(&self) -> String {
        let run = self.run.map_or_else(|| "RUN".to_owned(), |run| run.to_string());
        match self.rule {
            Rule::Readable => {
                "put back a copy of the store from before the damage, or read it with the release that wrote it".into()
            }
            Rule::Budget if self.run.is_none() => {
                "more counts as spent than was; it passes with the day or month of the budget".into()
            }
            Rule::Artifact => format!("`segue rerun {run}` makes it again"),
            Rule::Document => format!("`segue rerun {run}` gives its workspace new results"),
            Rule::Hold => format!("`segue runs rm {run}` forgets the run with what it holds"),
            Rule::Wait => format!("`segue cancel {run}` ends it, `segue rerun {run}` begins again"),
            _ => format!("`segue rerun {run}` makes a new record; the old one is not to be relied on"),
        }
    }
}

/// Everything a store has of one run.
#[derive(Debug, Clone, Copy)]
pub struct StoredRun<'a> {
    /// What is known of it without its log.
    pub head: &'a Head,
    /// The plan of its hash.
    pub plan: Option<&'a StoredPlan>,
    /// Its log.
    pub log: &'a [Entry],
    /// The questions it has asked, open or not.
    pub questions: &'a [crate::Question],
    /// The artifacts it has saved.
    pub artifacts: &'a [KeptArtifact],
    /// The current results of its workspace, whatever run they are of.
    pub documents: &'a [Document],
    /// What its calls still hold.
    pub holds: &'a [Hold],
    /// What it was told and has not taken up.
    pub signals: &'a [Signal],
}

/// Everything but the log, once that was read.
#[derive(Debug, Clone, Copy, Default)]
struct Rest<'a> {
    questions: &'a [crate::Question],
    artifacts: &'a [KeptArtifact],
    holds: &'a [Hold],
    signals: &'a [Signal],
}

/// `run_…, entry 3: what is wrong`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.run, self.entry) {
            (Some(run), Some(entry)) => write!(f, "{run}, entry {entry}: {}", self.message),
            (Some(run), None) => write!(f, "{run}: {}", self.message),
            (None, _) => f.write_str(&self.message),
        }
    }
}

/// Most findings of one run that are told: the hundredth says no more than the first.
const MOST: usize = 100;

/// What was found in one run.
#[derive(Debug)]
struct Findings {
    run: RunId,
    list: Vec<Finding>,
    untold: u64,
}

impl Findings {
    fn new(run: RunId) -> Self {
        Self {
            run,
            list: Vec::new(),
            untold: 0,
        }
    }

    fn push(&mut self, rule: Rule, entry: Option<u64>, message: impl Into<String>) {
        if self.list.len() == MOST {
            self.untold += 1;
            return;
        }
        let message = message.into().replace(['\n', '\r'], " ");
        self.list.push(Finding {
            rule,
            run: Some(self.run),
            entry,
            message,
        });
    }
}

/// Findings of one entry.
struct At<'f> {
    findings: &'f mut Findings,
    entry: u64,
}

impl At<'_> {
    fn push(&mut self, rule: Rule, message: impl Into<String>) {
        self.findings.push(rule, Some(self.entry), message);
    }
}
