//! Run again from what is there: a person corrects the output of one step, and one step that was built on it is made again.
//! What else was built on the old one is stale, which is said and not guessed, until it is made again too. The run it all
//! comes from never changes.
//!
//! ```sh
//! cargo run --example rerun
//! ```

use segue::store::MemoryStore;
use segue::{Cx, Pipeline, Result, RunHandle, Runner};
use serde_json::Value as Json;

async fn prices(_cx: Cx, _product: String) -> Result<Vec<u64>> {
    println!("  (asking for prices)");
    Ok(vec![20, 24, 910])
}

async fn usual(_cx: Cx, prices: Vec<u64>) -> Result<u64> {
    println!("  (working out the usual price)");
    Ok(prices.iter().sum::<u64>() / prices.len().max(1) as u64)
}

async fn range(_cx: Cx, prices: Vec<u64>) -> Result<String> {
    println!("  (working out the range)");
    let ends = prices.iter().min().zip(prices.iter().max());
    Ok(ends.map_or_else(String::new, |(least, most)| format!("{least} to {most}")))
}

async fn offer(_cx: Cx, usual: u64, range: String) -> Result<String> {
    println!("  (writing the offer)");
    Ok(format!("our price is {usual}; others ask {range}"))
}

/// What the run gave, and what of it was built on something that has changed since.
async fn show(run: RunHandle<Json>) -> Result<(), segue::Error> {
    run.done().await?;
    let record = run.view().record();
    for (name, step) in &record.steps {
        let how = match (step.edited, step.stale, step.reused_from.is_some()) {
            (true, ..) => "edited",
            (_, true, _) => "stale",
            (_, _, true) => "taken over",
            _ => "made",
        };
        let output = step.output.as_ref().and_then(|output| output.to_json().ok());
        println!(
            "  {name:<7} {how:<11} {}",
            output.as_deref().unwrap_or(&Json::Null)
        );
    }
    println!("  stale: [{}]", record.stale_steps.join(", "));
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let offers = Pipeline::define("offers", |p, product| {
        let prices = p.step("prices", prices, product);
        let usual = p.step("usual", usual, prices);
        let range = p.step("range", range, prices);
        p.step("offer", offer, (usual, range))
    })?;
    // A store in memory; with `Sqlite::open("segue.db")` the same goes on in other processes, weeks later.
    let runner = Runner::builder()
        .store(MemoryStore::new())
        .register(&offers)
        .build()?;

    println!("## the first run");
    let first = runner.start(&offers, "a repair kit".to_owned()).await?;
    show(first.untyped()).await?;

    println!("\n## without the price that was a mistake, the usual price again");
    let corrected = || {
        let again = runner.rerun(first.id()).only("usual");
        again.set_output("prices", serde_json::json!([20, 24]))
    };
    let preview = corrected().preview().await?;
    println!(
        "  it would run {}, and take over {}",
        preview.runs.join(", "),
        preview.reuses.join(", ")
    );
    let second = corrected().await?;
    show(second.clone()).await?;

    println!("\n## everything that is stale again");
    let third = runner.rerun(second.id()).stale().await?;
    show(third).await?;

    println!("\n## the first run is what it was");
    show(first.untyped()).await?;
    Ok(())
}
