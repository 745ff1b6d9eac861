//! `runs diff`: two runs step by step, side by side.

use std::time::Duration;

use segue::view::{Change, Difference, RunDiff, StepDiff};
use segue::{RunView, StepStatus};
use serde_json::Value as Json;

use crate::arguments::runs::DiffArgs;
use crate::exit::Exit;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::terminal::sides::Sides;
use crate::terminal::style::Style;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::words;

use super::{at_desk, read};

/// Rows of one difference; more are counted.
const MAX_ROWS: usize = 24;
/// Differences of one value that are shown; more are counted.
const MAX_PLACES: usize = 8;
/// A longer value stands in lines of its own.
const SHORT: usize = 32;

/// Compares two runs.
pub(super) fn diff(arguments: &DiffArgs, program: &mut Program) -> Result<Exit, Problem> {
    at_desk(program, async |desk, program| {
        let (_, a) = read(desk, &arguments.a).await?;
        let (_, b) = read(desk, &arguments.b).await?;
        let diff = RunDiff::of(&a, &b);
        if program.common.json {
            program.output.object(&diff);
        } else {
            let page = Page {
                paper: Paper::of(program),
                diff: &diff,
            };
            for line in page.lines(&a, &b) {
                program.output.document(&line);
            }
        }
        Ok(match arguments.exit_code && !diff.is_same() {
            true => Exit::Failed,
            false => Exit::Done,
        })
    })
}

struct Page<'a> {
    paper: Paper,
    diff: &'a RunDiff,
}

impl Page<'_> {
    fn lines(&self, a: &RunView, b: &RunView) -> Vec<String> {
        let style = self.paper.style;
        let mut lines = self.heads(a, b);
        lines.push(String::new());
        if self.diff.is_same() {
            lines.push(style.green("✓ the same: inputs, definition and every step"));
        }
        for (what, differences) in [
            ("inputs", &self.diff.inputs),
            ("definition", &self.diff.definition),
        ] {
            if !differences.is_empty() {
                lines.extend(self.differences(what, "", differences));
                lines.push(String::new());
            }
        }
        lines.extend(self.steps());
        for step in &self.diff.steps {
            let inside = self.inside(step);
            if !inside.is_empty() {
                lines.push(String::new());
                lines.extend(inside);
            }
        }
        lines
    }

    /// The two runs.
    fn heads(&self, a: &RunView, b: &RunView) -> Vec<String> {
        let mut table = Table::new([
            column(""),
            column("run"),
            names("pipeline"),
            column("status"),
            column("started"),
            numbers("time"),
            numbers("cost"),
        ]);
        for (name, view) in [("a", a), ("b", b)] {
            let id = view.id().map(|run| run.to_string()).unwrap_or_default();
            let started = view.started().or(view.queued());
            table.row([
                self.paper.style.bold(name),
                id,
                words::one_line(view.pipeline()),
                self.paper.style.run_status(view.status()),
                started.map(|at| self.paper.moment(at)).unwrap_or_default(),
                view.duration().map(words::duration).unwrap_or_default(),
                view.cost().to_string(),
            ]);
        }
        table.lines(self.paper, "")
    }

    /// Every step that is not the same, and those that are as far as a person wants to know.
    fn steps(&self) -> Vec<String> {
        let mut table = Table::new([
            column(""),
            names("step"),
            column("a"),
            column("b"),
            numbers("time"),
            numbers("cost"),
            names("what differs"),
        ]);
        let mut folded = 0;
        for step in &self.diff.steps {
            // A map of a thousand equal items is one equal step.
            if step.change == Change::Same && step.path.contains(['[', '/']) {
                folded += 1;
                continue;
            }
            table.row(self.row(step));
        }
        let mut lines = match table.is_empty() {
            true => Vec::new(),
            false => table.lines(self.paper, ""),
        };
        if folded > 0 {
            let more = format!("… and {} inside of them, the same", words::count(folded));
            lines.push(self.paper.style.dim(&more));
        }
        lines
    }

    fn row(&self, step: &StepDiff) -> [String; 7] {
        let style = self.paper.style;
        let mark = match step.change {
            Change::Same => style.dim("="),
            Change::Changed => style.yellow("≠"),
            Change::Added => style.green("+"),
            Change::Removed => style.red("-"),
            Change::Stale => style.yellow("~"),
        };
        let path = words::one_line(&step.path);
        let status = |status: &Option<StepStatus>| match (status, step.change) {
            (Some(status), Change::Same) => style.dim(&Style::new(false).step_status(*status)),
            (Some(status), _) => style.step_status(*status),
            (None, _) => String::new(),
        };
        let times = step
            .duration_ms
            .map(|ms| ms.map(|ms| words::duration(Duration::from_millis(ms))));
        let costs = step.cost_usd.each_ref().map(|cost| {
            let cost = cost.as_ref().map(|cost| cost.parse().map(segue::Nanousd::human));
            cost.and_then(Result::ok).map(|cost| cost.to_string())
        });
        let [time, cost] = [both(&times), both(&costs)];
        [
            mark,
            if step.change == Change::Same {
                style.dim(&path)
            } else {
                path
            },
            status(&step.status[0]),
            status(&step.status[1]),
            style.dim(&time),
            style.dim(&cost),
            self.what(step),
        ]
    }

    /// What differs, in a few words.
    fn what(&self, step: &StepDiff) -> String {
        let mut parts: Vec<String> = Vec::new();
        let mut part = |part: &str| parts.push(part.to_owned());
        if self.diff.first_difference.as_deref() == Some(&step.path) {
            part("first difference");
        }
        match step.change {
            Change::Added => part("only in b"),
            Change::Removed => part("only in a"),
            Change::Stale => part("stale"),
            Change::Same | Change::Changed => {}
        }
        let found = [
            (
                "status",
                step.status[0] != step.status[1] && step.change == Change::Changed,
            ),
            ("prompt", !step.prompt.is_empty()),
            ("output", !step.output.is_empty()),
            ("error", step.error != [None, None]),
        ];
        for (name, _) in found.iter().filter(|(_, differs)| *differs) {
            part(name);
        }
        // That a step which was left out was never tried is no news.
        if let [Some(a @ 1..), Some(b @ 1..)] = step.attempts
            && a != b
        {
            parts.push(format!("{a} → {}", words::plural(b, "attempt")));
        }
        parts.join(", ")
    }

    /// What differs in a step, side by side.
    fn inside(&self, step: &StepDiff) -> Vec<String> {
        let path = words::one_line(&step.path);
        let mut lines = Vec::new();
        if let [a, b] = &step.error
            && (a.is_some() || b.is_some())
        {
            let error = |error: &Option<String>| error.clone().unwrap_or_default();
            lines.push(self.title(&path, "error", ""));
            lines.extend(self.sides(&error(a), &error(b)));
        }
        lines.extend(self.differences(&path, "prompt", &step.prompt));
        // What differs in its items says it better.
        let is_told = self.diff.steps.iter().any(|other| {
            let is_below = other
                .path
                .strip_prefix(&step.path)
                .is_some_and(|rest| rest.starts_with(['/', '[']));
            is_below && !other.output.is_empty()
        });
        if !is_told {
            lines.extend(self.differences(&path, "output", &step.output));
        }
        lines
    }

    fn title(&self, path: &str, what: &str, pointer: &str) -> String {
        let style = self.paper.style;
        let mut title = style.bold(path);
        for (part, is_dim) in [(what, false), (&words::one_line(pointer), true)] {
            if !part.is_empty() {
                let part = if is_dim { style.dim(part) } else { part.to_owned() };
                title.push_str(&format!(" {part}"));
            }
        }
        self.paper.fit(&title)
    }

    /// Differences of one value: short ones in a line, long ones side by side.
    fn differences(&self, path: &str, what: &str, differences: &[Difference]) -> Vec<String> {
        let style = self.paper.style;
        let mut lines = Vec::new();
        for difference in differences.iter().take(MAX_PLACES) {
            let (a, b) = (text(&difference.a), text(&difference.b));
            let title = self.title(path, what, &difference.pointer);
            if let Some(kept) = elsewhere(difference) {
                lines.push(self.paper.fit(&format!("{title}  {kept}")));
            } else if is_short(&a) && is_short(&b) {
                let [a, b] = [&difference.a, &difference.b].map(|value| words::one_line(&value.to_string()));
                let change = format!("{} → {}", style.red(&a), style.green(&b));
                lines.push(self.paper.fit(&format!("{title}  {change}")));
            } else {
                lines.push(title);
                lines.extend(self.sides(&a, &b));
            }
        }
        let more = differences.len().saturating_sub(MAX_PLACES);
        if more > 0 {
            let more = words::plural(more as u64, "more place");
            lines.push(style.dim(&format!("  … and {more}; `--json` has all")));
        }
        lines
    }

    fn sides(&self, a: &str, b: &str) -> Vec<String> {
        let sides = Sides {
            style: self.paper.style,
            columns: self.paper.width().saturating_sub(2),
            rows: MAX_ROWS,
        };
        let (rows, more) = sides.of(a, b);
        let mut lines: Vec<String> = rows.iter().map(|row| format!("  {row}")).collect();
        if more > 0 {
            let more = words::plural(more as u64, "more line");
            let hint = format!("  … and {more}; `--json` has all");
            lines.push(self.paper.style.dim(&hint));
        }
        lines
    }
}

/// Two figures; one where they are the same or only one is there.
fn both(pair: &[Option<String>; 2]) -> String {
    match pair {
        [Some(a), Some(b)] if a == b => a.clone(),
        [Some(a), Some(b)] => format!("{a} → {b}"),
        [one, other] => one.as_ref().or(other.as_ref()).cloned().unwrap_or_default(),
    }
}

/// A value as text with lines.
fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        value => serde_json::to_string_pretty(value).unwrap_or_default(),
    }
}

fn is_short(text: &str) -> bool {
    text.len() <= SHORT && !text.contains('\n')
}

/// Values that are kept beside the logs.
fn elsewhere(difference: &Difference) -> Option<String> {
    if difference.a_ref.is_none() && difference.b_ref.is_none() {
        return None;
    }
    let [a, b] = [
        (&difference.a_ref, &difference.a),
        (&difference.b_ref, &difference.b),
    ]
    .map(|(kept, value)| match kept {
        Some(kept) => format!("{} beside the log", words::bytes(kept.bytes)),
        None => words::preview(value),
    });
    Some(format!("{a} → {b}"))
}
