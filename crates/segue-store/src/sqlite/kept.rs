//! What the writer remembers between transactions, so that a commit reads nothing: the numbers of runs, where they
//! stand, whether signals wait. It holds until another connection has written to the file, which SQLite tells; then all
//! of it is forgotten.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use segue::RunId;
use segue::store::{OwnerId, Standing};

use super::outcomes::Outcomes;

/// Runs remembered at most; a few hundred bytes each.
const MOST_RUNS: usize = 50_000;

#[derive(Default)]
pub(super) struct Kept {
    runs: HashMap<RunId, Known, Folding>,
    pub(super) outcomes: HashMap<RunId, Outcomes, Folding>,
    pub(super) pipelines: HashMap<String, i64>,
    pub(super) plans: HashMap<String, i64>,
    /// Whether there is any signal at all.
    pub(super) signals: Option<bool>,
    pub(super) halted: Option<bool>,
    /// The last run and the last place in the log.
    pub(super) last: Option<Last>,
}

/// Ids of runs are random in most of their bits, and units are small numbers: folding them spreads them, at a tenth of
/// what the usual hash takes. No key is chosen by somebody who would gain from a slow table.
#[derive(Default)]
pub(super) struct Folded(u64);

pub(super) type Folding = BuildHasherDefault<Folded>;

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..piece.len()].copy_from_slice(piece);
            self.0 = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        // A table looks at the highest and at the lowest bits.
        self.0 ^ self.0 >> 32
    }
}

/// Where what is appended goes.
#[derive(Clone, Copy)]
pub(super) struct Last {
    pub(super) run: i64,
    pub(super) position: i64,
}

/// What a commit has to know of its run.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) number: i64,
    pub(super) fence: u64,
    pub(super) owner: Option<OwnerId>,
    /// The last entry and the last event of its log.
    pub(super) entries: u64,
    pub(super) last_seq: u64,
    pub(super) workspace: Option<i64>,
    pub(super) indexed: Indexed,
}

impl Known {
    /// Whether the run is over.
    pub(super) fn over(&self) -> bool {
        self.indexed.phase != 0
    }
}

/// What of a standing is in an index: writing it again although it is the same would cost four more pages. `phase` is 0
/// until the run is over and its status then.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Indexed {
    pub(super) phase: i64,
    pub(super) nanousd: i64,
    pub(super) took: i64,
    pub(super) wakes: Option<i64>,
}

impl Kept {
    pub(super) fn run(&self, run: RunId) -> Option<&Known> {
        self.runs.get(&run)
    }

    pub(super) fn run_mut(&mut self, run: RunId) -> Option<&mut Known> {
        self.runs.get_mut(&run)
    }

    pub(super) fn remember(&mut self, run: RunId, known: Known) {
        if self.runs.len() >= MOST_RUNS {
            self.runs.clear();
        }
        self.runs.insert(run, known);
    }

    pub(super) fn remember_outcomes(&mut self, run: RunId, outcomes: Outcomes) {
        if self.outcomes.len() >= MOST_RUNS {
            self.outcomes.clear();
        }
        self.outcomes.insert(run, outcomes);
    }

    pub(super) fn forget_run(&mut self, run: RunId) {
        self.runs.remove(&run);
        self.outcomes.remove(&run);
    }

    /// Another connection has written. Outcomes say themselves for which fence and entry they hold.
    pub(super) fn overtaken(&mut self) {
        let outcomes = std::mem::take(&mut self.outcomes);
        *self = Self {
            outcomes,
            ..Self::default()
        };
    }

    /// A transaction was given up: nothing of what is remembered has to be so.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Indexed {
    pub(super) fn of(standing: &Standing) -> Self {
        let took = match (standing.started, standing.ended) {
            (Some(started), Some(ended)) => {
                i64::try_from(ended.since(started).as_micros()).unwrap_or(i64::MAX)
            }
            _ => -1,
        };
        Self {
            phase: match standing.status.is_terminal() {
                true => super::row::status_number(standing.status),
                false => 0,
            },
            nanousd: standing.cost.nanousd.nanos(),
            took,
            wakes: standing.wakes.map(segue::Time::micros),
        }
    }
}
