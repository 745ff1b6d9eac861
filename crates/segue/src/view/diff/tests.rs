use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::values::differences;
use super::{Change, Difference, RunDiff, StepDiff};
use crate::id::{ArtifactId, CountingIds};
use crate::log::EventKind;
use crate::log::event::{Resolution, Reused};
use crate::money::{Cost, cents};
use crate::plan::Plan;
use crate::usage::Usage;
use crate::value::{Value, ValueRef};
use crate::view::scene::{Scene, diamond, plan, step};
use crate::view::{RunView, StepStatus};

/// A run of the diamond in which `top` and `left` are done.
fn begun() -> Scene {
    let mut scene = Scene::new();
    scene.queued("diamond").runs("top", 3).runs("left", 4);
    scene
}

fn view(plan: &Arc<Plan>, scene: &Scene) -> RunView {
    RunView::replay(Some(plan.clone()), scene.events())
}

fn diff(a: &Scene, b: &Scene) -> RunDiff {
    RunDiff::of(&view(&diamond(), a), &view(&diamond(), b))
}

fn changes(diff: &RunDiff) -> Vec<(&str, Change)> {
    diff.steps
        .iter()
        .map(|step| (step.path.as_str(), step.change))
        .collect()
}

fn of<'a>(diff: &'a RunDiff, path: &str) -> &'a StepDiff {
    let found = diff.steps.iter().find(|step| step.path == path);
    found.unwrap_or_else(|| panic!("`{path}` is compared: {diff:#?}"))
}

fn pointers(differences: &[Difference]) -> Vec<&str> {
    differences
        .iter()
        .map(|difference| difference.pointer.as_str())
        .collect()
}

fn gives(scene: &mut Scene, step: &str, output: Json) {
    let output = Value::json(output);
    scene.ready(step).started(step).push(
        Some(step),
        EventKind::StepSucceeded {
            output,
            output_ref: None,
            usage: Usage::default(),
            cost: Cost::default(),
        },
    );
}

/// The step makes one call of a model, which is told this.
fn asks(scene: &mut Scene, step: &str, text: &str, key: &str) {
    let call = scene.call_id();
    scene.ready(step).started(step).reserved(step, 1, call).push(
        Some(step),
        EventKind::CallStarted {
            call,
            idempotency_key: key.to_owned(),
            request: json!({"messages": [{"role": "user", "text": text}], "idempotency_key": key}),
        },
    );
}

#[test]
fn a_run_is_the_same_as_itself_whatever_it_took() {
    let (mut a, mut b) = (begun(), begun());
    a.ready("right")
        .started("right")
        .wait(9)
        .succeeded("right", 1, "x");
    b.ready("right").started("right").wait(60).spent(cents(3));
    b.fails("right", 1, Resolution::Retried, Some(10)).wait(10);
    b.attempt("right", 2).succeeded("right", 2, "x");
    let diff = diff(&a, &b);
    assert!(diff.is_same(), "{diff:#?}");
    let same = [
        ("top", Change::Same),
        ("left", Change::Same),
        ("right", Change::Same),
        ("end", Change::Same),
    ];
    assert_eq!(changes(&diff), same);
    let right = of(&diff, "right");
    assert_eq!(right.duration_ms, [Some(9), Some(70)]);
    assert_eq!(right.attempts, [Some(1), Some(2)]);
    assert_eq!(right.cost_usd, [Some("0.00".to_owned()), Some("0.03".to_owned())]);
    assert_eq!(
        of(&diff, "end").status,
        [Some(StepStatus::Pending), Some(StepStatus::Pending)]
    );
}

#[test]
fn another_output_is_a_change_and_the_first_of_them_is_named() {
    let (mut a, mut b) = (begun(), begun());
    gives(&mut a, "right", json!({"score": 1, "parts": ["x", "y"]}));
    gives(&mut b, "right", json!({"score": 2, "parts": ["x"]}));
    gives(&mut a, "end", json!("one"));
    gives(&mut b, "end", json!("two"));
    let diff = diff(&a, &b);
    assert_eq!(diff.first_difference.as_deref(), Some("right"));
    assert_eq!(of(&diff, "left").change, Change::Same);
    let right = of(&diff, "right");
    assert_eq!(right.change, Change::Changed);
    assert_eq!(pointers(&right.output), ["/score", "/parts/1"]);
    assert_eq!(
        (&right.output[1].a, &right.output[1].b),
        (&json!("y"), &Json::Null)
    );
    let end = of(&diff, "end");
    assert_eq!(
        (pointers(&end.output), &end.output[0].a, &end.output[0].b),
        (vec![""], &json!("one"), &json!("two"))
    );
}

#[test]
fn another_end_is_a_change() {
    let (mut a, mut b) = (begun(), begun());
    a.runs("right", 1);
    b.ready("right").started("right").failed("right");
    let diff = diff(&a, &b);
    let right = of(&diff, "right");
    assert_eq!(right.change, Change::Changed);
    assert_eq!(
        right.status,
        [Some(StepStatus::Succeeded), Some(StepStatus::Failed)]
    );
    assert_eq!(right.error, [None, Some("no answer".to_owned())]);
}

#[test]
fn what_a_model_was_told_counts_and_the_key_of_the_request_does_not() {
    let (mut a, mut b) = (Scene::new(), Scene::new());
    asks(&mut a, "top", "about tea", "1");
    asks(&mut b, "top", "about tea", "2");
    assert!(diff(&a, &b).is_same());
    let mut c = Scene::new();
    asks(&mut c, "top", "about tea, for children", "3");
    let diff = diff(&a, &c);
    let top = of(&diff, "top");
    assert_eq!(top.change, Change::Changed);
    assert_eq!(pointers(&top.prompt), ["/messages/0/text"]);
    assert_eq!(top.prompt[0].b, json!("about tea, for children"));
}

#[test]
fn steps_that_only_one_run_has_stand_where_they_would_in_the_other() {
    let other = Arc::new(plan(
        "diamond",
        vec![
            step("top", &[]),
            step("right", &[0]),
            step("check", &[1]),
            step("end", &[1, 2]),
        ],
    ));
    let (a, b) = (begun(), begun());
    let diff = RunDiff::of(&view(&diamond(), &a), &view(&other, &b));
    let expected = [
        ("top", Change::Same),
        ("right", Change::Same),
        ("check", Change::Added),
        ("end", Change::Same),
        // The run has heard of it although its plan does not have it.
        ("left", Change::Same),
    ];
    assert_eq!(changes(&diff), expected);
    let diff = RunDiff::of(&view(&other, &Scene::new()), &view(&diamond(), &Scene::new()));
    let expected = [
        ("top", Change::Same),
        ("left", Change::Added),
        ("right", Change::Same),
        ("check", Change::Removed),
        ("end", Change::Same),
    ];
    assert_eq!(changes(&diff), expected);
    let check = of(&diff, "check");
    assert_eq!(check.status, [Some(StepStatus::Pending), None]);
    assert_eq!(check.cost_usd, [Some("0.00".to_owned()), None]);
}

#[test]
fn a_step_between_two_others_is_one_difference_of_the_definition() {
    let other = Arc::new(plan(
        "diamond",
        vec![
            step("top", &[]),
            step("between", &[0]),
            step("left", &[0]),
            step("right", &[0]),
            step("end", &[2, 3]),
        ],
    ));
    let diff = RunDiff::of(&view(&diamond(), &begun()), &view(&other, &begun()));
    assert_eq!(pointers(&diff.definition), ["/steps/between"]);
    assert_eq!(diff.definition[0].a, Json::Null);
    let without = RunView::replay(None, begun().events());
    assert!(
        RunDiff::of(&without, &without).definition.is_empty(),
        "of the same hash"
    );
}

#[test]
fn what_went_in_is_compared() {
    let (a, mut b) = (begun(), Scene::new());
    let queued = match &a.events()[0].kind {
        EventKind::RunQueued { .. } => a.events()[0].kind.clone(),
        other => panic!("a run begins with it: {other:?}"),
    };
    let EventKind::RunQueued { mut inputs, .. } = queued.clone() else {
        unreachable!("just looked")
    };
    inputs["topic"] = json!("coffee");
    let mut other = queued;
    if let EventKind::RunQueued { inputs: of, .. } = &mut other {
        *of = inputs;
    }
    b.push(None, other).runs("top", 3).runs("left", 4);
    let diff = diff(&a, &b);
    assert_eq!(pointers(&diff.inputs), ["/topic"]);
    assert!(!diff.is_same());
    assert_eq!(diff.first_difference, None);
}

fn taken_over(scene: &mut Scene, step: &str, built_on: &[(&str, Option<String>)]) {
    let built_on: IndexMap<String, Option<String>> = built_on
        .iter()
        .map(|(step, hash)| ((*step).to_owned(), hash.clone()))
        .collect();
    let output = Value::json(step.into());
    let reused = Reused {
        from_run: None,
        status: StepStatus::Succeeded,
        output_hash: output.content_hash(),
        output,
        output_ref: None,
        edited: false,
        built_on,
        arm: None,
        skipped: None,
    };
    scene.push(Some(step), EventKind::StepReused(Box::new(reused)));
}

#[test]
fn what_was_taken_over_from_something_that_has_changed_is_stale() {
    let before = Value::json("top".into()).content_hash();
    let (a, mut b) = (begun(), Scene::new());
    b.queued("diamond");
    gives(&mut b, "top", json!("another"));
    taken_over(&mut b, "left", &[("top", before)]);
    let diff = diff(&a, &b);
    assert_eq!(of(&diff, "top").change, Change::Changed);
    assert_eq!(of(&diff, "left").change, Change::Stale);
    assert_eq!(diff.first_difference.as_deref(), Some("top"));
}

#[test]
fn outputs_that_are_kept_elsewhere_are_compared_by_their_hashes() {
    let ids = CountingIds::default();
    let kept = |scene: &mut Scene, hash: &str| {
        let at = ValueRef {
            artifact: ArtifactId::new(&ids),
            bytes: 100_000,
            sha256: hash.to_owned(),
            media_type: "application/json".to_owned(),
            hash: format!("sha256:{hash}"),
        };
        scene.ready("right").started("right").push(
            Some("right"),
            EventKind::StepSucceeded {
                output: Value::null(),
                output_ref: Some(at.clone()),
                usage: Usage::default(),
                cost: Cost::default(),
            },
        );
        at
    };
    let (mut a, mut b, mut c) = (begun(), begun(), begun());
    let at = kept(&mut a, "1");
    kept(&mut b, "1");
    assert!(diff(&a, &b).is_same(), "equal content is equal wherever it is");
    let other = kept(&mut c, "2");
    let found = diff(&a, &c);
    let right = &of(&found, "right").output;
    assert_eq!(pointers(right), [""]);
    assert_eq!(
        (&right[0].a_ref, &right[0].b_ref),
        (&Some(at.clone()), &Some(other))
    );
    let mut small = begun();
    gives(&mut small, "right", json!("short"));
    let found = diff(&a, &small);
    let right = &of(&found, "right").output[0];
    assert_eq!((&right.a, &right.b), (&Json::Null, &json!("short")));
    assert_eq!((&right.a_ref, &right.b_ref), (&Some(at), &None));
}

#[test]
fn a_diff_has_the_published_shape_and_reads_back() {
    let (mut a, mut b) = (begun(), begun());
    gives(&mut a, "right", json!("x"));
    gives(&mut b, "right", json!("y"));
    let diff = diff(&a, &b);
    let written = serde_json::to_value(&diff).expect("a diff can be written");
    let run = a.events()[0].run;
    assert_eq!(
        (&written["schema"], &written["a"], &written["b"]),
        (&json!("segue.diff/1"), &json!(run), &json!(run))
    );
    let expected = json!({
        "path": "right", "change": "changed", "status": ["succeeded", "succeeded"],
        "output": [{"pointer": "", "a": "x", "b": "y"}], "prompt": [], "error": [null, null],
        "attempts": [1, 1], "cost_usd": ["0.00", "0.00"], "duration_ms": [0, 0],
    });
    assert_eq!(written["steps"][2].to_string(), expected.to_string());
    let back: RunDiff = serde_json::from_value(written).expect("and reads back");
    assert_eq!(back, diff);
}

#[test]
fn pointers_lead_to_what_differs() {
    for (a, b, expected) in [
        (json!(1), json!(1), vec![]),
        (json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1}), vec![]),
        (json!(null), json!([]), vec![""]),
        (
            json!({"a": {"b/c": 1}, "d~": 2}),
            json!({"a": {"b/c": 2}, "d~": 3}),
            vec!["/a/b~1c", "/d~0"],
        ),
        (json!([1, 2, 3]), json!([1, 5]), vec!["/1", "/2"]),
        (
            json!({"x": [{"y": 1}, 2], "z": 0}),
            json!({"x": [{"y": 2}, 3], "w": 0}),
            vec!["/x/0/y", "/x/1", "/z", "/w"],
        ),
        (json!({}), json!({"a": null}), vec!["/a"]),
    ] {
        let found = differences(&a, &b);
        assert_eq!(pointers(&found), expected, "{a} {b}");
        for difference in found {
            let there = |value: &Json| value.pointer(&difference.pointer).cloned().unwrap_or_default();
            assert_eq!((there(&a), there(&b)), (difference.a, difference.b));
        }
    }
}
