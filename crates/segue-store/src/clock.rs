//! Time: the one place where the stores read a clock. They wait only for other threads, never for a time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Monotonic time now.
#[expect(clippy::disallowed_methods, reason = "this is the clock seam")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Since when, by the clock of the machine; for names and ages of files only.
#[expect(clippy::disallowed_methods, reason = "this is the clock seam")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Whole seconds since 1970, for the name of a file.
pub(crate) fn seconds() -> u64 {
    wall()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}
