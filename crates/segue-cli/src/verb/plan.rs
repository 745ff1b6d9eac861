//! `plan`: what would run, what models would see, what it may cost. Calls nothing.

use std::time::Duration;

use segue::file::scalar::show_duration;
use segue::view::{GraphView, draw};
use serde_json::{Map, Value as Json};

use crate::exit::Exit;
use crate::history::History;
use crate::planned::{PlanView, PlannedStep, Prompt};
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::ranges::Basis;
use crate::sites::Offer;
use crate::start::Start;
use crate::terminal::words;

/// Shows the plan of a run. Without any input the inputs are left open; with one, all are checked as for a run.
pub(crate) fn plan(mut start: Start, program: &mut Program) -> Result<Exit, Problem> {
    let inputs = match start.has_inputs() {
        true => start.inputs(false)?,
        false => Json::Object(start.defaults()),
    };
    let nothing = Map::new();
    let inputs = inputs.as_object().unwrap_or(&nothing);
    let total = start.total();
    let operator = program.operator(Some(&start.path))?;
    let history = history(&start, program)?;
    let offer = Offer {
        models: &operator.models,
        instead: &start.models,
        prices: &operator.prices,
        is_at_rest: false,
    };
    let view = PlanView::of(
        &start.plan,
        inputs,
        (offer, &operator.registry),
        total.as_ref(),
        &start.warnings,
        &history,
    );
    if program.common.json {
        program.output.object(&view);
        return Ok(Exit::Done);
    }
    let mut text = draw::text(&GraphView::of(&start.plan, None, true).drawing());
    text.push('\n');
    text.push_str(&table(&view.steps));
    for step in &view.steps {
        text.push_str(&prompt(step));
    }
    text.push('\n');
    for (name, model) in &view.models {
        let meaning = match (&model.chosen, &model.source) {
            (Some(chosen), Some(source)) => {
                format!("{} ({})", words::one_line(chosen), words::one_line(source))
            }
            _ => format!(
                "not to be had here, of {}",
                words::one_line(&model.asked.join(", "))
            ),
        };
        text.push_str(&format!("model  {} → {meaning}\n", words::one_line(name)));
    }
    let budget = total
        .as_ref()
        .map_or_else(|| "unlimited".to_owned(), crate::terminal::report::limits);
    text.push_str(&format!("budget {budget}\n"));
    text.push_str(&format!(
        "cost   {}\n",
        cost(view.cost.likely_usd.as_ref(), view.cost.max_usd.as_ref())
    ));
    for unknown in &view.cost.unknown {
        text.push_str(&format!("       unknown: {}\n", words::one_line(unknown)));
    }
    program.output.document(&text);
    Ok(Exit::Done)
}

/// What earlier runs have used; nothing, and a word about it, where the store cannot be read.
fn history(start: &Start, program: &Program) -> Result<History, Problem> {
    let project = Project::find(Some(&start.path), &program.common)?;
    Ok(
        History::read(program, project, &start.plan.name).unwrap_or_else(|problem| {
            let style = program.screen.style();
            let why = words::one_line(&problem.failure().message);
            let warning = style.yellow("warning:");
            program.screen.progress(&format!(
                "{warning} earlier runs are left out, as the store cannot be read: {why}"
            ));
            History::default()
        }),
    )
}

fn cost(likely: Option<&String>, most: Option<&String>) -> String {
    let usd = |usd: &String| format!("${usd}");
    match (likely, most) {
        (Some(likely), Some(most)) if likely != most => {
            format!("likely {}, at most {}", usd(likely), usd(most))
        }
        (_, Some(most)) => format!("at most {}", usd(most)),
        (Some(likely), None) => format!("likely {}, at most an unknown amount", usd(likely)),
        (None, None) => "at most an unknown amount".to_owned(),
    }
}

/// The steps in order, one row each.
fn table(steps: &[PlannedStep]) -> String {
    let heads = ["step", "kind", "agent", "needs", "limits", "cost", "will"];
    let mut rows = vec![heads.map(str::to_owned)];
    for step in steps {
        rows.push([
            words::one_line(&step.path),
            step.kind.as_str().to_owned(),
            step.agent.as_deref().map(words::one_line).unwrap_or_default(),
            step.needs.join(", "),
            limits(step),
            match step.cost.basis {
                Basis::Exact => String::new(),
                Basis::Unknown => "unknown".to_owned(),
                Basis::History | Basis::Bound => {
                    cost(step.cost.likely_usd.as_ref(), step.cost.max_usd.as_ref())
                }
            },
            match &step.why {
                Some(why) => words::one_line(why),
                None => step.will.to_owned(),
            },
        ]);
    }
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| {
            rows.iter()
                .map(|row| console::measure_text_width(&row[column]))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let pad = width.saturating_sub(console::measure_text_width(cell));
            format!("{cell}{}", " ".repeat(pad))
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn limits(step: &PlannedStep) -> String {
    let limits = &step.limits;
    let duration = |ms| show_duration(Duration::from_millis(ms));
    let mut parts = Vec::new();
    parts.extend(limits.timeout_ms.map(|ms| format!("{} an attempt", duration(ms))));
    parts.extend(
        limits
            .step_timeout_ms
            .map(|ms| format!("{} in all", duration(ms))),
    );
    if limits.retries > 0 {
        parts.push(words::plural(u64::from(limits.retries) + 1, "attempt"));
    }
    parts.extend(limits.budget.as_ref().map(crate::terminal::report::limits));
    parts.join(", ")
}

/// What the model of a step will see.
fn prompt(step: &PlannedStep) -> String {
    let Prompt {
        status, system, user, ..
    } = &step.prompt;
    if *status == "none" {
        return String::new();
    }
    let mut text = format!(
        "\n{} will see{}\n",
        words::one_line(&step.path),
        if *status == "exact" { ", exactly" } else { "" }
    );
    for (who, said) in [("system", system), ("user", user)] {
        let Some(said) = said else { continue };
        for (at, line) in words::visible(said.trim_end()).lines().enumerate() {
            let who = if at == 0 { who } else { "" };
            text.push_str(format!("  {who:<6} │ {line}").trim_end());
            text.push('\n');
        }
    }
    text
}
