//! Durable stores for Segue, behind `segue::store::Store`: runs outlive their process.
//!
//! ```
//! use segue::{Cx, Pipeline, Result, Runner};
//! use segue_store::Sqlite;
//!
//! async fn double(_cx: Cx, n: u64) -> Result<u64> {
//!     Ok(n * 2)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("segue.db");
//! let pipeline = Pipeline::define("double", |p, n| p.step("double", double, n))?;
//! let runner = Runner::builder().store(Sqlite::open(file)?).register(&pipeline).build()?;
//! // What a process before this one has left unfinished goes on here.
//! for run in runner.recover().await?.taken {
//!     println!("going on with {}", run.id());
//! }
//! // The same request is the same run, whichever process makes it.
//! let run = runner.start(&pipeline, 21).request_key("order-17").await?;
//! assert_eq!(run.done().await?.output, 42);
//! let same = runner.start(&pipeline, 21).request_key("order-17").await?;
//! assert_eq!(same.id(), run.id());
//! # Ok(())
//! # }
//! ```

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod artifacts;
mod clock;
mod durability;
mod fail;
mod folder;
mod lock;
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
