//! A repeat runs a step over its own output until it is good enough, or has run often enough.
//!
//! ```sh
//! cargo run --example repeat
//! ```

use schemars::JsonSchema;
use segue::{Cx, Pipeline, Result};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Draft {
    text: String,
    score: f64,
}

/// Cuts the last word, and likes what is short.
async fn improve(cx: Cx, draft: Draft) -> Result<Draft> {
    let text = draft
        .text
        .rsplit_once(' ')
        .map_or(draft.text.as_str(), |(text, _)| text)
        .to_owned();
    let score = 1.0 - text.split_whitespace().count() as f64 / 20.0;
    cx.note(format!(
        "round {}: {score:.2}",
        cx.index().unwrap_or_default() + 1
    ));
    Ok(Draft { text, score })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = Pipeline::define("polish", |p, draft| {
        p.repeat("improve", improve, draft)
            .until(|draft| draft.score >= 0.8)
            .at_most(10)
    })?;
    let draft = Draft {
        text: "A pipeline is a plan that is checked before it is run".to_owned(),
        score: 0.0,
    };
    let done = pipeline.run(draft).await?;
    for round in done.view().children("improve") {
        if let Some(output) = &round.output {
            println!("{:<12} {output:?}", round.path);
        }
    }
    println!("\n{} ({:.2})", done.output.text, done.output.score);
    Ok(())
}
