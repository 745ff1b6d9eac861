//! What tests of stores, engines and whole programs need. Only with the feature `testing`: never part of a release.

pub mod fail;
