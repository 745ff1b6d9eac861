//! Checking: what every plan has to hold, whatever it was written in. All faults at once, and nothing recurses over the
//! graph, so that a ring of five thousand steps is a fault and not an overflow.

use std::collections::HashMap;

use super::{Action, Arm, Plan};
use crate::fault::{Code, Fault, Faults};

/// Checks a plan: names, duplicates, edges, cycles, arms. What only one kind of definition can get wrong is checked
/// where that definition is read.
pub(crate) fn check(plan: &Plan, faults: &mut Faults) {
    names(plan, faults);
    edges(plan, faults);
    if let Some(cycle) = cycle(plan) {
        let mut names: Vec<String> = cycle
            .iter()
            .map(|step| format!("`{}`", plan.steps[*step].name))
            .collect();
        names.push(names[0].clone());
        let first = plan.steps[cycle[0]].name.clone();
        faults.push(Fault::new(Code::Cycle, format!("a cycle: {}", names.join(" → "))).step(first));
    }
    if let Some(budget) = plan.run.budget
        && let Err(error) = budget.check()
    {
        faults.push(Fault::new(Code::Conflict, error.to_string()));
    }
}

fn names(plan: &Plan, faults: &mut Faults) {
    check_name("pipeline", &plan.name, faults);
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(plan.steps.len());
    for (at, step) in plan.steps.iter().enumerate() {
        check_name("step", &step.name, faults);
        if seen.insert(&step.name, at).is_some() {
            let message = format!(
                "step `{}` appears twice; names identify steps in the log and must be unique",
                step.name
            );
            faults.push(Fault::new(Code::DuplicateName, message).step(step.name.clone()));
        }
    }
    for agent in plan.agents.keys() {
        check_name("agent", agent, faults);
    }
}

fn check_name(what: &str, name: &str, faults: &mut Faults) {
    if crate::file::scalar::check_name(name).is_ok() && name != "on_failure" {
        return;
    }
    let shown = crate::fault::quote(name);
    let message = format!(
        "{what} {shown} has no good name: it should begin with a-z and go on with at most 63 of a-z, 0-9, `_` and `-`"
    );
    faults.push(Fault::new(Code::BadName, message));
}

fn edges(plan: &Plan, faults: &mut Faults) {
    for (at, step) in plan.steps.iter().enumerate() {
        if step.needs.iter().any(|need| need.step as usize == at) {
            let message = format!("step `{}` needs itself", step.name);
            faults.push(Fault::new(Code::SelfEdge, message).step(step.name.clone()));
        }
        let Action::Route { arms, .. } = &step.action else {
            continue;
        };
        for arm in arms.values() {
            let Arm::Steps(members) = arm else { continue };
            for member in members {
                let planned = &plan.steps[*member as usize];
                if planned.arm.as_ref().is_some_and(|arm| arm.route as usize != at) {
                    let message = format!("step `{}` is in the arms of two routes", planned.name);
                    faults.push(Fault::new(Code::ArmInTwoRoutes, message).step(planned.name.clone()));
                }
            }
        }
    }
}

/// A cycle, if there is one: its steps in the order of the edges.
///
/// Steps without open needs are taken away until none is left; what remains holds a cycle, found by walking backwards
/// until a step comes up twice.
pub(crate) fn cycle(plan: &Plan) -> Option<Vec<usize>> {
    let count = plan.steps.len();
    let needs: Vec<Vec<usize>> = plan
        .steps
        .iter()
        .map(|step| {
            let mut needs: Vec<usize> = step.needs.iter().map(|need| need.step as usize).collect();
            needs.extend(step.arm.as_ref().map(|arm| arm.route as usize));
            needs
        })
        .collect();
    let mut dependents = vec![Vec::new(); count];
    let mut open: Vec<usize> = vec![0; count];
    for (to, needs) in needs.iter().enumerate() {
        open[to] = needs.len();
        for from in needs {
            dependents[*from].push(to);
        }
    }
    let mut free: Vec<usize> = (0..count).filter(|step| open[*step] == 0).collect();
    let mut left = count;
    while let Some(step) = free.pop() {
        left -= 1;
        for dependent in &dependents[step] {
            open[*dependent] -= 1;
            if open[*dependent] == 0 {
                free.push(*dependent);
            }
        }
    }
    if left == 0 {
        return None;
    }
    let mut at = (0..count).find(|step| open[*step] > 0)?;
    let mut place = vec![usize::MAX; count];
    let mut walked = Vec::new();
    while place[at] == usize::MAX {
        place[at] = walked.len();
        walked.push(at);
        at = *needs[at].iter().find(|need| open[**need] > 0)?;
    }
    // Walked from the one that needs to the one that is needed: turned round, so that it reads along the edges.
    let mut cycle = walked.split_off(place[at]);
    cycle.reverse();
    Some(cycle)
}
