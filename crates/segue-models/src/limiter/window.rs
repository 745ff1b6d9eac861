//! What was sent in the last sixty seconds, call by call: the only way to say of any sixty seconds that no more was sent.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What limits for a minute are about.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The calls of the last minute, in order.
#[derive(Debug, Default)]
pub(super) struct Window {
    calls: VecDeque<Call>,
    /// The number of the first of them; numbers have no gaps.
    first: u64,
    tokens: u64,
    repeats: usize,
}

#[derive(Debug)]
struct Call {
    at: Instant,
    tokens: u64,
    is_repeat: bool,
}

impl Window {
    /// Time passes: what is older than a minute counts no more.
    pub(super) fn pass(&mut self, now: Instant) {
        while let Some(call) = self.calls.pop_front_if(|call| now >= call.at + MINUTE) {
            self.first += 1;
            self.tokens -= call.tokens;
            self.repeats -= usize::from(call.is_repeat);
        }
    }

    /// A call is sent. Gives its number.
    pub(super) fn push(&mut self, at: Instant, tokens: u64, is_repeat: bool) -> u64 {
        self.calls.push_back(Call {
            at,
            tokens,
            is_repeat,
        });
        self.tokens += tokens;
        self.repeats += usize::from(is_repeat);
        self.first + self.calls.len() as u64 - 1
    }

    /// What a call really used; nothing where it counts no more.
    pub(super) fn correct(&mut self, number: u64, tokens: u64) {
        let at = number
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok());
        let Some(call) = at.and_then(|at| self.calls.get_mut(at)) else {
            return;
        };
        self.tokens = self.tokens - call.tokens + tokens;
        call.tokens = tokens;
    }

    /// When a request may be sent that so many others go before; none when it may now.
    pub(super) fn room_for_request(&self, most: u32, before: usize) -> Option<Instant> {
        let most = most as usize;
        let over = (self.calls.len() + before + 1)
            .checked_sub(most)?
            .checked_sub(1)?;
        // One goes for each that has left; where more wait than are left, those before it have to leave again.
        let again = u32::try_from(over / most.max(1)).unwrap_or(u32::MAX);
        let call = self.calls.get(over % most.max(1)).or(self.calls.back())?;
        Some(call.at + MINUTE.saturating_mul(again.saturating_add(1)))
    }

    /// When so many tokens may be asked for; none when they may now. A call of more than the limit has a minute to itself.
    pub(super) fn room_for_tokens(&self, most: u64, tokens: u64) -> Option<Instant> {
        let most = most.saturating_sub(tokens.min(most));
        let mut left = self.tokens;
        if left <= most {
            return None;
        }
        let last = self.calls.iter().find(|call| {
            left -= call.tokens;
            left <= most
        });
        last.map(|call| call.at + MINUTE)
    }

    /// When a failed call may be repeated, where the share of repeats is used up.
    pub(super) fn refuses_repeat(&mut self, now: Instant, (from, share): (usize, usize)) -> Option<Duration> {
        self.pass(now);
        let calls = self.calls.len();
        if calls < from || (self.repeats + 1) * 100 <= (calls + 1) * share {
            return None;
        }
        let oldest = self.calls.iter().find(|call| call.is_repeat);
        Some(oldest.map_or(MINUTE, |call| (call.at + MINUTE).saturating_duration_since(now)))
    }
}
