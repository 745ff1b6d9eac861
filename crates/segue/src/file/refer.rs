//! References: every name in a template or expression is found, or it is a fault; a step that is read becomes an edge.

use std::collections::{HashMap, HashSet};

use super::check::Graphs;
use super::reader::Reader;
use super::steps::GraphKind;
use super::suggest::Nearest;
use super::text::{Owner, Text};
use crate::fault::{Code, Fault, quote};
use crate::plan::{Action, NeedKind, StepIndex};
use crate::template::{Key, Reference, Segment};

/// What can be read of a step.
pub(super) const OF_STEP: &[&str] = &[
    "output", "status", "error", "attempts", "usage", "cost", "arm", "items",
];
/// What can be read of an attempt.
const OF_ATTEMPT: &[&str] = &["number", "reason", "previous"];
/// What can be read of a run.
const OF_RUN: &[&str] = &["id", "started", "trigger"];
/// What can be read of an error.
const OF_ERROR: &[&str] = &["kind", "message", "step", "failed"];

/// What the texts of a file use.
#[derive(Default)]
pub(super) struct Used {
    /// Inputs, by who reads them.
    pub inputs: HashMap<Owner, Inputs>,
    /// Steps that anything reads but themselves.
    pub steps: HashSet<(GraphKind, StepIndex)>,
    /// Whether a fallback that is written out reads steps of the pipeline.
    pub fallback_reads_steps: bool,
}

/// Inputs that are read.
#[derive(Default)]
pub(super) struct Inputs {
    pub names: HashSet<String>,
    /// Whether all are read at once, as a map.
    pub all: bool,
}

impl Used {
    /// Whether anything reads an input.
    pub(super) fn reads(&self, input: &str) -> bool {
        let mut all = self.inputs.values();
        all.any(|inputs| inputs.all || inputs.names.contains(input))
    }

    /// Whether one of these reads an input.
    pub(super) fn is_read_by(&self, owners: &[Owner], input: &str) -> bool {
        let inputs = owners.iter().filter_map(|owner| self.inputs.get(owner));
        inputs
            .into_iter()
            .any(|inputs| inputs.all || inputs.names.contains(input))
    }
}

impl Reader<'_, '_, '_> {
    /// Finds every name of the texts, reports those that do not exist, and adds the edges.
    pub(super) fn refer(&mut self, texts: &[Text<'_>], graphs: &mut Graphs<'_>) -> Used {
        let mut used = Used::default();
        for text in texts {
            for reference in text.references() {
                self.find(text, reference, graphs, &mut used);
            }
        }
        used
    }

    fn find(&mut self, text: &Text<'_>, reference: &Reference, graphs: &mut Graphs<'_>, used: &mut Used) {
        let root = reference.root.as_str();
        if root == "secrets" {
            let fault = self
                .fault_at(
                    Code::SecretNotAllowed,
                    text,
                    reference,
                    "a pipeline file cannot read secrets",
                )
                .hint("tools are given secrets by the operator, in `segue.toml`");
            return self.push(fault);
        }
        let item = graphs.item_of(text.owner).filter(|_| text.place.item);
        if item.is_some_and(|item| root == item || root == "index") {
            return;
        }
        let sees_error = matches!(
            text.owner,
            Owner::Fallback | Owner::FallbackStep(_) | Owner::FallbackEnd
        );
        let is_here = text.place.roots.contains(&root) || (sees_error && root == "error");
        if !is_here {
            return self.out_of_scope(text, reference, item);
        }
        match root {
            "inputs" => self.find_input(text, reference, used),
            "steps" => self.find_step_read(text, reference, graphs, used),
            "run" => self.find_field(text, reference, OF_RUN),
            "step" => self.find_field(text, reference, &["id"]),
            "attempt" => self.find_field(text, reference, OF_ATTEMPT),
            "error" => self.find_field(text, reference, OF_ERROR),
            _ => {}
        }
    }

    fn out_of_scope(&mut self, text: &Text<'_>, reference: &Reference, item: Option<&str>) {
        let name = &reference.root;
        let place = text.place.name;
        let mut here: Vec<&str> = text.place.roots.to_vec();
        if let Some(item) = item {
            here.extend([item, "index"]);
        }
        let range = reference.offset..reference.offset + name.len();
        let message = format!("{} is not in scope in `{place}`", quote(name));
        let mut fault = self.fault_in(Code::UnknownReference, text, range, message);
        fault.suggestion = Nearest::of(name, here.iter().copied(), "names").suggestion;
        fault.hint = Some(match &reference.hyphenated {
            Some(whole) => format!("a name with hyphens is read as a subtraction: write `['{whole}']`"),
            None => format!("here: {}", here.join(", ")),
        });
        self.push(fault);
    }

    fn find_input(&mut self, text: &Text<'_>, reference: &Reference, used: &mut Used) {
        let inputs = used.inputs.entry(text.owner).or_default();
        let Some(segment) = reference.path.first() else {
            inputs.all = true;
            return;
        };
        let name = match &segment.key {
            Key::Field(name) => name,
            Key::Index(_) => {
                let fault = self.segment_fault(
                    Code::UnknownInput,
                    text,
                    segment,
                    "an input is named, not counted",
                );
                return self.push(fault);
            }
        };
        if self.names.inputs.contains_key(name) {
            inputs.names.insert(name.clone());
            return;
        }
        if let Some(whole) = self
            .hyphenated(reference)
            .filter(|whole| self.names.inputs.contains_key(*whole))
        {
            inputs.names.insert(whole.to_owned());
        }
        let message = format!("input {} does not exist", quote(name));
        let fault = self.segment_fault(Code::UnknownInput, text, segment, message);
        let fault = self.advise(
            fault,
            name,
            reference,
            self.names.inputs.keys().map(String::as_str),
            "inputs",
        );
        self.push(fault);
    }

    fn find_step_read(
        &mut self,
        text: &Text<'_>,
        reference: &Reference,
        graphs: &mut Graphs<'_>,
        used: &mut Used,
    ) {
        // Without a static name it is `dynamic_reference`, reported when the text was parsed.
        let (Some(segment), Some(name)) = (reference.path.first(), reference.field(0)) else {
            return;
        };
        let Some((kind, step)) = graphs.find(text.owner, name) else {
            let known = graphs.visible(text.owner);
            let message = format!("step {} does not exist", quote(name));
            let fault = self.segment_fault(Code::UnknownStep, text, segment, message);
            let fault = match self.loader.faults.is_full() {
                true => fault,
                false => self.advise(fault, name, reference, known, "steps"),
            };
            return self.push(fault);
        };
        let field = reference.field(1);
        if let (Some(field), Some(segment)) = (field, reference.path.get(1))
            && !OF_STEP.contains(&field)
        {
            let message = format!("a step has no {}", quote(field));
            let fault = self.segment_fault(Code::UnknownField, text, segment, message);
            let fault = Nearest::of(field, OF_STEP.iter().copied(), "fields").advise(fault);
            return self.push(fault);
        }
        self.check_kind_of_field(text, reference, graphs, (kind, step));
        let own = match text.owner {
            Owner::Step(at) => Some((GraphKind::Main, at)),
            Owner::FallbackStep(at) => Some((GraphKind::Fallback, at)),
            _ => None,
        };
        if own == Some((kind, step)) {
            let message = format!("step {} reads itself", quote(name));
            let fault = self.segment_fault(Code::SelfEdge, text, segment, message);
            return self.push(fault.hint("`attempt.previous` is what its last attempt gave"));
        }
        used.steps.insert((kind, step));
        let is_fallback = matches!(text.owner, Owner::FallbackStep(_) | Owner::FallbackEnd);
        used.fallback_reads_steps |= is_fallback && kind == GraphKind::Main;
        let need = match field {
            None | Some("output") => NeedKind::Data,
            Some(_) => NeedKind::Settled,
        };
        if let Some((graph, at)) = own
            && graph == kind
        {
            graphs.get_mut(kind).drafts[at as usize].needs(step, need, text.node.span);
        }
    }

    /// `arm` is of routes, `items` of maps.
    fn check_kind_of_field(
        &mut self,
        text: &Text<'_>,
        reference: &Reference,
        graphs: &Graphs<'_>,
        (kind, step): (GraphKind, StepIndex),
    ) {
        let Some(segment) = reference.path.get(1) else {
            return;
        };
        let draft = graphs.get(kind).step(step);
        let name = quote(&draft.key.name);
        let wrong = match reference.field(1) {
            Some("arm") if draft.is_whole && !matches!(draft.step.action, Action::Route { .. }) => {
                format!("step {name} is no route and takes no `arm`")
            }
            Some("items") if draft.is_whole && draft.step.each.is_none() => {
                format!("step {name} has no `for_each` and no `items`")
            }
            _ => return,
        };
        let fault = self.segment_fault(Code::UnknownField, text, segment, wrong);
        self.push(fault);
    }

    /// A field of a name with a fixed set of fields.
    fn find_field(&mut self, text: &Text<'_>, reference: &Reference, fields: &[&str]) {
        let (Some(segment), Some(field)) = (reference.path.first(), reference.field(0)) else {
            return;
        };
        if !fields.contains(&field) {
            let message = format!("`{}` has no {}", reference.root, quote(field));
            let fault = self.segment_fault(Code::UnknownField, text, segment, message);
            let fault = Nearest::of(field, fields.iter().copied(), "fields").advise(fault);
            self.push(fault);
        }
    }

    fn hyphenated<'a>(&self, reference: &'a Reference) -> Option<&'a str> {
        reference.hyphenated.as_deref()
    }

    /// The names near one that does not exist, or the name with hyphens it was meant to be.
    fn advise<'n>(
        &self,
        fault: Fault,
        name: &str,
        reference: &Reference,
        known: impl IntoIterator<Item = &'n str>,
        kind: &str,
    ) -> Fault {
        match &reference.hyphenated {
            Some(whole) => fault.suggestion(Some(whole.clone())).hint(format!(
                "a name with hyphens is read as a subtraction: write `{}['{whole}']`",
                reference.root
            )),
            None => Nearest::of(name, known, kind).advise(fault),
        }
    }

    fn segment_fault(
        &self,
        code: Code,
        text: &Text<'_>,
        segment: &Segment,
        message: impl Into<String>,
    ) -> Fault {
        self.fault_in(code, text, segment.offset..segment.offset + segment.len, message)
    }

    fn fault_at(&self, code: Code, text: &Text<'_>, reference: &Reference, message: &str) -> Fault {
        self.fault_in(
            code,
            text,
            reference.offset..reference.offset + reference.len,
            message,
        )
    }
}
