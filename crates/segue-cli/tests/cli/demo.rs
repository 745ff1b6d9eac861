//! `demo`: a run to look at, recorded or local, and free.

use crate::program::segue;

#[test]
fn the_demo_says_what_it_is_and_ends_after_one_run() {
    let said = segue(&["demo", "--speed", "1000"]).exits(0);
    assert!(said.stdout.starts_with("# Tides\n"), "{}", said.stdout);
    for part in [
        "DEMO",
        "free",
        "REPLAYED by sim/cassette",
        "5 of 5 items",
        "REPLAYED, $0 spent (recorded $",
        "segue init research",
    ] {
        assert!(said.stderr.contains(part), "{part}\n{}", said.stderr);
    }
    let research = segue(&["demo", "--once", "--speed", "1000", "--json"])
        .exits(0)
        .json();
    assert_eq!(research["replayed"], true);
    assert_eq!(
        research["recorded_cost"]["nanousd"], 0,
        "it was recorded from a script"
    );
    let record = segue(&[
        "demo",
        "--pipeline",
        "documents",
        "--speed",
        "1000",
        "--once",
        "--json",
    ])
    .exits(0)
    .json();
    assert_eq!(record["status"], "succeeded");
    assert_eq!(record["replayed"], false);
    assert_eq!(record["cost"]["nanousd"], 0);
    assert_eq!(record["output"]["kind"], "complex");
}
