//! Losses of power: everything that is done to the files is remembered, and the files of any moment are made anew, with
//! what was not synced kept, lost or torn. What was acknowledged by that moment has to be there.

use std::collections::BTreeMap;
use std::path::Path;

use segue::store::Store;
use segue_store::sqlite::Opening;
use segue_store::{Durability, Sqlite};
use segue_vfs::{Loss, Recording, Vfs};
use tempfile::TempDir;

use super::rounds;
use super::scenario::{Kept, RUNS, Step, audit, id, steps};

/// What was done, and after how much of it what was acknowledged.
struct Played {
    before: BTreeMap<String, Vec<u8>>,
    recording: Recording,
    acknowledged: Vec<(usize, Step)>,
}

/// Plays the scenario on a recording file system. Each wave of it is asked for at once, so that transactions hold the
/// commits of several runs.
async fn play(name: &str, open: impl Fn(Opening) -> Opening) -> Played {
    let vfs = Vfs::register(name);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(Sqlite::open(&path).unwrap());
    let before = BTreeMap::from([("store.db".to_owned(), std::fs::read(&path).unwrap())]);
    vfs.record();
    let store = open(Sqlite::at(&path)).vfs(name).open().unwrap();
    let mut acknowledged = Vec::new();
    let all = steps();
    for wave in all.chunk_by(|a, b| matches!((a, b), (Step::Commit(_, a), Step::Commit(_, b)) if a == b)) {
        let asked: Vec<_> = wave.iter().map(|step| (*step, step.ask(&store))).collect();
        for (step, pending) in asked {
            pending.await.unwrap();
            acknowledged.push((vfs.recorded(), step));
        }
    }
    // Closing copies the log into the file, which is a moment like any other.
    drop(store);
    Played {
        before,
        recording: vfs.take(),
        acknowledged,
    }
}

impl Played {
    /// The moments that are tried: all, or as many as are asked for, spread over the whole.
    fn moments(&self, tries: u64) -> impl Iterator<Item = (usize, Loss)> {
        let all = self.recording.operations.len() as u64 + 1;
        (0..tries).map(move |n| {
            let loss = match n % 4 {
                0 => Loss::All,
                1 => Loss::Nothing,
                _ => Loss::Torn(n),
            };
            // Steps of another size than the whole, so that each kind of loss meets all moments.
            let moment = (n * (all / 3 + 1) + n / 4) % all;
            (usize::try_from(moment).expect("few operations"), loss)
        })
    }

    /// What had been acknowledged at a moment.
    fn kept(&self, moment: usize) -> Kept {
        let mut kept = Kept::default();
        for (count, step) in &self.acknowledged {
            if *count <= moment {
                kept.note(*step);
            }
        }
        kept
    }

    fn make(&self, moment: usize, loss: Loss, folder: &Path) {
        for (name, content) in self.recording.files(&self.before, moment, loss) {
            // The shared memory of a machine does not outlive its power.
            if !name.ends_with("-shm") {
                std::fs::write(folder.join(name), content).unwrap();
            }
        }
    }

    /// The first moment whose audit finds something.
    async fn first_break(&self, tries: u64, expected: impl Fn(Kept) -> Kept) -> Option<String> {
        for (moment, loss) in self.moments(tries) {
            let folder = tempfile::tempdir().unwrap();
            self.make(moment, loss, folder.path());
            let kept = expected(self.kept(moment));
            if let Err(found) = audit(&folder.path().join("store.db"), &kept).await {
                return Some(format!("after operation {moment}, {loss:?}: {found}"));
            }
        }
        None
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_loss_of_power() {
    let played = play("power-full", |opening| opening).await;
    assert!(played.recording.operations.len() > 100);
    assert_eq!(played.first_break(rounds(600), |kept| kept).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relaxed_it_may_lack_the_last_moments_and_is_whole_all_the_same() {
    let played = play("power-relaxed", |opening| opening.durability(Durability::Relaxed)).await;
    assert_eq!(played.first_break(rounds(200), |_| Kept::default()).await, None);
    let found = played.first_break(rounds(200), |kept| kept).await;
    assert!(
        found.is_some(),
        "if it never lacked anything it would be no other than full"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_sync_is_found_out() {
    let played = play("power-careless", Opening::careless).await;
    let found = played
        .first_break(600, |kept| kept)
        .await
        .expect("the harness sees it");
    assert!(
        found.contains("were acknowledged") || found.contains("is gone") || found.contains("does not open"),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_and_what_follows_from_it_in_two_transactions_are_found_out() {
    let played = play("power-apart", Opening::apart).await;
    let found = played
        .first_break(600, |kept| kept)
        .await
        .expect("the harness sees it");
    assert!(found.contains("outcomes"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_cut_off_goes_on() {
    let played = play("power-on", |opening| opening).await;
    let moments: Vec<_> = played.moments(rounds(60)).collect();
    for (moment, loss) in moments {
        let folder: TempDir = tempfile::tempdir().unwrap();
        played.make(moment, loss, folder.path());
        let path = folder.path().join("store.db");
        let store = Sqlite::open(&path).unwrap();
        let mut kept = Kept::default();
        for step in steps() {
            kept.note(step);
            // A call that was reserved and settled would hold again.
            if step == Step::Reserve && !store.accounts(None, 1).await.unwrap().is_empty() {
                continue;
            }
            // What is there already is recognised.
            step.ask(&store)
                .await
                .unwrap_or_else(|error| panic!("after operation {moment}, {loss:?}: {error}"));
        }
        assert_eq!(store.log(id(RUNS), 0, 99).await.unwrap().len(), 7);
        drop(store);
        assert_eq!(
            audit(&path, &kept).await,
            Ok(()),
            "after operation {moment}, {loss:?}"
        );
    }
}
