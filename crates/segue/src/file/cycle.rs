//! Cycles: steps that wait for each other, through needs, references, arms and stand-ins.

use std::collections::VecDeque;

use super::reader::Reader;
use super::steps::Graph;
use crate::fault::{Code, Span, quote};
use crate::plan::StepIndex;
use crate::settings::{OnError, Setting};

/// The most steps of a cycle that are spelled out.
const MAX_SHOWN: usize = 12;

/// What a step waits for, and where that is said.
type Waits = Vec<Vec<(StepIndex, Span)>>;

impl<'d> Reader<'_, '_, 'd> {
    /// Reports a shortest cycle among those through its first step, if there is one.
    pub(super) fn cycles(&mut self, graph: &Graph<'d>) {
        let waits = waits(graph);
        let left = in_cycles(&waits);
        let Some(first) = left.iter().position(|left| *left) else {
            return;
        };
        let cycle = shortest(&waits, &left, on_cycle(&waits, &left, first));
        let name = |at: StepIndex| quote(&graph.step(at).key.name);
        let mut names: Vec<String> = cycle
            .iter()
            .take(MAX_SHOWN)
            .map(|(step, _)| name(*step))
            .collect();
        if cycle.len() > MAX_SHOWN {
            names.push(format!("({} more)", cycle.len() - MAX_SHOWN));
        }
        let Some((start, _)) = cycle.first() else { return };
        names.push(name(*start));
        let message = format!("steps wait for each other: {}", names.join(" → "));
        let mut fault = self.fault(Code::Cycle, graph.step(*start).key.span, message);
        for (at, (step, said)) in cycle.iter().enumerate().take(MAX_SHOWN) {
            let next = cycle[(at + 1) % cycle.len()].0;
            // The edge is said by the step that waits.
            fault = fault.related(
                self.doc.place(*said),
                format!("{} needs {}", name(next), name(*step)),
            );
        }
        self.push(fault.hint("leave out one of these edges"));
    }
}

fn waits(graph: &Graph<'_>) -> Waits {
    let mut waits: Waits = graph
        .drafts
        .iter()
        .map(|draft| {
            let edges = draft.edges.iter().map(|(step, edge)| (*step, edge.said));
            let route = draft.step.arm.as_ref().map(|arm| (arm.route, draft.key.span));
            edges.chain(route).collect()
        })
        .collect();
    for (at, draft) in graph.drafts.iter().enumerate() {
        // A stand-in starts after what it stands in for.
        if let Setting::Is(OnError::Run(name)) = &draft.step.settings.on_error
            && let Some(step) = graph.index.get(name.as_str())
            && *step as usize != at
        {
            let said = draft
                .node
                .get("on_error")
                .map_or(draft.key.span, |node| node.span);
            waits[*step as usize].push((at as StepIndex, said));
        }
    }
    waits
}

/// Which steps are left when all that can ever start are taken away: those on cycles, and those behind them.
fn in_cycles(waits: &Waits) -> Vec<bool> {
    let mut open: Vec<usize> = waits.iter().map(Vec::len).collect();
    let mut waiting = vec![Vec::new(); waits.len()];
    for (to, from) in waits.iter().enumerate() {
        for (from, _) in from {
            waiting[*from as usize].push(to);
        }
    }
    let mut free: Vec<usize> = (0..waits.len()).filter(|step| open[*step] == 0).collect();
    let mut left = vec![true; waits.len()];
    while let Some(step) = free.pop() {
        left[step] = false;
        for next in &waiting[step] {
            open[*next] -= 1;
            if open[*next] == 0 {
                free.push(*next);
            }
        }
    }
    left
}

/// A step on a cycle, found by walking back from one that is behind it.
fn on_cycle(waits: &Waits, left: &[bool], from: usize) -> usize {
    let mut seen = vec![false; waits.len()];
    let mut at = from;
    while !seen[at] {
        seen[at] = true;
        let back = waits[at].iter().find(|(step, _)| left[*step as usize]);
        at = back.map_or(at, |(step, _)| *step as usize);
    }
    // Of those on the cycle, the one declared first.
    let (mut first, start) = (at, at);
    loop {
        let back = waits[at].iter().find(|(step, _)| left[*step as usize]);
        at = back.map_or(start, |(step, _)| *step as usize);
        if at == start {
            return first;
        }
        first = first.min(at);
    }
}

/// A shortest cycle through a step: each step with the place that says that the next one needs it.
fn shortest(waits: &Waits, left: &[bool], start: usize) -> Vec<(StepIndex, Span)> {
    let mut towards: Vec<Option<(usize, Span)>> = vec![None; waits.len()];
    let mut queue = VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for (step, said) in &waits[at] {
            let step = *step as usize;
            if !left[step] || towards[step].is_some() {
                continue;
            }
            towards[step] = Some((at, *said));
            if step == start {
                break;
            }
            queue.push_back(step);
        }
    }
    let mut cycle = Vec::new();
    let mut at = start;
    while let Some((next, said)) = towards[at] {
        cycle.push((at as StepIndex, said));
        at = next;
        if at == start {
            break;
        }
    }
    cycle
}
