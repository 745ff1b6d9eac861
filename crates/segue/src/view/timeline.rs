//! The timeline: what each step did when, and which steps made the run as long as it was.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::run::{RunView, StepView};
use crate::clock::Time;

/// A run over time, made from its view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// The time of the last event: where open segments reach to.
    pub now: Option<Time>,
    /// A row for each step, item and nested step, in declaration order.
    pub rows: Vec<TimelineRow>,
    /// The steps of the run's own plan that no other step would have made faster, from the first to the last.
    pub critical_path: Vec<String>,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineRow {
    /// Path of the step.
    pub path: String,
    /// One thing after another.
    pub segments: Vec<Segment>,
}

/// What a step did for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// What.
    pub kind: SegmentKind,
    /// Since when.
    pub from: Time,
    /// Until when; none while it lasts.
    pub to: Option<Time>,
    /// The attempt it belongs to, from 1.
    pub attempt: Option<u32>,
}

/// What a step can do for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SegmentKind {
    /// Its dependencies are met and it waits for its turn.
    Queue,
    /// It works.
    Attempt,
    /// A call of its attempt waits for its provider.
    RateLimit,
    /// It waits for its next attempt.
    Backoff,
    /// It waits for a person.
    Person,
}

impl Timeline {
    /// The timeline of a run as it stands.
    #[must_use]
    pub fn of(run: &RunView) -> Self {
        let row = |(step, segments): (&StepView, &[_])| TimelineRow {
            path: step.path.clone(),
            segments: segments.to_vec(),
        };
        Self {
            now: run.now(),
            rows: run.records().map(row).collect(),
            critical_path: critical_path(run),
        }
    }
}

/// From the step that ended last, back along the dependency that ended last each time. Of equals, the first declared.
fn critical_path(run: &RunView) -> Vec<String> {
    let done: BTreeMap<&str, (Time, &StepView)> = run
        .steps()
        .filter(|step| step.started.is_some())
        .filter_map(|step| Some((step.path.as_str(), (step.ended?, step))))
        .collect();
    let in_order = run
        .steps()
        .filter_map(|step| done.get(step.path.as_str()).copied());
    let mut path = Vec::new();
    let mut seen = HashSet::new();
    let mut next = last(in_order);
    // A plan from elsewhere may have a cycle; a step is on the path at most once.
    while let Some(step) = next.filter(|step| seen.insert(step.path.as_str())) {
        path.push(step.path.clone());
        next = last(
            step.needs
                .iter()
                .filter_map(|need| done.get(need.as_str()).copied()),
        );
    }
    path.reverse();
    path
}

fn last<'a>(steps: impl Iterator<Item = (Time, &'a StepView)>) -> Option<&'a StepView> {
    let later =
        |last: (Time, &'a StepView), step: (Time, &'a StepView)| if step.0 > last.0 { step } else { last };
    steps.reduce(later).map(|(_, step)| step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Resolution;
    use crate::view::scene::{Scene, diamond};

    #[test]
    fn a_row_shows_queue_attempts_pauses_and_people_one_after_another() {
        let mut scene = Scene::new();
        scene.queued("p").ready("a").wait(5).started("a").wait(10);
        scene
            .fails("a", 1, Resolution::Retried, Some(20))
            .wait(20)
            .attempt("a", 2);
        scene
            .wait(7)
            .waits("a")
            .wait(1000)
            .resumed("a")
            .wait(3)
            .succeeded("a", 2, "x");
        let run = RunView::replay(None, scene.events());
        let timeline = Timeline::of(&run);
        let start = timeline.rows[0].segments[0].from;
        let shown: Vec<_> = timeline.rows[0]
            .segments
            .iter()
            .map(|segment| {
                let ms = |time: Time| time.since(start).as_millis();
                (
                    segment.kind,
                    ms(segment.from),
                    segment.to.map(ms),
                    segment.attempt,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (SegmentKind::Queue, 0, Some(5), None),
                (SegmentKind::Attempt, 5, Some(15), Some(1)),
                (SegmentKind::Backoff, 15, Some(35), None),
                (SegmentKind::Attempt, 35, Some(42), Some(2)),
                (SegmentKind::Person, 42, Some(1042), Some(2)),
                (SegmentKind::Attempt, 1042, Some(1045), Some(2)),
            ]
        );
        let waits = run.step("a").expect("it was heard of").wait_ms;
        assert_eq!((waits.queue, waits.backoff, waits.person), (5, 20, 1000));
    }

    #[test]
    fn it_has_the_published_shape() {
        let mut scene = Scene::new();
        scene.queued("p").wait(1).started("a").wait(1).ready("b");
        let timeline = Timeline::of(&RunView::replay(None, scene.events()));
        let json = serde_json::to_string(&timeline).expect("a timeline can be written");
        let expected = concat!(
            r#"{"now":"2026-03-01T07:00:00.002Z","rows":[{"path":"a","segments":[{"kind":"attempt","#,
            r#""from":"2026-03-01T07:00:00.001Z","to":null,"attempt":1}]},{"path":"b","segments":[{"kind":"queue","#,
            r#""from":"2026-03-01T07:00:00.002Z","to":null,"attempt":null}]}],"critical_path":[]}"#,
        );
        assert_eq!(json, expected);
        assert_eq!(serde_json::from_str::<Timeline>(&json).ok(), Some(timeline));
    }

    #[test]
    fn the_critical_path_follows_the_dependency_that_ended_last() {
        let mut scene = Scene::new();
        scene.queued("diamond").runs("top", 10);
        scene
            .ready("left")
            .started("left")
            .ready("right")
            .started("right")
            .wait(5);
        scene
            .succeeded("right", 1, "r")
            .wait(30)
            .succeeded("left", 1, "l")
            .runs("end", 1);
        let run = RunView::replay(Some(diamond()), scene.events());
        assert_eq!(Timeline::of(&run).critical_path, ["top", "left", "end"]);
    }

    #[test]
    fn nothing_is_critical_before_anything_has_ended() {
        let run = RunView::new(Some(diamond()));
        assert!(Timeline::of(&run).critical_path.is_empty());
        assert_eq!(Timeline::of(&run).rows.len(), 4);
    }
}
