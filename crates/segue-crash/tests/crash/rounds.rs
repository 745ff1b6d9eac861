//! The kill loop.

use segue_crash::rounds;
use segue_crash::site::Place;
use segue_crash::verdict::{check, undisturbed};

use crate::site;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_rounds_of_kills() {
    let mut site = site(Place::Sqlite);
    let expected = undisturbed().await.expect("nobody disturbs it");
    let mut random = fastrand::Rng::with_seed(7);
    let mut killed = 0;
    let rounds = 200;
    for number in 0..rounds {
        let kills = random.u64(1..=3);
        let round = rounds::round(&site, number, kills, &mut random).unwrap_or_else(|found| {
            site.keep();
            panic!("{found} in {}", site.folder().display())
        });
        killed += round.killed;
    }
    let store = site.store().await.expect("a store");
    let seen = site.effects().expect("a ledger");
    let tally = check(&store, &seen, &expected, 1..=1)
        .await
        .unwrap_or_else(|found| panic!("{found}"));
    println!("{tally}; {killed} killed");
    assert_eq!(tally.runs, rounds);
}
