//! The key of a run: which workspace of its pipeline it works in, worked out from its inputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::error::{ErrorKind, Failure};
use crate::fault::quote;
use crate::plan::{Input, Plan};
use crate::schema::{Schema, TypeSet};
use crate::template::Expr;

/// The longest key.
const LONGEST: usize = 128;

/// The key of a run with these inputs, where the plan names one or the call does. Where the plan's key is one input and
/// that is not given, the call's key fills it.
///
/// # Errors
/// Kind `usage` for a key that cannot be one, differs from the inputs', or that the pipeline does not declare;
/// `invalid_input` where the inputs do not give one.
pub(crate) fn workspace_key(
    plan: &Plan,
    inputs: &mut Map<String, Json>,
    said: Option<&str>,
) -> Result<Option<String>, Failure> {
    let Input::Named(declared) = &plan.input else {
        said.map(check_key).transpose()?;
        return Ok(said.map(str::to_owned));
    };
    let Some(source) = &plan.key else {
        let Some(said) = said else { return Ok(None) };
        let message = format!(
            "pipeline `{}` declares no `key`, so {} names nothing",
            plan.name,
            quote(said)
        );
        let hint = "write `key: inputs.NAME` in the pipeline, or leave the key out";
        return Err(Failure::new(ErrorKind::Usage, message).hint(hint));
    };
    let expr = Expr::parse(source).map_err(|faults| {
        let fault = faults.into_iter().next();
        let message = fault.map_or_else(String::new, |fault| fault.message);
        Failure::new(
            ErrorKind::InvalidDefinition,
            format!("`key` cannot be read: {message}"),
        )
    })?;
    if let (Some(said), Some(name)) = (said, only_input(&expr)) {
        inputs
            .entry(name)
            .or_insert_with(|| fitting(declared.get(name), said));
    }
    let mut known = inputs.clone();
    for (name, schema) in declared {
        if let (false, Some(default)) = (known.contains_key(name), schema.default_value()) {
            known.insert(name.clone(), default.clone());
        }
    }
    let reads = expr
        .references()
        .iter()
        .filter_map(|reference| reference.field(0));
    let missing: Vec<&str> = reads.filter(|name| !known.contains_key(*name)).collect();
    if !missing.is_empty() {
        let list: Vec<String> = missing
            .iter()
            .map(|name| format!("`inputs.{name}`: it is missing"))
            .collect();
        let message = format!(
            "the key of `{}` is made from its inputs\n  {}",
            plan.name,
            list.join("\n  ")
        );
        return Err(Failure::new(ErrorKind::InvalidInput, message)
            .hint("give it, or name the workspace with `--key`"));
    }
    let scope: BTreeMap<String, Arc<Json>> = [("inputs".to_owned(), Arc::new(Json::Object(known)))].into();
    let value = expr.eval(&scope).map_err(|error| {
        Failure::new(
            ErrorKind::InvalidInput,
            format!("{}, in the key `{source}`", error.message),
        )
    })?;
    let key = match &value {
        Json::String(text) => text.clone(),
        Json::Number(number) if !number.is_f64() => number.to_string(),
        other => {
            let message = format!(
                "the key `{source}` is {}, and has to be text or an integer",
                quote(&other.to_string())
            );
            return Err(Failure::new(ErrorKind::InvalidInput, message));
        }
    };
    check_key(&key)?;
    match said {
        Some(said) if said != key => {
            let message = format!("the key is {}, and the inputs say {}", quote(said), quote(&key));
            Err(Failure::new(ErrorKind::Usage, message).hint("leave one of them out"))
        }
        _ => Ok(Some(key)),
    }
}

/// The input a key is, where it is nothing else.
fn only_input(expr: &Expr) -> Option<&str> {
    let [reference] = expr.references() else {
        return None;
    };
    let is_all = reference.path.len() == 1 && reference.len == expr.source().trim().len();
    reference.field(0).filter(|_| is_all)
}

/// A key as its input takes it.
fn fitting(schema: Option<&Schema>, key: &str) -> Json {
    let wants_number = schema
        .is_some_and(|schema| schema.types() != TypeSet::NOTHING && TypeSet::NUMBER.contains(schema.types()));
    match key.parse::<i64>() {
        Ok(number) if wants_number => number.into(),
        _ => key.into(),
    }
}

/// # Errors
/// When it cannot name a workspace.
pub(crate) fn check_key(key: &str) -> Result<(), Failure> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let fits = (1..=LONGEST).contains(&key.len())
        && key.bytes().all(is_plain)
        && !key.starts_with('.')
        && !key.contains("..");
    if fits {
        return Ok(());
    }
    let message = format!(
        "{} is no key: 1 to {LONGEST} of A-Z a-z 0-9 `.` `_` `-`, no dot first, no `..`",
        quote(key)
    );
    Err(Failure::new(ErrorKind::Usage, message))
}
