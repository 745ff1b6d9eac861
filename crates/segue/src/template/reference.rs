//! What a template reads: the names and paths that are found without evaluating it.
//!
//! The file checker turns references into edges and checks them against what is in scope. Names a template binds itself (`for`, `set`, `with`) are no references.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::bound::Bound;
use super::fault::{Fault, Place, Problem};
use super::operators::Operator;
use super::syntax::{Expression, Node, Statement, Target};

/// A static path that starts at a name from outside, such as `steps.a.output.title`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// The first name: `steps`.
    pub root: String,
    /// What follows it, up to the first part that is computed.
    pub path: Vec<Segment>,
    /// Where the reference starts, in bytes of the source.
    pub offset: usize,
    /// How long it is, in bytes.
    pub len: usize,
    /// Whether a value of none is provided for: by `or`, `default`, `is none`, `is defined` or a condition that tests it.
    pub guarded: bool,
    /// The name with hyphens that this subtraction was probably meant to be: `fetch-user` for both parts of `steps.fetch-user.output`.
    pub hyphenated: Option<String>,
}

/// One part of a path and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The field or place it names.
    pub key: Key,
    /// Where the name starts, in bytes of the source (after the dot or bracket).
    pub offset: usize,
    /// How long the name is as written, quotes included.
    pub len: usize,
}

/// A field of a map or a place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// `.name` or `['name']`.
    Field(String),
    /// `[0]`; negative places count from the end.
    Index(i64),
}

impl Reference {
    /// The field at `depth` of the path, where it is one.
    pub(crate) fn field(&self, depth: usize) -> Option<&str> {
        match &self.path.get(depth)?.key {
            Key::Field(name) => Some(name),
            Key::Index(_) => None,
        }
    }

    /// The first `len` parts of the path as one text, to compare paths by.
    fn prefix(&self, len: usize) -> String {
        let mut prefix = self.root.clone();
        for segment in &self.path[..len] {
            match &segment.key {
                Key::Field(name) => write!(prefix, ".{name:?}"),
                Key::Index(index) => write!(prefix, "[{index}]"),
            }
            .expect("writing to a string cannot fail");
        }
        prefix
    }
}

/// The references of a template, in the order they are written.
///
/// # Errors
///
/// `dynamic_reference` for each use of `steps` without a static step name.
pub(super) fn of_template(statements: &[Statement]) -> Result<Vec<Reference>, Vec<Fault>> {
    let mut collector = Collector::new();
    collector.statements(statements);
    collector.finish()
}

/// The references of a bare expression; errors as in [`of_template`].
pub(super) fn of_expression(node: &Node) -> Result<Vec<Reference>, Vec<Fault>> {
    let mut collector = Collector::new();
    collector.node(node, false);
    collector.finish()
}

/// Root and steps of a path expression; the root need not be a name.
pub(super) fn path_of(node: &Node) -> (&Node, Vec<Step<'_>>) {
    let mut steps = Vec::new();
    let mut node = node;
    loop {
        node = match &node.expression {
            Expression::Field { base, name, at } => {
                let segment = Segment {
                    key: Key::Field(name.clone()),
                    offset: at.offset,
                    len: at.len,
                };
                steps.push(Step {
                    part: Part::Static(segment),
                    end: node.place.end(),
                });
                base
            }
            Expression::Item { base, key } => {
                steps.push(Step {
                    part: part(key),
                    end: node.place.end(),
                });
                base
            }
            _ => break,
        };
    }
    steps.reverse();
    (node, steps)
}

pub(super) struct Step<'n> {
    part: Part<'n>,
    end: usize,
}

enum Part<'n> {
    Static(Segment),
    Computed(&'n Node),
}

fn part(key: &Node) -> Part<'_> {
    let (literal, sign) = match &key.expression {
        Expression::Negate(inner) => (&inner.expression, -1),
        other => (other, 1),
    };
    let Expression::Literal(value) = literal else {
        return Part::Computed(key);
    };
    let found = match (
        value.as_str(),
        value.is_integer().then(|| value.as_i64()).flatten(),
    ) {
        (Some(name), _) if sign == 1 => Key::Field(name.to_owned()),
        (None, Some(index)) => Key::Index(index.saturating_mul(sign)),
        _ => return Part::Computed(key),
    };
    Part::Static(Segment {
        key: found,
        offset: key.place.offset,
        len: key.place.len,
    })
}

struct Collector {
    references: Vec<Reference>,
    faults: Vec<Fault>,
    /// Names bound by the template.
    bound: Bound<()>,
    /// Paths that the conditions around the current place test.
    tested: Bound<()>,
    /// Names with hyphens by the places of their parts.
    hyphenated: BTreeMap<usize, String>,
}

impl Collector {
    fn new() -> Collector {
        let (references, faults, hyphenated) = (Vec::new(), Vec::new(), BTreeMap::new());
        Collector {
            references,
            faults,
            bound: Bound::new(),
            tested: Bound::new(),
            hyphenated,
        }
    }

    fn finish(mut self) -> Result<Vec<Reference>, Vec<Fault>> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        self.references.sort_by_key(|reference| reference.offset);
        Ok(self.references)
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Text(_) => {}
            Statement::Emit(node) => self.node(node, false),
            Statement::For {
                target,
                over,
                only,
                body,
                otherwise,
            } => {
                self.node(over, false);
                let outside = self.bound.len();
                self.bind(target);
                self.bound.push("loop".to_owned(), ());
                let around = self.tested.len();
                if let Some(only) = only {
                    self.test(only);
                }
                self.statements(body);
                self.tested.forget_to(around);
                self.bound.forget_to(outside);
                self.statements(otherwise);
            }
            Statement::If { condition, yes, no } => {
                let around = self.tested.len();
                self.test(condition);
                self.statements(yes);
                self.statements(no);
                self.tested.forget_to(around);
            }
            Statement::With { bindings, body } => {
                let outside = self.bound.len();
                for (target, value) in bindings {
                    self.node(value, false);
                    self.bind(target);
                }
                self.statements(body);
                self.bound.forget_to(outside);
            }
            Statement::Set { target, value } => {
                self.node(value, false);
                self.bind(target);
            }
            Statement::Capture { target, filter, body } => {
                self.statements(body);
                if let Some(filter) = filter {
                    self.node(filter, false);
                }
                self.bind(target);
            }
            Statement::Filtered { filter, body } => {
                self.statements(body);
                self.node(filter, false);
            }
        }
    }

    fn bind(&mut self, target: &Target) {
        match target {
            Target::Name(name) => self.bound.push(name.clone(), ()),
            Target::Field { .. } => {}
            Target::Unpack(targets, _) => targets.iter().for_each(|target| self.bind(target)),
        }
    }

    /// Collects a condition and remembers what it tests; none counts as no there.
    fn test(&mut self, condition: &Node) {
        let before = self.references.len();
        self.node(condition, true);
        self.remember(before);
    }

    /// Collects an expression; `guarded` says that the place it stands in accepts none.
    fn node(&mut self, node: &Node, guarded: bool) {
        match &node.expression {
            Expression::Literal(_) | Expression::Captured => {}
            Expression::Name(_) | Expression::Field { .. } | Expression::Item { .. } => {
                self.path(node, guarded);
            }
            Expression::Slice {
                base,
                start,
                stop,
                step,
            } => {
                self.node(base, false);
                for bound in [start, stop, step].into_iter().flatten() {
                    self.node(bound, false);
                }
            }
            Expression::Not(inner) => self.node(inner, guarded),
            Expression::Negate(inner) => self.node(inner, false),
            Expression::And(left, right) => self.either(left, right, guarded, guarded),
            Expression::Or(left, right) => self.either(left, right, true, guarded),
            Expression::Binary {
                operator,
                left,
                right,
            } => {
                if *operator == Operator::Subtract {
                    self.find_hyphens(node);
                }
                // None may be compared with `==` and `!=`.
                let equality = matches!(operator, Operator::Equal | Operator::Unequal);
                self.node(left, equality);
                self.node(right, equality);
            }
            Expression::Chain { first, rest } => {
                self.node(first, false);
                rest.iter().for_each(|(_, _, node)| self.node(node, false));
            }
            Expression::Choice { condition, yes, no } => {
                let around = self.tested.len();
                self.test(condition);
                self.node(yes, guarded);
                if let Some(no) = no {
                    self.node(no, guarded);
                }
                self.tested.forget_to(around);
            }
            Expression::Filter {
                name,
                input,
                arguments,
                ..
            } => {
                self.node(input, matches!(name.as_str(), "default" | "d"));
                arguments.nodes().for_each(|node| self.node(node, false));
            }
            Expression::Test { input, arguments, .. } => {
                self.node(input, true);
                arguments.nodes().for_each(|node| self.node(node, false));
            }
            Expression::Call { arguments, .. } => arguments.nodes().for_each(|node| self.node(node, false)),
            Expression::List(items) => items.iter().for_each(|node| self.node(node, false)),
            Expression::Map(entries) => {
                for (key, value) in entries {
                    self.node(key, false);
                    self.node(value, false);
                }
            }
        }
    }

    /// The right side of `and` and `or` is only reached after the left one was tested.
    fn either(&mut self, left: &Node, right: &Node, left_guarded: bool, right_guarded: bool) {
        let around = self.tested.len();
        let before = self.references.len();
        self.node(left, left_guarded);
        self.remember(before);
        self.node(right, right_guarded);
        self.tested.forget_to(around);
    }

    /// Counts the references found since `before` as tested.
    fn remember(&mut self, before: usize) {
        for reference in &self.references[before..] {
            if !reference.path.is_empty() {
                self.tested.push(reference.prefix(reference.path.len()), ());
            }
        }
    }

    fn path(&mut self, node: &Node, guarded: bool) {
        let (root, steps) = path_of(node);
        for step in &steps {
            if let Part::Computed(key) = step.part {
                self.node(key, false);
            }
        }
        let Expression::Name(name) = &root.expression else {
            return self.node(root, guarded);
        };
        if self.bound.get(name).is_some() {
            return;
        }
        let mut end = root.place.end();
        let mut path = Vec::new();
        for step in &steps {
            let Part::Static(segment) = &step.part else { break };
            path.push(segment.clone());
            end = step.end;
        }
        if name == "steps"
            && !matches!(
                path.first(),
                Some(Segment {
                    key: Key::Field(_),
                    ..
                })
            )
        {
            self.faults.push(dynamic(root, steps.first()));
        }
        let place = Place::between(root.place.offset, end);
        let hyphenated = self.hyphenated.get(&place.offset).cloned();
        let mut reference = Reference {
            root: name.clone(),
            path,
            offset: place.offset,
            len: place.len,
            guarded,
            hyphenated,
        };
        reference.guarded |=
            (1..=reference.path.len()).any(|len| self.tested.get(&reference.prefix(len)).is_some());
        self.references.push(reference);
    }

    /// Recognizes `steps.fetch-user`, which is a subtraction, by its missing blanks.
    fn find_hyphens(&mut self, subtraction: &Node) {
        let mut operands = Vec::new();
        let mut node = subtraction;
        while let Expression::Binary {
            operator: Operator::Subtract,
            left,
            right,
        } = &node.expression
        {
            operands.push(&**right);
            node = left;
        }
        let (root, steps) = path_of(node);
        let (
            Expression::Name(name),
            [
                Step {
                    part:
                        Part::Static(Segment {
                            key: Key::Field(first),
                            ..
                        }),
                    ..
                },
            ],
        ) = (&root.expression, steps.as_slice())
        else {
            return;
        };
        if !matches!(name.as_str(), "steps" | "inputs") {
            return;
        }
        let mut whole = first.clone();
        let mut parts = vec![root.place.offset];
        let mut end = node.place.end();
        for operand in operands.into_iter().rev() {
            let (root, steps) = path_of(operand);
            let Expression::Name(name) = &root.expression else {
                break;
            };
            if root.place.offset != end + 1 {
                break;
            }
            whole.push('-');
            whole.push_str(name);
            parts.push(root.place.offset);
            end = root.place.end();
            if !steps.is_empty() {
                break;
            }
        }
        if parts.len() > 1 {
            for part in parts {
                // The innermost subtraction is met last and knows less.
                self.hyphenated.entry(part).or_insert_with(|| whole.clone());
            }
        }
    }
}

fn dynamic(root: &Node, first: Option<&Step<'_>>) -> Fault {
    let (message, place) = match first {
        Some(Step {
            part: Part::Computed(key),
            ..
        }) => ("the name of a step cannot be computed", key.place),
        Some(Step {
            part: Part::Static(segment),
            ..
        }) => (
            "a step is named, not counted",
            Place {
                offset: segment.offset,
                len: segment.len,
            },
        ),
        None => ("`steps` needs the name of a step", root.place),
    };
    Problem::new("dynamic_reference", message)
        .hint("write the name: `steps.NAME.output` or `steps['NAME'].output`")
        .fault(place)
}
