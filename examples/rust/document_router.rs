//! Short documents take one pipeline, long ones another. Both arms are in the plan before anything runs, and an arm that is
//! missing is a fault of the definition, not a surprise at night.
//!
//! ```sh
//! cargo run --example document_router
//! cargo run --example document_router -- path/to/another.txt
//! ```

use schemars::JsonSchema;
use segue::view::{GraphView, draw};
use segue::{Agent, Cx, IntoStep, Pipeline, Result, Route, cents};
use serde::{Deserialize, Serialize};

/// From this many words a document is long.
const LONG: usize = 100;

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Document {
    text: String,
}

/// The arms of the route.
#[derive(Clone, Copy, Route)]
enum Size {
    Short,
    Long,
}

async fn size(_cx: Cx, document: Document) -> Result<Size> {
    match document.text.split_whitespace().count() {
        0..LONG => Ok(Size::Short),
        _ => Ok(Size::Long),
    }
}

async fn join(_cx: Cx, money: String, people: String) -> Result<String> {
    Ok(format!("{money}\n\n{people}"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let long = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => include_str!("../documents/notice.txt").to_owned(),
    };
    let short = long.lines().next().unwrap_or_default().to_owned();

    let copier = Agent::<String>::new("copier")
        .instructions("Repeat the first sentence.")
        .model("local/extractive")
        .max_tokens(30);
    let summarizer = Agent::<String>::new("summarizer")
        .instructions("Summarize what it costs and what it brings.")
        .model("local/extractive");

    let brief = Pipeline::define("brief", |p, document| {
        p.step(
            "copy",
            copier.as_step(|document: Document| document.text),
            document,
        )
    })?;
    let paper = Pipeline::define("paper", |p, document| {
        let ask = |about: &'static str| {
            summarizer.as_step(move |document: Document| format!("{about}: {}", document.text))
        };
        let money = p.step("money", ask("Money"), document);
        let people = p.step("people", ask("Customers"), document);
        p.step("join", join, (money, people))
    })?;

    let router = Pipeline::define("router", |p, document| {
        let size = p.step("size", size, document);
        p.route("write", size)
            .when(Size::Short, |p| p.step("brief", &brief, document))
            .when(Size::Long, |p| p.step("paper", paper.budget(cents(10)), document))
            .merge()
    })?;

    for text in [short, long] {
        let done = router.run(Document { text }).await?;
        let view = done.view();
        println!(
            "{}",
            draw::text(&GraphView::of(router.plan(), Some(&view), true).drawing())
        );
        println!("{}\n", done.output);
    }
    Ok(())
}
