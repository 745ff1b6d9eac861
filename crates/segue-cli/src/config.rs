//! Operator configuration: what `segue.toml` says, of the project, of the user, or of a file that was named; above it the
//! environment, above that flags. Every setting knows where it comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use segue::ErrorKind;
use segue::money::Nanousd;
use serde_json::Value as Json;

use crate::problem::Problem;
use crate::project::quoted;

mod budgets;
mod keys;
mod read;

pub(crate) use budgets::OperatorBudget;
pub(crate) use keys::{all as keys, schema};
pub(crate) use read::{Found, Layer, Level};

/// The name of a project's configuration.
pub(crate) const FILE: &str = "segue.toml";

/// What holds, all levels together.
#[derive(Debug, Default)]
pub(crate) struct Config {
    layers: Vec<Layer>,
}

/// A value as a key takes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Texts(Vec<String>),
    Count(u64),
    /// In bytes.
    Size(u64),
    Duration(Duration),
    Money(Nanousd),
    Truth(bool),
    Counts(Vec<u64>),
    /// A type, in any form that files write it.
    Type(Json),
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(&'static str),
    Environment(&'static str),
    /// A file, and the line.
    File(PathBuf, u32),
    Default,
}

/// A setting that holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

impl Config {
    /// Reads every file there is, the one that wins first: the one that was named, the project's, the user's.
    ///
    /// # Errors
    /// Everything that is wrong with one of them.
    pub(crate) fn read(named: Option<&Path>, project: &Path) -> Result<Self, Problem> {
        let mut layers = Vec::new();
        if let Some(named) = named {
            let layer = Layer::read(named, Level::Named)?;
            let layer = layer.ok_or_else(|| {
                let message = format!(
                    "configuration file {} does not exist",
                    segue::fault::quote(&named.display().to_string())
                );
                Problem::new(ErrorKind::NotFound, message)
            })?;
            layers.push(layer);
        }
        layers.extend(Layer::read(&project.join(FILE), Level::Project)?);
        if let Some(user) = user_file() {
            layers.extend(Layer::read(&user, Level::User)?);
        }
        Ok(Self { layers })
    }

    /// The setting of a key, as the highest level that names it says.
    pub(crate) fn setting(&self, key: &str) -> Option<Setting> {
        let said = self.layers.iter().find_map(|layer| layer.said(key));
        said.or_else(|| {
            let value = keys::default(key)?;
            let origin = Origin::Default;
            Some(Setting { value, origin })
        })
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        match self.setting(key)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn count(&self, key: &str) -> Option<u64> {
        match self.setting(key)?.value {
            Value::Count(count) | Value::Size(count) => Some(count),
            _ => None,
        }
    }

    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        match self.setting(key)?.value {
            Value::Duration(duration) => Some(duration),
            _ => None,
        }
    }

    /// Where the highest level that has it opens a table.
    pub(crate) fn table(&self, name: &str) -> Option<Origin> {
        self.layers.iter().find_map(|layer| layer.table(name))
    }

    pub(crate) fn truth(&self, key: &str) -> Option<bool> {
        match self.setting(key)?.value {
            Value::Truth(truth) => Some(truth),
            _ => None,
        }
    }

    /// The tables under a key with names of the operator's, such as `prices`: of one name the highest level's counts.
    pub(crate) fn named(&self, key: &str) -> BTreeMap<String, Found> {
        let mut found = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            found.extend(layer.named(key));
        }
        found
    }

    /// What stands right under a key with names of the operator's, such as `models`: of one name the highest level's
    /// counts.
    pub(crate) fn given(&self, key: &str) -> BTreeMap<String, Setting> {
        let mut given = BTreeMap::new();
        for layer in self.layers.iter().rev() {
            for (path, value, line) in layer.entries() {
                if let [first, name] = path
                    && first == key
                {
                    let setting = Setting {
                        value: value.clone(),
                        origin: Origin::File(layer.path().to_owned(), line),
                    };
                    given.insert(name.clone(), setting);
                }
            }
        }
        given
    }

    /// The tables of a list, such as `[[budget]]`: of all levels; of one `name` the highest level's counts.
    pub(crate) fn listed(&self, key: &str) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for table in self.layers.iter().flat_map(|layer| layer.listed(key)) {
            let name = table.text("name");
            if !found.iter().any(|known| known.text("name") == name) {
                found.push(table);
            }
        }
        found
    }

    /// Every file that was read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.layers.iter().map(Layer::path)
    }

    /// What each file says, the one that wins first.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter()
    }
}

/// The user's own file.
fn user_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = match set("XDG_CONFIG_HOME") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(&set("HOME")?).join(".config"),
    };
    Some(folder.join("segue").join("config.toml"))
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Count(count) => write!(f, "{count}"),
            Value::Size(bytes) if bytes % 1024 == 0 => write!(f, "{}KiB", bytes / 1024),
            Value::Size(bytes) => write!(f, "{bytes}B"),
            Value::Duration(duration) => f.write_str(&segue::file::scalar::show_duration(*duration)),
            Value::Money(money) => write!(f, "{money}"),
            Value::Truth(truth) => write!(f, "{truth}"),
            // As a shell would take it: what is one word stays one.
            Value::Texts(texts) => {
                let words: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                f.write_str(&words.join(" "))
            }
            Value::Counts(counts) => {
                let counts: Vec<String> = counts.iter().map(u64::to_string).collect();
                f.write_str(&counts.join(", "))
            }
            Value::Type(schema) => write!(f, "{schema}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(flag) => write!(f, "{flag}"),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}
