//! Writes that are late: something stands in their way that passes, a full disk for example, or a lock of somebody else.
//! They wait here while the writer goes on with others; those of one run keep their order. Only the writer calls this, and
//! it is the writer that tries them again.

use std::collections::{HashSet, VecDeque};

use segue::RunId;
use tokio::time::Instant;

use super::seam::Pause;
use super::write::Write;
use super::writer::{MOST, MOST_BYTES};

/// Everything that is late.
#[derive(Default)]
pub(super) struct Late {
    waiting: VecDeque<Waiting>,
    /// Whether the same stands in the way of all, so that they are tried together. Otherwise each is tried by itself,
    /// because it may have a reason of its own.
    is_shared: bool,
    pause: Pause,
    /// When they are tried again; at once where it is none.
    due: Option<Instant>,
}

/// A write that could not be carried out.
pub(super) struct Waiting {
    pub(super) write: Write,
    /// Since when it waits; none before it was tried by itself.
    pub(super) since: Option<Instant>,
}

impl Late {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When the next are to be tried; none when nothing has to wait.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.is_empty())
    }

    /// Whether the next are to be tried now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.is_empty() && self.due.is_none_or(|due| due <= now)
    }

    /// Whether a write has to wait because one of its run does.
    pub(super) fn precedes(&self, write: &Write) -> bool {
        let run = write.run();
        run.is_some() && self.waiting.iter().any(|late| late.write.run() == run)
    }

    /// Puts a write behind those of its run.
    pub(super) fn line_up(&mut self, write: Write, now: Instant) {
        let since = Some(now);
        self.waiting.push_back(Waiting { write, since });
    }

    /// Takes what is to be tried next, as one transaction.
    pub(super) fn take(&mut self) -> Vec<Waiting> {
        let mut bytes = 0;
        let joins = |late: &&Waiting| {
            bytes += late.write.size();
            late.write.is_grouped() && bytes <= MOST_BYTES
        };
        let most = if self.is_shared { MOST } else { 1 };
        let count = self.waiting.iter().take(most).take_while(joins).count();
        let count = count.max(1).min(self.waiting.len());
        self.waiting.drain(..count).collect()
    }

    /// Takes everything.
    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        self.waiting.drain(..).collect()
    }

    /// Takes the commits of runs of which one before them was given up: they do not follow the end of the log any more.
    pub(super) fn take_followers(&mut self, runs: &HashSet<RunId>) -> Vec<Waiting> {
        let all = self.take_all().into_iter();
        let (followers, others): (_, VecDeque<_>) = all.partition(|late| late.write.follows(runs));
        self.waiting = others;
        followers.into()
    }

    /// What was tried together is tried one by one, at once: one of them may be what the others failed for.
    pub(super) fn try_apart(&mut self, tried: Vec<Waiting>) {
        self.put_first(tried);
        self.is_shared = false;
        self.due = None;
    }

    /// What was tried waits, with all others, for what stands in the way of all.
    pub(super) fn wait_together(&mut self, tried: Vec<Waiting>, now: Instant) {
        self.put_first(tried);
        self.is_shared = true;
        self.wait(now);
    }

    /// What was tried waits; those of other runs come first.
    pub(super) fn wait_apart(&mut self, tried: Waiting, now: Instant) {
        let run = tried.write.run();
        self.put_first(vec![tried]);
        let all = self.take_all().into_iter();
        let (same, mut others): (VecDeque<_>, VecDeque<_>) = all.partition(|late| late.write.run() == run);
        others.extend(same);
        self.waiting = others;
        self.is_shared = false;
        self.wait(now);
    }

    /// Something got through, or out of the way: the others are tried at once.
    pub(super) fn go_on(&mut self) {
        self.pause = Pause::default();
        self.due = None;
    }

    /// A time that is still to come is not put off by what fails meanwhile.
    fn wait(&mut self, now: Instant) {
        if self.due.is_none_or(|due| due <= now) {
            self.due = Some(now + self.pause.next());
        }
    }

    fn put_first(&mut self, tried: Vec<Waiting>) {
        for late in tried.into_iter().rev() {
            self.waiting.push_front(late);
        }
    }
}

impl Waiting {
    /// A write that has not waited yet.
    pub(super) fn new(write: Write) -> Self {
        Self { write, since: None }
    }
}

#[cfg(test)]
mod tests {
    use segue::Time;
    use segue::store::{Commit, Entry, OwnerId};

    use super::super::write::Reply;
    use super::*;

    fn commit(run: u128, number: u64) -> Waiting {
        let entry = Entry {
            number,
            after: 0,
            events: 0,
            at: Time::from_micros(0),
            body: Vec::new(),
        };
        let commit = Commit::of(RunId::from_bits(run), 1, entry);
        Waiting::new(Write::Commit(Box::new(commit), Reply::new().0))
    }

    fn leave() -> Waiting {
        Waiting::new(Write::Leave(OwnerId::from_bits(1), Reply::new().0))
    }

    /// Run and entry of commits; nothing of what else there is.
    fn named(taken: &[Waiting]) -> Vec<Option<(u128, u64)>> {
        let name = |late: &Waiting| match &late.write {
            Write::Commit(commit, _) => Some((commit.run.bits(), commit.entry.number)),
            _ => None,
        };
        taken.iter().map(name).collect()
    }

    #[test]
    fn those_of_a_run_keep_their_order_and_let_others_go_first() {
        let now = super::super::seam::now();
        let mut late = Late::default();
        late.try_apart(vec![commit(1, 2), commit(1, 3), commit(2, 2)]);
        assert_eq!(late.due(), None);
        late.line_up(commit(1, 4).write, now);
        assert!(late.precedes(&commit(1, 5).write) && !late.precedes(&commit(3, 1).write));
        assert!(!late.precedes(&leave().write));
        let first = late.take();
        assert_eq!(named(&first), [Some((1, 2))]);
        for first in first {
            late.wait_apart(first, now);
        }
        assert!(late.due() > Some(now));
        let order: Vec<_> =
            std::iter::from_fn(|| Some(named(&late.take())).filter(|taken| !taken.is_empty()))
                .flatten()
                .collect();
        let expected = [(2, 2), (1, 2), (1, 3), (1, 4)].map(Some);
        assert_eq!(order, expected);
    }

    #[test]
    fn what_waits_for_the_same_is_tried_together_but_for_what_goes_alone() {
        let now = super::super::seam::now();
        let mut late = Late::default();
        late.wait_together(vec![commit(1, 2), commit(2, 2), leave(), commit(3, 2)], now);
        assert_eq!(named(&late.take()), [Some((1, 2)), Some((2, 2))]);
        assert_eq!(named(&late.take()), [None]);
        assert_eq!(named(&late.take()), [Some((3, 2))]);
        assert!(late.is_empty());
    }

    #[test]
    fn what_fails_meanwhile_does_not_put_off_the_next_try() {
        let now = super::super::seam::now();
        let mut late = Late::default();
        late.wait_together(vec![commit(1, 2)], now);
        let due = late.due();
        let failed = late.take_all();
        late.wait_together(failed, now);
        assert_eq!(late.due(), due);
        late.go_on();
        assert_eq!(late.due(), None);
    }

    #[test]
    fn those_that_follow_one_that_was_given_up_are_told_with_it() {
        let mut late = Late::default();
        late.try_apart(vec![commit(1, 3), commit(2, 2), commit(1, 4), leave()]);
        let followers = late.take_followers(&HashSet::from([RunId::from_bits(1)]));
        assert_eq!(named(&followers), [Some((1, 3)), Some((1, 4))]);
        assert_eq!(named(&late.take_all()), [Some((2, 2)), None]);
    }
}
