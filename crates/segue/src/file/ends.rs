//! What leads nowhere: outputs no run can reach, and inputs, agents and steps that nothing uses.

use super::check::Graphs;
use super::reader::{Reader, Section};
use super::refer::Used;
use super::steps::{Draft, Graph, GraphKind};
use super::text::Owner;
use super::types::Types;
use crate::fault::{Code, quote};
use crate::plan::{Action, NeedKind, RouteBy};

impl<'d> Reader<'_, '_, 'd> {
    /// Warns of what nothing uses, and reports what the output reads in vain.
    pub(super) fn unused(&mut self, used: &Used, types: &Types<'_, 'd>, top: &Section<'d>) {
        self.unreachable(types);
        // What a text with a fault reads is not known, so that nothing can be called unused.
        if self.loader.faults.has_errors() {
            return;
        }
        let inputs = top
            .get("inputs")
            .and_then(super::yaml::Node::as_mapping)
            .unwrap_or_default();
        for (key, _) in inputs {
            if !used.reads(&key.name) && self.names.inputs.contains_key(&*key.name) {
                let message = format!("nothing reads input {}", quote(&key.name));
                self.report(Code::UnusedInput, key.span, message);
            }
        }
        let unused: Vec<_> = self
            .names
            .agents
            .iter()
            .filter(|(name, _)| !self.names.used_agents.contains(*name))
            .map(|(name, agent)| (agent.at, format!("no step uses agent {}", quote(name))))
            .collect();
        for (span, message) in unused {
            self.report(Code::UnusedAgent, span, message);
        }
        self.unused_steps(used, types.graphs, top);
    }

    /// A step whose output nothing reads is of use only by what it does.
    fn unused_steps(&mut self, used: &Used, graphs: &Graphs<'d>, top: &Section<'d>) {
        // Without an `output`, the last steps are it.
        if top.get("output").is_none() {
            return;
        }
        let graph = &graphs.main;
        let mut is_needed = vec![false; graph.drafts.len()];
        for step in graph.drafts.iter().flat_map(|draft| draft.edges.keys()) {
            is_needed[*step as usize] = true;
        }
        for (at, draft) in graph.drafts.iter().enumerate() {
            let is_read = is_needed[at] || used.steps.contains(&(GraphKind::Main, at as u32));
            if !is_read && !draft.step.standby && draft.is_whole && self.only_answers(draft) {
                let message = format!("nothing reads step {}", quote(&draft.key.name));
                self.report_with(
                    Code::UnusedStep,
                    draft.key.span,
                    message,
                    "leave it out, or read it in `output`",
                );
            }
        }
    }

    /// Whether a step does nothing but give an output.
    fn only_answers(&self, draft: &Draft<'_>) -> bool {
        if !draft.step.artifacts.is_empty() {
            return false;
        }
        match &draft.step.action {
            Action::Set(_) => true,
            Action::Agent(step) => {
                let tools = step.over.tools.as_ref().map(Vec::is_empty);
                let of_agent = self
                    .names
                    .agents
                    .get(&step.agent)
                    .map(|agent| agent.planned.tools.is_empty());
                tools.or(of_agent).unwrap_or(false)
            }
            _ => false,
        }
    }

    /// An output that reads a step which no run can reach is none in every run.
    fn unreachable(&mut self, types: &Types<'_, 'd>) {
        let reached = reached(&types.graphs.main);
        for text in types.texts.iter().filter(|text| text.owner == Owner::End) {
            for reference in text
                .references()
                .iter()
                .filter(|reference| reference.root == "steps")
            {
                let (Some(name), Some(segment)) = (reference.field(0), reference.path.first()) else {
                    continue;
                };
                let Some(step) = types.graphs.main.index.get(name) else {
                    continue;
                };
                if !reached[*step as usize] {
                    let place = text.place.name;
                    let message = format!("`{place}` reads step {}, which no run can reach", quote(name));
                    let range = segment.offset..segment.offset + segment.len;
                    let fault = self.fault_in(Code::NoPath, text, range, message);
                    self.push(fault);
                }
            }
        }
    }
}

/// Which steps some run can reach. One cannot when it is never chosen, or when all it reads cannot.
fn reached(graph: &Graph<'_>) -> Vec<bool> {
    let count = graph.drafts.len();
    let mut reached: Vec<bool> = graph.drafts.iter().map(|draft| !is_never(graph, draft)).collect();
    let mut readers = vec![Vec::new(); count];
    for (at, draft) in graph.drafts.iter().enumerate() {
        for (step, edge) in &draft.edges {
            if edge.kind > NeedKind::Settled {
                readers[*step as usize].push(at);
            }
        }
    }
    let mut open: Vec<usize> = (0..count).filter(|step| !reached[*step]).collect();
    while let Some(step) = open.pop() {
        for reader in &readers[step] {
            let mut read = graph.drafts[*reader]
                .edges
                .iter()
                .filter(|(_, edge)| edge.kind > NeedKind::Settled);
            if reached[*reader] && read.all(|(step, _)| !reached[*step as usize]) {
                reached[*reader] = false;
                open.push(*reader);
            }
        }
    }
    reached
}

/// Whether a step itself says that it never runs: by its `when`, or by an arm of weight 0.
fn is_never(graph: &Graph<'_>, draft: &Draft<'_>) -> bool {
    if draft
        .step
        .when
        .as_deref()
        .is_some_and(|when| when.trim() == "false")
    {
        return true;
    }
    let Some(arm) = &draft.step.arm else { return false };
    match &graph.step(arm.route).step.action {
        Action::Route {
            by: RouteBy::Split { weights, .. },
            ..
        } => weights.get(&arm.arm) == Some(&0),
        _ => false,
    }
}
