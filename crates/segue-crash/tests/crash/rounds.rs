//! The kill loop, and crowds.

use std::cell::Cell;
use std::path::Path;

use segue::testing::Plant;
use segue_crash::campaign::{Campaign, Found, Report};
use segue_crash::plant::Fault;
use segue_crash::site::Place;

fn campaign(rounds: u64, seed: u64) -> Campaign {
    Campaign {
        worker: Path::new(env!("CARGO_BIN_EXE_segue-crash-worker")).to_owned(),
        rounds,
        seed,
        fault: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_rounds_of_kills() {
    let report = campaign(200, 7).kills(|_| Place::Sqlite, |_| {}).await;
    let report = report.unwrap_or_else(|found| panic!("{found}"));
    println!("{report}");
    assert_eq!(report.tally.runs, 200);
    assert!(report.done.killed > 100, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_rounds_of_kills_on_postgres() {
    let place = |batch| Place::Postgres(segue_store::testing::cluster().database(&format!("kills_{batch}")));
    let report = campaign(40, 8).kills(place, |_| {}).await;
    let report = report.unwrap_or_else(|found| panic!("{found}"));
    println!("{report}");
    assert_eq!(report.tally.runs, 40);
    assert!(report.done.killed > 20, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_rounds_of_four_some_killed_and_some_stopped() {
    let report = campaign(50, 11).crowds(|_| Place::Sqlite, |_| {}).await;
    let report = report.unwrap_or_else(|found| panic!("{found}"));
    println!("{report}");
    assert_eq!(report.tally.runs, 400);
    assert!(report.done.killed > 20 && report.done.stopped > 20, "{report}");
}

/// Rounds in which a fault that is built in has to be found.
const FIND: u64 = 80;

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_that_is_built_in_is_found() {
    for fault in Fault::all() {
        let campaign = Campaign {
            fault: Some(fault),
            ..campaign(FIND, 5)
        };
        let rounds = Cell::new(0);
        let tell = |report: &Report| rounds.set(report.rounds);
        let found = match fault.needs_a_crowd() {
            true => campaign.crowds(|_| Place::Sqlite, tell).await,
            false => campaign.kills(|_| Place::Sqlite, tell).await,
        };
        let Err(found) = found else {
            panic!("nobody has noticed `{fault}` in {FIND} rounds");
        };
        let Some(found) = found.downcast_ref::<Found>() else {
            panic!("`{fault}` was not looked for: {found}");
        };
        let said = found.to_string();
        assert!(
            clues(fault).iter().any(|clue| said.contains(clue)),
            "`{fault}` is not what was found: {said}"
        );
        println!("{fault}: found in round {}", rounds.get() + 1);
        std::fs::remove_dir_all(found.folder()).expect("nobody else needs it");
    }
}

/// What may be said of a fault, among other things.
fn clues(fault: Fault) -> &'static [&'static str] {
    match fault {
        // What is answered too soon, and what somebody writes who may not, shows in many ways.
        Fault::Store(Plant::Early | Plant::Unfenced) => &["run_", "the crowd"],
        Fault::Keys => &["are on record"],
        Fault::Store(Plant::Apart) => &["has lost its artifact"],
        Fault::Store(Plant::Dangling) => &["has lost the bytes of", "are not in the artifact store"],
        Fault::Store(Plant::Unreserved) => &["and together"],
        Fault::Repeats => &["must not be repeated was had"],
    }
}
