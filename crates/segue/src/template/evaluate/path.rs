//! Follows paths: names bound by the template, names of the scope, fields, places and slices.
//!
//! A field of none is none, so that what a skipped step would have given can be provided for at the end of the path with `or`.
//! A field that a map does not have is an error unless `default` or `is defined` asks for it.

use minijinja::Value;

use super::super::Found;
use super::super::fault::{EvalError, Place, Problem};
use super::super::kinds::Kind;
use super::super::limit::{self, Meter};
use super::super::suggest::suggest;
use super::super::syntax::{Expression, Node};
use super::super::value::{self, cut, describe, kind};
use super::{Binding, Evaluator, Outcome};

/// What a path leads to.
enum Reached {
    Value(Value),
    /// A part of the scope that has names but is not a value yet.
    Group(Vec<String>, Vec<String>),
    Namespace(usize),
    /// A field of none.
    Nothing,
    /// A name that is not there, and the error if that matters.
    Missing(EvalError),
}

/// Fields of a map among which a misspelled one is looked for.
const SUGGESTED_FROM: usize = 64;

impl Evaluator<'_> {
    /// The value of an expression, or `None` where there is none: a missing field, a field of none, an empty list's first item.
    pub(super) fn optional(&mut self, node: &Node) -> Outcome<Option<Value>> {
        match &node.expression {
            Expression::Name(_) | Expression::Field { .. } | Expression::Item { .. } => {
                match self.reach(node)? {
                    Reached::Missing(_) | Reached::Nothing => Ok(None),
                    reached => self.settle(reached, node).map(Some),
                }
            }
            Expression::Filter {
                name,
                at,
                input,
                arguments,
            } => self.filter(node, name, *at, input, arguments),
            _ => self.value(node).map(Some),
        }
    }

    pub(super) fn path(&mut self, node: &Node) -> Outcome<Value> {
        let reached = self.reach(node)?;
        self.settle(reached, node)
    }

    fn settle(&mut self, reached: Reached, node: &Node) -> Outcome<Value> {
        match reached {
            Reached::Value(value) => {
                let bytes = value.as_str().map_or(0, str::len);
                self.pay(node, |meter| meter.bytes(bytes))?;
                Ok(value)
            }
            Reached::Group(path, names) => self.gather(&path, names, node),
            Reached::Nothing => Ok(Value::from(())),
            Reached::Missing(error) => Err(error),
            Reached::Namespace(_) => Err(Problem::new("kind_mismatch", "a namespace is no value")
                .hint("read its fields, such as `ns.count`")
                .error(node.place)),
        }
    }

    /// The whole of a group as a map; scopes are a few levels deep.
    fn gather(&mut self, path: &[String], names: Vec<String>, node: &Node) -> Outcome<Value> {
        if path.len() > limit::NESTING {
            return Err(
                Problem::limit(format!("the nesting is deeper than {}", limit::NESTING)).error(node.place),
            );
        }
        let mut pairs = Vec::with_capacity(names.len());
        for name in names {
            self.pay(node, Meter::step)?;
            let inner: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
            let value = match self.find(&inner) {
                Found::Value(json) => value::from_json(&json),
                Found::Group(names) => self.gather(&inner, names, node)?,
                Found::Missing => continue,
            };
            pairs.push((name, value));
        }
        self.pay(node, |meter| value::map(pairs, meter))
    }

    fn find(&self, path: &[String]) -> Found {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        self.lookup.find(&path)
    }

    fn reach(&mut self, node: &Node) -> Outcome<Reached> {
        match &node.expression {
            Expression::Name(name) => Ok(match self.local(name) {
                Some(Binding::Value(value)) => Reached::Value(value),
                Some(Binding::Namespace(index)) => Reached::Namespace(index),
                None => self.in_scope(vec![name.clone()], node.place),
            }),
            Expression::Field { base, name, at } => {
                let base = self.reach_base(base)?;
                Ok(self.member(base, name, *at))
            }
            Expression::Item { base, key } => {
                let reached = self.reach_base(base)?;
                let key_value = self.value(key)?;
                match (reached, key_value.as_str()) {
                    (Reached::Value(list), None) => self.item(&list, &key_value, key.place),
                    (reached, Some(name)) => Ok(self.member(reached, name, key.place)),
                    (Reached::Nothing, _) => Ok(Reached::Nothing),
                    (Reached::Missing(error), _) => Ok(Reached::Missing(error)),
                    (_, None) => Err(Problem::new(
                        "kind_mismatch",
                        format!("a name is text, found {}", describe(&key_value)),
                    )
                    .error(key.place)),
                }
            }
            _ => self.value(node).map(Reached::Value),
        }
    }

    fn reach_base(&mut self, base: &Node) -> Outcome<Reached> {
        self.pay(base, Meter::step)?;
        self.reach(base)
    }

    fn in_scope(&self, path: Vec<String>, place: Place) -> Reached {
        match self.find(&path) {
            Found::Value(json) => Reached::Value(value::from_json(&json)),
            Found::Group(names) => Reached::Group(path, names),
            Found::Missing => {
                let around = match self.find(&path[..path.len() - 1]) {
                    Found::Group(names) => names,
                    _ => Vec::new(),
                };
                let name = path.last().map(String::as_str).unwrap_or_default();
                let problem = match path.len() {
                    1 => Problem::new("unknown_reference", format!("`{}` is not in scope", cut(name))),
                    _ => Problem::new(
                        "unknown_field",
                        format!("`{}` has no `{}`", path[..path.len() - 1].join("."), cut(name)),
                    ),
                };
                Reached::Missing(with_known(problem, name, &around).error(place))
            }
        }
    }

    fn member(&mut self, base: Reached, name: &str, at: Place) -> Reached {
        match base {
            Reached::Group(mut path, _) => {
                path.push(name.to_owned());
                self.in_scope(path, at)
            }
            Reached::Namespace(index) => match self.namespaces[index].get(name) {
                Some(value) => Reached::Value(value.clone()),
                None => Reached::Missing(
                    Problem::new("unknown_field", format!("the namespace has no `{}`", cut(name))).error(at),
                ),
            },
            Reached::Value(value) if value.is_none() => Reached::Nothing,
            Reached::Value(value) => match value
                .get_attr(name)
                .ok()
                .filter(|found| !found.is_undefined() && kind(&value) == Kind::Map)
            {
                Some(found) => Reached::Value(found),
                None => Reached::Missing(no_field(&value, name).error(at)),
            },
            Reached::Nothing => Reached::Nothing,
            Reached::Missing(error) => Reached::Missing(error),
        }
    }

    /// The item of a list, or the character of a text, at a place; negative places count from the end.
    fn item(&mut self, base: &Value, key: &Value, at: Place) -> Outcome<Reached> {
        if base.is_none() {
            return Ok(Reached::Nothing);
        }
        let len = match kind(base) {
            Kind::List | Kind::Text => base.len().unwrap_or(0),
            _ => {
                return Err(Problem::new(
                    "kind_mismatch",
                    format!("{} has no item {}", describe(base), describe(key)),
                )
                .error(at));
            }
        };
        if let Some(text) = base.as_str() {
            self.meter
                .bytes(text.len())
                .map_err(|problem| problem.error(at))?;
        }
        let Some(place) = key
            .as_i64()
            .filter(|_| kind(key) == Kind::Number && key.is_integer())
        else {
            return Err(Problem::new(
                "kind_mismatch",
                format!("the place in a list is an integer, found {}", describe(key)),
            )
            .error(at));
        };
        let from_start = if place < 0 {
            place.checked_add_unsigned(len as u64)
        } else {
            Some(place)
        };
        let found = from_start
            .and_then(|place| usize::try_from(place).ok())
            .and_then(|place| match base.as_str() {
                Some(text) => text
                    .chars()
                    .nth(place)
                    .map(|character| Value::from(character.to_string())),
                None => base
                    .get_item_by_index(place)
                    .ok()
                    .filter(|found| !found.is_undefined()),
            });
        Ok(match found {
            Some(found) => Reached::Value(found),
            None => Reached::Missing(
                Problem::new(
                    "unknown_field",
                    format!("place {place} is outside {} of {len}", kind(base).noun()),
                )
                .error(at),
            ),
        })
    }

    pub(super) fn slice(
        &mut self,
        node: &Node,
        base: &Node,
        bounds: [&Option<Box<Node>>; 3],
    ) -> Outcome<Value> {
        let value = self.value(base)?;
        let mut numbers = [None; 3];
        for (number, bound) in numbers.iter_mut().zip(bounds) {
            let Some(bound) = bound else { continue };
            let given = self.value(bound)?;
            if given.is_none() {
                continue;
            }
            let integer = given
                .as_i64()
                .filter(|_| kind(&given) == Kind::Number && given.is_integer());
            *number = Some(integer.ok_or_else(|| {
                Problem::new(
                    "kind_mismatch",
                    format!("a slice takes integers, found {}", describe(&given)),
                )
                .error(bound.place)
            })?);
        }
        let [start, stop, step] = numbers;
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(Problem::new("number_range", "the step of a slice cannot be 0").error(node.place));
        }
        match (kind(&value), value.as_str()) {
            (Kind::Text, Some(text)) => {
                self.pay(node, |meter| meter.bytes(text.len()))?;
                let characters: Vec<char> = text.chars().collect();
                let chosen =
                    places(characters.len(), start, stop, step).filter_map(|place| characters.get(place));
                Ok(Value::from(chosen.collect::<String>()))
            }
            (Kind::List, _) => {
                let places = places(value.len().unwrap_or(0), start, stop, step);
                let items: Vec<Value> = places
                    .filter_map(|place| value.get_item_by_index(place).ok())
                    .collect();
                self.pay(node, |meter| value::list(items, meter))
            }
            (Kind::None, _) => Ok(value),
            _ => Err(Problem::new(
                "kind_mismatch",
                format!("only lists and text can be sliced, found {}", describe(&value)),
            )
            .error(base.place)),
        }
    }
}

/// The places a slice takes, in its order; bounds as in Python.
fn places(len: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let (lowest, highest) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let bound = |given: Option<i64>, default: i64| match given {
        Some(place) if place < 0 => place.saturating_add(len).clamp(lowest, highest),
        Some(place) => place.clamp(lowest, highest),
        None => default,
    };
    let (start, stop) = if step > 0 {
        (bound(start, 0), bound(stop, len))
    } else {
        (bound(start, len - 1), bound(stop, -1))
    };
    std::iter::successors(Some(start), move |place| place.checked_add(step))
        .take_while(move |place| if step > 0 { *place < stop } else { *place > stop })
        .filter_map(|place| usize::try_from(place).ok())
}

fn no_field(value: &Value, name: &str) -> Problem {
    match kind(value) {
        Kind::Map => {
            // A miss can happen in every turn of a loop, so only the names of small maps are gone through.
            let small = value.len().is_some_and(|len| len <= SUGGESTED_FROM);
            let names = small
                .then(|| value::iterate(value).ok())
                .flatten()
                .into_iter()
                .flatten();
            let names: Vec<String> = names.map(|name| name.to_string()).collect();
            let problem = Problem::new("unknown_field", format!("there is no field `{}`", cut(name)));
            with_known(problem, name, &names)
        }
        _ => Problem::new(
            "unknown_field",
            format!("{} has no field `{}`", describe(value), cut(name)),
        ),
    }
}

fn with_known(problem: Problem, name: &str, known: &[String]) -> Problem {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    match suggest(name, &known).0 {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
