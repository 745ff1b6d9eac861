//! Running: the only part that does things. One pure state machine decides ([`state`]), one dispatcher per run writes
//! ([`local`]), and attempts ([`execute`]) share nothing.

mod agent;
mod artifacts;
mod asking;
mod call;
mod calling;
mod concurrent;
mod cx;
mod drive;
mod execute;
mod facts;
mod journal;
mod local;
mod op;
mod program;
mod ready;
mod retrying;
mod shared;
mod state;
mod tool;

pub use agent::Reply;
pub(crate) use agent::{Asked, ask as ask_agent};
pub use artifacts::Artifacts;
pub use asking::Asking;
pub use calling::Calling;
pub use concurrent::Concurrent;
pub use cx::{Cx, LastAttempt};
pub(crate) use drive::{Driven, drive};
pub(crate) use facts::{Fact, Facts};
pub(crate) use local::{Control, LocalRun};
pub(crate) use op::{Choice, Done, Inputs, OpResult, Phase};
pub(crate) use program::{Act, Parts, Program};
pub(crate) use ready::{ReadyAgent, ReadyTool, chosen, key_of, prepare_all};
pub use retrying::{Attempt, Retrying};
pub(crate) use shared::{Environment, RunShared, TypeMap};
pub(crate) use state::{RunOutcome, RunState, Start as RunStart};
pub(crate) use tool::call as call_tool;
