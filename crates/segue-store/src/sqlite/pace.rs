//! Pace: when it is worth to wait for the other thread without going to sleep.
//!
//! A commit takes 70 µs on a good disk and 200 on a fair one; waking a thread that sleeps takes another 20 to 70, twice. A
//! single run that commits one step after the other would spend a third of its time that way. So whoever waits looks for
//! its answer a moment longer, where all of this holds: there is a second processor, commits have been short, only this
//! one is on the way, and the last few were alone too and of the same run, or of one that ended before this one began. As
//! soon as a second run commits, everybody sleeps, so that its commits are collected into one.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use segue::RunId;

use crate::clock::now;

/// The longest a commit may take to be watched for, and the longest anybody watches: beside more than that, waking is little.
const MOST: Duration = Duration::from_micros(1_000);

/// How many commits of one run in a row have to have been alone.
const LONE: u32 = 2;

/// How long the writer watches for the next request before it sleeps: about twice what waking it costs …
const WATCH: Duration = Duration::from_micros(50);
/// … and while one run commits step after step, as long as a short step of it takes on a processor that is shared.
const WATCH_LONE: Duration = Duration::from_micros(200);

#[derive(Default)]
pub(super) struct Pace {
    /// Requests that have no answer yet.
    open: AtomicU32,
    /// Commits in a row that were alone and of one run.
    lone: AtomicU32,
    /// How long such a commit took, in microseconds.
    usual: AtomicU32,
}

/// What one transaction held alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Alone {
    /// A new run.
    New(RunId),
    /// The commit of a run.
    Commit(RunId),
}

/// What the writer sees of its commits.
#[derive(Default)]
pub(super) struct Seen {
    run: Option<RunId>,
}

impl Pace {
    /// A request is on its way.
    pub(super) fn sent(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Requests were answered.
    pub(super) fn answered(&self, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.open.fetch_sub(count, Ordering::Relaxed);
    }

    /// A transaction was carried out that held this alone, or several things or others.
    pub(super) fn committed(&self, seen: &mut Seen, alone: Option<Alone>, began: Instant) {
        let run = alone.map(|(Alone::New(run) | Alone::Commit(run))| run);
        if matches!(alone, Some(Alone::New(_))) {
            // Either the run before is over and this one goes on alone, or that one commits again and is another.
        } else if run.is_none() || run != seen.run {
            self.lone.store(0, Ordering::Relaxed);
        } else {
            self.lone.fetch_add(1, Ordering::Relaxed);
            let took = u32::try_from(now().saturating_duration_since(began).as_micros()).unwrap_or(u32::MAX);
            let usual = self.usual.load(Ordering::Relaxed);
            // Follows slowly, so that one slow commit does not stop the watching.
            self.usual.store(
                usual.saturating_sub(usual / 4).saturating_add(took / 4),
                Ordering::Relaxed,
            );
        }
        seen.run = run;
    }

    /// Whether the last commits were alone and of one run.
    fn is_lone(&self) -> bool {
        self.lone.load(Ordering::Relaxed) >= LONE
    }

    /// Looks for an answer for a moment, if that is worth it.
    pub(super) fn watch<T>(&self, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let is_worth = self.is_lone()
            && self.open.load(Ordering::Relaxed) <= 1
            && Duration::from_micros(self.usual.load(Ordering::Relaxed).into()) < MOST
            && has_cores();
        if !is_worth {
            return None;
        }
        let found = until(MOST, &mut look);
        if found.is_none() {
            // The other thread could not run beside this one, or the disk is slow: it is not worth it for now.
            self.lone.store(0, Ordering::Relaxed);
        }
        found
    }

    /// Looks for the next request for a moment.
    pub(super) fn watch_for_work(&self, mut look: impl FnMut() -> Option<()>) {
        let most = if self.is_lone() { WATCH_LONE } else { WATCH };
        if has_cores() {
            until(most, &mut look);
        }
    }
}

fn until<T>(most: Duration, look: &mut impl FnMut() -> Option<T>) -> Option<T> {
    let began = now();
    loop {
        // Reading the clock and giving way cost as much as several looks, and take from a processor that is shared with
        // the other thread.
        for _ in 0..32 {
            if let Some(found) = look() {
                return Some(found);
            }
            std::hint::spin_loop();
        }
        // Where the other thread waits for this very processor, it gets it.
        std::thread::yield_now();
        if now().saturating_duration_since(began) >= most {
            return None;
        }
    }
}

/// Whether another thread can do something while this one watches.
fn has_cores() -> bool {
    static CORES: OnceLock<bool> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_after_the_other_is_lone_and_two_at_once_are_not() {
        let (pace, mut seen) = (Pace::default(), Seen::default());
        let mut then = |alone: Option<Alone>| {
            pace.committed(&mut seen, alone, now());
            pace.is_lone()
        };
        let [new, commit] = [Alone::New, Alone::Commit];
        let [one, other] = [1, 2].map(RunId::from_bits);
        let seen = [new(one), commit(one), commit(one), commit(one)].map(|alone| then(Some(alone)));
        assert_eq!(seen, [false, false, true, true]);
        // It is over, and another one begins.
        let seen = [new(other), commit(other)].map(|alone| then(Some(alone)));
        assert_eq!(seen, [true, true]);
        // It was not over.
        let seen = [new(one), commit(other), commit(one)].map(|alone| then(Some(alone)));
        assert_eq!(seen, [true, false, false]);
        // Something else, or several at once.
        let seen = [commit(one), commit(one)].map(|alone| then(Some(alone)));
        assert_eq!(seen, [false, true]);
        assert!(!then(None));
    }
}
