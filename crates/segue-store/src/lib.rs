//! Durable stores for Segue, behind `segue::store::Store`: runs outlive their process.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod artifacts;
mod clock;
mod folder;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod workers;

#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, Sqlite};
