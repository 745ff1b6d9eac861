//! Views: everything a person or a program reads of a run is a fold of plan and log.
//!
//! A live screen and a replay are the same fold over the same events. Nothing here knows how a run works.

mod budgets;
mod call;
mod diff;
pub mod draw;
mod graph;
mod ledger;
mod run;
#[cfg(test)]
mod scene;
mod stale;
mod status;
mod summary;
mod timeline;
mod workspace;

pub use call::{CallStatus, CallView};
pub use diff::{Change, DIFF_SCHEMA, Difference, RunDiff, StepDiff};
pub use graph::{GRAPH_SCHEMA, GraphEdge, GraphStep, GraphView};
pub use ledger::{CostLedger, LedgerRow};
pub use run::{
    ArtifactView, AttemptOutcome, AttemptResolution, AttemptView, Drift, ItemsView, OutputHash, RUN_SCHEMA,
    RouteView, RunRecord, RunView, Share, StepCounts, StepView, Trigger, WaitMs,
};
pub(crate) use stale::{Built, stale};
pub use status::{RunStatus, SkipReason, SkipWhy, StepStatus};
pub use summary::{RUNS_SCHEMA, RunSummary};
pub use timeline::{Segment, SegmentKind, Timeline, TimelineRow};
pub(crate) use workspace::is_in;
pub use workspace::{WorkspaceState, WorkspaceStatus, WorkspaceStep};
