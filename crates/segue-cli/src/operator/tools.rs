//! `[tools.NAME]` and `[fetch]`: tools from outside the program, as the operator has them.
//!
//! A tool whose file is not trusted, or whose secrets are not there, is known all the same: `check` knows what a pipeline
//! means by it, and a run that needs it does not start.

use std::sync::Arc;

use segue::fault::{Code, Fault, Faults, Place, quote};
use segue::file::scalar::check_name;
use segue::plan::{ToolApproval, ToolLimits, ToolOnError};
use segue::schema::{Schema, TypeSet};
use segue::{ErrorKind, Failure, Registry, ToolClass};
use segue_tools::fetch::{self, Fetch};
use segue_tools::guard::{Guard, Policy, Ports};
use segue_tools::http::Http;
use segue_tools::program::Program;
use segue_tools::secrets::Written;

use crate::config::{Found, Origin, Value};
use crate::offline;
use crate::problem::Problem;
use crate::project::Project;
use crate::secrets::{secret, variable};

/// Keys that only a program has, and those that only an HTTP service has.
const OF_PROGRAM: &[&str] = &["env"];
const OF_HTTP: &[&str] = &["method", "header"];

/// Adds the tools of a project's configuration.
///
/// # Errors
/// What is wrong with one of them.
pub(super) fn register(project: &Project, mut registry: Registry) -> Result<Registry, Problem> {
    for (name, found) in project.config.named("tools") {
        let declared = Declared::new(project, &name, &found)?;
        registry = match (found.value("command"), found.text("url")) {
            (Some(Value::Texts(command)), None) => registry.tool(declared.program(command)?),
            (None, Some(url)) => registry.tool(declared.http(url)?),
            (Some(_), Some(_)) => {
                return Err(declared
                    .wrong("has both `command` and `url`")
                    .hint("split it into two tools"));
            }
            _ => {
                let wrong = declared.wrong("has neither `command` nor `url`");
                return Err(wrong.hint(
                    "`command = [\"PROGRAM\"]` runs a program, `url = \"https://…\"` calls a service",
                ));
            }
        };
    }
    match project.config.table("fetch") {
        Some(origin) => Ok(registry.tool(fetch(project, &origin)?)),
        None => Ok(registry),
    }
}

/// One `[tools.NAME]`.
struct Declared<'p> {
    project: &'p Project,
    name: &'p str,
    found: &'p Found,
}

impl<'p> Declared<'p> {
    fn new(project: &'p Project, name: &'p str, found: &'p Found) -> Result<Self, Problem> {
        let declared = Self { project, name, found };
        let is_ours = name == "segue" || name.starts_with("segue.");
        if is_ours {
            return Err(declared
                .wrong("has a name that is Segue's own")
                .hint("begin it with another word than `segue`"));
        }
        for part in name.split('.') {
            check_name(part).map_err(|flaw| {
                let wrong = declared.wrong(&flaw.message);
                wrong.hint("names of tools are names, or several joined by dots: `search.web`")
            })?;
        }
        Ok(declared)
    }

    fn program(&self, command: &[String]) -> Result<Program, Problem> {
        self.has_none_of(OF_HTTP, "command")?;
        if command.first().is_none_or(String::is_empty) {
            return Err(self
                .wrong("has an empty `command`")
                .hint("write `command = [\"PROGRAM\", \"ARGUMENT\"]`"));
        }
        let mut tool = Program::new(self.name, command)
            .folder(&self.project.folder)
            .declared_at(self.found.origin.to_string())
            .secrets(Arc::new(secret))
            .limits(self.limits());
        for (name, value) in self.found.texts_in("env") {
            tool = tool.env(name, value);
        }
        if let Some(description) = self.found.text("description") {
            tool = tool.description(description);
        }
        if let Some(class) = self.class() {
            tool = tool.class(class);
        }
        if let Some(input) = self.input()? {
            tool = tool.input(&input);
        }
        Ok(match self.missing("env") {
            Some(why) => tool.unavailable(why),
            None => tool,
        })
    }

    fn http(&self, url: &str) -> Result<Http, Problem> {
        self.has_none_of(OF_PROGRAM, "url")?;
        let wrong = |failure: Failure| {
            let problem = self.wrong(&format!("cannot be called: {}", failure.message));
            failure.hints.into_iter().fold(problem, Problem::hint)
        };
        let mut tool = Http::new(self.name, url)
            .map_err(wrong)?
            .secrets(Arc::new(secret))
            .offline(offline::is_on())
            .limits(self.limits());
        if let Some(method) = self.found.text("method") {
            tool = tool.method(method).map_err(wrong)?;
        }
        for (name, value) in self.found.texts_in("header") {
            tool = tool.header(name, value).map_err(wrong)?;
        }
        if let Some(description) = self.found.text("description") {
            tool = tool.description(description);
        }
        if let Some(class) = self.class() {
            tool = tool.class(class);
        }
        if let Some(input) = self.input()? {
            tool = tool.input(&input).map_err(wrong)?;
        }
        Ok(match self.missing("header") {
            Some(why) => tool.unavailable(why),
            None => tool,
        })
    }

    fn has_none_of(&self, keys: &[&str], kind: &str) -> Result<(), Problem> {
        let has = |key: &&&str| self.found.value(key).is_some() || self.found.texts_in(key).next().is_some();
        match keys.iter().find(has) {
            Some(key) => Err(self.wrong(&format!("has `{key}`, which one with `{kind}` cannot have"))),
            None => Ok(()),
        }
    }

    fn class(&self) -> Option<ToolClass> {
        match self.found.text("class")? {
            "read_only" => Some(ToolClass::ReadOnly),
            "idempotent" => Some(ToolClass::Idempotent),
            _ => Some(ToolClass::Effectful),
        }
    }

    fn limits(&self) -> ToolLimits {
        let count = |key: &str| match self.found.value(key) {
            Some(Value::Count(count)) => u32::try_from(*count).ok(),
            _ => None,
        };
        ToolLimits {
            max_calls: count("max_calls"),
            retries: count("retries"),
            timeout: match self.found.value("timeout") {
                Some(Value::Duration(timeout)) => Some(*timeout),
                _ => None,
            },
            approval: self.found.text("approval").map(|approval| match approval {
                "allow" => ToolApproval::Allow,
                "ask" => ToolApproval::Ask,
                _ => ToolApproval::Deny,
            }),
            on_error: self.found.text("on_error").map(|on_error| match on_error {
                "tell" => ToolOnError::Tell,
                _ => ToolOnError::Fail,
            }),
            ..ToolLimits::new()
        }
    }

    /// What it takes.
    fn input(&self) -> Result<Option<Schema>, Problem> {
        let Some(Value::Type(written)) = self.found.value("input") else {
            return Ok(None);
        };
        let schema = Schema::read(written, &mut |_, _| None).map_err(|flaws| match flaws.first() {
            Some(flaw) => {
                let wrong = self.wrong(&format!("has a bad `input`: {}", flaw.message));
                flaw.hint.iter().fold(wrong, Problem::hint)
            }
            None => self
                .wrong("has an `input` in another file")
                .hint("write the type out here"),
        })?;
        match schema.types() == TypeSet::OBJECT {
            true => Ok(Some(schema)),
            false => Err(self
                .wrong("has an `input` that is no object")
                .hint("write `input = { text = \"string\" }`")),
        }
    }

    /// Why a run that needs it cannot start: nobody has looked at the file, or a secret of it is not there.
    fn missing(&self, with_secrets: &str) -> Option<Failure> {
        if let Err(problem) = self.project.trusts(&self.found.origin, &self.entry()) {
            return Some(problem.failure().clone());
        }
        let mut faults = Faults::new();
        let mut missing = Vec::new();
        for (key, value) in self.found.texts_in(with_secrets) {
            for name in Written::new(value).names() {
                if secret(name).is_none() {
                    let message = format!(
                        "secret `{name}` of `{}.{with_secrets}.{key}` is not set",
                        self.entry()
                    );
                    faults.push(placed(
                        Fault::new(Code::UnknownSecret, message),
                        &self.found.origin,
                    ));
                    missing.push(name.to_owned());
                }
            }
        }
        let first = missing.first()?;
        let names = missing.join("`, `");
        let message = format!(
            "tool `{}` needs the secret `{names}`, and it is not set; nothing was run",
            self.name
        );
        let mut failure = Failure::new(ErrorKind::Usage, message);
        failure = failure.hint(format!("set the environment variable `{}`", variable(first)));
        failure.faults = serde_json::to_value(&faults).ok();
        Some(failure)
    }

    fn entry(&self) -> String {
        format!("tools.{}", self.name)
    }

    fn wrong(&self, what: &str) -> Problem {
        Problem::usage(format!(
            "tool {} {what} ({})",
            quote(self.name),
            self.found.origin
        ))
    }
}

/// A fault at the line of an entry.
fn placed(fault: Fault, origin: &Origin) -> Fault {
    let Origin::File(path, line) = origin else {
        return fault;
    };
    let (line, column, len) = (*line, 1, 1);
    fault.at(path.display().to_string(), Place { line, column, len })
}

/// The tool `segue.fetch`.
fn fetch(project: &Project, origin: &Origin) -> Result<Fetch, Problem> {
    let config = &project.config;
    let mut policy = Policy {
        http: config.truth("fetch.http").unwrap_or(false),
        ..Policy::default()
    };
    match config.setting("fetch.ports").map(|setting| setting.value) {
        Some(Value::Counts(ports)) => {
            let ports = ports.into_iter().filter_map(|port| u16::try_from(port).ok());
            policy.ports = Ports::These(ports.collect());
        }
        Some(Value::Text(_)) => policy.ports = Ports::Any,
        _ => {}
    }
    let ranges = config.setting("fetch.allow_private");
    if let Some(Value::Texts(ranges)) = ranges.as_ref().map(|setting| &setting.value) {
        for range in ranges {
            policy.allow_private.push(range.parse().map_err(|_| {
                let message = format!(
                    "`fetch.allow_private` has {}, which is no range ({origin})",
                    quote(range)
                );
                Problem::usage(message)
                    .hint("write a range such as `10.1.0.0/16` or `fd00::/8`; one address is `10.1.2.3/32`")
            })?);
        }
    }
    let is_opened = ranges.filter(|_| !policy.allow_private.is_empty());
    let tool = Fetch::new(Guard::new(policy).offline(offline::is_on()));
    Ok(
        match is_opened.map(|ranges| project.trusts(&ranges.origin, "fetch.allow_private")) {
            Some(Err(problem)) => tool.unavailable(problem.failure().clone()),
            _ => tool,
        },
    )
}

/// Where a tool comes from, as it is told.
pub(crate) fn from(project: &Project, name: &str) -> Option<(&'static str, Origin)> {
    if name == fetch::NAME {
        return project.config.table("fetch").map(|origin| ("fetch", origin));
    }
    let server = name.split_once('.').map(|(server, _)| server);
    if let Some(found) = server.and_then(|server| project.config.named("mcp").remove(server)) {
        return Some(("mcp", found.origin));
    }
    let found = project.config.named("tools").remove(name)?;
    let kind = match found.text("url") {
        Some(_) => "http",
        None => "command",
    };
    Some((kind, found.origin))
}
