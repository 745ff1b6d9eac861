//! Time: the one place where the command line reads a clock, for the seconds a live picture shows.

use segue::Time;

/// Wall time now.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock seam of the command line"
)]
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Today, for the prices that hold now.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock seam of the command line"
)]
pub(crate) fn today() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
