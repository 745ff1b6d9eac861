//! Programs: a plan linked to the behaviour it names, ready to run. One is shared by all runs of a pipeline.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::cx::Cx;
use super::op::{Done, Inputs, Phase};
use crate::error::StepError;
use crate::log::Unit;
use crate::plan::{NeedKind, Pinned, Plan, Source};
use crate::settings::Resolved;
use crate::value::Value;

/// The behaviour of one step: the same object inside the local engine and inside a worker of a cluster.
pub(crate) trait Act: Send + Sync {
    /// Runs one attempt of one part of the step.
    fn act(&self, cx: Cx, inputs: Inputs, phase: Phase) -> BoxFuture<'static, Result<Done, StepError>>;

    /// Makes the output of a map from those of its items.
    fn gather(&self, items: Vec<Value>) -> Value {
        Value::list(items)
    }
}

/// A plan and its behaviour, with the tables that make deciding cheap.
pub(crate) struct Program {
    pub(crate) plan: Arc<Plan>,
    /// The same with its hash and text.
    pub(crate) pinned: Arc<Pinned>,
    pub(crate) acts: Vec<Arc<dyn Act>>,
    /// Makes the output and saves artifacts; none where the output is simply a step's.
    pub(crate) finish: Option<Arc<dyn Act>>,
    /// Settings of each step without those of the call.
    pub(crate) settings: Vec<Arc<Resolved>>,
    /// What nested pipelines and inline arms run: by step, then by arm (a nested pipeline has one, unnamed).
    pub(crate) children: Vec<Vec<(String, Arc<Program>)>>,
    /// What runs when the run would fail, and the behaviour that makes its inputs.
    pub(crate) fallback: Option<(Arc<Program>, Arc<dyn Act>)>,
    /// The steps that a step wakes when it settles: `targets[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    targets: Vec<u32>,
    /// How many steps each step waits for.
    pub(crate) waits: Vec<u32>,
    /// Whether its expressions read facts rather than typed values.
    pub(crate) reads_facts: bool,
    /// Whether it lends its parent's facts: inline arms and written-out fallbacks do.
    pub(crate) borrows: bool,
    /// Whether it is one call of a pipeline as a tool.
    pub(crate) is_call: bool,
}

/// The parts of a program that linking makes.
pub(crate) struct Parts {
    pub(crate) acts: Vec<Arc<dyn Act>>,
    pub(crate) finish: Option<Arc<dyn Act>>,
    pub(crate) children: Vec<Vec<(String, Arc<Program>)>>,
    pub(crate) fallback: Option<(Arc<Program>, Arc<dyn Act>)>,
    pub(crate) reads_facts: bool,
    pub(crate) borrows: bool,
}

impl Program {
    pub(crate) fn new(plan: Arc<Plan>, parts: Parts) -> Self {
        let plain = Arc::new(Resolved::default());
        let settings = (0..plan.steps.len() as u32)
            .map(|step| {
                let resolved = plan.resolve(step, None);
                if resolved == *plain {
                    plain.clone()
                } else {
                    Arc::new(resolved)
                }
            })
            .collect();
        let edges = edges(&plan);
        let mut starts = vec![0u32; plan.steps.len() + 1];
        let mut waits = vec![0u32; plan.steps.len()];
        for (from, to) in &edges {
            starts[*from as usize + 1] += 1;
            waits[*to as usize] += 1;
        }
        for i in 0..plan.steps.len() {
            starts[i + 1] += starts[i];
        }
        let mut next = starts.clone();
        let mut targets = vec![0u32; edges.len()];
        for (from, to) in edges {
            targets[next[from as usize] as usize] = to;
            next[from as usize] += 1;
        }
        let Parts {
            acts,
            finish,
            children,
            fallback,
            reads_facts,
            borrows,
        } = parts;
        Self {
            pinned: Arc::new(Pinned::new(plan.clone())),
            plan,
            acts,
            finish,
            settings,
            children,
            fallback,
            starts,
            targets,
            waits,
            reads_facts,
            borrows,
            is_call: false,
        }
    }

    /// The behaviour of a step or of the end of a scope.
    pub(super) fn act(&self, unit: Unit, phase: &Phase) -> Option<&Arc<dyn Act>> {
        match (unit.step, phase) {
            (Unit::FINISH, Phase::Fallback(_)) => self.fallback.as_ref().map(|(_, act)| act),
            (Unit::FINISH, _) => self.finish.as_ref(),
            (step, _) => self.acts.get(step as usize),
        }
    }

    /// The steps that wait for `step`, in declaration order.
    pub(crate) fn dependents(&self, step: u32) -> &[u32] {
        &self.targets[self.starts[step as usize] as usize..self.starts[step as usize + 1] as usize]
    }

    /// The program under an arm of a route, or under a nested pipeline (`arm` empty).
    pub(crate) fn child(&self, step: u32, arm: &str) -> Option<Arc<Program>> {
        self.children[step as usize]
            .iter()
            .find(|(name, _)| name == arm)
            .map(|(_, program)| program.clone())
    }

    /// The steps a source reads.
    pub(crate) fn first_steps(source: &Source, found: &mut Vec<u32>) {
        let mut open = vec![source];
        while let Some(source) = open.pop() {
            match source {
                Source::Input => {}
                Source::Step(step) => found.push(*step),
                Source::First(sources) => open.extend(sources.iter().rev()),
            }
        }
    }
}

/// Which step waits for which, in declaration order of the waiting ones: needs, arms and stand-ins.
fn edges(plan: &Plan) -> Vec<(u32, u32)> {
    let mut edges = Vec::new();
    for (to, step) in plan.steps.iter().enumerate() {
        let to = to as u32;
        edges.extend(step.needs.iter().map(|need| (need.step, to)));
        if let Some(member) = &step.arm
            && !step.needs.iter().any(|need| need.step == member.route)
        {
            edges.push((member.route, to));
        }
    }
    // A step that stands in for others is settled, one way or the other, after them.
    for (from, step) in plan.steps.iter().enumerate() {
        if let crate::settings::OnError::Run(target) = &plan.resolve(from as u32, None).on_error
            && let Some(to) = plan.step(target)
            && !step.needs.iter().any(|need| need.step == to)
            && !waits_for(&plan.steps[to as usize], from as u32)
        {
            edges.push((from as u32, to));
        }
    }
    edges
}

/// Whether a step waits for another as the plan says.
fn waits_for(step: &crate::plan::Step, other: u32) -> bool {
    let route = step.arm.as_ref().map(|member| member.route);
    step.needs
        .iter()
        .map(|need| need.step)
        .chain(route)
        .any(|at| at == other)
}

/// Whether a need is met by any end of the step.
pub(crate) fn tolerates(kind: NeedKind) -> bool {
    kind == NeedKind::Settled
}
