//! The kill loop, and crowds.

use std::path::Path;

use segue_crash::campaign::Campaign;
use segue_crash::site::Place;

fn campaign(rounds: u64, seed: u64) -> Campaign {
    Campaign {
        worker: Path::new(env!("CARGO_BIN_EXE_segue-crash-worker")).to_owned(),
        rounds,
        seed,
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
