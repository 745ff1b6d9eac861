//! The process of a run is lost at any write: the next one finishes the run, nothing that was done is done again, and
//! what comes out is what comes out of a run that nothing happened to.

use std::collections::BTreeMap;

use std::sync::{Arc, Mutex};

use segue::{Agent, Cx, IntoStep, Pipeline, RunStatus, RunView, StepError, StepStatus, from_fn};

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

/// A bit of everything: a line, a fan-out and join, a map, an agent, a nested pipeline, a retry, calls inside a step.
fn everything(bodies: &Bodies) -> Pipeline<u64, String> {
    let body = |bodies: &Bodies| {
        let bodies = bodies.clone();
        from_fn(move |cx: Cx, n: u64| {
            count(&bodies, &cx);
            async move { Ok(n + 1) }
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
            from_fn(move |cx: Cx, (a, b): (u64, u64)| {
                count(&bodies, &cx);
                async move { Ok(a * b) }
            })
        };
        let both = p.step("both", both, (left, right));
        let list = p.step(
            "list",
            from_fn(|_cx, n: u64| async move { Ok((0..n % 5 + 2).collect::<Vec<u64>>()) }),
            both,
        );
        let each = p.map("each", body(bodies).max_parallel(2), list);
        let sum = p.step(
            "sum",
            from_fn(|_cx, all: Vec<u64>| async move { Ok(all.iter().sum::<u64>()) }),
            each,
        );
        let nested = p.step("nested", inner, sum);
        let flaky = {
            let bodies = bodies.clone();
            from_fn(move |cx: Cx, n: u64| {
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
            from_fn(move |cx: Cx, n: u64| {
                count(&bodies, &cx);
                let writer = writer.clone();
                async move {
                    let a = cx.run(&writer, format!("a {n}")).await?.output;
                    let b = cx.run(&writer, format!("b {a}")).await?.output;
                    Ok(format!("{a}, {b}"))
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
    let step = |step: &segue::view::StepView| {
        (
            step.path.clone(),
            step.status,
            step.output.as_ref().map(|output| format!("{output:?}")),
        )
    };
    view.all_steps().map(step).collect()
}

struct Ended {
    output: String,
    essence: Vec<(String, StepStatus, Option<String>)>,
    bodies: BTreeMap<String, u32>,
    cost: i64,
    uncertain: i64,
    requests: BTreeMap<String, u32>,
    /// Whether the last process that was to be lost was.
    was_lost: bool,
}

/// Runs it with a process lost before each of these writes, one after the other.
async fn run_with_losses(losses: &[u64]) -> Ended {
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
            .register(&pipeline)
            .build()
            .expect("a runner");
        let going_on = async {
            match id {
                None => {
                    let run = runner.start(&pipeline, 3).await.expect("it starts");
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
        .register(&pipeline)
        .build()
        .expect("a runner");
    let run = match id {
        Some(id) => {
            runner.recover().await.expect("it recovers");
            runner.attach(id).await.expect("it is there")
        }
        None => runner.start(&pipeline, 3).await.expect("it starts").untyped(),
    };
    let text = output(&run).await;
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
        was_lost,
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_may_be_lost_before_any_write() {
    let whole = run_with_losses(&[]).await;
    assert!(whole.bodies.values().all(|times| *times == 1 || *times == 2));
    let mut finished = 0;
    for loss in 0.. {
        let lost = run_with_losses(&[loss]).await;
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
        if !lost.was_lost {
            return assert!(loss > 20, "the run was over after {loss} writes?");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn several_processes_may_be_lost_one_after_the_other() {
    let whole = run_with_losses(&[]).await;
    for (first, second) in [(3, 4), (5, 5), (7, 3), (9, 9), (12, 6), (20, 8)] {
        let lost = run_with_losses(&[first, second, second]).await;
        assert_eq!(lost.output, whole.output);
        assert_eq!(lost.essence, whole.essence);
    }
}
