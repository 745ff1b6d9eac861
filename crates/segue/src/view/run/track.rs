//! What a step did when: waiting for its turn, an attempt, a provider, a pause, a person. One thing at a time.

use super::step::WaitMs;
use crate::clock::Time;
use crate::view::timeline::{Segment, SegmentKind};

/// The segments of one step, in order; at most the last is open.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Track(Vec<Segment>);

impl Track {
    pub(super) fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Begins a segment. The one before it ends.
    pub(super) fn open(&mut self, kind: SegmentKind, at: Time, attempt: Option<u32>, waits: &mut WaitMs) {
        self.close(at, waits);
        self.0.push(Segment {
            kind,
            from: at,
            to: None,
            attempt,
        });
    }

    /// What it does now.
    pub(super) fn now(&self) -> Option<SegmentKind> {
        let open = self.0.last().filter(|segment| segment.to.is_none());
        open.map(|segment| segment.kind)
    }

    /// Ends the open segment, and counts it if it was a wait.
    pub(super) fn close(&mut self, at: Time, waits: &mut WaitMs) {
        let Some(open) = self.0.last_mut().filter(|segment| segment.to.is_none()) else {
            return;
        };
        open.to = Some(at);
        let counter = match open.kind {
            // What calls wait for their providers is counted with each of them.
            SegmentKind::Attempt | SegmentKind::RateLimit => return,
            SegmentKind::Queue => &mut waits.queue,
            SegmentKind::Backoff => &mut waits.backoff,
            SegmentKind::Person => &mut waits.person,
        };
        *counter = counter.saturating_add(millis(open.from, at));
    }
}

/// Milliseconds from one time to another; zero if they are the other way round.
pub(crate) fn millis(from: Time, to: Time) -> u64 {
    u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX)
}
