//! The calls of a run: a table of them, what models were told, and where the money went.

use segue::log::CallKind;
use segue::view::{CallStatus, CallView, CostLedger, LedgerRow};
use segue::{ErrorKind, RunView};
use serde_json::{Value as Json, json};

use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::words;

/// Shows the calls of a run or of one step and what is in it, in order of start.
pub(super) fn show(view: &RunView, path: Option<&str>, program: &mut Program) {
    let calls = of(view, path);
    if program.common.json {
        write(&calls, program);
        return;
    }
    if calls.is_empty() {
        program.screen.progress(nothing(path));
        return;
    }
    let paper = Paper::of(program);
    for line in table(calls.into_iter(), paper) {
        program.output.document(&line);
    }
}

fn nothing(path: Option<&str>) -> &'static str {
    match path {
        Some(_) => "the step made no call",
        None => "the run made no call",
    }
}

fn write(calls: &[&CallView], program: &mut Program) {
    program
        .output
        .object(&json!({"schema": "segue.calls/1", "items": calls}));
}

/// The calls of a run, or of one step and what is in it, in order of start; those that never started come last.
fn of<'a>(view: &'a RunView, path: Option<&str>) -> Vec<&'a CallView> {
    let is_meant = |call: &&CallView| path.is_none_or(|path| is_in(&call.step, path));
    let mut calls: Vec<&CallView> = view.calls().filter(is_meant).collect();
    calls.sort_by_key(|call| (call.started.is_none(), call.started));
    calls
}

/// Whether a path is this one or lies in it.
pub(in crate::verb::runs) fn is_in(path: &str, whole: &str) -> bool {
    let rest = path.strip_prefix(whole);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[']))
}

/// A table of calls; empty for none.
pub(super) fn table<'a>(calls: impl Iterator<Item = &'a CallView>, paper: Paper) -> Vec<String> {
    let mut table = Table::new([
        names("call"),
        numbers("attempt"),
        column("status"),
        names("of"),
        numbers("time"),
        numbers("in"),
        numbers("out"),
        numbers("cost"),
        names("what"),
    ]);
    for call in calls {
        let time = call
            .started
            .zip(call.ended)
            .map(|(started, ended)| words::duration(ended.since(started)));
        let tokens = |tokens: u64| match tokens {
            0 => String::new(),
            tokens => words::count(tokens),
        };
        table.row([
            words::one_line(&call.step),
            call.attempt.to_string(),
            status(call.status, paper),
            to(call),
            time.unwrap_or_default(),
            tokens(call.usage.input_tokens),
            tokens(call.usage.output_tokens),
            words::dollars(&call.usage, &call.cost),
            what(call),
        ]);
    }
    match table.is_empty() {
        true => Vec::new(),
        false => table.lines(paper, ""),
    }
}

/// The model or the tool.
fn to(call: &CallView) -> String {
    match (&call.tool, &call.provider, &call.model) {
        (Some(tool), ..) => format!("tool {}", words::one_line(tool)),
        (None, Some(provider), Some(model)) => words::one_line(&format!("{provider}/{model}")),
        (None, _, model) => model.as_deref().map(words::one_line).unwrap_or_default(),
    }
}

/// What came back, or why nothing did.
fn what(call: &CallView) -> String {
    if let Some(error) = &call.error {
        return words::one_line(&error.message);
    }
    let Some(response) = &call.response else {
        return String::new();
    };
    let calls = response.get("tool_calls").and_then(Json::as_array);
    let tools: Vec<String> = calls
        .into_iter()
        .flatten()
        .filter_map(|call| call.get("tool").and_then(Json::as_str))
        .map(words::one_line)
        .collect();
    match response.get("text") {
        Some(Json::String(text)) if tools.is_empty() => words::preview(&json!(text)),
        _ if !tools.is_empty() => format!("calls {}", tools.join(", ")),
        _ => words::preview(response),
    }
}

fn status(status: CallStatus, paper: Paper) -> String {
    let style = paper.style;
    match status {
        CallStatus::Reserved => style.dim("○ reserved"),
        CallStatus::Running => style.blue("◐ running"),
        CallStatus::Succeeded => style.green("✓ succeeded"),
        CallStatus::Failed => style.red("✗ failed"),
        CallStatus::Refused => style.red("⊘ refused"),
        CallStatus::Uncertain => style.yellow("? uncertain"),
        CallStatus::Cancelled => style.magenta("■ cancelled"),
    }
}

/// Shows what models were told: of each step the request of its last call, in which the whole conversation stands.
///
/// # Errors
/// When no model was told anything.
pub(super) fn show_prompts(view: &RunView, path: Option<&str>, program: &mut Program) -> Result<(), Problem> {
    let mut last: Vec<&CallView> = Vec::new();
    for call in of(view, path) {
        if call.kind != CallKind::Model || call.request.is_none() {
            continue;
        }
        last.retain(|known| known.step != call.step);
        last.push(call);
    }
    if last.is_empty() {
        return Err(told_nothing(view, path));
    }
    if program.common.json {
        write(&last, program);
        return Ok(());
    }
    let paper = Paper::of(program);
    for (at, call) in last.into_iter().enumerate() {
        if at > 0 {
            program.output.document("");
        }
        for line in prompt(call, paper) {
            program.output.document(&line);
        }
    }
    Ok(())
}

/// Why there is nothing that a model was told.
fn told_nothing(view: &RunView, path: Option<&str>) -> Problem {
    let step = path.and_then(|path| view.step(path));
    let Some(step) = step else {
        return Problem::new(ErrorKind::NotFound, "the run told no model anything");
    };
    let message = format!("step `{}` told no model anything", step.path);
    let problem = Problem::new(ErrorKind::NotFound, message);
    match &step.reused_from {
        Some(run) => problem.hint(format!(
            "its result is from {run}: `segue runs show {run} --step {} --prompt`",
            step.path
        )),
        None => problem,
    }
}

/// What one call told its model, message by message.
fn prompt(call: &CallView, paper: Paper) -> Vec<String> {
    let style = paper.style;
    let attempt = match call.attempt {
        0 | 1 => String::new(),
        attempt => format!(" attempt {attempt}"),
    };
    let mut lines = vec![format!(
        "{} {}",
        style.bold(&words::one_line(&call.step)),
        style.dim(&format!("{}{attempt}", to(call)))
    )];
    let request = call.request.as_ref();
    let messages = request
        .and_then(|request| request.get("messages"))
        .and_then(Json::as_array);
    for message in messages.into_iter().flatten() {
        let said = |name: &str| message.get(name).and_then(Json::as_str).unwrap_or_default();
        lines.push(style.cyan(&format!("── {}", words::one_line(said("role")))));
        let text = words::visible(said("text"));
        lines.extend(text.lines().map(str::to_owned));
        let calls = message.get("tool_calls").and_then(Json::as_array);
        for call in calls.into_iter().flatten() {
            let tool = call.get("tool").and_then(Json::as_str).unwrap_or_default();
            let arguments = call.get("arguments").map(Json::to_string).unwrap_or_default();
            lines.push(style.dim(&words::one_line(&format!("calls {tool} {arguments}"))));
        }
    }
    let tools = request
        .and_then(|request| request.get("tools"))
        .and_then(Json::as_array);
    let tools: Vec<String> = tools
        .into_iter()
        .flatten()
        .filter_map(|tool| tool.get("name").and_then(Json::as_str))
        .map(words::one_line)
        .collect();
    if !tools.is_empty() {
        lines.push(style.cyan("── tools"));
        lines.push(tools.join(", "));
    }
    let schema = request
        .and_then(|request| request.get("output"))
        .filter(|schema| !schema.is_null());
    if let Some(schema) = schema {
        lines.push(style.cyan("── answers in this schema"));
        lines.push(words::visible(&schema.to_string()));
    }
    lines
}

/// Shows where the money went: by step, by agent, by model, and what failed attempts took of it.
pub(super) fn show_cost(view: &RunView, program: &mut Program) {
    let paper = Paper::of(program);
    let ledger = CostLedger::of(view);
    let mut table = Table::new([
        names(""),
        numbers("calls"),
        numbers("input"),
        numbers("output"),
        numbers("cost"),
        numbers("in failed attempts"),
    ]);
    for (what, rows) in [
        ("by step", &ledger.steps),
        ("by agent", &ledger.agents),
        ("by model", &ledger.models),
    ] {
        if rows.is_empty() {
            continue;
        }
        table.row([paper.style.dim(what)]);
        for row in rows {
            table.row(cells(&format!("  {}", words::one_line(&row.name)), row));
        }
        table.row([]);
    }
    table.row(cells(&paper.style.bold("total"), &ledger.total));
    for line in table.lines(paper, "") {
        program.output.document(&line);
    }
}

fn cells(name: &str, row: &LedgerRow) -> [String; 6] {
    let failed = match row.failed.is_zero() {
        true => String::new(),
        false => row.failed.cost.to_string(),
    };
    [
        name.to_owned(),
        words::count(row.calls),
        words::count(row.usage.input_tokens),
        words::count(row.usage.output_tokens),
        row.cost.to_string(),
        failed,
    ]
}
