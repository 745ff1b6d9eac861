//! Pipelines by name: which file a verb means, and what it says.

use std::fs;
use std::path::{Path, PathBuf};

use segue::ErrorKind;
use segue::fault::{Code, Fault, Faults};
use segue::file::suggest::Nearest;
use segue::file::{LoadOptions, Loaded, Rejected, Sources};

use crate::arguments::Common;
use crate::operator::Operator;
use crate::problem::Problem;
use crate::project::Project;
use crate::{patterns, secrets};

/// The most of a file looked at to see whether it is a pipeline file; its keys come first by custom, not by rule.
const MAX_LOOKED_AT_BYTES: u64 = 8 << 20;

/// A pipeline file of the project.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it is, relative to the working directory.
    pub(crate) path: PathBuf,
    /// What it calls itself.
    pub(crate) name: Option<String>,
}

/// The file that an argument means: a path, the name of a pipeline here, or nothing for the only one there is. `#PATTERN`
/// behind it asks for a pattern, and stays there; a pattern of `segue.toml` has a name like a pipeline.
///
/// # Errors
/// When there is none, or more than one.
pub(crate) fn find(wanted: Option<&str>, common: &Common) -> Result<PathBuf, Problem> {
    let Some(wanted) = wanted else {
        return only(common);
    };
    if Path::new(wanted).is_file() || wanted.contains(['/', '.', '\\']) {
        return Ok(PathBuf::from(wanted));
    }
    let (name, pattern) = segue::file::of_pattern(wanted);
    let here = all();
    let stem = |found: &Found| found.path.file_stem().is_some_and(|stem| stem == name);
    let named = |found: &Found| found.name.as_deref() == Some(name);
    if let Some(found) = here
        .iter()
        .find(|found| named(found))
        .or_else(|| here.iter().find(|found| stem(found)))
    {
        return Ok(match pattern {
            None => found.path.clone(),
            Some(pattern) => PathBuf::from(format!("{}#{pattern}", found.path.display())),
        });
    }
    let project = Project::find(None, common)?;
    let patterns = project.config.named(patterns::KEY);
    if patterns.contains_key(wanted) {
        return Ok(patterns::path(&project, wanted));
    }
    let mut names: Vec<String> = here.iter().map(Found::called).collect();
    names.extend(patterns.into_keys());
    let mut problem = Problem::new(ErrorKind::NotFound, format!("pipeline `{name}` does not exist"));
    if let Some(hint) = Nearest::of(name, names.iter().map(String::as_str), "pipelines").hint {
        problem = problem.hint(hint);
    }
    Err(problem.hint("name a file, such as `segue check research.yaml`"))
}

/// Whether a path, with or without a pattern, names a file that is there.
pub(crate) fn is_there(path: &Path) -> bool {
    path.is_file()
        || path
            .to_str()
            .is_some_and(|path| Path::new(segue::file::of_pattern(path).0).is_file())
}

/// Loads a pipeline file, or a pattern of the operator.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(path: &Path, operator: &Operator, strict: bool) -> Result<Loaded, Rejected> {
    if let Some(pattern) = patterns::named(path) {
        return patterns::load(pattern, operator);
    }
    let options = LoadOptions {
        strict,
        prices: Some(operator.prices.clone()),
        named: operator.named(),
        ..LoadOptions::default()
    };
    let loaded = segue::file::load(path, &operator.registry, options)?;
    let text = serde_json::to_string(&*loaded.plan).unwrap_or_default();
    match secrets::redactor().known(&text) {
        None => Ok(loaded),
        Some(name) => Err(with_secret(path, name)),
    }
}

/// A file with the value of a secret in it, which would be kept with every run.
fn with_secret(path: &Path, name: &str) -> Rejected {
    let message = format!("the value of the secret `{name}` stands in the file");
    // Whoever wrote the file may not take it for one.
    let hint = match name.starts_with("tools.") || name.starts_with("mcp.") {
        true => "take it out; what stands in a `header` or an `env` of `segue.toml` counts as secret",
        false => "take it out, and give it to whoever needs it by its environment variable",
    };
    let name = path.display().to_string();
    let mut fault = Fault::new(Code::SecretLiteral, message).hint(hint);
    fault.file = Some(name.clone());
    Rejected {
        name,
        faults: Faults::from(fault),
        sources: Sources::default(),
    }
}

fn only(common: &Common) -> Result<PathBuf, Problem> {
    let mut here: Vec<PathBuf> = all().into_iter().map(|found| found.path).collect();
    let project = Project::find(None, common)?;
    let patterns = project.config.named(patterns::KEY);
    here.extend(patterns.keys().map(|name| patterns::path(&project, name)));
    match here.len() {
        1 => Ok(here.remove(0)),
        0 => Err(
            Problem::usage("there is no pipeline file here, and none was named")
                .hint("name one, such as `segue check research.yaml`")
                .hint("or write one: `segue init research`"),
        ),
        count => {
            let mut problem = Problem::usage(format!("there are {count} pipelines here, and none was named"));
            for path in here.iter().take(12) {
                problem = problem.hint(format!("`{}`", path.display()));
            }
            Err(problem)
        }
    }
}

/// Where the pipeline files here are.
pub(crate) fn here() -> impl Iterator<Item = PathBuf> {
    all().into_iter().map(|found| found.path)
}

/// The pipeline files of the working directory: `*.yaml` and `pipelines/*.yaml`, in order of their names.
fn all() -> Vec<Found> {
    let mut found = Vec::new();
    for folder in ["", "pipelines"] {
        let Ok(entries) = fs::read_dir(if folder.is_empty() { "." } else { folder }) else {
            continue;
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut paths: Vec<PathBuf> = names.map(|name| Path::new(folder).join(name)).collect();
        paths.sort();
        found.extend(paths.into_iter().filter_map(|path| look(&path)));
    }
    found
}

/// Whether a file is a pipeline file, also one with faults: it has `version` and one of `steps` and `patterns` at its
/// outermost level.
fn look(path: &Path) -> Option<Found> {
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml");
    let size = fs::metadata(path).ok().filter(fs::Metadata::is_file)?.len();
    if !is_yaml || size > MAX_LOOKED_AT_BYTES {
        return None;
    }
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'))
    };
    value("version")?;
    value("steps").or_else(|| value("patterns"))?;
    let name = value("name").map(|name| name.split('#').next().unwrap_or_default().trim().to_owned());
    Some(Found {
        path: path.to_owned(),
        name,
    })
}

impl Found {
    fn called(&self) -> String {
        self.name
            .clone()
            .unwrap_or_else(|| self.path.display().to_string())
    }
}
