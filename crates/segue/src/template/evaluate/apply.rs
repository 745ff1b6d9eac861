//! Applies filters, tests and functions, among them the filters that apply another one to every item.

use minijinja::Value;

use super::super::fault::{EvalError, Place, Problem};
use super::super::filters::{self, Given};
use super::super::kinds::Kind;
use super::super::limit::{self, Meter};
use super::super::syntax::{Arguments, Node};
use super::super::value::{self, cut, describe, kind};
use super::{Evaluator, Outcome};

impl Evaluator<'_> {
    fn given(&mut self, arguments: &Arguments) -> Outcome<Given> {
        let mut given = Given::default();
        for node in &arguments.positional {
            given.positional.push(self.value(node)?);
        }
        for (name, node) in &arguments.named {
            given.named.push((name.clone(), self.value(node)?));
        }
        Ok(given)
    }

    pub(super) fn call(&mut self, name: &str, arguments: &Arguments, node: &Node) -> Outcome<Value> {
        let given = self.given(arguments)?;
        let result = match name {
            "range" => range(&given, &mut self.meter),
            _ => dict(given, &mut self.meter),
        };
        result.map_err(|problem| problem.error(node.place))
    }

    pub(super) fn filter(
        &mut self,
        node: &Node,
        name: &str,
        at: Place,
        input: &Node,
        arguments: &Arguments,
    ) -> Outcome<Option<Value>> {
        if matches!(name, "default" | "d") {
            let value = self.optional(input)?.filter(|value| !value.is_none());
            let given = self.given(arguments)?;
            given
                .only(name, &["value", "boolean"])
                .map_err(|problem| problem.error(at))?;
            return Ok(Some(or_default(value, &given)));
        }
        let input = self.value(input)?;
        let given = self.given(arguments)?;
        self.apply(name, &input, given).map_err(|problem| {
            let place = if problem.code == "template_limit" {
                node.place
            } else {
                at
            };
            problem.error(place)
        })
    }

    /// Applies a filter to a value, as `map` does to every item.
    fn apply(&mut self, name: &str, input: &Value, given: Given) -> Result<Option<Value>, Problem> {
        self.meter.step()?;
        match name {
            "map" => self.map(input, given).map(Some),
            "select" | "reject" => self.select(input, given, name == "select", false).map(Some),
            "selectattr" | "rejectattr" => self.select(input, given, name == "selectattr", true).map(Some),
            "default" | "d" => Ok(Some(or_default(
                Some(input.clone()).filter(|input| !input.is_none()),
                &given,
            ))),
            _ => filters::apply(name, input, &given, &mut self.minijinja, &mut self.meter),
        }
    }

    fn map(&mut self, input: &Value, mut given: Given) -> Result<Value, Problem> {
        filters::check_input("map", input)?;
        let mut items = Vec::new();
        if given.positional.is_empty() {
            let attribute = given
                .named("attribute")
                .and_then(Value::as_str)
                .ok_or_else(|| Problem::new("kind_mismatch", "`map` needs a filter or `attribute=`"))?;
            for (place, item) in value::iterate(input)?.enumerate() {
                self.meter.step()?;
                let found = filters::at_path(&item, attribute).or_else(|| given.named("default").cloned());
                items.push(found.ok_or_else(|| {
                    Problem::new(
                        "unknown_field",
                        format!("item {place} has no field `{}`", cut(attribute)),
                    )
                    .hint("give `default=` to `map`")
                })?);
            }
            return value::list(items, &mut self.meter);
        }
        let filter = given.positional.remove(0);
        let filter = filter.as_str().ok_or_else(|| {
            Problem::new(
                "kind_mismatch",
                format!("the name of a filter is text, found {}", describe(&filter)),
            )
        })?;
        for (place, item) in value::iterate(input)?.enumerate() {
            let given = Given {
                positional: given.positional.clone(),
                named: given.named.clone(),
            };
            let mapped = self.apply(filter, &item, given)?;
            items.push(mapped.ok_or_else(|| {
                Problem::new(
                    "unknown_field",
                    format!("`{}` finds nothing in item {place}", cut(filter)),
                )
            })?);
        }
        value::list(items, &mut self.meter)
    }

    fn select(
        &mut self,
        input: &Value,
        mut given: Given,
        keep: bool,
        by_attribute: bool,
    ) -> Result<Value, Problem> {
        filters::check_input("select", input)?;
        let mut next = || (!given.positional.is_empty()).then(|| given.positional.remove(0));
        let named = |value: Option<Value>, what: &str| match value {
            Some(value) => value.as_str().map(|name| Some(name.to_owned())).ok_or_else(|| {
                Problem::new(
                    "kind_mismatch",
                    format!("the name of {what} is text, found {}", describe(&value)),
                )
            }),
            None => Ok(None),
        };
        let attribute = if by_attribute {
            named(next(), "a field")?
        } else {
            None
        };
        let test = named(next(), "a test")?;
        let mut items = Vec::new();
        for item in value::iterate(input)? {
            self.meter.step()?;
            let tested = match &attribute {
                Some(path) => filters::at_path(&item, path),
                None => Some(item.clone()),
            };
            let holds = match (tested, test.as_deref()) {
                (tested, Some("defined")) => tested.is_some(),
                (tested, Some("undefined")) => tested.is_none(),
                (None, _) => false,
                (Some(tested), None) => value::truthy(&tested),
                (Some(tested), Some(test)) => {
                    filters::test(test, &tested, &given, &mut self.minijinja, &mut self.meter)?
                }
            };
            if holds == keep {
                items.push(item);
            }
        }
        value::list(items, &mut self.meter)
    }

    pub(super) fn test(
        &mut self,
        name: &str,
        at: Place,
        input: &Node,
        arguments: &Arguments,
    ) -> Outcome<bool> {
        let value = match name {
            "defined" | "undefined" => return Ok(self.optional(input)?.is_some() == (name == "defined")),
            _ => self.value(input)?,
        };
        let given = self.given(arguments)?;
        filters::test(name, &value, &given, &mut self.minijinja, &mut self.meter)
            .map_err(|problem| problem.error(at))
    }

    pub(super) fn nothing(&self, filter: &str, at: Place) -> EvalError {
        Problem::new("unknown_field", format!("`{}` finds nothing", cut(filter)))
            .hint("give a value to use instead with `| default('')`")
            .error(at)
    }
}

fn or_default(value: Option<Value>, given: &Given) -> Value {
    let also_no = given.get(1, "boolean").is_some_and(value::truthy);
    match value {
        Some(value) if !also_no || value::truthy(&value) => value,
        _ => given.get(0, "value").cloned().unwrap_or_else(|| Value::from("")),
    }
}

fn range(given: &Given, meter: &mut Meter) -> Result<Value, Problem> {
    let mut bounds = Vec::new();
    for value in &given.positional {
        match value
            .as_i64()
            .filter(|_| kind(value) == Kind::Number && value.is_integer())
        {
            Some(bound) => bounds.push(i128::from(bound)),
            None => {
                return Err(Problem::new(
                    "kind_mismatch",
                    format!("`range` takes integers, found {}", describe(value)),
                ));
            }
        }
    }
    let (start, stop, step) = match bounds.as_slice() {
        [stop] if given.named.is_empty() => (0, *stop, 1),
        [start, stop] if given.named.is_empty() => (*start, *stop, 1),
        [start, stop, step] if given.named.is_empty() => (*start, *stop, *step),
        _ => {
            return Err(Problem::new(
                "kind_mismatch",
                "`range` takes one to three integers",
            ));
        }
    };
    if step == 0 {
        return Err(Problem::new("number_range", "the step of `range` cannot be 0"));
    }
    let count = if (step > 0) == (stop > start) {
        (stop - start).unsigned_abs().div_ceil(step.unsigned_abs())
    } else {
        0
    };
    if count > limit::RANGE as u128 {
        return Err(Problem::limit(format!(
            "`range` would give {count} numbers, the limit is {}",
            limit::RANGE
        )));
    }
    let numbers = (0..count as i128)
        .map(|place| Value::from((start + place * step) as i64))
        .collect();
    value::list(numbers, meter)
}

fn dict(given: Given, meter: &mut Meter) -> Result<Value, Problem> {
    let mut pairs = Vec::new();
    match given.positional.as_slice() {
        [] => {}
        [base] if kind(base) == Kind::Map => {
            for name in value::iterate(base)? {
                meter.elements(1)?;
                pairs.push((value::name_of(&name)?, base.get_item(&name).unwrap_or_default()));
            }
        }
        _ => {
            return Err(Problem::new(
                "kind_mismatch",
                "`dict` takes one map and named values",
            ));
        }
    }
    pairs.extend(given.named);
    value::map(pairs, meter)
}
