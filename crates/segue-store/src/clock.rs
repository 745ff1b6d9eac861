//! Time: the one place where the stores read a clock. They wait only for other threads, never for a time.

use std::time::SystemTime;
#[cfg(feature = "sqlite")]
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Monotonic time now.
#[cfg(feature = "sqlite")]
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
#[cfg(feature = "sqlite")]
pub(crate) fn seconds() -> u64 {
    wall()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}
