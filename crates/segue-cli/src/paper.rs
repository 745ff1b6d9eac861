//! Paper: what a result for people is laid out for. On a terminal it has a width, colours and times like "2 min ago"; in
//! a file or a pipe nothing is cut and times are exact, so that it can be searched.

use console::{Term, truncate_str};
use segue::Time;

use crate::clock;
use crate::program::Program;
use crate::terminal::style::Style;
use crate::terminal::{is_coloured, words};

/// Columns of a text that is laid out and not read on a terminal.
const WIDTH: usize = 120;

/// What a result on stdout is laid out for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paper {
    /// How it is painted.
    pub(crate) style: Style,
    /// The present.
    pub(crate) now: Time,
    /// Columns of the terminal; none where nobody reads it on one.
    columns: Option<usize>,
}

impl Paper {
    /// Stdout as it is now.
    pub(crate) fn of(program: &Program) -> Self {
        let is_terminal = program.output.is_terminal();
        let columns = Term::stdout()
            .size_checked()
            .map(|(_, columns)| usize::from(columns));
        Self {
            style: Style::new(is_terminal && is_coloured(program.common.color, is_terminal)),
            now: clock::now(),
            columns: columns.filter(|columns| is_terminal && *columns > 0),
        }
    }

    #[cfg(test)]
    pub(crate) fn test(columns: Option<usize>) -> Self {
        Self {
            style: Style::new(false),
            now: Time::from_micros(1_772_348_400_000_000),
            columns,
        }
    }

    /// Columns nothing may go beyond, where there are such.
    pub(crate) fn columns(self) -> Option<usize> {
        self.columns
    }

    /// Columns to lay something out in.
    pub(crate) fn width(self) -> usize {
        self.columns.unwrap_or(WIDTH)
    }

    /// A line as it fits.
    pub(crate) fn fit(self, line: &str) -> String {
        match self.columns {
            Some(columns) => truncate_str(line, columns, "…").into_owned(),
            None => line.to_owned(),
        }
    }

    /// A moment in a table.
    pub(crate) fn moment(self, at: Time) -> String {
        match self.columns {
            Some(_) => words::ago(self.now.since(at)),
            None => at.to_string(),
        }
    }

    /// A moment where there is room for it: when, and how long ago that is where somebody reads it now.
    pub(crate) fn moment_in_full(self, at: Time) -> String {
        match self.columns {
            Some(_) => format!("{} UTC, {}", readable(at), words::ago(self.now.since(at))),
            None => at.to_string(),
        }
    }

    /// The id of something in a table: on a terminal as much as nearly always stands for it.
    pub(crate) fn id(self, id: &str) -> String {
        match self.columns {
            Some(_) => short(id).to_owned(),
            None => id.to_owned(),
        }
    }
}

/// The beginning of an id, which commands take for it.
pub(crate) fn short(id: &str) -> &str {
    let end = id.find('_').map_or(0, |at| at + 1) + 8;
    id.get(..end).unwrap_or(id)
}

/// A time without its milliseconds.
fn readable(at: Time) -> String {
    let text = at.to_string();
    match text.split_once('T') {
        Some((day, time)) => format!("{day} {}", time.split('.').next().unwrap_or(time)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_cut_behind_their_prefix() {
        assert_eq!(short("run_084jcbxijicgsux1yq1yif2edq"), "run_084jcbxi");
        assert_eq!(short("run_084"), "run_084");
        assert_eq!(short("odd"), "odd");
    }

    #[test]
    fn a_pipe_gets_exact_times_and_whole_lines() {
        let at = Time::from_micros(1_772_348_400_000_000 - 120_000_000);
        assert_eq!(Paper::test(None).moment(at), "2026-03-01T06:58:00.000Z");
        assert_eq!(Paper::test(Some(80)).moment(at), "2 min ago");
        assert_eq!(
            Paper::test(Some(80)).moment_in_full(at),
            "2026-03-01 06:58:00 UTC, 2 min ago"
        );
        let long = "x".repeat(200);
        assert_eq!(Paper::test(None).fit(&long), long);
        assert_eq!(Paper::test(Some(10)).fit(&long), "xxxxxxxxx…");
    }
}
