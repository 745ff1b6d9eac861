//! A run is watched through its events: the same stream live, later, and on another screen. Everything that is shown of a run
//! is made from them.
//!
//! ```sh
//! cargo run --example watch
//! ```

use segue::view::{GraphView, RunView, draw};
use segue::{Cx, EventKind, IntoStep, Pipeline, Result, Runner, StepError, millis};

async fn fetch(cx: Cx, url: String) -> Result<String> {
    cx.progress(50, "half of it is here");
    tokio::time::sleep(millis(20)).await;
    match cx.attempt() {
        1 => Err(StepError::again("the connection was lost")),
        _ => Ok(format!("the page at {url}")),
    }
}

async fn count(_cx: Cx, page: String) -> Result<usize> {
    Ok(page.len())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = Pipeline::define("pages", |p, url| {
        let page = p.step("fetch", fetch.retries(2).backoff(segue::Backoff::None), url);
        p.step("count", count, page)
    })?;
    let runner = Runner::builder().build()?;
    let run = runner.start(&pipeline, "https://example.org".to_owned()).await?;

    let mut live = RunView::new(Some(pipeline.plan().clone()));
    let mut events = run.events();
    while let Some(event) = events.next().await {
        live.apply(&event);
        let step = event.step.as_deref().unwrap_or_default();
        let more = match &event.kind {
            EventKind::StepNote { text, percent } => format!("{} % {text}", percent.unwrap_or_default()),
            EventKind::AttemptAgain { reason, .. } => reason.clone(),
            EventKind::RunSucceeded { output, .. } => format!("{output:?}"),
            _ => String::new(),
        };
        println!("{:>3}  {:<18} {step:<6} {more}", event.seq, event.name());
    }

    // What was folded live is what the log gives afterwards.
    let later = run.view();
    println!(
        "\n{}",
        draw::text(&GraphView::of(pipeline.plan(), Some(&later), true).drawing())
    );
    println!("the same picture live and later: {}", live == later);
    Ok(())
}
