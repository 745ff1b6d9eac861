//! Templates and expressions: the language of prompts, values and conditions.
//!
//! The file checker parses every template once, walks its [`Reference`]s and asks for its kinds; the engine evaluates it with the values of a step.
//! MiniJinja reads the syntax and lends its filters; evaluation is ours, because it has to be strict in kinds and bounded in work.
//! Nothing here reads a clock, a file, the environment or a network, and a value is never parsed: text that holds `{{ 7*7 }}` stays that text.
//!
//! A template that is one `{{ expression }}` gives its value with its JSON type; any other gives text.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

mod bound;
mod evaluate;
mod fault;
mod filters;
mod kinds;
mod limit;
mod operators;
mod reference;
mod suggest;
mod syntax;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use fault::{EvalError, Fault};
pub(crate) use kinds::Kind;
pub(crate) use reference::{Key, Reference, Segment};

use evaluate::Evaluator;
use kinds::Inference;
use syntax::{Node, Statement};

/// The values an evaluation may see, found by name when they are asked for.
pub(crate) trait Lookup {
    /// What is at a path of names; the empty path is the scope itself, a group of its roots.
    ///
    /// It is asked for a longer path only while the shorter one is a group, so `steps.a.output.title` ends at the value `steps.a.output`.
    fn find(&self, path: &[&str]) -> Found;
}

/// What a [`Lookup`] has at a path.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// A value, shared: it is not copied to be looked at.
    Value(Arc<Json>),
    /// The names below this path, of values that are found one by one.
    Group(Vec<String>),
    /// Nothing of this name.
    Missing,
}

/// A flat scope: names and their values.
impl Lookup for BTreeMap<String, Arc<Json>> {
    fn find(&self, path: &[&str]) -> Found {
        match path {
            [] => Found::Group(self.keys().cloned().collect()),
            [name] => self
                .get(*name)
                .map_or(Found::Missing, |value| Found::Value(Arc::clone(value))),
            _ => Found::Missing,
        }
    }
}

/// A parsed template.
#[derive(Debug)]
pub(crate) struct Template {
    source: String,
    statements: Vec<Statement>,
    references: Vec<Reference>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    ///
    /// `template_syntax` or `template_limit` alone; else every `unknown_filter` and form outside the language; else every `dynamic_reference`.
    pub(crate) fn parse(source: &str) -> Result<Template, Vec<Fault>> {
        let statements = syntax::template(source)?;
        let references = reference::of_template(&statements)?;
        Ok(Template {
            source: source.to_owned(),
            statements,
            references,
        })
    }

    /// The text it was parsed from.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// What it reads, in the order it is written.
    pub(crate) fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Whether it is plain text without any expression or statement.
    pub(crate) fn is_literal(&self) -> bool {
        self.statements
            .iter()
            .all(|statement| matches!(statement, Statement::Text(_)))
    }

    /// Whether it gives a value with its type, being exactly one `{{ expression }}`.
    pub(crate) fn is_value(&self) -> bool {
        self.single().is_some()
    }

    /// Its value: that of its one expression, else text.
    ///
    /// # Errors
    ///
    /// `kind_mismatch`, `none_in_text`, `unknown_field`, `unknown_reference`, `number_range` or `template_limit`, with the place in the source.
    pub(crate) fn render(&self, scope: &dyn Lookup) -> Result<Json, EvalError> {
        let mut evaluator = Evaluator::new(&self.source, scope);
        match self.single() {
            Some(node) => evaluator.json(node),
            None => evaluator.text(&self.statements).map(Json::String),
        }
    }

    /// What goes wrong whatever the values are, given the kinds of references the caller is certain of.
    pub(crate) fn kinds(&self, known: &dyn Fn(&Reference) -> Option<Kind>) -> Vec<Fault> {
        let mut inference = Inference::new(&self.source, &self.references, known);
        inference.statements(&self.statements);
        inference.faults
    }

    /// The kind of its value, where it is certain.
    pub(crate) fn kind(&self, known: &dyn Fn(&Reference) -> Option<Kind>) -> Option<Kind> {
        match self.single() {
            Some(node) => Inference::new(&self.source, &self.references, known).infer(node),
            None => Some(Kind::Text),
        }
    }

    fn single(&self) -> Option<&Node> {
        let mut rest = self
            .statements
            .iter()
            .filter(|statement| !matches!(statement, Statement::Text(text) if text.trim().is_empty()));
        match (rest.next(), rest.next()) {
            (Some(Statement::Emit(node)), None) => Some(node),
            _ => None,
        }
    }
}

/// A parsed bare expression.
#[derive(Debug)]
pub(crate) struct Expr {
    source: String,
    node: Node,
    references: Vec<Reference>,
}

impl Expr {
    /// Parses a bare expression.
    ///
    /// # Errors
    ///
    /// As [`Template::parse`], and `braces_in_expression` with the corrected text as suggestion.
    pub(crate) fn parse(source: &str) -> Result<Expr, Vec<Fault>> {
        let node = syntax::expression(source)?;
        let references = reference::of_expression(&node)?;
        Ok(Expr {
            source: source.to_owned(),
            node,
            references,
        })
    }

    /// The text it was parsed from.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// What it reads, in the order it is written.
    pub(crate) fn references(&self) -> &[Reference] {
        &self.references
    }

    /// Its value, with its JSON type.
    ///
    /// # Errors
    ///
    /// As [`Template::render`].
    pub(crate) fn eval(&self, scope: &dyn Lookup) -> Result<Json, EvalError> {
        Evaluator::new(&self.source, scope).json(&self.node)
    }

    /// Its value as a condition of `when` or `retry.when`.
    ///
    /// # Errors
    ///
    /// `kind_mismatch` if it, or a part that `and`, `or` or `not` combines, is no boolean; else as [`Template::render`].
    pub(crate) fn eval_bool(&self, scope: &dyn Lookup) -> Result<bool, EvalError> {
        Evaluator::new(&self.source, scope).condition(&self.node)
    }

    /// What goes wrong whatever the values are, given the kinds of references the caller is certain of.
    pub(crate) fn kinds(&self, known: &dyn Fn(&Reference) -> Option<Kind>) -> Vec<Fault> {
        let mut inference = Inference::new(&self.source, &self.references, known);
        inference.infer(&self.node);
        inference.faults
    }

    /// As [`Expr::kinds`], and that it is no condition if its kind is certain not to be a boolean.
    pub(crate) fn condition_kinds(&self, known: &dyn Fn(&Reference) -> Option<Kind>) -> Vec<Fault> {
        let mut inference = Inference::new(&self.source, &self.references, known);
        inference.condition(&self.node);
        inference.faults
    }

    /// The kind of its value, where it is certain.
    pub(crate) fn kind(&self, known: &dyn Fn(&Reference) -> Option<Kind>) -> Option<Kind> {
        Inference::new(&self.source, &self.references, known).infer(&self.node)
    }
}

/// Whether a value counts as yes: false, none, `''`, `[]`, `{}` and 0 do not.
pub(crate) fn truthy(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(yes) => *yes,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(fields) => !fields.is_empty(),
    }
}
