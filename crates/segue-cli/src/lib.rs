//! The command line of Segue: checks, plans, draws and runs pipeline files.
//!
//! The binary `segue` is [`main`] with an empty registry. A program that registers agents, tools or steps of its own
//! calls it with its registry and has the same command line, with its names known to every pipeline file:
//!
//! ```no_run
//! use segue::{Cx, Registry, Result};
//!
//! async fn shout(_cx: Cx, text: String) -> Result<String> {
//!     Ok(text.to_uppercase())
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     segue_cli::main(Registry::new().step("app.shout", shout))
//! }
//! ```
//!
//! Results go to stdout and everything else to stderr, so a pipe never sees progress. What a verb prints about a run is
//! a fold of the run's events, the same that any other program can read with `--output ndjson`.

mod arguments;
mod attend;
mod blob;
mod bounds;
mod clock;
mod config;
mod desk;
mod exit;
mod flags;
mod follow;
mod history;
mod holes;
mod inputs;
mod keyed;
mod naming;
mod offline;
mod operator;
mod output;
mod paper;
mod patterns;
mod pins;
mod pipelines;
mod planned;
mod problem;
mod program;
mod project;
mod ranges;
mod retain;
mod saving;
mod secrets;
mod servers;
mod signals;
mod sites;
mod start;
mod store;
mod templates;
mod terminal;
mod trust;
mod verb;
mod when;
mod workspaces;

pub use program::{main, main_with};
