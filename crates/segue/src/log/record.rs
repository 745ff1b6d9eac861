//! Records: events as a run writes them. Small, because a step writes several and a run may have ten thousand steps;
//! they become [`Event`](super::Event)s when somebody reads.

use std::fmt;
use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::event::{ChosenModel, EventKind};
use super::reuse::Reuse;
use super::unit::{Unit, unit_path};
use crate::clock::Time;
use crate::error::{Failure, Spent};
use crate::plan::{Pinned, Plan};
use crate::settings::Call;
use crate::store::Parent;
use crate::value::Value;

/// One record.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) at: Time,
    pub(crate) unit: Unit,
    pub(crate) what: What,
}

/// What happened. The three that every step writes are spelled out; the others are rare.
#[derive(Debug)]
pub(crate) enum What {
    /// The run exists and begins at once: two events.
    Begun(Box<Begun>),
    /// Its dependencies are met.
    Ready,
    /// It and its first attempt began: two events.
    Started,
    /// Both at once: three events.
    ReadyAndStarted,
    /// A further attempt began.
    Attempt(u32),
    /// The unit has its output, made by this attempt (two events) or by what ran below it (0; one event). What the
    /// attempt spent, and the unit in all.
    Succeeded(Value, u32, Option<Box<[Spent; 2]>>),
    /// Anything else.
    Other(Box<EventKind>),
    /// A scope was opened: its units have paths from now on. No event; only where a log outlives its process.
    Scope(u32, Box<ScopeInfo>),
    /// What the run takes over from earlier ones. No event; only where a log outlives its process.
    Reuse(Arc<Reuse>),
    /// A call of a step gave this. No event; only where a log outlives its process.
    Kept(Box<KeptCall>),
}

/// What a call of a step gave, for when the step goes on in another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptCall {
    /// Where in the step.
    pub(crate) position: String,
    /// What was called, with what.
    pub(crate) key: String,
    /// What it gave.
    pub(crate) result: Result<Json, Box<Failure>>,
}

impl KeptCall {
    /// What the call at a position gave.
    pub(crate) fn of(position: &str, key: &str, result: &Result<Json, Failure>) -> Self {
        Self {
            position: position.to_owned(),
            key: key.to_owned(),
            result: result.clone().map_err(Box::new),
        }
    }
}

impl What {
    /// How many events it is.
    pub(crate) fn events(&self) -> u64 {
        match self {
            What::Scope(..) | What::Kept(_) | What::Reuse(_) => 0,
            What::Ready | What::Attempt(_) | What::Other(_) => 1,
            What::Succeeded(_, attempt, _) => 1 + u64::from(*attempt > 0),
            What::Begun(begun) => 1 + u64::from(begun.begins),
            What::Started => 2,
            What::ReadyAndStarted => 3,
        }
    }

    /// Whether it is the outcome of its unit, of which there is one.
    pub(crate) fn is_outcome(&self) -> bool {
        match self {
            What::Succeeded(..) => true,
            What::Other(kind) => matches!(
                **kind,
                EventKind::StepFailed { .. }
                    | EventKind::StepSkipped { .. }
                    | EventKind::StepCancelled { .. }
                    | EventKind::StepReused(_)
            ),
            _ => false,
        }
    }
}

/// What is known of a run when it begins. Its events are made when somebody reads: the hash of a plan and the JSON of an
/// input can cost more than a short run.
pub(crate) struct Begun {
    pub(crate) pinned: Arc<Pinned>,
    pub(crate) input: Value,
    pub(crate) call: Arc<Call>,
    /// Whether it begins at once, or waits for its turn.
    pub(crate) begins: bool,
    /// What a run in memory without agents has nothing of.
    pub(crate) more: Option<Box<More>>,
}

/// The engine that runs where nothing else is said.
const LOCAL: &str = "local";

/// What is known besides of most runs when they begin.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct More {
    /// Another engine than the local one.
    pub(crate) engine: Option<String>,
    pub(crate) models: IndexMap<String, ChosenModel>,
    /// The run it came from.
    pub(crate) parent: Option<Parent>,
    /// What it relies on beyond its plan, where it outlives its process.
    pub(crate) relied: IndexMap<String, Json>,
    /// Who runs it, where it outlives its process.
    pub(crate) owner: Option<String>,
}

impl More {
    /// An engine by its name.
    pub(crate) fn engine_called(name: String) -> Option<String> {
        (name != LOCAL).then_some(name)
    }

    /// None where there is nothing of it.
    pub(crate) fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut begun = f.debug_struct("Begun");
        begun
            .field("pipeline", &self.pinned.plan.name)
            .field("input", &self.input);
        begun
            .field("trigger", &self.call.trigger())
            .finish_non_exhaustive()
    }
}

impl Begun {
    /// What is known besides; nothing where that is not there.
    pub(crate) fn more(&self) -> &More {
        static NOTHING: LazyLock<More> = LazyLock::new(More::default);
        self.more.as_deref().unwrap_or_else(|| &NOTHING)
    }

    pub(crate) fn engine(&self) -> &str {
        self.more().engine.as_deref().unwrap_or(LOCAL)
    }

    pub(super) fn queued(&self) -> EventKind {
        let more = self.more();
        let plan = &self.pinned.plan;
        let mut labels = plan.labels.clone();
        labels.extend(self.call.labels.clone());
        EventKind::RunQueued {
            pipeline: plan.name.clone(),
            plan_hash: self.pinned.hash().to_string(),
            inputs: self
                .input
                .to_json()
                .map(|json| json.as_ref().clone())
                .unwrap_or_default(),
            labels,
            trigger: self.call.trigger().to_owned(),
            models: more.models.clone(),
            note: self.call.note.clone(),
            key: self.call.key.clone(),
            parent: more.parent.clone(),
            definition: self.call.definition.clone(),
            request_key: self.call.request_key.clone(),
            schedule: self.call.schedule.clone(),
        }
    }
}

/// What a log knows of a scope, to give units their paths.
#[derive(Debug, Clone)]
pub(crate) struct ScopeInfo {
    pub(crate) plan: Arc<Plan>,
    pub(crate) site: Site,
    /// Whether its plan is in no plan around it, so that it is written down with it: what code calls by itself.
    pub(crate) is_apart: bool,
}

impl ScopeInfo {
    pub(crate) fn path(&self, unit: Unit) -> String {
        unit_path(self.site.prefix(), &self.plan, unit)
    }
}

/// Where in a run a scope is: nowhere for the run's own. Cloning copies a pointer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Site(Option<Arc<Below>>);

#[derive(Debug)]
struct Below {
    unit: Unit,
    prefix: Box<str>,
    arm: Box<str>,
}

impl Site {
    /// Below a unit: what paths of its units begin with, and which arm of a route it is.
    pub(crate) fn below(unit: Unit, prefix: impl Into<Box<str>>, arm: impl Into<Box<str>>) -> Self {
        Self(Some(Arc::new(Below {
            unit,
            prefix: prefix.into(),
            arm: arm.into(),
        })))
    }

    /// The unit it runs below.
    pub(crate) fn parent(&self) -> Option<Unit> {
        self.0.as_ref().map(|below| below.unit)
    }

    /// What paths of its units begin with: empty or ending in `/`.
    pub(crate) fn prefix(&self) -> &str {
        self.0.as_ref().map_or("", |below| &below.prefix)
    }

    /// The arm of a route that it is; empty otherwise.
    pub(crate) fn arm(&self) -> &str {
        self.0.as_ref().map_or("", |below| &below.arm)
    }
}
