//! The live tree: all steps of a run that fit on the screen, the ones that matter first.

use indexmap::IndexMap;
use segue::view::{SkipWhy, StepView};
use segue::{RunView, StepStatus, Time};

use super::row::{Pen, bar, cut};
use super::style::Style;
use super::words;

/// The widest a name gets before it is cut.
const MAX_NAME: usize = 36;
/// Rows kept free: the first line of the run, the footer, and the line the cursor is in.
const SPARE_ROWS: usize = 4;

/// What a frame is drawn for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// The present.
    pub(crate) now: Time,
    /// Counts frames; turns what runs.
    pub(crate) tick: usize,
    /// Rows of the screen.
    pub(crate) rows: usize,
    /// Columns of the screen.
    pub(crate) columns: usize,
}

/// A step and where it is in the tree.
struct Branch<'a> {
    step: &'a StepView,
    guides: String,
    depth: usize,
}

/// The lines of a frame. While the run goes on, the last one is how far it has come.
pub(crate) fn draw(run: &RunView, frame: Frame, style: Style) -> Vec<String> {
    // Which results are out of date is worked out from the hashes of all outputs: too much for every frame.
    marked(run, frame, style, &IndexMap::new())
}

/// All steps of a run as it stands, with what is out of date.
pub(crate) fn at_rest(run: &RunView, now: Time, columns: usize, style: Style) -> Vec<String> {
    let frame = Frame {
        now,
        tick: 0,
        rows: usize::MAX,
        columns: columns.saturating_add(1),
    };
    marked(run, frame, style, &run.stale())
}

fn marked(run: &RunView, frame: Frame, style: Style, stale: &IndexMap<String, Vec<String>>) -> Vec<String> {
    let branches = branches(run);
    let most = frame.rows.saturating_sub(SPARE_ROWS);
    let (shown, folded) = fit(&branches, most);
    // Guides have a shape and a space behind them.
    let name = shown
        .iter()
        .map(|branch| branch.guides.chars().count() + branch.step.name.chars().count())
        .max();
    let pen = Pen {
        style,
        stale,
        now: frame.now,
        tick: frame.tick,
        columns: frame.columns.saturating_sub(1),
        name: name.unwrap_or(0).clamp(8, MAX_NAME).min(frame.columns / 2),
    };
    let mut lines: Vec<String> = shown
        .iter()
        .map(|branch| pen.row(run, branch.step, &branch.guides))
        .collect();
    if !folded.is_empty() {
        lines.push(style.dim(&cut(&format!("  … and {folded}"), pen.columns)));
    }
    if !run.status().is_terminal() {
        lines.push(cut(&footer(run, frame, style), pen.columns));
    }
    lines
}

/// How far the run has come.
fn footer(run: &RunView, frame: Frame, style: Style) -> String {
    let (mut settled, mut total) = (0, 0);
    for step in run.steps() {
        total += 1;
        settled += u64::from(step.status.is_settled());
    }
    let mut parts = vec![format!("{settled}/{}", words::plural(total, "step"))];
    if let Some(started) = run.started() {
        parts.push(words::elapsed(frame.now.since(started)));
    }
    let spent = [
        words::tokens(run.usage()),
        words::dollars(run.usage(), run.cost()),
    ];
    parts.extend(spent.into_iter().filter(|part| !part.is_empty()));
    let bar = bar(style, settled, total, (frame.columns / 4).clamp(8, 24));
    format!("  {bar} {}", style.dim(&parts.join(" · ")))
}

/// All steps, each below the one it is in. Items of a map stand in its own row.
fn branches(run: &RunView) -> Vec<Branch<'_>> {
    let mut branches = Vec::new();
    let top: Vec<&StepView> = run.steps().filter(|step| !is_left_out(step)).collect();
    let mut open: Vec<(&StepView, String, String, usize)> = top
        .into_iter()
        .rev()
        .map(|step| (step, String::new(), String::new(), 0))
        .collect();
    // What stands in for a run that failed has no step around it.
    let instead = run
        .children("on_failure")
        .map(|step| (step, "⤷ ".to_owned(), "  ".to_owned(), 1));
    open.splice(0..0, instead.collect::<Vec<_>>().into_iter().rev());
    while let Some((step, guides, below, depth)) = open.pop() {
        branches.push(Branch { step, guides, depth });
        if step.items.is_some() {
            continue;
        }
        let children: Vec<&StepView> = run.children(&step.path).collect();
        let last = children.len().saturating_sub(1);
        for (at, child) in children.into_iter().enumerate().rev() {
            let (own, further) = if at == last {
                ("└─ ", "   ")
            } else {
                ("├─ ", "│  ")
            };
            open.push((
                child,
                format!("{below}{own}"),
                format!("{below}{further}"),
                depth + 1,
            ));
        }
    }
    branches
}

/// Whether nobody asked for the step, or it was not needed.
fn is_left_out(step: &StepView) -> bool {
    let skipped = step.skipped.as_ref();
    skipped.is_some_and(|skipped| skipped.reason == SkipWhy::NotSelected)
}

/// The branches that fit, in order, and what the others are: what runs or went wrong stays, then what comes next, then
/// what was done last.
fn fit<'a, 'b>(branches: &'b [Branch<'a>], most: usize) -> (Vec<&'b Branch<'a>>, String) {
    if branches.len() <= most {
        return (branches.iter().collect(), String::new());
    }
    let mut order: Vec<usize> = (0..branches.len()).collect();
    order.sort_by_key(|&at| {
        let step = branches[at].step;
        let ended = step.ended.map_or(0, |ended| -ended.micros());
        (rank(step.status), branches[at].depth, ended, at)
    });
    let mut kept: Vec<usize> = order.iter().copied().take(most.saturating_sub(1)).collect();
    kept.sort_unstable();
    let mut counts = [0_u64; ORDER.len()];
    for &at in order.iter().skip(kept.len()) {
        if let Some(slot) = ORDER
            .iter()
            .position(|status| *status == branches[at].step.status)
        {
            counts[slot] += 1;
        }
    }
    let parts = ORDER.iter().zip(counts).filter(|(_, count)| *count > 0);
    let folded: Vec<String> = parts
        .map(|(status, number)| format!("{} {status}", words::count(number)))
        .collect();
    (
        kept.into_iter().map(|at| &branches[at]).collect(),
        folded.join(", "),
    )
}

/// All statuses, what a person wants to see first.
const ORDER: [StepStatus; 8] = [
    StepStatus::Waiting,
    StepStatus::Failed,
    StepStatus::Running,
    StepStatus::Cancelled,
    StepStatus::Ready,
    StepStatus::Succeeded,
    StepStatus::Pending,
    StepStatus::Skipped,
];

fn rank(status: StepStatus) -> usize {
    ORDER
        .iter()
        .position(|known| *known == status)
        .unwrap_or(ORDER.len())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use console::measure_text_width;
    use segue::{Cost, CountingIds, ErrorKind, Event, EventKind, Failure, Registry, RunId, Usage};

    use super::*;

    /// A run of 40 steps: the fourth runs, the twentieth has failed, the others wait.
    fn run() -> RunView {
        let steps: String = (0..40)
            .map(|n| format!("  step_with_a_long_name_{n}: {{ set: {n} }}\n"))
            .collect();
        let text = format!("version: 1\nname: many\nsteps:\n{steps}");
        let loaded = segue::file::load_text(&text, "many.yaml", &Registry::new()).expect("the plan is good");
        let mut view = RunView::new(Some(loaded.plan));
        let run = RunId::new(&CountingIds::default());
        let started = || EventKind::StepStarted {
            kind: "set".to_owned(),
            agent: None,
        };
        let failed = EventKind::StepFailed {
            error: Arc::new(Failure::new(ErrorKind::Step, "\u{1b}[2J went wrong".repeat(20))),
            on_error: "fail".to_owned(),
            usage: Usage::default(),
            cost: Cost::default(),
        };
        let events = [(3, started()), (19, started()), (19, failed)];
        for (seq, (step, kind)) in (1..).zip(events) {
            let step = Some(format!("step_with_a_long_name_{step}"));
            view.apply(&Event {
                run,
                seq,
                time: Time::from_micros(1_000_000),
                step,
                kind,
            });
        }
        view
    }

    fn frame(rows: usize, columns: usize, style: Style) -> Vec<String> {
        draw(
            &run(),
            Frame {
                now: Time::from_micros(3_500_000),
                tick: 0,
                rows,
                columns,
            },
            style,
        )
    }

    #[test]
    fn a_frame_fits_every_screen() {
        for rows in [1, 4, 5, 10, 24, 60] {
            for columns in [1, 10, 40, 60, 80, 200] {
                let lines = frame(rows, columns, Style::new(true));
                assert!(lines.len() <= rows.max(2), "{} lines on {rows} rows", lines.len());
                for line in lines {
                    assert!(
                        measure_text_width(&line) < columns.max(2),
                        "{columns} columns: {line:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_runs_or_went_wrong_stays_and_the_rest_is_counted() {
        let lines = frame(8, 90, Style::new(false));
        let all = lines.join("\n");
        assert!(lines[0].starts_with("○ step_with_a_long_name_0"), "{all}");
        assert!(
            lines[1].starts_with("◐ step_with_a_long_name_3") && lines[1].contains("running"),
            "{all}"
        );
        assert!(
            lines[2].starts_with("✗ step_with_a_long_name_19") && lines[2].contains("\\u{1b}[2J went"),
            "{all}"
        );
        assert!(lines[3].contains("… and 37 pending"), "{all}");
        assert!(lines[4].contains("1/40 steps"), "{all}");
        assert!(!all.contains('\u{1b}'), "{all}");
    }
}
