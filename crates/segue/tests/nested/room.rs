//! `max_parallel` of a nested pipeline.

use segue::{Out, Pipeline, from_fn, secs};
use serde_json::json;

use crate::{Takes, file, now, registry};

/// Four steps of a second each, side by side.
fn four(max_parallel: Option<u32>) -> Pipeline<u64, u64> {
    Pipeline::define("four", |p, n: Out<u64>| {
        if let Some(attempts) = max_parallel {
            p.max_parallel(attempts);
        }
        let all: Vec<Out<u64>> = (0..4)
            .map(|i| p.step(format!("s{i}"), Takes(secs(1)), n))
            .collect();
        let sum = from_fn(|_cx, all: Vec<u64>| async move { Ok(all.into_iter().sum()) });
        p.step("join", sum, all)
    })
    .expect("a pipeline")
}

#[tokio::test(start_paused = true)]
async fn it_holds_within_another_run() {
    for (nested, run, expected) in [
        (None, None, 1),
        (Some(1), None, 4),
        (Some(2), None, 2),
        (Some(3), None, 2),
        // What is around it holds as well.
        (Some(2), Some(1), 4),
        (Some(9), Some(2), 2),
    ] {
        let outer = Pipeline::define("outer", |p, n| p.step("inner", four(nested), n));
        let outer = outer.expect("a pipeline");
        let start = outer.run(1);
        let start = match run {
            Some(attempts) => start.max_parallel(attempts),
            None => start,
        };
        let began = now();
        assert_eq!(start.await.expect("it runs").output, 4);
        assert_eq!(began.elapsed(), secs(expected), "{nested:?} {run:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_has_room_of_its_own_and_shares_that_around_both() {
    let outer = Pipeline::define("outer", |p, n| {
        let both = Pipeline::define("both", |p, n| {
            p.max_parallel(3);
            let left = p.step("left", four(Some(2)), n);
            let right = p.step("right", four(Some(2)), n);
            let sum = from_fn(|_cx, (a, b): (u64, u64)| async move { Ok(a + b) });
            p.step("sum", sum, (left, right))
        });
        let beside = p.step("beside", Takes(secs(2)), n);
        let both = p.step("both", both.expect("a pipeline"), n);
        let sum = from_fn(|_cx, (a, b): (u64, u64)| async move { Ok(a + b) });
        p.step("all", sum, (beside, both))
    });
    let began = now();
    let done = outer.expect("a pipeline").run(1).await.expect("it runs");
    assert_eq!(done.output, 9);
    // Eight attempts of a second each, three at once; never more than two of one of them.
    assert_eq!(began.elapsed(), secs(3));
}

#[tokio::test(start_paused = true)]
async fn an_item_that_is_cut_off_leaves_its_room_to_the_next() {
    let item = Pipeline::define("item", |p, n| {
        p.max_parallel(1);
        let a = p.step("a", Takes(secs(3)), n);
        let b = p.step("b", Takes(secs(3)), n);
        let sum = from_fn(|_cx, (a, b): (u64, u64)| async move { Ok(a + b) });
        p.step("sum", sum, (a, b))
    });
    let outer = Pipeline::define("outer", |p, list: Out<Vec<u64>>| {
        p.map("each", item.expect("a pipeline"), list)
    });
    let began = now();
    let done = outer.expect("a pipeline").run(vec![1, 2, 3]).await;
    assert_eq!(done.expect("it runs").output, [2, 4, 6]);
    // Room is counted for each item by itself.
    assert_eq!(began.elapsed(), secs(6));
}

#[tokio::test(start_paused = true)]
async fn it_holds_for_a_file_that_another_uses_as_a_step_or_as_a_fallback() {
    let inner = |max: &str| {
        format!(
            "version: 1\nname: inner\n{max}steps:\n  a: {{ tool: wait, with: {{ ms: 1000 }} }}\n  b: {{ tool: wait, with: {{ ms: 1000 }} }}\n"
        )
    };
    let step = "version: 1\nname: main\nsteps: { s: { pipeline: inner.yaml } }\n";
    let fallback = "version: 1\nname: main\nsteps: { s: { set: '{{ 1 / 0 }}' } }\non_failure: { pipeline: inner.yaml }\n";
    for main in [step, fallback] {
        for (max, expected) in [("", 1), ("max_parallel: 1\n", 2)] {
            let files = [("main.yaml", main.to_owned()), ("inner.yaml", inner(max))];
            let began = now();
            let done = file(&registry(), &files).run(json!({})).await.expect("it runs");
            assert_eq!(done.output, json!({"a": 1000, "b": 1000}));
            assert_eq!(began.elapsed(), secs(expected), "{main} {max}");
        }
    }
}
