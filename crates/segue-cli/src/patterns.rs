//! Patterns of the operator: each `[patterns.NAME]` of `segue.toml` runs as a pipeline of that name, over agents of the
//! program. It is named like a pattern of a file, `segue.toml#NAME`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use segue::fault::{Code, Fault, Faults, Place, quote};
use segue::file::suggest::Nearest;
use segue::file::{Loaded, Rejected, Sources};
use segue::{ErrorKind, Pattern};

use crate::config::{FILE, Found, Origin, Value};
use crate::operator::Operator;
use crate::problem::Problem;
use crate::project::Project;

/// The table of `segue.toml`.
pub(crate) const KEY: &str = "patterns";

/// What the command line calls a pattern of a project.
pub(crate) fn path(project: &Project, name: &str) -> PathBuf {
    let file = match project.folder == Path::new(".") {
        true => PathBuf::from(FILE),
        false => project.folder.join(FILE),
    };
    PathBuf::from(format!("{}#{name}", file.display()))
}

/// The pattern that a path names, if it names one of `segue.toml`.
pub(crate) fn named(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    match segue::file::of_pattern(name) {
        (FILE, Some(pattern)) => Some(pattern),
        _ => None,
    }
}

/// The pattern of a name, as a pipeline.
///
/// # Errors
/// Everything that is wrong with it.
pub(crate) fn load(name: &str, operator: &Operator) -> Result<Loaded, Rejected> {
    let tables = &operator.patterns;
    let refused = |faults| Rejected {
        name: name.to_owned(),
        faults,
        sources: Sources::default(),
    };
    let Some(table) = tables.get(name) else {
        let message = format!("there is no pattern {}", quote(name));
        let nearest = Nearest::of(name, tables.keys().map(String::as_str), "patterns");
        return Err(refused(Faults::from(
            nearest.advise(Fault::new(Code::UnknownPattern, message)),
        )));
    };
    let mut faults = Faults::new();
    let pattern = pattern(name, table, tables, &mut faults);
    match pattern.plan(&operator.registry) {
        Ok(plan) if !faults.has_errors() => {
            return Ok(Loaded {
                plan,
                patterns: indexmap::IndexMap::new(),
                warnings: Faults::new(),
                sources: Sources::default(),
            });
        }
        Ok(_) => {}
        Err(error) => {
            for fault in error.faults().list() {
                faults.push(placed(fault.clone(), table));
            }
        }
    }
    Err(refused(faults))
}

/// The pattern of a name, for whatever falls back on it; it has no fallback of its own then.
///
/// # Errors
/// When there is none.
pub(crate) fn fallback(name: &str, operator: &Operator) -> Result<Pattern, Problem> {
    let tables = &operator.patterns;
    if let Some(table) = tables.get(name) {
        return Ok(alone(name, table));
    }
    let message = format!("`--fallback`: there is no pattern {} in {FILE}", quote(name));
    let problem = Problem::new(ErrorKind::NotFound, message);
    let nearest = Nearest::of(name, tables.keys().map(String::as_str), "patterns");
    Err(nearest.hint.into_iter().fold(problem, Problem::hint))
}

fn pattern(name: &str, table: &Found, tables: &BTreeMap<String, Found>, faults: &mut Faults) -> Pattern {
    let pattern = alone(name, table);
    let Some(other) = table.text("fallback").filter(|other| *other != "none") else {
        return pattern;
    };
    let fault = if other == name {
        Fault::new(
            Code::Cycle,
            format!("pattern {} is its own `fallback`", quote(name)),
        )
    } else if let Some(found) = tables.get(other) {
        // A fallback has none of its own.
        return pattern.fallback(alone(other, found));
    } else {
        let message = format!(
            "pattern {}: fallback {} does not exist",
            quote(name),
            quote(other)
        );
        let nearest = Nearest::of(other, tables.keys().map(String::as_str), "patterns");
        nearest.advise(Fault::new(Code::UnknownPattern, message))
    };
    faults.push(placed(fault, table));
    pattern
}

/// What a table says of the pattern itself.
fn alone(name: &str, table: &Found) -> Pattern {
    let steps = match table.value("steps") {
        Some(Value::Texts(steps)) => steps.clone(),
        _ => Vec::new(),
    };
    let mut pattern = Pattern::new(name, table.text("strategy").unwrap_or("sequential"), steps);
    if let Some(text) = table.text("description") {
        pattern = pattern.description(text);
    }
    if let Some(Value::Duration(timeout)) = table.value("timeout") {
        pattern = pattern.timeout(*timeout);
    }
    if let Some(Value::Count(retries)) = table.value("retries") {
        pattern = pattern.retries(u32::try_from(*retries).unwrap_or(u32::MAX));
    }
    if let Some(Value::Count(agents)) = table.value("concurrency") {
        pattern = pattern.concurrency(u32::try_from(*agents).unwrap_or(u32::MAX));
    }
    pattern
}

/// A fault at the table that has it.
fn placed(fault: Fault, table: &Found) -> Fault {
    match &table.origin {
        Origin::File(path, line) => {
            let place = Place {
                line: *line,
                column: 1,
                len: 1,
            };
            fault.at(path.display().to_string(), place)
        }
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use segue::{Agent, Models, Plan, Registry};

    use super::*;
    use crate::arguments::Common;

    fn operator(config: &str) -> Operator {
        let common = Common {
            json: false,
            quiet: true,
            color: crate::arguments::Color::Never,
            store: None,
            config: None,
            version: None,
        };
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), config).expect("a file");
        let pipeline = folder.path().join("segue.toml#p");
        let project = Project::find(Some(&pipeline), &common).expect("it can be read");
        let agent = |name: &str| {
            Agent::<String>::new(name)
                .instructions("Answer.")
                .model("sim/schema")
        };
        let registry = Registry::new().agent(&agent("a")).agent(&agent("b"));
        Operator::of(&project, &registry, &Models::offline()).expect("it is right")
    }

    fn plan(config: &str) -> std::sync::Arc<Plan> {
        load("p", &operator(config))
            .unwrap_or_else(|rejected| panic!("{rejected}"))
            .plan
    }

    #[test]
    fn each_key_of_a_pattern_has_its_effect() {
        let least = plan("[patterns.p]\nsteps = [\"a\", \"b\"]\n");
        assert_eq!(
            least.pattern.as_ref().map(|pattern| pattern.strategy.as_str()),
            Some("sequential")
        );
        assert_eq!((least.steps.len(), least.run.max_parallel), (2, 5));
        assert_eq!(least.run.timeout, Some(std::time::Duration::from_secs(300)));
        assert_eq!(least.label(), "p");

        let all = plan(
            "[patterns.p]\nstrategy = \"parallel\"\nsteps = [\"b\", \"a\", \"b\"]\ndescription = \"Both\"\n\
             timeout = \"2m\"\nretries = 3\nconcurrency = 2\nfallback = \"q\"\n[patterns.q]\nsteps = [\"a\"]\n\
             fallback = \"p\"\n",
        );
        let names: Vec<&str> = all.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["b", "a", "b_2"]);
        assert_eq!(
            all.pattern.as_ref().map(|pattern| pattern.strategy.as_str()),
            Some("parallel")
        );
        assert_eq!(all.description.as_deref(), Some("Both"));
        assert_eq!(all.run.timeout, Some(std::time::Duration::from_secs(120)));
        assert_eq!(
            (all.run.max_parallel, all.resolve(0, None).retry.max_attempts),
            (2, 4)
        );
        let fallback = all.on_failure.as_ref().expect("it has one");
        assert_eq!(fallback.plan.name, "q");
        assert!(fallback.plan.on_failure.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (config, part) in [
            ("[patterns.p]\nsteps = [\"c\"]\n", "agent `c` does not exist"),
            (
                "[patterns.p]\nstrategy = \"parallel\"\n",
                "pattern `p` has no agents",
            ),
            (
                "[patterns.p]\nsteps = [\"a\"]\nstrategy = \"line\"\n",
                "strategy `line` does not exist",
            ),
            (
                "[patterns.p]\nsteps = [\"a\"]\nfallback = \"q\"\n",
                "fallback `q` does not exist",
            ),
            (
                "[patterns.p]\nsteps = [\"a\"]\nfallback = \"p\"\n",
                "its own `fallback`",
            ),
            (
                "[patterns.p]\nsteps = [\"a\"]\ntimeout = \"2h\"\n",
                "`timeout` needs 1s to 3600s",
            ),
            ("[patterns.q]\nsteps = [\"a\"]\n", "there is no pattern `p`"),
        ] {
            let rejected = load("p", &operator(config)).expect_err(config);
            let said = rejected.to_string();
            assert!(said.contains(part), "{part} is not in {said}");
            assert!(said.contains("segue.toml:") || config.contains(".q]"), "{said}");
        }
    }
}
