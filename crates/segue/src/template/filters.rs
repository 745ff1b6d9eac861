//! The filters and tests of the language: which exist, what they take and give, and the ones that are ours.
//!
//! MiniJinja's filters do their work on values this module has weighed before; the ones that could grow a small value into a huge one are measured first,
//! and those that would order values of different kinds are ours or are refused. None of them reads a clock, a file, a network or randomness.

use std::sync::OnceLock;

use minijinja::value::Kwargs;
use minijinja::{Environment, State, UndefinedBehavior, Value};

use super::fault::Problem;
use super::kinds::Kind;
use super::limit::{self, Meter};
use super::operators::{self, Operator};
use super::value::{self, cut, describe, kind};

mod measure;
mod own;

/// A filter and the kinds it takes and gives, where they are always the same.
#[derive(Debug)]
pub(super) struct Filter {
    name: &'static str,
    pub takes: Option<Kind>,
    pub gives: Option<Kind>,
}

const fn filter(name: &'static str, takes: Option<Kind>, gives: Option<Kind>) -> Filter {
    Filter { name, takes, gives }
}

const ANY: Option<Kind> = None;
const TEXT: Option<Kind> = Some(Kind::Text);
const NUMBER: Option<Kind> = Some(Kind::Number);
const LIST: Option<Kind> = Some(Kind::List);

/// Every filter, by name.
const FILTERS: &[Filter] = &[
    filter("abs", NUMBER, NUMBER),
    filter("attr", ANY, ANY),
    filter("batch", LIST, LIST),
    filter("bool", ANY, Some(Kind::Boolean)),
    filter("capitalize", TEXT, TEXT),
    filter("chain", ANY, ANY),
    filter("count", ANY, NUMBER),
    filter("d", ANY, ANY),
    filter("default", ANY, ANY),
    filter("dictsort", Some(Kind::Map), LIST),
    filter("e", ANY, TEXT),
    filter("escape", ANY, TEXT),
    filter("first", ANY, ANY),
    filter("float", ANY, NUMBER),
    filter("format", TEXT, TEXT),
    filter("fromjson", TEXT, ANY),
    filter("groupby", LIST, LIST),
    filter("indent", TEXT, TEXT),
    filter("int", ANY, NUMBER),
    filter("items", Some(Kind::Map), LIST),
    filter("join", LIST, TEXT),
    filter("last", ANY, ANY),
    filter("length", ANY, NUMBER),
    filter("lines", TEXT, LIST),
    filter("list", ANY, LIST),
    filter("lower", TEXT, TEXT),
    filter("map", LIST, LIST),
    filter("max", LIST, ANY),
    filter("min", LIST, ANY),
    filter("pprint", ANY, TEXT),
    filter("reject", LIST, LIST),
    filter("rejectattr", LIST, LIST),
    filter("replace", TEXT, TEXT),
    filter("reverse", ANY, ANY),
    filter("round", NUMBER, NUMBER),
    filter("safe", TEXT, TEXT),
    filter("select", LIST, LIST),
    filter("selectattr", LIST, LIST),
    filter("slice", LIST, LIST),
    filter("slug", TEXT, TEXT),
    filter("sort", LIST, LIST),
    filter("split", TEXT, LIST),
    filter("string", ANY, TEXT),
    filter("sum", LIST, NUMBER),
    filter("title", TEXT, TEXT),
    filter("tojson", ANY, TEXT),
    filter("trim", TEXT, TEXT),
    filter("truncate_words", TEXT, TEXT),
    filter("unique", LIST, LIST),
    filter("upper", TEXT, TEXT),
    filter("urlencode", ANY, TEXT),
    filter("wordcount", TEXT, NUMBER),
    filter("zip", LIST, LIST),
];

/// Every test, by name.
pub(super) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// The names of every filter.
pub(super) fn names() -> Vec<&'static str> {
    FILTERS.iter().map(|filter| filter.name).collect()
}

/// The filter of this name.
pub(super) fn find(name: &str) -> Option<&'static Filter> {
    FILTERS.iter().find(|filter| filter.name == name)
}

/// MiniJinja's filters and tests; it has no templates and reaches nothing outside.
pub(super) fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
    })
}

/// What a filter or test was called with, after its input.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub positional: Vec<Value>,
    pub named: Vec<(String, Value)>,
}

impl Given {
    /// The argument at `place`, or the one called `name`.
    pub(super) fn get(&self, place: usize, name: &str) -> Option<&Value> {
        self.positional.get(place).or_else(|| self.named(name))
    }

    /// The argument called `name`.
    pub(super) fn named(&self, name: &str) -> Option<&Value> {
        self.named
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value)
    }

    /// Refuses more arguments than `names`, and ones called otherwise.
    pub(super) fn only(&self, filter: &str, names: &[&str]) -> Result<(), Problem> {
        let unknown = self
            .named
            .iter()
            .find(|(given, _)| !names.contains(&given.as_str()));
        match unknown {
            Some((given, _)) => Err(Problem::new(
                "kind_mismatch",
                format!("`{filter}` has no argument `{}`", cut(given)),
            )),
            None if self.positional.len() > names.len() => Err(Problem::new(
                "kind_mismatch",
                format!(
                    "`{filter}` takes at most {} arguments, found {}",
                    names.len(),
                    self.positional.len()
                ),
            )),
            None => Ok(()),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        self.positional
            .iter()
            .chain(self.named.iter().map(|(_, value)| value))
    }

    /// The argument as text; `None` if it is not given or none.
    fn text(&self, filter: &str, place: usize, name: &str) -> Result<Option<&str>, Problem> {
        match self.get(place, name) {
            Some(given) if !given.is_none() => given
                .as_str()
                .map(Some)
                .ok_or_else(|| wrong(filter, Kind::Text, given)),
            _ => Ok(None),
        }
    }

    /// The argument as a number from 0 to the largest list the language makes.
    fn count(&self, filter: &str, place: usize, name: &str) -> Result<Option<usize>, Problem> {
        match self.get(place, name) {
            None => Ok(None),
            Some(given) => match given.as_i64().filter(|_| given.is_integer()) {
                Some(count) if (0..=limit::RANGE as i64).contains(&count) => Ok(Some(count as usize)),
                Some(count) => Err(Problem::new(
                    "number_range",
                    format!("`{filter}` takes 0 to {}, found {count}", limit::RANGE),
                )),
                None => Err(wrong(filter, Kind::Number, given)),
            },
        }
    }
}

fn wrong(filter: &str, takes: Kind, found: &Value) -> Problem {
    let problem = Problem::new(
        "kind_mismatch",
        format!("`{filter}` needs {}, found {}", takes.noun(), describe(found)),
    );
    match (takes, kind(found)) {
        (_, Kind::None) => problem.hint("give a value to use instead with `or`"),
        (Kind::Text, _) => problem.hint("use `| string` first"),
        (Kind::Number, Kind::Text) => problem.hint("use `| int` or `| float` first"),
        (Kind::List, Kind::Text) => problem.hint("use `| split` or `| lines` first"),
        (Kind::List, Kind::Map) => problem.hint("use `| items` first"),
        _ => problem,
    }
}

/// Applies a filter that names no other filter or test.
///
/// `None` means that there was nothing to give, as for `first` of an empty list.
///
/// # Errors
///
/// `kind_mismatch`, `number_range`, `none_in_text`, `unknown_field`, `template_limit`.
pub(super) fn apply(
    name: &str,
    input: &Value,
    given: &Given,
    state: &mut State<'_, '_>,
    meter: &mut Meter,
) -> Result<Option<Value>, Problem> {
    check_input(name, input)?;
    // These look at one place of a value, however large it is.
    if !matches!(name, "length" | "count" | "first" | "last") || kind(input) == Kind::Text {
        value::weigh(input, meter)?;
    }
    for argument in given.all() {
        value::weigh(argument, meter)?;
    }
    let own = match name {
        "wordcount" => Value::from(input.as_str().unwrap_or_default().split_whitespace().count()),
        "truncate_words" => Value::from(own::truncate_words(
            input.as_str().unwrap_or_default(),
            given.count(name, 0, "n")?.ok_or_else(|| needs(name, "n"))?,
        )),
        "slug" => Value::from(own::slug(input.as_str().unwrap_or_default())),
        "fromjson" => own::from_json(input.as_str().unwrap_or_default(), meter)?,
        "tojson" | "pprint" => Value::from(own::to_json(name, input, given, meter)?),
        "string" => Value::from(value::to_text(input, meter)?),
        "bool" => Value::from(value::truthy(input)),
        "join" => Value::from(own::join(input, given, meter)?),
        "sum" => own::sum(input, given, meter)?,
        "attr" => {
            let path = given.text(name, 0, "name")?.ok_or_else(|| needs(name, "name"))?;
            return Ok(at_path(input, path));
        }
        _ => {
            measure::measure(name, input, given, meter)?;
            return delegate(name, input, given, state, meter);
        }
    };
    given.only(name, arguments_of(name))?;
    value::settle(own, meter)
}

/// Refuses an input of a kind the filter does not take.
pub(super) fn check_input(name: &str, input: &Value) -> Result<(), Problem> {
    match find(name).and_then(|filter| filter.takes) {
        Some(takes) if kind(input) != takes => Err(wrong(name, takes, input)),
        _ => Ok(()),
    }
}

fn arguments_of(name: &str) -> &'static [&'static str] {
    match name {
        "truncate_words" => &["n"],
        "tojson" => &["indent"],
        "join" => &["d", "attribute"],
        "sum" => &["attribute", "start"],
        _ => &[],
    }
}

fn needs(filter: &str, argument: &str) -> Problem {
    Problem::new(
        "kind_mismatch",
        format!("`{filter}` needs its argument `{argument}`"),
    )
}

/// Lets MiniJinja do it and brings the result back among our values.
fn delegate(
    name: &str,
    input: &Value,
    given: &Given,
    state: &mut State<'_, '_>,
    meter: &mut Meter,
) -> Result<Option<Value>, Problem> {
    let result = state
        .apply_filter(name, &arguments(input, given))
        .map_err(|error| foreign(name, &error))?;
    value::settle(result, meter)
}

fn arguments(input: &Value, given: &Given) -> Vec<Value> {
    let mut arguments = vec![input.clone()];
    arguments.extend(given.positional.iter().cloned());
    if !given.named.is_empty() {
        arguments.push(Value::from(
            given
                .named
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect::<Kwargs>(),
        ));
    }
    arguments
}

fn foreign(name: &str, error: &minijinja::Error) -> Problem {
    let detail = error
        .detail()
        .map_or_else(|| error.kind().to_string(), str::to_owned);
    Problem::new("kind_mismatch", format!("`{name}`: {}", cut(&detail)))
}

/// Performs a test other than `defined` and `undefined`.
///
/// # Errors
///
/// `kind_mismatch` for kinds a test cannot judge, else as [`operators::apply`].
pub(super) fn test(
    name: &str,
    input: &Value,
    given: &Given,
    state: &mut State<'_, '_>,
    meter: &mut Meter,
) -> Result<bool, Problem> {
    let operator = match name {
        "eq" | "equalto" => Operator::Equal,
        "ne" => Operator::Unequal,
        "lt" | "lessthan" => Operator::Less,
        "le" => Operator::AtMost,
        "gt" | "greaterthan" => Operator::Greater,
        "ge" => Operator::AtLeast,
        "in" => Operator::In,
        "divisibleby" | "odd" | "even" => return divisible(name, input, given, meter),
        "filter" => return Ok(input.as_str().is_some_and(|name| find(name).is_some())),
        "test" => return Ok(input.as_str().is_some_and(|name| TESTS.contains(&name))),
        "defined" => return Ok(true),
        "undefined" => return Ok(false),
        // MiniJinja counts booleans as numbers.
        "number" => return Ok(kind(input) == Kind::Number),
        _ => {
            value::weigh(input, meter)?;
            if matches!(name, "startingwith" | "endingwith") {
                let other = given.positional.first().unwrap_or(input);
                if kind(input) != Kind::Text || kind(other) != Kind::Text {
                    return Err(wrong(
                        name,
                        Kind::Text,
                        if kind(input) == Kind::Text { other } else { input },
                    ));
                }
            }
            return state
                .perform_test(name, &arguments(input, given))
                .map_err(|error| foreign(name, &error));
        }
    };
    let other = given.positional.first().ok_or_else(|| needs(name, "other"))?;
    operators::apply(operator, input, other, meter).map(|result| result.is_true())
}

fn divisible(name: &str, input: &Value, given: &Given, meter: &mut Meter) -> Result<bool, Problem> {
    let divisor = match name {
        "divisibleby" => given
            .positional
            .first()
            .cloned()
            .ok_or_else(|| needs(name, "number"))?,
        _ => Value::from(2),
    };
    if kind(input) != Kind::Number {
        return Err(wrong(name, Kind::Number, input));
    }
    let rest = operators::apply(Operator::Remainder, input, &divisor, meter)?;
    let divides = value::equal(&rest, &Value::from(0), meter)?;
    Ok(divides != (name == "odd"))
}

/// The part of a value at a dotted path, as `attribute=` arguments write it.
pub(super) fn at_path(value: &Value, path: &str) -> Option<Value> {
    let mut found = value.clone();
    for part in path.split('.') {
        let next = match part.parse::<usize>() {
            Ok(index) if kind(&found) == Kind::List => found.get_item_by_index(index),
            _ => found.get_attr(part),
        };
        found = next.ok().filter(|next| !next.is_undefined())?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_tests_are_listed_in_order_and_exist() {
        assert!(FILTERS.is_sorted_by_key(|filter| filter.name));
        assert!(TESTS.is_sorted());
        let mut state = environment().empty_state();
        for name in TESTS {
            // Fails for a name MiniJinja does not know; those of ours do not reach it.
            let given = Given {
                positional: vec![Value::from("a")],
                named: Vec::new(),
            };
            let result = test(name, &Value::from("a"), &given, &mut state, &mut Meter::full());
            assert!(
                !matches!(&result, Err(problem) if problem.message.contains("unknown")),
                "{name}: {result:?}"
            );
        }
    }
}
