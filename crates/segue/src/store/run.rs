//! Runs as a store knows them: how one comes to exist, what is known of it without its log, how runs are looked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::artifact::KeptArtifact;
use super::commit::{Entry, QuestionChange, UnitKey};
use super::document::Document;
use super::owner::OwnerId;
use crate::clock::Time;
use crate::error::ErrorKind;
use crate::id::RunId;
use crate::log::ChosenModel;
use crate::money::Cost;
use crate::usage::Usage;
use crate::view::{RunStatus, StepCounts};

/// A run about to exist.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// What is known of it; owner, fence and last event are the store's to set.
    pub head: Head,
    /// The plan it is pinned to.
    pub plan: StoredPlan,
    /// The key of the request, when there is one.
    pub request: Option<Request>,
    /// Who takes it up at once; none where it only waits to be taken up.
    pub owner: Option<OwnerId>,
    /// The first entry of its log.
    pub entry: Entry,
    /// Units whose outcome is in that entry: results it takes over, steps it leaves out.
    pub outcomes: Vec<UnitKey>,
    /// Steps of its workspace that it will run. No other run may be running one of them.
    pub claims: Vec<String>,
    /// Current results of its workspace that have to be these: step, and hash or none where there must be no result.
    pub expects: Vec<(String, Option<String>)>,
    /// Results of its workspace that it brings along.
    pub documents: Vec<Document>,
    /// Questions it begins with.
    pub questions: Vec<QuestionChange>,
    /// Bytes it refers to from the beginning: outputs it takes over.
    pub artifacts: Vec<KeptArtifact>,
}

/// A plan at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPlan {
    /// Its content hash.
    pub hash: String,
    /// It, as JSON.
    pub text: Arc<str>,
}

/// The key of a request, so that the same request is the same run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The key.
    pub key: String,
    /// Hash of everything else that was asked.
    pub body: String,
}

/// What became of a run that was to be created.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It exists, under this fence.
    New {
        /// The fence.
        fence: u64,
    },
    /// The same request made this run before.
    Existing(RunId),
    /// Another request with the same key made this run before.
    OtherRequest(RunId),
    /// A run is running a step of the workspace that this one wants to run.
    Running {
        /// The step.
        step: String,
        /// The run.
        run: RunId,
    },
    /// A result of the workspace is not what was expected.
    Changed {
        /// The step.
        step: String,
        /// The hash of its current result.
        current: Option<String>,
    },
}

impl Created {
    /// Why a run cannot have what it wants of its workspace, if it cannot: a step it claims is run by another one, or a
    /// result it expects is not the current one. `state` says of a step which run is running it, and the hash of its
    /// current result. Every store decides by this.
    ///
    /// # Errors
    /// What `state` cannot tell.
    pub fn conflict<E>(
        claims: &[String],
        expects: &[(String, Option<String>)],
        mut state: impl FnMut(&str) -> Result<(Option<RunId>, Option<String>), E>,
    ) -> Result<Option<Self>, E> {
        for step in claims {
            if let (Some(run), _) = state(step)? {
                let step = step.clone();
                return Ok(Some(Self::Running { step, run }));
            }
        }
        for (step, expected) in expects {
            let (_, current) = state(step)?;
            if current != *expected {
                let step = step.clone();
                return Ok(Some(Self::Changed { step, current }));
            }
        }
        Ok(None)
    }
}

/// What became of the wish to take up a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// It is held under this fence from now on.
    Taken(Box<Head>),
    /// Somebody holds it.
    Held(OwnerId),
    /// It is over.
    Over,
    /// There is no such run.
    Unknown,
}

/// What is known of a run without its log.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The run.
    pub id: RunId,
    /// The pipeline.
    pub pipeline: String,
    /// The plan it is pinned to.
    pub plan_hash: String,
    /// Where the definition came from: `file:research.yaml`.
    pub definition: Option<String>,
    /// The workspace it works in.
    pub key: Option<String>,
    /// Filters.
    pub labels: IndexMap<String, String>,
    /// A note of who started it.
    pub note: Option<String>,
    /// Who or what started it: `cli http ui mcp schedule library chat`.
    pub trigger: String,
    /// The run it came from.
    pub parent: Option<Parent>,
    /// Where it runs.
    pub engine: String,
    /// Model names as asked for, and what they resolved to.
    pub models: IndexMap<String, ChosenModel>,
    /// When it came to exist.
    pub queued: Time,
    /// Where it stands.
    pub standing: Standing,
    /// Who holds it.
    pub owner: Option<OwnerId>,
    /// How often it was taken up.
    pub fence: u64,
    /// The number of its last event.
    pub last_seq: u64,
}

/// The run another one came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// That run.
    pub run: RunId,
    /// How.
    pub relation: Relation,
    /// From where on, when it was one step.
    pub from: Option<String>,
}

/// How a run comes from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// It runs part of it again.
    Rerun,
    /// A step of it started it.
    Nested,
    /// It goes on with its workspace.
    Workspace,
    /// A schedule tried again.
    ScheduleRetry,
}

/// Where a run stands: the part of its head that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The word for it.
    pub status: RunStatus,
    /// Whether the fallback pipeline made its output.
    #[serde(default)]
    pub fallback: bool,
    /// When it began.
    pub started: Option<Time>,
    /// When it was over.
    pub ended: Option<Time>,
    /// How many steps of its own plan stand where.
    pub step_counts: StepCounts,
    /// Which of them failed.
    #[serde(default)]
    pub failed_steps: Vec<String>,
    /// Why it failed.
    pub error: Option<(ErrorKind, String)>,
    /// Everything used.
    pub usage: Usage,
    /// Everything spent.
    pub cost: Cost,
    /// Steps whose results were made from something that has changed since.
    #[serde(default)]
    pub stale_steps: Vec<String>,
    /// When it goes on by itself though nobody answers.
    pub wakes: Option<Time>,
    /// Text that people look for: inputs, outputs, errors, notes, cut to a few kilobytes.
    #[serde(default)]
    pub text: String,
}

impl Standing {
    /// A run that has not begun.
    #[must_use]
    pub fn queued() -> Self {
        Self {
            status: RunStatus::Queued,
            fallback: false,
            started: None,
            ended: None,
            step_counts: StepCounts::default(),
            failed_steps: Vec::new(),
            error: None,
            usage: Usage::default(),
            cost: Cost::default(),
            stale_steps: Vec::new(),
            wakes: None,
            text: String::new(),
        }
    }
}

/// Which runs, in which order, from where on. Nothing said is all of them, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunQuery {
    /// Only these statuses; none is all.
    pub status: Vec<RunStatus>,
    /// Only this pipeline.
    pub pipeline: Option<String>,
    /// Only with all of these labels.
    pub labels: BTreeMap<String, String>,
    /// Only of this workspace.
    pub key: Option<String>,
    /// Only created at or after this.
    pub from: Option<Time>,
    /// Only created before this.
    pub to: Option<Time>,
    /// Only dearer than this, in nano-dollars.
    pub cost_over: Option<i64>,
    /// Only cheaper than this, in nano-dollars.
    pub cost_under: Option<i64>,
    /// Only with all of these texts in them, whatever the case.
    pub texts: Vec<String>,
    /// By what they are sorted, the largest first.
    pub sort: RunSort,
    /// From where a page before ended.
    pub cursor: Option<String>,
    /// Most runs of the page; at least one.
    pub limit: usize,
}

/// By what runs are sorted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunSort {
    /// When they came to exist.
    #[default]
    Started,
    /// What they cost.
    Cost,
    /// How long they took.
    Duration,
}

/// One page of something.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins; none on the last.
    pub next_cursor: Option<String>,
}

/// All new calls are stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// By whom.
    pub by: String,
    /// Since when.
    pub since: Time,
    /// Why.
    pub reason: Option<String>,
}

impl Head {
    /// What it is sorted by under an order.
    #[must_use]
    pub fn sort_value(&self, sort: RunSort) -> i64 {
        match sort {
            RunSort::Started => self.queued.micros(),
            RunSort::Cost => self.standing.cost.nanousd.nanos(),
            RunSort::Duration => match (self.standing.started, self.standing.ended) {
                (Some(started), Some(ended)) => {
                    i64::try_from(ended.since(started).as_micros()).unwrap_or(i64::MAX)
                }
                _ => -1,
            },
        }
    }

    /// Whether a query means it, its page aside.
    #[must_use]
    pub fn fits(&self, query: &RunQuery) -> bool {
        let cost = self.standing.cost.nanousd.nanos();
        (query.status.is_empty() || query.status.contains(&self.standing.status))
            && query
                .pipeline
                .as_ref()
                .is_none_or(|pipeline| *pipeline == self.pipeline)
            && query
                .labels
                .iter()
                .all(|(name, value)| self.labels.get(name) == Some(value))
            && query
                .key
                .as_ref()
                .is_none_or(|key| Some(key) == self.key.as_ref())
            && query.from.is_none_or(|from| self.queued >= from)
            && query.to.is_none_or(|to| self.queued < to)
            && query.cost_over.is_none_or(|over| cost > over)
            && query.cost_under.is_none_or(|under| cost < under)
            && query
                .texts
                .iter()
                .all(|text| self.standing.text.to_lowercase().contains(&text.to_lowercase()))
    }
}

impl RunQuery {
    /// A query for this many runs.
    #[must_use]
    pub fn newest(limit: usize) -> Self {
        Self {
            limit,
            ..Self::default()
        }
    }

    /// The cursor of the page after the one that ends with this run.
    #[must_use]
    pub fn cursor_after(&self, last: &Head) -> String {
        format!("{}.{}", last.sort_value(self.sort), last.id)
    }

    /// Where the page begins: the value it is sorted by, and the run. The inner error is a cursor that is none.
    #[must_use]
    pub fn starts_after(&self) -> Option<Result<(i64, RunId), super::StoreError>> {
        let cursor = self.cursor.as_deref()?;
        let parsed = cursor
            .split_once('.')
            .and_then(|(value, run)| Some((value.parse().ok()?, run.parse().ok()?)));
        Some(parsed.ok_or_else(|| {
            let message = format!("{} is no cursor of a list of runs", crate::fault::quote(cursor));
            super::StoreError::new(super::StoreErrorKind::Misused, message)
        }))
    }
}
