//! What tests need: the suite that every store has to pass, stores that lose their process or their answers or are watched, fail points
//! for whole programs. Only with the feature `testing`, which nothing but tests turns on.

mod dying;
pub mod fail;
mod forgetful;
pub mod store;
mod through;
mod watched;

pub use dying::Dying;
pub use forgetful::Forgetful;
pub use watched::Watched;
