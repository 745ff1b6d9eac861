//! What the macros write, run against a small stand-in for the items of `segue` that they name.

// The macros say `::segue`; here that is this crate.
extern crate self as segue;

mod route;
mod stand_in;
mod tool;

pub(crate) use stand_in::{__private, Route, StepError, Tool, ToolClass, ToolCx, ToolSpec};
