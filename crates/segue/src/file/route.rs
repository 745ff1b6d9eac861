//! Routes of a file: how the arm is chosen, and what each arm is.

use indexmap::IndexMap;

use super::action::Acted;
use super::keys;
use super::reader::{Reader, Section};
use super::scalar;
use super::steps::{Draft, Fit, Graph, blank};
use super::text::{Owner, place};
use super::yaml::{Key, Node};
use crate::fault::{Code, Span, quote};
use crate::plan::{Action, AgentOver, AgentStep, Arm, Kind, Membership, RouteBy, StepIndex};
use crate::schema::Schema;
use crate::settings::{OnError, Setting};

/// The most arms of a route.
const MAX_ARMS: usize = 256;

/// What of a route is checked once all steps are known.
pub(super) struct Drawn<'d> {
    pub chooser: Chooser<'d>,
    /// The arms and where they are named.
    pub arms: Vec<(&'d str, Span)>,
    /// Steps in arms: the arm, the step, where it is named.
    members: Vec<(String, StepIndex, Span)>,
    pub has_else: bool,
    /// The key `to`.
    pub to: Span,
}

/// What chooses, where its values may be known.
pub(super) enum Chooser<'d> {
    /// An expression.
    Expression(&'d Node),
    /// A registered step that gives this.
    Step(Schema, Span),
    /// Nothing whose values are known before the run.
    Open,
}

impl<'d> Reader<'_, '_, 'd> {
    /// Reads a route.
    pub(super) fn route(
        &mut self,
        section: &Section<'d>,
        owner: Owner,
        graph: &Graph<'d>,
    ) -> Option<Acted<'d>> {
        let mut fits = Vec::new();
        let chosen = self.chooser(section, owner, &mut fits);
        let (to, entries) = section.entry("to").map(|(key, node)| (key.span, node))?;
        let entries = self.entries(entries, "`to`")?;
        if entries.is_empty() || entries.len() > MAX_ARMS {
            let (code, wrong) = match entries.is_empty() {
                true => (Code::EmptyDefinition, "has no arms".to_owned()),
                false => (
                    Code::TooLarge,
                    format!("has {} arms, at most {MAX_ARMS} are read", entries.len()),
                ),
            };
            self.report(code, to, format!("the route in {} {wrong}", section.subject));
            return None;
        }
        let mut arms = IndexMap::with_capacity(entries.len());
        let mut members = Vec::new();
        let mut outputs = Vec::new();
        let mut is_whole = true;
        for (key, node) in entries {
            let arm = match node.as_mapping() {
                Some(_) => self.inline(key, node, owner, &mut fits),
                None => self.steps_of_arm(key, node, graph, &mut members),
            };
            match arm {
                Some(arm) => {
                    outputs.push(output_of(&arm, &key.name));
                    arms.insert(key.name.to_string(), arm);
                }
                None => is_whole = false,
            }
        }
        let otherwise = self.otherwise(section, entries);
        if let (Some((by, _)), Some((key, _))) = (&chosen, section.entry("context"))
            && !matches!(by, RouteBy::Agent(_))
        {
            let message = "`context` has a meaning only where an agent chooses";
            self.report(Code::UnknownKey, key.span, message);
        }
        self.check_named_arms(section, chosen.as_ref().map(|(by, _)| by), entries, &arms);
        let (by, chooser) = chosen?;
        let drawn = Drawn {
            chooser,
            arms: entries.iter().map(|(key, _)| (&*key.name, key.span)).collect(),
            members,
            has_else: otherwise.is_some(),
            to,
        };
        let action = Action::Route { by, arms, otherwise };
        is_whole.then(|| Acted {
            fits,
            route: Some(drawn),
            ..Acted::new(Kind::Route, action, Schema::any_of(outputs))
        })
    }

    fn chooser(
        &mut self,
        section: &Section<'d>,
        owner: Owner,
        fits: &mut Vec<Fit<'d>>,
    ) -> Option<(RouteBy, Chooser<'d>)> {
        let (key, node) = section.entry("route")?;
        let Some(entries) = node.as_mapping() else {
            let source = self.expression_at(node, "`route`", &place::ROUTE, owner)?;
            return Some((RouteBy::Expression(source), Chooser::Expression(node)));
        };
        let forms = [
            ("agent", &keys::ROUTE_AGENT),
            ("tool", &keys::ROUTE_TOOL),
            ("split", &keys::ROUTE_SPLIT),
            ("first_of", &keys::ROUTE_FIRST_OF),
        ];
        let form = forms
            .into_iter()
            .find(|(form, _)| entries.iter().any(|(key, _)| *key.name == **form));
        let Some((form, table)) = form else {
            let message = format!("the route in {} does not say how it chooses", section.subject);
            let hint = "write an expression, or a map with `agent`, `tool`, `split` or `first_of`";
            self.report_with(Code::MissingKey, key.span, message, hint);
            return None;
        };
        let inner = self.section(node, table, key.span, format!("`route` of {}", section.subject))?;
        match form {
            "agent" => {
                let agent = self.agent_name(&inner);
                let prompt = self.template_or_file(&inner, "prompt", &place::PROMPT, owner);
                let agent = agent?.to_owned();
                let step = AgentStep {
                    agent,
                    prompt,
                    images: None,
                    over: AgentOver::default(),
                };
                Some((RouteBy::Agent(step), Chooser::Open))
            }
            "tool" => {
                let (tool, with, more) = self.call(&inner, owner)?;
                fits.extend(more);
                let chooser = match self.loader.known.gives(&tool) {
                    Some(gives) => Chooser::Step(gives, key.span),
                    None => Chooser::Open,
                };
                Some((RouteBy::Tool { tool, with }, chooser))
            }
            "split" => {
                let weights = self.weights(&inner)?;
                let by = self.expression(&inner, "by", &place::BY, owner);
                Some((RouteBy::Split { weights, by }, Chooser::Open))
            }
            _ => {
                let names = self.texts_of(&inner, "first_of")?;
                let names = names.into_iter().map(|(name, _)| name.to_owned()).collect();
                Some((RouteBy::FirstOf(names), Chooser::Open))
            }
        }
    }

    fn weights(&mut self, section: &Section<'d>) -> Option<IndexMap<String, u32>> {
        let (key, node) = section.entry("split")?;
        let entries = self.entries(node, "`split`")?;
        let mut weights = IndexMap::with_capacity(entries.len());
        for (name, node) in entries {
            let subject = format!("the weight of {}", quote(&name.name));
            let weight = self.value(node, &subject, |node| {
                scalar::count(node, 0..=u64::from(u32::MAX))
            })?;
            weights.insert(name.name.to_string(), u32::try_from(weight).unwrap_or(u32::MAX));
        }
        if weights.values().all(|weight| *weight == 0) {
            self.report(
                Code::NumberRange,
                key.span,
                "the weights of `split` add up to nothing",
            );
            return None;
        }
        Some(weights)
    }

    /// An arm that is an action of its own.
    fn inline(&mut self, key: &'d Key, node: &'d Node, owner: Owner, fits: &mut Vec<Fit<'d>>) -> Option<Arm> {
        let subject = format!("arm {}", quote(&key.name));
        let (table, action) = self.table(node, key, &subject, keys::ARMS, &keys::ARM)?;
        let section = self.section(node, table, key.span, subject)?;
        let mut draft = Draft {
            step: blank(&key.name),
            key,
            node,
            is_whole: false,
            edges: IndexMap::new(),
            gives: None,
            route: None,
            fits: Vec::new(),
        };
        let acted = self.common(&section, owner, action, None, &mut draft);
        self.act(acted, &mut draft);
        if let Setting::Is(on_error @ (OnError::Run(_) | OnError::Keep)) = &draft.step.settings.on_error {
            let word = if *on_error == OnError::Keep { "keep" } else { "run" };
            let span = section.get("on_error").map_or(section.at, |node| node.span);
            self.report(
                Code::Conflict,
                span,
                format!("`on_error: {word}` has no meaning in an inline arm"),
            );
        }
        if let Action::Agent(step) = &draft.step.action
            && draft.is_whole
            && step
                .prompt
                .as_deref()
                .is_none_or(|prompt| prompt.trim().is_empty())
            && !matches!((&step.prompt, section.get("prompt")), (None, Some(_)))
        {
            let message = format!("arm {} has nothing to ask its agent", quote(&key.name));
            self.report_with(Code::NoPrompt, key.span, message, "give it a `prompt`");
        }
        fits.append(&mut draft.fits);
        draft.step.output_schema = draft.gives.take();
        draft.is_whole.then(|| Arm::Inline(Box::new(draft.step)))
    }

    /// An arm that is steps of the same graph, or nothing.
    fn steps_of_arm(
        &mut self,
        key: &'d Key,
        node: &'d Node,
        graph: &Graph<'d>,
        members: &mut Vec<(String, StepIndex, Span)>,
    ) -> Option<Arm> {
        if scalar::is_none(node) {
            return Some(Arm::Nothing);
        }
        let subject = format!("arm {}", quote(&key.name));
        let named = match node.as_sequence() {
            Some(items) => items,
            None => std::slice::from_ref(node),
        };
        let mut steps = Vec::with_capacity(named.len());
        for node in named {
            let name = match node.as_str() {
                Some(name) => name,
                None => {
                    let message = format!(
                        "{subject} needs a step, a list of steps or an action, found {}",
                        node.describe()
                    );
                    self.report(Code::WrongType, node.span, message);
                    return None;
                }
            };
            let step = self.find_step(graph, name, node.span)?;
            members.push((key.name.to_string(), step, node.span));
            steps.push(step);
        }
        Some(Arm::Steps(steps))
    }

    fn otherwise(&mut self, section: &Section<'d>, arms: &'d [(Key, Node)]) -> Option<String> {
        let name = self.literal(section, "else")?;
        let node = section.get("else")?;
        self.known_arm(name, node.span, arms).then(|| name.to_owned())
    }

    fn known_arm(&mut self, name: &str, span: Span, arms: &[(Key, Node)]) -> bool {
        let is_arm = arms.iter().any(|(key, _)| &*key.name == name);
        if !is_arm {
            let message = format!("there is no arm {}", quote(name));
            self.unknown(
                Code::UnknownRoute,
                span,
                message,
                name,
                arms.iter().map(|(key, _)| &*key.name),
                "arms",
            );
        }
        is_arm
    }

    /// Checks the arms that the chooser names itself.
    fn check_named_arms(
        &mut self,
        section: &Section<'d>,
        by: Option<&RouteBy>,
        arms: &'d [(Key, Node)],
        read: &IndexMap<String, Arm>,
    ) {
        let Some(route) = section.get("route") else { return };
        let named: Vec<(&str, Span)> = match by {
            Some(RouteBy::Split { .. }) => {
                let entries = route.get("split").and_then(Node::as_mapping).unwrap_or_default();
                entries.iter().map(|(key, _)| (&*key.name, key.span)).collect()
            }
            Some(RouteBy::FirstOf(_)) => {
                let items = route
                    .get("first_of")
                    .and_then(Node::as_sequence)
                    .unwrap_or_default();
                items
                    .iter()
                    .filter_map(|item| Some((item.as_str()?, item.span)))
                    .collect()
            }
            Some(RouteBy::Agent(_)) => return self.check_instead(section, arms),
            _ => return,
        };
        for (name, span) in &named {
            if !self.known_arm(name, *span, arms) {
                continue;
            }
            let inline = matches!(read.get(*name), Some(Arm::Inline(_)) | None);
            if matches!(by, Some(RouteBy::FirstOf(_))) && !inline {
                let message = format!("arm {} is tried by `first_of` and has to be inline", quote(name));
                self.report(Code::Conflict, *span, message);
            }
        }
        for (key, _) in arms {
            if !named.iter().any(|(name, _)| *name == &*key.name) {
                let message = format!("arm {} is never chosen", quote(&key.name));
                self.report(Code::UnknownRoute, key.span, message);
            }
        }
    }

    /// The fallback of a model that chooses is an arm.
    fn check_instead(&mut self, section: &Section<'d>, arms: &'d [(Key, Node)]) {
        let instead = section.get("on_error").and_then(|node| node.get("use"));
        if let Some(node) = instead
            && let Some(name) = node.as_str().filter(|name| !name.contains("{{"))
        {
            self.known_arm(name, node.span, arms);
        }
    }

    /// Notes in the steps of a graph which arms they belong to.
    pub(super) fn join_arms(&mut self, graph: &mut Graph<'d>) {
        for at in 0..graph.drafts.len() {
            let route = at as StepIndex;
            let members = match &mut graph.drafts[at].route {
                Some(drawn) => std::mem::take(&mut drawn.members),
                None => continue,
            };
            if graph.drafts[at].step.each.is_some()
                && let Some((_, _, span)) = members.first()
            {
                let name = quote(&graph.drafts[at].key.name);
                let message = format!("step {name} chooses for each element: its arms have to be inline");
                self.report(Code::Conflict, *span, message);
                continue;
            }
            for (arm, member, span) in members {
                self.join(graph, route, arm, member, span);
            }
        }
    }

    fn join(&mut self, graph: &mut Graph<'d>, route: StepIndex, arm: String, member: StepIndex, span: Span) {
        let name = quote(&graph.step(member).key.name);
        if member == route {
            return self.report(
                Code::SelfEdge,
                span,
                format!("route {name} is a step of its own arm"),
            );
        }
        match &graph.step(member).step.arm {
            None => graph.drafts[member as usize].step.arm = Some(Membership { route, arm }),
            Some(other) if other.route != route => {
                let first = quote(&graph.step(other.route).key.name);
                let second = quote(&graph.step(route).key.name);
                let message = format!("step {name} is in an arm of {second} and in one of {first}");
                self.report_with(Code::ArmInTwoRoutes, span, message, "a step belongs to one route");
            }
            // Several arms of one route: the route itself lists them all.
            Some(_) => {}
        }
    }
}

/// Type of what an arm gives as the output of its route.
fn output_of(arm: &Arm, name: &str) -> Option<Schema> {
    match arm {
        Arm::Inline(step) => step.output_schema.clone(),
        Arm::Steps(_) => Some(Schema::trusted(serde_json::json!({"const": name}))),
        Arm::Nothing => Some(Schema::trusted(serde_json::json!({"type": "null"}))),
    }
}
