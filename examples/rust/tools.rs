//! A function becomes a tool by `#[tool]`: its documentation is what the model is told, its parameters are the schema. The
//! model asks for calls; the run makes them, checks the arguments, and records what came back.
//!
//! ```sh
//! cargo run --example tools
//! ```

use std::collections::BTreeMap;

use segue::model::Rule;
use segue::view::CallStatus;
use segue::{Agent, IntoStep, Pipeline, Result, Scripted, StepError, Tool, ToolCx, tool};
use serde_json::json;

/// What the tool asks: a value of the application, given to the run.
struct Quotes(BTreeMap<&'static str, f64>);

/// The current price of a ticker symbol, in dollars.
#[tool(class = read_only)]
async fn price(cx: ToolCx, #[doc = "for example AAPL"] symbol: String) -> Result<f64> {
    let quotes = cx.get::<Quotes>()?;
    match quotes.0.get(symbol.as_str()) {
        Some(price) => Ok(*price),
        // The model reads this, and may ask again.
        None => Err(StepError::bad_arguments(format!("there is no symbol `{symbol}`"))),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let spec = price {}.spec();
    println!("{}: {}\n{:#}\n", spec.name, spec.description, spec.parameters);

    let broker = Agent::<String>::new("broker")
        .instructions("Compare prices. Never guess one.")
        .model("sim/broker")
        .tool(price {});
    let compare = Pipeline::define("compare", |p, question| {
        p.step(
            "compare",
            broker.as_step(|question: String| question).uses::<Quotes>(),
            question,
        )
    })?;

    // Stands for the model: it gets one symbol wrong, reads the error, and answers from what the tool said.
    let model = Scripted::new()
        .rule(
            Rule::calls([
                ("price", json!({"symbol": "AAPL"})),
                ("price", json!({"symbol": "MSTF"})),
            ])
            .times(1),
        )
        .rule(Rule::call("price", json!({"symbol": "MSFT"})).times(1))
        .rule(Rule::reply("MSFT costs more than AAPL.").prompt_contains("227.5"))
        .rule(Rule::reply("I do not know."));
    let quotes = Quotes(BTreeMap::from([("AAPL", 227.5), ("MSFT", 430.2)]));

    let done = compare
        .run("Which costs more, Apple or Microsoft?".to_owned())
        .with_model("sim/broker", model)
        .provide(quotes)
        .await?;
    println!("{}", done.output);
    println!(
        "{} model calls, {} tool calls",
        done.usage.requests, done.usage.tool_calls
    );
    for call in done.view().calls() {
        if let Some(tool) = &call.tool {
            let how = if call.status == CallStatus::Succeeded {
                "✓"
            } else {
                "✕"
            };
            println!("{how} {tool}");
        }
    }
    Ok(())
}
