//! Rows of the live tree: what one step is doing, in the cells there are.

use std::time::Duration;

use console::{measure_text_width, truncate_str};
use indexmap::IndexMap;
use segue::view::{StepView, draw};
use segue::{RunView, StepStatus, Time};

use super::style::Style;
use super::words;
use crate::paper::short;

/// Items that are drawn one by one; more become a bar.
const MAX_ITEMS_DRAWN: usize = 24;

/// Shapes of a step that runs, one after another.
const TURNING: [&str; 4] = ["◐", "◓", "◑", "◒"];

/// What a row is made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen<'a> {
    pub(super) style: Style,
    /// Steps that were made from something that has changed since, with what has.
    pub(super) stale: &'a IndexMap<String, Vec<String>>,
    /// The present, for steps that have not ended.
    pub(super) now: Time,
    /// Which of the turning shapes.
    pub(super) tick: usize,
    /// Cells of a row.
    pub(super) columns: usize,
    /// Cells of the name.
    pub(super) name: usize,
}

/// Cells of the status word; the longest are `succeeded` and `cancelled`.
const STATUS: usize = 9;
/// Cells of time, tokens and dollars, with the gap before them.
const FIGURES: [usize; 3] = [11, 11, 9];

impl Pen<'_> {
    /// The row of a step. `guides` are the lines of the tree before it.
    pub(super) fn row(&self, run: &RunView, step: &StepView, guides: &str) -> String {
        let style = self.style;
        let status = step.status;
        let shape = match status {
            StepStatus::Running => TURNING[self.tick % TURNING.len()].to_owned(),
            status => draw::shape(status).to_string(),
        };
        let room = self.name.saturating_sub(measure_text_width(guides));
        let name = cut(&step.name, room);
        let gap = " ".repeat(room.saturating_sub(measure_text_width(&name)));
        let is_quiet = matches!(status, StepStatus::Pending | StepStatus::Skipped);
        let name = if is_quiet { style.dim(&name) } else { name };
        let mut left = format!(
            "{}{} {name}{gap}  {}",
            style.dim(guides),
            style.status(status, &shape),
            style.status(status, &format!("{:<STATUS$}", status.as_str())),
        );
        let figures = self.figures(step);
        let room = self
            .columns
            .saturating_sub(self.name + STATUS + 6 + measure_text_width(&figures));
        let about = cut(&self.about(run, step, room), room);
        let pad = " ".repeat(room.saturating_sub(measure_text_width(&about)));
        left.push_str(&format!("  {about}{pad}{figures}"));
        cut(left.trim_end(), self.columns)
    }

    /// Time, tokens and dollars, as many as fit.
    fn figures(&self, step: &StepView) -> String {
        let time = match (step.duration_ms, step.started) {
            (Some(ms), _) => words::duration(Duration::from_millis(ms)),
            (None, Some(started)) if !step.status.is_settled() => words::elapsed(self.now.since(started)),
            _ => String::new(),
        };
        let time = if step.status == StepStatus::Skipped {
            String::new()
        } else {
            time
        };
        let all = [
            time,
            words::tokens(&step.usage),
            words::dollars(&step.usage, &step.cost),
        ];
        let shown = match self.columns {
            0..56 => 0,
            56..80 => 1,
            80..92 => 2,
            _ => 3,
        };
        let mut figures = String::new();
        for (text, width) in all.iter().zip(FIGURES).take(shown) {
            figures.push_str(&format!("{text:>width$}"));
        }
        self.style.dim(&figures)
    }

    /// What it is doing, or what came of it.
    fn about(&self, run: &RunView, step: &StepView, room: usize) -> String {
        let style = self.style;
        let tried = match step.tries() {
            0 | 1 => String::new(),
            tries if step.status.is_settled() => format!("{tries} attempts · "),
            tries => format!("attempt {tries} · "),
        };
        let marks = self.marks(step);
        if let Some(items) = &step.items {
            let room = room.saturating_sub(measure_text_width(&marks));
            return format!("{marks}{tried}{}", self.items(run, step, items.total, room));
        }
        let text = match step.status {
            StepStatus::Pending => return style.dim(&waits_for(run, step)),
            StepStatus::Ready => String::new(),
            StepStatus::Running => running(step),
            StepStatus::Waiting => step
                .question
                .as_ref()
                .map(|question| words::one_line(&question.title))
                .unwrap_or_default(),
            StepStatus::Failed => step
                .error
                .as_ref()
                .map(|error| words::one_line(&error.message))
                .unwrap_or_default(),
            StepStatus::Skipped => {
                let why = step.skipped.as_ref().map(|why| words::one_line(&why.text));
                return format!("{marks}{}", style.dim(&why.unwrap_or_default()));
            }
            StepStatus::Cancelled => String::new(),
            StepStatus::Succeeded => made(step),
        };
        format!("{marks}{}{text}", style.yellow(&tried))
    }

    /// Where a result comes from that was not made in this run, and whether it is out of date.
    fn marks(&self, step: &StepView) -> String {
        let mut marks = String::new();
        if let Some(because) = self.stale.get(&step.path) {
            let because: Vec<String> = because.iter().map(|step| words::one_line(step)).collect();
            let mark = format!("~ stale, {} changed · ", because.join(", "));
            marks.push_str(&self.style.yellow(&mark));
        }
        match &step.reused_from {
            _ if step.edited => marks.push_str(&self.style.cyan("edited · ")),
            Some(run) => marks.push_str(&self.style.dim(&format!("from {} · ", short(run)))),
            None => {}
        }
        marks
    }

    /// Items of a map: one by one, or as a bar.
    fn items(&self, run: &RunView, step: &StepView, total: u64, room: usize) -> String {
        let style = self.style;
        let done = step
            .items
            .as_ref()
            .map_or((0, 0), |items| (items.succeeded, items.failed));
        let mut counted = format!("{}/{}", words::count(done.0 + done.1), words::count(total));
        if done.1 > 0 {
            counted.push_str(&format!(", {} failed", words::count(done.1)));
        }
        let most = room.saturating_sub(counted.len() + 1).min(MAX_ITEMS_DRAWN);
        let drawn = usize::try_from(total).unwrap_or(usize::MAX);
        if drawn <= most {
            let mut strip = String::new();
            let mut seen = 0;
            for item in run
                .children(&step.path)
                .filter(|item| item.path.ends_with(']'))
                .take(drawn)
            {
                let cell = match item.status {
                    StepStatus::Succeeded => "■",
                    StepStatus::Failed => "✗",
                    StepStatus::Running => TURNING[self.tick % TURNING.len()],
                    StepStatus::Waiting => "‖",
                    _ => "·",
                };
                strip.push_str(&style.status(item.status, cell));
                seen += 1;
            }
            strip.push_str(&style.dim(&"·".repeat(drawn - seen)));
            return format!("{strip} {counted}");
        }
        format!("{} {counted}", bar(style, done.0 + done.1, total, most))
    }
}

/// A bar of so many cells, filled as far as `done` is of `total`.
pub(super) fn bar(style: Style, done: u64, total: u64, cells: usize) -> String {
    let share = u128::from(done.min(total)) * cells as u128 / u128::from(total.max(1));
    let filled = usize::try_from(share).unwrap_or(cells).min(cells);
    format!(
        "{}{}",
        style.green(&"━".repeat(filled)),
        style.dim(&"─".repeat(cells - filled))
    )
}

fn waits_for(run: &RunView, step: &StepView) -> String {
    let open = step
        .needs
        .iter()
        .filter(|need| run.step(need).is_none_or(|need| !need.status.is_settled()));
    let names: Vec<&str> = open.map(String::as_str).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("after {}", names.join(", ")),
    }
}

fn running(step: &StepView) -> String {
    let mut parts: Vec<String> = step.agent.iter().map(|agent| words::one_line(agent)).collect();
    let last = step.attempts.iter().rev().find(|attempt| attempt.ended.is_some());
    let why = last.and_then(|last| {
        let error = last.error.as_ref().map(|error| error.message.as_str());
        last.reason.as_deref().or(error)
    });
    if let Some(why) = why {
        parts.push(words::one_line(why));
    }
    parts.join(" · ")
}

fn made(step: &StepView) -> String {
    if let Some(route) = &step.route {
        return format!("took {}", words::one_line(&route.arm));
    }
    if let Some(kept) = &step.output_ref {
        return format!("{} beside the log", words::bytes(kept.bytes));
    }
    let output = step.output.as_ref().and_then(|output| output.to_json().ok());
    output.map(|json| words::preview(&json)).unwrap_or_default()
}

/// Text in at most so many cells; escape codes of colours count nothing.
pub(super) fn cut(text: &str, cells: usize) -> String {
    truncate_str(text, cells, "…").into_owned()
}
