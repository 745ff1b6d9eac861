//! Operators, strict in the kinds of what they are given (rule 6 of the language).
//!
//! One table, [`Operator::gives`], says which kinds go together; the check before a run and the evaluation both ask it.

use std::cmp::Ordering;

use minijinja::Value;

use super::fault::Problem;
use super::kinds::Kind;
use super::limit::{self, Meter};
use super::value::{self, cut, describe, kind};

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    Join,
}

impl Operator {
    /// The kind of the result, or none where these kinds do not go together.
    pub(super) fn gives(self, left: Kind, right: Kind) -> Option<Kind> {
        match self {
            Operator::Equal | Operator::Unequal => {
                (left == right || left == Kind::None || right == Kind::None).then_some(Kind::Boolean)
            }
            Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => {
                (left == right && matches!(left, Kind::Number | Kind::Text)).then_some(Kind::Boolean)
            }
            Operator::In => match right {
                Kind::List | Kind::Map => Some(Kind::Boolean),
                Kind::Text => (left == Kind::Text).then_some(Kind::Boolean),
                _ => None,
            },
            Operator::Add if left == Kind::List && right == Kind::List => Some(Kind::List),
            // None is told apart later, as `none_in_text`.
            Operator::Join => Some(Kind::Text),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::FloorDivide
            | Operator::Remainder
            | Operator::Power => (left == Kind::Number && right == Kind::Number).then_some(Kind::Number),
        }
    }

    /// How the operator is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Operator::Equal => "==",
            Operator::Unequal => "!=",
            Operator::Less => "<",
            Operator::AtMost => "<=",
            Operator::Greater => ">",
            Operator::AtLeast => ">=",
            Operator::In => "in",
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::FloorDivide => "//",
            Operator::Remainder => "%",
            Operator::Power => "**",
            Operator::Join => "~",
        }
    }

    fn verb(self) -> (&'static str, &'static str) {
        match self {
            Operator::In => ("look for", "in"),
            Operator::Add => ("add", "and"),
            Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::FloorDivide
            | Operator::Remainder
            | Operator::Power => ("calculate with", "and"),
            _ => ("compare", "with"),
        }
    }

    /// The problem of two kinds that do not go together, each shown as the caller knows it.
    pub(super) fn mismatch(self, left: (Kind, &str), right: (Kind, &str)) -> Problem {
        let (verb, with) = self.verb();
        let message = format!("`{}` cannot {verb} {} {with} {}", self.symbol(), left.1, right.1);
        let problem = Problem::new("kind_mismatch", message);
        match (self, left.0, right.0) {
            (Operator::Add, Kind::Text, _) | (Operator::Add, _, Kind::Text) => problem.hint("`~` joins text"),
            (_, Kind::None, _) | (_, _, Kind::None) => {
                problem.hint("test it with `is not none` first, or give a value with `or`")
            }
            (_, Kind::Text, Kind::Number) | (_, Kind::Number, Kind::Text) => {
                problem.hint("use `| int` or `| float` on the text")
            }
            _ => problem,
        }
    }
}

/// Applies an operator to two values.
///
/// # Errors
///
/// `kind_mismatch`, `number_range`, `none_in_text`, `template_limit`.
pub(super) fn apply(
    operator: Operator,
    left: &Value,
    right: &Value,
    meter: &mut Meter,
) -> Result<Value, Problem> {
    if operator.gives(kind(left), kind(right)).is_none() {
        return Err(operator.mismatch((kind(left), &describe(left)), (kind(right), &describe(right))));
    }
    match operator {
        Operator::Equal => Ok(Value::from(value::equal(left, right, meter)?)),
        Operator::Unequal => Ok(Value::from(!value::equal(left, right, meter)?)),
        Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => {
            let ordering = order(left, right, meter)?;
            Ok(Value::from(match operator {
                Operator::Less => ordering.is_lt(),
                Operator::AtMost => ordering.is_le(),
                Operator::Greater => ordering.is_gt(),
                _ => ordering.is_ge(),
            }))
        }
        Operator::In => contains(left, right, meter).map(Value::from),
        Operator::Join => {
            let mut text = value::to_text(left, meter)?;
            text.push_str(&value::to_text(right, meter)?);
            limit::fits(text.len())?;
            Ok(Value::from(text))
        }
        Operator::Add if kind(left) == Kind::List => {
            let mut items: Vec<Value> = value::iterate(left)?.collect();
            items.extend(value::iterate(right)?);
            value::list(items, meter)
        }
        _ => {
            let operands = Number::of(left).zip(Number::of(right));
            let (left, right) =
                operands.ok_or_else(|| Problem::new("number_range", "a number is out of range"))?;
            calculate(operator, left, right)
        }
    }
}

/// The order of two numbers or two texts.
pub(super) fn order(left: &Value, right: &Value, meter: &mut Meter) -> Result<Ordering, Problem> {
    if Operator::Less.gives(kind(left), kind(right)).is_none() {
        return Err(Operator::Less.mismatch((kind(left), &describe(left)), (kind(right), &describe(right))));
    }
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => {
            meter.bytes(left.len().min(right.len()))?;
            Ok(left.cmp(right))
        }
        _ => Number::of(left)
            .zip(Number::of(right))
            .map(|(left, right)| left.compare(right))
            .ok_or_else(|| Problem::new("number_range", "a number is out of range")),
    }
}

fn contains(needle: &Value, hay: &Value, meter: &mut Meter) -> Result<bool, Problem> {
    if let (Some(needle), Some(hay)) = (needle.as_str(), hay.as_str()) {
        meter.bytes(hay.len())?;
        return Ok(hay.contains(needle));
    }
    if kind(hay) == Kind::Map {
        return Ok(needle
            .as_str()
            .is_some_and(|name| hay.get_attr(name).is_ok_and(|found| !found.is_undefined())));
    }
    for item in value::iterate(hay)? {
        if value::equal(needle, &item, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The negative of a number.
pub(super) fn negate(value: &Value) -> Result<Value, Problem> {
    match Number::of(value) {
        Some(number) => calculate(Operator::Subtract, Number::Integer(0), number),
        None => Err(Problem::new(
            "kind_mismatch",
            format!("`-` needs a number, found {}", describe(value)),
        )),
    }
}

/// A number in calculation; integers are wider than the result may be, so that only the result has to be checked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Integer(i128),
    Float(f64),
}

impl Number {
    pub(super) fn of(value: &Value) -> Option<Number> {
        match (kind(value), value.is_integer()) {
            (Kind::Number, true) => i128::try_from(value.clone()).ok().map(Number::Integer),
            (Kind::Number, false) => f64::try_from(value.clone()).ok().map(Number::Float),
            _ => None,
        }
    }

    pub(super) fn compare(self, other: Number) -> Ordering {
        match (self, other) {
            (Number::Integer(left), Number::Integer(right)) => left.cmp(&right),
            (Number::Integer(left), Number::Float(right)) => compare_mixed(left, right),
            (Number::Float(left), Number::Integer(right)) => compare_mixed(right, left).reverse(),
            (Number::Float(left), Number::Float(right)) => {
                left.partial_cmp(&right).unwrap_or(Ordering::Equal)
            }
        }
    }

    fn float(self) -> f64 {
        match self {
            Number::Integer(number) => number as f64,
            Number::Float(number) => number,
        }
    }
}

/// Compares exactly: a float loses digits of a large integer, an integer the fraction of a float.
fn compare_mixed(integer: i128, float: f64) -> Ordering {
    // Integers of values have 64 bits; a float beyond them is decided by its sign.
    if float >= 2f64.powi(65) {
        return Ordering::Less;
    }
    if float <= -(2f64.powi(65)) {
        return Ordering::Greater;
    }
    let whole = float.floor();
    integer.cmp(&(whole as i128)).then(if float > whole {
        Ordering::Less
    } else {
        Ordering::Equal
    })
}

fn calculate(operator: Operator, left: Number, right: Number) -> Result<Value, Problem> {
    let zero = right.float() == 0.0;
    if zero
        && matches!(
            operator,
            Operator::Divide | Operator::FloorDivide | Operator::Remainder
        )
    {
        return Err(Problem::new(
            "number_range",
            format!("`{}` divides by zero", operator.symbol()),
        ));
    }
    let result = match (left, right, operator) {
        (_, _, Operator::Divide) => Some(Number::Float(left.float() / right.float())),
        (Number::Integer(left), Number::Integer(right), _) => integers(operator, left, right),
        _ => Some(Number::Float(floats(operator, left.float(), right.float()))),
    };
    let value = match result {
        Some(Number::Integer(number)) => i64::try_from(number)
            .map(Value::from)
            .or_else(|_| u64::try_from(number).map(Value::from))
            .ok(),
        Some(Number::Float(number)) if number.is_finite() => Some(Value::from(number)),
        _ => None,
    };
    value.ok_or_else(|| {
        let shown = format!(
            "{} {} {}",
            number_text(left),
            operator.symbol(),
            number_text(right)
        );
        Problem::new(
            "number_range",
            format!("the result of `{}` is out of range", cut(&shown)),
        )
        .hint("integers have 64 bits")
    })
}

fn number_text(number: Number) -> String {
    match number {
        Number::Integer(number) => number.to_string(),
        Number::Float(number) => number.to_string(),
    }
}

/// Division and remainder round towards negative infinity, so that `a == (a // b) * b + a % b`.
fn integers(operator: Operator, left: i128, right: i128) -> Option<Number> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::FloorDivide => left.checked_div_euclid(right).map(|quotient| {
            if right < 0 && left.rem_euclid(right) != 0 {
                quotient - 1
            } else {
                quotient
            }
        }),
        Operator::Remainder => left.checked_rem_euclid(right).map(|rest| {
            if right < 0 && rest != 0 {
                rest + right
            } else {
                rest
            }
        }),
        Operator::Power if right < 0 => {
            return Some(Number::Float(floats(operator, left as f64, right as f64)));
        }
        Operator::Power => power(left, right),
        _ => None,
    }
    .map(Number::Integer)
}

fn power(base: i128, exponent: i128) -> Option<i128> {
    match (base, exponent) {
        (0 | 1, 1..) | (_, 0) => Some(if exponent == 0 { 1 } else { base }),
        (-1, _) => Some(if exponent % 2 == 0 { 1 } else { -1 }),
        _ => base.checked_pow(u32::try_from(exponent).ok()?),
    }
}

fn floats(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::FloorDivide => (left / right).floor(),
        Operator::Remainder => left - right * (left / right).floor(),
        Operator::Power => left.powf(right),
        _ => left / right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_round_down_whatever_their_signs() {
        for (left, right, quotient, rest) in [
            (7, 2, 3, 1),
            (-7, 2, -4, 1),
            (7, -2, -4, -1),
            (-7, -2, 3, -1),
            (6, -2, -3, 0),
        ] {
            let of = |operator| match integers(operator, left, right) {
                Some(Number::Integer(number)) => number,
                other => panic!("expected an integer, found {other:?}"),
            };
            assert_eq!(
                (of(Operator::FloorDivide), of(Operator::Remainder)),
                (quotient, rest),
                "{left} and {right}"
            );
        }
    }

    #[test]
    fn mixed_numbers_are_compared_exactly() {
        assert_eq!(
            compare_mixed(9_007_199_254_740_993, 9_007_199_254_740_992.0),
            Ordering::Greater
        );
        assert_eq!(compare_mixed(1, 1.5), Ordering::Less);
        assert_eq!(compare_mixed(-1, -1.5), Ordering::Greater);
        assert_eq!(compare_mixed(2, 2.0), Ordering::Equal);
        assert_eq!(compare_mixed(i128::from(u64::MAX), 1e300), Ordering::Less);
    }
}
