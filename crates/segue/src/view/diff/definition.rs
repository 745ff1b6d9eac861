//! What of two plans differs. In a plan steps go by their places; here they go by their names, so that one that was put
//! between two others is one difference and not many.

use serde_json::{Map, Value as Json, json};

use super::values::{Difference, differences};
use crate::plan::{Action, Arm, Output, Plan, RouteBy, Source, Step, StepIndex};
use crate::view::RunView;

/// What of the plans of two runs differs; of plans that are not known, their hashes.
pub(super) fn differences_of(a: &RunView, b: &RunView) -> Vec<Difference> {
    match (a.plan(), b.plan()) {
        (Some(a), Some(b)) if a == b => Vec::new(),
        (Some(a), Some(b)) => differences(&named(a), &named(b)),
        _ => differences(&json!(a.plan_hash()), &json!(b.plan_hash())),
    }
}

/// A plan as JSON in which steps go by their names.
fn named(plan: &Plan) -> Json {
    let mut json = written(plan);
    let steps = plan.steps.iter().map(|own| (own.name.clone(), step(plan, own)));
    json["steps"] = Json::Object(steps.collect());
    json["output"] = match &plan.output {
        Output::From(from) => json!({"from": source(plan, from)}),
        Output::Last(steps) => json!({"last": names(plan, steps)}),
        other => written(other),
    };
    if let Some(instead) = &plan.on_failure {
        json["on_failure"]["plan"] = named(&instead.plan);
    }
    json
}

fn step(plan: &Plan, step: &Step) -> Json {
    let mut json = written(step);
    if let Json::Object(fields) = &mut json {
        fields.remove("name");
    }
    let needs = step
        .needs
        .iter()
        .map(|need| (name(plan, need.step), written(&need.kind)));
    json["needs"] = Json::Object(needs.collect::<Map<_, _>>());
    if let Some(member) = &step.arm {
        json["arm"] = json!({"route": name(plan, member.route), "arm": member.arm});
    }
    match &step.action {
        Action::Function { inputs, .. } => json["action"]["function"]["inputs"] = sources(plan, inputs),
        Action::Pipeline {
            plan: inner, inputs, ..
        } => {
            let action = &mut json["action"]["pipeline"];
            action["plan"] = named(inner);
            if !inputs.is_empty() {
                action["inputs"] = sources(plan, inputs);
            }
        }
        Action::Route { by, arms, .. } => {
            let action = &mut json["action"]["route"];
            if let RouteBy::Value(from) = by {
                action["by"] = json!({"value": source(plan, from)});
            }
            for (arm, does) in arms {
                match does {
                    Arm::Nothing => {}
                    Arm::Steps(steps) => action["arms"][arm] = json!({"steps": names(plan, steps)}),
                    Arm::Inline(inline) => action["arms"][arm] = json!({"inline": self::step(plan, inline)}),
                }
            }
        }
        Action::Agent(_) | Action::Tool { .. } | Action::Ask(_) | Action::Set(_) => {}
    }
    json
}

fn sources(plan: &Plan, sources: &[Source]) -> Json {
    sources.iter().map(|from| source(plan, from)).collect()
}

fn source(plan: &Plan, from: &Source) -> Json {
    match from {
        Source::Input => json!("input"),
        Source::Step(at) => json!({"step": name(plan, *at)}),
        Source::First(several) => json!({"first": sources(plan, several)}),
    }
}

fn names(plan: &Plan, steps: &[StepIndex]) -> Vec<String> {
    steps.iter().map(|at| name(plan, *at)).collect()
}

fn name(plan: &Plan, at: StepIndex) -> String {
    let step = plan.steps.get(at as usize);
    step.map_or_else(|| at.to_string(), |step| step.name.clone())
}

fn written(part: &impl serde::Serialize) -> Json {
    serde_json::to_value(part).expect("a plan has text keys only")
}
