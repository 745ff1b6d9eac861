//! Budgets that runs share: never overspent by any number of runs and processes, and right at any loss of one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use proptest::prelude::*;
use segue::budget::{PerDay, StandingBudget};
use segue::model::Rule;
use segue::store::{Account, HoldState, RunQuery, Store};
use segue::testing::{Forgetful, Watched};
use segue::{
    Agent, Budget, Cx, ErrorKind, EventKind, IntoStep, Kept, Nanousd, Out, Pipeline, RunnerBuilder, Scripted,
    Usage, cents, from_fn, millis, usd,
};

use crate::support::{Remembering, bury_all, dying, memory, now, output, paused, with_model, with_model_as};

/// At the price of `with_model`, a token of output in nano-dollars.
const OUT: i64 = 2_000;

pub(crate) fn nanos(nanos: i64) -> Nanousd {
    Nanousd::from_nanos(nanos).expect("a small amount")
}

/// Answers after `wait-0` to `wait-9` hundreds of milliseconds, with as many hundred output tokens.
pub(crate) fn model() -> Scripted {
    (0..10u64).fold(Scripted::new(), |model, class| {
        let usage = Usage {
            input_tokens: 10,
            output_tokens: 100 * class,
            ..Usage::default()
        };
        let rule = Rule::reply("fine").prompt_contains(format!("wait-{class}"));
        model.rule(rule.usage(usage).delay(millis(100 * class)))
    })
}

pub(crate) fn runner(model: &Scripted) -> RunnerBuilder {
    with_model_as(model.clone().named("openai/small"))
}

pub(crate) fn agent() -> Agent<String> {
    Agent::<String>::new("asker")
        .model("openai/small")
        .max_tokens(1000)
}

pub(crate) fn prompt(n: u64) -> String {
    format!("wait-{}", n % 10)
}

/// Calls one after another, of 500 output tokens each.
pub(crate) fn calls(count: u64) -> Pipeline<u64, u64> {
    calls_with(count, Budget::default())
}

pub(crate) fn calls_with(count: u64, budget: Budget) -> Pipeline<u64, u64> {
    let step = from_fn(move |cx: Cx, n: u64| async move {
        for _ in 0..count {
            cx.run(&agent(), "wait-5").await?;
        }
        Ok(n)
    });
    Pipeline::define("calls", |p, n: Out<u64>| {
        p.budget(budget);
        p.step("pays", step, n)
    })
    .expect("a pipeline")
}

/// What a call of [`calls`] costs.
pub(crate) const PAID: i64 = 500 * OUT + 10 * 1000;

/// How all accounts stand, by name: each has one window, for no test here sees the next day.
pub(crate) async fn accounts(store: &Arc<dyn Store>) -> BTreeMap<String, Account> {
    let mut all: BTreeMap<String, Account> = BTreeMap::new();
    for account in store.accounts(None, usize::MAX).await.expect("a store") {
        let other = all.insert(account.key.name.clone(), account);
        assert_eq!(other, None, "a second day");
    }
    all
}

/// What counts against a limit.
fn counted(account: &Account) -> [u64; 3] {
    let (spent, reserved, uncertain) = (account.spent, account.reserved, account.uncertain);
    std::array::from_fn(|unit| spent[unit] + reserved[unit] + uncertain[unit])
}

/// A store that fails the test as soon as more is counted than a limit allows, in nano-dollars, tokens and requests.
fn guarded(store: &Arc<dyn Store>, limits: [u64; 3]) -> Arc<dyn Store> {
    Arc::new(Watched::new(store.clone(), move |store| {
        let accounts = store
            .accounts(None, usize::MAX)
            .now_or_never()
            .expect("it is in memory");
        for account in accounts.expect("a store") {
            let counted = counted(&account);
            for (unit, limit) in limits.iter().enumerate() {
                assert!(counted[unit] <= *limit, "{counted:?} of {limits:?}: {account:?}");
            }
        }
    }))
}

/// Nothing is in flight any more, in no run.
pub(crate) async fn holds_nothing(store: &Arc<dyn Store>) {
    for head in store.runs(RunQuery::newest(1000)).await.expect("a page").items {
        let holds = store.holds(head.id).await.expect("a store");
        let reserved = holds.iter().filter(|hold| hold.state == HoldState::Reserved);
        assert_eq!(reserved.count(), 0, "{holds:?}");
    }
    for (name, account) in accounts(store).await {
        assert_eq!(account.reserved, [0; 3], "{name}");
    }
}

/// Runs of two processes, a fan of calls each, against one budget; gives how many calls were made.
async fn fans(waits: Vec<Vec<u64>>, limit: Nanousd, tokens: u64) -> u64 {
    let limits = [limit.nanos().unsigned_abs(), tokens, u64::MAX];
    let store = guarded(&memory(), limits);
    let pipeline = Pipeline::define("fan", |p, list: Out<Vec<u64>>| {
        let day = PerDay {
            usd: Some(limit),
            tokens: Some(tokens),
            requests: None,
        };
        p.budget(Budget::default().per_day(day));
        p.map("ask", agent().as_step(prompt).keep_errors(), list)
    })
    .expect("a pipeline");
    let model = model();
    let process = || {
        let all = StandingBudget::new("all")
            .usd_per_day(limit)
            .tokens_per_day(tokens);
        let builder = runner(&model).store_in(store.clone()).register(&pipeline);
        builder.standing_budget(all).build().expect("a runner")
    };
    let processes = [process(), process()];
    let mut runs = Vec::new();
    for (n, waits) in waits.into_iter().enumerate() {
        runs.push(processes[n % 2].start(&pipeline, waits).await.expect("it starts"));
    }
    let (mut spent, mut made) = ([0; 3], 0);
    for run in &runs {
        let done = run.done().await.expect("errors are kept");
        assert_eq!(done.cost.uncertain_nanousd, Nanousd::ZERO);
        spent[0] += done.cost.nanousd.nanos().unsigned_abs();
        spent[1] += done.usage.total_tokens();
        spent[2] += done.usage.requests;
        made += done.usage.requests;
        for error in done.output.iter().filter_map(Kept::error) {
            assert_eq!(error.kind, ErrorKind::Budget, "{error}");
        }
    }
    holds_nothing(&store).await;
    let accounts = accounts(&store).await;
    // Where not even one call fits, nothing was ever counted.
    let names: &[&str] = match made {
        0 => &[],
        _ => &["budget:all/day", "pipeline:fan/day"],
    };
    assert_eq!(accounts.keys().collect::<Vec<_>>(), names);
    for account in accounts.values() {
        assert_eq!((account.spent, account.uncertain), (spent, [0; 3]), "{account:?}");
    }
    assert_eq!(
        model.ledger().values().sum::<u64>(),
        made,
        "each call is counted once"
    );
    made
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn no_interleaving_of_processes_overspends(
        waits in proptest::collection::vec(proptest::collection::vec(0..3u64, 1..12), 1..8),
        limit in 500_000..30_000_000i64,
        tokens in 500..60_000u64,
    ) {
        paused(async { fans(waits, nanos(limit), tokens).await; });
    }
}

#[test]
fn where_no_call_fits_none_is_made_and_nothing_is_counted() {
    paused(async {
        let made = fans(vec![vec![1, 2], vec![0]], nanos(500_000), 500).await;
        assert_eq!(made, 0);
    });
}

#[test]
fn many_runs_of_two_processes_use_what_there_is_and_no_more() {
    let waits: Vec<Vec<u64>> = (0..20)
        .map(|run| (0..10).map(|n| (run + n) % 3).collect())
        .collect();
    paused(async {
        // Room for about half of what they would spend.
        let made = fans(waits, nanos(100 * 100 * OUT), u64::MAX / 2).await;
        assert!((80..200).contains(&made), "{made}");
    });
}

fn writer() -> Agent<String> {
    Agent::<String>::new("writer")
        .model("openai/small")
        .max_tokens(300)
}

/// Two calls one after another, and three side by side.
fn several() -> Pipeline<u64, u64> {
    let step = from_fn(|cx: Cx, n: u64| async move {
        let first = cx.run(&writer(), format!("a {n}")).await?.output;
        cx.run(&writer(), format!("b {first}")).await?;
        let beside = cx.concurrent("beside", 0..3u64, async |cx: Cx, at: u64| {
            Ok(cx.run(&writer(), format!("c {at}")).await?.turns)
        });
        Ok(n + beside.await?.len() as u64)
    });
    let day = PerDay {
        requests: Some(40),
        ..PerDay::default()
    };
    Pipeline::define("several", |p, n: Out<u64>| {
        p.budget(Budget::from(usd(1.0)).per_day(day));
        p.step("work", step, n)
    })
    .expect("a pipeline")
}

#[tokio::test(start_paused = true)]
async fn a_process_may_be_lost_before_any_write_and_no_hold_is_left() {
    for loss in 0.. {
        let (inner, model, pipeline) = (memory(), Remembering::default(), several());
        let store = guarded(&inner, [usd(0.5).nanos().unsigned_abs(), u64::MAX, 40]);
        let dying = dying(&store, loss);
        let build = |store: Arc<dyn Store>| {
            let all = StandingBudget::new("all")
                .usd_per_day(usd(0.5))
                .usd_per_month(usd(0.5));
            let builder = with_model(&model).store_in(store).register(&pipeline);
            builder.standing_budget(all).build().expect("a runner")
        };
        let first = build(dying.clone());
        let started = async {
            first
                .start(&pipeline, 1)
                .await
                .expect("it starts")
                .outcome()
                .await
        };
        let _ = tokio::time::timeout(segue::mins(60), started).await;
        bury_all(&store).await;
        let next = build(store.clone());
        let recovered = next.recover().await.expect("it recovers");
        for run in recovered.taken {
            assert_eq!(output(&run).await, 4, "lost before write {loss}");
        }
        holds_nothing(&store).await;
        let sent = u64::from(model.sent());
        let accounts = accounts(&store).await;
        for (name, account) in &accounts {
            let [_, _, requests] = counted(account);
            assert_eq!(requests, sent, "{name}, lost before write {loss}");
        }
        let runs = store.runs(RunQuery::newest(2)).await.expect("a page").items;
        if let Some(head) = runs.first() {
            let cost = head.standing.cost;
            for account in accounts.values() {
                let counted = [account.spent[0], account.uncertain[0]];
                let known = [cost.nanousd, cost.uncertain_nanousd].map(|cost| cost.nanos().unsigned_abs());
                assert_eq!(counted, known, "lost before write {loss}");
            }
        }
        if !dying.is_dead() {
            assert_eq!(sent, 5);
            return assert!(loss > 20, "the run was over after {loss} writes?");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cancelled_where_nobody_can_run_it_leaves_no_hold() {
    for loss in 0.. {
        let (store, model, pipeline) = (memory(), Remembering::default(), several());
        let dying = dying(&store, loss);
        let all = StandingBudget::new("all").usd_per_day(usd(0.5));
        let builder = with_model(&model).store_in(dying.clone()).standing_budget(all);
        let first = builder.build().expect("a runner");
        let started = async {
            let run = first.start(&pipeline, 1).await.expect("it starts");
            run.outcome().await
        };
        let _ = tokio::time::timeout(segue::mins(60), started).await;
        if !dying.is_dead() {
            return assert!(loss > 20, "the run was over after {loss} writes?");
        }
        bury_all(&store).await;
        let stranger = with_model(&model)
            .store_in(store.clone())
            .build()
            .expect("a runner");
        let runs = store.runs(RunQuery::newest(2)).await.expect("a page").items;
        for head in &runs {
            let was = stranger.cancel(head.id, "ann", None).await.expect("a store");
            assert!(was.is_none() || was == Some(head.standing.status), "{was:?}");
        }
        holds_nothing(&store).await;
        for (name, account) in accounts(&store).await {
            let [_, _, requests] = counted(&account);
            assert_eq!(
                requests,
                u64::from(model.sent()),
                "{name}, lost before write {loss}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_reserves_once() {
    let (inner, model) = (memory(), model());
    let forgetful = Arc::new(Forgetful::of(inner.clone(), "reserve"));
    let all = StandingBudget::new("all").requests_per_day(3);
    let builder = runner(&model).store_in(forgetful.clone()).standing_budget(all);
    let run = builder
        .build()
        .expect("a runner")
        .start(&calls(3), 1)
        .await
        .expect("it starts");
    assert_eq!(run.done().await.expect("each call fits").usage.requests, 3);
    assert_eq!(forgetful.made(), 6, "each was asked for twice");
    let account = accounts(&inner)
        .await
        .remove("budget:all/day")
        .expect("it is there");
    assert_eq!((account.spent[2], account.reserved), (3, [0; 3]));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_before_it_knows_the_answer_gives_back_what_was_set_aside() {
    let (inner, model) = (memory(), model());
    let forgetful = Arc::new(Forgetful::of(inner.clone(), "reserve"));
    let all = StandingBudget::new("all").requests_per_day(3);
    let builder = runner(&model).store_in(forgetful.clone()).standing_budget(all);
    // Its deadline passes before it asks again.
    let late = Pipeline::define("late", |p, n: Out<u64>| {
        let budget = Budget::default().requests(1);
        p.step(
            "ask",
            agent().as_step(prompt).timeout(millis(20)).budget(budget),
            n,
        )
    });
    let runner = builder.build().expect("a runner");
    let run = runner
        .start(&late.expect("a pipeline"), 1)
        .await
        .expect("it starts");
    let error = run.done().await.err().expect("it is late");
    assert!(error.is_timeout() && error.spent().is_zero(), "{error}");
    assert_eq!(forgetful.made(), 1);
    holds_nothing(&inner).await;
    assert_eq!(counted(&accounts(&inner).await["budget:all/day"]), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_calls_of_another_process() {
    let (store, model) = (memory(), model());
    // Room for one call of 1,000 output tokens beside what one of 500 has spent.
    let all = || StandingBudget::new("all").tokens_per_day(1700);
    let process = || {
        runner(&model)
            .store_in(store.clone())
            .standing_budget(all())
            .build()
            .expect("a runner")
    };
    let (first, second) = (process(), process());
    let began = now();
    let one = first.start(&calls(1), 1).await.expect("it starts");
    tokio::time::sleep(millis(10)).await;
    let other = second.start(&calls(1), 1).await.expect("it starts");
    assert_eq!((output(&one).await, output(&other).await), (1, 1));
    let took = began.elapsed();
    assert!((millis(1000)..=millis(1210)).contains(&took), "{took:?}");
    let events = other.log().events();
    let waits = events
        .iter()
        .filter(|event| matches!(&event.kind, EventKind::CallWaiting { reason, .. } if reason == "budget"));
    assert_eq!(waits.count(), 1, "it says so once");
    assert!(
        !events.iter().any(|event| matches!(
            event.kind,
            EventKind::CallReserved {
                max_tokens_clamped_to: Some(_),
                ..
            }
        )),
        "it was worth waiting"
    );
    holds_nothing(&store).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_lets_go_when_its_deadline_passes_or_its_run_is_cancelled() {
    let (store, model) = (memory(), model());
    let all = || StandingBudget::new("all").tokens_per_day(1700);
    let runner = runner(&model)
        .store_in(store.clone())
        .standing_budget(all())
        .build()
        .expect("a runner");
    let long = Pipeline::define("long", |p, n: Out<u64>| {
        p.step("ask", agent().as_step(|_n: u64| "wait-9".to_owned()), n)
    });
    let long = runner
        .start(&long.expect("a pipeline"), 1)
        .await
        .expect("it starts");
    tokio::time::sleep(millis(10)).await;
    let late = Pipeline::define("late", |p, n: Out<u64>| {
        p.step("ask", agent().as_step(prompt).timeout(millis(300)), n)
    });
    let late = runner
        .start(&late.expect("a pipeline"), 1)
        .await
        .expect("it starts");
    let cancelled = runner.start(&calls(1), 1).await.expect("it starts");
    assert!(late.done().await.err().expect("it is late").is_timeout());
    assert!(cancelled.cancel("ann", None).await.expect("a store"));
    assert!(
        cancelled
            .done()
            .await
            .err()
            .expect("it is cancelled")
            .is_cancelled()
    );
    assert_eq!(output(&long).await, "fine");
    holds_nothing(&store).await;
    assert_eq!(accounts(&store).await["budget:all/day"].spent[2], 1);
}

#[tokio::test(start_paused = true)]
async fn what_outlives_its_run_leaves_no_hold_behind() {
    let (store, model) = (memory(), model());
    let left: Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>> = Arc::default();
    let tasks = left.clone();
    let step = from_fn(move |cx: Cx, n: u64| {
        let tasks = tasks.clone();
        async move {
            // Nobody waits for these: one is in flight when the run ends, one asks when it is over.
            for delay in [0, 20] {
                let cx = cx.clone();
                #[expect(clippy::disallowed_methods, reason = "a step may do so")]
                let task = tokio::spawn(async move {
                    tokio::time::sleep(millis(delay)).await;
                    let _ = cx.run(&agent(), "wait-5").await;
                });
                tasks.lock().expect("nobody panics with it").push(task);
            }
            tokio::time::sleep(millis(10)).await;
            Ok(n)
        }
    });
    let pipeline = Pipeline::define("leaves", |p, n: Out<u64>| p.step("work", step, n)).expect("a pipeline");
    let all = StandingBudget::new("all").requests_per_day(5);
    let runner = runner(&model)
        .store_in(store.clone())
        .standing_budget(all)
        .build()
        .expect("a runner");
    let run = runner.start(&pipeline, 1).await.expect("it starts");
    assert_eq!(output(&run).await, 1);
    tokio::time::sleep(segue::secs(5)).await;
    holds_nothing(&store).await;
    let account = accounts(&store)
        .await
        .remove("budget:all/day")
        .expect("it is there");
    assert_eq!(
        (account.spent[2], account.uncertain[2]),
        (0, 1),
        "nobody knows how the call ended"
    );
    for task in left.lock().expect("nobody panics with it").drain(..) {
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_cut_to_what_is_left_and_the_error_says_what_there_was() {
    let (store, model) = (memory(), model());
    let all = StandingBudget::new("all").usd_per_day(nanos(PAID + 600 * OUT));
    let other = StandingBudget::new("more").usd_per_month(usd(1.0));
    let builder = runner(&model)
        .store_in(store.clone())
        .standing_budget(all)
        .standing_budget(other);
    let runner = builder.build().expect("a runner");
    let pipeline = calls_with(9, Budget::from(cents(10)));
    let run = runner.start(&pipeline, 1).await.expect("it starts");
    let error = run.done().await.err().expect("the third call does not fit");
    assert!(error.is_budget());
    let limit = error.failure().limit.clone().expect("a refusal names its limit");
    let spent = 2 * PAID;
    assert_eq!(
        (limit.name.as_str(), limit.limit.as_str()),
        ("budget:all/day", &*nanos(PAID + 600 * OUT).to_string())
    );
    assert_eq!(
        (limit.spent.as_deref(), limit.reserved.as_deref()),
        (Some(&*nanos(spent).to_string()), Some("0.00"))
    );
    assert!(
        error.failure().hints[0]
            .contains("runs share this budget: it begins anew at 2026-03-02T00:00:00.000Z"),
        "{error}"
    );
    let reserved: Vec<_> = run
        .log()
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::CallReserved {
                budgets,
                max_tokens_clamped_to,
                ..
            } => Some((budgets, max_tokens_clamped_to)),
            _ => None,
        })
        .collect();
    let names = ["run", "budget:all/day", "budget:more/month"];
    assert_eq!(reserved.len(), 2);
    assert_eq!(
        (&reserved[0].0[..], reserved[0].1),
        (&names.map(str::to_owned)[..], None)
    );
    let clamped = reserved[1].1.expect("the second call was cut");
    assert!((500..600).contains(&clamped), "{clamped}");
    let states: Vec<_> = run
        .budgets()
        .into_iter()
        .map(|state| (state.name, state.spent.to_string()))
        .collect();
    let spent = format!("${}", nanos(spent));
    assert_eq!(states, names.map(|name| (name.to_owned(), spent.clone())));
    let budget = serde_json::to_value(&run.view().record().budget).expect("it is JSON");
    assert_eq!(budget[1]["name"], "budget:all/day");
}
