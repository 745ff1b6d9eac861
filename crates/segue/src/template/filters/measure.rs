//! Measures what one of MiniJinja's filters would produce, before it does.

use minijinja::Value;

use super::super::fault::Problem;
use super::super::kinds::Kind;
use super::super::limit::{self, Meter};
use super::super::operators::Operator;
use super::super::value::{self, cut, describe, kind};
use super::{Given, at_path, needs, wrong};

/// Refuses results beyond the limits and orders between different kinds; pays for the work to come.
pub(super) fn measure(name: &str, input: &Value, given: &Given, meter: &mut Meter) -> Result<(), Problem> {
    let text = input.as_str().unwrap_or_default();
    match name {
        "replace" => {
            let from = argument_text(given, 0);
            let to = argument_text(given, 1);
            limit::fits(
                text.matches(from.as_str())
                    .count()
                    .saturating_mul(to.len())
                    .saturating_add(text.len()),
            )
        }
        "indent" => {
            let width = given.count(name, 0, "width")?.unwrap_or(4);
            limit::fits(
                text.split('\n')
                    .count()
                    .saturating_mul(width)
                    .saturating_add(text.len()),
            )
        }
        "format" => measure_format(text, given),
        "split" => match given.text(name, 0, "split")? {
            Some(separator) => meter.elements(text.matches(separator).count()),
            None => meter.elements(text.split_whitespace().count()),
        },
        "lines" => meter.elements(text.lines().count()),
        "list" => meter.elements(text.chars().count()),
        "batch" | "slice" => {
            let count = given
                .count(name, 0, "count")?
                .ok_or_else(|| needs(name, "count"))?;
            meter.elements(count)
        }
        "sort" | "min" | "max" | "groupby" => comparable(name, input, given, meter),
        "dictsort" if given.named("by").and_then(Value::as_str) == Some("value") => {
            let names: Vec<Value> = value::iterate(input)?.collect();
            let values: Vec<Value> = names
                .iter()
                .map(|name| input.get_item(name).unwrap_or_default())
                .collect();
            same_kind(&values, meter)
        }
        "unique" => sorting(&value::iterate(input)?.collect::<Vec<_>>(), meter),
        _ => Ok(()),
    }
}

fn argument_text(given: &Given, place: usize) -> String {
    given
        .positional
        .get(place)
        .map(Value::to_string)
        .unwrap_or_default()
}

/// Every place holder may be as wide as the largest number written in the format or the longest argument.
fn measure_format(format: &str, given: &Given) -> Result<(), Problem> {
    if format.contains('*') {
        return Err(
            Problem::limit("`format` does not take a width from its arguments")
                .hint("write the width as a number"),
        );
    }
    let widest = format
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| {
            if digits.len() > 6 {
                usize::MAX
            } else {
                digits.parse().unwrap_or(0)
            }
        })
        .max()
        .unwrap_or(0);
    let longest = given
        .all()
        .map(|argument| argument.to_string().len())
        .max()
        .unwrap_or(0);
    // A float prints up to 309 digits before the point, with separators.
    let each = widest.saturating_add(longest).saturating_add(512);
    limit::fits(
        format
            .matches('%')
            .count()
            .saturating_mul(each)
            .saturating_add(format.len()),
    )
}

/// Refuses to order items of which two cannot be compared.
fn comparable(name: &str, input: &Value, given: &Given, meter: &mut Meter) -> Result<(), Problem> {
    let place = if name == "groupby" { 0 } else { usize::MAX };
    let attributes = match given.get(place, "attribute") {
        Some(attribute) => attribute
            .as_str()
            .ok_or_else(|| wrong(name, Kind::Text, attribute))?,
        None => return same_kind(&value::iterate(input)?.collect::<Vec<_>>(), meter),
    };
    for attribute in attributes.split(',').map(str::trim) {
        let default = given.named("default");
        let keys: Option<Vec<Value>> = value::iterate(input)?
            .map(|item| at_path(&item, attribute).or_else(|| default.cloned()))
            .collect();
        let keys = keys.ok_or_else(|| {
            Problem::new(
                "unknown_field",
                format!("an item of the list has no field `{}`", cut(attribute)),
            )
        })?;
        same_kind(&keys, meter)?;
    }
    Ok(())
}

fn same_kind(keys: &[Value], meter: &mut Meter) -> Result<(), Problem> {
    if let [first, _, ..] = keys {
        let odd = keys
            .iter()
            .find(|key| Operator::Less.gives(kind(first), kind(key)).is_none());
        if let Some(odd) = odd {
            let known = (kind(first), &*describe(first));
            return Err(Operator::Less.mismatch(known, (kind(odd), &describe(odd))));
        }
    }
    sorting(keys, meter)
}

/// Pays for sorting: every key is read about log₂(n) times.
fn sorting(keys: &[Value], meter: &mut Meter) -> Result<(), Problem> {
    let rounds = usize::BITS - keys.len().leading_zeros();
    for key in keys {
        for _ in 0..rounds {
            value::weigh(key, meter)?;
        }
    }
    Ok(())
}
