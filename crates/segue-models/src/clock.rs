//! Time: the one place where this crate reads a clock.

use std::time::SystemTime;

use tokio::time::Instant;

/// Monotonic time now; it follows tokio's, so that tests run in virtual time.
#[expect(clippy::disallowed_methods, reason = "this is the clock seam")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Wall time now, for dates that others say.
#[expect(clippy::disallowed_methods, reason = "this is the clock seam")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}
