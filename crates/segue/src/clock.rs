//! Time: the one place where the crate reads a clock or waits.
//!
//! Monotonic time (deadlines, durations) and wall time (what people read) are apart. Both follow tokio's clock, so a
//! test with a paused runtime runs in virtual time and a thirty-day wait takes no time at all.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::time::Instant;

/// A point of wall time in whole microseconds since 1970-01-01 UTC; written as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

impl Time {
    /// From microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to this one; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0.div_euclid(1000) * 1000) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{}us", self.0),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Self(time.as_microsecond()))
    }
}

/// A clock anchored at the moment a run began: wall time then, monotonic time since.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    /// When this process began to count.
    anchor: Instant,
    /// Wall time then.
    wall: Time,
    /// When the run began, perhaps in another process.
    began: Time,
}

impl Clock {
    /// A clock that begins at this wall time.
    #[must_use]
    pub(crate) fn start(wall: Time) -> Self {
        Self {
            anchor: now(),
            wall,
            began: wall,
        }
    }

    /// The clock, at this wall time, of a run that began earlier and wrote last at `last`: it never steps back.
    #[must_use]
    pub(crate) fn resume(wall: Time, began: Time, last: Time) -> Self {
        Self {
            anchor: now(),
            wall: wall.max(last),
            began,
        }
    }

    /// Wall time at the beginning of the run.
    #[must_use]
    pub(crate) fn began(&self) -> Time {
        self.began
    }

    /// Wall time, advanced monotonically from the beginning of the run: it never steps back.
    #[must_use]
    pub(crate) fn time(&self) -> Time {
        let since =
            i64::try_from(now().saturating_duration_since(self.anchor).as_micros()).unwrap_or(i64::MAX);
        Time(self.wall.0.saturating_add(since))
    }
}

/// Monotonic time now.
#[expect(clippy::disallowed_methods, reason = "this is the clock seam")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Whole milliseconds since a moment.
pub(crate) fn millis_since(began: Instant) -> u64 {
    u64::try_from(now().saturating_duration_since(began).as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the clock seam")]
/// Wall time now. Only for what people read, and for moments that other processes wait for.
pub(crate) fn wall() -> Time {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// What day it is, for prices that change.
#[expect(clippy::disallowed_methods, reason = "this is the clock seam")]
pub(crate) fn today() -> std::time::SystemTime {
    std::time::SystemTime::now()
}

/// Waits for a while.
pub(crate) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Runs `future` until `limit` has passed; `None` when it has. The future is dropped then.
pub(crate) async fn within<F: Future>(limit: Option<Duration>, future: F) -> Option<F::Output> {
    match limit {
        None => Some(future.await),
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
    }
}

/// Starts work that goes on by itself until it ends or is aborted.
#[expect(clippy::disallowed_methods, reason = "this is the seam for spawning")]
pub(crate) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> tokio::task::AbortHandle {
    tokio::spawn(future).abort_handle()
}

/// `n` seconds.
#[must_use]
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// `n` milliseconds.
#[must_use]
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// `n` minutes.
#[must_use]
pub const fn mins(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_to_the_millisecond() {
        let time = Time::from_micros(1_772_348_400_123_999);
        assert_eq!(time.to_string(), "2026-03-01T07:00:00.123Z");
        let text = serde_json::to_string(&time).expect("a time is a string");
        let back: Time = serde_json::from_str(&text).expect("and reads back");
        assert_eq!(back.micros(), 1_772_348_400_123_000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_follows_virtual_time() {
        let clock = Clock::start(wall());
        let before = clock.time();
        sleep(secs(86_400)).await;
        assert_eq!(clock.time().since(before), secs(86_400));
    }
}
