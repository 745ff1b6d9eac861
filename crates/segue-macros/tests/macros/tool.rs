//! `#[tool]`: the function stays, and the tool beside it has a schema and takes JSON.

use std::collections::BTreeMap;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use schemars::JsonSchema;
use segue_macros::tool;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{StepError, Tool, ToolClass, ToolCx};

type Result<T> = std::result::Result<T, StepError>;

#[derive(Debug, PartialEq, Serialize)]
struct Quote {
    symbol: String,
    cents: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Currency {
    Usd,
    Eur,
}

/// The current price of a ticker symbol.
///
/// Prices are in cents.
#[tool(name = "app.price", class = read_only)]
async fn price(
    _cx: ToolCx,
    /// for example AAPL
    symbol: String,
    #[doc = "dollars when not said"] currency: Option<Currency>,
) -> Result<Quote> {
    // A tool's name is free for a variable.
    let price = if matches!(currency, Some(Currency::Eur)) {
        90
    } else {
        100
    };
    if symbol.is_empty() {
        return Err(StepError::fatal("no symbol"));
    }
    Ok(Quote { symbol, cents: price })
}

/// Does nothing.
#[tool]
async fn idle(_cx: ToolCx) -> Result<()> {
    Ok(())
}

/// Adds numbers up.
#[tool(class = idempotent)]
pub(crate) async fn sum(
    _cx: ToolCx,
    mut numbers: Vec<u32>,
    #[serde(default)]
    #[schemars(range(max = 9))]
    r#type: u32,
) -> Result<u32> {
    numbers.push(r#type);
    Ok(numbers.iter().sum())
}

/// Fails as other libraries do.
#[tool(class = effectful)]
async fn parse(_cx: ToolCx, text: String) -> std::result::Result<u32, std::num::ParseIntError> {
    text.parse()
}

/// Returns what JSON cannot say.
#[tool]
async fn unsayable(_cx: ToolCx) -> Result<BTreeMap<(u8, u8), u8>> {
    Ok(BTreeMap::from([((1, 2), 3)]))
}

/// Is nowhere.
#[cfg(any())]
#[tool]
async fn absent(_cx: ToolCx) -> Result<()> {
    Ok(())
}

/// Is nowhere either.
#[tool]
#[cfg(any())]
async fn absent(_cx: ToolCx) -> Result<()> {
    Ok(())
}

/// The tools here wait for nothing, so one poll is enough.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the tool waits"),
    }
}

fn call(tool: &dyn Tool, arguments: Value) -> Result<Value> {
    ready(tool.call(ToolCx, arguments))
}

#[test]
fn the_function_is_called_as_it_is_written() {
    let quote = ready(price(ToolCx, "AAPL".into(), None)).unwrap();
    assert_eq!(
        quote,
        Quote {
            symbol: "AAPL".into(),
            cents: 100
        }
    );
}

#[test]
fn name_description_and_class_come_from_the_source() {
    let spec = price {}.spec();
    assert_eq!(spec.name, "app.price");
    assert_eq!(
        spec.description,
        "The current price of a ticker symbol.\n\nPrices are in cents."
    );
    assert_eq!(spec.class, Some(ToolClass::ReadOnly));

    let spec = idle {}.spec();
    assert_eq!((spec.name.as_str(), spec.class), ("idle", None));
    assert_eq!(sum {}.spec().class, Some(ToolClass::Idempotent));
    assert_eq!(parse {}.spec().class, Some(ToolClass::Effectful));
}

#[test]
fn the_schema_carries_types_documentation_and_what_is_optional() {
    assert_eq!(
        price {}.spec().parameters,
        json!({
            "type": "object",
            "properties": {
                "symbol": { "description": "for example AAPL", "type": "string" },
                "currency": {
                    "description": "dollars when not said",
                    "type": ["string", "null"],
                    "enum": ["usd", "eur", null],
                },
            },
            "required": ["symbol"],
            "additionalProperties": false,
        }),
    );
    assert_eq!(
        sum {}.spec().parameters["properties"]["type"],
        json!({ "type": "integer", "format": "uint32", "default": 0, "minimum": 0, "maximum": 9 }),
    );
}

#[test]
fn no_arguments_are_an_object_with_no_properties() {
    let schema = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    assert_eq!(idle {}.spec().parameters, schema);
    for nothing in [json!({}), Value::Null] {
        assert_eq!(call(&idle {}, nothing), Ok(Value::Null));
    }
}

#[test]
fn a_call_takes_and_gives_json() {
    let quote = call(&price {}, json!({ "symbol": "AAPL", "currency": "eur" }));
    assert_eq!(quote, Ok(json!({ "symbol": "AAPL", "cents": 90 })));
    assert_eq!(call(&sum {}, json!({ "numbers": [1, 2] })), Ok(json!(3)));
    assert_eq!(
        call(&sum {}, json!({ "numbers": [1, 2], "type": 4 })),
        Ok(json!(7))
    );
}

#[test]
fn bad_arguments_say_which_tool_and_what() {
    for (arguments, message) in [
        (json!({}), "arguments of tool `app.price`: missing field `symbol`"),
        (
            Value::Null,
            "arguments of tool `app.price`: missing field `symbol`",
        ),
        (
            json!({ "symbol": "A", "sybmol": "B" }),
            "arguments of tool `app.price`: unknown field `sybmol`, expected `symbol` or `currency`",
        ),
        (
            json!({ "symbol": 3 }),
            "arguments of tool `app.price`: invalid type: integer `3`, expected a string",
        ),
    ] {
        assert_eq!(
            call(&price {}, arguments),
            Err(StepError::BadArguments(message.into()))
        );
    }
}

#[test]
fn errors_of_the_function_arrive_as_they_are_or_by_conversion() {
    assert_eq!(
        call(&price {}, json!({ "symbol": "" })),
        Err(StepError::Fatal("no symbol".into()))
    );
    let message = "invalid digit found in string".to_owned();
    assert_eq!(
        call(&parse {}, json!({ "text": "x" })),
        Err(StepError::Again(message))
    );
}

#[test]
fn an_output_json_cannot_say_is_fatal() {
    let message = "output of tool `unsayable` is not JSON: key must be a string".to_owned();
    assert_eq!(call(&unsayable {}, Value::Null), Err(StepError::Fatal(message)));
}
