//! Writing: what models write, while they write it, in lines that say whose they are.
//!
//! Several may write at once, so a line is printed when it is full or over and no other is between its words. What is not
//! full yet stands in the region that is drawn in place, where there is one.

use console::measure_text_width;
use indexmap::IndexMap;
use segue::{CallId, Delta, EventKind};

use super::row::cut;
use super::sides::wrapped;
use super::style::Style;
use super::words;

/// The widest a name gets before it is cut.
const MAX_NAME: usize = 24;
/// The least room for text beside it.
const LEAST: usize = 20;
/// Columns where nobody says how many there are.
const COLUMNS: usize = 100;

/// What is being written.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    /// The last line of each call that has not ended, and whose it is.
    open: IndexMap<CallId, (String, String)>,
    /// Lines that are full and were not taken.
    full: Vec<(String, String)>,
    /// Cells of the widest name so far.
    name: usize,
}

impl Writing {
    /// A model has written something.
    pub(crate) fn hear(&mut self, delta: &Delta, columns: Option<usize>) {
        let step = words::one_line(&delta.step);
        self.name = self.name.max(measure_text_width(&step)).min(MAX_NAME);
        let room = columns
            .unwrap_or(COLUMNS)
            .saturating_sub(self.name + 4)
            .max(LEAST);
        let open = || (step.clone(), String::new());
        let (_, line) = self.open.entry(delta.call).or_insert_with(open);
        if delta.gap {
            line.push_str(if line.is_empty() { "… " } else { " …\n… " });
        }
        line.push_str(&words::visible(&delta.text).replace('\t', "    "));
        let mut lines: Vec<String> = line.split('\n').map(str::to_owned).collect();
        let last = lines.pop().unwrap_or_default();
        let mut full: Vec<String> = lines.iter().flat_map(|line| wrapped(line, room)).collect();
        let mut begun = wrapped(&last, room);
        *line = begun.pop().unwrap_or_default();
        // The next word does not belong to the one before the blank.
        line.push_str(&last[last.trim_end_matches(' ').len()..]);
        full.extend(begun);
        self.full
            .extend(full.into_iter().map(|line| (step.clone(), line)));
    }

    /// Something happened: of a call that is over nothing more comes.
    pub(crate) fn happened(&mut self, kind: &EventKind) {
        if let EventKind::CallSucceeded { call, .. }
        | EventKind::CallFailed { call, .. }
        | EventKind::CallUncertain { call, .. } = kind
            && let Some((step, line)) = self.open.shift_remove(call)
            && !line.is_empty()
        {
            self.full.push((step, line));
        }
    }

    /// Nothing more comes at all.
    pub(crate) fn end(&mut self) {
        let open = std::mem::take(&mut self.open).into_values();
        self.full.extend(open.filter(|(_, line)| !line.is_empty()));
    }

    /// The lines that are full, each once.
    pub(crate) fn take(&mut self, style: Style) -> Vec<String> {
        let full = std::mem::take(&mut self.full);
        let shown = full.iter().map(|(step, line)| self.line(step, line, style));
        shown.collect()
    }

    /// The lines that are being written, so many at most.
    pub(crate) fn open(&self, most: usize, columns: usize, style: Style) -> Vec<String> {
        let open = self.open.values().filter(|(_, line)| !line.is_empty());
        let shown = open.map(|(step, line)| cut(&self.line(step, line, style), columns.saturating_sub(1)));
        shown.take(most).collect()
    }

    fn line(&self, step: &str, line: &str, style: Style) -> String {
        let name = cut(step, self.name);
        let gap = " ".repeat(self.name.saturating_sub(measure_text_width(&name)));
        let line = line.trim_end();
        let shown = format!("{gap}{} {} {line}", style.blue(&name), style.dim("│"));
        shown.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use segue::CountingIds;

    use super::*;

    fn delta(step: &str, call: CallId, text: &str, gap: bool) -> Delta {
        Delta {
            run: segue::RunId::new(&CountingIds::default()),
            time: segue::Time::from_micros(0),
            step: step.to_owned(),
            call,
            text: text.to_owned(),
            gap,
        }
    }

    fn over(call: CallId) -> EventKind {
        EventKind::CallUncertain {
            call,
            held_nanousd: segue::Nanousd::ZERO,
        }
    }

    #[test]
    fn lines_of_several_stay_whole_and_say_whose_they_are() {
        let ids = CountingIds::default();
        let (a, b) = (CallId::new(&ids), CallId::new(&ids));
        let (style, mut writing) = (Style::new(false), Writing::default());
        let columns = Some(30);
        writing.hear(&delta("draft", a, "The market ", false), columns);
        writing.hear(&delta("check", b, "First line\nsec", false), columns);
        writing.hear(&delta("draft", a, "grew by three", false), columns);
        assert_eq!(
            writing.take(style),
            ["check │ First line", "draft │ The market grew by"]
        );
        assert_eq!(writing.open(9, 30, style), ["draft │ three", "check │ sec"]);
        assert_eq!(writing.open(1, 30, style), ["draft │ three"]);
        writing.happened(&over(b));
        assert_eq!(writing.take(style), ["check │ sec"]);
        writing.hear(&delta("collect[2]", b, "\u{1b}[2Jx\ty", true), columns);
        writing.end();
        assert_eq!(
            writing.take(style),
            ["     draft │ three", "collect[2] │ … \\u{1b}[2Jx    y"]
        );
        assert!(writing.open(9, 30, style).is_empty() && writing.take(style).is_empty());
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let ids = CountingIds::default();
        let (style, mut writing) = (Style::new(false), Writing::default());
        let text = "word ".repeat(40) + &"x".repeat(90) + "\n" + &"漢字".repeat(40) + " end";
        let call = CallId::new(&ids);
        for piece in text.split_inclusive(' ') {
            writing.hear(&delta("a", call, piece, false), Some(40));
            for line in writing.open(9, 40, style) {
                assert!(measure_text_width(&line) < 40, "{line}");
            }
        }
        writing.end();
        let lines = writing.take(style);
        assert!(
            lines.iter().all(|line| measure_text_width(line) < 40),
            "{lines:#?}"
        );
        let told: String = lines.iter().map(|line| line.trim_start_matches("a │ ")).collect();
        let bare = |text: &str| text.replace([' ', '\n'], "");
        assert_eq!(bare(&told), bare(&text));
    }
}
