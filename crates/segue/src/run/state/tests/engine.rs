//! An engine in memory that can lose its process after any `start`, `next` or `note`. What it has recorded outlives the
//! process; the next one gets the results again, in the recorded order, and must ask for the same operations and write
//! the same records. It is the cheapest way to find a decision that depends on anything else.

use futures_util::FutureExt;

use super::hand::{Hand, Pending, begin};
use super::plans::Case;
use crate::run::drive::{Driven, DurableRun, Made, Noted, drive};
use crate::run::op::{Op, OpResult};
use crate::run::recorder::Stopped;
use crate::run::state::{Opened, RunOutcome};

/// What outlives a process.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Journal {
    /// Operations, as text, in the order in which they were started.
    pub(super) ops: Vec<String>,
    pub(super) records: Vec<String>,
    pub(super) results: Vec<Pending>,
}

/// How a run ended, and what is left of it.
#[derive(Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) outcome: String,
    pub(super) journal: Journal,
    pub(super) attempts: u64,
    pub(super) spent: u64,
}

/// A process and the journal it writes.
struct Process<'a> {
    case: &'a Case,
    hand: Hand,
    journal: &'a mut Journal,
    /// Operations, records and results of this process, replayed ones included.
    seen: (usize, usize, usize),
    /// Actions left before it is lost.
    left: Option<usize>,
    difference: Option<String>,
}

/// Runs a case; process number `n` is lost after `losses[n]` actions, and each draws from the seed `seeds` gives it.
///
/// # Errors
/// The first difference between what a process did and what one before it had recorded.
pub(super) fn run(case: &Case, losses: &[usize], seeds: impl Fn(usize) -> u128) -> Result<Ended, String> {
    let mut journal = Journal::default();
    for number in 0.. {
        let mut state = begin(case, seeds(number));
        let mut process = Process {
            case,
            hand: Hand::new(case),
            journal: &mut journal,
            seen: (0, 0, 0),
            left: losses.get(number).copied(),
            difference: None,
        };
        let driven = drive(&mut state, &mut process)
            .now_or_never()
            .ok_or("the engine never waits")?;
        if let Some(difference) = process.difference {
            return Err(difference);
        }
        if process.left == Some(0) {
            continue;
        }
        let attempts = process.hand.attempts;
        let outcome = match driven {
            Driven::Ended(outcome) => described(&outcome),
            Driven::Resting => return Err("the run came to a halt".to_owned()),
            Driven::Stopped(stopped) => return Err(format!("the run was stopped: {stopped:?}")),
        };
        return Ok(Ended {
            outcome,
            journal,
            attempts,
            spent: state.spent().usage.requests,
        });
    }
    Err("every process was lost".to_owned())
}

/// An outcome as text, with everything a failure says.
pub(super) fn described(outcome: &RunOutcome) -> String {
    match outcome {
        RunOutcome::Succeeded { output, fallback } => format!("succeeded {output:?} {fallback}"),
        RunOutcome::Failed(failure) => format!("failed {failure:?}"),
        RunOutcome::Cancelled(failure) => format!("cancelled {failure:?}"),
    }
}

impl Process<'_> {
    /// Counts an action; false when the process was lost before it.
    fn lives(&mut self) -> bool {
        match &mut self.left {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn differs(&mut self, what: &str, earlier: &str, now: &str) {
        self.difference
            .get_or_insert_with(|| format!("{what} was\n  {earlier}\nand after the replay it is\n  {now}"));
    }
}

impl DurableRun for Process<'_> {
    fn start(&mut self, op: Op) {
        if !self.lives() {
            return;
        }
        self.hand.started(&op);
        let (at, now) = (self.seen.0, format!("{op:?}"));
        self.seen.0 += 1;
        match self.journal.ops.get(at).cloned() {
            None => self.journal.ops.push(now),
            Some(earlier) if earlier != now => self.differs("an operation", &earlier, &now),
            Some(_) => {}
        }
    }

    async fn next(&mut self) -> Result<Option<OpResult>, Stopped> {
        if self.difference.is_some() || !self.lives() {
            return Ok(None);
        }
        let at = self.seen.2;
        let next = match self.journal.results.get(at) {
            Some(recorded) => *recorded,
            None => {
                let pending = &self.hand.pending;
                let chosen = self.case.order[at % self.case.order.len()];
                let chosen = chosen.checked_rem(pending.len());
                let Some(next) = chosen.and_then(|chosen| pending.get(chosen)).copied() else {
                    return Ok(None);
                };
                self.journal.results.push(next);
                next
            }
        };
        self.seen.2 += 1;
        if !self.hand.pending.contains(&next) {
            self.differs("a result", &format!("{next:?}"), "not awaited");
            return Ok(None);
        }
        Ok(Some(self.hand.result(next)))
    }

    fn note(&mut self, made: Made<'_>) -> Noted {
        let Made { records, .. } = made;
        if !self.lives() {
            records.clear();
            return Noted::Now;
        }
        for (unit, what) in records.drain(..) {
            self.hand.noted(unit, &what);
            let (at, now) = (self.seen.1, format!("{unit:?} {what:?}"));
            self.seen.1 += 1;
            match self.journal.records.get(at).cloned() {
                None => self.journal.records.push(now),
                Some(earlier) if earlier != now => self.differs("a record", &earlier, &now),
                Some(_) => {}
            }
        }
        Noted::Now
    }

    fn opened(&mut self, number: u32, scope: Opened) {
        self.hand.opened(number, scope);
    }
}
