//! The command line `segue` with the tools of a program of your own: pipeline files call them by name.
//!
//! ```sh
//! cargo run --example own_command_line -- run examples/own_tool.yaml --symbol AAPL
//! ```

use std::process::ExitCode;

use segue::{Registry, Result, StepError, ToolCx, tool};

/// The current price of a ticker symbol, in dollars.
#[tool(name = "app.price", class = read_only)]
async fn price(_cx: ToolCx, #[doc = "for example AAPL"] symbol: String) -> Result<f64> {
    match symbol.as_str() {
        "AAPL" => Ok(227.5),
        "MSFT" => Ok(430.2),
        _ => Err(StepError::fatal(format!("there is no symbol `{symbol}`"))),
    }
}

fn main() -> ExitCode {
    segue_cli::main(Registry::new().tool(price {}))
}
