//! Faults as a person reads them: the message, the line with a caret under it, and the way out.

use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

use super::{Fault, Faults, MAX_FAULTS, Place, Severity, Source, push_visible};

/// Longer lines are cut to about this many columns around the caret.
const MAX_COLUMNS: usize = 120;

/// Columns kept before the caret when a line is cut; what leads up to a fault explains it better than what follows.
const LEAD_COLUMNS: usize = 60;

/// Whether to use colour; meaning never hangs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// Plain text.
    Plain,
    /// ANSI colours for a terminal.
    Ansi,
}

impl Paint {
    const RED: &'static str = "\u{1b}[1;31m";
    const YELLOW: &'static str = "\u{1b}[1;33m";
    const BLUE: &'static str = "\u{1b}[1;34m";
    const CYAN: &'static str = "\u{1b}[1;36m";

    fn wrap(self, colour: &str, text: &str) -> String {
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Ansi => format!("{colour}{text}\u{1b}[0m"),
        }
    }

    fn severity(self, severity: Severity, text: &str) -> String {
        match severity {
            Severity::Error => self.wrap(Self::RED, text),
            Severity::Warning => self.wrap(Self::YELLOW, text),
        }
    }
}

impl Severity {
    /// The word before the code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

impl Faults {
    /// All listed faults with their snippets, a blank line after each; `source` gives the text of a named file.
    pub fn render<'a>(&self, source: impl Fn(&str) -> Option<&'a Source>, paint: Paint) -> String {
        let mut out = String::new();
        for fault in self.list() {
            let source = fault.file.as_deref().and_then(&source);
            out.push_str(&fault.render(source, paint));
            out.push('\n');
        }
        let left_out = self.total().saturating_sub(MAX_FAULTS);
        if left_out > 0 {
            let _ = writeln!(out, "{left_out} more not shown");
        }
        out
    }

    /// One indented line per fault with its hint beneath, for definitions that have no file.
    pub fn bullets(&self) -> String {
        let mut out = String::new();
        for fault in self.list() {
            let _ = writeln!(out, "  {}", visible(&fault.message));
            if let Some(advice) = fault.advice() {
                let _ = writeln!(out, "    hint: {}", visible(&advice));
            }
        }
        out
    }

    /// The closing line, such as "error: pipeline `research` has 2 faults".
    pub fn summary(&self, pipeline: &str) -> String {
        let name = super::quote(pipeline);
        match (self.errors, self.warnings) {
            (0, warnings) => format!("warning: pipeline {name} has {}", plural(warnings, "warning")),
            (errors, 0) => format!("error: pipeline {name} has {}", plural(errors, "fault")),
            (errors, warnings) => format!(
                "error: pipeline {name} has {} and {}",
                plural(errors, "fault"),
                plural(warnings, "warning")
            ),
        }
    }
}

impl Fault {
    /// The fault with its snippet, where the text of its file is given.
    pub fn render(&self, source: Option<&Source>, paint: Paint) -> String {
        let mut out = String::new();
        let head = format!("{}[{}]", self.severity.as_str(), self.code);
        let _ = writeln!(
            out,
            "{}: {}",
            paint.severity(self.severity, &head),
            visible(&self.message)
        );
        if let (Some(file), Some(place)) = (&self.file, self.place) {
            let mark = |text: &str| paint.severity(self.severity, text);
            push_snippet(&mut out, file, place, source, '^', &mark, paint);
            for related in &self.related {
                let _ = writeln!(
                    out,
                    "{}: {}",
                    paint.wrap(Paint::CYAN, "note"),
                    visible(&related.message)
                );
                let mark = |text: &str| paint.wrap(Paint::BLUE, text);
                push_snippet(&mut out, file, related.place, source, '-', &mark, paint);
            }
        }
        if let Some(advice) = self.advice() {
            let _ = writeln!(out, "{}: {}", paint.wrap(Paint::CYAN, "hint"), visible(&advice));
        }
        out
    }
}

fn push_snippet(
    out: &mut String,
    file: &str,
    place: Place,
    source: Option<&Source>,
    caret: char,
    mark: &dyn Fn(&str) -> String,
    paint: Paint,
) {
    let number = place.line.to_string();
    let gutter = " ".repeat(number.len());
    let bar = paint.wrap(Paint::BLUE, "|");
    let arrow = paint.wrap(Paint::BLUE, "-->");
    let _ = writeln!(
        out,
        "{gutter}{arrow} {}:{}:{}",
        visible(file),
        place.line,
        place.column
    );
    let Some(line) = source.and_then(|source| source.line(place.line)) else {
        return;
    };
    let shown = Shown::cut(line, place);
    let _ = writeln!(out, "{gutter} {bar}");
    let _ = writeln!(out, "{} {bar} {}", paint.wrap(Paint::BLUE, &number), shown.text);
    let carets = caret.to_string().repeat(shown.width);
    let _ = writeln!(
        out,
        "{gutter} {bar} {}{}",
        " ".repeat(shown.column),
        mark(&carets)
    );
}

/// A line as it is printed, with the columns under which the caret goes.
struct Shown {
    text: String,
    column: usize,
    width: usize,
}

impl Shown {
    fn cut(line: &str, place: Place) -> Self {
        let from = place.column.saturating_sub(1) as usize;
        let to = from.saturating_add(place.len as usize);
        let cells: Vec<(String, usize)> = line.chars().map(cell).collect();
        let width_of = |cells: &[(String, usize)]| cells.iter().map(|(_, width)| width).sum::<usize>();
        let from = from.min(cells.len());
        let to = to.clamp(from, cells.len());

        let whole = width_of(&cells) <= MAX_COLUMNS;
        let (first, last) = if whole {
            (0, cells.len())
        } else {
            window(&cells, from)
        };
        let mut text = String::new();
        let mut column = width_of(&cells[first..from]);
        if first > 0 {
            text.push('…');
            column += 1;
        }
        text.extend(cells[first..last].iter().map(|(shown, _)| shown.as_str()));
        if last < cells.len() {
            text.push('…');
        }
        Self {
            text,
            column,
            width: width_of(&cells[from..to.min(last).max(from)]).max(1),
        }
    }
}

/// The cells to keep of a long line: some before `from`, then as many as fit.
fn window(cells: &[(String, usize)], from: usize) -> (usize, usize) {
    let mut first = from;
    let mut width = 0;
    while first > 0 && width + cells[first - 1].1 <= LEAD_COLUMNS {
        first -= 1;
        width += cells[first].1;
    }
    let mut last = from;
    while last < cells.len() && width + cells[last].1 <= MAX_COLUMNS {
        width += cells[last].1;
        last += 1;
    }
    (first, last)
}

/// A character as it is printed, and its width in columns.
fn cell(c: char) -> (String, usize) {
    let mut shown = String::new();
    push_visible(&mut shown, c);
    let width = shown.chars().map(|c| c.width().unwrap_or(0)).sum();
    (shown, width)
}

fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut shown, c);
    }
    shown
}

fn plural(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Code, Span};
    use super::*;

    fn render(text: &str, needle: &str) -> String {
        let source = Source::new("f.yaml", text);
        let start = text.find(needle).expect("the needle is in the text");
        let place = source.place(Span::new(start..start + needle.len()));
        Fault::new(Code::UnknownStep, "step `clasify` does not exist")
            .at("f.yaml", place)
            .suggestion(Some("classify".into()))
            .render(Some(&source), Paint::Plain)
    }

    #[test]
    fn the_caret_is_under_the_fault() {
        let text = format!(
            "{}  fetch_user: {{ tool: app.user, needs: [clasify] }}\n",
            "\n".repeat(23)
        );
        assert_eq!(
            render(&text, "clasify"),
            "error[unknown_step]: step `clasify` does not exist\n  \
               --> f.yaml:24:41\n   \
                |\n\
             24 |   fetch_user: { tool: app.user, needs: [clasify] }\n   \
                |                                         ^^^^^^^\n\
             hint: did you mean `classify`?\n"
        );
    }

    #[test]
    fn wide_and_hidden_characters_move_the_caret_with_them() {
        let shown = render("日\t\u{1b}é: clasify", "clasify");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[3], "1 | 日\\u{9}\\u{1b}é: clasify");
        // Two columns for the wide character, eleven for the two escapes, three more up to the name.
        assert_eq!(lines[4], format!("  | {}^^^^^^^", " ".repeat(2 + 11 + 3)));
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let shown = render(
            &format!("{} clasify {}", "a".repeat(5000), "b".repeat(5000)),
            "clasify",
        );
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[3].chars().count() < 130, "{}", lines[3]);
        let at = lines[4].find('^').expect("a caret");
        let above: String = lines[3].chars().skip(at).take(7).collect();
        assert_eq!(above, "clasify");
    }

    #[test]
    fn an_empty_line_still_has_a_caret() {
        let source = Source::new("f.yaml", "");
        let fault =
            Fault::new(Code::EmptyDefinition, "nothing in it").at("f.yaml", source.place(Span::default()));
        assert!(
            fault
                .render(Some(&source), Paint::Plain)
                .ends_with("1 | \n  | ^\n")
        );
    }

    #[test]
    fn related_places_follow_as_notes() {
        let source = Source::new("f.yaml", "a: 1\na: 2\n");
        let place = |at: usize| source.place(Span::new(at..at + 1));
        let fault = Fault::new(Code::DuplicateName, "`a` is written twice")
            .at("f.yaml", place(5))
            .related(place(0), "first here");
        assert!(
            fault
                .render(Some(&source), Paint::Plain)
                .ends_with("note: first here\n --> f.yaml:1:1\n  |\n1 | a: 1\n  | -\n")
        );
    }

    #[test]
    fn colour_only_when_asked() {
        let fault = Fault::new(Code::Cycle, "`a` → `a`");
        assert!(!fault.render(None, Paint::Plain).contains('\u{1b}'));
        assert!(
            fault
                .render(None, Paint::Ansi)
                .starts_with("\u{1b}[1;31merror[cycle]\u{1b}[0m: ")
        );
    }

    #[test]
    fn bullets_and_summary_need_no_file() {
        let mut faults = Faults::from(Fault::new(Code::DuplicateName, "step `brief` appears twice"));
        faults.push(Fault::new(Code::UnknownStep, "step `b\n` does not exist").hint("declare it"));
        assert_eq!(
            faults.to_string(),
            "  step `brief` appears twice\n  step `b\\u{a}` does not exist\n    hint: declare it\n"
        );
        assert_eq!(
            faults.summary("documents"),
            "error: pipeline `documents` has 2 faults"
        );
    }
}
