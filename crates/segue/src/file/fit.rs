//! Whether values fit what takes them: inputs of pipelines and tools, answers, the arms of a route, the output.

use serde_json::Value as Json;

use super::check::Graphs;
use super::reader::{Reader, Section};
use super::route::{Chooser, Drawn};
use super::steps::{Fit, GraphKind};
use super::types::Types;
use super::yaml::Node;
use crate::fault::{Code, Span, quote};
use crate::plan::StepIndex;
use crate::schema::{Fit as Fits, Known, Schema, TypeSet};

impl<'d> Reader<'_, '_, 'd> {
    /// Checks the values that have to fit a type.
    pub(super) fn check_fits(&mut self, types: &Types<'_, 'd>) {
        for fit in std::mem::take(&mut self.fallback_fits) {
            self.fit(types, fit.node, &fit.takes, &fit.what);
        }
        for kind in types.graphs.kinds() {
            for Fit { node, takes, what } in types
                .graphs
                .get(*kind)
                .drafts
                .iter()
                .flat_map(|draft| &draft.fits)
            {
                self.fit(types, node, takes, what);
            }
        }
    }

    /// Checks one value, field by field where it is a map, so that a fault stands at the field.
    fn fit(&mut self, types: &Types<'_, 'd>, node: &Node, takes: &Schema, what: &str) {
        if let Some(entries) = node.as_mapping()
            && takes.types() == TypeSet::OBJECT
        {
            for (key, value) in entries {
                let inner = format!("`{}` of {what}", key.name);
                match takes.field(&[&key.name]) {
                    Known::Schema(schema) => self.fit(types, value, &schema, &inner),
                    Known::Unknown => {}
                    Known::Missing { fields, .. } => {
                        let message = format!("{what} takes no {}", quote(&key.name));
                        let known = fields.iter().map(String::as_str);
                        self.unknown(
                            Code::SchemaMismatch,
                            key.span,
                            message,
                            &key.name,
                            known,
                            "fields",
                        );
                    }
                }
            }
            let required = takes.as_json().get("required").and_then(Json::as_array);
            for name in required.into_iter().flatten().filter_map(Json::as_str) {
                if !entries.iter().any(|(key, _)| &*key.name == name) {
                    let message = format!("{what} needs {}, which is not given", quote(name));
                    self.report(Code::SchemaMismatch, node.span, message);
                }
            }
            return;
        }
        let reason = match has_text(types, node) {
            false => takes
                .violations(&node.to_json())
                .into_iter()
                .next()
                .map(|violation| violation.message),
            true => match Schema::trusted(types.shape(node)).compatible(takes) {
                Fits::No(reason) => Some(format!("it {reason}")),
                Fits::Yes | Fits::Unknown => None,
            },
        };
        if let Some(reason) = reason {
            self.report(
                Code::SchemaMismatch,
                node.span,
                format!("{what} cannot take this: {reason}"),
            );
        }
    }

    /// Checks the arms of routes whose values are known.
    pub(super) fn check_routes(&mut self, types: &Types<'_, 'd>) {
        for kind in types.graphs.kinds() {
            for draft in &types.graphs.get(*kind).drafts {
                let Some(drawn) = &draft.route else { continue };
                let (schema, span) = match &drawn.chooser {
                    Chooser::Expression(node) => match types.text_at(node) {
                        Some(text) => (Schema::trusted(types.of_text(text)), node.span),
                        None => continue,
                    },
                    Chooser::Step(schema, span) => (schema.clone(), *span),
                    Chooser::Open => continue,
                };
                if let Some(values) = schema.enum_values() {
                    self.check_arms(drawn, &values, span, &draft.key.name);
                }
            }
        }
    }

    fn check_arms(&mut self, drawn: &Drawn<'d>, values: &[Json], span: Span, route: &str) {
        let names: Vec<String> = values
            .iter()
            .filter_map(|value| match value {
                Json::String(text) => Some(text.clone()),
                Json::Bool(value) => Some(value.to_string()),
                // None takes no arm: the step before was left out.
                Json::Null => None,
                other => Some(other.to_string()),
            })
            .collect();
        let missing: Vec<String> = names
            .iter()
            .filter(|name| !drawn.arms.iter().any(|(arm, _)| arm == name))
            .map(|name| quote(name))
            .collect();
        if !missing.is_empty() && !drawn.has_else {
            let message = format!("route {} has no arm for {}", quote(route), missing.join(", "));
            let fault = self
                .fault(Code::MissingArm, drawn.to, message)
                .hint("add an arm, `none` for one that runs nothing, or an `else`")
                .related(self.doc.place(span), "chosen here");
            self.push(fault);
        }
        for (arm, at) in &drawn.arms {
            if !names.iter().any(|name| name == arm) {
                let message = format!("arm {} of route {} is never chosen", quote(arm), quote(route));
                self.unknown(
                    Code::UnknownRoute,
                    *at,
                    message,
                    arm,
                    names.iter().map(String::as_str),
                    "values",
                );
            }
        }
    }

    /// The type of the output, checked against the one declared.
    pub(super) fn output_type(
        &mut self,
        types: &Types<'_, 'd>,
        top: &Section<'d>,
        declared: Option<&Schema>,
    ) -> Option<Schema> {
        let Some(node) = top.get("output") else {
            let (step, given) = only_output(types.graphs)?;
            let given = match types.optional.contains_key(&(GraphKind::Main, step)) {
                true => given.or_null(),
                false => given,
            };
            if let (Some(declared), Some((key, _))) = (declared, top.entry("output_schema"))
                && let Fits::No(reason) = given.compatible(declared)
            {
                let message = format!("the output cannot have this type: it {reason}");
                self.report(Code::SchemaMismatch, key.span, message);
            }
            return Some(given);
        };
        if let Some(declared) = declared {
            self.fit(types, node, declared, "`output_schema`");
        }
        let shape = Schema::trusted(types.shape(node));
        (!shape.is_any()).then_some(shape)
    }
}

/// The one step nothing depends on, and the type of its output.
fn only_output(graphs: &Graphs<'_>) -> Option<(StepIndex, Schema)> {
    let mut is_needed = vec![false; graphs.main.drafts.len()];
    for draft in &graphs.main.drafts {
        let route = draft.step.arm.as_ref().map(|arm| arm.route);
        for step in draft.edges.keys().copied().chain(route) {
            is_needed[step as usize] = true;
        }
    }
    let drafts = graphs.main.drafts.iter().zip(is_needed).enumerate();
    let mut ends = drafts.filter(|(_, (draft, needed))| !needed && !draft.step.standby);
    match (ends.next(), ends.next()) {
        (Some((at, (draft, _))), None) => Some((at as StepIndex, draft.step.output_schema.clone()?)),
        _ => None,
    }
}

/// Whether there is a template anywhere in a value.
fn has_text(types: &Types<'_, '_>, node: &Node) -> bool {
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if types.text_at(node).is_some() {
            return true;
        }
        open.extend(node.as_sequence().unwrap_or_default());
        open.extend(
            node.as_mapping()
                .unwrap_or_default()
                .iter()
                .map(|(_, value)| value),
        );
    }
    false
}
