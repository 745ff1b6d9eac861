//! A pipeline is a step. What runs inside is part of the same run: seen by its path, paid from the same budget.
//!
//! ```sh
//! cargo run --example nested
//! ```

use segue::view::{GraphView, draw};
use segue::{Agent, Pipeline, from_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let summarizer = Agent::<String>::new("summarizer")
        .instructions("Summarize in one sentence.")
        .model("local/extractive")
        .max_tokens(30);

    let digest = Pipeline::define("digest", |p, text| {
        let summary = p.step("summarize", summarizer.as_step(|text: String| text), text);
        p.step(
            "sign",
            from_fn(|_cx, summary: String| async move { Ok(format!("{summary} (digest)")) }),
            summary,
        )
    })?;

    // Once as a step, and once over each part of a text.
    let newsletter = Pipeline::define("newsletter", |p, text| {
        let parts = p.step(
            "split",
            from_fn(|_cx, text: String| async move {
                Ok(text.split("\n\n").map(str::to_owned).collect::<Vec<String>>())
            }),
            text,
        );
        let digests = p.map("digests", digest.clone(), parts);
        let joined = p.step(
            "join",
            from_fn(|_cx, digests: Vec<String>| async move { Ok(digests.join("\n")) }),
            digests,
        );
        p.step("headline", &digest, joined)
    })?;

    let done = newsletter
        .run(include_str!("../documents/notice.txt").to_owned())
        .await?;
    let view = done.view();
    println!(
        "{}",
        draw::text(&GraphView::of(newsletter.plan(), Some(&view), true).drawing())
    );
    for step in view.all_steps() {
        println!("{:<24} {} model calls", step.path, step.usage.requests);
    }
    println!("\n{}", done.output);
    Ok(())
}
