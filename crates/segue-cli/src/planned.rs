//! The plan as everybody reads it, `segue.plan/1`: what would run, what models would see, what it may cost.

use std::collections::BTreeMap;
use std::time::Duration;

use indexmap::IndexMap;
use segue::fault::{Fault, Faults};
use segue::model::tokens_of;
use segue::plan::{Action, Context, Kind, NeedKind, Output, PlannedPattern};
use segue::settings::Backoff;
use segue::view::{GraphEdge, GraphView};
use segue::{Budget, Plan, Registry};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::bounds;
use crate::history::{History, Seen};
use crate::holes::{self, Filled};
use crate::ranges::{CostRange, Ranges, StepCost};
use crate::sites::{self, Offer, Site};

mod tools;

/// A plan with what is known of its run. Facts that are not known are null.
#[derive(Debug, Serialize)]
pub(crate) struct PlanView {
    schema: &'static str,
    pub(crate) pipeline: String,
    /// The pattern of it that this is.
    pattern: Option<PlannedPattern>,
    plan_hash: String,
    pub(crate) inputs: Json,
    output: Json,
    pub(crate) models: IndexMap<String, PlannedModel>,
    pub(crate) steps: Vec<PlannedStep>,
    edges: Vec<GraphEdge>,
    routes: IndexMap<String, Vec<String>>,
    pub(crate) critical_path: Vec<String>,
    pub(crate) cost: CostRange,
    budgets: Vec<Json>,
    warnings: Vec<Fault>,
}

/// What a model name means here.
#[derive(Debug, Serialize)]
pub(crate) struct PlannedModel {
    pub(crate) asked: Vec<String>,
    pub(crate) chosen: Option<String>,
    pub(crate) source: Option<String>,
    priced: bool,
}

/// One step of the plan.
#[derive(Debug, Serialize)]
pub(crate) struct PlannedStep {
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) agent: Option<String>,
    pub(crate) needs: Vec<String>,
    optional_needs: Vec<String>,
    when: Option<String>,
    pub(crate) will: &'static str,
    pub(crate) why: Option<String>,
    pub(crate) prompt: Prompt,
    context: Option<String>,
    tools: Vec<Json>,
    output_schema: Option<Json>,
    pub(crate) limits: Limits,
    pub(crate) cost: StepCost,
}

/// What the model will see.
#[derive(Debug, Serialize)]
pub(crate) struct Prompt {
    pub(crate) status: &'static str,
    pub(crate) system: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) waiting_for: Vec<String>,
    tokens: Tokens,
}

#[derive(Debug, Default, Serialize)]
struct Tokens {
    min: Option<u64>,
    likely: Option<u64>,
    max: Option<u64>,
}

/// What limits a step.
#[derive(Debug, Serialize)]
pub(crate) struct Limits {
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) step_timeout_ms: Option<u64>,
    pub(crate) retries: u32,
    pub(crate) backoff: Backoff,
    pub(crate) budget: Option<Budget>,
    max_tokens: Option<u32>,
}

impl PlanView {
    /// What is known of a run of this plan with these inputs, after these runs.
    pub(crate) fn of(
        plan: &Plan,
        inputs: &Map<String, Json>,
        (models, registry): (Offer<'_>, &Registry),
        total: Option<&Budget>,
        warnings: &Faults,
        history: &History,
    ) -> Self {
        let sites = sites::of(plan);
        let mut ranges = Ranges::new(history, models.prices);
        let graph = GraphView::of(plan, None, true);
        let mut steps: IndexMap<String, PlannedStep> = IndexMap::with_capacity(sites.len());
        for site in &sites {
            let around = site
                .path
                .rsplit_once('/')
                .and_then(|(around, _)| steps.get(around));
            let (will, why) = will(site, around);
            let found = sites::meaning(site, models)
                .map(|meaning| meaning.found)
                .unwrap_or_default();
            let chosen: Vec<&str> = found.iter().map(|model| model.chosen.as_str()).collect();
            let mut prompt = Prompt::of(site, inputs);
            let bounds = bounds::of_site(site, bounds::around(&sites, site), models, &prompt);
            prompt.remembers(history.tokens(&site.path, &chosen));
            let cost = ranges.step(&site.path, &bounds, &chosen, will == "run");
            let step = PlannedStep::of(site, (will, why), prompt, cost, registry);
            steps.insert(site.path.clone(), step);
        }
        let steps = steps.into_values().collect();
        let routes = sites.iter().filter_map(|site| match &site.step.action {
            Action::Route { arms, .. } => Some((site.path.clone(), arms.keys().cloned().collect())),
            _ => None,
        });
        Self {
            schema: "segue.plan/1",
            pipeline: plan.name.clone(),
            pattern: plan.pattern.clone(),
            plan_hash: plan.hash().to_string(),
            inputs: Json::Object(inputs.clone()),
            output: output(plan),
            models: named_models(&sites, models),
            steps,
            edges: graph.edges,
            routes: routes.collect(),
            critical_path: critical_path(plan),
            cost: ranges.run(total.and_then(|total| total.usd)),
            budgets: total
                .map(|total| json!({"name": "run", "limits": total}))
                .into_iter()
                .collect(),
            warnings: warnings.list().into_iter().cloned().collect(),
        }
    }
}

impl PlannedStep {
    fn of(
        site: &Site<'_>,
        (will, why): (&'static str, Option<String>),
        prompt: Prompt,
        cost: StepCost,
        registry: &Registry,
    ) -> Self {
        let step = site.step;
        let mut needs = Vec::new();
        let mut optional = Vec::new();
        for need in &step.needs {
            let Some(needed) = site.plan.steps.get(need.step as usize) else {
                continue;
            };
            match need.kind {
                NeedKind::Settled => optional.push(needed.name.clone()),
                NeedKind::Data | NeedKind::Order => needs.push(needed.name.clone()),
            }
        }
        let agent = site.asks().and_then(|asked| site.plan.agents.get(&asked.agent));
        let wanted = agent.map(|agent| agent.tools.as_slice()).unwrap_or_default();
        Self {
            path: site.path.clone(),
            kind: step.kind,
            agent: step.action.agent().map(str::to_owned),
            needs,
            optional_needs: optional,
            when: step.when.clone(),
            will,
            why,
            prompt,
            context: agent.map(|_| context(step.context)),
            tools: tools::of(site.plan, wanted, registry),
            output_schema: step.output_schema.as_ref().map(|schema| schema.as_json().clone()),
            limits: Limits::of(site),
            cost,
        }
    }
}

impl Prompt {
    /// Inputs are known only to steps of the run's own plan: a nested pipeline has its own.
    pub(crate) fn of(site: &Site<'_>, inputs: &Map<String, Json>) -> Self {
        let inputs = (!is_nested(site)).then_some(inputs);
        let none = Self {
            status: "none",
            system: None,
            user: None,
            waiting_for: Vec::new(),
            tokens: Tokens::default(),
        };
        let Some(asked) = site.asks() else { return none };
        let nothing = Map::new();
        let fill = |template: &str| holes::fill(template, inputs.unwrap_or(&nothing));
        let system = site
            .plan
            .agents
            .get(&asked.agent)
            .map(|agent| match agent.template {
                true => fill(&agent.instructions),
                false => Filled {
                    text: agent.instructions.clone(),
                    ..Filled::default()
                },
            });
        let user = asked.prompt.as_deref().map(fill);
        let user = with_context(site, user);
        let parts = || system.iter().chain(&user);
        // What context will add is not known before its steps have run.
        let has_context = !matches!(site.step.context, Context::Auto | Context::None)
            || (site.step.context == Context::Auto && asked.prompt.is_none());
        let is_exact = parts().all(Filled::is_exact) && !has_context && site.step.each.is_none();
        let known: u64 = parts().map(|part| tokens_of(&part.text)).sum();
        let mut waiting_for: Vec<String> = Vec::new();
        for name in parts().flat_map(|part| &part.waiting_for) {
            if !waiting_for.contains(name) {
                waiting_for.push(name.clone());
            }
        }
        let exactly = is_exact.then_some(known);
        Self {
            status: if is_exact { "exact" } else { "partial" },
            system: system.map(|part| part.text),
            user: user.map(|part| part.text),
            waiting_for,
            tokens: Tokens {
                min: Some(known),
                likely: exactly,
                max: exactly,
            },
        }
    }

    /// Its tokens, where it is known letter for letter.
    pub(crate) fn exactly(&self) -> Option<u64> {
        self.tokens.max
    }

    /// How long it was in earlier runs.
    fn remembers(&mut self, seen: Option<Seen<u64>>) {
        if self.tokens.likely.is_none() {
            self.tokens.likely = seen.map(|seen| seen.middle);
        }
    }
}

/// A prompt behind what its step is given of others: each result under its title.
fn with_context(site: &Site<'_>, user: Option<Filled>) -> Option<Filled> {
    let given = match site.step.context {
        Context::Needs => true,
        Context::Auto => user.is_none(),
        Context::None | Context::All | Context::Window(_) | Context::Summary => false,
    };
    if !given || site.step.needs.is_empty() {
        return user;
    }
    let mut context = Filled::default();
    for need in &site.step.needs {
        let step = &site.plan.steps[need.step as usize];
        let output = format!("steps.{}.output", step.name);
        let title = step.title.as_deref().unwrap_or(&step.name);
        context.text.push_str(&format!("## {title}\n‹{output}›\n\n"));
        context.waiting_for.push(output);
    }
    let Some(user) = user else {
        context.text.truncate(context.text.trim_end().len());
        return Some(context);
    };
    context.text.push_str(&user.text);
    context.waiting_for.extend(user.waiting_for);
    context.has_statements = user.has_statements;
    Some(context)
}

impl Limits {
    fn of(site: &Site<'_>) -> Self {
        let settings = site.settings();
        let ms =
            |limit: Option<Duration>| limit.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        let asked = site.asks();
        let agent = asked.and_then(|asked| site.plan.agents.get(&asked.agent));
        let own = asked.and_then(|asked| asked.over.settings.max_tokens);
        Self {
            timeout_ms: ms(settings.timeout),
            step_timeout_ms: ms(settings.step_timeout),
            retries: settings.retry.max_attempts.saturating_sub(1),
            backoff: settings.retry.backoff,
            budget: settings.budget,
            max_tokens: own.or(agent.and_then(|agent| agent.model_settings.max_tokens)),
        }
    }
}

/// Whether a site is in a plan of its own.
fn is_nested(site: &Site<'_>) -> bool {
    site.arm.is_none() && site.path.contains('/')
}

/// What will become of a step, given what will become of the one it is nested in.
fn will(site: &Site<'_>, around: Option<&PlannedStep>) -> (&'static str, Option<String>) {
    let step = site.step;
    if let Some(when) = &step.when {
        return ("maybe", Some(format!("only when {when}")));
    }
    if let Some((route, arm)) = &site.arm {
        return ("maybe", Some(format!("only when `{route}` takes `{arm}`")));
    }
    if let Some(member) = &step.arm
        && let Some(route) = site.plan.steps.get(member.route as usize)
    {
        return (
            "maybe",
            Some(format!("only when `{}` takes `{}`", route.name, member.arm)),
        );
    }
    if let Some(called) = &site.called {
        let why = format!("only when `{}` calls `{}`", called.by, called.tool.name);
        return ("maybe", Some(why));
    }
    if step.standby {
        return ("maybe", Some("only in place of a step that fails".to_owned()));
    }
    if step.kind == Kind::Question {
        return ("wait", Some("asks a person".to_owned()));
    }
    match around {
        Some(around) if around.will == "maybe" => ("maybe", Some(format!("with `{}`", around.path))),
        _ => ("run", None),
    }
}

fn named_models(sites: &[Site<'_>], offer: Offer<'_>) -> IndexMap<String, PlannedModel> {
    let mut models = IndexMap::new();
    for site in sites {
        let Some(agent) = site.asks().and_then(|asked| site.plan.agents.get(&asked.agent)) else {
            continue;
        };
        let Some(meaning) = sites::meaning(site, offer) else {
            continue;
        };
        let first = meaning.found.into_iter().next();
        let name = agent.alias.clone().unwrap_or_else(|| agent.name.clone());
        models.entry(name).or_insert_with(|| PlannedModel {
            asked: meaning.asked,
            chosen: first.as_ref().map(|model| model.chosen.clone()),
            source: first.as_ref().map(|model| model.source.to_owned()),
            priced: first.is_some_and(|model| bounds::price(&model, offer.prices).is_some()),
        });
    }
    models
}

fn output(plan: &Plan) -> Json {
    match &plan.output {
        Output::From(_) => Json::Null,
        Output::Expression(expression) => Json::String(expression.clone()),
        Output::Template(template) => template.clone(),
        Output::Last(steps) => {
            let names = steps
                .iter()
                .filter_map(|at| plan.steps.get(*at as usize))
                .map(|step| step.name.as_str());
            match names.collect::<Vec<_>>().as_slice() {
                [one] => json!(one),
                names => json!(names),
            }
        }
    }
}

/// The longest way through the plan, in steps: what takes how long is not known before a run.
fn critical_path(plan: &Plan) -> Vec<String> {
    let count = plan.steps.len();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (at, step) in plan.steps.iter().enumerate() {
        let route = step.arm.as_ref().map(|member| member.route as usize);
        for need in step
            .needs
            .iter()
            .map(|need| need.step as usize)
            .chain(route)
            .filter(|need| *need < count)
        {
            before[at].push(need);
            after[need].push(at);
        }
    }
    let mut open: Vec<usize> = before.iter().map(Vec::len).collect();
    let mut ready: Vec<usize> = (0..count).filter(|at| open[*at] == 0).collect();
    // The length of the way to a step, and the step before it there.
    let mut ways: Vec<(usize, Option<usize>)> = vec![(1, None); count];
    let mut seen = 0;
    while let Some(&at) = ready.get(seen) {
        seen += 1;
        for &next in &after[at] {
            if ways[at].0 + 1 > ways[next].0 {
                ways[next] = (ways[at].0 + 1, Some(at));
            }
            open[next] -= 1;
            if open[next] == 0 {
                ready.push(next);
            }
        }
    }
    // Of equally long ways the first declared.
    let ends: BTreeMap<_, _> = ways
        .iter()
        .enumerate()
        .rev()
        .map(|(at, way)| (way.0, at))
        .collect();
    let mut path = Vec::new();
    let mut at = ends.values().next_back().copied();
    while let Some(step) = at {
        path.push(plan.steps[step].name.clone());
        at = ways[step].1;
    }
    path.reverse();
    path
}

fn context(context: Context) -> String {
    match context {
        Context::Auto => "auto".to_owned(),
        Context::None => "none".to_owned(),
        Context::Needs => "needs".to_owned(),
        Context::All => "all".to_owned(),
        Context::Window(newest) => format!("window {newest}"),
        Context::Summary => "summary".to_owned(),
    }
}
