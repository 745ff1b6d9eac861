//! The command line: `cargo xtask test [--only CHECK]… [--skip CHECK]…` and `cargo xtask crash …`.

use crate::checks::CHECKS;
use crate::failure::{Failure, Result};

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(crate) enum Arguments {
    Test(Selection),
    /// What the crash harness is told.
    Crash(Vec<String>),
    Help,
}

/// Which checks to run; with nothing said, all.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Selection {
    only: Vec<String>,
    skip: Vec<String>,
}

impl Arguments {
    /// # Errors
    ///
    /// A command, an option or a check that does not exist, and an option without its check.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let mut words = words;
        match words.next().as_deref() {
            Some("test") => {}
            Some("crash") => return Ok(Self::Crash(words.collect())),
            None | Some("help" | "--help" | "-h") => return Ok(Self::Help),
            Some(other) => return Err(wrong(format!("unknown command `{other}`"))),
        }
        let mut selection = Selection::default();
        while let Some(option) = words.next() {
            let named = match option.as_str() {
                "--only" => &mut selection.only,
                "--skip" => &mut selection.skip,
                "--help" | "-h" => return Ok(Self::Help),
                other => return Err(wrong(format!("unknown option `{other}`"))),
            };
            let check = words
                .next()
                .ok_or_else(|| wrong(format!("`{option}` names a check")))?;
            if !CHECKS.iter().any(|known| known.name == check) {
                return Err(wrong(format!("unknown check `{check}`; there are {}", names())));
            }
            named.push(check);
        }
        Ok(Self::Test(selection))
    }
}

impl Selection {
    pub(crate) fn has(&self, check: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|name| name == check);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

/// The text of `--help`.
pub(crate) fn help() -> String {
    let mut text =
        "usage: cargo xtask test [--only CHECK]… [--skip CHECK]…\n       cargo xtask crash [ROUNDS] [--seed SEED] [--postgres]\n\nchecks, in order:\n".to_owned();
    for check in &CHECKS {
        text.push_str(&format!("  {:<9} {}\n", check.name, check.about));
    }
    text
}

fn names() -> String {
    CHECKS.map(|check| format!("`{}`", check.name)).join(", ")
}

fn wrong(message: String) -> Failure {
    Failure::new(message).hint("`cargo xtask help` lists what there is")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    fn selected(line: &str) -> Vec<&'static str> {
        let Ok(Arguments::Test(selection)) = parse(line) else {
            panic!("`{line}` selects checks")
        };
        CHECKS
            .iter()
            .map(|check| check.name)
            .filter(|name| selection.has(name))
            .collect()
    }

    #[test]
    fn all_checks_run_unless_said_otherwise() {
        assert_eq!(selected("test").len(), CHECKS.len());
        assert_eq!(selected("test --only size --only fmt"), ["fmt", "size"]);
        assert_eq!(selected("test --only size --only fmt --skip fmt"), ["size"]);
        assert_eq!(selected("test --skip docs").len(), CHECKS.len() - 1);
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        for (line, message) in [
            ("tset", "error: unknown command `tset`"),
            ("test --fast", "error: unknown option `--fast`"),
            ("test --only", "error: `--only` names a check"),
            ("test --only tests", "error: unknown check `tests`; there are "),
        ] {
            let failure = parse(line).unwrap_err().to_string();
            assert!(failure.starts_with(message), "{failure}");
        }
    }

    #[test]
    fn help_is_there_and_names_every_check() {
        assert_eq!(parse(""), Ok(Arguments::Help));
        assert_eq!(parse("test --help"), Ok(Arguments::Help));
        assert!(CHECKS.iter().all(|check| help().contains(check.name)));
    }
}
