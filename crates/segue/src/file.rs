//! Pipeline files: from bytes to a checked plan.
//!
//! [`load`] reads a file and what it names beneath its folder, checks all of it, and gives the plan or every fault at
//! once. Reading runs nothing, connects to nothing and starts nothing. The keys of the format stand in one place, from
//! which the reader, the suggestions and [`schema`] come.

mod action;
mod agents;
mod check;
mod cycle;
mod ends;
mod files;
mod fit;
mod format;
mod keys;
mod known;
mod load;
mod matcher;
mod mention;
mod model;
mod names;
mod patterns;
mod pipeline;
mod reader;
mod refer;
mod route;
pub mod scalar;
pub(crate) mod script;
mod secret;
mod settings;
mod steps;
pub mod suggest;
mod test;
mod text;
mod tools;
mod types;
pub mod yaml;

pub use files::{Files, Unreadable};
pub use format::{schema, test_schema};
pub use load::{LoadOptions, Loaded, Named, Rejected, Sources, load, load_from, load_text, of_pattern};
pub use test::Purpose;

pub(crate) use mention::Mention;

#[cfg(test)]
mod tests;
