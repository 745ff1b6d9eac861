//! Budgets and halts that runs share, kept in a SQLite file: never overspent by runners at work together, and still known
//! when the file is opened again.
#![cfg(feature = "sqlite")]

use std::path::Path;
use std::sync::Arc;

use segue::budget::StandingBudget;
use segue::model::Rule;
use segue::store::Store;
use segue::{Agent, Cx, ErrorKind, Models, Out, Pipeline, Runner, Scripted, Time, from_fn};
use segue_store::Sqlite;

const LIMIT: u64 = 10;

fn open(folder: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(folder.join("store.db")).expect("it opens"))
}

fn runner(store: &Arc<dyn Store>, model: &Scripted) -> Runner {
    // Noon of 2026-03-01: the day does not end while a test runs.
    let noon = Time::from_micros(1_772_366_400_000_000);
    segue::testing::begin_at(Runner::builder(), noon)
        .models(Models::offline().with("sim/small", model.clone().named("sim/small")))
        .store_in(store.clone())
        .standing_budget(StandingBudget::new("all").requests_per_day(LIMIT))
        .build()
        .expect("a runner")
}

/// Four calls one after another.
fn calls() -> Pipeline<u64, u64> {
    let step = from_fn(|cx: Cx, n: u64| async move {
        let agent = Agent::<String>::new("asker").model("sim/small");
        for _ in 0..4 {
            cx.run(&agent, "go on").await?;
        }
        Ok(n)
    });
    Pipeline::define("calls", |p, n: Out<u64>| p.step("pays", step, n)).expect("a pipeline")
}

#[tokio::test]
async fn runners_use_what_there_is_and_no_more_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let model = Scripted::new().rule(Rule::reply("fine").prompt_contains("go on"));
    let store = open(folder.path());
    let runners = [runner(&store, &model), runner(&store, &model)];
    let mut runs = Vec::new();
    for n in 0..6 {
        let started = runners[n % 2].start(&calls(), 1).await;
        runs.push(started.expect("it starts"));
    }
    for run in &runs {
        if let Err(error) = run.done().await {
            assert!(error.is_budget(), "{error}");
        }
    }
    let made = || model.ledger().values().sum::<u64>();
    assert_eq!(made(), LIMIT);
    runners[0].halt("ann", Some("enough")).await.expect("a store");
    for runner in &runners {
        runner.close().await.expect("it leaves");
    }
    drop((runs, runners, store));

    let store = open(folder.path());
    let next = runner(&store, &model);
    let refused = next.start(&calls(), 1).await.err().expect("it is halted");
    assert_eq!(refused.kind(), ErrorKind::Halted);
    next.unhalt().await.expect("a store");
    let run = next.start(&calls(), 1).await.expect("it starts");
    assert!(run.done().await.err().expect("nothing is left").is_budget());
    assert_eq!(made(), LIMIT);
    let account = &store.accounts(None, 9).await.expect("a store")[0];
    assert_eq!(
        (account.key.name.as_str(), account.spent[2]),
        ("budget:all/day", LIMIT)
    );
    assert_eq!((account.reserved, account.uncertain), ([0; 3], [0; 3]));
}
