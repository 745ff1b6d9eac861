//! A halt: no new call of any process until it is lifted, and nothing is lost by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::BoxFuture;
use segue::budget::StandingBudget;
use segue::store::{MemoryStore, Store};
use segue::{
    Cx, ErrorKind, EventKind, IntoStep, Out, Pipeline, Registry, Result, RunHandle, RunStatus, Runner,
    Scripted, Tool, ToolCx, ToolSpec, from_fn, millis, mins, secs,
};
use serde_json::{Value as Json, json};

use crate::shared_budgets::{agent, calls, holds_nothing, model, prompt, runner};
use crate::support::{memory, output};

fn build(model: &Scripted, store: &Arc<dyn Store>) -> Runner {
    runner(model).store_in(store.clone()).build().expect("a runner")
}

fn asked(model: &Scripted) -> u64 {
    model.ledger().values().sum()
}

/// How often calls of the run have said that they wait for the end of a halt.
fn waits<T: segue::Data>(run: &RunHandle<T>) -> usize {
    let events = run.log().events();
    let waits = events
        .iter()
        .filter(|event| matches!(&event.kind, EventKind::CallWaiting { reason, .. } if reason == "halted"));
    waits.count()
}

#[tokio::test(start_paused = true)]
async fn calls_of_every_process_wait_until_it_is_lifted() {
    let (store, model) = (memory(), model());
    let (here, there) = (build(&model, &store), build(&model, &store));
    let run = here.start(&calls(3), 1).await.expect("it starts");
    let other = there.start(&calls(3), 1).await.expect("it starts");
    tokio::time::sleep(millis(10)).await;
    there.halt("ann", None).await.expect("a store");
    tokio::time::sleep(mins(60)).await;
    assert_eq!(asked(&model), 2, "those that were under way came back");
    assert_eq!((waits(&run), waits(&other)), (1, 1));
    assert_eq!(run.view().record().status, RunStatus::Running);
    here.unhalt().await.expect("a store");
    assert_eq!((output(&run).await, output(&other).await), (1, 1));
    assert_eq!(asked(&model), 6);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_budget_is_not_made_when_room_comes_meanwhile() {
    let (store, model) = (memory(), model());
    let runner = runner(&model)
        .store_in(store.clone())
        .standing_budget(StandingBudget::new("all").tokens_per_day(1700))
        .build()
        .expect("a runner");
    let first = runner.start(&calls(1), 1).await.expect("it starts");
    tokio::time::sleep(millis(10)).await;
    let second = runner.start(&calls(1), 1).await.expect("it starts");
    tokio::time::sleep(millis(10)).await;
    runner.halt("ann", None).await.expect("a store");
    assert_eq!(output(&first).await, 1);
    tokio::time::sleep(mins(60)).await;
    assert_eq!((asked(&model), waits(&second)), (1, 1));
    holds_nothing(&store).await;
    runner.unhalt().await.expect("a store");
    assert_eq!(output(&second).await, 1);
}

#[tokio::test(start_paused = true)]
async fn the_store_says_so_before_a_call_is_sent() {
    let (store, model) = (memory(), model());
    let runner = build(&model, &store);
    let step = from_fn(|cx: Cx, n: u64| async move {
        tokio::time::sleep(millis(10)).await;
        cx.run(&agent(), prompt(n)).await?;
        Ok(n)
    });
    let pipeline = Pipeline::define("late", |p, n: Out<u64>| p.step("ask", step, n)).expect("a pipeline");
    let run = runner.start(&pipeline, 1).await.expect("it starts");
    // Written past the runner, which has heard nothing of it when the call is reserved.
    let halt = segue::store::Halt {
        by: "ann".into(),
        since: segue::Time::from_micros(0),
        reason: None,
    };
    store.halt(Some(halt)).await.expect("a store");
    tokio::time::sleep(secs(10)).await;
    assert_eq!((asked(&model), waits(&run)), (0, 1));
    store.halt(None).await.expect("a store");
    assert_eq!(output(&run).await, 1, "it hears of the end as well");
}

/// Counts its calls.
#[derive(Clone, Default)]
struct Bell(Arc<AtomicU32>);

impl Tool for Bell {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new("bell", "Rings.", json!({"type": "object", "properties": {}}))
    }

    fn call<'a>(&'a self, _cx: ToolCx, _arguments: Json) -> BoxFuture<'a, Result<Json>> {
        Box::pin(async move { Ok(json!(self.0.fetch_add(1, Ordering::Relaxed))) })
    }
}

#[tokio::test(start_paused = true)]
async fn tools_wait_too_and_no_deadline_of_an_attempt_passes_meanwhile() {
    let bell = Bell::default();
    let runner = Runner::builder()
        .store(MemoryStore::new())
        .registry(Registry::new().tool(bell.clone()))
        .build()
        .expect("a runner");
    let step = from_fn(|cx: Cx, n: u64| async move {
        cx.call::<u64>("bell", json!({})).await?;
        tokio::time::sleep(millis(10)).await;
        cx.call::<u64>("bell", json!({})).await?;
        Ok(n)
    });
    let pipeline = Pipeline::define("rings", |p, n: Out<u64>| p.step("ring", step.timeout(secs(1)), n))
        .expect("a pipeline");
    let run = runner.start(&pipeline, 7).await.expect("it starts");
    tokio::time::sleep(millis(1)).await;
    runner.halt("ann", None).await.expect("a store");
    tokio::time::sleep(mins(60)).await;
    assert_eq!((bell.0.load(Ordering::Relaxed), waits(&run)), (1, 1));
    runner.unhalt().await.expect("a store");
    assert_eq!(output(&run).await, 7);
    assert_eq!(bell.0.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_can_be_cancelled_while_its_calls_wait() {
    let (store, model) = (memory(), model());
    let runner = build(&model, &store);
    let run = runner.start(&calls(3), 1).await.expect("it starts");
    tokio::time::sleep(millis(10)).await;
    runner.halt("ann", None).await.expect("a store");
    tokio::time::sleep(secs(2)).await;
    assert!(run.cancel("bob", None).await.expect("a store"));
    assert!(run.done().await.err().expect("it is cancelled").is_cancelled());
    assert_eq!(asked(&model), 1);
    holds_nothing(&store).await;
}

#[tokio::test(start_paused = true)]
async fn it_outlives_processes_and_nothing_is_started_or_recovered_meanwhile() {
    let (store, model, pipeline) = (memory(), model(), calls(3));
    let build = || {
        let builder = runner(&model).store_in(store.clone()).register(&pipeline);
        builder.build().expect("a runner")
    };
    let first = build();
    let run = first.start(&pipeline, 1).await.expect("it starts");
    tokio::time::sleep(millis(10)).await;
    first
        .halt("ann", Some("the bill looks wrong"))
        .await
        .expect("a store");
    first.close().await.expect("it leaves");

    let next = build();
    let halt = next.halted().await.expect("a store").expect("it holds");
    assert_eq!(
        (halt.by.as_str(), halt.reason.as_deref()),
        ("ann", Some("the bill looks wrong"))
    );
    assert!(next.recover().await.expect("a store").taken.is_empty());
    let refused = next.start(&pipeline, 2).await.err().expect("it is refused");
    assert_eq!(refused.kind(), ErrorKind::Halted);
    let said = refused.to_string();
    assert!(
        said.contains("`ann` has halted all calls") && said.contains("the bill looks wrong"),
        "{said}"
    );

    build().unhalt().await.expect("a store");
    assert_eq!(next.halted().await.expect("a store"), None);
    let fresh = next.start(&pipeline, 2).await.expect("it starts at once");
    assert_eq!(output(&fresh).await, 2);
    let recovered = next.recover().await.expect("a store").taken;
    assert_eq!(
        recovered.iter().map(RunHandle::id).collect::<Vec<_>>(),
        [run.id()]
    );
    assert_eq!(output(&recovered[0]).await, json!(1));
}

#[tokio::test]
async fn only_a_store_can_keep_it() {
    let runner = Runner::builder().build().expect("a runner");
    let error = runner.halt("ann", None).await.expect_err("there is no store");
    assert_eq!(error.kind(), ErrorKind::Usage);
}
