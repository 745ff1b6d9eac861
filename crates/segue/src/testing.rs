//! For the tests of whoever extends the library: what a store has to do, as cases anybody can run.
//!
//! Only with the feature `testing`, which nothing but tests turns on.

pub mod store;
