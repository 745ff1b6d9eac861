//! The record of one step, map item, round or nested step: what it waited for, its attempts, how it ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::record::RouteView;
use crate::clock::Time;
use crate::error::{ErrorKind, Failure, Spent};
use crate::id::CallId;
use crate::log::Resolution;
use crate::money::Cost;
use crate::plan::Kind;
use crate::question::Question;
use crate::usage::Usage;
use crate::value::{Value, ValueRef};
use crate::view::{SkipReason, StepStatus};

/// The record of one step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// Where it is in the run: `draft`, `collect[2]`, `sub/extract`.
    pub path: String,
    /// The last part of the path.
    pub name: String,
    /// What kind of step it is; none while neither plan nor log say so.
    pub kind: Option<Kind>,
    /// Where it stands.
    pub status: StepStatus,
    /// Names of the steps it waits for, in declaration order.
    pub needs: Vec<String>,
    /// Its agent.
    pub agent: Option<String>,
    /// When its dependencies were met.
    pub ready: Option<Time>,
    /// When its first attempt began.
    pub started: Option<Time>,
    /// When its outcome was known.
    pub ended: Option<Time>,
    /// From its start to its end, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How long it waited, and for what.
    pub wait_ms: WaitMs,
    /// What it made.
    pub output: Option<Value>,
    /// Where an output is that is too large to stand here.
    pub output_ref: Option<ValueRef>,
    /// Content hash of the output.
    pub output_hash: OutputHash,
    /// Content hash of what went in.
    pub input_hash: Option<String>,
    /// Its attempts, in order.
    pub attempts: Vec<AttemptView>,
    /// Used in all attempts, items and nested steps.
    pub usage: Usage,
    /// Spent in all attempts, items and nested steps.
    pub cost: Cost,
    /// Why it failed.
    pub error: Option<Arc<Failure>>,
    /// Why it was left out.
    pub skipped: Option<SkipReason>,
    /// The arm a route took.
    pub route: Option<RouteView>,
    /// Whether something it was made from has changed since.
    pub stale: bool,
    /// What has changed.
    pub stale_because: Vec<String>,
    /// Hashes of the results it was built on, by step, where it was taken over from an earlier run.
    #[serde(skip_serializing_if = "IndexMap::is_empty", default)]
    pub built_on: IndexMap<String, Option<String>>,
    /// The run its output was taken over from.
    pub reused_from: Option<String>,
    /// Whether a person has edited its output.
    pub edited: bool,
    /// Whether its output came from a cache.
    pub cached: bool,
    /// Items of a map or rounds of a repeat.
    pub items: Option<ItemsView>,
    /// The end of a conversation.
    pub handoff: Option<Json>,
    /// What it asked a person last.
    pub question: Option<Box<Question>>,
    /// Its span in a trace.
    pub span_id: Option<String>,
}

/// The record of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptView {
    /// From 1.
    pub attempt: u32,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub ended: Option<Time>,
    /// How it ended; none while it runs.
    pub outcome: Option<AttemptOutcome>,
    /// Why it failed.
    pub error: Option<Box<Failure>>,
    /// Why it asked for another.
    pub reason: Option<String>,
    /// What followed; none while it runs.
    pub resolution: Option<AttemptResolution>,
    /// How long until the next, in milliseconds.
    pub retry_in_ms: Option<u64>,
    /// The same after a crash, so that others can tell a repeat.
    pub idempotency_key: Option<String>,
    /// Used by it.
    pub usage: Usage,
    /// Spent by it.
    pub cost: Cost,
    /// Its calls, in order of their start.
    pub calls: Vec<CallId>,
    /// What it had made when it was cut off.
    pub partial: Option<Json>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptOutcome {
    /// It did what it was for.
    Succeeded,
    /// It failed.
    Failed,
    /// It asked for another.
    Again,
    /// It was cancelled.
    Cancelled,
    /// Its process or engine went away.
    Interrupted,
    /// Nobody knows.
    Uncertain,
}

/// What followed the end of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptResolution {
    /// Nothing more was needed.
    Succeeded,
    /// Another attempt.
    Retried,
    /// The error was not worth another.
    GaveUp,
    /// Another was wanted and none was left.
    Exhausted,
    /// The step was cancelled.
    Cancelled,
    /// A person's answer became the output.
    Asked,
}

/// Time spent waiting, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitMs {
    /// For its turn, after its dependencies were met.
    pub queue: u64,
    /// For providers.
    pub rate_limit: u64,
    /// Between attempts.
    pub backoff: u64,
    /// For people.
    pub person: u64,
}

/// The items of a map, or the rounds of a repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemsView {
    /// How many there are.
    pub total: u64,
    /// How many succeeded.
    pub succeeded: u64,
    /// How many failed.
    pub failed: u64,
    /// Which failed, from 0.
    pub failed_indexes: BTreeSet<u64>,
}

/// The content hash of an output, worked out when somebody reads it: most outputs are never hashed.
#[derive(Debug, Clone, Default)]
pub struct OutputHash(Source);

#[derive(Debug, Clone, Default)]
enum Source {
    #[default]
    None,
    Of(Value),
    Read(String),
}

impl OutputHash {
    /// Of an output that is here, or of one that is kept elsewhere, where its hash is known.
    pub(super) fn of(output: &Value, elsewhere: Option<&ValueRef>) -> Self {
        Self(match elsewhere {
            None => Source::Of(output.clone()),
            Some(at) => Source::Read(at.hash.clone()),
        })
    }

    pub(super) fn read(hash: Option<String>) -> Self {
        Self(hash.map_or(Source::None, Source::Read))
    }

    /// `sha256:…`; none where there is no output, or one that refuses to be written as JSON.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        match &self.0 {
            Source::None => None,
            Source::Of(output) => output.content_hash(),
            Source::Read(hash) => Some(hash.clone()),
        }
    }
}

impl PartialEq for OutputHash {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Source::Of(a), Source::Of(b)) => a == b,
            _ => self.get() == other.get(),
        }
    }
}

impl Serialize for OutputHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OutputHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hash = Option::<String>::deserialize(deserializer)?;
        Ok(Self(hash.map_or(Source::None, Source::Read)))
    }
}

impl StepView {
    /// How often it was tried: an attempt that is begun again after a crash is the same one.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.attempts
            .iter()
            .map(|attempt| attempt.attempt)
            .max()
            .unwrap_or(0)
    }

    pub(super) fn pending(path: String) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        Self {
            path,
            name,
            kind: None,
            status: StepStatus::Pending,
            needs: Vec::new(),
            agent: None,
            ready: None,
            started: None,
            ended: None,
            duration_ms: None,
            wait_ms: WaitMs::default(),
            output: None,
            output_ref: None,
            output_hash: OutputHash::default(),
            input_hash: None,
            attempts: Vec::new(),
            usage: Usage::default(),
            cost: Cost::default(),
            error: None,
            skipped: None,
            route: None,
            stale: false,
            stale_because: Vec::new(),
            built_on: IndexMap::new(),
            reused_from: None,
            edited: false,
            cached: false,
            items: None,
            handoff: None,
            question: None,
            span_id: None,
        }
    }

    /// Everything used and spent.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent {
            usage: self.usage,
            cost: self.cost,
        }
    }

    pub(super) fn set_spent(&mut self, spent: Spent) {
        self.usage = spent.usage;
        self.cost = spent.cost;
    }

    /// The attempt that runs.
    pub(super) fn open_attempt(&mut self) -> Option<&mut AttemptView> {
        self.attempts.last_mut().filter(|attempt| attempt.ended.is_none())
    }

    /// Forgets how it went, except for what it spent and how often it was tried: the step around it begins again.
    pub(super) fn forget(&mut self) {
        let fresh = Self {
            kind: self.kind,
            needs: std::mem::take(&mut self.needs),
            agent: self.agent.take(),
            attempts: std::mem::take(&mut self.attempts),
            usage: self.usage,
            cost: self.cost,
            wait_ms: self.wait_ms,
            ..Self::pending(std::mem::take(&mut self.path))
        };
        *self = fresh;
    }
}

impl AttemptView {
    pub(super) fn new(attempt: u32, started: Time) -> Self {
        Self {
            attempt,
            started,
            ended: None,
            outcome: None,
            error: None,
            reason: None,
            resolution: None,
            retry_in_ms: None,
            idempotency_key: None,
            usage: Usage::default(),
            cost: Cost::default(),
            calls: Vec::new(),
            partial: None,
        }
    }

    /// What it used and spent.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent {
            usage: self.usage,
            cost: self.cost,
        }
    }

    /// Whether what it spent bought nothing.
    #[must_use]
    pub fn is_wasted(&self) -> bool {
        self.outcome
            .is_some_and(|outcome| outcome != AttemptOutcome::Succeeded)
    }

    pub(super) fn end(&mut self, at: Time, outcome: AttemptOutcome, resolution: AttemptResolution) {
        self.ended = Some(at);
        self.outcome = Some(outcome);
        self.resolution = Some(resolution);
    }
}

impl AttemptOutcome {
    /// The outcome of an attempt with this error.
    pub(super) fn of(error: &Failure) -> Self {
        match error.kind {
            ErrorKind::Cancelled => AttemptOutcome::Cancelled,
            ErrorKind::Interrupted => AttemptOutcome::Interrupted,
            _ => AttemptOutcome::Failed,
        }
    }
}

impl From<Resolution> for AttemptResolution {
    fn from(resolution: Resolution) -> Self {
        match resolution {
            Resolution::Retried => AttemptResolution::Retried,
            Resolution::GaveUp => AttemptResolution::GaveUp,
            Resolution::Exhausted => AttemptResolution::Exhausted,
        }
    }
}

impl ItemsView {
    /// An item went from one status to another.
    pub(super) fn moved(&mut self, index: u64, from: StepStatus, to: StepStatus) {
        self.total = self.total.max(index.saturating_add(1));
        match from {
            StepStatus::Succeeded => self.succeeded = self.succeeded.saturating_sub(1),
            StepStatus::Failed => {
                self.failed = self.failed.saturating_sub(1);
                self.failed_indexes.remove(&index);
            }
            _ => {}
        }
        match to {
            StepStatus::Succeeded => self.succeeded += 1,
            StepStatus::Failed => {
                self.failed += 1;
                self.failed_indexes.insert(index);
            }
            _ => {}
        }
    }
}
