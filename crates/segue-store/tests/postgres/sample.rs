//! Runs and commits to write, for tests that do not care what is in them.

use indexmap::IndexMap;
use segue::store::{Commit, Entry, Head, NewRun, OwnerId, Standing, StoredPlan, UnitKey};
use segue::{RunId, RunStatus, Time};

/// The name of an owner of this number.
pub(crate) fn owner_id(number: u64) -> OwnerId {
    OwnerId::from_bits(number.into())
}

/// A run of this number, held by the first owner.
pub(crate) fn new_run(number: u128) -> NewRun {
    NewRun {
        head: Head {
            id: RunId::from_bits(number),
            pipeline: "research".into(),
            plan_hash: "plan".into(),
            definition: None,
            key: None,
            labels: IndexMap::new(),
            note: None,
            trigger: "library".into(),
            parent: None,
            engine: "local".into(),
            models: IndexMap::new(),
            queued: Time::from_micros(number as i64),
            standing: Standing::queued(),
            owner: None,
            fence: 0,
            last_seq: 0,
        },
        plan: StoredPlan {
            hash: "plan".into(),
            text: "{}".into(),
        },
        request: None,
        owner: Some(owner_id(1)),
        entry: entry(1, 0),
        claims: Vec::new(),
        expects: Vec::new(),
        documents: Vec::new(),
        questions: Vec::new(),
        outcomes: Vec::new(),
        artifacts: Vec::new(),
    }
}

/// An entry of three events after as many of each of the entries before it.
pub(crate) fn entry(number: u64, seed: u64) -> Entry {
    Entry {
        number,
        after: (number - 1) * 3,
        events: 3,
        at: Time::from_micros(number as i64),
        body: format!("entry {number} of {seed}").into_bytes(),
    }
}

/// A commit of the next entry under the first fence, with one outcome.
pub(crate) fn commit(run: u128, number: u64) -> Commit {
    let mut commit = Commit::of(RunId::from_bits(run), 1, entry(number, run as u64));
    commit.outcomes.push(UnitKey {
        scope: 0,
        step: number as u32,
        item: u32::MAX,
    });
    commit
}

/// The same with a standing, as most steps bring one.
pub(crate) fn step(run: u128, number: u64) -> Commit {
    let mut commit = commit(run, number);
    commit.standing = Some(standing(RunStatus::Running, number as i64));
    commit
}

/// A standing.
pub(crate) fn standing(status: RunStatus, at: i64) -> Standing {
    Standing {
        status,
        started: Some(Time::from_micros(at)),
        text: format!("what was found in round {at}"),
        ..Standing::queued()
    }
}
