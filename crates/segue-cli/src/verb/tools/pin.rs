//! `tools pin`: what MCP servers say of their tools now, beside what was accepted of it before; and that it is accepted.

use std::collections::BTreeMap;
use std::sync::Arc;

use segue::file::suggest::Nearest;
use segue::{ErrorKind, fault::quote};
use segue_tools::mcp::{Change, Pinned, Server};
use serde_json::{Value as Json, json};
use similar::{ChangeTag, TextDiff};

use crate::arguments::PinTools;
use crate::desk;
use crate::exit::Exit;
use crate::operator::Operator;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::terminal::ask::Keyboard;
use crate::terminal::words;
use crate::verb::run::is_somebody_there;
use crate::{pins, servers};

type Tools = BTreeMap<String, Pinned>;

/// A server that was asked.
struct Asked {
    name: String,
    /// What was accepted before; none at first.
    before: Option<Tools>,
    now: Tools,
}

/// Asks servers for their tools, shows what is different, and pins them.
pub(super) fn pin(arguments: &PinTools, program: &mut Program) -> Result<Exit, Problem> {
    let project = Project::find(None, &program.common)?;
    let wanted = wanted(&Operator::servers(&project)?, &arguments.servers)?;
    let runtime = desk::runtime()?;
    let exit = runtime.block_on(async {
        let mut pins = pins::read(&project)?;
        let mut asked = Vec::new();
        for server in wanted {
            servers::trusted(&project, &server)?;
            let now = server.found().await;
            server.close().await;
            asked.push(Asked {
                name: server.name().to_owned(),
                before: pins.of(server.name()).cloned(),
                now: now?,
            });
        }
        let different: Vec<&Asked> = asked
            .iter()
            .filter(|asked| asked.before.as_ref() != Some(&asked.now))
            .collect();
        for asked in &asked {
            tell(asked, program);
        }
        if different.iter().any(|asked| asked.before.is_some()) && !arguments.yes {
            agree(program).await?;
        }
        for asked in &different {
            pins.set(&asked.name, asked.now.clone());
        }
        if !different.is_empty() {
            pins::write(&project, &pins)?;
            program.screen.progress(&format!(
                "pinned in `{}`; keep the file with the project",
                pins::FILE
            ));
        }
        if program.common.json {
            program.output.object(&json!({
                "schema": "segue.pin/1",
                "file": pins::FILE,
                "servers": asked.iter().map(Asked::object).collect::<Vec<_>>(),
            }));
        }
        Ok(Exit::Done)
    });
    runtime.shutdown_background();
    exit
}

/// The servers that are named; all, where none is.
fn wanted(servers: &[Arc<Server>], names: &[String]) -> Result<Vec<Arc<Server>>, Problem> {
    if servers.is_empty() {
        return Err(Problem::new(ErrorKind::NotFound, "there is no MCP server here")
            .hint("an operator names them in `segue.toml`: `[mcp.NAME]` with `command` or `url`"));
    }
    if names.is_empty() {
        return Ok(servers.to_vec());
    }
    let find = |name: &String| {
        let found = servers.iter().find(|server| server.name() == name);
        found.cloned().ok_or_else(|| {
            let problem = Problem::new(
                ErrorKind::NotFound,
                format!("there is no MCP server {}", quote(name)),
            );
            let known = servers.iter().map(|server| server.name());
            match Nearest::of(name, known, "servers").hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
        })
    };
    names.iter().map(find).collect()
}

/// Asks somebody at the terminal.
async fn agree(program: &Program) -> Result<(), Problem> {
    if program.common.json || !is_somebody_there() {
        return Err(Problem::usage(
            "nothing was pinned: tools are not what they were, and nobody is there to be asked",
        )
        .hint("say `--yes` where they have been looked at"));
    }
    let mut keys = Keyboard::default();
    let typed = keys
        .line("accept these tools as they are now? (y | n): ", program.screen)
        .await;
    match typed.is_some_and(|line| matches!(line.trim().to_lowercase().as_str(), "y" | "yes")) {
        true => Ok(()),
        false => Err(Problem::usage("nothing was pinned")),
    }
}

/// Says on stderr what is different.
fn tell(asked: &Asked, program: &Program) {
    let screen = program.screen;
    let (style, name) = (screen.style(), &asked.name);
    let count = words::plural(asked.now.len() as u64, "tool");
    let changes = asked.changes();
    match (&asked.before, changes.len()) {
        (None, _) => screen.line(&format!(
            "MCP server `{name}` has {count}, none of them pinned yet:"
        )),
        (Some(_), 0) => screen.line(&format!("MCP server `{name}` has {count}, as they are pinned")),
        (Some(_), _) => screen.line(&format!(
            "MCP server `{name}` has {count}, not as they are pinned:"
        )),
    }
    for (tool, change) in &changes {
        let full = style.bold(&format!("{name}.{tool}"));
        match (&asked.before, change) {
            (None, _) => screen.line(&format!("  {full}  {}", first_line(&asked.now[tool]))),
            (_, Change::New) => screen.line(&format!("  {full} {change}: {}", first_line(&asked.now[tool]))),
            _ => screen.line(&format!("  {full} {change}")),
        }
        if let (Some(Some(before)), Change::Changed(_), Some(now)) = (
            asked.before.as_ref().map(|before| before.get(tool)),
            change,
            asked.now.get(tool),
        ) {
            for line in difference(before, now) {
                let line = match line.chars().next() {
                    Some('+') => style.green(&line),
                    Some('-') => style.red(&line),
                    _ => line,
                };
                screen.line(&format!("    {line}"));
            }
        }
    }
}

fn first_line(tool: &Pinned) -> String {
    words::one_line(tool.description.lines().next().unwrap_or_default())
}

/// The lines of what a model or a policy sees of a tool that are others now.
fn difference(before: &Pinned, now: &Pinned) -> Vec<String> {
    let text = |tool: &Pinned| {
        let said = [&tool.input, &tool.output, &tool.annotations].into_iter();
        let said = said.filter(|said| !said.is_null());
        let parts = said.map(|said| serde_json::to_string_pretty(said).unwrap_or_default());
        let parts: Vec<String> = parts.collect();
        format!("{}\n{}\n{}\n", tool.tool, tool.description, parts.join("\n"))
    };
    let (before, now) = (text(before), text(now));
    let diff = TextDiff::from_lines(before.as_str(), now.as_str());
    let line = |change: similar::Change<&str>| {
        let sign = match change.tag() {
            ChangeTag::Equal => return None,
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        Some(format!(
            "{sign} {}",
            words::visible(change.value().trim_end_matches('\n'))
        ))
    };
    diff.iter_all_changes().filter_map(line).collect()
}

impl Asked {
    fn changes(&self) -> BTreeMap<String, Change> {
        let none = Tools::new();
        Change::between(self.before.as_ref().unwrap_or(&none), &self.now)
    }

    fn object(&self) -> Json {
        let change = |(tool, change): (&String, &Change)| {
            let (word, facts): (_, &[&str]) = match change {
                Change::New => ("new", &[]),
                Change::Gone => ("gone", &[]),
                Change::Changed(facts) => ("changed", facts),
            };
            json!({"tool": tool, "change": word, "facts": facts})
        };
        json!({
            "name": self.name,
            "was_pinned": self.before.is_some(),
            "tools": self.now.keys().collect::<Vec<_>>(),
            "changes": self.changes().iter().map(change).collect::<Vec<_>>(),
        })
    }
}
