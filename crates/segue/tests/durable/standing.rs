//! Standing budgets of the operator: which calls fall under one, what it limits, and when it begins anew. Without a store
//! they hold over the runs of a process.

use segue::budget::StandingBudget;
use segue::question::QuestionKind;
use segue::{
    Error, ErrorKind, Launch, Models, Nanousd, OnExceed, Out, Pipeline, Runner, RunnerBuilder, mins, usd,
};

use crate::shared_budgets::{accounts, calls, model, runner};
use crate::support::{memory, output, rests};

fn with(budget: StandingBudget) -> RunnerBuilder {
    runner(&model()).standing_budget(budget)
}

/// A run with everything that a filter may ask for.
fn start(runner: &Runner) -> Launch<u64, u64> {
    runner
        .start(&calls(1), 1)
        .label("team", "red")
        .schedule("nightly")
}

async fn refusal(runner: &Runner) -> Option<Error> {
    let run = start(runner).await.expect("it starts");
    run.done().await.err()
}

#[tokio::test(start_paused = true)]
async fn every_filter_has_to_fit() {
    let none = || StandingBudget::new("none").requests_per_day(0);
    for (budget, fits) in [
        (none(), true),
        (none().pipeline("calls"), true),
        (none().pipeline("other"), false),
        (none().label("team", "red"), true),
        (none().label("team", "blue"), false),
        (none().model("openai/small"), true),
        (none().model("openai/large"), false),
        (none().agent("asker"), true),
        (none().agent("writer"), false),
        (none().schedule("nightly"), true),
        (none().schedule("hourly"), false),
        (none().schedule("nightly").agent("writer"), false),
    ] {
        for builder in [with(budget.clone()), with(budget.clone()).store_in(memory())] {
            let refused = refusal(&builder.build().expect("a runner")).await;
            let name = refused.map(|error| {
                assert!(error.is_budget(), "{error}");
                error
                    .failure()
                    .limit
                    .clone()
                    .expect("a refusal names its limit")
                    .name
            });
            assert_eq!(name.as_deref(), fits.then_some("budget:none/day"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_nested_pipeline_falls_under_the_budget_of_its_name() {
    let nested = Pipeline::define("outer", |p, n: Out<u64>| p.step("inside", calls(1), n));
    let none = StandingBudget::new("none").requests_per_day(0).pipeline("calls");
    let runner = with(none).build().expect("a runner");
    let run = runner
        .start(&nested.expect("a pipeline"), 1)
        .await
        .expect("it starts");
    assert!(run.done().await.err().expect("it is refused").is_budget());
}

#[tokio::test(start_paused = true)]
async fn every_limit_holds() {
    let all = || StandingBudget::new("all");
    let (day, month) = ("budget:all/day", "budget:all/month");
    for (budget, name, unit, anew) in [
        (all().usd_per_day(Nanousd::ZERO), day, "usd", "2026-03-02"),
        (all().tokens_per_day(5), day, "tokens", "2026-03-02"),
        (all().requests_per_day(0), day, "requests", "2026-03-02"),
        (all().usd_per_month(Nanousd::ZERO), month, "usd", "2026-04-01"),
    ] {
        for builder in [with(budget.clone()), with(budget.clone()).store_in(memory())] {
            let error = refusal(&builder.build().expect("a runner")).await;
            let error = error.expect("it does not fit");
            let limit = error.failure().limit.clone().expect("a refusal names its limit");
            assert_eq!((limit.name.as_str(), limit.unit.as_str()), (name, unit));
            let hint = &error.failure().hints[0];
            assert!(hint.contains(&format!("it begins anew at {anew}")), "{hint}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_asks_for_more_where_the_budget_says_so() {
    let none = StandingBudget::new("none").requests_per_day(0);
    let runner = with(none.on_exceed(OnExceed::Pause)).build().expect("a runner");
    let run = start(&runner).await.expect("it starts");
    let question = rests(&run).await;
    assert_eq!(question.kind, QuestionKind::Budget);
    run.answer(question.id, "requests=1", "ann")
        .await
        .expect("a budget");
    assert_eq!(output(&run).await, 1);
    assert_eq!(
        rests(&start(&runner).await.expect("it starts")).await.kind,
        QuestionKind::Budget
    );
}

#[tokio::test(start_paused = true)]
async fn a_model_without_a_price_passes_only_where_that_is_allowed() {
    let money = || {
        StandingBudget::new("all")
            .usd_per_day(usd(1.0))
            .tokens_per_day(9_000)
    };
    for (budget, kind) in [
        (money(), Some(ErrorKind::Unpriced)),
        (money().allow_unpriced(), None),
    ] {
        let models = Models::offline().with("openai/small", model().named("house/unpriced"));
        let builder = Runner::builder().models(models).standing_budget(budget);
        let error = refusal(&builder.build().expect("a runner")).await;
        assert_eq!(error.map(|error| error.kind()), kind);
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_begins_where_its_time_zone_says() {
    let store = memory();
    let east = StandingBudget::new("east")
        .requests_per_day(9)
        .time_zone(|_at: segue::Time| 25 * 3600);
    let utc = StandingBudget::new("utc").requests_per_day(9);
    let runner = with(east).standing_budget(utc).store_in(store.clone());
    assert!(refusal(&runner.build().expect("a runner")).await.is_none());
    let accounts = accounts(&store).await;
    let window = |name: &str| accounts[name].key.window.clone();
    assert_eq!(window("budget:east/day"), "2026-03-02", "it is tomorrow there");
    assert_eq!(window("budget:utc/day"), "2026-03-01");
}

#[tokio::test(start_paused = true)]
async fn what_was_spent_is_forgotten_when_the_next_day_begins() {
    let one = || with(StandingBudget::new("one").requests_per_day(1));
    for builder in [one(), one().store_in(memory())] {
        let runner = builder.build().expect("a runner");
        for day in 1..4 {
            assert!(refusal(&runner).await.is_none(), "day {day}");
            assert!(refusal(&runner).await.is_some(), "day {day}");
            tokio::time::sleep(mins(24 * 60)).await;
        }
    }
}

#[test]
fn what_cannot_be_a_budget_and_two_of_one_name_are_refused() {
    let one = || StandingBudget::new("one").requests_per_day(1);
    for (first, second, says) in [
        (one(), one(), "two standing budgets `one`"),
        (one(), StandingBudget::new("two"), "budget `two` limits nothing"),
        (
            one(),
            StandingBudget::new("a b").requests_per_day(1),
            "is no name of a budget",
        ),
    ] {
        let built = Runner::builder()
            .standing_budget(first)
            .standing_budget(second)
            .build();
        let error = built.err().expect("it is refused").to_string();
        assert!(error.contains(says), "{error}");
    }
}
