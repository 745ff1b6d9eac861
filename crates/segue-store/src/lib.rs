//! Durable stores for Segue, behind `segue::store::Store`: runs outlive their process.

#![warn(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "postgres")]
pub mod postgres;

#[cfg(feature = "postgres")]
pub use postgres::{Durability, Postgres};
