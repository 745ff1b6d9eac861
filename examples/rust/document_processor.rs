//! A document in, its entities and then its class out: two steps, one edge.
//!
//! ```sh
//! cargo run --example document_processor
//! cargo run --example document_processor -- path/to/another.txt
//! ```

use std::sync::LazyLock;

use schemars::JsonSchema;
use segue::view::{GraphView, draw};
use segue::{Agent, Cx, Pipeline, Result};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Document {
    text: String,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Entities {
    entities: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Category {
    Business,
    Technology,
    Science,
    Politics,
    Sport,
    Other,
}

/// Its answers are `Entities`: one that does not fit is sent back to the model, and never reaches the next step.
static EXTRACTOR: LazyLock<Agent<Entities>> = LazyLock::new(|| {
    Agent::new("extractor")
        .instructions("Extract key entities from text.")
        .model("auto/small")
        .model("local/extractive")
});

/// A step is an async function: the context first, then what it takes.
async fn extract(cx: Cx, document: Document) -> Result<Entities> {
    let reply = cx
        .run(&EXTRACTOR, format!("Extract entities: {}", document.text))
        .await?;
    Ok(reply.output)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => include_str!("../documents/notice.txt").to_owned(),
    };

    let classifier = Agent::<Category>::new("classifier")
        .instructions("Classify documents.")
        .model("auto/small")
        .model("local/extractive");

    // A handle is the output of a step before there is one. Handing it to another step is the edge.
    let documents = Pipeline::define("documents", |p, document| {
        let entities = p.step("extract", extract, document);
        let prompt = |found: Entities| format!("Classify based on: {}", found.entities.join(", "));
        p.step("classify", classifier.as_step(prompt), entities)
    })?;

    let done = documents.run(Document { text }).await?;
    let view = done.view();
    println!(
        "{}",
        draw::text(&GraphView::of(documents.plan(), Some(&view), true).drawing())
    );
    println!("{:?} for {}", done.output, done.cost);
    Ok(())
}
