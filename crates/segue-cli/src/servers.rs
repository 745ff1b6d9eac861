//! The MCP servers that a run may need, before it starts: those nobody has pinned yet are pinned, the others are held
//! against their pins. And their end, with the verb that needed them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use segue::plan::{Action, RouteBy};
use segue::{ErrorKind, Failure, Plan};
use segue_tools::mcp::{Change, Server};

use crate::operator::Operator;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::terminal::{Screen, words};
use crate::{pins, sites};

/// The names and globs of tools in a plan, those of its agents and of nested pipelines among them.
fn named(plan: &Plan) -> Vec<String> {
    let mut names = Vec::new();
    for agent in plan.agents.values() {
        names.extend(agent.tools.iter().map(|tool| tool.name.clone()));
    }
    for site in sites::of(plan) {
        for agent in site.plan.agents.values() {
            names.extend(agent.tools.iter().map(|tool| tool.name.clone()));
        }
        if let Some(tools) = site.asks().and_then(|asked| asked.over.tools.as_ref()) {
            names.extend(tools.iter().map(|tool| tool.name.clone()));
        }
        match &site.step.action {
            Action::Tool { tool, .. }
            | Action::Route {
                by: RouteBy::Tool { tool, .. },
                ..
            } => names.push(tool.clone()),
            _ => {}
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

/// Whether a name or glob may mean a tool of a server of which nothing is known yet.
fn may_mean(name: &str, server: &str) -> bool {
    let written = name.split('*').next().unwrap_or_default();
    let prefix = format!("{server}.");
    written.starts_with(&prefix) || (written.len() < name.len() && prefix.starts_with(written))
}

/// Pins the tools of the servers that a plan names and nobody has pinned yet; says so. Gives whether there were any: the
/// plan can be checked better then.
///
/// # Errors
/// When one is not trusted or cannot be reached.
pub(crate) async fn pin_first(plan: &Plan, project: &Project, program: &Program) -> Result<bool, Problem> {
    let servers = Operator::servers(project)?;
    let names = named(plan);
    let is_meant =
        |server: &&Arc<Server>| !server.is_pinned() && names.iter().any(|name| may_mean(name, server.name()));
    let unpinned: Vec<&Arc<Server>> = servers.iter().filter(is_meant).collect();
    if unpinned.is_empty() {
        return Ok(false);
    }
    let mut pins = pins::read(project)?;
    for server in &unpinned {
        trusted(project, server)?;
        let found = server.found().await;
        server.close().await;
        let found = found?;
        let (tools, as_it_is) = match found.len() {
            1 => ("1 tool".to_owned(), "as it is now: look at it"),
            many => (
                words::plural(many as u64, "tool"),
                "as they are now: look at them",
            ),
        };
        pins.set(server.name(), found);
        let style = program.screen.style();
        program.screen.progress(&format!(
            "{} {tools} of MCP server `{}` in `{}`, {as_it_is}, and keep the file with the project",
            style.cyan("pinned"),
            server.name(),
            pins::FILE,
        ));
    }
    pins::write(project, &pins)?;
    Ok(true)
}

/// Holds the tools that a plan names against what is pinned of them.
///
/// A server that cannot be reached is a warning: what its tools are is known, and the run goes on as its policies say.
///
/// # Errors
/// When a tool is not what was pinned, or its server is not trusted.
pub(crate) async fn verify(
    plan: &Plan,
    servers: &[Arc<Server>],
    project: &Project,
    screen: Screen,
) -> Result<(), Problem> {
    let names = named(plan);
    let mut used = Vec::new();
    for server in servers {
        let tools: Vec<String> = server
            .known()
            .filter(|tool| {
                let full = format!("{}.{tool}", server.name());
                names.iter().any(|name| segue::means_tool(name, &full)) && server.offers(tool)
            })
            .map(str::to_owned)
            .collect();
        if !tools.is_empty() {
            trusted(project, server)?;
            used.push((server, tools));
        }
    }
    let asked = used.iter().map(|(server, _)| server.changes());
    let changes = join_all(asked).await;
    for ((server, tools), changes) in used.iter().zip(changes) {
        match changes {
            Ok(changes) => {
                if let Some(failure) = first_changed(server, tools, &changes) {
                    return Err(failure.into());
                }
                tell_new(server, &changes, screen);
            }
            Err(failure) if failure.kind == ErrorKind::Offline => return Err(failure.into()),
            Err(failure) => {
                let style = screen.style();
                let message = words::one_line(&failure.message);
                screen.progress(&format!(
                    "{} {message}; its tools fail until that is mended",
                    style.yellow("warning:")
                ));
            }
        }
    }
    Ok(())
}

/// The failure of the first tool that is not what was pinned, with all others on its hint lines.
fn first_changed(server: &Server, tools: &[String], changes: &BTreeMap<String, Change>) -> Option<Failure> {
    let mut changed = tools.iter().filter_map(|tool| Some((tool, changes.get(tool)?)));
    let (tool, change) = changed.next()?;
    let mut failure = server.not_as_pinned(tool, change);
    for (tool, change) in changed {
        failure = failure.hint(format!("nor is `{}.{tool}`: it {change}", server.name()));
    }
    Some(failure)
}

fn tell_new(server: &Server, changes: &BTreeMap<String, Change>, screen: Screen) {
    let new = changes.iter().filter(|(_, change)| **change == Change::New);
    let new: Vec<&str> = new.map(|(tool, _)| tool.as_str()).collect();
    if new.is_empty() {
        return;
    }
    let style = screen.style();
    screen.progress(&format!(
        "{} MCP server `{}` has tools that are not pinned, and not offered: {}; `segue tools pin {}` pins them",
        style.cyan("note:"),
        server.name(),
        words::one_line(&new.join(", ")),
        server.name(),
    ));
}

/// Whether a server may be reached, with the place of what says how.
pub(crate) fn trusted(project: &Project, server: &Server) -> Result<(), Problem> {
    if let Some(found) = project.config.named("mcp").get(server.name()) {
        project.trusts(&found.origin, &format!("mcp.{}", server.name()))?;
    }
    Ok(server.permitted()?)
}

/// Closes the connections to servers, and ends the programs behind them.
pub(crate) async fn close(servers: &[Arc<Server>]) {
    join_all(servers.iter().map(|server| server.close())).await;
}
