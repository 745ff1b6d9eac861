//! A file system for SQLite that fails on purpose, and remembers everything that is done to files, so that a loss of
//! power can be tried at every moment.
//!
//! Only tests use it: [`Vfs::register`] gives it a name, a store is opened with that name, and the test says what
//! fails ([`Fault`]) or takes what was recorded ([`Recording`]) and makes the files of any moment from it. What is done
//! beside SQLite's own file operations, like moving a file, it does not see.

mod fault;
mod file;
mod record;
mod vfs;

pub use fault::{Fault, Kind};
pub use record::{Loss, Operation, Recording};
pub use vfs::Vfs;
