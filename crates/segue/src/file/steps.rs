//! The steps of a file: what is common to all of them. What each does is read in [`action`](super::action).

use std::collections::HashMap;

use indexmap::IndexMap;

use super::action::Acted;
use super::keys::{self, Table};
use super::names::Asking;
use super::reader::{Reader, Section};
use super::scalar;
use super::settings::Level;
use super::text::{Owner, Place, place};
use super::yaml::{Key, Node};
use crate::artifact::{Media, check_link, check_name};
use crate::fault::{Code, Span, quote};
use crate::plan::{Action, Artifact, Each, Kind, Membership, Need, NeedKind, Step, StepIndex};
use crate::schema::Schema;
use crate::settings::{OnError, Setting};

/// The most steps of a file.
const MAX_STEPS: usize = 20_000;
/// Items of a map at once, where nothing says otherwise.
const ITEMS_AT_ONCE: u32 = 8;
/// The most items of a map.
const MAX_ITEMS: u32 = 10_000;

/// Steps that belong together: those of the pipeline, or those of its fallback.
pub(super) struct Graph<'d> {
    pub index: HashMap<&'d str, StepIndex>,
    pub drafts: Vec<Draft<'d>>,
    pub kind: GraphKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum GraphKind {
    Main,
    Fallback,
}

impl GraphKind {
    /// The owner of what a step of this graph has in it.
    pub(super) fn step(self, at: StepIndex) -> Owner {
        match self {
            GraphKind::Main => Owner::Step(at),
            GraphKind::Fallback => Owner::FallbackStep(at),
        }
    }
}

/// A step in the making.
pub(super) struct Draft<'d> {
    pub step: Step,
    pub key: &'d Key,
    pub node: &'d Node,
    /// Whether its section had no fault that leaves its action open.
    pub is_whole: bool,
    /// Why it needs which steps, and where that is said.
    pub edges: IndexMap<StepIndex, Edge>,
    /// Type of the output of one attempt of one item.
    pub gives: Option<Schema>,
    /// Parts of a route that can only be checked once all steps are known.
    pub route: Option<super::route::Drawn<'d>>,
    /// Values that have to fit a type: inputs of pipelines and tools, answers.
    pub fits: Vec<Fit<'d>>,
}

/// An edge and the span that says it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub kind: NeedKind,
    pub said: Span,
}

/// A value with templates in it that has to fit a type.
pub(super) struct Fit<'d> {
    pub node: &'d Node,
    pub takes: Schema,
    /// What takes it, as messages say it: "input `text` of `simple.yaml`".
    pub what: String,
}

impl<'d> Graph<'d> {
    pub(super) fn names(&self) -> impl Iterator<Item = &'d str> {
        self.drafts.iter().map(|draft| &*draft.key.name)
    }

    pub(super) fn step(&self, at: StepIndex) -> &Draft<'d> {
        &self.drafts[at as usize]
    }
}

impl Draft<'_> {
    /// Adds an edge; of several to one step the strongest counts.
    pub(super) fn needs(&mut self, step: StepIndex, kind: NeedKind, said: Span) {
        let edge = self.edges.entry(step).or_insert(Edge { kind, said });
        edge.kind = edge.kind.max(kind);
    }

    /// The edges as the plan has them.
    pub(super) fn plan_needs(&self) -> Vec<Need> {
        let mut needs: Vec<Need> = self
            .edges
            .iter()
            .map(|(step, edge)| Need {
                step: *step,
                kind: edge.kind,
            })
            .collect();
        needs.sort_unstable_by_key(|need| need.step);
        needs
    }
}

impl<'d> Reader<'_, '_, 'd> {
    /// Reads the steps under `steps`.
    pub(super) fn steps(&mut self, section: &Section<'d>, kind: GraphKind) -> Graph<'d> {
        let mut named = self.named(section, "steps", MAX_STEPS);
        named.retain(|(key, _)| {
            if &*key.name == "on_failure" {
                self.report(
                    Code::BadName,
                    key.span,
                    "`on_failure` cannot be the name of a step",
                );
            }
            &*key.name != "on_failure"
        });
        if named.is_empty()
            && let Some((key, node)) = section.entry("steps")
            && node.as_mapping().is_some_and(<[_]>::is_empty)
        {
            self.report(
                Code::EmptyDefinition,
                key.span,
                format!("{} has no steps", section.subject),
            );
        }
        let index = named
            .iter()
            .enumerate()
            .map(|(at, (key, _))| (&*key.name, at as StepIndex))
            .collect();
        let mut graph = Graph {
            index,
            drafts: Vec::with_capacity(named.len()),
            kind,
        };
        for (at, (key, node)) in named.iter().enumerate() {
            let draft = self.step(&graph, at as StepIndex, key, node);
            graph.drafts.push(draft);
        }
        self.join_arms(&mut graph);
        graph
    }

    fn step(&mut self, graph: &Graph<'d>, at: StepIndex, key: &'d Key, node: &'d Node) -> Draft<'d> {
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
        let owner = graph.kind.step(at);
        let subject = format!("step {}", quote(&key.name));
        let Some((table, action)) = self.table(node, key, &subject, keys::STEPS, &keys::STEP) else {
            return draft;
        };
        let Some(section) = self.section(node, table, key.span, subject) else {
            return draft;
        };
        self.edges_said(graph, at, &section, &mut draft);
        draft.step.when = self.condition(&section, "when", &place::WHEN, owner);
        draft.step.each = self.each(&section, owner);
        let acted = self.common(&section, owner, action, Some(graph), &mut draft);
        self.act(acted, &mut draft);
        if draft.step.each.is_some() {
            draft.step.kind = Kind::Map;
        }
        self.check_keep(&section, &draft.step);
        draft
    }

    /// Reads what steps and inline arms have in common, and the action.
    pub(super) fn common(
        &mut self,
        section: &Section<'d>,
        owner: Owner,
        action: &'static str,
        graph: Option<&Graph<'d>>,
        draft: &mut Draft<'d>,
    ) -> Option<Acted<'d>> {
        let level = Level::of(owner);
        draft.step.title = self.title(section);
        draft.step.settings = self.settings(section, level);
        draft.step.artifacts = self.artifacts(section, &place::STEP_ARTIFACT, owner);
        let asking = self.asking(section, level);
        let acted = self.action(section, owner, action, graph);
        let of_agent = acted
            .as_ref()
            .and_then(|acted| acted.action.agent())
            .and_then(|name| self.names.agents.get(name));
        let nothing = Asking::default();
        let of_agent = of_agent.map_or(&nothing, |agent| &agent.asking);
        (draft.step.context, draft.step.complete) =
            Asking::resolve(&[&asking, of_agent, &self.names.defaults.asking]);
        acted
    }

    /// Puts an action into its step.
    pub(super) fn act(&mut self, acted: Option<Acted<'d>>, draft: &mut Draft<'d>) {
        let Some(acted) = acted else { return };
        draft.is_whole = true;
        draft.step.kind = acted.kind;
        draft.step.action = acted.action;
        draft.gives = acted.gives;
        draft.fits = acted.fits;
        draft.route = acted.route;
    }

    /// The table of a section by the one action it has.
    pub(super) fn table(
        &mut self,
        node: &'d Node,
        key: &'d Key,
        subject: &str,
        tables: &'static [(&'static str, Table)],
        all: &'static Table,
    ) -> Option<(&'static Table, &'static str)> {
        let entries = self.entries(node, subject)?;
        let mut actions = entries
            .iter()
            .filter(|(name, _)| tables.iter().any(|(action, _)| *action == &*name.name));
        match (actions.next(), actions.next()) {
            (None, _) => {
                // A key that does not exist is probably the action, misspelled.
                let misspelled = self.unknown_keys(entries, all, subject);
                if !misspelled {
                    let words: Vec<&str> = tables.iter().map(|(action, _)| *action).collect();
                    let message = format!("{subject} does nothing");
                    let hint = format!("give it one of `{}`", words.join("`, `"));
                    self.report_with(Code::NoAction, key.span, message, hint);
                }
                None
            }
            (Some((first, _)), Some((second, _))) => {
                let message = format!("{subject} has both `{}` and `{}`", first.name, second.name);
                let fault = self
                    .fault(Code::TwoActions, second.span, message)
                    .hint("split it into two steps")
                    .related(self.doc.place(first.span), "the first action is here");
                self.push(fault);
                self.unknown_keys(entries, all, subject);
                None
            }
            (Some((name, _)), None) => tables
                .iter()
                .find(|(action, _)| *action == &*name.name)
                .map(|(action, table)| (table, *action)),
        }
    }

    /// `needs`: edges for the sake of order.
    fn edges_said(&mut self, graph: &Graph<'d>, at: StepIndex, section: &Section<'d>, draft: &mut Draft<'d>) {
        for (name, node) in self.texts_of(section, "needs").unwrap_or_default() {
            match self.find_step(graph, name, node.span) {
                Some(step) if step == at => {
                    self.report(
                        Code::SelfEdge,
                        node.span,
                        format!("step {} needs itself", quote(name)),
                    );
                }
                Some(step) => draft.needs(step, NeedKind::Order, node.span),
                None => {}
            }
        }
    }

    /// A step by the name at a span; one that does not exist is reported.
    pub(super) fn find_step(&mut self, graph: &Graph<'d>, name: &str, span: Span) -> Option<StepIndex> {
        let found = graph.index.get(name).copied();
        if found.is_none() {
            let message = format!("step {} does not exist", quote(name));
            if self.loader.faults.is_full() {
                self.report(Code::UnknownStep, span, message);
                return None;
            }
            let mut names: Vec<(&StepIndex, &str)> =
                graph.index.iter().map(|(name, at)| (at, *name)).collect();
            names.sort_unstable();
            self.unknown(
                Code::UnknownStep,
                span,
                message,
                name,
                names.into_iter().map(|(_, name)| name),
                "steps",
            );
        }
        found
    }

    fn each(&mut self, section: &Section<'d>, owner: Owner) -> Option<Each> {
        let list = self.expression(section, "for_each", &place::FOR_EACH, owner);
        let name = self.read(section, "as", scalar::name);
        let max_parallel = self.count(section, "max_parallel", 1, keys::MAX_PARALLEL as u32);
        if section.get("for_each").is_none() {
            for key in ["as", "max_parallel"] {
                if let Some((key, _)) = section.entry(key) {
                    let message = format!("`{}` has a meaning only beside `for_each`", key.name);
                    self.report(Code::UnknownKey, key.span, message);
                }
            }
            return None;
        }
        let reserved = [
            "inputs", "steps", "run", "step", "attempt", "output", "error", "index",
        ];
        if let Some(name) = name.filter(|name| reserved.contains(name)) {
            let span = section.get("as").map_or(section.at, |node| node.span);
            self.report(
                Code::BadName,
                span,
                format!("`as: {name}` would hide what `{name}` means already"),
            );
        }
        Some(Each {
            list: Some(list?),
            name: name.unwrap_or("item").to_owned(),
            max_parallel: max_parallel.unwrap_or(ITEMS_AT_ONCE),
            max_items: MAX_ITEMS,
        })
    }

    fn check_keep(&mut self, section: &Section<'d>, step: &Step) {
        if step.each.is_none() && step.settings.on_error == Setting::Is(OnError::Keep) {
            let span = section.get("on_error").map_or(section.at, |node| node.span);
            let message = "`on_error: keep` has a meaning only beside `for_each`";
            self.report_with(Code::Conflict, span, message, "use `skip`, or `{use: VALUE}`");
        }
    }

    /// Artifacts by name under `artifacts`.
    pub(super) fn artifacts(
        &mut self,
        section: &Section<'d>,
        place: &'static Place,
        owner: Owner,
    ) -> Vec<Artifact> {
        let Some((_, node)) = section.entry("artifacts") else {
            return Vec::new();
        };
        let Some(entries) = self.entries(node, "`artifacts`") else {
            return Vec::new();
        };
        let mut artifacts = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            self.artifact_name(&key.name, key.span);
            let subject = format!("artifact {}", quote(&key.name));
            artifacts.extend(self.artifact(&key.name, node, key.span, &subject, place, owner));
        }
        artifacts
    }

    fn artifact(
        &mut self,
        name: &str,
        node: &'d Node,
        at: Span,
        subject: &str,
        place: &'static Place,
        owner: Owner,
    ) -> Option<Artifact> {
        let (mut link, mut media) = (None, Media::of_name(name));
        let from = match node.as_mapping() {
            None => self.expression_at(node, subject, place, owner)?,
            Some(_) => {
                let section = self.section(node, &keys::ARTIFACT, at, subject)?;
                let from = self.expression(&section, "from", place, owner);
                link = self.literal(&section, "link").map(str::to_owned);
                if let (Some(name), Some(node)) = (&link, section.get("link"))
                    && let Err(why) = check_link(name)
                {
                    self.report(
                        Code::BadName,
                        node.span,
                        format!("{} cannot be a link: {why}", quote(name)),
                    );
                }
                match self.read(&section, "type", |node| scalar::choice(node, keys::MEDIA)) {
                    Some("text") => media = Media::Text,
                    Some("markdown") => media = Media::Markdown,
                    Some("json") => media = Media::Json,
                    Some(_) => media = Media::Bytes,
                    None => {}
                }
                from?
            }
        };
        Some(Artifact {
            name: name.to_owned(),
            from,
            link,
            media,
        })
    }

    /// Reports a name that no artifact can have.
    pub(super) fn artifact_name(&mut self, name: &str, span: Span) {
        if let Err(why) = check_name(name) {
            self.report(
                Code::BadName,
                span,
                format!("{} cannot be an artifact: {why}", quote(name)),
            );
        }
    }
}

/// A step that does nothing yet.
pub(super) fn blank(name: &str) -> Step {
    Step {
        name: name.to_owned(),
        title: None,
        kind: Kind::Set,
        action: Action::Set(serde_json::Value::Null),
        needs: Vec::new(),
        arm: None::<Membership>,
        when: None,
        each: None,
        standby: false,
        settings: crate::settings::Settings::default(),
        context: crate::plan::Context::default(),
        complete: crate::plan::Complete::default(),
        artifacts: Vec::new(),
        output_schema: None,
        reads: Vec::new(),
    }
}
