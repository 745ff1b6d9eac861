//! Values that fit a JSON Schema: which keywords hold, whether a value is accepted, and how one is put together.
//!
//! What goes into a value comes from a [`Source`]; what it has to look like is decided here. `$ref` is followed inside the
//! same schema only. The work is bounded whatever the schema: recursion ends, and what cannot be satisfied is given up.

mod accepts;
mod fill;
mod flat;
mod pattern;
mod range;
mod way;

pub(crate) use fill::{Place, Source, fill};
pub(crate) use pattern::Pattern;
