//! Logs in no sensible order: whatever they say, a view is the same live and replayed, and can be read.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::{outer, question};
use crate::error::{ErrorKind, Failure};
use crate::id::{ArtifactId, CallId, CountingIds};
use crate::log::{Event, EventKind, Resolution};
use crate::money::{Cost, cents};
use crate::usage::Usage;
use crate::view::scene::Scene;
use crate::view::{CostLedger, RunRecord, RunView, SegmentKind, StepStatus, Timeline};

/// One event of any kind, in no sensible order, about paths that may not exist.
fn push(scene: &mut Scene, what: u8, path: &str, number: u32) {
    let ids = CountingIds::default();
    let call = (0..=number)
        .map(|_| CallId::new(&ids))
        .last()
        .expect("at least one");
    let artifact = ArtifactId::new(&ids);
    let asked = question(scene, path, u64::from(number) + 1);
    let (usage, cost) = (
        Usage {
            requests: 1,
            ..Usage::default()
        },
        Cost::of(cents(1)),
    );
    let error = Failure::new(ErrorKind::Timeout, "too late");
    let said = |_: &mut Scene| ();
    let kind = match what {
        0 => return said(scene.ready(path)),
        1 => return said(scene.started(path)),
        2 => return said(scene.attempt(path, number)),
        3 => return said(scene.succeeded(path, number, "x")),
        4 => return said(scene.fails(path, number, Resolution::Retried, Some(1))),
        5 => return said(scene.failed(path)),
        6 => return said(scene.skipped(path)),
        7 => return said(scene.waits(path)),
        8 => return said(scene.resumed(path)),
        9 => return said(scene.reserved(path, number, call)),
        10 => EventKind::CallUncertain {
            call,
            held_nanousd: cents(1),
        },
        11 => EventKind::CallFailed {
            call,
            error: Box::new(error),
            usage,
            cost,
            price: None,
        },
        12 => EventKind::QuestionAsked {
            question: Box::new(asked),
        },
        13 => EventKind::QuestionAnswered {
            question: asked.id,
            by: "ann".to_owned(),
            via: None,
            answer: Json::Null,
        },
        14 => EventKind::QuestionExpired {
            question: asked.id,
            default_used: false,
        },
        15 => EventKind::StepExpanded {
            total: u64::from(number),
        },
        16 => EventKind::RunFailed {
            error: Arc::new(error),
            usage,
            cost,
        },
        17 => EventKind::RunWaiting {
            questions: Vec::new(),
            reason: None,
        },
        18 => EventKind::StepCancelled {
            reason: "enough".to_owned(),
        },
        19 => EventKind::ArtifactLinked {
            link: "latest".to_owned(),
            artifact,
        },
        20 => return said(scene.chosen(path, "short")),
        _ => EventKind::CallWaiting {
            call,
            reason: "rate_limit".to_owned(),
            until: None,
        },
    };
    scene.push(Some(path), kind);
}

fn any_log() -> impl Strategy<Value = Vec<Event>> {
    let path = prop::sample::select(vec![
        "sub",
        "sub/top",
        "sub/left",
        "sub/end",
        "sub/on_failure/x",
        "each",
        "each[0]",
        "each[1]",
        "each[1]/deep",
        "last",
        "",
        "/",
        "[0]",
        "sub/",
        "unknown",
        "unknown[3]",
        "on_failure/a",
        "a/b/c",
        "each[99999999999999999999]",
        "each[18446744073709551615]",
    ]);
    prop::collection::vec((0..22u8, path, 0..3u32, 0..50i64), 0..60).prop_map(|events| {
        let mut scene = Scene::new();
        scene.queued("outer");
        for (what, path, number, ms) in events {
            scene.wait(ms - 10);
            push(&mut scene, what, path, number);
        }
        scene.events().to_vec()
    })
}

proptest! {
    #[test]
    fn a_live_view_is_the_replay_of_what_it_has_seen(log in any_log(), with_plan: bool) {
        let plan = with_plan.then(outer);
        let mut live = RunView::new(plan.clone());
        for (seen, event) in log.iter().enumerate() {
            live.apply(event);
            let replayed = RunView::replay(plan.clone(), &log[..=seen]);
            prop_assert!(live == replayed, "after {} events", seen + 1);
        }
        // What is read from an odd log is odd, but it can be read, and it is the same twice.
        let text = serde_json::to_string(&live).expect("a view can be written");
        let record: RunRecord = serde_json::from_str(&text).expect("and reads back");
        prop_assert_eq!(serde_json::to_string(&record).expect("again"), text);
        let _ = (CostLedger::of(&live).to_string(), Timeline::of(&live));
    }

    #[test]
    fn counts_agree_with_the_steps_and_segments_follow_each_other(log in any_log()) {
        let run = RunView::replay(Some(outer()), &log);
        for status in [StepStatus::Pending, StepStatus::Ready, StepStatus::Running, StepStatus::Waiting,
            StepStatus::Succeeded, StepStatus::Failed, StepStatus::Skipped, StepStatus::Cancelled] {
            let counted = run.steps().filter(|step| step.status == status).count() as u64;
            prop_assert_eq!(run.step_counts().of(status), counted, "{}", status);
        }
        let failed: Vec<&str> =
            run.steps().filter(|step| step.status == StepStatus::Failed).map(|step| step.path.as_str()).collect();
        prop_assert_eq!(run.failed_steps().collect::<Vec<_>>(), failed);
        for row in Timeline::of(&run).rows {
            for pair in row.segments.windows(2) {
                prop_assert!(pair[0].to.is_some(), "only the last segment of `{}` is open", row.path);
            }
            let queued = row.segments.iter().filter(|segment| segment.kind == SegmentKind::Queue).count();
            prop_assert!(queued <= log.len());
        }
        let mut all: Vec<&str> = run.all_steps().map(|step| step.path.as_str()).collect();
        let known = all.len();
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(all.len(), known, "every record is listed once");
    }
}
