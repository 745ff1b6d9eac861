//! A map runs a step over each element of a list, so many at once, and keeps the order. With `keep_errors` a failed item
//! stands in the list as its error, and the others go on.
//!
//! ```sh
//! cargo run --example map
//! ```

use segue::{Cx, IntoStep, Kept, Pipeline, Result, StepError, from_fn, millis};

async fn fetch(cx: Cx, url: String) -> Result<usize> {
    // Later ones are faster, and still come later in the output.
    let place = u64::from(cx.index().unwrap_or_default());
    tokio::time::sleep(millis(40_u64.saturating_sub(10 * place))).await;
    match url.strip_prefix("https://") {
        Some(host) => Ok(host.len()),
        None => Err(StepError::fatal(format!("`{url}` is not secure"))),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pages = Pipeline::define("pages", |p, urls| {
        let fetched = p.map("fetch", fetch.max_parallel(2).keep_errors(), urls);
        p.step(
            "report",
            from_fn(|_cx, pages: Vec<Kept<usize>>| async move {
                let lines = pages.into_iter().map(|page| match page {
                    Kept::Made(length) => format!("{length} characters"),
                    Kept::Failed { error } => format!("failed: {error}"),
                });
                Ok(lines.collect::<Vec<String>>())
            }),
            fetched,
        )
    })?;

    let urls = [
        "https://example.org",
        "http://example.org",
        "https://segue.example",
    ];
    let done = pages.run(urls.map(str::to_owned).to_vec()).await?;
    for (url, line) in urls.iter().zip(&done.output) {
        println!("{url:<24} {line}");
    }

    let none = pages.run(Vec::new()).await?;
    println!("an empty list gives an empty list: {:?}", none.output);
    Ok(())
}
