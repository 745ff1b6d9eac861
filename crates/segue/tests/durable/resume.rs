//! The process of a run is lost at any write: the next one finishes the run, nothing that was done is done again, and
//! what comes out is what comes out of a run that nothing happened to.

use std::collections::BTreeMap;

use std::sync::{Arc, Mutex};

use schemars::JsonSchema;
use segue::audit::Audit;
use segue::{
    Agent, Cx, IntoStep, Pipeline, Registry, RunStatus, RunView, Runner, StepError, StepStatus, from_fn,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::support::{Remembering, bury_all, dying, memory, output, with_model};

/// How often each body has run.
type Bodies = Arc<Mutex<BTreeMap<String, u32>>>;

fn count(bodies: &Bodies, cx: &Cx) {
    *bodies
        .lock()
        .expect("nobody panics with it")
        .entry(cx.path())
        .or_default() += 1;
}

/// A number, with something beside it that is too long to stand for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct N {
    n: u64,
    beside: String,
}

fn wide(n: u64) -> N {
    N {
        n,
        beside: "so that it is long ".repeat(5),
    }
}

/// A bit of everything: a line, a fan-out and join, a map, an agent, a nested pipeline, a retry, calls inside a step.
fn everything(bodies: &Bodies) -> Pipeline<N, String> {
    let body = |bodies: &Bodies| {
        let bodies = bodies.clone();
        from_fn(move |cx: Cx, N { n: value, .. }: N| {
            count(&bodies, &cx);
            async move { Ok(wide(value + 1)) }
        })
    };
    let inner = Pipeline::define("inner", |p, n| {
        let a = p.step("x", body(bodies), n);
        p.step("y", body(bodies), a)
    })
    .expect("a pipeline");
    let writer = Agent::<String>::new("writer")
        .instructions("Write.")
        .model("openai/small");
    Pipeline::define("everything", |p, n| {
        let first = p.step("first", body(bodies), n);
        let left = p.step("left", body(bodies), first);
        let right = p.step("right", body(bodies), first);
        let both = {
            let bodies = bodies.clone();
            from_fn(move |cx: Cx, (a, b): (N, N)| {
                count(&bodies, &cx);
                async move { Ok(wide(a.n * b.n)) }
            })
        };
        let both = p.step("both", both, (left, right));
        let list = p.step(
            "list",
            from_fn(|_cx, N { n: value, .. }: N| async move {
                Ok((0..value % 5 + 2).map(wide).collect::<Vec<N>>())
            }),
            both,
        );
        let each = p.map("each", body(bodies).max_parallel(2), list);
        let sum = p.step(
            "sum",
            from_fn(|_cx, all: Vec<N>| async move { Ok(wide(all.iter().map(|one| one.n).sum::<u64>())) }),
            each,
        );
        let nested = p.step("nested", inner, sum);
        let flaky = {
            let bodies = bodies.clone();
            from_fn(move |cx: Cx, n: N| {
                count(&bodies, &cx);
                async move {
                    if cx.attempt() < 2 {
                        return Err(StepError::again("once more"));
                    }
                    Ok(n)
                }
            })
        };
        let flaky = p.step("flaky", flaky.retries(2), nested);
        let calls = {
            let (bodies, writer) = (bodies.clone(), writer.clone());
            from_fn(move |cx: Cx, N { n, .. }: N| {
                count(&bodies, &cx);
                let writer = writer.clone();
                async move {
                    let a = cx.run(&writer, format!("a {n}")).await?.output;
                    let b = cx.run(&writer, format!("b {a}")).await?.output;
                    Ok(format!("{a}, {b}, {}", "and so on ".repeat(9)))
                }
            })
        };
        let text = p.step("calls", calls, flaky);
        p.step("write", writer.as_step(|text: String| text), text)
    })
    .expect("a pipeline")
}

/// What has to be the same, however often the process was lost.
fn essence(view: &RunView) -> Vec<(String, StepStatus, Option<String>)> {
    let step = |step: &segue::view::StepView| (step.path.clone(), step.status, step.output_hash.get());
    view.all_steps().map(step).collect()
}

struct Ended {
    output: String,
    essence: Vec<(String, StepStatus, Option<String>)>,
    bodies: BTreeMap<String, u32>,
    cost: i64,
    uncertain: i64,
    requests: BTreeMap<String, u32>,
    /// How many outputs are kept beside the log.
    beside: usize,
    /// Whether the last process that was to be lost was.
    was_lost: bool,
}

/// Runs it with a process lost before each of these writes, one after the other.
async fn run_with_losses(inline: usize, losses: &[u64]) -> Ended {
    let store = memory();
    let model = Remembering::default();
    let bodies = Bodies::default();
    let mut id = None;
    let mut was_lost = false;
    for loss in losses {
        let dying = dying(&store, *loss);
        let pipeline = everything(&bodies);
        let runner = with_model(&model)
            .store_in(dying.clone())
            .output_inline(inline)
            .register(&pipeline)
            .build()
            .expect("a runner");
        let going_on = async {
            match id {
                None => {
                    let run = runner.start(&pipeline, wide(3)).await.expect("it starts");
                    let _ = run.outcome().await;
                }
                Some(_) => {
                    let recovered = runner.recover().await.expect("it recovers");
                    for run in recovered.taken {
                        let _ = run.outcome().await;
                    }
                }
            }
        };
        // When its process is lost nothing goes on any more, and virtual time runs to the end of this.
        let _ = tokio::time::timeout(segue::mins(60), going_on).await;
        let page = store
            .runs(segue::store::RunQuery::newest(2))
            .await
            .expect("a page");
        assert!(page.items.len() <= 1, "one request, one run");
        id = page.items.first().map(|head| head.id);
        was_lost = dying.is_dead();
        bury_all(&store).await;
    }
    let pipeline = everything(&bodies);
    let runner = with_model(&model)
        .store_in(store.clone())
        .output_inline(inline)
        .register(&pipeline)
        .build()
        .expect("a runner");
    let run = match id {
        Some(id) => {
            runner.recover().await.expect("it recovers");
            runner.attach(id).await.expect("it is there")
        }
        None => runner
            .start(&pipeline, wide(3))
            .await
            .expect("it starts")
            .untyped(),
    };
    let text = output(&run).await;
    let audit = Audit::of(store.clone()).deep().all(|_| ()).await;
    let audit = audit.expect("it reads");
    assert_eq!(
        audit.findings,
        [],
        "after losses before {losses:?} the record holds together"
    );
    run.refresh().await.expect("it is read");
    let view = run.view();
    assert_eq!(view.status(), RunStatus::Succeeded);
    let bodies = bodies.lock().expect("nobody panics with it").clone();
    Ended {
        output: text.as_str().unwrap_or_default().to_owned(),
        essence: essence(&view),
        bodies,
        cost: view.cost().nanousd.nanos(),
        uncertain: view.cost().uncertain_nanousd.nanos(),
        requests: model.requests(),
        beside: view.all_steps().filter(|step| step.output_ref.is_some()).count(),
        was_lost,
    }
}

/// So much that every output stands in the log.
const INLINE: usize = 64 * 1024;

#[tokio::test(start_paused = true)]
async fn a_process_may_be_lost_before_any_write() {
    lost_before_any_write(INLINE).await;
}

#[tokio::test(start_paused = true)]
async fn and_so_it_may_where_every_output_is_kept_beside_the_log() {
    lost_before_any_write(0).await;
}

async fn lost_before_any_write(inline: usize) {
    let whole = run_with_losses(INLINE, &[]).await;
    assert!(whole.bodies.values().all(|times| *times == 1 || *times == 2));
    for loss in 0.. {
        let lost = run_with_losses(inline, &[loss]).await;
        assert_eq!(lost.output, whole.output, "lost before write {loss}");
        assert_eq!(lost.essence, whole.essence, "lost before write {loss}");
        for (path, times) in &lost.bodies {
            let undisturbed = whole.bodies[path];
            assert!(
                *times <= undisturbed + 1,
                "{path} ran {times} times, lost before write {loss}"
            );
        }
        assert_eq!(
            lost.requests.len(),
            whole.requests.len(),
            "a request under another key, lost before write {loss}"
        );
        let sent: u32 = lost.requests.values().sum();
        let more = sent - whole.requests.len() as u32;
        assert!(
            more <= 1,
            "{more} requests were sent again, lost before write {loss}"
        );
        assert_eq!(lost.cost, whole.cost, "an answer is paid once");
        assert_eq!(
            lost.uncertain > 0,
            more > 0,
            "a call nobody knows the end of stays counted"
        );
        assert_eq!(
            lost.beside > 10,
            inline == 0,
            "{} are kept beside the log",
            lost.beside
        );
        if !lost.was_lost {
            return assert!(loss > 20, "the run was over after {loss} writes?");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn several_processes_may_be_lost_one_after_the_other() {
    let whole = run_with_losses(INLINE, &[]).await;
    for (first, second) in [(3, 4), (5, 5), (7, 3), (9, 9), (12, 6), (20, 8)] {
        let lost = run_with_losses(INLINE, &[first, second, second]).await;
        assert_eq!(lost.output, whole.output);
        assert_eq!(lost.essence, whole.essence);
    }
}

#[tokio::test(start_paused = true)]
async fn expressions_of_files_read_what_is_kept_beside_the_log() {
    let text = "version: 1\nname: beside\nsteps:\n  \
        long: { set: 'so that it is so long that it does not stand for itself in the hash of a list' }\n  \
        list: { set: ['{{ steps.long.output }}', '{{ steps.long.output }}', short] }\n  \
        each: { for_each: steps.list.output, set: '{{ item }} {{ index }}' }\n  \
        is_long: { when: (steps.each.output | length) == 3, set: { all: '{{ steps.each.output }}' } }\n  \
        pick: { route: 'steps.list.output[2]', to: { short: { set: '{{ steps.is_long.output.all[1] }}' }, other: none } }\n  \
        last: { set: '{{ steps.long.output }}!' }\n";
    let registry = Registry::new();
    let loaded =
        segue::file::load_text(text, "beside.yaml", &registry).unwrap_or_else(|faults| panic!("{faults}"));
    let pipeline = Pipeline::from_plan(&loaded.plan, &registry).expect("it links");
    let whole = pipeline.run(json!({})).await.expect("it runs").output;
    for loss in 0.. {
        let store = memory();
        let dying = dying(&store, loss);
        let build = |store| {
            Runner::builder()
                .store_in(store)
                .output_inline(0)
                .build()
                .expect("a runner")
        };
        let runner = build(dying.clone());
        let started = async {
            runner
                .start(&pipeline, json!({}))
                .await
                .expect("it starts")
                .outcome()
                .await
        };
        let _ = tokio::time::timeout(segue::mins(60), started).await;
        bury_all(&store).await;
        let next = build(store.clone());
        next.recover().await.expect("a store");
        let runs = store
            .runs(segue::store::RunQuery::newest(1))
            .await
            .expect("a page")
            .items;
        let Some(head) = runs.first() else { continue };
        let run = next.attach(head.id).await.expect("it is there");
        assert_eq!(output(&run).await, whole, "lost before write {loss}");
        assert!(
            run.view()
                .step("last")
                .is_some_and(|step| step.output_ref.is_some())
        );
        if !dying.is_dead() {
            return assert!(loss > 5, "the run was over after {loss} writes?");
        }
    }
}
