//! Budgets: reserved before each call, never overspent however calls interleave, raised by people, switched off by the
//! call.

use std::collections::BTreeMap;

use proptest::prelude::*;
use segue::budget::{PerCall, PerDay};
use segue::model::Rule;
use segue::price::{Price, PriceBook};
use segue::question::{Question, QuestionKind};
use segue::{
    Agent, Budget, Cx, Error, ErrorKind, Event, EventKind, IntoStep, Kept, Models, Nanousd, OnExceed, Out,
    Outcome, Pipeline, Result, RunHandle, Runner, Scripted, Settings, Time, Usage, cents, from_fn, millis,
    usd,
};

/// Dollars for a million tokens: so a token of input is 1,000 nano-dollars, and one of output 2,000.
const PRICE: Price = Price::per_million(usd_of(1), usd_of(2));

const fn usd_of(dollars: u64) -> Nanousd {
    cents(dollars * 100)
}

fn nanos(nanos: i64) -> Nanousd {
    Nanousd::from_nanos(nanos).expect("a small amount")
}

/// Answers after `wait-0` to `wait-9` tens of milliseconds, with as many hundred output tokens.
fn model() -> Scripted {
    (0..10u64).fold(Scripted::new(), |model, class| {
        let usage = Usage {
            input_tokens: 20,
            output_tokens: 100 * class,
            ..Usage::default()
        };
        let rule = Rule::reply("fine")
            .prompt_contains(format!("wait-{class}"))
            .usage(usage);
        model.rule(rule.delay(millis(10 * class)))
    })
}

fn runner(model: &Scripted) -> Runner {
    let models = Models::offline()
        .with("openai/small", model.clone().named("openai/small"))
        .with("acme/secret", model.clone().named("acme/secret"));
    let prices = PriceBook::new(std::time::UNIX_EPOCH).with_override("openai/small", PRICE);
    // Noon of 2026-03-01: the day does not end while a test runs.
    let noon = Time::from_micros(1_772_366_400_000_000);
    segue::testing::begin_at(Runner::builder(), noon)
        .models(models)
        .prices(prices)
        .build()
        .expect("a runner")
}

fn agent(model: &str) -> Agent<String> {
    Agent::<String>::new("asker").model(model).max_tokens(1000)
}

fn prompt(n: u64) -> String {
    format!("wait-{}", n % 10)
}

/// A step that makes so many calls, one after another, of 500 output tokens each.
fn calls(count: u64) -> Pipeline<u64, u64> {
    let step = from_fn(move |cx: Cx, n: u64| async move {
        for _ in 0..count {
            cx.run(&agent("openai/small"), "wait-5").await?;
        }
        Ok(n)
    });
    Pipeline::define("calls", |p, n: Out<u64>| {
        let fine = p.step("fine", from_fn(|_cx, n: u64| async move { Ok(n) }), n);
        p.step("pays", step, fine)
    })
    .expect("a pipeline")
}

/// What a call of [`calls`] costs: 20 tokens in and 500 out.
const PAID: i64 = 1_020_000;

/// Follows what is spent and reserved through the log; gives what is spent at the end, and the largest reservation.
fn within(events: &[Event], limit: Nanousd) -> (i64, i64) {
    let (mut held, mut spent, mut largest) = (BTreeMap::new(), 0, 0);
    for event in events {
        match &event.kind {
            EventKind::CallReserved {
                call,
                reserved_nanousd,
                ..
            } => {
                held.insert(*call, reserved_nanousd.nanos());
                largest = largest.max(reserved_nanousd.nanos());
            }
            EventKind::CallSucceeded { call, cost, .. } | EventKind::CallFailed { call, cost, .. } => {
                held.remove(call);
                spent += cost.nanousd.nanos();
            }
            EventKind::CallUncertain { call, held_nanousd } => {
                held.remove(call);
                spent += held_nanousd.nanos();
            }
            _ => continue,
        }
        let counted = spent + held.values().sum::<i64>();
        assert!(
            counted <= limit.nanos(),
            "{counted} of {limit} at event {}",
            event.seq
        );
    }
    (spent, largest)
}

/// Runs a fan of agents against one budget, and checks everything the contract says of it.
async fn fan(waits: Vec<u64>, limit: Nanousd, at_once: u32) {
    let count = waits.len() as u64;
    let pipeline = Pipeline::define("fan", |p, list: Out<Vec<u64>>| {
        p.budget(Budget::from(limit));
        p.map(
            "ask",
            agent("openai/small")
                .as_step(prompt)
                .max_parallel(at_once)
                .keep_errors(),
            list,
        )
    })
    .expect("a pipeline");
    let model = model();
    let run = runner(&model)
        .start(&pipeline, waits)
        .max_parallel(at_once)
        .await
        .expect("it starts");
    let done = run.done().await.expect("errors are kept");
    let events = run.log().events();
    let (spent, largest) = within(&events, limit);
    assert_eq!(done.cost.nanousd.nanos(), spent);
    assert_eq!(done.cost.uncertain_nanousd, Nanousd::ZERO);
    let refused: Vec<_> = done.output.iter().filter_map(Kept::error).collect();
    assert_eq!(done.usage.requests + refused.len() as u64, count);
    for error in &refused {
        assert_eq!(error.kind, ErrorKind::Budget, "{error}");
        let reached = error.limit.as_ref().expect("a refusal names its limit");
        assert_eq!((reached.name.as_str(), reached.unit.as_str()), ("run", "usd"));
        assert_eq!(reached.limit, limit.to_string());
        assert!(reached.spent.is_some() && reached.reserved.is_some() && reached.needed.is_some());
    }
    if !refused.is_empty() {
        assert!(
            limit.nanos() - spent < largest,
            "{spent} of {limit} spent, a call needs {largest} at most"
        );
    }
    let clamps = events.iter().filter_map(|event| match &event.kind {
        EventKind::CallReserved {
            call,
            max_tokens_clamped_to: Some(clamped),
            ..
        } => Some((*call, *clamped)),
        _ => None,
    });
    for (call, clamped) in clamps {
        assert!((256..1000).contains(&clamped));
        let sent = events.iter().find_map(|event| match &event.kind {
            EventKind::CallStarted {
                call: of, request, ..
            } if *of == call => Some(request),
            _ => None,
        });
        assert_eq!(sent.expect("it was sent")["settings"]["max_tokens"], clamped);
    }
}

fn paused(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn no_schedule_overspends(
        waits in proptest::collection::vec(0..3u64, 1..80),
        limit in 500_000..60_000_000i64,
        at_once in 1..80u32,
    ) {
        // An answer is never longer than the fewest tokens a call can be cut to.
        paused(fan(waits, nanos(limit), at_once));
    }
}

#[test]
fn a_thousand_concurrent_calls_overspend_by_nothing() {
    let waits: Vec<u64> = (0..1000u64).map(|n| n * 7 % 3).collect();
    paused(fan(waits, nanos(100_000_000), 1000));
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_where_only_calls_in_flight_stand_in_its_way_and_says_so() {
    let model = model();
    let pipeline = Pipeline::define("tight", |p, list: Out<Vec<u64>>| {
        // Room for one reservation, and for what all four spend.
        p.budget(Budget::from(nanos(4 * 420_000 + 1_700_000)).min_tokens(1000));
        p.map("ask", agent("openai/small").as_step(prompt), list)
    })
    .expect("a pipeline");
    let run = runner(&model)
        .start(&pipeline, vec![2, 2, 2, 2])
        .await
        .expect("it starts");
    run.done().await.expect("all fit, one after another");
    let events = run.log().events();
    let is_waiting =
        |event: &&Event| matches!(&event.kind, EventKind::CallWaiting { reason, .. } if reason == "budget");
    assert!(
        events.iter().filter(is_waiting).count() >= 1,
        "the wait is recorded"
    );
}

async fn refused(pipeline: &Pipeline<u64, u64>, model: &Scripted) -> (Error, u64) {
    let run = runner(model).start(pipeline, 1).await.expect("it starts");
    let error = run.done().await.err().expect("a call is refused");
    let requests = error.spent().usage.requests;
    (error, requests)
}

fn limited(count: u64, budget: Budget) -> Pipeline<u64, u64> {
    let inner = calls(count);
    Pipeline::define("limited", |p, n: Out<u64>| {
        p.budget(budget);
        let first = p.step("first", from_fn(|_cx, n: u64| async move { Ok(n) }), n);
        p.step("inner", inner, first)
    })
    .expect("a pipeline")
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_recognised_and_carries_partial_outputs_and_what_was_paid() {
    let pipeline = limited(9, Budget::from(nanos(4 * PAID)).min_tokens(500));
    let (error, requests) = refused(&pipeline, &model()).await;
    assert!(error.is_budget());
    assert_eq!(error.kind(), ErrorKind::Budget);
    assert_eq!(error.partial()["first"], 1);
    assert_eq!(error.spent().cost.nanousd, nanos(requests as i64 * PAID));
    assert!((1..=4).contains(&requests), "{requests}");
    assert!(error.failure().hints.iter().any(|hint| hint.contains("budget")));
}

#[tokio::test(start_paused = true)]
async fn tokens_and_requests_are_limits_too() {
    let (error, requests) = refused(&limited(9, Budget::default().requests(3)), &model()).await;
    assert_eq!(
        (
            requests,
            error.failure().limit.as_ref().map(|limit| limit.unit.as_str())
        ),
        (3, Some("requests"))
    );
    let (error, requests) = refused(&limited(9, Budget::default().tokens(1800)), &model()).await;
    assert_eq!(
        error.failure().limit.as_ref().map(|limit| limit.unit.as_str()),
        Some("tokens")
    );
    assert_eq!(requests, 3, "520 tokens each, and 256 at least for the next");
}

#[tokio::test(start_paused = true)]
async fn the_budgets_of_run_and_step_both_hold() {
    let pays = |count| {
        from_fn(move |cx: Cx, n: u64| async move {
            for _ in 0..count {
                cx.run(&agent("openai/small"), "wait-5").await?;
            }
            Ok(n)
        })
    };
    let pipeline = Pipeline::define("both", |p, n: Out<u64>| {
        p.budget(Budget::default().requests(5));
        let a = p.step("a", pays(3).budget(Budget::default().requests(3)), n);
        let b = p.step("b", pays(3).budget(Budget::default().requests(3)), a);
        p.step("c", from_fn(|_cx, n: u64| async move { Ok(n) }), b)
    })
    .expect("a pipeline");
    let (error, requests) = refused(&pipeline, &model()).await;
    assert_eq!((requests, error.step()), (5, Some("b")));
    assert_eq!(
        error.failure().limit.as_ref().map(|limit| limit.name.as_str()),
        Some("run")
    );
    let run = runner(&model())
        .start(&pipeline, 1)
        .step("a", Settings::new().budget(Budget::default().requests(2)))
        .await
        .expect("it starts");
    let error = run.done().await.err().expect("the step's budget is met first");
    assert_eq!(
        error.failure().limit.as_ref().map(|limit| limit.name.as_str()),
        Some("step:a")
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_can_switch_every_budget_off() {
    let pipeline = limited(4, Budget::default().requests(2));
    let run = runner(&model())
        .start(&pipeline, 1)
        .budget(None)
        .await
        .expect("it starts");
    assert_eq!(run.done().await.expect("nothing limits it").usage.requests, 4);
    let step = Pipeline::define("step", |p, n: Out<u64>| {
        p.step(
            "ask",
            agent("openai/small")
                .as_step(prompt)
                .budget(Budget::default().requests(0)),
            n,
        )
    })
    .expect("a pipeline");
    let run = runner(&model()).start(&step, 1).await.expect("it starts");
    assert!(run.done().await.err().expect("no request is allowed").is_budget());
    let off = Settings::new().budget(None);
    let run = runner(&model())
        .start(&step, 1)
        .step("ask", off)
        .await
        .expect("it starts");
    assert_eq!(run.done().await.expect("nothing limits it").output, "fine");
}

#[tokio::test(start_paused = true)]
async fn a_model_without_a_price_is_refused_under_a_budget_in_dollars_unless_allowed() {
    let secret = |budget: Budget| {
        Pipeline::define("secret", |p, n: Out<u64>| {
            p.budget(budget);
            p.step("ask", agent("acme/secret").as_step(prompt), n)
        })
        .expect("a pipeline")
    };
    let run = runner(&model())
        .start(&secret(Budget::from(usd(9.0))), 1)
        .await
        .expect("it starts");
    let error = run.done().await.err().expect("it has no price");
    assert_eq!(error.kind(), ErrorKind::Unpriced);
    assert!(
        error.is_budget() && error.to_string().contains("acme/secret"),
        "{error}"
    );
    let allowed = Budget::from(usd(9.0)).allow_unpriced().requests(5);
    let run = runner(&model())
        .start(&secret(allowed), 1)
        .await
        .expect("it starts");
    let done = run.done().await.expect("it is allowed");
    assert_eq!(done.cost.unpriced_calls, 1, "never taken as free");
}

async fn rests(run: &RunHandle<u64>) -> Question {
    match run.outcome().await.expect("it does not fail") {
        Outcome::Waiting(question) => *question,
        Outcome::Done(_) => panic!("it should wait for a higher budget"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_goes_on_when_the_budget_is_raised_and_pays_nothing_twice() {
    let model = model();
    let budget = Budget::from(nanos(2 * PAID + 400_000)).on_exceed(OnExceed::Pause);
    let run = runner(&model)
        .start(&limited(6, budget), 1)
        .await
        .expect("it starts");
    let question = rests(&run).await;
    assert_eq!(
        (question.kind, question.step.as_str()),
        (QuestionKind::Budget, "inner/pays")
    );
    let limit = question.budget.as_ref().expect("it is about a limit");
    assert_eq!((limit.name.as_str(), limit.unit.as_str()), ("run", "usd"));
    assert_eq!(run.view().usage().requests, 2);
    let error = run
        .answer(question.id, "lots", "me")
        .await
        .expect_err("that is no budget");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(run.questions().len(), 1);
    run.answer(question.id, nanos(4 * PAID + 400_000).to_string(), "me")
        .await
        .expect("a budget");
    let again = run
        .answer(question.id, "9.00", "you")
        .await
        .expect_err("it is answered");
    assert!(matches!(again.kind(), ErrorKind::Conflict | ErrorKind::NotFound));
    // A raised budget pauses again, as it did before.
    let question = rests(&run).await;
    assert_eq!(run.view().usage().requests, 4);
    run.answer(question.id, "none", "me").await.expect("no limit");
    let done = run.done().await.expect("it goes on");
    assert_eq!((done.usage.requests, done.cost.nanousd), (6, nanos(6 * PAID)));
    let sent = model.ledger();
    assert_eq!(
        (sent.len(), sent.values().sum::<u64>()),
        (6, 6),
        "each call was sent once"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_lets_the_calls_beside_it_come_back() {
    let model = model();
    let fan = from_fn(|cx: Cx, n: u64| async move {
        let branch = |cx: Cx, at: u64| async move {
            // The last one comes when there is room for none, and the others are in flight.
            tokio::time::sleep(millis(at)).await;
            Ok(cx.run(&agent("openai/small"), "wait-5").await?.turns)
        };
        let turns = cx.concurrent("calls", 0..3u64, branch).await?;
        Ok(n + turns.len() as u64)
    });
    let pipeline = Pipeline::define("beside", |p, n: Out<u64>| {
        p.budget(Budget::default().requests(2).on_exceed(OnExceed::Pause));
        p.step("fan", fan, n)
    })
    .expect("a pipeline");
    let run = runner(&model).start(&pipeline, 1).await.expect("it starts");
    let question = rests(&run).await;
    run.answer(question.id, "requests=9", "me")
        .await
        .expect("a budget");
    let done = run.done().await.expect("it goes on");
    assert_eq!((done.output, done.usage.requests), (4, 3));
    assert_eq!(done.cost.uncertain_nanousd, Nanousd::ZERO);
    assert!(
        model.ledger().values().all(|times| *times == 1),
        "nothing is sent twice"
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_on_each_call_can_be_raised_too() {
    let per_call = PerCall {
        usd: Some(nanos(400_000)),
        tokens: None,
    };
    let budget = Budget::from(usd(1.0))
        .per_call(per_call)
        .on_exceed(OnExceed::Pause);
    let run = runner(&model())
        .start(&limited(2, budget), 1)
        .await
        .expect("it starts");
    let question = rests(&run).await;
    assert_eq!(
        question.budget.as_ref().map(|limit| limit.name.as_str()),
        Some("run/call")
    );
    run.answer(question.id, "0.01", "me").await.expect("a budget");
    assert_eq!(run.done().await.expect("it goes on").usage.requests, 2);
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_a_day_is_over_all_runs_of_the_pipeline() {
    let day = PerDay {
        requests: Some(5),
        ..PerDay::default()
    };
    let pipeline = limited(2, Budget::default().per_day(day));
    let model = model();
    let runner = runner(&model);
    for _ in 0..2 {
        let run = runner.start(&pipeline, 1).await.expect("it starts");
        assert_eq!(run.done().await.expect("there is room").usage.requests, 2);
    }
    let run = runner.start(&pipeline, 1).await.expect("it starts");
    let error = run.done().await.err().expect("one request is left");
    assert_eq!(error.spent().usage.requests, 1);
    assert_eq!(
        error.failure().limit.as_ref().map(|limit| limit.name.as_str()),
        Some("pipeline:limited/day")
    );
    let other = runner.start(&calls(2), 1).await.expect("it starts");
    assert_eq!(
        other
            .done()
            .await
            .expect("another pipeline has days of its own")
            .usage
            .requests,
        2
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_call_used_is_paid_from_the_budget() -> Result<(), Error> {
    let usage = Usage {
        input_tokens: 20,
        output_tokens: 500,
        ..Usage::default()
    };
    let model = Scripted::new()
        .rule(Rule::error(ErrorKind::Provider).usage(usage).times(2))
        .rule(Rule::reply("fine").usage(usage));
    let pipeline = Pipeline::define("retried", |p, n: Out<u64>| {
        p.step("ask", agent("openai/small").as_step(prompt).retries(3), n)
    })?;
    let run = runner(&model).start(&pipeline, 1).budget(cents(1)).await?;
    let done = run.done().await?;
    assert_eq!((done.usage.requests, done.cost.nanousd), (3, nanos(3 * PAID)));
    let states = done.view();
    assert_eq!(states.step("ask").map(|step| step.usage.requests), Some(3));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_an_imperative_step_spends_counts_against_its_budget() {
    let agent = Agent::<String>::new("writer").model("m");
    let model = Scripted::new().rule(Rule::reply("written"));
    let step = from_fn(move |cx: Cx, times: u32| {
        let agent = agent.clone();
        async move {
            for _ in 0..times {
                cx.run(&agent, "Go.").await?;
            }
            Ok(times)
        }
    });
    let step = step.budget(Budget::default().requests(2));
    let pipeline = Pipeline::define("one", |p, times: Out<u32>| p.step("work", step, times));
    let pipeline = pipeline.expect("one step is a pipeline");
    let run = |times| pipeline.run(times).with_model("m", model.clone());
    assert_eq!(run(2).await.expect("it fits").usage.requests, 2);
    let error = run(3).await.err().expect("the third is refused");
    assert!(error.is_budget());
    assert_eq!(error.spent().usage.requests, 2);
    let off = run(3).step("work", Settings::new().budget(None));
    assert_eq!(off.await.expect("switched off").usage.requests, 3);
}
