//! How often a server is started again: one that ends and ends is left alone for a while.

use std::time::Duration;

use tokio::time::Instant;

/// Starts in a row that no answer to a call came of.
const MOST: u32 = 3;
/// How long a server is left alone after them.
const PAUSE: Duration = Duration::from_secs(60);

/// The starts of one server.
#[derive(Debug, Default)]
pub(super) struct Starts {
    in_a_row: u32,
    last: Option<Instant>,
}

impl Starts {
    /// Counts a start.
    ///
    /// # Errors
    /// How many there were in a row, and how long there will be no other.
    pub(super) fn begin(&mut self, now: Instant) -> Result<(), (u32, Duration)> {
        let left = self
            .last
            .map(|last| PAUSE.saturating_sub(now.saturating_duration_since(last)));
        let left = left.filter(|left| self.in_a_row >= MOST && !left.is_zero());
        if let Some(left) = left {
            return Err((self.in_a_row, left));
        }
        self.in_a_row += 1;
        self.last = Some(now);
        Ok(())
    }

    /// Whether the last start was so short a while ago that another one is likely to end like it.
    pub(super) fn is_recent(&self, now: Instant) -> bool {
        self.last
            .is_some_and(|last| now.saturating_duration_since(last) < PAUSE)
    }

    /// A call was answered: the server works.
    pub(super) fn works(&mut self) {
        self.in_a_row = 0;
    }
}

/// Monotonic time now.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the clock seam of the connections to servers"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ends_and_ends_is_left_alone_for_a_while() {
        let mut starts = Starts::default();
        let begin = now();
        for _ in 0..MOST {
            assert_eq!(starts.begin(begin), Ok(()));
        }
        let later = begin + Duration::from_secs(20);
        assert_eq!(starts.begin(later), Err((MOST, Duration::from_secs(40))));
        let later = begin + PAUSE;
        assert_eq!(starts.begin(later), Ok(()), "once more after the pause");
        assert_eq!(starts.begin(later), Err((MOST + 1, PAUSE)));
        assert!(starts.is_recent(later));
        assert!(!starts.is_recent(later + PAUSE));
    }

    #[test]
    fn an_answer_makes_good_for_it() {
        let mut starts = Starts::default();
        let begin = now();
        for _ in 0..10 {
            assert_eq!(starts.begin(begin), Ok(()));
            starts.works();
        }
    }
}
