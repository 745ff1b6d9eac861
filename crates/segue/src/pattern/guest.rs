//! Guests: agents of pipelines in a pattern, with all that holds for them where they are declared. What they bring along
//! becomes a part of the plan, so that a run of it needs nothing of the pipelines they are from.

use std::sync::Arc;

use indexmap::IndexMap;

use super::PROMPT;
use crate::fault::{Code, Fault, Faults, quote};
use crate::plan::{AGENT, Input, ModelRef, Plan, PlannedAgent, ToolLimits};
use crate::schema::Schema;
use crate::settings::{OnError, RetryLayer, Setting, Settings};
use crate::template::Template;

/// An agent of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Guest {
    /// What it is called in the pattern.
    pub name: String,
    pub plan: Arc<Plan>,
    /// What it is called there.
    pub agent: String,
}

/// What guests bring along.
#[derive(Default)]
pub(super) struct Brought {
    pub agents: IndexMap<String, Arc<PlannedAgent>>,
    pub policies: IndexMap<String, RetryLayer>,
    pub models: IndexMap<String, Vec<ModelRef>>,
    pub tools: IndexMap<String, ToolLimits>,
    /// Inputs that their instructions read and that need not be given.
    pub inputs: IndexMap<String, Schema>,
}

/// What these guests bring along, and the agents that they may ask.
pub(super) fn bring(guests: &[Guest], faults: &mut Faults) -> Brought {
    let mut brought = Brought::default();
    let mut known: Vec<Guest> = guests.to_vec();
    let mut at = 0;
    while let Some(guest) = known.get(at).cloned() {
        at += 1;
        let Some(agent) = guest.plan.agents.get(&guest.agent) else {
            let message = format!(
                "pipeline {} has no agent {}",
                quote(&guest.plan.name),
                quote(&guest.agent)
            );
            faults.push(Fault::new(Code::UnknownAgent, message));
            continue;
        };
        let mut agent = PlannedAgent::clone(agent);
        agent.name.clone_from(&guest.name);
        for tool in &mut agent.tools {
            if let Some(asked) = tool.name.strip_prefix(AGENT)
                && guest.plan.agents.contains_key(asked)
            {
                tool.name = format!("{AGENT}{}", name_of(&guest.plan, asked, &mut known));
            }
        }
        brought.settings(&guest, &mut agent, faults);
        brought.models(&guest.plan, &mut agent);
        brought.tools(&guest.plan, faults);
        brought.inputs(&guest.plan, &agent, faults);
        brought.agents.insert(guest.name, Arc::new(agent));
    }
    brought
}

/// What an agent that another may ask is called; one that nobody has named has its own name, where that is free.
fn name_of(plan: &Arc<Plan>, agent: &str, known: &mut Vec<Guest>) -> String {
    let is_it = |guest: &&Guest| Arc::ptr_eq(&guest.plan, plan) && guest.agent == agent;
    if let Some(guest) = known.iter().find(is_it) {
        return guest.name.clone();
    }
    let is_free = |name: &str| known.iter().all(|guest| guest.name != name);
    let numbered = (2..).map(|number| format!("{agent}_{number}"));
    let mut names = std::iter::once(agent.to_owned()).chain(numbered);
    let name = names.find(|name| is_free(name)).unwrap_or_default();
    known.push(Guest {
        name: name.clone(),
        plan: plan.clone(),
        agent: agent.to_owned(),
    });
    name
}

impl Brought {
    /// What its pipeline says of all steps becomes the agent's own, as far as it says nothing else.
    fn settings(&mut self, guest: &Guest, agent: &mut PlannedAgent, faults: &mut Faults) {
        let mut settings = Settings::clone(&guest.plan.defaults);
        settings.lay(&agent.settings);
        let policies = &guest.plan.policies;
        let asked = settings.policy.take();
        let found = [Some(&guest.agent), asked.as_ref()].into_iter().flatten();
        let found = found
            .filter_map(|name| policies.get(name))
            .next()
            .or_else(|| policies.get("default"));
        if let Some(policy) = found {
            self.policies.insert(guest.name.clone(), policy.clone());
            settings.policy = Some(guest.name.clone());
        }
        if let Setting::Is(OnError::Run(step)) = &settings.on_error {
            let message = format!(
                "agent {} of {} has step {} stand in for it, which is not here",
                quote(&guest.agent),
                quote(&guest.plan.name),
                quote(step)
            );
            let hint = "take `on_error` out of the agent, or let the pattern's `fallback` stand in";
            faults.push(Fault::new(Code::Conflict, message).hint(hint));
        }
        agent.settings = settings;
    }

    /// A name for models stays, unless another pipeline means others by it.
    fn models(&mut self, plan: &Plan, agent: &mut PlannedAgent) {
        let Some((alias, models)) = agent
            .alias
            .as_ref()
            .and_then(|alias| plan.models.get_key_value(alias))
        else {
            agent.alias = None;
            return;
        };
        match self.models.get(alias) {
            Some(known) if known != models => agent.alias = None,
            _ => _ = self.models.insert(alias.clone(), models.clone()),
        }
    }

    /// Limits of tools hold for all of the pattern, so two pipelines cannot say different things.
    fn tools(&mut self, plan: &Plan, faults: &mut Faults) {
        let meet = |a: &str, b: &str| {
            let is_glob = a.contains('*') && b.contains('*');
            is_glob || crate::registry::matches(a, b) || crate::registry::matches(b, a)
        };
        for (tool, limits) in &plan.tools {
            let other =
                |(known, of): &(&String, &ToolLimits)| meet(known, tool) && (*known != tool || *of != limits);
            let is_own = |known: &String| plan.tools.contains_key(known);
            let differs = self.tools.iter().find(|entry| other(entry) && !is_own(entry.0));
            let differs = differs.or_else(|| self.tools.get_key_value(tool).filter(|(_, of)| *of != limits));
            if let Some((known, _)) = differs {
                let message = format!(
                    "pipeline {} limits tool {} in another way than a second one limits {}",
                    quote(&plan.name),
                    quote(tool),
                    quote(known)
                );
                let hint = "agents of both cannot work in one pattern";
                faults.push(Fault::new(Code::Conflict, message).hint(hint));
                return;
            }
        }
        let limits = plan
            .tools
            .iter()
            .map(|(tool, limits)| (tool.clone(), limits.clone()));
        self.tools.extend(limits);
    }

    /// Inputs that the instructions read come along where nobody has to give them.
    fn inputs(&mut self, plan: &Plan, agent: &PlannedAgent, faults: &mut Faults) {
        let Ok(template) = Template::parse(&agent.instructions) else {
            return;
        };
        if !agent.template {
            return;
        }
        let declared = match &plan.input {
            Input::Named(inputs) => inputs.clone(),
            Input::Value(_) => IndexMap::new(),
        };
        let reads = |what: &str| {
            format!(
                "agent {} reads {what} of pipeline {}",
                quote(&agent.name),
                quote(&plan.name)
            )
        };
        for reference in template.references() {
            let name = match (reference.root.as_str(), reference.field(0)) {
                ("inputs", Some(name)) if name != PROMPT => name,
                ("steps", Some(step)) => {
                    let message = format!("{}, which is not here", reads(&format!("step {}", quote(step))));
                    faults.push(Fault::new(Code::Conflict, message));
                    continue;
                }
                _ => continue,
            };
            let Some(schema) = declared.get(name) else {
                continue;
            };
            let is_given = schema.default_value().is_some() || schema.may_be_null();
            let is_other = self.inputs.get(name).is_some_and(|known| known != schema);
            let why = match (is_given, is_other) {
                (true, false) => {
                    self.inputs.insert(name.to_owned(), schema.clone());
                    continue;
                }
                (false, _) => "which has no default",
                (true, true) => "and another agent reads one of that name and another type",
            };
            let message = format!("{}, {why}", reads(&format!("input {}", quote(name))));
            let hint = "only `prompt` is given to a pattern";
            faults.push(Fault::new(Code::Conflict, message).hint(hint));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::load_text;
    use crate::pattern::Pattern;
    use crate::registry::Registry;

    fn limited(calls: u32) -> Arc<Plan> {
        let text = format!(
            "version: 1\nname: limited\ninputs: {{ topic: string }}\n\
             tools: {{ segue.save_artifact: {{ max_calls: {calls} }} }}\n\
             agents: {{ a: {{ model: local/extractive, instructions: 'On {{{{ inputs.topic }}}}.' }} }}\n\
             steps: {{ s: {{ agent: a, prompt: Go. }} }}\n"
        );
        let loaded = load_text(&text, "limited.yaml", &Registry::new());
        loaded.unwrap_or_else(|rejected| panic!("{rejected}")).plan
    }

    #[test]
    fn what_cannot_come_along_is_said() {
        let pattern = Pattern::sequential("p", ["a", "b", "c"])
            .agent("a", &limited(1), "a")
            .agent("b", &limited(2), "a")
            .agent("c", &limited(1), "nobody");
        let said = pattern
            .plan(&Registry::new())
            .expect_err("it is wrong")
            .to_string();
        for part in [
            "agent `a` reads input `topic` of pipeline `limited`, which has no default",
            "only `prompt` is given to a pattern",
            "pipeline `limited` limits tool `segue.save_artifact` in another way",
            "pipeline `limited` has no agent `nobody`",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }
}
