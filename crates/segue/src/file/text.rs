//! The templates and expressions of a file: read where they stand, kept with their scope to be checked once all names
//! are known.

use std::sync::Arc;

use super::reader::{Reader, Section};
use super::scalar;
use super::yaml::{Kind, Node};
use crate::fault::{self, Code, Fault, Source, Span};
use crate::template::{self, Expr, Reference, Template};

/// A template or expression and where it belongs.
pub(super) struct Text<'d> {
    /// Where it stands, or the path of the file it is in.
    pub node: &'d Node,
    /// The file it is in, when that is not this one.
    file: Option<Arc<Source>>,
    pub parsed: Parsed,
    pub place: &'static Place,
    pub owner: Owner,
}

pub(super) enum Parsed {
    Template(Template),
    Expr(Expr),
    /// An expression that has to be a boolean.
    Condition(Expr),
}

/// Whom a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// Nobody who could make an edge: a policy, a tool, the defaults.
    Shared,
    /// An agent, by its place among those of the file.
    Agent(u32),
    /// A pattern, by its place among those of the file.
    Pattern(u32),
    /// The key of the pipeline.
    Key,
    /// The end of the pipeline: output and artifacts.
    End,
    /// A step.
    Step(u32),
    /// The call of a fallback pipeline.
    Fallback,
    /// A step of a fallback that is written out.
    FallbackStep(u32),
    /// The output of such a fallback.
    FallbackEnd,
}

/// A place of the format where templates or expressions stand, and what they can name there.
#[derive(Debug)]
pub(super) struct Place {
    pub name: &'static str,
    pub roots: &'static [&'static str],
    /// Whether the element of a map is in scope.
    pub item: bool,
}

/// Every place, with its name and what is in scope there besides the element of a map.
pub(super) mod place {
    use super::Place;

    const fn at(name: &'static str, roots: &'static [&'static str], item: bool) -> Place {
        Place { name, roots, item }
    }

    const STEP: &[&str] = &["inputs", "steps", "run", "step"];
    const ATTEMPT: &[&str] = &["inputs", "steps", "run", "step", "attempt"];
    const JUDGE: &[&str] = &["inputs", "steps", "run", "step", "attempt", "output"];

    pub(in crate::file) static PROMPT: Place = at("prompt", ATTEMPT, true);
    pub(in crate::file) static IMAGES: Place = at("images", STEP, true);
    pub(in crate::file) static NUDGE: Place = at("nudge", ATTEMPT, true);
    pub(in crate::file) static WITH: Place = at("with", ATTEMPT, true);
    pub(in crate::file) static SET: Place = at("set", STEP, true);
    pub(in crate::file) static ASK: Place = at("ask", STEP, true);
    pub(in crate::file) static ROUTE: Place = at("route", STEP, true);
    pub(in crate::file) static BY: Place = at("by", STEP, true);
    pub(in crate::file) static WHEN: Place = at("when", STEP, false);
    pub(in crate::file) static FOR_EACH: Place = at("for_each", STEP, false);
    pub(in crate::file) static USE: Place =
        at("on_error", &["inputs", "steps", "run", "step", "error"], true);
    pub(in crate::file) static RETRY: Place = at("retry", JUDGE, true);
    pub(in crate::file) static SHARED_RETRY: Place =
        at("retry", &["inputs", "run", "step", "attempt", "output"], false);
    pub(in crate::file) static SHARED_NUDGE: Place =
        at("nudge", &["inputs", "run", "step", "attempt"], false);
    pub(in crate::file) static SHARED_USE: Place = at("on_error", &["inputs", "run", "step", "error"], false);
    pub(in crate::file) static STEP_ARTIFACT: Place =
        at("artifacts", &["inputs", "steps", "run", "step", "output"], false);
    pub(in crate::file) static INSTRUCTIONS: Place = at("instructions", &["inputs", "run", "step"], false);
    pub(in crate::file) static PATTERN: Place = at("prompt", &["inputs", "run", "step", "attempt"], false);
    pub(in crate::file) static APPROVAL: Place = at("approval", &["args"], false);
    pub(in crate::file) static KEY: Place = at("key", &["inputs"], false);
    pub(in crate::file) static OUTPUT: Place = at("output", &["inputs", "steps", "run"], false);
    pub(in crate::file) static ARTIFACT: Place = at("artifacts", &["inputs", "steps", "run"], false);
    pub(in crate::file) static FALLBACK: Place =
        at("on_failure", &["inputs", "steps", "run", "error"], false);
}

impl Text<'_> {
    /// The text as it was parsed.
    pub(super) fn source(&self) -> &str {
        match &self.parsed {
            Parsed::Template(template) => template.source(),
            Parsed::Expr(expr) | Parsed::Condition(expr) => expr.source(),
        }
    }

    /// The file it is in, when that is not the pipeline file.
    pub(super) fn file(&self) -> Option<&Arc<Source>> {
        self.file.as_ref()
    }

    pub(super) fn references(&self) -> &[Reference] {
        match &self.parsed {
            Parsed::Template(template) => template.references(),
            Parsed::Expr(expr) | Parsed::Condition(expr) => expr.references(),
        }
    }

    /// The one reference that is all of it, so that its value is that of the reference.
    pub(super) fn only_reference(&self) -> Option<&Reference> {
        let [reference] = self.references() else {
            return None;
        };
        let source = match &self.parsed {
            Parsed::Template(template) if template.is_value() => {
                let inner = template.source().trim();
                inner
                    .strip_prefix("{{")?
                    .strip_suffix("}}")?
                    .trim_matches(['-', '+'])
                    .trim()
            }
            Parsed::Template(_) => return None,
            Parsed::Expr(expr) | Parsed::Condition(expr) => expr.source().trim(),
        };
        (source.len() == reference.len).then_some(reference)
    }
}

impl<'d> Reader<'_, '_, 'd> {
    /// A template under a key: its source.
    pub(super) fn template(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        place: &'static Place,
        owner: Owner,
    ) -> Option<String> {
        let node = section.get(key)?;
        let source = self.value(node, &format!("`{key}`"), scalar::text)?;
        self.template_in(node, source, place, owner);
        Some(source.to_owned())
    }

    /// An expression under a key: its source.
    pub(super) fn expression(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        place: &'static Place,
        owner: Owner,
    ) -> Option<String> {
        self.expression_at(section.get(key)?, &format!("`{key}`"), place, owner)
    }

    /// An expression: its source.
    pub(super) fn expression_at(
        &mut self,
        node: &'d Node,
        subject: &str,
        place: &'static Place,
        owner: Owner,
    ) -> Option<String> {
        let source = self.bare(node, subject)?;
        match Expr::parse(source) {
            Ok(expr) => self.texts.push(Text {
                node,
                file: None,
                parsed: Parsed::Expr(expr),
                place,
                owner,
            }),
            Err(faults) => self.text_faults(faults, node, None),
        }
        Some(source.to_owned())
    }

    /// A boolean expression under a key: its source.
    pub(super) fn condition(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        place: &'static Place,
        owner: Owner,
    ) -> Option<String> {
        let node = section.get(key)?;
        let source = self.bare(node, &format!("`{key}`"))?;
        match Expr::parse(source) {
            Ok(expr) => self.texts.push(Text {
                node,
                file: None,
                parsed: Parsed::Condition(expr),
                place,
                owner,
            }),
            Err(faults) => self.text_faults(faults, node, None),
        }
        Some(source.to_owned())
    }

    /// A template, or the name of a file that has it: its source.
    pub(super) fn template_or_file(
        &mut self,
        section: &Section<'d>,
        key: &'static str,
        place: &'static Place,
        owner: Owner,
    ) -> Option<String> {
        let node = section.get(key)?;
        let Some([(name, path)]) = node.as_mapping() else {
            return self.template(section, key, place, owner);
        };
        if &*name.name != "file" {
            let message = format!("`{key}` needs text or `{{file: PATH}}`, found a map");
            self.report(Code::WrongType, node.span, message);
            return None;
        }
        let source = self.file(path, "`file`")?;
        match Template::parse(source.text()) {
            Ok(template) => {
                let parsed = Parsed::Template(template);
                self.texts.push(Text {
                    node: path,
                    file: Some(source.clone()),
                    parsed,
                    place,
                    owner,
                });
            }
            Err(faults) => self.text_faults(faults, path, Some(&source)),
        }
        Some(source.text().to_owned())
    }

    /// Any value whose strings are templates.
    pub(super) fn templates(
        &mut self,
        node: &'d Node,
        place: &'static Place,
        owner: Owner,
    ) -> serde_json::Value {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            match &node.kind {
                Kind::Mapping(entries) => open.extend(entries.iter().rev().map(|(_, value)| value)),
                Kind::Sequence(items) => open.extend(items.iter().rev()),
                Kind::Scalar(_) => {
                    if let Some(source) = node.as_str() {
                        self.template_in(node, source, place, owner);
                    }
                }
            }
        }
        node.to_json()
    }

    fn template_in(&mut self, node: &'d Node, source: &'d str, place: &'static Place, owner: Owner) {
        match Template::parse(source) {
            // Plain text names nothing; most values are plain text.
            Ok(template) if template.is_literal() => {}
            Ok(template) => {
                self.texts.push(Text {
                    node,
                    file: None,
                    parsed: Parsed::Template(template),
                    place,
                    owner,
                });
            }
            Err(faults) => self.text_faults(faults, node, None),
        }
    }

    /// The text of an expression; `true` and numbers are expressions too.
    fn bare(&mut self, node: &'d Node, subject: &str) -> Option<&'d str> {
        match &node.kind {
            Kind::Scalar(scalar) if !node.is_null() => Some(&scalar.text),
            _ => {
                let message = format!("{subject} needs an expression, found {}", node.describe());
                self.report_with(
                    Code::WrongType,
                    node.span,
                    message,
                    "put an expression that YAML reads otherwise in quotes",
                );
                None
            }
        }
    }

    fn text_faults(&mut self, faults: Vec<template::Fault>, node: &Node, file: Option<&Arc<Source>>) {
        for found in faults {
            let fault = self.text_fault(found, node, file);
            self.push(fault);
        }
    }

    /// A fault inside a template or expression, at its place in the file.
    pub(super) fn text_fault(
        &self,
        found: template::Fault,
        node: &Node,
        file: Option<&Arc<Source>>,
    ) -> Fault {
        let code = Code::ALL.iter().copied().find(|code| code.as_str() == found.code);
        let range = found.offset..found.offset + found.len;
        let fault =
            Fault::new(code.unwrap_or(Code::TemplateSyntax), found.message).suggestion(found.suggestion);
        let mut fault = self.at_text(fault, node, file, range);
        fault.hint = found.hint;
        fault
    }

    /// Gives a fault its place inside a template or expression.
    pub(super) fn at_text(
        &self,
        fault: Fault,
        node: &Node,
        file: Option<&Arc<Source>>,
        range: std::ops::Range<usize>,
    ) -> Fault {
        let fault = match file {
            Some(source) => fault.at(source.name(), source.place(Span::new(range))),
            None => fault.at(self.doc.source.name(), self.doc.place_in(node, range)),
        };
        self.with_pointer(fault, node.span)
    }

    /// A fault at a range of bytes of a text.
    pub(super) fn fault_in(
        &self,
        code: Code,
        text: &Text<'_>,
        range: std::ops::Range<usize>,
        message: impl Into<String>,
    ) -> fault::Fault {
        self.at_text(Fault::new(code, message), text.node, text.file.as_ref(), range)
    }
}
