//! Budgets that runs share, raised by people for one run.

use std::sync::Arc;

use segue::budget::PerDay;
use segue::question::QuestionKind;
use segue::store::Store;
use segue::{Budget, EventKind, Nanousd, OnExceed, Out, Pipeline, RunHandle, Runner, Scripted, millis, usd};
use serde_json::json;

use crate::shared_budgets::{PAID, calls_with, holds_nothing, model, nanos, runner};
use crate::support::{memory, output, rests};

/// A run whose first call is made, and whose second does not fit the day of its pipeline.
async fn paused_run(
    store: &Arc<dyn Store>,
    model: &Scripted,
    pipeline: &Pipeline<u64, u64>,
) -> (Runner, RunHandle<u64>) {
    let runner = runner(model)
        .store_in(store.clone())
        .register(pipeline)
        .build()
        .expect("a runner");
    let run = runner.start(pipeline, 1).await.expect("it starts");
    (runner, run)
}

fn by_day(usd: Nanousd) -> Budget {
    let day = PerDay {
        usd: Some(usd),
        ..PerDay::default()
    };
    Budget::default().per_day(day).on_exceed(OnExceed::Pause)
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_may_go_beyond_what_it_shares_and_other_runs_may_not() {
    let (store, model) = (memory(), model());
    let pipeline = calls_with(3, by_day(nanos(PAID + 400_000)));
    let (first, run) = paused_run(&store, &model, &pipeline).await;
    let question = rests(&run).await;
    assert_eq!(question.kind, QuestionKind::Budget);
    let limit = question.budget.clone().expect("it is about a limit");
    assert_eq!(
        (limit.name.as_str(), limit.unit.as_str()),
        ("pipeline:calls/day", "usd")
    );
    assert_eq!(limit.limit, nanos(PAID + 400_000).to_string());
    assert_eq!(
        (limit.spent.as_deref(), limit.reserved.as_deref()),
        (Some(&*nanos(PAID).to_string()), Some("0.00"))
    );
    assert!(limit.needed.is_some());
    assert!(
        question
            .text
            .as_deref()
            .is_some_and(|text| text.contains("this run alone")),
        "{question:?}"
    );
    let (_, other) = paused_run(&store, &model, &pipeline).await;
    let others = rests(&other).await;
    first.close().await.expect("it leaves");

    // Room for one call more.
    let next = runner(&model)
        .store_in(store.clone())
        .register(&pipeline)
        .build()
        .expect("a runner");
    next.answer(question.id, nanos(2 * PAID + 400_000).to_string())
        .await
        .expect("a budget");
    let run = next.attach(run.id()).await.expect("it is there");
    let question = rests(&run).await;
    run.refresh().await.expect("it is read");
    assert_eq!(run.view().usage().requests, 2);
    let limit = question.budget.clone().expect("it is about a limit");
    assert_eq!(limit.limit, nanos(2 * PAID + 400_000).to_string());
    let raised: Vec<_> = run
        .log()
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::BudgetRaised { name, from, to, .. } => Some((name, from.usd, to.usd)),
            _ => None,
        })
        .collect();
    assert_eq!(
        raised,
        [(
            "pipeline:calls/day".to_owned(),
            Some(nanos(PAID + 400_000)),
            Some(nanos(2 * PAID + 400_000))
        )]
    );
    assert_eq!(
        rests(&other).await.id,
        others.id,
        "nobody has allowed the other run anything"
    );

    // By name instead, and far enough; a process later it still holds.
    let by_name = Budget::from(usd(1.0));
    next.raise_budget(run.id(), "pipeline:calls/day", by_name, "ann")
        .await
        .expect("it waits for that");
    assert_eq!(run.done().await.expect("it goes on").usage.requests, 3);
    let error = next.answer(others.id, "0.0005").await;
    error.expect("an answer, though it allows nothing");
    let again = rests(&other).await;
    assert_ne!(again.id, others.id, "it asks again");
    next.answer(again.id, "none").await.expect("no limit");
    let other = next.attach(other.id()).await.expect("it is there");
    assert_eq!(other.done().await.expect("nothing limits it").usage.requests, 3);
    assert_eq!(model.ledger().values().sum::<u64>(), 6, "nothing is sent twice");
    holds_nothing(&store).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_run_was_allowed_is_known_to_the_process_that_takes_it_up() {
    let (store, model) = (memory(), model());
    for answer in ["none", "1.00"] {
        let own = Budget::default().requests(1).on_exceed(OnExceed::Pause);
        for pipeline in [calls_with(3, by_day(nanos(PAID))), calls_with(3, own)] {
            let pipeline = Pipeline::define(format!("nested-{}", answer.len()), |p, n: Out<u64>| {
                p.step("calls", pipeline, n)
            });
            let pipeline = pipeline.expect("a pipeline");
            let build = || {
                runner(&model)
                    .store_in(store.clone())
                    .register(&pipeline)
                    .build()
                    .expect("a runner")
            };
            let first = build();
            let run = first.start(&pipeline, 1).await.expect("it starts");
            let question = rests(&run).await;
            let answer = match &*question.budget.as_ref().expect("a limit").unit {
                "requests" if answer != "none" => "requests=9",
                _ => answer,
            };
            first.answer(question.id, answer).await.expect("a budget");
            // The run has gone on, and its process is lost in the middle of its second call.
            tokio::time::sleep(millis(100)).await;
            first.close().await.expect("it leaves");
            let next = build();
            let resumed = next.resume(run.id()).await.expect("it is taken up");
            assert_eq!(output(&resumed).await, json!(1), "{answer}");
        }
    }
}
