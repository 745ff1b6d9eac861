//! Time and background work: the one place where this store reads a clock, waits, or starts something that goes on by
//! itself. Only the writer and the sessions use it.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Monotonic time now.
#[expect(clippy::disallowed_methods, reason = "this is the clock seam of this store")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Waits for a while.
pub(super) async fn sleep(duration: Duration) {
    tokio::time::sleep(duration).await;
}

/// Runs `future` until `limit` has passed; none when it has. The future is dropped then.
pub(super) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    tokio::time::timeout(limit, future).await.ok()
}

/// Starts work on the present runtime; none when there is no runtime.
///
/// The writer ends when its last sender is gone, a connection when its client is: both are owned by a channel, and a
/// panic of theirs is seen there.
pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Option<JoinHandle<()>> {
    let runtime = tokio::runtime::Handle::try_current().ok()?;
    Some(runtime.spawn(future))
}

/// Runs `future` until a point of time; none when that has passed, unless its value is there at once.
pub(super) async fn until<F: Future>(end: Instant, future: F) -> Option<F::Output> {
    tokio::time::timeout_at(end, future).await.ok()
}

/// How long to wait before the next try: longer each time, up to a second, so that a server that starts is neither
/// besieged nor left waiting.
#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Pause {
    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let next = (self.0 * 2).min(LONGEST);
        std::mem::replace(&mut self.0, next)
    }
}

/// How long it is tried, with pauses.
#[derive(Debug)]
pub(super) struct Patience {
    pause: Pause,
    since: Option<Instant>,
    limit: Duration,
}

/// The first wait; a broken connection to a living server is made again in less.
const FIRST: Duration = Duration::from_millis(20);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(1);

impl Patience {
    /// Patience for this long in all, from the first failure on.
    pub(super) fn of(limit: Duration) -> Self {
        Self {
            pause: Pause::default(),
            since: None,
            limit,
        }
    }

    /// It worked.
    pub(super) fn restore(&mut self) {
        self.pause = Pause::default();
        self.since = None;
    }

    /// It failed: waits before the next try. False, at once, when it has failed for too long.
    pub(super) async fn wait(&mut self) -> bool {
        let since = *self.since.get_or_insert_with(now);
        if now().saturating_duration_since(since) >= self.limit {
            return false;
        }
        sleep(self.pause.next()).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_ends_and_comes_back() {
        let mut patience = Patience::of(Duration::from_secs(10));
        let mut waits = 0;
        while patience.wait().await {
            waits += 1;
        }
        // 20 ms and its doubles up to 640 ms, then whole seconds.
        assert_eq!(waits, 6 + 9);
        assert!(!patience.wait().await, "it does not come back by itself");
        patience.restore();
        assert!(patience.wait().await);
    }
}
