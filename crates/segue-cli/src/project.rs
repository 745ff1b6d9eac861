//! The project: the folder a verb works in, its configuration, and the place where its runs are kept.

use std::path::{Path, PathBuf};

use segue::ErrorKind;
use segue::price::{Price, PriceBook};

use crate::arguments::Common;
use crate::clock;
use crate::config::{Config, FILE, Found, Layer, Origin, Setting, Value};
use crate::problem::Problem;
use crate::secrets;

/// The folder of a project that is ours.
pub(crate) const FOLDER: &str = ".segue";

/// The project a verb works in.
#[derive(Debug)]
pub(crate) struct Project {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// What its operator says.
    pub(crate) config: Config,
    /// Where its runs are kept, as it was said.
    pub(crate) store: Setting,
}

impl Project {
    /// The project of a pipeline file, or of the working directory: the folder of the nearest `segue.toml` at or above it;
    /// without one, that folder itself.
    ///
    /// # Errors
    /// A configuration file that has faults.
    pub(crate) fn find(pipeline: Option<&Path>, common: &Common) -> Result<Self, Problem> {
        let from = match pipeline.and_then(Path::parent) {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let folder = nearest(&from).unwrap_or(from);
        let named = common.config.clone().or_else(|| {
            let named = std::env::var_os("SEGUE_CONFIG").filter(|name| !name.is_empty());
            named.map(PathBuf::from)
        });
        let config = Config::read(named.as_deref(), &folder)?;
        let store = store(common, &config)?;
        if let Value::Text(url) = &store.value {
            secrets::know_all_of(&config, url, &folder);
        }
        Ok(Self {
            folder,
            config,
            store,
        })
    }

    /// A project that leaves nothing behind.
    pub(crate) fn nowhere() -> Self {
        Self {
            folder: PathBuf::from("."),
            config: Config::default(),
            store: Setting {
                value: Value::Text("memory:".into()),
                origin: Origin::Default,
            },
        }
    }

    /// Where runs are kept, as text.
    pub(crate) fn store_url(&self) -> &str {
        match &self.store.value {
            Value::Text(url) => url,
            _ => "",
        }
    }

    /// The file that says something, and the line.
    pub(crate) fn layer_of(&self, origin: &Origin) -> Option<(&Layer, u32)> {
        let Origin::File(path, line) = origin else {
            return None;
        };
        let layer = self.config.layers().find(|layer| layer.path() == path)?;
        Some((layer, *line))
    }

    /// A path of the configuration, from the folder of the project.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// The prices that hold: the list's, and the operator's over them.
    ///
    /// # Errors
    /// A price with a part missing.
    pub(crate) fn prices(&self) -> Result<PriceBook, Problem> {
        let mut book = PriceBook::new(clock::today());
        for (model, found) in self.config.named("prices") {
            let (Some(input), Some(output)) = (money(&found, "input"), money(&found, "output")) else {
                let message = format!(
                    "the price of `{model}` needs both `input` and `output` ({})",
                    found.origin
                );
                return Err(Problem::new(ErrorKind::Usage, message));
            };
            let mut price = Price::per_million(input, output);
            if let Some(read) = money(&found, "cache_read") {
                price.rates.cache_read = read;
            }
            if let Some(write) = money(&found, "cache_write") {
                price.rates.cache_write = write;
            }
            price.rates.audio = money(&found, "audio");
            book = book.with_override(model, price);
        }
        Ok(book)
    }

    /// What to add to a command line so that it means this store: nothing where the command line is given in the folder of
    /// the project and nobody named another store.
    pub(crate) fn store_flag(&self) -> String {
        let is_here = matches!(self.folder.as_os_str().to_str(), Some("." | ""));
        match (&self.store.origin, self.place()) {
            (Origin::Flag(_), _) => format!(" --store {}", quoted(self.store_url())),
            (Origin::Environment(_), _) => String::new(),
            (_, Place::File(path)) if !is_here => {
                format!(" --store {}", quoted(&format!("sqlite:{}", path.display())))
            }
            _ => String::new(),
        }
    }

    /// Where the store is.
    pub(crate) fn place(&self) -> Place {
        let url = self.store_url();
        let own = matches!(self.store.origin, Origin::File(..) | Origin::Default);
        match url.split_once(':') {
            Some(("memory", _)) => Place::Memory,
            Some(("sqlite", path)) if own => Place::File(self.path(path)),
            Some(("sqlite", path)) => Place::File(PathBuf::from(path)),
            _ => Place::Server(url.to_owned()),
        }
    }
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere: it ends with the program.
    Memory,
    /// In a file.
    File(PathBuf),
    /// On a database server.
    Server(String),
}

fn store(common: &Common, config: &Config) -> Result<Setting, Problem> {
    let text = |text: String, origin| Setting {
        value: Value::Text(text),
        origin,
    };
    let setting = match (&common.store, std::env::var("SEGUE_STORE")) {
        (Some(url), _) => text(url.clone(), Origin::Flag("--store")),
        (None, Ok(url)) if !url.is_empty() => text(url, Origin::Environment("SEGUE_STORE")),
        _ => config
            .setting("store.url")
            .unwrap_or_else(|| text("memory:".into(), Origin::Default)),
    };
    let Value::Text(url) = &setting.value else {
        return Err(Problem::usage("`store.url` is text"));
    };
    let is_known = match url.split_once(':') {
        Some(("sqlite", path)) => !path.is_empty(),
        Some(("memory", rest)) => rest.is_empty(),
        Some(("postgres" | "postgresql", rest)) => rest.starts_with("//"),
        _ => false,
    };
    if !is_known {
        // A password may stand in it.
        let shown = url.split_once("//").map_or(url.as_str(), |(scheme, _)| scheme);
        let message = format!(
            "{} names no store ({})",
            segue::fault::quote(shown),
            setting.origin
        );
        return Err(
            Problem::usage(message).hint("write `sqlite:PATH`, `postgres://USER@HOST/DATABASE` or `memory:`")
        );
    }
    Ok(setting)
}

/// The folder at or above this one that has a configuration.
fn nearest(from: &Path) -> Option<PathBuf> {
    if from.join(FILE).is_file() {
        return Some(from.to_owned());
    }
    let absolute = std::path::absolute(from).ok()?;
    let above = absolute.ancestors().skip(1);
    above
        .into_iter()
        .find(|folder| folder.join(FILE).is_file())
        .map(Path::to_owned)
}

fn money(found: &Found, key: &str) -> Option<segue::Nanousd> {
    match found.value(key)? {
        Value::Money(money) => Some(*money),
        _ => None,
    }
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_where_a_shell_would_act_on_them() {
        assert_eq!(quoted("exp-7"), "exp-7");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
