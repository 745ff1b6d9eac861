//! What tests need: the suite that every store has to pass, stores that lose their process or their answers, are
//! watched or have a fault built in, fail points for whole programs. Only with the feature `testing`, which nothing but tests turns on.

mod dying;
pub mod fail;
mod forgetful;
mod held;
mod planted;
pub mod store;
mod watched;

pub use dying::Dying;
pub use forgetful::Forgetful;
pub use held::Held;
pub use planted::{Plant, Planted};
pub use watched::Watched;

use crate::{RunnerBuilder, Time};

/// A runner for which it is this time from now on, whatever the clock on the wall says: for tests of days and months.
#[must_use]
pub fn begin_at(mut builder: RunnerBuilder, time: Time) -> RunnerBuilder {
    builder.env.begin_at(time);
    builder
}
