//! Effects: what the outside world has seen, a line each in a file that no process can take back. Each has the idempotency
//! key it was asked for under.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::plant::Fault;

/// The variable that tells a worker where its effects are written down.
pub const VARIABLE: &str = "SEGUE_CRASH_EFFECTS";

/// Where effects are written down.
#[derive(Debug, Clone)]
pub struct Effects {
    path: Option<PathBuf>,
    aloud: bool,
    /// What is added to a key, where somebody wants to see that this is found.
    odd: String,
}

/// How often something happened under one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What was asked, for people.
    pub what: String,
    /// How often it was begun.
    pub begun: u64,
    /// How often it came to its end.
    pub ended: u64,
}

impl Effects {
    /// Those of a worker.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            path: std::env::var_os(VARIABLE).map(PathBuf::from),
            aloud: false,
            odd: match Fault::of_this_process() {
                Ok(Some(Fault::Keys)) => format!("-{}", std::process::id()),
                _ => String::new(),
            },
        }
    }

    /// Nowhere: what an undisturbed run does is nobody's business.
    #[must_use]
    pub fn unseen() -> Self {
        Self {
            path: None,
            aloud: false,
            odd: String::new(),
        }
    }

    /// Says each on stdout as well, so that whoever watches the process knows how far it is.
    #[must_use]
    pub fn aloud(self) -> Self {
        Self { aloud: true, ..self }
    }

    /// Something begins to happen under a key.
    pub fn begin(&self, key: &str, what: &str) {
        self.line(&format!("begin {key}{} {what}\n", self.odd));
    }

    /// It has happened.
    pub fn end(&self, key: &str) {
        self.line(&format!("end {key}{}\n", self.odd));
    }

    /// A line is written by one call, so it is there as a whole or not at all, whoever else writes.
    fn line(&self, line: &str) {
        if self.aloud {
            print!("{line}");
        }
        let Some(path) = &self.path else { return };
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            panic!("the effect could not be written to `{}`: {error}", path.display());
        }
    }
}

/// Everything that was seen, by key.
///
/// # Errors
/// When the file cannot be read, or has a line that no worker writes.
pub fn read(path: &Path) -> io::Result<BTreeMap<String, Seen>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("begin"), Some(key), Some(what)) => {
                let seen = seen.entry(key.to_owned()).or_default();
                what.clone_into(&mut seen.what);
                seen.begun += 1;
            }
            (Some("end"), Some(key), None) => seen.entry(key.to_owned()).or_default().ended += 1,
            _ => return Err(io::Error::other(format!("no effect: `{line}`"))),
        }
    }
    Ok(seen)
}
