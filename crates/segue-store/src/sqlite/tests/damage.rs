//! Damage: what `examine` finds when somebody has changed a file by hand.

use super::*;

/// A sound store of some runs that was changed by a statement; what is found in it.
async fn found(change: &str) -> Vec<String> {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 3).await;
    let mut keyed = new_run(9);
    keyed.head.key = Some("k".into());
    keyed.claims = vec!["draft".into()];
    store.create(keyed).await.unwrap();
    assert_eq!(store.examine().await.unwrap(), [""; 0]);
    Connection::open(&path)
        .unwrap()
        .execute_batch(&format!("PRAGMA foreign_keys = OFF; {change}"))
        .unwrap();
    store.examine().await.unwrap()
}

#[tokio::test]
async fn each_kind_is_found() {
    let cases = [
        ("DELETE FROM log WHERE run = 2 AND number = 2", "has a gap"),
        ("UPDATE log SET after = 9 WHERE run = 2 AND number = 3", "numbers of its events have a gap"),
        ("UPDATE log SET after = 9 WHERE run = 2 AND number = 2", "numbers of its events have a gap"),
        ("DELETE FROM heads WHERE run = 2", "nothing says where it stands"),
        ("UPDATE heads SET queued = 77 WHERE run = 2", "is not its own"),
        ("UPDATE heads SET status = 4, phase = 4 WHERE run = 4", "somebody holds it for running"),
        ("UPDATE heads SET status = 4 WHERE run = 2", "whether it is over does not fit"),
        (
            "UPDATE heads SET status = 4, phase = 4 WHERE run = 2; INSERT INTO signals VALUES (1, 2, 0, 1, '{}')",
            "signals wait for it",
        ),
        ("UPDATE documents SET run = zeroblob(16)", "of a run that is not there"),
        ("UPDATE log SET run = 99 WHERE run = 2", "a row of `log` refers to one of `runs`"),
        (
            "UPDATE log SET outcomes = x'010000000200000003000000' WHERE run = 2",
            "unit 1/2/3 has two outcomes",
        ),
        (
            "UPDATE runs SET outcomes = x'010000000200000003000000' WHERE number = 2;
             UPDATE log SET outcomes = x'010000000200000003000000' WHERE run = 2 AND number = 3",
            "unit 1/2/3 has two outcomes",
        ),
        ("UPDATE runs SET outcomes = x'01' WHERE number = 2", "the outcomes of its entry 1 make no sense"),
        ("UPDATE log SET outcomes = x'01' WHERE run = 2", "the outcomes of its entry 2 make no sense"),
        (
            "INSERT INTO links VALUES ('p', 'latest', 2, x'', 0, x'', '', '', 0, '', '')",
            "versions of a link have a gap: `p/latest`",
        ),
        (
            "INSERT INTO accounts VALUES (1, 'a', 'd', 0, 0, 0, 4, 0, 0, 0, 0, 0);
             INSERT INTO holds VALUES (zeroblob(16), 1, 1, 0, 5, 0, 0); INSERT INTO held VALUES (zeroblob(16), 1)",
            "less is reserved in an account than its calls hold: `a d`",
        ),
    ];
    for (change, part) in cases {
        let findings = found(change).await;
        assert!(
            findings.iter().any(|finding| finding.contains(part)),
            "{change}: {findings:?}"
        );
    }
}

#[tokio::test]
async fn a_broken_page_is_found_or_refused_and_never_a_panic() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 200).await;
    drop(store);
    let whole = fs::read(&path).unwrap();
    let pages = whole.len() / 2048;
    let mut seen = 0;
    for page in 1..pages {
        let mut broken = whole.clone();
        broken[page * 2048..page * 2048 + 64].fill(0xee);
        fs::write(&path, &broken).unwrap();
        let is_seen = match Sqlite::open(&path) {
            Err(error) => error.kind == StoreErrorKind::Refused && error.message.contains("store.db"),
            Ok(store) => match store.examine().await {
                Err(error) => error.kind == StoreErrorKind::Refused,
                Ok(findings) => !findings.is_empty(),
            },
        };
        seen += usize::from(is_seen);
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(path.with_file_name(format!("store.db{end}")));
        }
    }
    assert_eq!(seen, pages - 1);
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_told_to_whoever_reads_it() {
    let (_folder, path) = place();
    let store = Sqlite::open(&path).unwrap();
    fill(&store, 2).await;
    let change = "UPDATE runs SET details = '{' WHERE number = 1; UPDATE heads SET status = 77 WHERE run = 2";
    Connection::open(&path).unwrap().execute_batch(change).unwrap();
    for n in 1..=2 {
        let error = store.head(RunId::from_bits(n)).await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Refused, "{error}");
    }
    // The logs are sound, and what else there is goes on.
    assert_eq!(store.log(RunId::from_bits(1), 0, 9).await.unwrap().len(), 3);
    store.create(new_run(3)).await.unwrap();
    store.commit(commit(1, 4)).await.unwrap();
}
