//! The check of kinds before a run: what is known to go wrong whatever the values are.
//!
//! It only speaks where both kinds are certain, from literals, operators, filters and what the caller knows about references.

use std::fmt;

use super::fault::{Fault, Problem};
use super::filters;
use super::operators::Operator;
use super::reference::Reference;
use super::syntax::{Arguments, Expression, Node, Statement};
use super::value;

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// An integer or a float.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// A map from text to values.
    Map,
    /// No value: JSON's null.
    None,
}

impl Kind {
    /// The kind as it stands in a sentence: `text`, `a number`.
    pub(super) fn noun(self) -> String {
        match self {
            Kind::Text | Kind::None => self.to_string(),
            _ => format!("a {self}"),
        }
    }

    const ALL: [Kind; 6] = [
        Kind::Text,
        Kind::Number,
        Kind::Boolean,
        Kind::List,
        Kind::Map,
        Kind::None,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::List => "list",
            Kind::Map => "map",
            Kind::None => "none",
        })
    }
}

/// Infers kinds through one source and gathers the faults.
pub(super) struct Inference<'t> {
    source: &'t str,
    references: &'t [Reference],
    known: &'t dyn Fn(&Reference) -> Option<Kind>,
    pub faults: Vec<Fault>,
}

impl<'t> Inference<'t> {
    pub(super) fn new(
        source: &'t str,
        references: &'t [Reference],
        known: &'t dyn Fn(&Reference) -> Option<Kind>,
    ) -> Inference<'t> {
        Inference {
            source,
            references,
            known,
            faults: Vec::new(),
        }
    }

    pub(super) fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Text(_) => {}
                Statement::Emit(node) => {
                    self.infer(node);
                }
                Statement::For {
                    over,
                    only,
                    body,
                    otherwise,
                    ..
                } => {
                    self.needs_items(over);
                    if let Some(only) = only {
                        self.infer(only);
                    }
                    self.statements(body);
                    self.statements(otherwise);
                }
                Statement::If { condition, yes, no } => {
                    self.infer(condition);
                    self.statements(yes);
                    self.statements(no);
                }
                Statement::With { bindings, body } => {
                    for (_, value) in bindings {
                        self.infer(value);
                    }
                    self.statements(body);
                }
                Statement::Set { value, .. } => {
                    self.infer(value);
                }
                Statement::Capture { filter, body, .. } => {
                    self.statements(body);
                    if let Some(filter) = filter {
                        self.infer(filter);
                    }
                }
                Statement::Filtered { filter, body } => {
                    self.statements(body);
                    self.infer(filter);
                }
            }
        }
    }

    /// The kind of an expression, where it is certain.
    pub(super) fn infer(&mut self, node: &Node) -> Option<Kind> {
        match &node.expression {
            Expression::Literal(literal) => Some(value::kind(literal)),
            Expression::Captured => Some(Kind::Text),
            Expression::Name(_) => self.reference(node),
            Expression::Field { base, .. } => {
                self.infer(base);
                self.reference(node)
            }
            Expression::Item { base, key } => {
                self.infer(base);
                self.infer(key);
                self.reference(node)
            }
            Expression::Slice {
                base,
                start,
                stop,
                step,
            } => {
                for bound in [start, stop, step].into_iter().flatten() {
                    self.infer(bound);
                }
                self.infer(base)
                    .filter(|kind| matches!(kind, Kind::Text | Kind::List))
            }
            Expression::Not(inner) => {
                self.infer(inner);
                Some(Kind::Boolean)
            }
            Expression::Negate(inner) => {
                if let Some(kind) = self.infer(inner).filter(|kind| *kind != Kind::Number) {
                    self.push(
                        Problem::new("kind_mismatch", format!("`-` needs a number, found {kind}")),
                        node,
                    );
                }
                Some(Kind::Number)
            }
            Expression::And(left, right) | Expression::Or(left, right) => {
                let (left, right) = (self.infer(left), self.infer(right));
                left.filter(|left| Some(*left) == right)
            }
            Expression::Binary {
                operator,
                left,
                right,
            } => {
                let kinds = (self.infer(left), self.infer(right));
                self.operator(*operator, kinds, node)
            }
            Expression::Chain { first, rest } => {
                let mut left = self.infer(first);
                for (operator, _, next) in rest {
                    let right = self.infer(next);
                    self.operator(*operator, (left, right), next);
                    left = right;
                }
                Some(Kind::Boolean)
            }
            Expression::Choice { condition, yes, no } => {
                self.infer(condition);
                let yes = self.infer(yes);
                let no = no.as_ref().map_or(Some(Kind::None), |no| self.infer(no));
                yes.filter(|yes| Some(*yes) == no)
            }
            Expression::Filter {
                name,
                input,
                arguments,
                ..
            } => self.filter(name, input, arguments, node),
            Expression::Test { input, arguments, .. } => {
                self.infer(input);
                self.arguments(arguments);
                Some(Kind::Boolean)
            }
            Expression::Call { name, arguments } => {
                self.arguments(arguments);
                match name.as_str() {
                    "range" => Some(Kind::List),
                    "dict" => Some(Kind::Map),
                    _ => None,
                }
            }
            Expression::List(items) => {
                for item in items {
                    self.infer(item);
                }
                Some(Kind::List)
            }
            Expression::Map(entries) => {
                for (key, value) in entries {
                    self.infer(key);
                    self.infer(value);
                }
                Some(Kind::Map)
            }
        }
    }

    /// Checks that an expression can be the condition of a step: a boolean, and nothing that merely counts as yes or no.
    pub(super) fn condition(&mut self, node: &Node) {
        match &node.expression {
            Expression::And(left, right) | Expression::Or(left, right) => {
                self.condition(left);
                self.condition(right);
            }
            Expression::Not(inner) => self.condition(inner),
            _ => {
                if let Some(kind) = self.infer(node).filter(|kind| *kind != Kind::Boolean) {
                    let shown = self.shown(node);
                    self.push(not_boolean(&format!("{kind}: `{shown}`"), kind, &shown), node);
                }
            }
        }
    }

    fn needs_items(&mut self, node: &Node) {
        if let Some(kind) = self
            .infer(node)
            .filter(|kind| !matches!(kind, Kind::List | Kind::Map))
        {
            self.push(
                Problem::new(
                    "kind_mismatch",
                    format!("`for` needs a list or a map, found {kind}"),
                ),
                node,
            );
        }
    }

    fn arguments(&mut self, arguments: &Arguments) {
        for node in arguments.nodes() {
            self.infer(node);
        }
    }

    fn reference(&self, node: &Node) -> Option<Kind> {
        let place = node.place;
        let first = self
            .references
            .partition_point(|reference| reference.offset < place.offset);
        let reference = self
            .references
            .get(first)
            .filter(|found| (found.offset, found.len) == (place.offset, place.len))?;
        (self.known)(reference)
    }

    fn operator(
        &mut self,
        operator: Operator,
        kinds: (Option<Kind>, Option<Kind>),
        node: &Node,
    ) -> Option<Kind> {
        match kinds {
            (Some(left), Some(right)) => {
                if operator == Operator::Join && (left == Kind::None || right == Kind::None) {
                    self.push(
                        Problem::new("none_in_text", "`~` cannot join none")
                            .hint("give a text to use instead: `or ''`"),
                        node,
                    );
                } else if operator.gives(left, right).is_none() {
                    let mut problem =
                        operator.mismatch((left, &left.to_string()), (right, &right.to_string()));
                    problem.message = format!("{}: `{}`", problem.message, self.shown(node));
                    self.push(problem, node);
                }
                operator.gives(left, right)
            }
            (Some(kind), None) | (None, Some(kind)) => {
                self.half_known(operator, kind, kinds.0.is_some(), node)
            }
            (None, None) => only(
                Kind::ALL
                    .iter()
                    .flat_map(|left| Kind::ALL.iter().filter_map(|right| operator.gives(*left, *right))),
            ),
        }
    }

    /// One side is certain; a fault only if nothing on the other side would do.
    fn half_known(&mut self, operator: Operator, kind: Kind, is_left: bool, node: &Node) -> Option<Kind> {
        let results: Vec<Kind> = Kind::ALL
            .iter()
            .filter_map(|other| match is_left {
                true => operator.gives(kind, *other),
                false => operator.gives(*other, kind),
            })
            .collect();
        if results.is_empty() {
            let message = format!(
                "`{}` does not take {}: `{}`",
                operator.symbol(),
                kind.noun(),
                self.shown(node)
            );
            let problem = Problem::new("kind_mismatch", message);
            let text = operator == Operator::Add && kind == Kind::Text;
            self.push(
                if text {
                    problem.hint("`~` joins text")
                } else {
                    problem
                },
                node,
            );
        }
        only(results.into_iter())
    }

    fn filter(&mut self, name: &str, input: &Node, arguments: &Arguments, node: &Node) -> Option<Kind> {
        let given = self.infer(input);
        self.arguments(arguments);
        let filter = filters::find(name)?;
        if let (Some(given), Some(takes)) = (given, filter.takes)
            && given != takes
        {
            let shown = self.shown(node);
            self.push(
                Problem::new(
                    "kind_mismatch",
                    format!("`{name}` needs {}, found {given}: `{shown}`", takes.noun()),
                ),
                node,
            );
        }
        filter.gives
    }

    fn shown(&self, node: &Node) -> String {
        let text = self
            .source
            .get(node.place.offset..node.place.end())
            .unwrap_or_default();
        value::cut(&text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn push(&mut self, problem: Problem, node: &Node) {
        self.faults.push(problem.fault(node.place));
    }
}

/// The problem of a condition that is no boolean; `found` shows the value, `source` the expression.
pub(super) fn not_boolean(found: &str, kind: Kind, source: &str) -> Problem {
    let problem = Problem::new(
        "kind_mismatch",
        format!("a condition needs a boolean, found {found}"),
    );
    match kind {
        Kind::None | Kind::Text => problem.hint(format!("write `{source} is not none`")),
        Kind::Number => problem.hint(format!("write `{source} != 0`")),
        Kind::List | Kind::Map => problem.hint(format!("write `{source} | length > 0`")),
        Kind::Boolean => problem,
    }
}

fn only(mut kinds: impl Iterator<Item = Kind>) -> Option<Kind> {
    let first = kinds.next()?;
    kinds.all(|kind| kind == first).then_some(first)
}
