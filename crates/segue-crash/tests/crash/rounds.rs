//! The kill loop.

use segue_crash::rounds;
use segue_crash::site::Place;
use segue_crash::verdict::{check, undisturbed};

use crate::{find, site};

/// Rounds with the store in a file.
const ROUNDS: u64 = 200;
/// Rounds with the store on a server.
const POSTGRES: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_rounds_of_kills() {
    kill(Place::Sqlite, ROUNDS, 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_rounds_of_kills_on_postgres() {
    let address = segue_store::testing::cluster().database("rounds");
    kill(Place::Postgres(address), POSTGRES, 8).await;
}

async fn kill(place: Place, rounds: u64, seed: u64) {
    let mut site = site(place);
    let expected = undisturbed().await.expect("nobody disturbs it");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut killed = 0;
    for number in 0..rounds {
        let kills = random.u64(1..=3);
        let round = rounds::round(&site, number, kills, &mut random);
        killed += round.unwrap_or_else(|found| find(&mut site, &found)).killed;
    }
    let store = site.store().await.expect("a store");
    let seen = site.effects().expect("a ledger");
    let tally = check(&store, &seen, &expected, 1..=1).await;
    let tally = tally.unwrap_or_else(|found| find(&mut site, &found));
    println!("{tally}; {killed} processes killed");
    assert_eq!(tally.runs, rounds);
    assert!(killed > rounds / 2, "only {killed} were killed");
}
