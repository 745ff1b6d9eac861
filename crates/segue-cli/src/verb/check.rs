//! `check`: everything that is wrong with pipeline files, at once. Runs, spawns and connects to nothing.

use std::path::PathBuf;

use segue::Plan;
use segue::file::{Loaded, Rejected};
use serde_json::{Map, json};

use crate::arguments::CheckArgs;
use crate::bounds;
use crate::exit::Exit;
use crate::operator::Operator;
use crate::pipelines;
use crate::problem::Problem;
use crate::program::Program;
use crate::sites::{self, Offer};
use crate::terminal::words;

/// Checks pipeline files; exit 2 when one has faults.
pub(crate) fn check(arguments: &CheckArgs, program: &mut Program) -> Result<Exit, Problem> {
    let paths: Vec<PathBuf> = match arguments.pipelines.as_slice() {
        [] => vec![pipelines::find(None, &program.common)?],
        named => named
            .iter()
            .map(|name| pipelines::find(Some(name), &program.common))
            .collect::<Result<_, _>>()?,
    };
    let mut checked = Vec::with_capacity(paths.len());
    let mut ok = true;
    for path in paths {
        let file = path.display().to_string();
        let operator = program.operator(Some(&path))?;
        match pipelines::load(&path, &operator, arguments.strict) {
            Ok(loaded) => {
                good(&loaded, &operator, program);
                checked.push(json!({
                    "name": loaded.plan.name, "file": file, "plan_hash": loaded.plan.hash().to_string(), "faults": loaded.warnings,
                }));
            }
            Err(rejected) => {
                ok = false;
                bad(&rejected, program);
                checked
                    .push(json!({"name": null, "file": file, "plan_hash": null, "faults": rejected.faults}));
            }
        }
    }
    if program.common.json {
        program
            .output
            .object(&json!({"schema": "segue.check/1", "ok": ok, "pipelines": checked}));
    }
    Ok(if ok { Exit::Done } else { Exit::Refused })
}

/// One line for a file that is good, after its warnings.
fn good(loaded: &Loaded, operator: &Operator, program: &mut Program) {
    let screen = program.screen;
    screen.text(
        &loaded
            .warnings
            .render(|name| loaded.sources.get(name), screen.paint()),
    );
    if program.common.json {
        return;
    }
    let plan = &loaded.plan;
    let mut parts = vec![words::plural(plan.steps.len() as u64, "step")];
    let models = models(plan);
    if !models.is_empty() {
        parts.push(format!("models {}", models.join(", ")));
    }
    let offer = Offer {
        models: &operator.at_rest,
        instead: &[],
        prices: &operator.prices,
        is_at_rest: true,
    };
    let total = plan.run.budget.and_then(|budget| budget.usd);
    parts.push(match bounds::of(plan, offer, &Map::new(), total) {
        Some(max) => format!("costs at most {}", max.human()),
        None => "worst cost unknown".to_owned(),
    });
    if !loaded.patterns.is_empty() {
        let names: Vec<&str> = loaded.patterns.keys().map(String::as_str).collect();
        parts.push(format!("patterns {}", names.join(" ")));
    }
    let warnings = loaded.warnings.total() as u64;
    if warnings > 0 {
        parts.push(words::plural(warnings, "warning"));
    }
    program.output.document(&format!(
        "ok: pipeline `{}` has {}",
        plan.label(),
        parts.join(", ")
    ));
}

fn bad(rejected: &Rejected, program: &Program) {
    let screen = program.screen;
    screen.text(
        &rejected
            .faults
            .render(|name| rejected.sources.get(name), screen.paint()),
    );
    let summary = rejected.faults.summary(&rejected.name);
    let message = summary.strip_prefix("error: ").unwrap_or(&summary);
    screen.error(message, &[]);
}

/// Models as the file and the pipelines in it ask for them, each once.
fn models(plan: &Plan) -> Vec<String> {
    let mut models = Vec::new();
    for site in sites::of(plan) {
        let Some(agent) = site.asks().and_then(|asked| site.plan.agents.get(&asked.agent)) else {
            continue;
        };
        let asked: Vec<&str> = agent.models.iter().map(|model| model.name.as_str()).collect();
        let name = agent.alias.as_deref().unwrap_or(&agent.name);
        let model = format!("{name}: {}", asked.join(" or "));
        if !models.contains(&model) {
            models.push(model);
        }
    }
    models
}
