//! Files: which are opened, which are refused and left as they are, and what happens to one that is in use.

use super::*;

/// The file is refused, with its name and a way out, and neither it nor anything beside it is changed.
fn left_alone(folder: &Path, path: &Path, part: &str) {
    let files = || -> Vec<_> {
        contents(folder)
            .into_iter()
            .filter(|(path, _)| !is_beside(path))
            .collect()
    };
    let before = files();
    let error = refused(Sqlite::open(path));
    assert_eq!(error.kind, StoreErrorKind::Refused, "{error}");
    assert!(
        error.message.contains(part) && error.message.contains("store.db"),
        "{error}"
    );
    assert!(!error.hints.is_empty(), "{error}");
    assert!(files() == before, "a file was changed");
}

/// The log and the shared memory of a database: whoever reads one makes them, and they are empty.
fn is_beside(path: &Path) -> bool {
    path.to_string_lossy().ends_with("-shm") || path.to_string_lossy().ends_with("-wal")
}

#[test]
fn an_empty_file_is_no_store() {
    let (folder, path) = place();
    fs::write(&path, "").unwrap();
    left_alone(folder.path(), &path, "empty");
}

#[test]
fn a_directory_is_no_store() {
    let (folder, path) = place();
    fs::create_dir(&path).unwrap();
    left_alone(folder.path(), &path, "a directory");
}

#[test]
fn a_file_of_something_else_is_no_store() {
    let (folder, path) = place();
    for content in [
        "not a database",
        "SQLite format 3\0 but no more",
        &"x".repeat(100_000),
    ] {
        fs::write(&path, content).unwrap();
        left_alone(folder.path(), &path, "damaged or no store");
    }
}

#[test]
fn a_database_of_another_program_is_no_store() {
    let (folder, path) = place();
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1);")
        .unwrap();
    other.close().unwrap();
    left_alone(folder.path(), &path, "another program");
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_refused() {
    let (folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 50).await;
    drop(store);
    let whole = fs::read(&path).unwrap();
    for length in [whole.len() / 2, whole.len() - 2048, 2048, 100, 16] {
        fs::write(&path, &whole[..length]).unwrap();
        left_alone(folder.path(), &path, "damaged");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(
        Sqlite::open(&path)
            .unwrap()
            .log(RunId::from_bits(50), 0, 9)
            .await
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn a_new_store_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/store.db");
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 1).await;
    let (hash, _) = store.blobs().keep(b"abc".to_vec()).await.unwrap();
    store.backup(folder.path().join("a/b/copy.db")).await.unwrap();
    assert_eq!(store.warnings(), [""; 0]);
    assert_eq!(hash.len(), 64);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (path, _) in contents(&folder.path().join("a")) {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            assert_eq!(mode(path.parent().unwrap()), 0o700, "{}", path.display());
        }
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named_with_the_reason() {
    let (_folder, path) = place();
    fs::write(&path, "a file, not a folder").unwrap();
    let error = refused(Sqlite::open(path.join("store.db")));
    assert!(
        error.message.contains("store.db/store.db") && error.message.contains("failed: "),
        "{error}"
    );
    if cfg!(target_os = "linux") {
        let error = refused(Sqlite::open("/proc/nowhere/store.db"));
        assert_eq!(error.kind, StoreErrorKind::Failed);
        assert!(error.message.contains("/proc/nowhere/store.db"), "{error}");
    }
}

#[tokio::test]
async fn a_link_to_a_store_is_that_store() {
    let (folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 1).await;
    #[cfg(unix)]
    {
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let other = Sqlite::open(&link).unwrap();
        other.commit(commit(1, 4)).await.unwrap();
        assert_eq!(store.log(RunId::from_bits(1), 0, 9).await.unwrap().len(), 4);
        assert!(!folder.path().join("link.db-wal").exists());
    }
    drop(folder);
}

#[tokio::test]
async fn a_file_that_is_replaced_or_deleted_is_noticed_at_the_next_beat() {
    for is_replaced in [true, false] {
        let (folder, path) = place();
        let store = Sqlite::open(&path).unwrap();
        fill(&store, 1).await;
        store.beat(OwnerId::from_bits(1)).await.unwrap();
        fs::remove_file(&path).unwrap();
        if is_replaced {
            fs::write(&path, "something else").unwrap();
        }
        let error = store.beat(OwnerId::from_bits(1)).await.unwrap_err();
        let what = if is_replaced { "replaced" } else { "deleted" };
        assert!(
            error.message.contains(what) && error.message.contains("store.db"),
            "{error}"
        );
        // Nothing is accepted any more that would be lost.
        assert!(store.commit(commit(1, 4)).await.is_err());
        assert!(store.create(new_run(2)).await.is_err());
        drop(store);
        drop(folder);
    }
}

#[tokio::test]
async fn while_another_process_has_it_locked_commits_wait_and_nothing_new_begins() {
    let (_folder, path) = place();
    let store = Sqlite::at(&path)
        .patience(Duration::from_millis(1))
        .open()
        .unwrap();
    fill(&store, 1).await;
    let browser = Connection::open(&path).unwrap();
    browser.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held: Vec<_> = (4..=6).map(|number| store.commit(commit(1, number))).collect();
    let error = store.create(new_run(2)).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Busy, "{error}");
    assert!(error.is_passing() && !error.hints.is_empty());
    // Reading goes on, and so do further commits: they wait in their order.
    assert_eq!(store.log(RunId::from_bits(1), 0, 9).await.unwrap().len(), 3);
    let last = store.commit(commit(1, 7));
    browser.execute_batch("COMMIT").unwrap();
    for commit in held {
        commit.await.unwrap();
    }
    last.await.unwrap();
    assert_eq!(store.log(RunId::from_bits(1), 0, 9).await.unwrap().len(), 7);
    store.create(new_run(2)).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_closed_while_it_cannot_write_says_so() {
    let (_folder, path) = place();
    let store = Sqlite::at(&path)
        .patience(Duration::from_millis(1))
        .open()
        .unwrap();
    fill(&store, 1).await;
    let browser = Connection::open(&path).unwrap();
    browser.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = store.commit(commit(1, 4));
    drop(store);
    let error = held.await.unwrap_err();
    assert!(
        matches!(error.kind, StoreErrorKind::Busy | StoreErrorKind::Failed),
        "{error}"
    );
    browser.execute_batch("COMMIT").unwrap();
    let again = Sqlite::open(&path).unwrap();
    assert_eq!(again.log(RunId::from_bits(1), 0, 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn the_log_is_copied_into_the_file_and_used_again() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 1).await;
    for piece in 0..40u64 {
        let numbers = piece * 250 + 4..piece * 250 + 254;
        let commits: Vec<_> = numbers.map(|number| store.commit(commit(1, number))).collect();
        for commit in commits {
            commit.await.unwrap();
        }
        // Written in all: more than 100 MB of pages. What is kept of them is a few.
        assert!(store.wal_bytes() < 40_000_000, "{} bytes", store.wal_bytes());
    }
    drop(store);
    let wal = path.with_file_name("store.db-wal");
    assert!(!wal.exists(), "the last one to close leaves one file");
}

#[tokio::test]
async fn a_copy_made_while_it_is_written_is_a_sound_store() {
    let (folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 20).await;
    let to = folder.path().join("copy.db");
    let writing = async {
        for number in 4..=60 {
            for n in 1..=20 {
                drop(store.commit(commit(n, number)));
            }
        }
        store.commit(commit(1, 61)).await.unwrap();
    };
    let ((), copied) = futures_util::join!(writing, store.backup(&to));
    copied.unwrap();
    let copy = Sqlite::open(&to).unwrap();
    assert_eq!(copy.examine().await.unwrap(), [""; 0]);
    for n in 1..=20 {
        let entries = copy.log(RunId::from_bits(n), 0, 99).await.unwrap();
        assert!((3..=61).contains(&entries.len()));
        assert_eq!(
            entries,
            store.log(RunId::from_bits(n), 0, entries.len()).await.unwrap()
        );
    }
    let error = store.backup(&to).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Misused, "a copy replaces nothing");
    let error = store
        .backup(folder.path().join("nowhere/copy.db"))
        .await
        .unwrap_err();
    assert!(error.message.contains("nowhere/copy.db"), "{error}");
    let names: Vec<_> = contents(folder.path())
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert!(
        !names
            .iter()
            .any(|name| name.file_name().unwrap().to_string_lossy().starts_with('.')),
        "{names:?}"
    );
}

#[tokio::test]
async fn many_that_open_a_new_store_at_once_open_one_store() {
    let (_folder, path) = place();
    let stores: Vec<Sqlite> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| Sqlite::open(&path).unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (n, store) in (1..).zip(&stores) {
        store.create(new_run(n)).await.unwrap();
    }
    let page = stores[0].runs(segue::store::RunQuery::newest(99)).await.unwrap();
    assert_eq!(page.items.len(), 8);
}
