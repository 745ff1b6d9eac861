//! How many commits a second the store in PostgreSQL carries out: one run alone, each commit waited for, and many runs side
//! by side, which share their transactions.
//!
//! ```sh
//! cargo run --release -p segue-store --example postgres_commits              # on a server it starts for itself
//! cargo run --release -p segue-store --example postgres_commits -- postgres://user:password@host/database
//! ```
//!
//! Measured on two cores with PostgreSQL 15 on the same machine, commits a second, each with one outcome and a standing:
//!
//! | | 1 run | 10 runs | 300 runs |
//! |---|---|---|---|
//! | full, a quiet disk (46 µs for a sync) | 2,300 to 2,700 | 8,100 to 10,000 | 14,800 to 25,600 |
//! | full, a busy disk (4 ms for a sync) | 250 to 280 | 1,500 to 1,900 | 14,400 |
//! | relaxed | 2,300 to 3,500 | 9,000 to 9,900 | 22,000 to 25,900 |

#![expect(
    clippy::unwrap_used,
    reason = "a measurement that is refused what it needs has nothing to tell"
)]

use std::sync::Arc;
use std::time::Duration;

use segue::store::{MemoryBlobs, Store};
use segue_store::{Durability, Postgres};
use tokio::task::JoinSet;

#[path = "../tests/postgres/sample.rs"]
mod sample;

/// Long enough that the beginning does not count.
const LENGTH: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| segue_store::testing::cluster().address());
    for (durability, name) in [(Durability::Full, "full"), (Durability::Relaxed, "relaxed")] {
        for runs in [1, 10, 300] {
            let schema = format!("bench_{}_{name}_{runs}", std::process::id());
            let builder = Postgres::at(&address, Arc::new(MemoryBlobs::default())).durability(durability);
            let store = builder.schema(&schema).connect().await.unwrap();
            let rate = measure(&store, runs).await;
            println!("{name:>8} durability, {runs:>3} runs: {rate:>6.0} commits a second");
            let findings = store.examine().await.unwrap();
            assert!(findings.is_empty(), "{findings:?}");
        }
    }
}

/// Commits of runs side by side, each waited for before the next of its run.
#[expect(clippy::disallowed_methods, reason = "it measures time")]
async fn measure(store: &Postgres, runs: u128) -> f64 {
    let mut creating = JoinSet::new();
    for run in 1..=runs {
        creating.spawn(store.create(sample::new_run(run)));
    }
    while let Some(created) = creating.join_next().await {
        created.unwrap().unwrap();
    }
    let began = tokio::time::Instant::now();
    let mut working = JoinSet::new();
    for run in 1..=runs {
        let store = store.clone();
        working.spawn(async move {
            let mut next = 2;
            while tokio::time::Instant::now().duration_since(began) < LENGTH {
                store.commit(sample::step(run, next)).await.unwrap();
                next += 1;
            }
            next - 2
        });
    }
    let mut commits = 0;
    while let Some(done) = working.join_next().await {
        commits += done.unwrap();
    }
    commits as f64 / began.elapsed().as_secs_f64()
}
