//! What a person reads of a test: a line for each case, what was wanted and what there is, and the sum.

use std::io::IsTerminal;
use std::time::Duration;

use segue::case::{Ending, Unmet};
use serde_json::Value as Json;
use similar::{ChangeTag, TextDiff};

use super::{Tested, count};
use crate::program::Program;
use crate::terminal::style::Style;
use crate::terminal::{is_coloured, words};

/// Characters of a value that are shown on one line.
const MOST_SHOWN: usize = 160;
/// Lines of a difference that are shown.
const MOST_LINES: usize = 16;

/// The lines of one file.
pub(crate) struct Show {
    style: Style,
    file: String,
    has_title: bool,
}

impl Show {
    pub(crate) fn of(file: &str, program: &Program) -> Self {
        Self {
            style: style(program),
            file: words::one_line(file),
            has_title: false,
        }
    }

    /// A case: one line, and what is not as expected below it.
    pub(crate) fn case(&mut self, case: &Tested, program: &mut Program) {
        let is_good = case.report.ending == Ending::Passed;
        if program.common.json || program.common.quiet && is_good {
            return;
        }
        let style = self.style;
        if !self.has_title {
            self.has_title = true;
            program.output.document(&style.bold(&self.file));
        }
        let mut line = format!(
            "  {} {}  {}",
            mark(style, case.report.ending),
            words::one_line(&case.name),
            style.dim(&words::duration(case.took))
        );
        if case.updated > 0 {
            let values = words::plural(case.updated as u64, "value");
            line.push_str(&style.yellow(&format!("  {values} updated")));
        }
        program.output.document(&line);
        for text in self.below(case) {
            program.output.document(&format!("      {text}"));
        }
    }

    fn below(&self, case: &Tested) -> Vec<String> {
        let (style, report) = (self.style, &case.report);
        let mut lines = Vec::new();
        for error in &report.errors {
            lines.extend(words::visible(error).lines().map(|line| style.red(line)));
        }
        if let Some(miss) = &report.miss {
            lines.push(style.red(&words::one_line(&miss.message)));
        }
        for unmet in &report.unmet {
            lines.extend(differs(style, unmet));
        }
        lines
    }
}

/// `✓ 3 passed, ✗ 1 failed in 0.2 s`.
pub(crate) fn summary(tested: &[Tested], took: Duration, program: &mut Program) {
    let style = style(program);
    let mut parts = Vec::new();
    for (ending, word) in [
        (Ending::Passed, "passed"),
        (Ending::Failed, "failed"),
        (Ending::Missed, "missed"),
        (Ending::Error, "could not be run"),
    ] {
        let number = count(tested, ending);
        if number > 0 || ending == Ending::Passed {
            parts.push(format!("{} {number} {word}", mark(style, ending)));
        }
    }
    let updated: usize = tested.iter().map(|case| case.updated).sum();
    if updated > 0 {
        parts.push(style.yellow(&format!("{} updated", words::plural(updated as u64, "value"))));
    }
    let took = style.dim(&format!("in {}", words::duration(took)));
    program.output.document(&format!("{} {took}", parts.join(", ")));
}

fn style(program: &Program) -> Style {
    let is_terminal = std::io::stdout().is_terminal();
    Style::new(is_coloured(program.common.color, is_terminal))
}

fn mark(style: Style, ending: Ending) -> String {
    match ending {
        Ending::Passed => style.green("✓"),
        Ending::Failed => style.red("✗"),
        Ending::Missed => style.red("?"),
        Ending::Error => style.red("!"),
    }
}

/// What was wanted and what there is: on one line, or line by line where both are longer texts.
fn differs(style: Style, unmet: &Unmet) -> Vec<String> {
    let expect = words::one_line(&unmet.expect);
    if let (Json::String(want), Json::String(got)) = (&unmet.want, &unmet.got)
        && !unmet.is_condition
        && (want.contains('\n') || got.contains('\n'))
    {
        let mut lines = vec![format!(
            "{expect}: {} {}",
            style.red("- want"),
            style.green("+ got")
        )];
        lines.extend(line_by_line(style, want, got));
        return lines;
    }
    let want = match &unmet.want {
        Json::String(condition) if unmet.is_condition => shortened(condition),
        value => shortened(&value.to_string()),
    };
    let got = shortened(&unmet.got.to_string());
    vec![format!(
        "{expect}: want {}, got {}",
        style.green(&want),
        style.red(&got)
    )]
}

fn line_by_line(style: Style, want: &str, got: &str) -> Vec<String> {
    let (want, got) = (words::visible(want), words::visible(got));
    let diff = TextDiff::from_lines(want.as_str(), got.as_str());
    let mut lines = Vec::new();
    for group in diff.grouped_ops(1) {
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().trim_end_matches(['\n', '\r']);
            lines.push(match change.tag() {
                ChangeTag::Delete => style.red(&format!("- {text}")),
                ChangeTag::Insert => style.green(&format!("+ {text}")),
                ChangeTag::Equal => style.dim(&format!("  {text}")),
            });
        }
    }
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        lines.truncate(MOST_LINES);
        lines.push(style.dim(&format!("  … {more} lines more")));
    }
    lines
}

fn shortened(text: &str) -> String {
    let text = words::one_line(text);
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
