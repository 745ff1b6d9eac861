//! Pipelines by name: which file a verb means, and what it says.

use std::fs;
use std::path::{Path, PathBuf};

use segue::ErrorKind;
use segue::file::suggest::Nearest;
use segue::file::{LoadOptions, Loaded, Rejected};

use crate::operator::Operator;
use crate::problem::Problem;

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

/// The file that an argument means: a path, the name of a pipeline here, or nothing for the only one there is.
///
/// # Errors
/// When there is none, or more than one.
pub(crate) fn find(wanted: Option<&str>) -> Result<PathBuf, Problem> {
    let Some(wanted) = wanted else { return only() };
    let path = Path::new(wanted);
    if path.is_file() || wanted.contains(['/', '.', '\\']) {
        return Ok(path.to_owned());
    }
    let here = all();
    let stem = |found: &Found| found.path.file_stem().is_some_and(|stem| stem == wanted);
    let named = |found: &Found| found.name.as_deref() == Some(wanted);
    if let Some(found) = here
        .iter()
        .find(|found| named(found))
        .or_else(|| here.iter().find(|found| stem(found)))
    {
        return Ok(found.path.clone());
    }
    let names: Vec<String> = here.iter().map(Found::called).collect();
    let mut problem = Problem::new(ErrorKind::NotFound, format!("pipeline `{wanted}` does not exist"));
    if let Some(hint) = Nearest::of(wanted, names.iter().map(String::as_str), "pipelines").hint {
        problem = problem.hint(hint);
    }
    Err(problem.hint("name a file, such as `segue check research.yaml`"))
}

/// Loads a pipeline file, which may use what the operator named.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(path: &Path, operator: &Operator, strict: bool) -> Result<Loaded, Rejected> {
    let options = LoadOptions {
        strict,
        prices: Some(operator.prices.clone()),
        named: operator.named(),
    };
    segue::file::load(path, &operator.registry, options)
}

fn only() -> Result<PathBuf, Problem> {
    let mut here = all();
    match here.len() {
        1 => Ok(here.remove(0).path),
        0 => Err(
            Problem::usage("there is no pipeline file here, and none was named")
                .hint("name one, such as `segue check research.yaml`")
                .hint("or write one: `segue init research`"),
        ),
        count => {
            let mut problem = Problem::usage(format!(
                "there are {count} pipeline files here, and none was named"
            ));
            for found in here.iter().take(12) {
                problem = problem.hint(format!("`{}`", found.path.display()));
            }
            Err(problem)
        }
    }
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
