//! Which test files are meant, and everything that is needed to run their cases.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use segue::case::{Bench, Suite};
use segue::fault::{Fault, Faults};
use segue::file::{Loaded, Purpose, Rejected};
use segue_tools::mcp::Server;

use crate::operator::Operator;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::secrets;

/// How the names of test files end.
const ENDING: &str = ".test.yaml";
/// The deepest folder that is looked into.
const DEEPEST: usize = 12;
/// The most files and folders that are looked at.
const MOST_SEEN: usize = 100_000;

/// A test file that was read.
pub(crate) struct Opened {
    pub(crate) suite: Suite,
    pub(crate) bench: Bench,
    /// The pipeline it is about, or what is wrong with it.
    pub(crate) plan: Result<Loaded, Rejected>,
    pub(crate) project: Project,
    /// MCP servers: only whoever records connects to them.
    pub(crate) servers: Vec<Arc<Server>>,
}

/// The test files that are meant: those named, else all of the project.
///
/// # Errors
/// When there is none.
pub(crate) fn named(named: &[PathBuf], program: &Program) -> Result<Vec<PathBuf>, Problem> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let folder = Project::find(None, &program.common)?.folder;
    let found = below(&folder);
    match found.is_empty() {
        true => Err(Problem::usage("there is no test file here, and none was named")
            .hint("test files end in `.test.yaml`, and name the pipeline they are about")),
        false => Ok(found),
    }
}

/// Reads a test file and its pipeline.
///
/// # Errors
/// What is wrong with the configuration of its project; the inner error has the faults of the test file.
pub(crate) fn open(
    path: &Path,
    purpose: Purpose,
    program: &Program,
) -> Result<Result<Opened, Rejected>, Problem> {
    let project = Project::find(Some(path), &program.common)?;
    let operator = Operator::of(&project, &program.registry, &program.models)?;
    let bench = Bench {
        prices: (*operator.prices).clone(),
        named: operator.named(),
        registry: operator.registry,
        models: operator.models,
        redact: Arc::new(secrets::redactor()),
    };
    let suite = match Suite::load_with(path, purpose, &bench.named) {
        Ok(suite) => suite,
        Err(rejected) => return Ok(Err(rejected)),
    };
    let plan = suite.plan(&bench);
    if let Ok(loaded) = &plan {
        let faults = suite.check(loaded, &bench.registry);
        if faults.has_errors() {
            return Ok(Err(suite.rejected(faults)));
        }
    }
    Ok(Ok(Opened {
        suite,
        bench,
        plan,
        project,
        servers: operator.servers,
    }))
}

/// Says what is wrong with a file, and gives it for the object of `--json`.
pub(crate) fn tell(rejected: &Rejected, program: &Program) -> Vec<Fault> {
    let screen = program.screen;
    let rendered = rejected
        .faults
        .render(|name| rejected.sources.get(name), screen.paint());
    screen.text(&rendered);
    let errors = rejected.faults.list().len();
    let faults = if errors == 1 { "fault" } else { "faults" };
    screen.error(&format!("`{}` has {errors} {faults}", rejected.name), &[]);
    rejected.faults.list().into_iter().cloned().collect()
}

/// Says which rules of a file no case has used, and gives it for the object of `--json`.
pub(crate) fn warn(suite: &Suite, faults: Faults, program: &Program) -> Vec<Fault> {
    let unused = suite.rejected(faults);
    if !program.common.quiet {
        let paint = program.screen.paint();
        let rendered = unused.faults.render(|name| unused.sources.get(name), paint);
        program.screen.text(&rendered);
    }
    unused.faults.list().into_iter().cloned().collect()
}

/// Every test file in a folder and below it, in order; hidden folders and those of builds are left out.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = open.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries {
            seen += 1;
            let (path, name) = (entry.path(), entry.file_name());
            let name = name.to_string_lossy();
            // A link may lead round in a circle, so it is not followed to a folder.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_left_out = name.starts_with('.') || matches!(&*name, "target" | "node_modules");
            if is_folder && !is_left_out && depth < DEEPEST && seen < MOST_SEEN {
                open.push((path, depth + 1));
            } else if !is_folder && name.ends_with(ENDING) {
                found.push(path.strip_prefix(".").map(Path::to_owned).unwrap_or(path));
            }
        }
    }
    found.sort();
    found
}
