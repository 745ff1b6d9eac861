//! `[mcp.NAME]`: the MCP servers of the operator, with what is pinned of them. Nothing is started.

use std::sync::Arc;

use segue::fault::quote;
use segue::file::suggest::Nearest;
use segue::{ErrorKind, Failure, Registry, Secret};
use segue_tools::mcp::{Address, Offered, Pins, Program, Reach, Server};
use segue_tools::secrets::Written;

use crate::config::{Found, Value};
use crate::offline;
use crate::pins;
use crate::problem::Problem;
use crate::project::Project;
use crate::secrets::secret;

/// What begins the names of built-in tools.
const BUILT_IN: &str = "segue";

/// The servers of a project.
///
/// # Errors
/// What is wrong with their configuration, or with what is pinned.
pub(super) fn servers(project: &Project) -> Result<Vec<Arc<Server>>, Problem> {
    let declared = project.config.named("mcp");
    let pins = match declared.is_empty() {
        true => Pins::default(),
        false => pins::read(project)?,
    };
    let server = |(name, found): (String, Found)| {
        let server = server(project, &name, &found, &pins).map_err(|problem| problem.at(&found.origin))?;
        Ok(Arc::new(server))
    };
    declared.into_iter().map(server).collect()
}

/// A registry with the tools of a server, or with the note that nobody knows yet what they are.
pub(super) fn registered(server: &Arc<Server>, registry: Registry) -> Registry {
    if server.is_pinned() {
        return server.tools().fold(registry, Registry::tool);
    }
    let name = server.name();
    let way_out = format!("`segue tools pin {name}` looks at them; a run does so before it starts");
    registry.unverified(name, way_out)
}

fn server(project: &Project, name: &str, found: &Found, pins: &Pins) -> Result<Server, Problem> {
    if !is_name(name) {
        let message = format!("no MCP server can be called {}", quote(name));
        return Err(Problem::usage(message)
            .hint("its name stands before its tools: small letters, digits, `-` and `_`, a letter first"));
    }
    let (reach, unset) = reach(project, name, found)?;
    let mut server = Server::new(name, reach)
        .offering(offered(found))
        .offline(offline::is_on());
    if let Some(Value::Duration(limit)) = found.value("start_timeout") {
        server = server.start_within(*limit);
    }
    if let Some(Value::Duration(limit)) = found.value("timeout") {
        server = server.call_within(*limit);
    }
    if let Some(tools) = pins.of(name) {
        server = server.pinned(tools.clone());
    }
    // What it may not do, and what it lacks, matters to runs that use it, and to no others.
    if let Err(problem) = project.trusts(&found.origin, &format!("mcp.{name}")) {
        return Ok(server.refused(problem.failure().clone()));
    }
    Ok(match unset {
        Some(unset) => server.refused(unset),
        None => server,
    })
}

fn is_name(name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(is_part)
        && name.len() <= 64
        && name != BUILT_IN
}

/// Where a server is, and what of it cannot be filled in.
fn reach(project: &Project, name: &str, found: &Found) -> Result<(Reach, Option<Failure>), Problem> {
    let mut unset = None;
    let mut filled = |text: &str| {
        let written = Written::new(text);
        let missing = written.names().find(|name| secret(name).is_none());
        if let Some(missing) = missing {
            let message = format!("secret `{missing}` of MCP server `{name}` is not set");
            unset =
                Some(Failure::new(ErrorKind::Usage, message).hint(format!("set `SEGUE_SECRET_{missing}`")));
        }
        written.filled(&secret).unwrap_or_else(|_| Secret::new(""))
    };
    let only = |table: &str, of: &str| match found.texts_in(table).next() {
        Some(_) => Err(Problem::usage(format!(
            "`mcp.{name}.{table}` has no meaning without `{of}`"
        ))),
        None => Ok(()),
    };
    let reach = match (found.texts("command"), found.text("url")) {
        (Some([program, arguments @ ..]), None) if !program.is_empty() => {
            only("header", "url")?;
            let mut program = Program::new(program, arguments.to_vec(), &project.folder);
            for (variable, text) in found.texts_in("env") {
                program = program.env(variable, filled(text));
            }
            Reach::Program(program)
        }
        (None, Some(url)) => {
            only("env", "command")?;
            let wrong = |what: &str, why: String| Problem::usage(format!("`mcp.{name}.{what}`: {why}"));
            let mut address = Address::new(url).map_err(|why| wrong("url", why))?;
            for (header, text) in found.texts_in("header") {
                let taken = address.header(header, filled(text));
                address = taken.map_err(|why| wrong("header", why))?;
            }
            Reach::Address(address)
        }
        (Some(_), Some(_)) => {
            return Err(
                Problem::usage(format!("MCP server `{name}` has both `command` and `url`"))
                    .hint("keep the one by which it is reached"),
            );
        }
        _ => {
            let message = format!("nothing says how MCP server `{name}` is reached");
            return Err(Problem::usage(message).hint("give it a `command`, or a `url`"));
        }
    };
    Ok((reach, unset))
}

fn offered(found: &Found) -> Offered {
    let mut offered = Offered::all();
    if let Some(globs) = found.texts("allow") {
        offered = offered.allow(globs.to_vec());
    }
    if let Some(globs) = found.texts("approve") {
        offered = offered.approve(globs.to_vec());
    }
    match found.text("annotations") {
        Some("trusted") => offered.trusts_hints(),
        _ => offered,
    }
}

/// A glob that means no tool is a mistake: where it should have asked for approval, a dear one.
///
/// # Errors
/// The first that does not.
pub(super) fn means_something(server: &Server) -> Result<(), Problem> {
    let name = server.name();
    let Some(glob) = server.meaningless().first().map(|glob| (*glob).to_owned()) else {
        return Ok(());
    };
    let message = format!("MCP server `{name}` has no tool {}", quote(&glob));
    let mut problem = Problem::usage(message);
    if let Some(hint) = Nearest::of(&glob, server.known(), "tools").hint {
        problem = problem.hint(hint);
    }
    Err(problem.hint(format!("if it has others now: `segue tools pin {name}`")))
}
