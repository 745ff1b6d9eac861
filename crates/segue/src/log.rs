//! The log: the append-only record of a run, and the one thing a run tells the world.
//!
//! A run writes compact records; whoever reads gets [`Event`]s in one vocabulary, live and replayed alike. Nothing here
//! knows how a run works, and no view is made here.

mod audience;
pub mod event;
mod events;
mod live;
mod memory;
mod record;
mod records;
mod reuse;
pub(crate) mod stored;
mod unit;

pub use audience::Delta;
pub(crate) use audience::{Audience, Listening, Telling};
pub use event::{CallKind, ChosenModel, Event, EventKind, Resolution, Reused};
pub use events::Events;
pub(crate) use events::unreadable;
pub use live::{Heard, Live};
pub use memory::RunLog;
pub(crate) use memory::expand;
pub(crate) use record::{Begun, KeptCall, More, Record, ScopeInfo, Site, What};
pub(crate) use reuse::{KeptResult, Reuse};
pub(crate) use unit::{ROOT, Unit, unit_path};
