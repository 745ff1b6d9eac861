//! Runs, entries and owners to write, for tests that do not care what is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use segue::store::{
    AccountKey, Commit, Entry, Head, Hold, HoldState, KeptArtifact, LinkVersion, MemoryBlobs, NewRun, Owner,
    OwnerId, Place, Settlement, Standing, Store, StoredPlan, UnitKey,
};
use segue::{Artifact, ArtifactId, CallId, RunId, RunStatus, Time};
use segue_store::{Postgres, PostgresBuilder};

use crate::cluster::Cluster;

/// A store in a schema of its own.
pub(crate) fn builder(cluster: &Cluster) -> PostgresBuilder {
    Postgres::builder(&cluster.address(), Arc::new(MemoryBlobs::default()))
        .schema(cluster.schema())
        .pool_size(2)
}

/// The same, opened.
pub(crate) async fn store(cluster: &Cluster) -> Postgres {
    builder(cluster).connect().await.unwrap()
}

/// An owner of this number.
pub(crate) fn owner(number: u64) -> Owner {
    Owner {
        id: owner_id(number),
        place: Place::here(),
    }
}

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

/// Labels.
pub(crate) fn labels<const N: usize>(labels: [(&str, &str); N]) -> BTreeMap<String, String> {
    labels
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Reserves one nano-dollar for a call of the run, in the one account there is; gives how it is to be settled.
pub(crate) async fn reserved(store: &Postgres, run: u128) -> (CallId, Settlement) {
    let hold = Hold {
        call: CallId::from_bits(run),
        run: RunId::from_bits(run),
        fence: 1,
        state: HoldState::Reserved,
        amounts: [0; 3],
    };
    let account = AccountKey {
        name: "pipeline:research/day".into(),
        window: "2026-03-01".into(),
    };
    let decide = Box::new(|_: &[_]| Some([1, 0, 0]));
    let reserved = store.reserve(hold.clone(), vec![account], decide).await.unwrap();
    assert_eq!(reserved, Some([1, 0, 0]));
    (hold.call, Settlement::Spent([1, 0, 0]))
}

/// An artifact of the run.
pub(crate) fn artifact(run: u128) -> KeptArtifact {
    KeptArtifact {
        artifact: Artifact {
            id: ArtifactId::from_bits(run),
            name: "report.md".into(),
            step: "write".into(),
            bytes: 7,
            sha256: format!("{run:064x}"),
            media_type: "text/markdown".into(),
        },
        run: RunId::from_bits(run),
        pipeline: "research".into(),
        at: Time::from_micros(1),
        is_output: false,
    }
}

/// A link to the artifact of the run.
pub(crate) fn link(run: u128, at: Time) -> LinkVersion {
    let KeptArtifact {
        artifact,
        pipeline,
        run,
        ..
    } = artifact(run);
    LinkVersion {
        pipeline,
        link: "latest".into(),
        version: 0,
        artifact,
        run,
        at,
    }
}
