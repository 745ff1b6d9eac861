//! Two texts side by side: lines that are the same in the middle of nowhere are left out, long ones are wrapped.

use console::measure_text_width;
use similar::{ChangeTag, TextDiff};

use super::style::Style;
use super::words;

/// Lines of context around what differs.
const CONTEXT: usize = 1;
/// Between the two sides.
const MIDDLE: &str = " │ ";
/// The narrowest a side gets.
const LEAST: usize = 12;

/// How two texts are laid out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides {
    pub(crate) style: Style,
    /// Columns of both together.
    pub(crate) columns: usize,
    /// The most rows.
    pub(crate) rows: usize,
}

/// A row: what stands left and what stands right, and whether they are the same.
struct Row {
    left: String,
    right: String,
    is_same: bool,
}

impl Sides {
    /// The rows in which two texts differ, and how many more there would be.
    pub(crate) fn of(self, a: &str, b: &str) -> (Vec<String>, usize) {
        let (a, b) = (words::visible(a), words::visible(b));
        let width = (self.columns.saturating_sub(MIDDLE.chars().count()) / 2).max(LEAST);
        let diff = TextDiff::from_lines(a.as_str(), b.as_str());
        let mut rows = Vec::new();
        for (at, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
            if at > 0 {
                rows.push(self.gap(width));
            }
            let changes = group.iter().flat_map(|op| diff.iter_changes(op));
            let (mut gone, mut new) = (Vec::new(), Vec::new());
            for change in changes {
                let line = change
                    .value()
                    .trim_end_matches(['\n', '\r'])
                    .replace('\t', "    ");
                match change.tag() {
                    ChangeTag::Delete => gone.push(line),
                    ChangeTag::Insert => new.push(line),
                    ChangeTag::Equal => {
                        self.pair(&mut gone, &mut new, width, &mut rows);
                        self.push(&line, &line, true, width, &mut rows);
                    }
                }
            }
            self.pair(&mut gone, &mut new, width, &mut rows);
        }
        let more = rows.len().saturating_sub(self.rows);
        rows.truncate(self.rows);
        (rows, more)
    }

    /// Lines that are gone beside those that came in their place.
    fn pair(self, gone: &mut Vec<String>, new: &mut Vec<String>, width: usize, rows: &mut Vec<String>) {
        let (gone, new) = (std::mem::take(gone), std::mem::take(new));
        for at in 0..gone.len().max(new.len()) {
            let side = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
            self.push(&side(&gone), &side(&new), false, width, rows);
        }
    }

    fn push(self, left: &str, right: &str, is_same: bool, width: usize, rows: &mut Vec<String>) {
        let (left, right) = (wrapped(left, width), wrapped(right, width));
        for at in 0..left.len().max(right.len()) {
            let row = Row {
                left: left.get(at).cloned().unwrap_or_default(),
                right: right.get(at).cloned().unwrap_or_default(),
                is_same,
            };
            rows.push(self.row(&row, width));
        }
    }

    fn row(self, row: &Row, width: usize) -> String {
        let pad = " ".repeat(width.saturating_sub(measure_text_width(&row.left)));
        let (left, right) = match row.is_same {
            true => (self.style.dim(&row.left), self.style.dim(&row.right)),
            false => (self.style.red(&row.left), self.style.green(&row.right)),
        };
        format!("{left}{pad}{}{right}", self.style.dim(MIDDLE))
            .trim_end()
            .to_owned()
    }

    fn gap(self, width: usize) -> String {
        let dots = Row {
            left: "…".to_owned(),
            right: "…".to_owned(),
            is_same: true,
        };
        self.row(&dots, width)
    }
}

/// A line in pieces of at most so many cells, broken at blanks where there are some.
pub(super) fn wrapped(line: &str, width: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut cells = 0;
    for word in line.split_inclusive(' ') {
        let long = measure_text_width(word.trim_end());
        if cells + long > width && cells > 0 {
            pieces.push(std::mem::take(&mut piece).trim_end().to_owned());
            cells = 0;
        }
        if long <= width {
            piece.push_str(word);
            cells += measure_text_width(word);
            continue;
        }
        for c in word.chars() {
            let own = measure_text_width(c.encode_utf8(&mut [0; 4]));
            if cells + own > width {
                pieces.push(std::mem::take(&mut piece));
                cells = 0;
            }
            piece.push(c);
            cells += own;
        }
    }
    let last = piece.trim_end();
    if !last.is_empty() || pieces.is_empty() {
        pieces.push(last.to_owned());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(columns: usize, rows: usize) -> Sides {
        Sides {
            style: Style::new(false),
            columns,
            rows,
        }
    }

    #[test]
    fn only_what_differs_is_shown_with_what_is_around_it() {
        let (rows, more) = sides(31, 40).of("1\n2\nthree\n4\n5\n6\n7\nx", "1\n2\nTHREE\nand\n4\n5\n6\n7\ny");
        let expected = [
            "2              │ 2",
            "three          │ THREE",
            "               │ and",
            "4              │ 4",
            "…              │ …",
            "7              │ 7",
            "x              │ y",
        ];
        assert_eq!((rows, more), (expected.map(str::to_owned).to_vec(), 0));
    }

    #[test]
    fn long_lines_are_wrapped_and_many_are_counted() {
        let (rows, more) = sides(31, 2).of("one two three four five six", "seven");
        assert_eq!(rows, ["one two three  │ seven", "four five six  │"]);
        assert_eq!(more, 0);
        assert_eq!(
            wrapped("aaaaaaaaaaaaaaaaaaaa b", 8),
            ["aaaaaaaa", "aaaaaaaa", "aaaa b"]
        );
        assert_eq!(wrapped("", 8), [""]);
        let (rows, more) = sides(31, 1).of("a\nb\nc", "d\ne\nf");
        assert_eq!((rows.len(), more), (1, 2));
    }

    #[test]
    fn nothing_a_terminal_would_act_on_gets_through() {
        let (rows, _) = sides(60, 9).of("\u{1b}[2J", "\u{202e}x");
        assert!(!rows.concat().contains(['\u{1b}', '\u{202e}']), "{rows:?}");
    }
}
