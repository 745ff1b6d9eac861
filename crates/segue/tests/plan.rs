//! Plans as values: stored, hashed, compared, drawn; faults of definitions all at once.

use segue::view::{GraphView, draw};
use segue::{Cx, IntoStep, Out, Pipeline, Plan, Result, Route, cents, from_fn, secs};

async fn double(_cx: Cx, n: u64) -> Result<u64> {
    Ok(n * 2)
}

async fn add(_cx: Cx, a: u64, b: u64) -> Result<u64> {
    Ok(a + b)
}

#[derive(Clone, Copy, Route)]
enum Size {
    Short,
    Long,
}

fn sized(retries: u32) -> Pipeline<u64, u64> {
    Pipeline::define("sized", |p, n: Out<u64>| {
        p.title("Sized").budget(cents(10));
        let left = p.step("left", double.retries(retries).timeout(secs(3)), n);
        let right = p.step("right", double, n);
        let sum = p.step("sum", add, (left, right));
        let size = p.step(
            "size",
            from_fn(|_cx, _n: u64| async move { Ok(Size::Short) }),
            sum,
        );
        p.route("pick", size)
            .when(Size::Short, |p| p.step("brief", double, sum))
            .when(Size::Long, |p| p.step("paper", double, sum))
            .merge()
    })
    .expect("it is a pipeline")
}

#[test]
fn a_plan_reads_back_and_keeps_its_hash() {
    let pipeline = sized(2);
    let text = serde_json::to_string(pipeline.plan()).expect("a plan is JSON");
    let back: Plan = serde_json::from_str(&text).expect("and reads back");
    assert_eq!(&back, &**pipeline.plan());
    assert_eq!(back.hash(), pipeline.plan().hash());
    assert_eq!(
        sized(2).plan().hash(),
        pipeline.plan().hash(),
        "the same definition has the same hash"
    );
    assert_ne!(
        sized(3).plan().hash(),
        pipeline.plan().hash(),
        "another setting has another"
    );
}

#[test]
fn a_plan_can_be_drawn_in_every_form() {
    let pipeline = sized(2);
    let drawing = GraphView::of(pipeline.plan(), None, false).drawing();
    for (form, text) in [
        ("text", draw::text(&drawing)),
        ("mermaid", draw::mermaid(&drawing)),
        ("dot", draw::dot(&drawing)),
        ("svg", draw::svg(&drawing)),
    ] {
        for step in ["left", "right", "sum", "size", "pick", "brief", "paper"] {
            assert!(text.contains(step), "{form} does not show `{step}`");
        }
    }
}

#[test]
fn every_fault_is_reported_at_once() {
    let error = Pipeline::define("documents", |p, n: Out<u64>| {
        p.step("brief", double, n);
        let size = p.step("brief", from_fn(|_cx, _n: u64| async move { Ok(Size::Short) }), n);
        p.route("write", size)
            .when(Size::Short, |p| p.step("Not a name", double, n))
            .merge()
    })
    .err()
    .expect("it has faults");
    let text = error.to_string();
    assert!(text.starts_with("pipeline `documents` has 3 faults"), "{text}");
    assert!(
        text.contains("step `brief` appears twice; names identify steps in the log and must be unique"),
        "{text}"
    );
    assert!(text.contains("route `write` has no arm for `long`"), "{text}");
    assert!(text.contains("`Not a name`"), "{text}");
}

#[test]
fn a_pipeline_without_steps_is_refused() {
    let error = Pipeline::define("nothing", |_p, n: Out<u64>| n)
        .err()
        .expect("it has no steps");
    assert!(
        error.to_string().contains("pipeline `nothing` has no steps"),
        "{error}"
    );
}
