//! Steps that need the same thing run side by side; a step that needs both waits for both. Nobody says which run together:
//! the edges say it.
//!
//! ```sh
//! cargo run --example parallel
//! ```

use std::time::Duration;

use schemars::JsonSchema;
use segue::view::Timeline;
use segue::{Cx, IntoStep, Pipeline, Result, Step, millis, secs};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Category(String);

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct Market {
    growth_percent: u64,
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct User {
    name: String,
    devices: u64,
}

/// Stands for a service that takes a while.
struct MarketClient {
    latency: Duration,
}

impl MarketClient {
    async fn fetch(&self, category: &Category) -> std::io::Result<Market> {
        tokio::time::sleep(self.latency).await;
        Ok(Market {
            growth_percent: category.0.len() as u64 * 2,
        })
    }
}

/// A step that holds something is a struct: what it needs goes into it when it is made.
struct FetchMarket {
    client: MarketClient,
}

impl Step for FetchMarket {
    type In = Category;
    type Out = Market;

    async fn run(&self, _cx: Cx, category: Category) -> Result<Market> {
        // `?` means: worth another attempt.
        Ok(self.client.fetch(&category).await?)
    }
}

async fn fetch_user(cx: Cx, category: Category) -> Result<User> {
    cx.note(format!("looking up who reads about {}", category.0));
    tokio::time::sleep(millis(80)).await;
    Ok(User {
        name: "Marta".to_owned(),
        devices: 3,
    })
}

/// One parameter for each edge.
async fn calculate(_cx: Cx, market: Market, user: User) -> Result<String> {
    let more = user.devices * market.growth_percent;
    Ok(format!("{} can expect {more} percent more offers", user.name))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = MarketClient { latency: millis(100) };
    let pipeline = Pipeline::define("offers", |p, category| {
        let market = p.step(
            "market",
            FetchMarket { client }.retries(2).timeout(secs(30)),
            category,
        );
        let user = p.step("user", fetch_user, category);
        p.step("calculate", calculate, (market, user))
    })?;

    let done = pipeline.run(Category("refurbished phones".to_owned())).await?;
    println!("{}\n", done.output);

    let view = done.view();
    for step in view.steps() {
        println!("{:<10} {:>4} ms", step.path, step.duration_ms.unwrap_or_default());
    }
    println!(
        "together   {:>4} ms",
        view.duration().unwrap_or_default().as_millis()
    );
    println!(
        "\nas long as it took because of: {}",
        Timeline::of(&view).critical_path.join(" → ")
    );
    Ok(())
}
