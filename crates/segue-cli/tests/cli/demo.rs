//! `demo`: a run to look at, simulated or local, and free.

use crate::program::segue;

#[test]
fn the_demo_says_what_it_is_and_ends_after_one_run() {
    let said = segue(&["demo", "--speed", "1000"]).exits(0);
    assert!(said.stdout.starts_with("# Tides\n"), "{}", said.stdout);
    for part in ["DEMO", "free", "SIMULATED", "5 of 5 items", "segue init research"] {
        assert!(said.stderr.contains(part), "{part}\n{}", said.stderr);
    }
    let record = segue(&["demo", "--pipeline", "documents", "--once", "--json"]).exits(0).json();
    assert_eq!(record["status"], "succeeded");
    assert_eq!(record["cost"]["nanousd"], 0);
    assert_eq!(record["output"]["kind"], "complex");
}

#[test]
fn speed_shortens_the_answers() {
    let model_ms = |speed: &str| {
        let record = segue(&["demo", "--once", "--json", "--speed", speed]).exits(0).json();
        record["usage"]["model_ms"].as_u64().expect("a count")
    };
    // Sums of what the script waits: the fast one is far below, however slow the machine is.
    assert!(model_ms("1000") < 3_000);
    assert!(model_ms("5") > 2_000);
}
