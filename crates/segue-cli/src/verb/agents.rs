//! `agents`: who there is to be asked — agents that the program registers, and those of the pipeline files here.

use std::path::PathBuf;
use std::sync::Arc;

use segue::file::suggest::Nearest;
use segue::plan::PlannedAgent;
use segue::{ErrorKind, Plan, fault};
use serde_json::{Value as Json, json};

use crate::arguments::{Agents, AgentsArgs};
use crate::exit::Exit;
use crate::paper::Paper;
use crate::pipelines;
use crate::problem::Problem;
use crate::program::Program;
use crate::terminal::table::{Table, names, words as column};
use crate::terminal::words;

mod run;

pub(crate) use run::again;

/// An agent, and where it is from.
struct Known {
    agent: Arc<PlannedAgent>,
    /// Its pipeline and the file; none for one that the program registers.
    of: Option<(Arc<Plan>, PathBuf)>,
}

/// Lists agents, or shows one.
pub(crate) fn agents(arguments: &AgentsArgs, program: &mut Program) -> Result<Exit, Problem> {
    if let Agents::Run(arguments) = &arguments.what {
        return run::run(arguments, program);
    }
    let mut known = all(program)?;
    if let Agents::Show(show) = &arguments.what {
        known = named(known, &show.name)?;
    }
    if program.common.json {
        let items: Vec<Json> = known.iter().map(Known::object).collect();
        program
            .output
            .object(&json!({"schema": "segue.agents/1", "items": items}));
        return Ok(Exit::Done);
    }
    let paper = Paper::of(program);
    let text = match arguments.what {
        Agents::Ls => list(&known, paper),
        Agents::Show(_) | Agents::Run(_) => {
            let shown: Vec<String> = known.iter().map(|known| known.text(paper)).collect();
            shown.join("\n\n")
        }
    };
    match known.is_empty() {
        true => program
            .screen
            .progress("no agent is registered, and no pipeline file here has one"),
        false => program.output.document(&text),
    }
    Ok(Exit::Done)
}

/// Registered agents first, then those of each file. A file that has faults is named and left out.
fn all(program: &Program) -> Result<Vec<Known>, Problem> {
    let operator = program.operator(None)?;
    let registered = operator.registry.agents().map(|agent| Known { agent, of: None });
    let mut known: Vec<Known> = registered.collect();
    for path in pipelines::here() {
        match pipelines::load(&path, &program.operator(Some(&path))?, false) {
            Ok(loaded) => known.extend(loaded.plan.agents.values().map(|agent| Known {
                agent: agent.clone(),
                of: Some((loaded.plan.clone(), path.clone())),
            })),
            Err(_) => {
                let (style, shown) = (program.screen.style(), path.display().to_string());
                program.screen.progress(&format!(
                    "{} `{}` has faults and is left out; `segue check {}` shows them",
                    style.yellow("warning:"),
                    words::one_line(&shown),
                    words::one_line(&shown)
                ));
            }
        }
    }
    Ok(known)
}

/// All of one name: several pipelines may have one.
fn named(known: Vec<Known>, name: &str) -> Result<Vec<Known>, Problem> {
    let (found, others): (Vec<Known>, Vec<Known>) =
        known.into_iter().partition(|known| known.agent.name == name);
    if !found.is_empty() {
        return Ok(found);
    }
    let names = others.iter().map(|known| known.agent.name.as_str());
    let message = format!("there is no agent {}", fault::quote(name));
    let problem = Problem::new(ErrorKind::NotFound, message);
    Err(match Nearest::of(name, names, "agents").hint {
        Some(hint) => problem.hint(hint),
        None => problem.hint("`segue agents ls` shows who there is"),
    })
}

fn list(known: &[Known], paper: Paper) -> String {
    let columns = [
        column("agent"),
        names("pipeline"),
        names("models"),
        names("tools"),
    ];
    let mut table = Table::new(columns);
    for known in known {
        table.row([
            words::one_line(&known.agent.name),
            words::one_line(known.of.as_ref().map_or("(registered)", |(plan, _)| &plan.name)),
            words::one_line(&known.models().join(", ")),
            words::one_line(&known.tools().join(", ")),
        ]);
    }
    table.lines(paper, "").join("\n")
}

impl Known {
    fn models(&self) -> Vec<&str> {
        self.agent
            .models
            .iter()
            .map(|model| model.name.as_str())
            .collect()
    }

    fn tools(&self) -> Vec<&str> {
        self.agent.tools.iter().map(|tool| tool.name.as_str()).collect()
    }

    fn object(&self) -> Json {
        let agent = &self.agent;
        let (pipeline, file) = self.of.as_ref().map_or((None, None), |(plan, file)| {
            (Some(&plan.name), Some(file.display().to_string()))
        });
        json!({
            "name": agent.name, "pipeline": pipeline, "file": file, "description": agent.description,
            "instructions": agent.instructions, "models": self.models(), "tools": self.tools(),
            "output": agent.output, "max_turns": agent.max_turns, "max_tool_calls": agent.max_tool_calls,
        })
    }

    fn text(&self, paper: Paper) -> String {
        let (agent, style) = (&self.agent, paper.style);
        let from = match &self.of {
            None => "registered".to_owned(),
            Some((plan, file)) => format!("{}, {}", plan.name, file.display()),
        };
        let mut lines = vec![format!(
            "{}  {}",
            style.bold(&words::one_line(&agent.name)),
            style.dim(&words::one_line(&from))
        )];
        let mut line = |name: &str, value: String| {
            if !value.is_empty() {
                lines.push(format!("  {name:<12} {}", words::one_line(&value)));
            }
        };
        line("description", agent.description.clone().unwrap_or_default());
        line("models", self.models().join(", "));
        line("tools", self.tools().join(", "));
        line(
            "answers",
            agent
                .output
                .as_ref()
                .map_or("text".to_owned(), |schema| schema.types().to_string()),
        );
        line(
            "limits",
            format!("{} turns, {} tool calls", agent.max_turns, agent.max_tool_calls),
        );
        lines.push("  instructions".to_owned());
        let told = words::visible(&agent.instructions);
        lines.extend(told.lines().map(|line| format!("    {line}")));
        lines.join("\n")
    }
}
