//! What tests need: the suite that every store has to pass, stores that lose their process, fail points for whole
//! programs. Only with the feature `testing`, which nothing but tests turns on.

mod dying;
pub mod fail;
pub mod store;

pub use dying::Dying;
