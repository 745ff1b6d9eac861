//! Durable stores for Segue, behind `segue::store::Store`: runs outlive their process.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod artifacts;
mod clock;
mod durability;
mod fail;
mod folder;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(all(feature = "testing", feature = "postgres", unix))]
pub mod testing;
mod workers;

pub use durability::Durability;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use sqlite::Sqlite;
