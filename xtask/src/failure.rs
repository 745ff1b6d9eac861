//! Why a check failed, in words for the person who made the change.

use std::fmt;

pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// What is wrong and, where there is one, the way out.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    message: String,
    hints: Vec<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Several findings of one kind as one failure; no findings, no failure.
    pub(crate) fn of_all(what: &str, findings: &[String]) -> Result<()> {
        if findings.is_empty() {
            return Ok(());
        }
        Err(Self::new(format!("{what}\n  {}", findings.join("\n  "))))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_listed_below_what_they_are() {
        assert_eq!(Failure::of_all("none", &[]), Ok(()));
        let failure = Failure::of_all("2 files", &["a".into(), "b".into()]).unwrap_err();
        assert_eq!(
            failure.hint("split them").to_string(),
            "error: 2 files\n  a\n  b\nhint: split them"
        );
    }
}
