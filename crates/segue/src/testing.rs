//! What tests of stores, engines and whole programs need. Only with the feature `testing`: never part of a release.

mod dying;
pub mod fail;

pub use dying::Dying;
