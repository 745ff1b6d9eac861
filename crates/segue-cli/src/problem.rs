//! Problems: why a verb could not do its work. Nothing was run; the exit code is 2.

use segue::fault::{Faults, Paint, Source, quote};
use segue::file::Rejected;
use segue::{Error, ErrorKind, Failure};

use serde_json::{Value as Json, json};

use crate::config::Origin;
use crate::exit::Exit;
use crate::terminal::Screen;

/// Why a verb could not do its work.
#[derive(Debug)]
pub(crate) struct Problem {
    failure: Box<Failure>,
    /// Faults as a person reads them, before the closing line.
    rendered: Option<Box<dyn Rendered>>,
}

/// Faults that know their places.
trait Rendered: std::fmt::Debug + Send {
    fn render(&self, paint: Paint) -> String;
}

impl Rendered for Rejected {
    fn render(&self, paint: Paint) -> String {
        self.faults.render(|name| self.sources.get(name), paint)
    }
}

/// Faults of a configuration file, with its text.
#[derive(Debug)]
struct Configured {
    faults: Faults,
    source: Source,
}

impl Rendered for Configured {
    fn render(&self, paint: Paint) -> String {
        let source = |name: &str| (name == self.source.name()).then_some(&self.source);
        self.faults.render(source, paint)
    }
}

impl Rendered for Faults {
    fn render(&self, paint: Paint) -> String {
        Faults::render(self, |_| None, paint)
    }
}

impl Problem {
    /// A problem of a kind, in the user's words.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            failure: Box::new(Failure::new(kind, message)),
            rendered: None,
        }
    }

    /// A wrong flag or argument.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Inputs that do not fit, all at once.
    pub(crate) fn inputs(pipeline: &str, faults: Faults) -> Self {
        let plural = if faults.total() == 1 { " does" } else { "s do" };
        let message = format!(
            "{} input{plural} not fit pipeline `{pipeline}`; nothing was run",
            faults.total()
        );
        Self::misfit(message, faults)
    }

    /// Fields of an answer that do not fit its question, all at once.
    pub(crate) fn answer(title: &str, faults: Faults) -> Self {
        let message = format!("the answer does not fit {}, which stays open", quote(title));
        Self::misfit(message, faults)
    }

    fn misfit(message: String, faults: Faults) -> Self {
        let mut problem = Self::new(ErrorKind::InvalidInput, message);
        problem.failure.faults = serde_json::to_value(&faults).ok();
        problem.rendered = Some(Box::new(faults));
        problem
    }

    /// Faults of a configuration file, all at once.
    pub(crate) fn config(name: &str, faults: Faults, source: Source) -> Self {
        let plural = if faults.total() == 1 { "a fault" } else { "faults" };
        let message = format!("configuration file `{name}` has {plural}; nothing was run");
        Self::placed(message, faults, source)
    }

    /// Faults of a text that somebody wrote, all at once, each at its place.
    pub(crate) fn placed(message: impl Into<String>, faults: Faults, source: Source) -> Self {
        let mut problem = Self::new(ErrorKind::Usage, message);
        problem.failure.faults = serde_json::to_value(&faults).ok();
        problem.rendered = Some(Box::new(Configured { faults, source }));
        problem
    }

    /// Adds a way out.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.failure.hints.push(hint.into());
        self
    }

    /// Says where what is wrong was said.
    #[must_use]
    pub(crate) fn at(mut self, origin: &Origin) -> Self {
        self.failure.message = format!("{} ({origin})", self.failure.message);
        self
    }

    /// What it is.
    pub(crate) fn failure(&self) -> &Failure {
        &self.failure
    }

    /// Says it on stderr.
    pub(crate) fn print(&self, screen: Screen) {
        if let Some(rendered) = &self.rendered {
            screen.text(&rendered.render(screen.paint()));
        }
        screen.error(&self.failure.message, &self.failure.hints);
    }

    /// The error document, `segue.error/1`.
    pub(crate) fn document(&self) -> Json {
        error_document(&self.failure)
    }
}

/// The error document of a failure that no run stands for, `segue.error/1`.
pub(crate) fn error_document(failure: &Failure) -> Json {
    json!({"schema": "segue.error/1", "error": failure, "exit": Exit::Refused.code()})
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self {
            failure: Box::new(failure),
            rendered: None,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self {
            failure: Box::new(error.failure().clone()),
            rendered: None,
        }
    }
}

impl From<Rejected> for Problem {
    fn from(rejected: Rejected) -> Self {
        let summary = rejected.faults.summary(&rejected.name);
        let message = summary.strip_prefix("error: ").unwrap_or(&summary);
        let mut failure = Failure::new(ErrorKind::InvalidDefinition, message);
        failure.faults = serde_json::to_value(&rejected.faults).ok();
        Self {
            failure: Box::new(failure),
            rendered: Some(Box::new(rejected)),
        }
    }
}
