//! Measures Segue beside the floor (bare tokio) and beside other Rust orchestrators, in the same run.
//!
//! The binary `bench` is the only entry: it prints one table of ratios. Absolute times on a shared machine say little, so
//! every contender takes its turn in every round, and what is printed are medians and ratios of the same round.
//! Each run is checked: every step ran exactly once, and the last one got what the first was given. A wrong result ends
//! the bench.
//!
//! - [`shape`] says what is run, [`contender`] who runs it: [`floor`], [`peer_graph_flow`], [`peer_dagrs`], `segue_runs`.
//! - [`harness`] interleaves and takes medians; [`workload`] lists what is promised and at which sizes.
//! - `durable` measures runs that are kept, beside bare SQLite.
//! - [`memory`], [`start`], [`instructions`], [`build`], `large` and `resume` measure whole processes.
//! - [`table`] prints.

pub mod build;
pub mod contender;
#[cfg(feature = "segue")]
pub mod durable;
pub mod floor;
pub mod harness;
pub mod instructions;
#[cfg(feature = "segue")]
pub mod large;
pub mod memory;
pub mod options;
pub mod peer_dagrs;
pub mod peer_graph_flow;
pub mod program;
#[cfg(feature = "segue")]
pub mod resume;
#[cfg(feature = "segue")]
pub mod segue_runs;
pub mod shape;
pub mod start;
pub mod table;
pub mod workload;
