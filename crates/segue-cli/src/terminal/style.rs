//! Colours: a few, each with one meaning, and never the only carrier of it.

use segue::view::draw;
use segue::{RunStatus, StepStatus};

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    is_coloured: bool,
}

macro_rules! paints {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl Style {
            $($(#[$doc])*
            pub(crate) fn $name(self, text: &str) -> String {
                self.paint($code, text)
            })*
        }
    };
}

paints! {
    /// What matters most in a line.
    bold = "1";
    /// What can be passed over.
    dim = "2";
    /// Failure.
    red = "1;31";
    /// Success.
    green = "32";
    /// A person is needed, or nothing is real.
    yellow = "33";
    /// Work under way.
    blue = "34";
    /// A way out, or a choice.
    cyan = "36";
    /// Ended from outside.
    magenta = "35";
}

impl Style {
    /// A style with or without colours.
    pub(crate) fn new(is_coloured: bool) -> Self {
        Self { is_coloured }
    }

    /// Whether it paints.
    pub(crate) fn is_coloured(self) -> bool {
        self.is_coloured
    }

    /// Text in the colour of a status.
    pub(crate) fn status(self, status: StepStatus, text: &str) -> String {
        match status {
            StepStatus::Pending | StepStatus::Skipped => self.dim(text),
            StepStatus::Ready => self.cyan(text),
            StepStatus::Running => self.blue(text),
            StepStatus::Waiting => self.yellow(text),
            StepStatus::Succeeded => self.green(text),
            StepStatus::Failed => self.red(text),
            StepStatus::Cancelled => self.magenta(text),
        }
    }

    /// The status of a run: its shape and its word, in its colour.
    pub(crate) fn run_status(self, status: RunStatus) -> String {
        let like = match status {
            RunStatus::Queued => StepStatus::Pending,
            RunStatus::Running => StepStatus::Running,
            RunStatus::Waiting => StepStatus::Waiting,
            RunStatus::Succeeded => StepStatus::Succeeded,
            RunStatus::Failed => StepStatus::Failed,
            RunStatus::Cancelled => StepStatus::Cancelled,
        };
        self.status(like, &format!("{} {status}", draw::shape(like)))
    }

    /// The status of a step: its shape and its word, in its colour.
    pub(crate) fn step_status(self, status: StepStatus) -> String {
        self.status(status, &format!("{} {status}", draw::shape(status)))
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self.is_coloured && !text.is_empty() {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
