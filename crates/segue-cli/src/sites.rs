//! Sites: every step of a plan with what is nested in it, each with the path it has in a run.

use segue::ErrorKind;
use segue::Plan;
use segue::model::{Chosen, Models};
use segue::plan::{Action, AgentStep, Arm, ModelRef, ModelSettings, RouteBy, Step, ToolUse};
use segue::price::PriceBook;
use segue::settings::Resolved;

/// A step where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Site<'a> {
    /// Its path in a run: `draft`, `sub/extract`, `pick/second`.
    pub(crate) path: String,
    /// The plan that declares it.
    pub(crate) plan: &'a Plan,
    /// The step.
    pub(crate) step: &'a Step,
    /// The route and the arm that it is the action of.
    pub(crate) arm: Option<(String, String)>,
    /// The tool that its pipeline is, where an agent may call it.
    pub(crate) called: Option<Called<'a>>,
}

/// A pipeline that an agent may call as a tool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Called<'a> {
    /// The agent's step by its name.
    pub(crate) by: &'a str,
    /// The tool, with its limits.
    pub(crate) tool: &'a ToolUse,
}

/// Every step of a plan, what is nested right behind what it is nested in.
pub(crate) fn of(plan: &Plan) -> Vec<Site<'_>> {
    let mut sites = Vec::new();
    let mut open = inside(plan, "", None);
    open.reverse();
    while let Some(site) = open.pop() {
        let mut nested = match &site.step.action {
            Action::Pipeline { plan, .. } => inside(plan, &site.path, None),
            Action::Route { arms, .. } => arms
                .iter()
                .filter_map(|(name, arm)| match arm {
                    Arm::Inline(step) => Some(Site {
                        path: format!("{}/{name}", site.path),
                        plan: site.plan,
                        step,
                        arm: Some((site.path.clone(), name.clone())),
                        called: None,
                    }),
                    Arm::Nothing | Arm::Steps(_) => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        for (tool, plan) in site.plan.callable_by(site.step) {
            let by = site.step.name.as_str();
            let path = format!("{}/{}", site.path, plan.called_as());
            nested.extend(inside(plan, &path, Some(Called { by, tool })));
        }
        nested.reverse();
        open.extend(nested);
        sites.push(site);
    }
    sites
}

fn inside<'a>(plan: &'a Plan, around: &str, called: Option<Called<'a>>) -> Vec<Site<'a>> {
    let path = |name: &str| match around {
        "" => name.to_owned(),
        around => format!("{around}/{name}"),
    };
    plan.steps
        .iter()
        .map(|step| Site {
            path: path(&step.name),
            plan,
            step,
            arm: None,
            called,
        })
        .collect()
}

impl Site<'_> {
    /// What it asks of an agent, if it does.
    pub(crate) fn asks(&self) -> Option<&AgentStep> {
        match &self.step.action {
            Action::Agent(asked)
            | Action::Route {
                by: RouteBy::Agent(asked),
                ..
            } => Some(asked),
            _ => None,
        }
    }

    /// The settings that apply to it, after all levels.
    pub(crate) fn settings(&self) -> Resolved {
        let agent = self
            .step
            .action
            .agent()
            .and_then(|name| self.plan.agents.get(name));
        let levels = [
            Some(&self.plan.defaults),
            agent.map(|agent| &agent.settings),
            Some(&self.step.settings),
        ];
        Resolved::of(levels.into_iter().flatten(), &self.step.name, &self.plan.policies)
    }
}

/// What a model name means here: those of its list that are to be had, in fallback order.
pub(crate) struct Meaning {
    /// What was asked for.
    pub(crate) asked: Vec<String>,
    /// What is to be had of it.
    pub(crate) found: Vec<Chosen>,
}

/// The models there are, and what the command line says instead of those a pipeline names.
#[derive(Clone, Copy)]
pub(crate) struct Offer<'a> {
    pub(crate) models: &'a Models,
    /// By alias or agent; by no name for all agents.
    pub(crate) instead: &'a [(Option<String>, String)],
    /// What they cost.
    pub(crate) prices: &'a PriceBook,
    /// Whether no server was asked which models it has.
    pub(crate) is_at_rest: bool,
}

/// The models of an agent at a site.
pub(crate) fn meaning(site: &Site<'_>, offer: Offer<'_>) -> Option<Meaning> {
    let asked = site.asks()?;
    let agent = site.plan.agents.get(&asked.agent)?;
    let named = |name: Option<&str>| {
        let said = offer
            .instead
            .iter()
            .rev()
            .find(|(alias, _)| alias.as_deref() == name);
        said.map(|(_, model)| {
            vec![ModelRef {
                name: model.clone(),
                settings: ModelSettings::default(),
                file: None,
            }]
        })
    };
    let list = named(Some(&agent.name))
        .or_else(|| agent.alias.as_deref().and_then(|alias| named(Some(alias))))
        .or_else(|| named(None))
        .or_else(|| asked.over.models.clone())
        .unwrap_or_else(|| agent.models.clone());
    Some(Meaning {
        asked: list.iter().map(|model| model.name.clone()).collect(),
        found: offer
            .models
            .resolve(&agent.name, &list)
            .unwrap_or_else(|failure| {
                debug_assert_eq!(
                    failure.kind,
                    ErrorKind::NoModel,
                    "a list is refused when nothing of it is to be had"
                );
                Vec::new()
            }),
    })
}
