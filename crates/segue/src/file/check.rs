//! The check of a file as a whole, once everything in it is read: names, edges, types, and what only shows across steps.

use std::collections::HashMap;

use super::reader::{Reader, Section};
use super::refer::Used;
use super::steps::{Draft, Graph, GraphKind};
use super::text::Owner;
use super::types::{Optional, Types};
use crate::budget::Budget;
use crate::fault::{Code, Span, quote};
use crate::plan::{AGENT, Action, Arm, Context, ModelRef, NeedKind, RouteBy, Step, StepIndex, ToolUse};
use crate::schema::Schema;
use crate::settings::{OnError, Resolved, Setting, Settings};

/// The most edges between the steps of a file.
const MAX_EDGES: usize = 1_000_000;

/// The steps of a file, and those of a fallback that is written out in it.
pub(super) struct Graphs<'d> {
    pub main: Graph<'d>,
    pub fallback: Option<Graph<'d>>,
}

/// What the check makes of a file.
pub(super) struct Checked {
    pub main: Vec<Step>,
    pub fallback: Vec<Step>,
    /// What the texts of the file use.
    pub used: Used,
    /// Type of the output, where it is known.
    pub output: Option<Schema>,
}

impl<'d> Graphs<'d> {
    pub(super) fn get(&self, kind: GraphKind) -> &Graph<'d> {
        match (kind, &self.fallback) {
            (GraphKind::Fallback, Some(graph)) => graph,
            _ => &self.main,
        }
    }

    pub(super) fn get_mut(&mut self, kind: GraphKind) -> &mut Graph<'d> {
        match (kind, &mut self.fallback) {
            (GraphKind::Fallback, Some(graph)) => graph,
            _ => &mut self.main,
        }
    }

    /// Both graphs.
    pub(super) fn kinds(&self) -> &'static [GraphKind] {
        match self.fallback {
            Some(_) => &[GraphKind::Main, GraphKind::Fallback],
            None => &[GraphKind::Main],
        }
    }

    /// The step an owner means by a name: a fallback sees its own steps first, then those of the failed run.
    pub(super) fn find(&self, owner: Owner, name: &str) -> Option<(GraphKind, StepIndex)> {
        if matches!(owner, Owner::FallbackStep(_) | Owner::FallbackEnd)
            && let Some(step) = self.fallback.as_ref().and_then(|graph| graph.index.get(name))
        {
            return Some((GraphKind::Fallback, *step));
        }
        self.main.index.get(name).map(|step| (GraphKind::Main, *step))
    }

    /// The steps an owner can name.
    pub(super) fn visible(&self, owner: Owner) -> impl Iterator<Item = &'d str> {
        let own = matches!(owner, Owner::FallbackStep(_) | Owner::FallbackEnd);
        let own = self.fallback.as_ref().filter(|_| own);
        own.into_iter().flat_map(Graph::names).chain(self.main.names())
    }

    /// The name of the element in the templates of an owner, where it is a map.
    pub(super) fn item_of(&self, owner: Owner) -> Option<&str> {
        let (kind, at) = owner.step()?;
        Some(&self.get(kind).step(at).step.each.as_ref()?.name)
    }

    /// Whether a reader is left out whenever an arm's step is: it is on the same arm, or needs only steps on arms.
    pub(super) fn goes_with(&self, reader: Owner, step: (GraphKind, StepIndex)) -> bool {
        let Some((kind, at)) = reader.step() else {
            return false;
        };
        if kind != step.0 {
            return false;
        }
        let graph = self.get(kind);
        let draft = graph.step(at);
        let arm = |at: StepIndex| graph.step(at).step.arm.as_ref();
        if draft.step.arm.is_some() {
            return draft.step.arm.as_ref() == arm(step.1);
        }
        let mut read = draft
            .edges
            .iter()
            .filter(|(_, edge)| edge.kind > NeedKind::Settled);
        let route = arm(step.1).map(|arm| (arm.route, &arm.arm));
        read.all(|(at, _)| arm(*at).map(|arm| (arm.route, &arm.arm)) == route)
    }
}

/// Checks a file and finishes its steps.
pub(super) fn check<'d>(
    reader: &mut Reader<'_, '_, 'd>,
    mut graphs: Graphs<'d>,
    top: &Section<'d>,
    output_schema: Option<&Schema>,
    budget: Option<Budget>,
) -> Checked {
    let texts = std::mem::take(&mut reader.texts);
    let mut used: Used = reader.refer(&texts, &mut graphs);
    reader.note_prompts(&mut used);
    let edges: usize = graphs.main.drafts.iter().map(|draft| draft.edges.len()).sum();
    if let Some((key, _)) = top.entry("steps").filter(|_| edges > MAX_EDGES) {
        let message = format!("the steps have {edges} edges, at most {MAX_EDGES} are read");
        reader.report(Code::TooLarge, key.span, message);
    }
    let mut optional = HashMap::new();
    for kind in graphs.kinds() {
        reader.stand_ins(graphs.get_mut(*kind));
        reader.cycles(graphs.get(*kind));
        for at in 0..graphs.get(*kind).drafts.len() {
            let resolved = reader.resolved(&graphs.get(*kind).drafts[at]);
            reader.check_step(graphs.get(*kind), at, &resolved);
            let draft = &mut graphs.get_mut(*kind).drafts[at];
            optional.extend(may_be_left_out(draft, &resolved).map(|why| ((*kind, at as StepIndex), why)));
            draft.step.output_schema = output_of(draft, &resolved);
            draft.step.needs = draft.plan_needs();
        }
    }
    for kind in graphs.kinds() {
        left_out_together(graphs.get(*kind), *kind, &mut optional);
    }
    for kind in graphs.kinds() {
        for at in 0..graphs.get(*kind).drafts.len() {
            let agents = agents_of(&graphs.get(*kind).drafts[at].step.action);
            let reads = reader.reads_of(&used, kind.step(at as StepIndex), agents);
            graphs.get_mut(*kind).drafts[at].step.reads = reads;
        }
    }
    let inputs = reader.names.inputs.clone();
    let types = Types::new(&graphs, &texts, &inputs, &optional);
    reader.check_types(&types);
    reader.check_fits(&types);
    reader.check_routes(&types);
    let output = reader.output_type(&types, top, output_schema);
    reader.unused(&used, &types, top);
    if let Some(budget) = budget {
        reader.check_prices(&graphs, &budget);
    }
    let steps = |graph: Graph<'_>| graph.drafts.into_iter().map(|draft| draft.step).collect();
    Checked {
        main: steps(graphs.main),
        fallback: graphs.fallback.map(steps).unwrap_or_default(),
        used,
        output,
    }
}

impl<'d> Reader<'_, '_, 'd> {
    /// The inputs that are read where a step runs: by its own texts, by those of its agents and of the agents these can
    /// ask, and by what all steps share.
    pub(super) fn reads_of<'a>(&'a self, used: &Used, own: Owner, mut agents: Vec<&'a str>) -> Vec<String> {
        let mut owners = vec![own, Owner::Shared];
        while let Some(name) = agents.pop() {
            let Some((at, _, agent)) = self.names.agents.get_full(name) else {
                continue;
            };
            let owner = Owner::Agent(at as u32);
            if !owners.contains(&owner) {
                owners.push(owner);
                agents.extend(agents_among(&agent.planned.tools));
            }
        }
        let inputs = self.names.inputs.keys();
        inputs
            .filter(|input| used.is_read_by(&owners, input))
            .cloned()
            .collect()
    }

    /// Finds the steps that stand in for others: they never start by themselves.
    fn stand_ins(&mut self, graph: &mut Graph<'d>) {
        for at in 0..graph.drafts.len() {
            let draft = &graph.drafts[at];
            let Setting::Is(OnError::Run(name)) = &draft.step.settings.on_error else {
                continue;
            };
            let name = name.clone();
            let said = draft.node.get("on_error").and_then(|node| node.get("run"));
            let span = said.map_or(draft.key.span, |node| node.span);
            match self.find_step(graph, &name, span) {
                Some(step) if step as usize == at => {
                    let message = format!("step {} cannot stand in for itself", quote(&name));
                    self.report_with(Code::SelfEdge, span, message, "`retries: n` tries it again");
                }
                Some(step) => graph.drafts[step as usize].step.standby = true,
                None => {}
            }
        }
    }

    /// The settings that hold for a step.
    fn resolved(&self, draft: &Draft<'_>) -> Resolved {
        let agent = draft
            .step
            .action
            .agent()
            .and_then(|name| self.names.agents.get(name));
        let agent = agent.map(|agent| &agent.planned.settings);
        let levels: [Option<&Settings>; 3] = [
            Some(&self.names.defaults.settings),
            agent,
            Some(&draft.step.settings),
        ];
        Resolved::of(
            levels.into_iter().flatten(),
            &draft.step.name,
            &self.names.policies,
        )
    }

    /// What can only be said of a step once its settings and edges are known.
    fn check_step(&mut self, graph: &Graph<'d>, at: usize, resolved: &Resolved) {
        let draft = &graph.drafts[at];
        if !draft.is_whole {
            return;
        }
        if resolved.retry.when.is_some() && resolved.retry.max_attempts < 2 {
            let said = draft.node.get("retry").and_then(|node| node.entry("when"));
            let span = said.map_or(draft.key.span, |(key, _)| key.span);
            let message = format!(
                "step {} has one attempt: `retry.when` can ask for no other",
                quote(&draft.key.name)
            );
            self.report_with(Code::Conflict, span, message, "set `max_attempts` to 2 or more");
        }
        let (prompt, written) = match &draft.step.action {
            Action::Agent(step) => (step.prompt.as_deref(), draft.node.get("prompt")),
            Action::Route {
                by: RouteBy::Agent(step),
                ..
            } => (
                step.prompt.as_deref(),
                draft.node.get("route").and_then(|node| node.get("prompt")),
            ),
            _ => return,
        };
        if prompt.is_none() && written.is_some() {
            // It has a fault of its own.
            return;
        }
        let has_context = match draft.step.context {
            Context::None => false,
            Context::Auto | Context::Needs | Context::All | Context::Window(_) | Context::Summary => {
                draft.edges.values().any(|edge| edge.kind > NeedKind::Settled)
            }
        };
        if prompt.is_none_or(|prompt| prompt.trim().is_empty()) && !has_context {
            let message = format!("step {} has nothing to ask its agent", quote(&draft.key.name));
            let hint = "give it a `prompt`, or `needs` whose results are its context";
            self.report_with(Code::NoPrompt, draft.key.span, message, hint);
        }
    }

    /// Models without a price under a budget in dollars.
    fn check_prices(&mut self, graphs: &Graphs<'d>, budget: &Budget) {
        let in_dollars = budget
            .usd
            .or(budget.per_call.usd)
            .or(budget.per_day.usd)
            .is_some();
        let Some(prices) = self
            .loader
            .options
            .prices
            .clone()
            .filter(|_| in_dollars && !budget.allow_unpriced)
        else {
            return;
        };
        let mut asked: Vec<(Span, &[ModelRef])> = Vec::new();
        for draft in graphs.kinds().iter().flat_map(|kind| &graphs.get(*kind).drafts) {
            let (Action::Agent(step)
            | Action::Route {
                by: RouteBy::Agent(step),
                ..
            }) = &draft.step.action
            else {
                continue;
            };
            let of_agent = self
                .names
                .agents
                .get(&step.agent)
                .map(|agent| (agent.at, agent.planned.models.as_slice()));
            let own = step.over.models.as_deref().map(|models| (draft.key.span, models));
            let Some((span, models)) = own.or(of_agent) else {
                continue;
            };
            asked.push((span, models));
        }
        asked.extend(self.asked_by_patterns());
        let mut unpriced: Vec<(Span, String)> = Vec::new();
        for (span, models) in asked {
            // What `auto` comes to mean is priced at the start; a local server sends no bill.
            let known = models
                .iter()
                .filter_map(|model| Some((model, model.name.split_once('/')?)));
            let billed = known.filter(|(_, (provider, _))| !matches!(*provider, "auto" | "ollama"));
            let without =
                billed.filter(|(_, (provider, name))| prices.look_up(provider, name).price.is_none());
            unpriced.extend(without.map(|(model, _)| (span, model.name.clone())));
        }
        unpriced.sort_unstable_by(|a, b| (a.0.start, &a.1).cmp(&(b.0.start, &b.1)));
        unpriced.dedup();
        for (span, model) in unpriced {
            let message = format!("{} has no price, and the budget is in dollars", quote(&model));
            let hint =
                "let the operator set its price, or say `allow_unpriced: true` and limit tokens or requests";
            self.report_with(Code::NoPrice, span, message, hint);
        }
    }
}

/// The agents a step asks, itself, on its inline arms or through its tools.
fn agents_of(action: &Action) -> Vec<&str> {
    let mut agents: Vec<&str> = action.agent().into_iter().collect();
    if let Action::Route { arms, .. } = action {
        for arm in arms.values() {
            if let Arm::Inline(step) = arm {
                agents.extend(step.action.agent());
                agents.extend(helpers(&step.action));
            }
        }
    }
    agents.extend(helpers(action));
    agents
}

/// The agents that the tools of a step itself stand for.
fn helpers(action: &Action) -> impl Iterator<Item = &str> {
    let over = match action {
        Action::Agent(step)
        | Action::Route {
            by: RouteBy::Agent(step),
            ..
        } => step.over.tools.as_deref(),
        _ => None,
    };
    agents_among(over.unwrap_or_default())
}

fn agents_among(tools: &[ToolUse]) -> impl Iterator<Item = &str> {
    tools.iter().filter_map(|tool| tool.name.strip_prefix(AGENT))
}

/// Why a step may have no output though the run goes on.
fn may_be_left_out(draft: &Draft<'_>, resolved: &Resolved) -> Option<Optional> {
    if draft.step.when.is_some() || resolved.on_error == OnError::Skip || draft.step.standby {
        return Some(Optional::Skipped);
    }
    draft.step.arm.as_ref().map(|_| Optional::Arm)
}

/// A step that needs only steps on arms is left out with them.
fn left_out_together(
    graph: &Graph<'_>,
    kind: GraphKind,
    optional: &mut HashMap<(GraphKind, StepIndex), Optional>,
) {
    let is_read = |kind| kind > NeedKind::Settled;
    let mut readers = vec![Vec::new(); graph.drafts.len()];
    let mut sure = vec![0_usize; graph.drafts.len()];
    for (at, draft) in graph.drafts.iter().enumerate() {
        for (step, _) in draft.edges.iter().filter(|(_, edge)| is_read(edge.kind)) {
            readers[*step as usize].push(at);
            sure[at] += 1;
        }
    }
    let arms = optional
        .iter()
        .filter(|(step, why)| step.0 == kind && **why == Optional::Arm);
    let mut open: Vec<StepIndex> = arms.map(|(step, _)| step.1).collect();
    while let Some(step) = open.pop() {
        for reader in &readers[step as usize] {
            sure[*reader] -= 1;
            let step = (kind, *reader as StepIndex);
            if sure[*reader] == 0 && !optional.contains_key(&step) {
                optional.insert(step, Optional::Arm);
                open.push(step.1);
            }
        }
    }
}

/// Type of the output of a step: of all its items for a map, and of what stands in for it.
fn output_of(draft: &Draft<'_>, resolved: &Resolved) -> Option<Schema> {
    let gives = draft.gives.as_ref()?;
    let one = match &resolved.on_error {
        OnError::Use(value) => {
            let value = value.to_json().ok()?;
            return gives.is_valid(&value).then(|| all_items(draft, gives.clone()));
        }
        OnError::Run(_) => return None,
        OnError::Keep if draft.step.each.is_some() => {
            // Each item is what it gave, or why it gave nothing.
            let crate::schema::Known::Schema(gives) = gives.field(&[]) else {
                return None;
            };
            let failed = serde_json::json!({
                "type": "object", "properties": {"error": {"type": "object"}}, "required": ["error"],
            });
            Schema::trusted(serde_json::json!({"anyOf": [gives.as_json(), failed]}))
        }
        _ => gives.clone(),
    };
    Some(all_items(draft, one))
}

fn all_items(draft: &Draft<'_>, one: Schema) -> Schema {
    match draft.step.each {
        Some(_) => one.array(),
        None => one,
    }
}
