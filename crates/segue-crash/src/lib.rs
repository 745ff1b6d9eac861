//! The crash harness: it kills Segue again and again, and looks whether it has kept its promises.
//!
//! A `site` is a project with a store. `process`es of the binary `segue-crash-worker`, which is the command line of Segue
//! with the `house`'s models and tools, run a pipeline there and are killed, at a named fail point or whenever. Everything
//! the outside world sees is in a ledger of `effects` that no kill takes back. In the end the `verdict` holds the record
//! against the ledger: nothing lost, nothing doubled, nothing paid for that nobody sees.
//!
//! `rounds` is the kill loop over one process at a time, `crowd` has several on one store, some killed, some stopped and
//! continued; a `campaign` is many of either. A harness that finds nothing may be blind: the faults of `plant` are built in,
//! and each has to be found.

#![cfg(feature = "harness")]

pub mod campaign;
pub mod crowd;
pub mod effects;
pub mod house;
pub mod plant;
pub mod process;
pub mod rounds;
pub mod site;
pub mod verdict;
