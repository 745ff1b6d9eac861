//! Running: the only part that does things. One pure state machine decides ([`state`]), one dispatcher per run writes
//! ([`local`]), and attempts ([`execute`]) share nothing.

mod agent;
mod artifacts;
mod branch;
mod call;
mod cx;
mod drive;
mod execute;
mod facts;
mod journal;
mod local;
mod op;
mod program;
mod shared;
mod state;
mod tool;
mod unit;

pub use agent::Reply;
pub(crate) use agent::{Asked, ask as ask_agent};
pub use artifacts::Artifacts;
pub use branch::{Attempt, Retrying};
pub use cx::{Asking, Calling, Concurrent, Cx, LastAttempt};
pub(crate) use drive::{Driven, drive};
pub(crate) use facts::{Fact, Facts};
pub(crate) use local::{Control, LocalRun};
pub(crate) use op::{Choice, Done, Inputs, OpResult, Phase};
pub(crate) use program::{Act, Parts, Program};
pub(crate) use shared::{
    Environment, ReadyAgent, ReadyTool, RunShared, TypeMap, chosen, prepare as prepare_agent,
};
pub(crate) use state::{ROOT, RunOutcome, RunState, Start as RunStart, unit_path};
pub(crate) use tool::{invoke as invoke_tool, limits as tool_limits};
pub(crate) use unit::Unit;
