//! Commits: one transition of a run, carried out as a whole or not at all.

use super::account::Settlement;
use super::artifact::{KeptArtifact, LinkVersion};
use super::document::Document;
use super::run::Standing;
use crate::clock::Time;
use crate::id::{CallId, QuestionId, RunId};
use crate::question::{Question, QuestionStatus};

/// One transition of a run.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The run.
    pub run: RunId,
    /// The fence under which it is held.
    pub fence: u64,
    /// What is appended to its log.
    pub entry: Entry,
    /// Units whose outcome is in the entry.
    pub outcomes: Vec<UnitKey>,
    /// Where it stands from now on, when that changes.
    pub standing: Option<Standing>,
    /// Questions put and closed.
    pub questions: Vec<QuestionChange>,
    /// Signals that were taken up.
    pub taken: Vec<u64>,
    /// Calls that were settled against budgets that runs share.
    pub settled: Vec<(CallId, Settlement)>,
    /// Artifacts saved.
    pub artifacts: Vec<KeptArtifact>,
    /// Links moved; the store numbers the versions.
    pub links: Vec<LinkVersion>,
    /// Results of its workspace that are current from now on.
    pub documents: Vec<Document>,
    /// Steps of its workspace that it does not run any more.
    pub unclaimed: Vec<String>,
    /// Whether the run is given up: it is over, or it rests. One that rests is only given up when no signal waits.
    pub leaves: bool,
}

/// A piece of a run's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which entry of its run it is, from 1, without gaps.
    pub number: u64,
    /// The number of the last event before it.
    pub after: u64,
    /// How many events it holds.
    pub events: u64,
    /// When it was written.
    pub at: Time,
    /// Its content, which only the library reads.
    pub body: Vec<u8>,
}

/// Names a unit in a store: its scope, step and item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitKey {
    /// Instance of a plan inside the run.
    pub scope: u32,
    /// The step in that plan.
    pub step: u32,
    /// The item or round, or the largest number for the whole step.
    pub item: u32,
}

/// A question put or closed.
#[derive(Debug, Clone, PartialEq)]
pub enum QuestionChange {
    /// It is open from now on.
    Asked(Box<Question>),
    /// Nobody has to answer it any more.
    Closed(QuestionId, QuestionStatus),
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Committed {
    /// Whether signals wait for the run.
    pub signals: bool,
    /// Whether the run was given up as asked.
    pub left: bool,
    /// Whether all calls are halted.
    pub halted: bool,
}

impl Commit {
    /// A commit that only appends to the log.
    #[must_use]
    pub fn of(run: RunId, fence: u64, entry: Entry) -> Self {
        Self {
            run,
            fence,
            entry,
            outcomes: Vec::new(),
            standing: None,
            questions: Vec::new(),
            taken: Vec::new(),
            settled: Vec::new(),
            artifacts: Vec::new(),
            links: Vec::new(),
            documents: Vec::new(),
            unclaimed: Vec::new(),
            leaves: false,
        }
    }
}

impl Entry {
    /// The number of its last event.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.after + self.events
    }
}
