//! `tools`: the tools that pipelines here can name, what each takes, and who says when it may be called.

use segue::file::suggest::Nearest;
use segue::plan::{ToolApproval, ToolOnError};
use segue::{Tool, ToolClass};
use serde_json::{Value as Json, json};

use crate::arguments::{Tools, ToolsArgs};
use crate::exit::Exit;
use crate::operator::{Operator, tools};
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::terminal::table::{Table, names, words as column};
use crate::terminal::words;

mod pin;

/// How long a call may take where nobody says anything.
const TIMEOUT_MS: u64 = 30_000;

/// Does what is said with tools.
pub(crate) fn tools(arguments: &ToolsArgs, program: &mut Program) -> Result<Exit, Problem> {
    match &arguments.what {
        Tools::Ls => show(None, program),
        Tools::Show { tool } => show(Some(tool), program),
        Tools::Pin(arguments) => pin::pin(arguments, program),
    }
}

/// Lists tools, or shows those of a name.
fn show(wanted: Option<&str>, program: &mut Program) -> Result<Exit, Problem> {
    let project = Project::find(None, &program.common)?;
    let operator = Operator::of(&project, &program.registry, &program.models)?;
    let all: Vec<Line> = operator
        .registry
        .tools()
        .map(|tool| Line::of(&project, tool))
        .collect();
    let lines: Vec<&Line> = all
        .iter()
        .filter(|line| wanted.is_none_or(|wanted| segue::means_tool(wanted, &line.name)))
        .collect();
    if let (Some(wanted), true) = (wanted, lines.is_empty()) {
        return Err(unknown(wanted, &all));
    }
    if program.common.json {
        let items: Vec<Json> = lines.iter().map(|line| line.object()).collect();
        program
            .output
            .object(&json!({"schema": "segue.tools/1", "items": items}));
        return Ok(Exit::Done);
    }
    match wanted {
        Some(_) => {
            let pages: Vec<String> = lines.iter().map(|line| line.page()).collect();
            program.output.document(&pages.join("\n\n"));
        }
        None => list(&lines, program),
    }
    for server in operator.servers.iter().filter(|server| !server.is_pinned()) {
        let name = server.name();
        program.hint(&format!(
            "what tools MCP server `{name}` has is not known yet: `segue tools pin {name}` looks at them"
        ));
    }
    Ok(Exit::Done)
}

/// A tool as it is told.
struct Line {
    name: String,
    description: String,
    class: Option<ToolClass>,
    approval: &'static str,
    timeout_ms: u64,
    retries: u32,
    max_calls: Option<u32>,
    on_error: &'static str,
    from: &'static str,
    place: Option<String>,
    why: Option<String>,
    hints: Vec<String>,
    input: Json,
}

impl Line {
    fn of(project: &Project, tool: &dyn Tool) -> Self {
        let (spec, limits) = (tool.spec(), tool.limits());
        let declared = tools::from(project, &spec.name);
        let why = tool.available().err();
        let approval = match (&limits.approval, spec.class) {
            (Some(ToolApproval::Allow), _) => "allow",
            (Some(ToolApproval::Ask), _) | (None, Some(ToolClass::Effectful)) => "ask",
            (Some(ToolApproval::Deny), _) => "deny",
            (Some(ToolApproval::When { .. }), _) => "by condition",
            (None, _) => "allow",
        };
        let timeout = limits.timeout.map(|timeout| timeout.as_millis());
        Self {
            name: spec.name,
            description: spec.description,
            class: spec.class,
            approval,
            timeout_ms: timeout.map_or(TIMEOUT_MS, |ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            retries: limits.retries.unwrap_or(0),
            max_calls: limits.max_calls,
            on_error: match limits.on_error {
                Some(ToolOnError::Fail) => "fail",
                _ => "tell",
            },
            from: declared.as_ref().map_or("program", |(from, _)| from),
            place: declared.map(|(_, origin)| origin.to_string()),
            hints: why.iter().flat_map(|why| why.hints.clone()).collect(),
            why: why.map(|why| why.message),
            input: spec.parameters,
        }
    }

    fn object(&self) -> Json {
        json!({
            "name": self.name, "description": self.description, "class": self.class, "approval": self.approval,
            "limits": {
                "timeout_ms": self.timeout_ms, "retries": self.retries, "max_calls": self.max_calls,
                "on_error": self.on_error,
            },
            "from": self.from, "place": self.place, "available": self.why.is_none(), "why": self.why,
            "input": self.input,
        })
    }

    /// Its class in words; a tool of which nobody said it counts as effectful where that matters.
    fn class(&self) -> &'static str {
        match self.class {
            Some(ToolClass::ReadOnly) => "read_only",
            Some(ToolClass::Idempotent) => "idempotent",
            Some(ToolClass::Effectful) => "effectful",
            None => "not said",
        }
    }

    fn from(&self) -> String {
        match &self.place {
            Some(place) => format!("{} ({place})", self.from),
            None => self.from.to_owned(),
        }
    }

    fn page(&self) -> String {
        let calls = self
            .max_calls
            .map_or("any number".to_owned(), |most| format!("at most {most}"));
        let input = serde_json::to_string_pretty(&self.input).unwrap_or_default();
        let mut lines = vec![
            words::one_line(&self.name),
            format!("  {}", words::one_line(&self.description)),
            format!("  class      {}", self.class()),
            format!("  approval   {}", self.approval),
            format!("  from       {}", self.from()),
            format!("  timeout    {}ms", self.timeout_ms),
            format!("  retries    {}", self.retries),
            format!("  calls      {calls} in a run"),
            format!("  on error   {}", self.on_error),
        ];
        if let Some(why) = &self.why {
            lines.push(format!("  not now    {}", words::one_line(why)));
            lines.extend(
                self.hints
                    .iter()
                    .map(|hint| format!("             hint: {}", words::one_line(hint))),
            );
        }
        lines.push("  input".to_owned());
        lines.extend(input.lines().map(|line| {
            let indent = line.len() - line.trim_start().len();
            format!("    {}{}", " ".repeat(indent), words::one_line(line))
        }));
        lines.join("\n")
    }
}

fn list(lines: &[&Line], program: &mut Program) {
    let paper = Paper::of(program);
    let mut table = Table::new([
        names("tool"),
        column("class"),
        column("approval"),
        names("from"),
        column("now"),
        names("what for"),
    ]);
    for line in lines {
        let now = if line.why.is_some() { "not available" } else { "" };
        table.row([
            words::one_line(&line.name),
            line.class().to_owned(),
            line.approval.to_owned(),
            line.from(),
            now.to_owned(),
            words::one_line(&line.description),
        ]);
    }
    match table.is_empty() {
        true => program
            .output
            .document("there are no tools: the program registers none, and segue.toml has none"),
        false => program.output.document(&table.lines(paper, "").join("\n")),
    }
}

fn unknown(wanted: &str, all: &[Line]) -> Problem {
    let message = format!("there is no tool {}", segue::fault::quote(wanted));
    let problem = Problem::new(segue::ErrorKind::NotFound, message);
    let known = all.iter().map(|line| line.name.as_str());
    match Nearest::of(wanted, known, "tools").hint {
        Some(hint) => problem.hint(hint),
        None => problem.hint("`segue tools ls` lists them; those of the operator are in segue.toml"),
    }
}
