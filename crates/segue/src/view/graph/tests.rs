use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::{GraphView, short};
use crate::plan::{Action, Arm, Kind, Membership, Need, NeedKind, Plan, RouteBy, Source};
use crate::view::RunView;
use crate::view::draw::EdgeKind;
use crate::view::scene::{Scene, diamond, plan, step};

/// From, to, kind, label, taken.
type Edge<'a> = (&'a str, &'a str, EdgeKind, Option<&'a str>, Option<bool>);

fn edges(graph: &GraphView) -> Vec<Edge<'_>> {
    let edges = graph.edges.iter();
    edges
        .map(|edge| {
            (
                edge.from.as_str(),
                edge.to.as_str(),
                edge.kind,
                edge.label.as_deref(),
                edge.taken,
            )
        })
        .collect()
}

/// `pick` takes `short` (a step of its own) or `long` (two steps of the plan); `end` comes after all of them.
fn routed() -> Plan {
    let mut arms = IndexMap::new();
    arms.insert("short".to_owned(), Arm::Inline(Box::new(step("short", &[]))));
    arms.insert("long".to_owned(), Arm::Steps(vec![1, 2]));
    let mut pick = step("pick", &[]);
    pick.kind = Kind::Route;
    pick.action = Action::Route {
        by: RouteBy::Value(Source::Input),
        arms,
        otherwise: None,
    };
    let member = |mut step: crate::plan::Step| {
        step.arm = Some(Membership {
            route: 0,
            arm: "long".to_owned(),
        });
        step
    };
    plan(
        "routed",
        vec![
            pick,
            member(step("write", &[])),
            member(step("check", &[1])),
            step("end", &[0, 2]),
        ],
    )
}

#[test]
fn data_and_order_are_told_apart() {
    let mut plan = (*diamond()).clone();
    plan.steps[3].needs[1] = Need {
        step: 2,
        kind: NeedKind::Settled,
    };
    let graph = GraphView::of(&plan, None, false);
    assert_eq!(
        edges(&graph),
        [
            ("top", "left", EdgeKind::Data, None, None),
            ("top", "right", EdgeKind::Data, None, None),
            ("left", "end", EdgeKind::Data, None, None),
            ("right", "end", EdgeKind::Order, None, None),
        ]
    );
    assert!(graph.steps.iter().all(|step| step.status.is_none()));
}

#[test]
fn an_arm_has_one_edge_in_and_says_whether_it_was_taken() {
    let plan = Arc::new(routed());
    let mut scene = Scene::new();
    scene.queued("routed").started("pick").chosen("pick", "short");
    let run = RunView::replay(Some(plan.clone()), scene.events());
    let graph = GraphView::of(&plan, Some(&run), true);
    assert_eq!(
        edges(&graph),
        [
            ("pick", "pick/short", EdgeKind::Arm, Some("short"), Some(true)),
            ("pick", "write", EdgeKind::Arm, Some("long"), Some(false)),
            ("write", "check", EdgeKind::Data, None, None),
            ("pick", "end", EdgeKind::Data, None, None),
            ("pick/short", "end", EdgeKind::Data, None, None),
            ("check", "end", EdgeKind::Data, None, None),
        ]
    );
    let drawing = graph.drawing();
    assert_eq!((drawing.edges[0].from, drawing.edges[0].to), (0, 1));
    assert_eq!(drawing.boxes[1].group.as_deref(), Some("pick"));
    // Without expanding, the arm is part of the route.
    let graph = GraphView::of(&plan, Some(&run), false);
    assert_eq!(graph.steps.len(), 4);
    assert_eq!(edges(&graph)[2], ("pick", "end", EdgeKind::Data, None, None));
}

#[test]
fn a_nested_pipeline_is_expanded_in_place() {
    let mut sub = step("sub", &[0]);
    sub.kind = Kind::Pipeline;
    sub.action = Action::Pipeline {
        plan: diamond(),
        with: None,
        inputs: Vec::new(),
    };
    let plan = plan("outer", vec![step("first", &[]), sub, step("last", &[1])]);
    let graph = GraphView::of(&plan, None, true);
    let paths: Vec<&str> = graph.steps.iter().map(|step| step.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "first",
            "sub",
            "sub/top",
            "sub/left",
            "sub/right",
            "sub/end",
            "last"
        ]
    );
    let edges = edges(&graph);
    assert!(edges.contains(&("sub", "sub/top", EdgeKind::Order, None, None)));
    assert!(edges.contains(&("sub/end", "last", EdgeKind::Data, None, None)));
    assert!(!edges.iter().any(|edge| edge.0 == "sub" && edge.1 == "last"));
}

#[test]
fn a_note_says_how_it_went() {
    let mut scene = Scene::new();
    scene
        .queued("diamond")
        .ready("top")
        .started("top")
        .call("top", 1, crate::money::cents(2))
        .wait(1250);
    scene
        .fails("top", 1, crate::log::Resolution::Retried, None)
        .attempt("top", 2);
    scene.spent(crate::money::cents(2)).succeeded("top", 2, "x");
    scene.skipped("left");
    let run = RunView::replay(Some(diamond()), scene.events());
    let graph = GraphView::of(&diamond(), Some(&run), false);
    assert_eq!(graph.steps[0].note.as_deref(), Some("1.2 s  $0.02  2 attempts"));
    assert_eq!(graph.steps[1].note.as_deref(), Some("its `when` was false"));
    assert_eq!(graph.steps[2].note, None);
}

#[test]
fn deep_nesting_is_drawn() {
    let mut inner = diamond();
    for _ in 0..200 {
        let mut sub = step("s", &[]);
        sub.kind = Kind::Pipeline;
        sub.action = Action::Pipeline {
            plan: inner,
            with: None,
            inputs: Vec::new(),
        };
        inner = Arc::new(plan("p", vec![sub]));
    }
    let graph = GraphView::of(&inner, None, true);
    assert_eq!(graph.steps.len(), 204);
    assert_eq!(graph.edges.len(), 204);
}

#[test]
fn durations_are_short() {
    for (ms, text) in [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_250, "1.2 s"),
        (61_000, "1 min 1 s"),
        (3_660_000, "1 h 1 min"),
    ] {
        assert_eq!(short(Duration::from_millis(ms)), text);
    }
}
