//! Trust: what can start a program or choose where a key goes counts only from a file that its user chose. A project's own
//! `segue.toml` comes with whatever was cloned, so its content counts after somebody has looked at it: `segue doctor --trust`.
//!
//! What was accepted is kept outside the project, in the user's state folder, by the file's path and the hash of its content:
//! a repository cannot bring its own acceptance along, and a changed file has to be looked at again.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use segue::fault::{Code, Fault, Faults, Place, Source, quote};
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use crate::clock;
use crate::config::{Layer, Level, Origin};
use crate::problem::Problem;
use crate::project::Project;
use crate::secrets;
use crate::terminal::words;

/// Keys that need trust, and what they do; `*` stands for a name of the operator's.
const POWERS: &[(&str, &str)] = &[
    ("providers.*.base_url", "sends the provider's key to"),
    ("providers.*.key_env", "takes as the provider's key what is in"),
    ("tools.*.command", "runs"),
    ("tools.*.url", "calls"),
    ("tools.*.env.*", "starts it with"),
    ("tools.*.header.*", "sends along"),
    ("fetch.allow_private", "opens to whoever fetches the addresses"),
    ("mcp.*.command", "runs"),
    ("mcp.*.url", "connects to"),
    ("mcp.*.env.*", "starts it with"),
    ("mcp.*.header.*", "sends along"),
    ("fetch.allow_private", "lets the fetch tool reach"),
];
/// Longest record of an acceptance that is read; ours have a few hundred bytes.
const MAX_BYTES: u64 = 64 << 10;

/// An entry of a file that can start a program or choose where a key goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Power {
    /// The entry, such as `mcp.files.command`.
    pub(crate) entry: String,
    /// What it does, such as ``runs `mcp-files --root ./data` ``.
    pub(crate) does: String,
    /// The line it is on.
    pub(crate) line: u32,
}

/// Everything in a file that needs trust, in the order of its lines.
pub(crate) fn powers(layer: &Layer) -> Vec<Power> {
    let mut powers: Vec<Power> = layer
        .entries()
        .filter_map(|(path, value, line)| {
            let value = value.to_string();
            let does = power(path, &value)?;
            // A line end in it must not look like the end of what is shown.
            let value = words::one_line(&value.replace('\n', "\\n"));
            Some(Power {
                entry: path.join("."),
                does: format!("{does} `{value}`"),
                line,
            })
        })
        .collect();
    powers.sort_by(|a, b| (a.line, &a.entry).cmp(&(b.line, &b.entry)));
    powers
}

/// What an entry does that needs trust.
fn power(path: &[String], value: &str) -> Option<&'static str> {
    let fits = |pattern: &str| {
        let parts: Vec<&str> = pattern.split('.').collect();
        parts.len() == path.len()
            && parts
                .iter()
                .zip(path)
                .all(|(part, name)| *part == "*" || part == name)
    };
    let known = POWERS.iter().find(|(pattern, _)| fits(pattern));
    match known {
        Some((_, does)) => Some(does),
        // Where a secret goes is chosen by whoever wrote the file.
        None => (!secrets::named(value).is_empty()).then_some("uses the secret in"),
    }
}

impl Project {
    /// Whether an entry of the configuration may start a program or choose where a key goes.
    ///
    /// # Errors
    /// That its file was not accepted, with the fault `command_not_allowed` and what the entry would do.
    pub(crate) fn trusts(&self, origin: &Origin, entry: &str) -> Result<(), Problem> {
        let Origin::File(path, line) = origin else {
            return Ok(());
        };
        match self.layer_of(origin) {
            Some((layer, _)) if is_trusted(layer) => Ok(()),
            layer => Err(refusal(layer.map(|(layer, _)| layer), path, *line, entry)),
        }
    }
}

/// Whether everything in a file counts.
pub(crate) fn is_trusted(layer: &Layer) -> bool {
    match layer.level() {
        Level::Named | Level::User => true,
        Level::Project => {
            Acceptances::of_user().is_some_and(|accepted| accepted.has(layer.path(), layer.source().text()))
        }
    }
}

fn refusal(layer: Option<&Layer>, path: &Path, line: u32, entry: &str) -> Problem {
    let powers = layer.map(powers).unwrap_or_default();
    let of_it = powers.iter().filter(|power| {
        let rest = power.entry.strip_prefix(entry);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    let of_it: Vec<&Power> = of_it.collect();
    // A table is where it begins; what it does is said further down.
    let line = of_it.first().map_or(line, |power| power.line);
    let does: Vec<&str> = of_it.iter().map(|power| power.does.as_str()).collect();
    let does = match does.is_empty() {
        true => String::new(),
        false => format!(": it {}", does.join(" and ")),
    };
    let shown = path.display().to_string();
    let message = format!("{} is not trusted{does}", quote(entry));
    let fault = Fault::new(Code::CommandNotAllowed, message.clone()).pointer(pointer(entry));
    let source = layer.map_or_else(
        || Source::new(shown.clone(), ""),
        |layer| Source::new(shown.clone(), layer.source().text()),
    );
    let place = place(&source, line);
    let faults = Faults::from(fault.at(shown.clone(), place));
    Problem::placed(format!("{message} ({shown}:{line}); nothing was run"), faults, source)
        .hint("`segue doctor --trust`, given in the folder of the project, shows what the file can do and accepts it as it is")
        .hint("or say it in your own configuration file, or name this one with `--config`")
}

/// The JSON pointer of an entry.
pub(crate) fn pointer(entry: &str) -> String {
    entry
        .split('.')
        .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
        .collect()
}

/// The text of a line, without what indents it.
pub(crate) fn place(source: &Source, line: u32) -> Place {
    let text = source.line(line).unwrap_or_default();
    let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let indent = count(text) - count(text.trim_start());
    Place {
        line,
        column: indent + 1,
        len: count(text.trim()).max(1),
    }
}

/// Accepts the text of a project's configuration.
///
/// # Errors
/// Why it could not be kept.
pub(crate) fn accept(file: &Path, text: &str) -> io::Result<()> {
    let accepted = Acceptances::of_user()
        .ok_or_else(|| io::Error::other("neither `XDG_STATE_HOME` nor `HOME` says where to keep it"))?;
    accepted.accept(file, text)
}

/// What a user has accepted: one file for each configuration file.
#[derive(Debug)]
struct Acceptances {
    folder: PathBuf,
}

impl Acceptances {
    /// Those of the user of this process; none for one without a folder of their own.
    fn of_user() -> Option<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        // A relative path would be looked up in the project, which must not say what is trusted in it.
        let absolute = |path: PathBuf| path.is_absolute().then_some(path);
        let state = set("XDG_STATE_HOME").map(PathBuf::from).and_then(absolute);
        let home = || absolute(PathBuf::from(set("HOME")?).join(".local/state"));
        Some(Self::within(&state.or_else(home)?))
    }

    fn within(state: &Path) -> Self {
        Self {
            folder: state.join("segue").join("trust"),
        }
    }

    /// Whether this text is what was accepted last at this place.
    fn has(&self, file: &Path, text: &str) -> bool {
        let Ok(path) = file.canonicalize() else {
            return false;
        };
        self.hash(&path)
            .is_some_and(|known| known == hex(text.as_bytes()))
    }

    /// The hash of what was accepted there.
    fn hash(&self, path: &Path) -> Option<String> {
        let mut text = String::new();
        let file = File::open(self.at(path)).ok()?;
        file.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        let kept: Json = serde_json::from_str(&text).ok()?;
        let hash = kept["sha256"].as_str().filter(|_| kept["version"] == 1)?;
        Some(hash.to_owned())
    }

    /// Accepts a text at its place, in place of what was accepted there before.
    ///
    /// # Errors
    /// What kept it from being written.
    fn accept(&self, file: &Path, text: &str) -> io::Result<()> {
        let path = file.canonicalize()?;
        private_folder(&self.folder)?;
        // Made for its owner alone, and there as a whole or not at all.
        let mut kept = tempfile::NamedTempFile::new_in(&self.folder)?;
        kept.write_all(record(&path, text).to_string().as_bytes())?;
        kept.as_file().sync_all()?;
        kept.persist(self.at(&path)).map_err(|error| error.error)?;
        Ok(())
    }

    /// Where the acceptance of a path is kept.
    fn at(&self, path: &Path) -> PathBuf {
        let name = hex(path.as_os_str().as_encoded_bytes());
        self.folder.join(format!("{name}.json"))
    }
}

fn record(path: &Path, text: &str) -> Json {
    json!({
        "version": 1, "path": path.display().to_string(), "sha256": hex(text.as_bytes()),
        "accepted": clock::now().to_string(),
    })
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A project with this configuration, as it is cloned.
    fn cloned(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("segue.toml");
        fs::write(&file, text).expect("a file");
        (folder, file)
    }

    #[test]
    fn only_the_very_text_at_the_very_place_is_accepted() {
        let (folder, file) = cloned("a");
        let accepted = Acceptances::within(&folder.path().join("state"));
        assert!(!accepted.has(&file, "a"), "nothing is at first");
        accepted.accept(&file, "a").expect("it is kept");
        assert!(accepted.has(&file, "a"));
        assert!(!accepted.has(&file, "a "), "it has changed");
        let elsewhere = folder.path().join("other.toml");
        fs::write(&elsewhere, "a").expect("a file");
        assert!(!accepted.has(&elsewhere, "a"), "it is somewhere else");
        accepted.accept(&file, "b").expect("it is kept");
        assert!(
            accepted.has(&file, "b") && !accepted.has(&file, "a"),
            "the last counts"
        );
    }

    #[test]
    fn another_spelling_of_the_place_is_the_same_place() {
        let (folder, file) = cloned("a");
        let accepted = Acceptances::within(&folder.path().join("state"));
        accepted.accept(&file, "a").expect("it is kept");
        let spelled = folder.path().join("state/../segue.toml");
        assert!(accepted.has(&spelled, "a"));
    }

    #[test]
    fn what_is_kept_is_for_its_owner_and_whole() {
        let (folder, file) = cloned("a");
        let accepted = Acceptances::within(folder.path());
        accepted.accept(&file, "a").expect("it is kept");
        let kept: Vec<_> = fs::read_dir(&accepted.folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        assert_eq!(kept.len(), 1, "nothing half is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
            assert_eq!((mode(&kept[0]), mode(&accepted.folder)), (0o600, 0o700));
        }
        fs::write(&kept[0], "{\"version\":1,\"sha256\":").expect("a file");
        assert!(!accepted.has(&file, "a"), "what cannot be read accepts nothing");
        fs::write(&kept[0], "{\"version\":1}").expect("a file");
        assert!(!accepted.has(&file, "a"));
    }

    #[test]
    fn an_entry_counts_by_the_level_of_its_file() {
        let (_folder, file) = cloned("[limits]\n  max_runs = 3\n");
        let layer = |level| {
            Layer::read(&file, level)
                .expect("it is good")
                .expect("it is there")
        };
        assert!(is_trusted(&layer(Level::Named)) && is_trusted(&layer(Level::User)));
        assert!(!is_trusted(&layer(Level::Project)), "nobody has accepted it");
        let problem = refusal(Some(&layer(Level::Project)), &file, 2, "limits.max_runs");
        let document = problem.document();
        assert_eq!(
            document["error"]["faults"][0]["code"], "command_not_allowed",
            "{document:#}"
        );
        let fault = &document["error"]["faults"][0];
        assert_eq!(
            (&fault["line"], &fault["column"], &fault["pointer"]),
            (&2.into(), &3.into(), &"/limits/max_runs".into())
        );
        assert!(
            document["error"]["hints"][0]
                .as_str()
                .is_some_and(|hint| hint.contains("doctor --trust"))
        );
    }

    #[test]
    fn what_starts_programs_or_sends_keys_needs_it() {
        let does = |path: &str, value: &str| {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            power(&path, value)
        };
        assert_eq!(does("mcp.files.command", "[\"x\"]"), Some("runs"));
        assert_eq!(
            does("tools.crm.header.Authorization", "Bearer x"),
            Some("sends along")
        );
        assert!(does("providers.openai.key_env", "AWS_SECRET_ACCESS_KEY").is_some());
        assert!(
            does("notify.ops.url", "secret://OPS_HOOK").is_some(),
            "a secret goes somewhere"
        );
        assert_eq!(does("providers.openai.max_concurrent", "3"), None);
        assert_eq!(does("command", "x"), None);
    }
}
