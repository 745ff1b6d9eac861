//! Verbs: one file each. A verb checks what it was given, does its work, and says how the program ends.

pub(crate) mod answer;
pub(crate) mod artifacts;
pub(crate) mod budgets;
pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod documents;
pub(crate) mod graph;
pub(crate) mod halt;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod models;
pub(crate) mod overview;
pub(crate) mod plan;
pub(crate) mod rerun;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod tools;
pub(crate) mod version;
