//! What the store in one file promises beside what every store does: which files it opens, and what it says of others.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use segue::store::{
    Commit, Created, Entry, NewRun, Owner, OwnerId, Place, Standing, Store, StoreError, StoreErrorKind,
};
use segue::store::{Head, StoredPlan};
use segue::{RunId, Time};
use tempfile::TempDir;

use super::Sqlite;
use super::migrate::{Migration, Versions};

mod damage;
mod files;
mod lists;
mod outcomes;
mod version_2;
mod versions;

/// A folder with the path of a store that is not there yet.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

fn refused(opened: Result<Sqlite, StoreError>) -> StoreError {
    match opened {
        Ok(_) => panic!("the store was opened"),
        Err(error) => error,
    }
}

fn entry(number: u64) -> Entry {
    Entry {
        number,
        after: number - 1,
        events: 1,
        at: Time::from_micros(1),
        body: vec![7; 200],
    }
}

fn new_run(n: u128) -> NewRun {
    NewRun {
        head: Head {
            id: RunId::from_bits(n),
            pipeline: "research".into(),
            plan_hash: "plan".into(),
            definition: None,
            key: None,
            labels: Default::default(),
            note: None,
            trigger: "library".into(),
            parent: None,
            engine: "local".into(),
            models: Default::default(),
            queued: Time::from_micros(i64::try_from(n).unwrap()),
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
        owner: Some(OwnerId::from_bits(1)),
        entry: entry(1),
        claims: Vec::new(),
        expects: Vec::new(),
        documents: Vec::new(),
        questions: Vec::new(),
        outcomes: Vec::new(),
        artifacts: Vec::new(),
    }
}

fn commit(n: u128, number: u64) -> Commit {
    Commit::of(RunId::from_bits(n), 1, entry(number))
}

/// Runs 1 to `runs` with three entries each.
async fn fill(store: &Sqlite, runs: u128) {
    let owner = Owner {
        id: OwnerId::from_bits(1),
        place: Place::default(),
    };
    store.enroll(owner).await.unwrap();
    for n in 1..=runs {
        assert_eq!(store.create(new_run(n)).await.unwrap(), Created::New { fence: 1 });
        for number in 2..=3 {
            store.commit(commit(n, number)).await.unwrap();
        }
    }
}

/// Every file of a folder and below with its content.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for found in fs::read_dir(folder).unwrap() {
        let path = found.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}
