//! The graph of a plan, with how far a run has come: what is drawn, and what a program reads of it.
//!
//! Made before any run, during one or after it; the boxes are the same. What a fallback would run is not part of it.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;

use super::StepStatus;
use super::draw::{Drawing, DrawnEdge, DrawnStep, EdgeKind};
use super::run::{RunView, StepView};
use crate::plan::{Action, Arm, Kind, NeedKind, Plan, PlannedPattern, RouteBy, Step};
use crate::settings::{OnError, Setting};

/// The name and version of this shape.
pub const GRAPH_SCHEMA: &str = "segue.graph/1";

/// Steps and the edges between them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphView {
    /// [`GRAPH_SCHEMA`].
    pub schema: &'static str,
    /// The pipeline.
    pub pipeline: String,
    /// Its human name.
    pub title: Option<String>,
    /// The pattern of it that this is.
    pub pattern: Option<PlannedPattern>,
    /// The steps in declaration order, what is nested right behind what it is nested in.
    pub steps: Vec<GraphStep>,
    /// Why one comes after another.
    pub edges: Vec<GraphEdge>,
}

/// A step of a graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphStep {
    /// Where it is in a run: `draft`, `sub/extract`, `pick/second`.
    pub path: String,
    /// Its human name.
    pub title: Option<String>,
    /// What kind of step it is.
    pub kind: Kind,
    /// What the kind alone does not say: the agent, the tool, what a map goes over.
    pub detail: Option<String>,
    /// Path of the expanded step around it.
    pub group: Option<String>,
    /// Where it stands in a run.
    pub status: Option<StepStatus>,
    /// How it went, on one line.
    pub note: Option<String>,
    /// Whether something it was made from has changed since.
    pub stale: bool,
    /// Whether its output was taken over from an earlier run.
    pub reused: bool,
}

/// An edge of a graph.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphEdge {
    /// Path of the step that comes first.
    pub from: String,
    /// Path of the one that comes after it.
    pub to: String,
    /// Why.
    pub kind: EdgeKind,
    /// The arm, or another word about it.
    pub label: Option<String>,
    /// For an arm of a route that has chosen: whether it was the one.
    pub taken: Option<bool>,
}

impl GraphView {
    /// The graph of a plan. With a run, how far it has come; with `expand`, what is inside of nested pipelines and arms.
    #[must_use]
    pub fn of(plan: &Plan, run: Option<&RunView>, expand: bool) -> Self {
        let mut sketch = Sketch {
            run,
            expand,
            steps: Vec::new(),
            edges: Vec::new(),
            exits: HashMap::new(),
        };
        sketch.draw(plan);
        Self {
            schema: GRAPH_SCHEMA,
            pipeline: plan.name.clone(),
            title: plan.title.clone(),
            pattern: plan.pattern.clone(),
            steps: sketch.steps,
            edges: sketch.edges,
        }
    }

    /// The graph as the value that pictures are made from.
    #[must_use]
    pub fn drawing(&self) -> Drawing {
        let at: HashMap<&str, usize> = self
            .steps
            .iter()
            .enumerate()
            .map(|(at, step)| (step.path.as_str(), at))
            .collect();
        let boxes = self.steps.iter().map(|step| DrawnStep {
            path: step.path.clone(),
            title: step.title.clone().unwrap_or_default(),
            kind: step.kind.as_str().to_owned(),
            detail: step.detail.clone(),
            group: step.group.clone(),
            status: step.status.map(|status| status.as_str().to_owned()),
            note: step.note.clone(),
            stale: step.stale,
            reused: step.reused,
        });
        let edges = self.edges.iter().filter_map(|edge| {
            Some(DrawnEdge {
                from: *at.get(edge.from.as_str())?,
                to: *at.get(edge.to.as_str())?,
                kind: edge.kind,
                label: edge.label.clone(),
                taken: edge.taken,
            })
        });
        Drawing {
            title: self.heading(),
            boxes: boxes.collect(),
            edges: edges.collect(),
        }
    }
}

impl GraphView {
    /// What the picture is of.
    fn heading(&self) -> String {
        let name = self.title.as_ref().unwrap_or(&self.pipeline);
        match &self.pattern {
            Some(pattern) if pattern.name != *name => {
                format!("{name}#{} ({})", pattern.name, pattern.strategy)
            }
            Some(pattern) => format!("{name} ({})", pattern.strategy),
            None => name.clone(),
        }
    }
}

/// A graph being made.
struct Sketch<'a> {
    run: Option<&'a RunView>,
    expand: bool,
    steps: Vec<GraphStep>,
    edges: Vec<GraphEdge>,
    /// Where an edge from an expanded step really begins.
    exits: HashMap<String, Vec<String>>,
}

/// What is about to be drawn.
enum Open<'a> {
    Step(Planned<'a>),
    Call(Callable<'a>),
}

/// A pipeline that the agent of a step may call as a tool.
struct Callable<'a> {
    tool: &'a str,
    plan: &'a Plan,
    path: String,
    by: String,
}

/// A step that is about to be drawn.
struct Planned<'a> {
    plan: &'a Plan,
    step: &'a Step,
    path: String,
    group: Option<String>,
    /// For the action in an arm: whether the route took it.
    taken: Option<bool>,
}

impl<'a> Sketch<'a> {
    /// Boxes depth first, so that a group is in one piece; then the edges of each plan.
    fn draw(&mut self, plan: &'a Plan) {
        let mut plans = vec![(plan, String::new())];
        let mut open: Vec<Open<'a>> = inside(plan, "").collect();
        open.reverse();
        while let Some(next) = open.pop() {
            let planned = match next {
                Open::Step(planned) => planned,
                Open::Call(call) => {
                    self.steps.push(self.callable(&call));
                    self.edge(call.by, call.path.clone(), EdgeKind::Order);
                    self.label("may call", None);
                    self.open(&mut open, call.plan, &call.path);
                    plans.push((call.plan, call.path));
                    continue;
                }
            };
            self.steps.push(self.drawn(&planned));
            let Planned {
                plan: own,
                step,
                path,
                ..
            } = planned;
            if !self.expand {
                continue;
            }
            for (tool, plan) in own.callable_by(step).into_iter().rev() {
                open.push(Open::Call(Callable {
                    tool: &tool.name,
                    plan,
                    path: below(&path, plan.called_as()),
                    by: path.clone(),
                }));
            }
            match &step.action {
                Action::Pipeline { plan, .. } => {
                    self.open(&mut open, plan, &path);
                    plans.push((plan, path));
                }
                Action::Route { arms, .. } => {
                    for (arm, inline) in inline_arms(arms).rev() {
                        let taken = self.taken(&path, arm);
                        let to = format!("{path}/{arm}");
                        open.push(Open::Step(Planned {
                            plan: own,
                            step: inline,
                            path: to,
                            group: Some(path.clone()),
                            taken,
                        }));
                    }
                    for (arm, _) in inline_arms(arms) {
                        self.edge(path.clone(), format!("{path}/{arm}"), EdgeKind::Arm);
                        self.label(arm, self.taken(&path, arm));
                    }
                }
                _ => {}
            }
        }
        for (plan, prefix) in plans {
            self.connect(plan, &prefix);
        }
    }

    /// What is inside of a pipeline is drawn next, and comes after it.
    fn open(&mut self, open: &mut Vec<Open<'a>>, plan: &'a Plan, path: &str) {
        let begin = open.len();
        open.extend(inside(plan, path));
        open[begin..].reverse();
        let first = |step: &&Step| step.needs.is_empty() && step.arm.is_none();
        for entry in plan.steps.iter().filter(first) {
            self.edge(path.to_owned(), below(path, &entry.name), EdgeKind::Order);
        }
    }

    /// The box of a pipeline that may be called; it stands for its first call.
    fn callable(&self, call: &Callable<'_>) -> GraphStep {
        let view = self.run.and_then(|run| run.step(&call.path));
        GraphStep {
            path: call.path.clone(),
            title: call.plan.title.clone(),
            kind: Kind::Pipeline,
            detail: Some(call.tool.to_owned()),
            group: Some(call.by.clone()),
            status: view.map(|view| view.status),
            note: view.and_then(note),
            stale: false,
            reused: false,
        }
    }

    fn drawn(&self, planned: &Planned<'_>) -> GraphStep {
        let Planned {
            plan: _,
            step,
            path,
            group,
            taken,
        } = planned;
        let view = self.run.and_then(|run| run.step(path));
        // An arm that was not taken has no record.
        let left_out = (*taken == Some(false)).then_some(StepStatus::Skipped);
        GraphStep {
            path: path.clone(),
            title: step.title.clone(),
            kind: step.kind,
            detail: detail(step),
            group: group.clone(),
            status: view.map(|view| view.status).or(left_out),
            note: view.and_then(note),
            stale: view.is_some_and(|view| view.stale),
            reused: view.is_some_and(|view| view.reused_from.is_some()),
        }
    }

    /// The edges between the steps of one plan.
    fn connect(&mut self, plan: &'a Plan, prefix: &str) {
        for step in &plan.steps {
            let to = below(prefix, &step.name);
            let route = step.arm.as_ref().map(|member| member.route);
            for need in step.needs.iter().filter(|need| Some(need.step) != route) {
                let Some(from) = plan.steps.get(need.step as usize) else {
                    continue;
                };
                let kind = match need.kind {
                    NeedKind::Data => EdgeKind::Data,
                    NeedKind::Order | NeedKind::Settled => EdgeKind::Order,
                };
                for from in self.exits(from, below(prefix, &from.name)) {
                    self.edge(from, to.clone(), kind);
                }
            }
            if let Some(member) = &step.arm
                && let Some(route) = plan.steps.get(member.route as usize)
                && !step.needs.iter().any(|need| is_in_arm(plan, need.step, member))
            {
                let route = below(prefix, &route.name);
                let taken = self.taken(&route, &member.arm);
                self.edge(route, to.clone(), EdgeKind::Arm);
                self.label(&member.arm, taken);
            }
            if let Setting::Is(OnError::Run(stand_in)) = &step.settings.on_error {
                self.edge(to, below(prefix, stand_in), EdgeKind::Order);
                self.label("on error", None);
            }
        }
    }

    /// The boxes from which what comes after a step is reached: of an expanded step, the last ones inside.
    fn exits(&mut self, step: &'a Step, path: String) -> Vec<String> {
        if let Some(known) = self.exits.get(&path) {
            return known.clone();
        }
        let mut exits = Vec::new();
        let mut open = vec![(step, path.clone())];
        while let Some((step, path)) = open.pop() {
            match &step.action {
                Action::Pipeline { plan, .. } if self.expand && !plan.steps.is_empty() => {
                    open.extend(
                        last_steps(plan)
                            .rev()
                            .map(|last| (last, below(&path, &last.name))),
                    );
                }
                Action::Route { arms, .. } if self.expand && inline_arms(arms).next().is_some() => {
                    if inline_arms(arms).count() < arms.len() {
                        exits.push(path.clone());
                    }
                    open.extend(
                        inline_arms(arms)
                            .rev()
                            .map(|(arm, inline)| (inline, format!("{path}/{arm}"))),
                    );
                }
                _ => exits.push(path),
            }
        }
        self.exits.insert(path, exits.clone());
        exits
    }

    fn taken(&self, route: &str, arm: &str) -> Option<bool> {
        let chosen = self.run?.step(route)?.route.as_ref()?;
        Some(chosen.arm == arm)
    }

    fn edge(&mut self, from: String, to: String, kind: EdgeKind) {
        self.edges.push(GraphEdge {
            from,
            to,
            kind,
            label: None,
            taken: None,
        });
    }

    /// Says more about the edge drawn last.
    fn label(&mut self, label: &str, taken: Option<bool>) {
        if let Some(edge) = self.edges.last_mut() {
            edge.label = Some(label.to_owned());
            edge.taken = taken;
        }
    }
}

fn inside<'a>(plan: &'a Plan, around: &str) -> impl Iterator<Item = Open<'a>> {
    let group = (!around.is_empty()).then(|| around.to_owned());
    plan.steps.iter().map(move |step| {
        Open::Step(Planned {
            plan,
            step,
            path: below(group.as_deref().unwrap_or_default(), &step.name),
            group: group.clone(),
            taken: None,
        })
    })
}

fn below(around: &str, name: &str) -> String {
    if around.is_empty() {
        name.to_owned()
    } else {
        format!("{around}/{name}")
    }
}

fn inline_arms(arms: &indexmap::IndexMap<String, Arm>) -> impl DoubleEndedIterator<Item = (&String, &Step)> {
    arms.iter().filter_map(|(name, arm)| match arm {
        Arm::Inline(step) => Some((name, &**step)),
        Arm::Nothing | Arm::Steps(_) => None,
    })
}

/// The steps of a plan that no other step needs.
fn last_steps(plan: &Plan) -> impl DoubleEndedIterator<Item = &Step> {
    let mut is_needed = vec![false; plan.steps.len()];
    for step in &plan.steps {
        let route = step.arm.as_ref().map(|member| member.route);
        for need in step.needs.iter().map(|need| need.step).chain(route) {
            if let Some(needed) = is_needed.get_mut(need as usize) {
                *needed = true;
            }
        }
    }
    plan.steps
        .iter()
        .enumerate()
        .filter(move |(at, _)| !is_needed[*at])
        .map(|(_, step)| step)
}

fn is_in_arm(plan: &Plan, step: u32, member: &crate::plan::Membership) -> bool {
    plan.steps
        .get(step as usize)
        .is_some_and(|step| step.arm.as_ref() == Some(member))
}

/// What the kind of a step alone does not say.
fn detail(step: &Step) -> Option<String> {
    let what = match &step.action {
        Action::Function {
            rounds: Some(rounds), ..
        } => Some(format!("at most {rounds} rounds")),
        Action::Function { agent, .. } => agent.clone(),
        Action::Agent(agent) => Some(agent.agent.clone()),
        Action::Tool { tool, .. } => Some(tool.clone()),
        Action::Ask(ask) => Some(ask.title.clone()),
        Action::Pipeline { plan, .. } => Some(plan.name.clone()),
        Action::Route { by, .. } => match by {
            RouteBy::Value(_) => None,
            RouteBy::Expression(expression) => Some(expression.clone()),
            RouteBy::Agent(agent) => Some(format!("by {}", agent.agent)),
            RouteBy::Tool { tool, .. } => Some(format!("by {tool}")),
            RouteBy::Split { .. } => Some("by weight".to_owned()),
            RouteBy::FirstOf(_) => Some("the first that succeeds".to_owned()),
        },
        Action::Set(_) => None,
    };
    let each = step.each.as_ref().map(|each| match &each.list {
        Some(list) => format!("for each of {list}"),
        None => "for each".to_owned(),
    });
    match (what, each) {
        (Some(what), Some(each)) => Some(format!("{what} {each}")),
        (what, each) => what.or(each),
    }
}

/// How a step went, on one line; nothing before it began.
fn note(view: &StepView) -> Option<String> {
    if let Some(skipped) = &view.skipped {
        return Some(skipped.text.clone());
    }
    let mut parts = Vec::new();
    if let Some(ms) = view.duration_ms {
        parts.push(short(Duration::from_millis(ms)));
    }
    if !view.cost.is_zero() {
        parts.push(view.cost.to_string());
    }
    match (view.tries(), view.status.is_settled()) {
        (0 | 1, _) => {}
        (n, true) => parts.push(format!("{n} attempts")),
        (n, false) => parts.push(format!("attempt {n}")),
    }
    if let Some(items) = &view.items {
        parts.push(format!("{} of {} items", items.succeeded, items.total));
    }
    (!parts.is_empty()).then(|| parts.join("  "))
}

/// A duration in the two largest units that say enough.
fn short(duration: Duration) -> String {
    let (ms, secs) = (duration.as_millis(), duration.as_secs());
    match secs {
        0 => format!("{ms} ms"),
        1..60 => format!("{secs}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        _ => format!("{} h {} min", secs / 3600, secs % 3600 / 60),
    }
}

#[cfg(test)]
mod tests;
