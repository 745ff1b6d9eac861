//! The terminal: everything that goes to stderr. A live tree where somebody watches, plain lines where nobody does.
//!
//! Nothing here decides what happens; it shows a run's view and asks a person. Text of models and tools is never
//! written raw: what a terminal would act on is spelled out.

use std::io::{self, IsTerminal, Write};

use console::Term;
use segue::fault::Paint;

use crate::arguments::{Color, Common};
use crate::secrets;

pub(crate) mod ask;
pub(crate) mod journal;
pub(crate) mod lines;
pub(crate) mod live;
pub(crate) mod report;
mod row;
pub(crate) mod sides;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod tree;
pub(crate) mod words;
pub(crate) mod writing;

use style::Style;

/// Where everything but results goes: stderr.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    style: Style,
    is_terminal: bool,
    quiet: bool,
}

impl Screen {
    /// Stderr, as flags and environment want it.
    pub(crate) fn new(common: &Common) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self {
            style: Style::new(is_coloured(common.color, is_terminal)),
            is_terminal,
            quiet: common.quiet,
        }
    }

    /// How it paints.
    pub(crate) fn style(self) -> Style {
        self.style
    }

    /// The same for faults.
    pub(crate) fn paint(self) -> Paint {
        match self.style.is_coloured() {
            true => Paint::Ansi,
            false => Paint::Plain,
        }
    }

    /// Whether progress is shown at all.
    pub(crate) fn is_quiet(self) -> bool {
        self.quiet
    }

    /// Whether progress is redrawn in place.
    pub(crate) fn is_live(self) -> bool {
        self.is_terminal && !self.quiet && Self::size().is_some()
    }

    /// Rows and columns; none off a terminal, and for one that does not say.
    pub(crate) fn size() -> Option<(usize, usize)> {
        let (rows, columns) = Term::stderr().size_checked()?;
        (rows > 0 && columns > 0).then_some((usize::from(rows), usize::from(columns)))
    }

    /// Text as it is.
    pub(crate) fn text(self, text: &str) {
        write(text);
    }

    /// One line that is always shown.
    pub(crate) fn line(self, line: &str) {
        self.text(&format!("{line}\n"));
    }

    /// One line of progress.
    pub(crate) fn progress(self, line: &str) {
        if !self.quiet {
            self.line(line);
        }
    }

    /// An error with its ways out.
    pub(crate) fn error(self, message: &str, hints: &[String]) {
        let style = self.style;
        self.line(&format!("{} {}", style.red("error:"), words::visible(message)));
        for hint in hints {
            self.line(&format!("{} {}", style.cyan("hint:"), words::visible(hint)));
        }
    }
}

/// Writes to stderr, without secrets.
pub(crate) fn write(text: &str) {
    let text = secrets::redactor().text(text).into_owned();
    let mut stderr = io::stderr().lock();
    // Whoever closed stderr does not want to read it.
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Whether colours are used, on a terminal or off it.
pub(crate) fn is_coloured(wanted: Color, is_terminal: bool) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match wanted {
        Color::Always => true,
        Color::Never => false,
        Color::Auto if is_set("NO_COLOR") => false,
        Color::Auto
            if std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0") =>
        {
            true
        }
        Color::Auto => is_terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
    }
}
