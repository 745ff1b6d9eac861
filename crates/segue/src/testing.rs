//! What tests need: the suite that every store has to pass, stores that lose their process or their answers, are
//! watched or have a fault built in, fail points for whole programs. Only with the feature `testing`, which nothing but tests turns on.

mod dying;
pub mod fail;
mod forgetful;
mod planted;
pub mod store;
mod through;
mod watched;

pub use dying::Dying;
pub use forgetful::Forgetful;
pub use planted::{Plant, Planted};
pub use watched::Watched;
