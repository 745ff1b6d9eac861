//! Types along edges: fields that do not exist, kinds that do not go together, values that may be missing.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json, json};

use super::check::Graphs;
use super::reader::Reader;
use super::steps::GraphKind;
use super::suggest::Nearest;
use super::text::{Owner, Parsed, Text, place};
use super::yaml::{Kind as NodeKind, Node, Resolved};
use crate::fault::{Code, quote};
use crate::plan::StepIndex;
use crate::schema::{Known, Schema, TypeSet};
use crate::template::{Key, Kind, Reference};

/// The types of everything a reference can name.
pub(super) struct Types<'t, 'd> {
    pub graphs: &'t Graphs<'d>,
    pub texts: &'t [Text<'d>],
    inputs: &'t indexmap::IndexMap<String, Schema>,
    /// Steps that may have no output though the run goes on, and why.
    pub optional: &'t HashMap<(GraphKind, StepIndex), Optional>,
    /// Types of the elements of maps.
    items: HashMap<(GraphKind, StepIndex), Schema>,
    /// Texts by the value they stand in.
    by_node: HashMap<*const Node, usize>,
    /// What was looked up already: one field is read in many places.
    seen: RefCell<HashMap<String, Known>>,
}

/// Why a step may have no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Optional {
    /// It has `when`, or `on_error: skip`.
    Skipped,
    /// It is on an arm of a route.
    Arm,
}

impl<'t, 'd> Types<'t, 'd> {
    pub(super) fn new(
        graphs: &'t Graphs<'d>,
        texts: &'t [Text<'d>],
        inputs: &'t indexmap::IndexMap<String, Schema>,
        optional: &'t HashMap<(GraphKind, StepIndex), Optional>,
    ) -> Self {
        let by_node = texts
            .iter()
            .enumerate()
            .map(|(at, text)| (std::ptr::from_ref(text.node), at))
            .collect();
        let (items, seen) = (HashMap::new(), RefCell::default());
        let mut types = Self {
            graphs,
            texts,
            inputs,
            optional,
            items,
            by_node,
            seen,
        };
        for text in texts
            .iter()
            .filter(|text| std::ptr::eq(text.place, &place::FOR_EACH))
        {
            let element = text
                .only_reference()
                .and_then(|reference| types.schema(text, reference)?.element());
            if let (Some(step), Some(element)) = (text.owner.step(), element) {
                types.items.insert(step, element);
            }
        }
        types
    }

    /// The schema of a reference, where it is known.
    pub(super) fn schema(&self, text: &Text<'_>, reference: &Reference) -> Option<Schema> {
        match self.look_up(text, reference)? {
            (Known::Schema(schema), _) => Some(schema),
            _ => None,
        }
    }

    /// What is known of the fields of a reference, and how many parts of its path come before them.
    fn look_up(&self, text: &Text<'_>, reference: &Reference) -> Option<(Known, usize)> {
        let (schema, skipped, key) = self.base(text, reference)?;
        let path: Vec<String> = reference.path[skipped..]
            .iter()
            .map(|segment| match &segment.key {
                Key::Field(name) => name.clone(),
                // Elements of a list have one type, whichever end they are counted from.
                Key::Index(_) => "0".to_owned(),
            })
            .collect();
        if path.is_empty() {
            return Some((Known::Schema(schema.clone()), skipped));
        }
        let key = format!("{key}\u{0}{}", path.join("\u{0}"));
        let mut seen = self.seen.borrow_mut();
        let known = seen.entry(key).or_insert_with(|| {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            schema.field(&path)
        });
        Some((known.clone(), skipped))
    }

    /// The schema a reference starts from, how much of its path leads there, and a name for it.
    fn base(&self, text: &Text<'_>, reference: &Reference) -> Option<(&Schema, usize, String)> {
        let root = reference.root.as_str();
        if let Some(step) = text.owner.step()
            && text.place.item
            && self.graphs.item_of(text.owner) == Some(root)
        {
            return Some((self.items.get(&step)?, 0, format!("item {step:?}")));
        }
        match root {
            "inputs" => {
                let name = reference.field(0)?;
                Some((self.inputs.get(name)?, 1, format!("input {name}")))
            }
            "steps" => {
                let step = self.graphs.find(text.owner, reference.field(0)?)?;
                let output = self.graphs.get(step.0).step(step.1).step.output_schema.as_ref()?;
                (reference.field(1)? == "output").then(|| (output, 2, format!("step {step:?}")))
            }
            "output" => {
                let (graph, at) = text.owner.step()?;
                let draft = self.graphs.get(graph).step(at);
                // The artifacts of a map see all of it, its attempts one item.
                let schema = match std::ptr::eq(text.place, &place::STEP_ARTIFACT) {
                    true => draft.step.output_schema.as_ref(),
                    false => draft.gives.as_ref(),
                };
                Some((schema?, 0, format!("output {graph:?} {at} {}", text.place.name)))
            }
            _ => None,
        }
    }

    /// The kind of a reference, where it is certain.
    pub(super) fn kind(&self, text: &Text<'_>, reference: &Reference) -> Option<Kind> {
        let is_item = text.place.item && self.graphs.item_of(text.owner).is_some();
        match (reference.root.as_str(), reference.field(0), reference.path.len()) {
            ("index", None, 0) if is_item => return Some(Kind::Number),
            ("attempt", Some("number"), 1) => return Some(Kind::Number),
            ("run", Some(_), 1) | ("step", Some("id"), 1) => return Some(Kind::Text),
            ("error", Some("kind" | "message"), 1) => return Some(Kind::Text),
            ("steps", Some(_), 2) => match reference.field(1) {
                Some("status") => return Some(Kind::Text),
                Some("attempts" | "cost") => return Some(Kind::Number),
                _ => {}
            },
            _ => {}
        }
        if self.may_be_missing(text, reference).is_some() {
            return None;
        }
        kind_of(&self.schema(text, reference)?)
    }

    /// Why the step of a reference may have no output.
    pub(super) fn may_be_missing(&self, text: &Text<'_>, reference: &Reference) -> Option<Optional> {
        if reference.root != "steps" || reference.field(1) != Some("output") {
            return None;
        }
        let step = self.graphs.find(text.owner, reference.field(0)?)?;
        self.optional.get(&step).copied()
    }

    /// The type of a value with templates in it, as far as it is known.
    pub(super) fn shape(&self, node: &Node) -> Json {
        match &node.kind {
            NodeKind::Mapping(entries) => {
                let properties: Map<String, Json> = entries
                    .iter()
                    .map(|(key, value)| (key.name.to_string(), self.shape(value)))
                    .collect();
                let required: Vec<&str> = entries.iter().map(|(key, _)| &*key.name).collect();
                json!({
                    "type": "object", "properties": properties, "required": required, "additionalProperties": false,
                })
            }
            NodeKind::Sequence(items) => {
                let mut shapes = items.iter().map(|item| self.shape(item));
                match shapes.next() {
                    Some(first) if shapes.all(|shape| shape == first) => {
                        json!({"type": "array", "items": first})
                    }
                    _ => json!({"type": "array"}),
                }
            }
            NodeKind::Scalar(scalar) => match self.text_at(node) {
                Some(text) => self.of_text(text),
                None => match scalar.resolve() {
                    Resolved::Null => json!({"type": "null"}),
                    Resolved::Bool(_) => json!({"type": "boolean"}),
                    Resolved::Int(_) => json!({"type": "integer"}),
                    Resolved::Float(_) | Resolved::Unfit(_) => json!({"type": "number"}),
                    Resolved::Str(_) => json!({"type": "string"}),
                },
            },
        }
    }

    /// The text at a value.
    pub(super) fn text_at(&self, node: &Node) -> Option<&'t Text<'d>> {
        self.by_node
            .get(&std::ptr::from_ref(node))
            .map(|at| &self.texts[*at])
    }

    /// The type of what a text gives.
    pub(super) fn of_text(&self, text: &Text<'_>) -> Json {
        if let Some(reference) = text.only_reference() {
            let Some(schema) = self.schema(text, reference) else {
                return json!({});
            };
            // Written out, so that it can stand inside another type.
            let Known::Schema(mut schema) = schema.field(&[]) else {
                return json!({});
            };
            if self.may_be_missing(text, reference).is_some() {
                schema = schema.or_null();
            }
            return schema.as_json().clone();
        }
        let known = |reference: &Reference| self.kind(text, reference);
        let kind = match &text.parsed {
            Parsed::Template(template) => template.kind(&known),
            Parsed::Expr(expr) | Parsed::Condition(expr) => expr.kind(&known),
        };
        let word = match kind {
            Some(Kind::Text) => "string",
            Some(Kind::Number) => "number",
            Some(Kind::Boolean) => "boolean",
            Some(Kind::List) => "array",
            Some(Kind::Map) => "object",
            Some(Kind::None) => "null",
            None => return json!({}),
        };
        json!({"type": word})
    }
}

impl Owner {
    /// The step a text belongs to.
    pub(super) fn step(self) -> Option<(GraphKind, StepIndex)> {
        match self {
            Owner::Step(at) => Some((GraphKind::Main, at)),
            Owner::FallbackStep(at) => Some((GraphKind::Fallback, at)),
            Owner::Shared
            | Owner::Agent(_)
            | Owner::Pattern(_)
            | Owner::Key
            | Owner::End
            | Owner::Fallback
            | Owner::FallbackEnd => None,
        }
    }
}

impl<'d> Reader<'_, '_, 'd> {
    /// Checks the texts against the types of what they name.
    pub(super) fn check_types(&mut self, types: &Types<'_, 'd>) {
        // A `when` that looks at a step answers for what its own step reads of it.
        let tested: HashSet<(Owner, &str)> = types
            .texts
            .iter()
            .filter(|text| std::ptr::eq(text.place, &place::WHEN))
            .flat_map(|text| {
                text.references()
                    .iter()
                    .map(move |reference| (text.owner, reference))
            })
            .filter_map(|(owner, reference)| Some((owner, reference.field(0)?)))
            .collect();
        for text in types.texts {
            for reference in text.references() {
                self.check_fields(types, text, reference);
                let tested = reference
                    .field(0)
                    .is_some_and(|name| tested.contains(&(text.owner, name)));
                if !tested {
                    self.check_missing(types, text, reference);
                }
            }
            self.check_kinds(types, text);
        }
    }

    fn check_fields(&mut self, types: &Types<'_, 'd>, text: &Text<'d>, reference: &Reference) {
        let Some((Known::Missing { at, fields }, skipped)) = types.look_up(text, reference) else {
            return;
        };
        let Some(segment) = reference.path.get(skipped + at) else {
            return;
        };
        let name = match &segment.key {
            Key::Field(name) => name.clone(),
            Key::Index(index) => index.to_string(),
        };
        let mut owner = reference.root.clone();
        for segment in &reference.path[..skipped + at] {
            match &segment.key {
                Key::Field(name) => owner.push_str(&format!(".{name}")),
                Key::Index(index) => owner.push_str(&format!("[{index}]")),
            }
        }
        let message = format!("{} has no field {}", quote(&owner), quote(&name));
        let range = segment.offset..segment.offset + segment.len;
        let fault = self.fault_in(Code::UnknownField, text, range, message);
        let fault = match fields.is_empty() {
            true => fault.hint("it is no map"),
            false => Nearest::of(&name, fields.iter().map(String::as_str), "fields").advise(fault),
        };
        self.push(fault);
    }

    fn check_missing(&mut self, types: &Types<'_, 'd>, text: &Text<'d>, reference: &Reference) {
        if reference.guarded || reference.path.len() < 3 {
            return;
        }
        let Some(why) = types.may_be_missing(text, reference) else {
            return;
        };
        let Some(step) = reference
            .field(0)
            .and_then(|name| types.graphs.find(text.owner, name))
        else {
            return;
        };
        if why == Optional::Arm && types.graphs.goes_with(text.owner, step) {
            return;
        }
        let name = quote(reference.field(0).unwrap_or_default());
        let because = match why {
            Optional::Skipped => "it can be skipped",
            Optional::Arm => "it is on an arm of a route",
        };
        let range = reference.offset..reference.offset + reference.len;
        let message = format!("the output of step {name} may be none: {because}");
        let fault = self.fault_in(Code::MaybeNone, text, range, message);
        self.push(fault.hint("say what then: `or`, `is none`, `default`, or a `when` on this step"));
    }

    fn check_kinds(&mut self, types: &Types<'_, 'd>, text: &Text<'d>) {
        let known = |reference: &Reference| types.kind(text, reference);
        let (found, kind) = match &text.parsed {
            Parsed::Template(template) => (template.kinds(&known), None),
            Parsed::Expr(expr) => (expr.kinds(&known), expr.kind(&known)),
            Parsed::Condition(expr) => (expr.condition_kinds(&known), None),
        };
        for fault in found {
            let fault = self.text_fault(fault, text.node, text.file());
            self.push(fault);
        }
        let Some(kind) = kind else { return };
        let needs = if std::ptr::eq(text.place, &place::FOR_EACH) {
            (kind != Kind::List).then_some("a list")
        } else if std::ptr::eq(text.place, &place::KEY) {
            (!matches!(kind, Kind::Text | Kind::Number)).then_some("text or an integer")
        } else if std::ptr::eq(text.place, &place::ROUTE) {
            (!matches!(kind, Kind::Text | Kind::Boolean)).then_some("the name of an arm")
        } else {
            None
        };
        if let Some(needs) = needs {
            let message = format!("`{}` needs {needs}, found {kind}", text.place.name);
            let fault = self.fault_in(Code::KindMismatch, text, 0..text.source().len(), message);
            self.push(fault);
        }
    }
}

/// The kind all values of a type have, if they have one.
fn kind_of(schema: &Schema) -> Option<Kind> {
    let types = schema.types();
    let kinds = [
        (TypeSet::STRING, Kind::Text),
        (TypeSet::NUMBER, Kind::Number),
        (TypeSet::BOOLEAN, Kind::Boolean),
        (TypeSet::ARRAY, Kind::List),
        (TypeSet::OBJECT, Kind::Map),
        (TypeSet::NULL, Kind::None),
    ];
    let (_, kind) = kinds
        .into_iter()
        .find(|(set, _)| types != TypeSet::NOTHING && set.contains(types))?;
    Some(kind)
}
