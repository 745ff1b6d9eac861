//! Versions: older files are copied and brought up to date as a whole; newer ones are refused.

use super::*;
use crate::sqlite::schema;

const NEXT: Versions = Versions {
    present: schema::VERSION + 2,
    migrations: &[
        Migration {
            to: schema::VERSION + 1,
            sql: "ALTER TABLE owners ADD COLUMN mood TEXT; CREATE TABLE moods (mood TEXT PRIMARY KEY) STRICT;",
        },
        Migration {
            to: schema::VERSION + 2,
            sql: "INSERT INTO moods VALUES ('calm'); UPDATE owners SET mood = 'calm';",
        },
    ],
};

const BROKEN: Versions = Versions {
    present: schema::VERSION + 2,
    migrations: &[
        Migration {
            to: schema::VERSION + 1,
            sql: "CREATE TABLE moods (mood TEXT PRIMARY KEY) STRICT; DELETE FROM log;",
        },
        Migration {
            to: schema::VERSION + 2,
            sql: "INSERT INTO nowhere VALUES (1);",
        },
    ],
};

/// Only the second step.
const GAP: &[Migration] = &[Migration {
    to: schema::VERSION + 2,
    sql: "",
}];

fn version(path: &Path) -> i32 {
    let connection = Connection::open(path).unwrap();
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

/// A store as the present version writes it, with some runs.
async fn old() -> (TempDir, PathBuf) {
    let (folder, path) = place();
    fill(&Sqlite::open(&path).unwrap(), 5).await;
    (folder, path)
}

#[tokio::test]
async fn an_older_file_is_copied_and_migrated() {
    let (folder, path) = old().await;
    let store = Sqlite::at(&path).versions(NEXT).open().unwrap();
    assert_eq!(version(&path), schema::VERSION + 2);
    assert_eq!(store.log(RunId::from_bits(5), 0, 9).await.unwrap().len(), 3);
    let kept = store.migrated().expect("a copy was made").to_owned();
    assert!(
        kept.starts_with(fs::canonicalize(folder.path()).unwrap().join("backup")),
        "{}",
        kept.display()
    );
    assert_eq!(version(&kept), schema::VERSION);
    drop(store);
    // The copy is a store of the old version, and the migrated one needs no further copy.
    let copy = Sqlite::open(&kept).unwrap();
    assert_eq!(copy.log(RunId::from_bits(5), 0, 9).await.unwrap().len(), 3);
    let again = Sqlite::at(&path).versions(NEXT).open().unwrap();
    assert_eq!(again.migrated(), None);
    let moods: i64 = Connection::open(&path)
        .unwrap()
        .query_row("SELECT count(*) FROM owners WHERE mood = 'calm'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(moods, 1);
}

#[tokio::test]
async fn a_migration_that_fails_changes_nothing() {
    let (_folder, path) = old().await;
    let error = refused(Sqlite::at(&path).versions(BROKEN).open());
    assert!(
        error.message.contains("migrating") && error.message.contains("nowhere"),
        "{error}"
    );
    assert!(error.hints.iter().any(|hint| hint.contains("backup")), "{error}");
    assert_eq!(version(&path), schema::VERSION);
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.log(RunId::from_bits(5), 0, 9).await.unwrap().len(), 3);
    assert_eq!(store.examine().await.unwrap(), [""; 0]);
    drop(store);
    // Tried again at once, it makes another copy and fails alike.
    refused(Sqlite::at(&path).versions(BROKEN).open());
    assert_eq!(fs::read_dir(path.with_file_name("backup")).unwrap().count(), 2);
}

#[tokio::test]
async fn a_newer_file_is_refused_and_left_alone() {
    let (_folder, path) = old().await;
    drop(Sqlite::at(&path).versions(NEXT).open().unwrap());
    // Also one that still has a log beside it.
    let newer = Connection::open(&path).unwrap();
    newer.execute("UPDATE owners SET mood = 'excited'", []).unwrap();
    let before = fs::read(&path).unwrap();
    let error = refused(Sqlite::open(&path));
    assert_eq!(error.kind, StoreErrorKind::Refused);
    assert!(
        error.message.contains("schema 5") && error.message.contains("up to 3"),
        "{error}"
    );
    assert!(error.hints[0].contains("newer"), "{error}");
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!(
        fs::read_dir(path.with_file_name("backup")).unwrap().count(),
        1,
        "no copy was made of it"
    );
    drop(newer);
    drop(Sqlite::at(&path).versions(NEXT).open().unwrap());
}

#[tokio::test]
async fn a_version_nobody_released_is_refused() {
    let (_folder, path) = old().await;
    for odd in [1, 0, -1] {
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", odd)
            .unwrap();
        let error = refused(Sqlite::open(&path));
        assert_eq!(error.kind, StoreErrorKind::Refused);
        assert!(error.message.contains("no released version"), "{error}");
    }
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", schema::VERSION)
        .unwrap();
    let gap = Versions {
        present: schema::VERSION + 2,
        migrations: GAP,
    };
    let error = refused(Sqlite::at(&path).versions(gap).open());
    assert!(error.message.contains("schema 3"), "a step is missing: {error}");
}

/// The variable that says which file is migrated, by a process that is killed meanwhile.
const MIGRATES: &str = "SEGUE_TEST_MIGRATES";

/// On its own, and in the process that the next test kills.
#[tokio::test]
async fn a_file_is_migrated_where_it_stands() {
    let (_folder, path) = match std::env::var_os(MIGRATES) {
        Some(path) => (None, PathBuf::from(path)),
        None => {
            let (folder, path) = old().await;
            (Some(folder), path)
        }
    };
    drop(Sqlite::at(&path).versions(NEXT).open().unwrap());
    assert_eq!(version(&path), schema::VERSION + 2);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what is killed is another process")]
async fn k16_a_process_that_is_killed_during_a_migration_leaves_the_old_version_and_a_copy() {
    let (_folder, path) = old().await;
    let killed = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "sqlite::tests::versions::a_file_is_migrated_where_it_stands",
        ])
        .env(MIGRATES, &path)
        .env(segue::testing::fail::VARIABLE, "K16=kill")
        .output()
        .unwrap();
    assert_eq!(killed.status.code(), None, "{killed:?}");
    let kept = fs::read_dir(path.with_file_name("backup")).unwrap();
    let kept: Vec<PathBuf> = kept.map(|kept| kept.unwrap().path()).collect();
    assert_eq!(kept.len(), 1);
    for file in [&path, &kept[0]] {
        let store = Sqlite::open(file).unwrap();
        assert_eq!(store.log(RunId::from_bits(5), 0, 9).await.unwrap().len(), 3);
        assert_eq!(store.examine().await.unwrap(), [""; 0]);
    }
    // The next process migrates it.
    drop(Sqlite::at(&path).versions(NEXT).open().unwrap());
    assert_eq!(version(&path), schema::VERSION + 2);
}
