//! Checking: what every plan has to hold, whatever it was written in. All faults at once, and nothing recurses over the
//! graph, so that a ring of five thousand steps is a fault and not an overflow.

use std::collections::{BTreeMap, HashMap};

use super::{Action, Arm, Plan};
use crate::fault::{Code, Fault, Faults};
use crate::settings::OnError;

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
    if what == "step" && name == "on_failure" {
        let message = "`on_failure` cannot name a step: paths of the fallback begin with it";
        faults.push(Fault::new(Code::BadName, message));
        return;
    }
    if crate::file::scalar::check_name(name).is_ok() {
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
    let needs = waits(plan);
    let count = needs.len();
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
    let mut cycle: Vec<usize> = walked
        .split_off(place[at])
        .into_iter()
        .map(|node| node % plan.steps.len())
        .collect();
    cycle.reverse();
    cycle.dedup();
    Some(cycle)
}

/// What waits for what. Without stand-ins a node is a step. With them the beginnings of all steps come first and their
/// ends after that, because a stand-in begins when its caller has failed, and the caller ends with it.
fn waits(plan: &Plan) -> Vec<Vec<usize>> {
    let count = plan.steps.len();
    let stand_ins: BTreeMap<usize, usize> = (0..count)
        .filter_map(|step| match plan.resolve(step as u32, None).on_error {
            OnError::Run(target) => Some((step, plan.step(&target)? as usize)),
            _ => None,
        })
        .collect();
    let end = |step: usize| if stand_ins.is_empty() { step } else { count + step };
    let mut waits: Vec<Vec<usize>> = Vec::with_capacity(end(count));
    for (at, step) in plan.steps.iter().enumerate() {
        let route = step.arm.as_ref().map(|arm| arm.route as usize);
        let needs = step.needs.iter().map(|need| need.step as usize).chain(route);
        let is_caller = |need: &usize| stand_ins.get(need) == Some(&at);
        waits.push(needs.filter(|need| !is_caller(need)).map(end).collect());
    }
    if !stand_ins.is_empty() {
        waits.extend((0..count).map(|step| vec![step]));
    }
    for (&caller, &target) in &stand_ins {
        waits[target].push(caller);
        waits[end(caller)].push(end(target));
    }
    waits
}
