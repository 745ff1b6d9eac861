//! Faults of the disk: the n-th write, sync or opening fails, or a lock is not given, for every n until the scenario
//! passes without meeting it; once, or until the disk is mended.

use std::time::Duration;

use segue::store::{Store, StoreErrorKind};
use segue_store::Sqlite;
use segue_vfs::{Fault, Kind, Vfs};

use super::rounds;
use super::scenario::{Kept, Step, audit, new_run, steps};

/// Plays the scenario with a fault. Whatever fails is asked for again when the disk is mended; nothing that was
/// acknowledged may be missing then, and nothing be there twice or by halves. Gives whether the fault was met.
async fn play(vfs: &Vfs, fault: Fault) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    drop(Sqlite::open(&path).unwrap());
    let open = || {
        Sqlite::at(&path)
            .vfs(vfs.name())
            .patience(Duration::from_millis(1))
            .open()
    };
    vfs.arm(Some(fault));
    let mut met = false;
    let mut mend = || {
        met |= vfs.hits() > 0;
        vfs.arm(None);
    };
    let store = match open() {
        Ok(store) => store,
        Err(error) => {
            assert!(error.message.contains("store.db"), "{fault:?}: {error}");
            mend();
            open().unwrap_or_else(|error| panic!("{fault:?}: mended it does not open: {error}"))
        }
    };
    let mut kept = Kept::default();
    for step in steps() {
        if let Err(error) = step.ask(&store).await {
            assert!(
                !matches!(error.kind, StoreErrorKind::Lost | StoreErrorKind::Misused),
                "{fault:?}, {step:?}: {error}"
            );
            mend();
            step.ask(&store)
                .await
                .unwrap_or_else(|error| panic!("{fault:?}, {step:?}, mended: {error}"));
        }
        kept.note(step);
    }
    drop(store);
    mend();
    let found = audit(&path, &kept).await;
    assert_eq!(found, Ok(()), "{fault:?}");
    met
}

/// Each n until the scenario passes without meeting the fault.
async fn every(name: &str, kind: Kind, times: u64) {
    let vfs = Vfs::register(name);
    let mut met = 0;
    for at in 1..=rounds(300) {
        if !play(&vfs, Fault { kind, at, times }).await {
            break;
        }
        met += 1;
    }
    assert!(met >= rounds(300).min(10), "only {met} operations could fail");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_disk_that_passes() {
    every("broken-once", Kind::Broken, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_the_disk_that_stays() {
    every("broken-always", Kind::Broken, u64::MAX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_write_that_passes() {
    every("short-once", Kind::Short, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_write_that_stays() {
    every("short-always", Kind::Short, u64::MAX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_that_has_room_again() {
    // What is kept meanwhile is tried again and again, so this one ends by itself.
    every("full-thrice", Kind::Full, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_is_given_later() {
    every("busy-thrice", Kind::Busy, 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_disk_is_full_outcomes_wait_and_nothing_new_begins() {
    let vfs = Vfs::register("full-until-mended");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::at(&path).vfs(vfs.name()).open().unwrap();
    let all = steps();
    let (first, rest) = all.split_at(9);
    let mut kept = Kept::default();
    for step in first {
        step.ask(&store).await.unwrap();
        kept.note(*step);
    }
    vfs.arm(Some(Fault {
        kind: Kind::Full,
        at: 1,
        times: u64::MAX,
    }));
    let waiting: Vec<_> = rest
        .iter()
        .filter(|step| matches!(step, Step::Commit(2..=3, _)))
        .collect();
    let asked: Vec<_> = waiting.iter().map(|step| step.ask(&store)).collect();
    let error = store.create(new_run(9)).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Full, "{error}");
    assert!(
        error.is_passing() && error.message.contains("store.db") && !error.hints.is_empty(),
        "{error}"
    );
    // Refused at once while others wait, again and again; and what is there can be read.
    for _ in 0..3 {
        assert_eq!(
            store.create(new_run(9)).await.unwrap_err().kind,
            StoreErrorKind::Full
        );
    }
    assert_eq!(
        store
            .head(super::scenario::id(1))
            .await
            .unwrap()
            .map(|head| head.fence),
        Some(1)
    );
    assert!(vfs.hits() > 0);
    vfs.arm(None);
    for (step, answer) in waiting.iter().zip(asked) {
        answer.await.unwrap();
        kept.note(**step);
    }
    store.create(new_run(9)).await.unwrap();
    drop(store);
    assert_eq!(audit(&path, &kept).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_names_the_operation_and_the_file() {
    let vfs = Vfs::register("named");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Sqlite::at(&path).vfs(vfs.name()).open().unwrap();
    Step::Enroll.ask(&store).await.unwrap();
    vfs.arm(Some(Fault {
        kind: Kind::Broken,
        at: 1,
        times: u64::MAX,
    }));
    let error = Step::Create(1).ask(&store).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Failed);
    assert!(
        error.message.contains("store.db") && error.message.contains(": "),
        "{error}"
    );
    let words = ["write", "sync", "open", "truncate"];
    assert!(words.iter().any(|word| error.message.contains(word)), "{error}");
    vfs.arm(None);
    Step::Create(1).ask(&store).await.unwrap();
}
