//! Tables: names to the left, numbers to the right, no wider than the terminal.

use console::{measure_text_width, truncate_str};

use crate::paper::Paper;

/// Between two columns.
const GAP: &str = "  ";
/// A column that gives way keeps so many cells.
const LEAST: usize = 8;

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    name: &'static str,
    is_number: bool,
    gives_way: bool,
}

/// A column of words.
pub(crate) fn words(name: &'static str) -> Column {
    Column {
        name,
        is_number: false,
        gives_way: false,
    }
}

/// A column of numbers.
pub(crate) fn numbers(name: &'static str) -> Column {
    Column {
        is_number: true,
        ..words(name)
    }
}

/// A column of words that are cut where there is no room.
pub(crate) fn names(name: &'static str) -> Column {
    Column {
        gives_way: true,
        ..words(name)
    }
}

/// Rows under their columns. Cells may have colours in them, and no lines.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// One more row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, the names of the columns first. A column in which nothing stands is left out.
    pub(crate) fn lines(&self, paper: Paper, indent: &str) -> Vec<String> {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|at| self.rows.iter().any(|row| !cell(row, *at).is_empty()))
            .collect();
        let mut widths: Vec<usize> = shown
            .iter()
            .map(|at| {
                let cells = self.rows.iter().map(|row| measure_text_width(cell(row, *at)));
                cells.max().unwrap_or(0).max(self.columns[*at].name.len())
            })
            .collect();
        if let Some(columns) = paper.columns() {
            self.shrink(&shown, &mut widths, columns.saturating_sub(indent.len()));
        }
        let line = |cells: &dyn Fn(usize) -> String| {
            let cells = shown.iter().zip(&widths).map(|(at, width)| {
                let text = truncate_str(&cells(*at), *width, "…").into_owned();
                let room = " ".repeat(width.saturating_sub(measure_text_width(&text)));
                match self.columns[*at].is_number {
                    true => format!("{room}{text}"),
                    false => format!("{text}{room}"),
                }
            });
            let cells: Vec<String> = cells.collect();
            paper.fit(format!("{indent}{}", cells.join(GAP)).trim_end())
        };
        let head = paper.style.dim(&line(&|at| self.columns[at].name.to_owned()));
        let rows = self.rows.iter().map(|row| line(&|at| cell(row, at).to_owned()));
        std::iter::once(head).chain(rows).collect()
    }

    /// Takes from the columns that give way, the widest first, until the table fits or they have no more to give.
    fn shrink(&self, shown: &[usize], widths: &mut [usize], columns: usize) {
        loop {
            let gaps = GAP.len() * shown.len().saturating_sub(1);
            let over = (widths.iter().sum::<usize>() + gaps).saturating_sub(columns);
            let givers = shown
                .iter()
                .enumerate()
                .filter(|(_, at)| self.columns[**at].gives_way);
            let widest = givers
                .map(|(place, _)| place)
                .filter(|place| widths[*place] > LEAST)
                .max_by_key(|place| widths[*place]);
            match widest {
                Some(place) if over > 0 => widths[place] -= 1,
                _ => break,
            }
        }
    }
}

fn cell(row: &[String], at: usize) -> &str {
    row.get(at).map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([words("id"), names("what"), words("none"), numbers("cost")]);
        table.row(["a", "\u{1b}[32mshort\u{1b}[0m", "", "$0.10"].map(str::to_owned));
        table.row(["bcd", "a long name that may be cut", "", "$10.00"].map(str::to_owned));
        table
    }

    #[test]
    fn columns_are_aligned_and_empty_ones_left_out() {
        let lines = table().lines(Paper::test(None), "");
        assert_eq!(
            lines,
            [
                "id   what                           cost",
                "a    \u{1b}[32mshort\u{1b}[0m                         $0.10",
                "bcd  a long name that may be cut  $10.00",
            ]
        );
    }

    #[test]
    fn a_table_fits_every_terminal() {
        for columns in [1, 5, 12, 20, 30, 80] {
            for line in table().lines(Paper::test(Some(columns)), "  ") {
                assert!(measure_text_width(&line) <= columns, "{columns}: {line:?}");
            }
        }
        let lines = table().lines(Paper::test(Some(26)), "");
        assert_eq!(lines[2], "bcd  a long name …  $10.00");
    }
}
