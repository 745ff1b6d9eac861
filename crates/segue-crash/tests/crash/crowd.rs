//! Several processes on one store.

use segue_crash::crowd::{self, Disturbed};
use segue_crash::site::Place;
use segue_crash::verdict::{check, undisturbed};

use crate::{find, site};

/// Rounds.
const ROUNDS: u64 = 50;
/// Processes on the store.
const SIZE: usize = 4;
/// Runs each of them begins in a round.
const RUNS: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_rounds_of_four_some_killed_and_some_stopped() {
    let mut site = site(Place::Sqlite);
    let expected = undisturbed().await.expect("nobody disturbs it");
    let mut random = fastrand::Rng::with_seed(11);
    let mut done = Disturbed::default();
    for number in 0..ROUNDS {
        let (name, before) = (format!("round-{number}"), number * SIZE as u64 * RUNS);
        let disturbances = random.u64(2..6);
        let round = crowd::round(&site, (&name, SIZE, RUNS), before, disturbances, &mut random);
        let round = round.unwrap_or_else(|found| find(&mut site, &found));
        done.killed += round.killed;
        done.stopped += round.stopped;
    }
    let store = site.store().await.expect("a store");
    let seen = site.effects().expect("a ledger");
    let tally = check(&store, &seen, &expected, 0..=1).await;
    let tally = tally.unwrap_or_else(|found| find(&mut site, &found));
    println!("{tally}; {done}");
    assert_eq!(tally.runs, ROUNDS * SIZE as u64 * RUNS);
    assert!(done.killed > 0 && done.stopped > 0, "{done}");
}
