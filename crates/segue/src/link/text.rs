//! Written values: templates and expressions of a plan, read once.

use serde_json::{Map, Value as Json};

use super::scope::Scope;
use crate::error::{ErrorKind, Failure, StepError};
use crate::template::{EvalError, Expr, Template};

/// A template or an expression, ready to be evaluated.
pub(super) enum Written {
    Template(Template),
    Expression(Expr),
}

/// A value whose strings are templates.
pub(super) enum Shape {
    Written(Written),
    Plain(Json),
    List(Vec<Shape>),
    Map(Vec<(String, Shape)>),
}

impl Written {
    pub(super) fn template(source: &str) -> Result<Self, Failure> {
        Template::parse(source)
            .map(Written::Template)
            .map_err(|faults| unread(source, &faults))
    }

    pub(super) fn expression(source: &str) -> Result<Self, Failure> {
        Expr::parse(source)
            .map(Written::Expression)
            .map_err(|faults| unread(source, &faults))
    }

    pub(super) fn of(
        source: Option<&str>,
        read: fn(&str) -> Result<Self, Failure>,
    ) -> Result<Option<Self>, Failure> {
        source.map(read).transpose()
    }

    /// Its value.
    pub(super) fn value(&self, scope: &Scope) -> Result<Json, StepError> {
        let value = match self {
            Written::Template(template) => template.render(scope),
            Written::Expression(expression) => expression.eval(scope),
        };
        value.map_err(|error| failed(self.source(), &error))
    }

    /// Its value as text: text as it is, other values as JSON.
    pub(super) fn text(&self, scope: &Scope) -> Result<String, StepError> {
        match self.value(scope)? {
            Json::String(text) => Ok(text),
            Json::Null => Err(Failure::new(
                ErrorKind::NoneInText,
                format!("`{}` is none where text is made", self.source()),
            )
            .hint("write `or ''` where nothing is right")
            .into()),
            value => Ok(value.to_string()),
        }
    }

    /// Whether it holds; a condition is a boolean.
    pub(super) fn holds(&self, scope: &Scope) -> Result<bool, StepError> {
        let holds = match self {
            Written::Expression(expression) => expression.eval_bool(scope),
            Written::Template(template) => template
                .render(scope)
                .map(|value| crate::template::truthy(&value)),
        };
        holds.map_err(|error| failed(self.source(), &error))
    }

    fn source(&self) -> &str {
        match self {
            Written::Template(template) => template.source(),
            Written::Expression(expression) => expression.source(),
        }
    }
}

impl Shape {
    pub(super) fn read(value: &Json) -> Result<Self, Failure> {
        Ok(match value {
            Json::String(text) => Shape::Written(Written::template(text)?),
            Json::Array(items) => Shape::List(items.iter().map(Shape::read).collect::<Result<_, _>>()?),
            Json::Object(fields) => {
                let read = |(name, value): (&String, &Json)| Ok((name.clone(), Shape::read(value)?));
                Shape::Map(fields.iter().map(read).collect::<Result<_, Failure>>()?)
            }
            plain => Shape::Plain(plain.clone()),
        })
    }

    pub(super) fn value(&self, scope: &Scope) -> Result<Json, StepError> {
        Ok(match self {
            Shape::Written(written) => written.value(scope)?,
            Shape::Plain(value) => value.clone(),
            Shape::List(items) => Json::Array(
                items
                    .iter()
                    .map(|item| item.value(scope))
                    .collect::<Result<_, _>>()?,
            ),
            Shape::Map(fields) => {
                let mut map = Map::new();
                for (name, shape) in fields {
                    map.insert(name.clone(), shape.value(scope)?);
                }
                Json::Object(map)
            }
        })
    }
}

/// The plan was checked, so this is only met with a plan of another version or by hand.
fn unread(source: &str, faults: &[crate::template::Fault]) -> Failure {
    let message = faults
        .first()
        .map(|fault| fault.message.clone())
        .unwrap_or_default();
    Failure::new(
        ErrorKind::InvalidDefinition,
        format!("`{source}` cannot be read: {message}"),
    )
}

fn failed(source: &str, error: &EvalError) -> StepError {
    let kind = serde_json::from_value(Json::String(error.kind.to_owned())).unwrap_or(ErrorKind::KindMismatch);
    let shown: String = source.chars().take(120).collect();
    let mut failure = Failure::new(kind, format!("{}, in `{}`", error.message, shown.trim()));
    failure.retryable = false;
    if let Some(hint) = &error.hint {
        failure.hints.push(hint.clone());
    }
    failure.into()
}
