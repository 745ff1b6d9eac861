//! The one table of ratios, and whether each promise is kept.
//!
//! Rows say their unit, and each number that has a floor in the same run carries its ratio to it. The text is Markdown, so
//! that a result can be kept as it is.

use std::fmt;

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// For example `W1`.
    pub workload: &'static str,
    /// The shape and its size.
    pub shape: String,
    /// Unit of all numbers of the row.
    pub unit: &'static str,
    /// The numbers, by name of the contender.
    pub cells: Vec<(&'static str, Cell)>,
    /// What is promised for Segue.
    pub target: Target,
}

/// One contender's number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// In the unit of the row.
    pub value: f64,
    /// To the floor: medians of the same rounds.
    pub ratio: Option<f64>,
    /// Processor time to that of the floor.
    pub cpu_ratio: Option<f64>,
}

impl Cell {
    /// A number without a floor.
    pub fn bare(value: f64) -> Self {
        Self {
            value,
            ratio: None,
            cpu_ratio: None,
        }
    }

    /// A number and its ratio to the floor.
    pub fn over(value: f64, ratio: f64) -> Self {
        Self {
            value,
            ratio: Some(ratio),
            cpu_ratio: None,
        }
    }
}

/// What is promised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// At most so many times the floor.
    TimesFloorAtMost(f64),
    /// At least so many times the floor.
    TimesFloorAtLeast(f64),
    /// At most so much, in the unit of the row.
    AtMost(f64),
}

impl Target {
    /// Whether this number keeps the promise; none when it lacks the ratio that is promised.
    pub fn reached(self, cell: Cell) -> Option<bool> {
        match self {
            Self::TimesFloorAtMost(most) => cell.ratio.map(|ratio| ratio <= most),
            Self::TimesFloorAtLeast(least) => cell.ratio.map(|ratio| ratio >= least),
            Self::AtMost(most) => Some(cell.value <= most),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimesFloorAtMost(most) => write!(f, "≤ {most:.2} × floor"),
            Self::TimesFloorAtLeast(least) => write!(f, "≥ {least:.2} × floor"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// Columns of numbers, by name of the contender.
const CONTENDERS: [&str; 4] = ["floor", "graph-flow", "dagrs", "segue"];

impl Table {
    /// Adds a line.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds a remark below the table.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![heading()];
        lines.extend(self.rows.iter().map(cells));
        let widths: Vec<usize> = (0..lines[0].len())
            .map(|column| {
                lines
                    .iter()
                    .map(|line| line[column].chars().count())
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        for (index, line) in lines.iter().enumerate() {
            for (cell, width) in line.iter().zip(&widths) {
                write!(f, "| {cell:<width$} ")?;
            }
            writeln!(f, "|")?;
            if index == 0 {
                for width in &widths {
                    write!(f, "|{}", "-".repeat(width + 2))?;
                }
                writeln!(f, "|")?;
            }
        }
        for note in &self.notes {
            writeln!(f, "\n{note}")?;
        }
        Ok(())
    }
}

fn heading() -> Vec<String> {
    let before = ["id", "shape", "unit"];
    let after = ["segue/floor", "cpu/floor", "target", "reached"];
    before
        .into_iter()
        .chain(CONTENDERS)
        .chain(after)
        .map(str::to_owned)
        .collect()
}

fn cells(row: &Row) -> Vec<String> {
    let missing = || "–".to_owned();
    let of = |name: &str| {
        row.cells
            .iter()
            .find(|(contender, _)| *contender == name)
            .map(|(_, cell)| *cell)
    };
    let segue = of("segue");
    let mut cells = vec![row.workload.to_owned(), row.shape.clone(), row.unit.to_owned()];
    cells.extend(CONTENDERS.map(|name| of(name).map_or_else(missing, |cell| number(name, cell))));
    cells.push(
        segue
            .and_then(|cell| cell.ratio)
            .map_or_else(missing, |ratio| format!("{ratio:.2}")),
    );
    cells.push(
        segue
            .and_then(|cell| cell.cpu_ratio)
            .map_or_else(missing, |ratio| format!("{ratio:.2}")),
    );
    cells.push(row.target.to_string());
    cells.push(match segue.and_then(|cell| row.target.reached(cell)) {
        Some(true) => "yes".to_owned(),
        Some(false) => "NO".to_owned(),
        None => missing(),
    });
    cells
}

/// Three figures, and for a peer its ratio to the floor; the ratio of Segue has a column of its own.
fn number(contender: &str, cell: Cell) -> String {
    let value = match cell.value {
        small if small < 10.0 => format!("{small:.3}"),
        middle if middle < 100.0 => format!("{middle:.1}"),
        large => format!("{large:.0}"),
    };
    match cell.ratio {
        Some(ratio) if contender != "floor" && contender != "segue" => format!("{value} (×{ratio:.2})"),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(segue: Cell, target: Target) -> String {
        let mut table = Table::default();
        let cells = vec![
            ("floor", Cell::over(0.25, 1.0)),
            ("dagrs", Cell::over(5.0, 20.0)),
            ("segue", segue),
        ];
        table.push(Row {
            workload: "W1",
            shape: "line of 10".to_owned(),
            unit: "µs/step",
            cells,
            target,
        });
        table
            .to_string()
            .lines()
            .nth(2)
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_kept_and_a_broken_promise() {
        let segue = Cell {
            value: 0.2,
            ratio: Some(0.8),
            cpu_ratio: Some(0.75),
        };
        assert_eq!(
            line_of(segue, Target::TimesFloorAtMost(1.0)),
            "| W1 | line of 10 | µs/step | 0.250 | – | 5.000 (×20.00) | 0.200 | 0.80 | 0.75 | ≤ 1.00 × floor | yes |"
        );
        assert!(line_of(segue, Target::TimesFloorAtMost(0.7)).ends_with("| NO |"));
        assert!(line_of(segue, Target::TimesFloorAtLeast(0.9)).ends_with("| NO |"));
        assert!(line_of(segue, Target::AtMost(0.2)).ends_with("| yes |"));
    }

    #[test]
    fn a_missing_ratio_is_not_a_kept_promise() {
        assert!(line_of(Cell::bare(0.2), Target::TimesFloorAtMost(1.0)).ends_with("| – |"));
    }
}
