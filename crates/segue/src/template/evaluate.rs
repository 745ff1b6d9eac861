//! Evaluates a tree with the values of one scope.
//!
//! Everything it does is paid for on one [`Meter`], and every text is measured before it is kept, so a hostile template ends in `template_limit`.
//! A value is never parsed: what comes from the scope can only be looked at.

use std::collections::BTreeMap;

use minijinja::{State, Value};
use serde_json::Value as Json;

use super::Lookup;
use super::bound::Bound;
use super::fault::{EvalError, Place, Problem};
use super::filters;
use super::kinds::{self, Kind};
use super::limit::{self, Meter};
use super::operators::{self, Operator};
use super::syntax::{Arguments, Expression, Node, Statement, Target};
use super::value::{self, cut, describe, kind};

mod apply;
mod path;

type Outcome<T> = Result<T, EvalError>;

/// One evaluation; made anew for each, since it holds what was bound and what was spent.
pub(super) struct Evaluator<'a> {
    source: &'a str,
    lookup: &'a dyn Lookup,
    meter: Meter,
    minijinja: State<'static, 'static>,
    bound: Bound<Binding>,
    namespaces: Vec<BTreeMap<String, Value>>,
    captured: Vec<Value>,
    loops: usize,
}

#[derive(Clone)]
enum Binding {
    Value(Value),
    /// A place in [`Evaluator::namespaces`]: no value, so that it cannot contain itself.
    Namespace(usize),
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(source: &'a str, lookup: &'a dyn Lookup) -> Evaluator<'a> {
        Evaluator {
            source,
            lookup,
            meter: Meter::full(),
            minijinja: filters::environment().empty_state(),
            bound: Bound::new(),
            namespaces: Vec::new(),
            captured: Vec::new(),
            loops: 0,
        }
    }

    /// The text of a template.
    pub(super) fn text(&mut self, statements: &[Statement]) -> Outcome<String> {
        let mut out = String::new();
        self.statements(statements, &mut out)?;
        Ok(out)
    }

    /// The value of an expression as JSON.
    pub(super) fn json(&mut self, node: &Node) -> Outcome<Json> {
        let value = self.value(node)?;
        self.pay(node, |meter| {
            let json = value::to_json(&value, meter)?;
            value::json_fits(&json)?;
            Ok(json)
        })
    }

    /// The value of a condition, which has to be a boolean, as have the parts that `and`, `or` and `not` combine.
    pub(super) fn condition(&mut self, node: &Node) -> Outcome<bool> {
        match &node.expression {
            Expression::And(left, right) => Ok(self.condition(left)? && self.condition(right)?),
            Expression::Or(left, right) => Ok(self.condition(left)? || self.condition(right)?),
            Expression::Not(inner) => Ok(!self.condition(inner)?),
            _ => {
                let value = self.value(node)?;
                match kind(&value) {
                    Kind::Boolean => Ok(value.is_true()),
                    other => {
                        Err(kinds::not_boolean(&describe(&value), other, &self.shown(node)).error(node.place))
                    }
                }
            }
        }
    }

    fn statements(&mut self, statements: &[Statement], out: &mut String) -> Outcome<()> {
        statements
            .iter()
            .try_for_each(|statement| self.statement(statement, out))
    }

    fn statement(&mut self, statement: &Statement, out: &mut String) -> Outcome<()> {
        match statement {
            Statement::Text(text) => self.write(text, Place::default(), out),
            Statement::Emit(node) => {
                let value = self.value(node)?;
                let text = self
                    .pay(node, |meter| value::to_text(&value, meter))
                    .map_err(|error| self.name_the_expression(error, node))?;
                self.write(&text, node.place, out)
            }
            Statement::If { condition, yes, no } => match self.truth(condition)? {
                true => self.statements(yes, out),
                false => self.statements(no, out),
            },
            Statement::For {
                target,
                over,
                only,
                body,
                otherwise,
            } => self.each(target, over, only.as_ref(), (body, otherwise), out),
            Statement::With { bindings, body } => {
                let outside = self.bound.len();
                for (target, node) in bindings {
                    let value = self.value(node)?;
                    self.bind(target, value, node.place)?;
                }
                self.statements(body, out)?;
                self.bound.forget_to(outside);
                Ok(())
            }
            Statement::Set {
                target: Target::Name(name),
                value:
                    Node {
                        expression:
                            Expression::Call {
                                name: function,
                                arguments,
                            },
                        place,
                    },
            } if function == "namespace" => self.namespace(name, arguments, *place),
            Statement::Set { target, value } => {
                let bound = self.value(value)?;
                self.bind(target, bound, value.place)
            }
            Statement::Capture { target, filter, body } => {
                let text = Value::from(self.text(body)?);
                let value = match filter {
                    Some(filter) => self.filtered(filter, text)?,
                    None => text,
                };
                self.bind(target, value, Place::default())
            }
            Statement::Filtered { filter, body } => {
                let text = Value::from(self.text(body)?);
                let value = self.filtered(filter, text)?;
                let text = self.pay(filter, |meter| value::to_text(&value, meter))?;
                self.write(&text, filter.place, out)
            }
        }
    }

    fn write(&mut self, text: &str, place: Place, out: &mut String) -> Outcome<()> {
        let paid = self
            .meter
            .step()
            .and_then(|()| self.meter.bytes(text.len()))
            .and_then(|()| limit::fits(out.len() + text.len()));
        paid.map_err(|problem| problem.error(place))?;
        out.push_str(text);
        Ok(())
    }

    fn filtered(&mut self, filter: &Node, text: Value) -> Outcome<Value> {
        self.captured.push(text);
        let value = self.value(filter);
        self.captured.pop();
        value
    }

    fn namespace(&mut self, name: &str, arguments: &Arguments, place: Place) -> Outcome<()> {
        let mut fields = BTreeMap::new();
        if !arguments.positional.is_empty() {
            return Err(
                Problem::new("kind_mismatch", "`namespace` takes named values only")
                    .hint("write `namespace(count=0)`")
                    .error(place),
            );
        }
        for (name, node) in &arguments.named {
            fields.insert(name.clone(), self.value(node)?);
        }
        self.namespaces.push(fields);
        self.bound
            .push(name.to_owned(), Binding::Namespace(self.namespaces.len() - 1));
        Ok(())
    }

    fn each(
        &mut self,
        target: &Target,
        over: &Node,
        only: Option<&Node>,
        bodies: (&[Statement], &[Statement]),
        out: &mut String,
    ) -> Outcome<()> {
        let value = self.value(over)?;
        let items = self.pay(over, |_| value::iterate(&value))?;
        let outside = self.bound.len();
        let mut chosen = Vec::new();
        for item in items {
            self.pay(over, |meter| meter.elements(1))?;
            if let Some(only) = only {
                self.bind(target, item.clone(), over.place)?;
                let keep = self.truth(only)?;
                self.bound.forget_to(outside);
                if !keep {
                    continue;
                }
            }
            chosen.push(item);
        }
        if chosen.is_empty() {
            return self.statements(bodies.1, out);
        }
        self.loops += 1;
        for place in 0..chosen.len() {
            self.bind(target, chosen[place].clone(), over.place)?;
            let state = self
                .loop_state(&chosen, place)
                .map_err(|problem| problem.error(over.place))?;
            self.bound.push("loop".to_owned(), Binding::Value(state));
            self.statements(bodies.0, out)?;
            self.bound.forget_to(outside);
        }
        self.loops -= 1;
        Ok(())
    }

    /// What `loop` is: MiniJinja's fields, where the neighbours beyond the ends are none.
    fn loop_state(&mut self, items: &[Value], place: usize) -> Result<Value, Problem> {
        let left = items.len() - place;
        let neighbour = |place: Option<usize>| {
            place
                .and_then(|place| items.get(place))
                .cloned()
                .unwrap_or_else(|| Value::from(()))
        };
        let fields = [
            ("index", Value::from(place + 1)),
            ("index0", Value::from(place)),
            ("revindex", Value::from(left)),
            ("revindex0", Value::from(left - 1)),
            ("first", Value::from(place == 0)),
            ("last", Value::from(left == 1)),
            ("length", Value::from(items.len())),
            ("depth", Value::from(self.loops)),
            ("depth0", Value::from(self.loops - 1)),
            ("previtem", neighbour(place.checked_sub(1))),
            ("nextitem", neighbour(Some(place + 1))),
        ];
        value::map(
            fields.map(|(name, value)| (name.to_owned(), value)).into(),
            &mut self.meter,
        )
    }

    fn bind(&mut self, target: &Target, value: Value, place: Place) -> Outcome<()> {
        match target {
            Target::Name(name) => {
                self.bound.push(name.clone(), Binding::Value(value));
                Ok(())
            }
            Target::Field {
                namespace,
                field,
                place,
            } => match self.local(namespace) {
                Some(Binding::Namespace(index)) => {
                    self.namespaces[index].insert(field.clone(), value);
                    Ok(())
                }
                _ => Err(Problem::new(
                    "kind_mismatch",
                    format!("`{namespace}` is no namespace, so its fields cannot be set"),
                )
                .hint(format!("write `{{% set {namespace} = namespace() %}}` first"))
                .error(*place)),
            },
            Target::Unpack(targets, at) => {
                let items: Vec<Value> = match kind(&value) {
                    Kind::List => value::iterate(&value)
                        .map_err(|problem| problem.error(place))?
                        .take(targets.len() + 1)
                        .collect(),
                    _ => {
                        return Err(Problem::new(
                            "kind_mismatch",
                            format!("only a list can be unpacked, found {}", describe(&value)),
                        )
                        .error(*at));
                    }
                };
                if items.len() != targets.len() {
                    let message = format!(
                        "{} names for a list of {} items",
                        targets.len(),
                        value.len().unwrap_or(items.len())
                    );
                    return Err(Problem::new("kind_mismatch", message).error(*at));
                }
                targets
                    .iter()
                    .zip(items)
                    .try_for_each(|(target, item)| self.bind(target, item, place))
            }
        }
    }

    fn local(&self, name: &str) -> Option<Binding> {
        self.bound.get(name).cloned()
    }

    fn truth(&mut self, node: &Node) -> Outcome<bool> {
        self.value(node).map(|value| value::truthy(&value))
    }

    /// The value of an expression.
    fn value(&mut self, node: &Node) -> Outcome<Value> {
        self.pay(node, Meter::step)?;
        match &node.expression {
            Expression::Literal(literal) => Ok(literal.clone()),
            Expression::Captured => Ok(self.captured.last().cloned().unwrap_or_default()),
            Expression::Name(_) | Expression::Field { .. } | Expression::Item { .. } => self.path(node),
            Expression::Slice {
                base,
                start,
                stop,
                step,
            } => self.slice(node, base, [start, stop, step]),
            Expression::Not(inner) => self.truth(inner).map(|yes| Value::from(!yes)),
            Expression::Negate(inner) => {
                let number = self.value(inner)?;
                operators::negate(&number).map_err(|problem| problem.error(node.place))
            }
            Expression::And(left, right) => {
                let left = self.value(left)?;
                if value::truthy(&left) {
                    self.value(right)
                } else {
                    Ok(left)
                }
            }
            Expression::Or(left, right) => {
                let left = self.value(left)?;
                if value::truthy(&left) {
                    Ok(left)
                } else {
                    self.value(right)
                }
            }
            Expression::Binary {
                operator,
                left,
                right,
            } => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                self.pay(node, |meter| operators::apply(*operator, &left, &right, meter))
            }
            Expression::Chain { first, rest } => self.chain(first, rest),
            Expression::Choice { condition, yes, no } => match (self.truth(condition)?, no) {
                (true, _) => self.value(yes),
                (false, Some(no)) => self.value(no),
                (false, None) => Ok(Value::from(())),
            },
            Expression::Filter {
                name,
                at,
                input,
                arguments,
            } => {
                let found = self.filter(node, name, *at, input, arguments)?;
                found.ok_or_else(|| self.nothing(name, *at))
            }
            Expression::Test {
                name,
                at,
                input,
                arguments,
            } => self.test(name, *at, input, arguments).map(Value::from),
            Expression::Call { name, arguments } => self.call(name, arguments, node),
            Expression::List(nodes) => {
                let items = nodes
                    .iter()
                    .map(|node| self.value(node))
                    .collect::<Outcome<Vec<_>>>()?;
                self.pay(node, |meter| value::list(items, meter))
            }
            Expression::Map(entries) => {
                let mut pairs = Vec::with_capacity(entries.len());
                for (key, item) in entries {
                    let name = self.value(key)?;
                    let name = value::name_of(&name).map_err(|problem| problem.error(key.place))?;
                    pairs.push((name, self.value(item)?));
                }
                self.pay(node, |meter| value::map(pairs, meter))
            }
        }
    }

    fn chain(&mut self, first: &Node, rest: &[(Operator, bool, Node)]) -> Outcome<Value> {
        let mut left = self.value(first)?;
        for (operator, negated, next) in rest {
            let right = self.value(next)?;
            let holds = self.pay(next, |meter| operators::apply(*operator, &left, &right, meter))?;
            if holds.is_true() == *negated {
                return Ok(Value::from(false));
            }
            left = right;
        }
        Ok(Value::from(true))
    }

    /// Runs something that spends on the meter and gives its problem a place.
    fn pay<T>(&mut self, node: &Node, spend: impl FnOnce(&mut Meter) -> Result<T, Problem>) -> Outcome<T> {
        spend(&mut self.meter).map_err(|problem| problem.error(node.place))
    }

    fn name_the_expression(&self, error: EvalError, node: &Node) -> EvalError {
        match error.kind {
            "none_in_text" => {
                let shown = self.shown(node);
                EvalError {
                    message: format!("`{shown}` is none, which has no text"),
                    hint: Some(format!("write `{shown} or ''`")),
                    ..error
                }
            }
            _ => error,
        }
    }

    fn shown(&self, node: &Node) -> String {
        cut(self
            .source
            .get(node.place.offset..node.place.end())
            .unwrap_or_default())
    }
}
